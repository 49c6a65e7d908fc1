//! C programs, each for one promise of the header, under valgrind; and the examples.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use bitsup_server::scripted::{Reply, Request, Scripted};
use bitsup_server::{Config, Server, TlsFiles};
use tempfile::TempDir;

use crate::build::{self, FOUND, Finder};
use crate::held::{Held, random_secret};
use crate::support::{self, capi, workspace};

/// A server with a folder, and a compiled program.
pub(crate) struct Stage {
    root: TempDir,
    pub(crate) server: Server,
    pub(crate) program: PathBuf,
}

impl Stage {
    pub(crate) fn new(source: &Path, options: &[&str], config: Config) -> Self {
        let root = tempfile::tempdir().expect("root");
        let config = Config { root: root.path().to_owned(), overwrite: true, ..config };
        let server = Server::start(config).expect("server");
        let program = root.path().join("program");
        build::compile(source, &program, options);
        Self { root, server, program }
    }

    fn test(name: &str, fault: &str) -> Self {
        let source = capi().join("tests/capi/programs").join(name);
        let fault = (!fault.is_empty()).then(|| fault.parse().expect("a fault script"));
        Self::new(&source, &[], Config { fault, ..Config::default() })
    }

    fn example(name: &str) -> Self {
        Self::new(&workspace().join("examples").join(name), &[], Config::default())
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = support::succeed(build::checked(&self.program).args(arguments));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// A file of that many bytes that differ wherever they are spliced.
    fn file(&self, name: &str, size: usize) -> (String, Vec<u8>) {
        let bytes: Vec<u8> =
            (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        let path = self.root.path().join(name);
        std::fs::write(&path, &bytes).expect("written");
        (path.to_str().expect("UTF-8").to_owned(), bytes)
    }

    fn uploaded(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.root.path().join(name)).expect("the upload is there")
    }
}

/// Else a run without a finding would show nothing.
#[test]
fn a_planted_error_is_found() {
    let (program, words) = match Finder::chosen() {
        Finder::Valgrind => ("overrun.c", "Invalid read"),
        Finder::Address => ("overrun.c", "heap-buffer-overflow"),
        Finder::Thread => ("race.c", "data race"),
    };
    let stage = Stage::test(program, "");
    // Two threads race when they meet, which on a busy machine they do not always do.
    let tries = if matches!(Finder::chosen(), Finder::Thread) { 10 } else { 1 };
    let found = (0..tries).any(|_| {
        let mut command = build::checked(&stage.program);
        let output = command.arg(stage.server.url("/x.bin")).output().expect("it runs");
        let printed = String::from_utf8_lossy(&output.stderr);
        println!("{}: {printed}", output.status);
        output.status.code() == Some(FOUND) && printed.contains(words)
    });
    assert!(found, "nothing was found");
}

#[test]
fn misuse_is_a_status() {
    let stage = Stage::test("misuse.c", "");
    stage.run(&[&stage.server.url("/x.bin"), "unused"]);
}

/// Plainly, since valgrind has descriptors of its own.
#[test]
fn the_current_folder_may_change_and_open_files_may_be_few() {
    let _rules = (bitsup_server::rule!("SRC-03"), bitsup_server::rule!("SRC-08"));
    let stage = Stage::test("limits.c", "");
    let (_, bytes) = stage.file("here.bin", 10_000);
    let mut command = build::plain(&stage.program);
    let command = command.args([&stage.server.url("/x.bin"), "here.bin"]);
    let output = support::succeed(command.current_dir(stage.root.path()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(stage.uploaded("x.bin"), bytes);
}

#[test]
fn memory_and_callbacks_are_sources_and_callbacks_tell_and_stop() {
    let stage = Stage::test("sources.c", "");
    stage.run(&[&stage.server.url("/"), &stage.server.url("/memory.bin")]);
    assert_eq!(stage.uploaded("callback.bin"), stage.uploaded("memory.bin"));
    assert_eq!(stage.uploaded("memory.bin").len(), 3_000_000);
}

#[test]
fn pointers_of_the_program_end_once_and_each_end_is_told_once() {
    let stage = Stage::test("lifetimes.c", "");
    stage.run(&[&stage.server.url("/x.bin")]);
}

#[test]
fn choices_of_a_client_and_those_of_an_upload_over_them() {
    let login = ("u".to_owned(), "pass word".to_owned());
    let config = Config { basic_auth: Some(login), ..Config::default() };
    let stage = Stage::new(&capi().join("tests/capi/programs/settings.c"), &[], config);
    let (right, wrong) = (stage.root.path().join("right"), stage.root.path().join("wrong"));
    std::fs::write(&right, "pass word\n").expect("written");
    std::fs::write(&wrong, "password").expect("written");
    let (right, wrong) = (right.to_str().expect("UTF-8"), wrong.to_str().expect("UTF-8"));
    stage.run(&[&stage.server.url("/x.bin"), right, wrong]);
}

#[cfg(debug_assertions)]
#[test]
fn a_callback_decides_about_next_tries() {
    let stage = Stage::test("retry.c", "create 1..9: 503");
    // A backtrace takes long under valgrind, and a decision is not awaited for ever.
    let mut command = build::checked(&stage.program);
    support::succeed(command.env("RUST_BACKTRACE", "0").arg(stage.server.url("/x.bin")));
    assert_eq!(stage.uploaded("x.bin"), b"data");
}

/// A peer that takes uploads of four bytes from those who show themselves in this header.
fn asking(status: u16, challenge: (&'static str, &str), header: (&'static str, &str)) -> Scripted {
    let (challenge, header) =
        ((challenge.0, challenge.1.to_owned()), (header.0, header.1.to_owned()));
    Scripted::start(move |_, request, _| {
        if request.header(header.0) != header.1 {
            return Reply::status(status, "Who").header(challenge.0, &challenge.1);
        }
        match request.packet_type().as_str() {
            "Create-Session" => Reply::ack().header("BITS-Session-Id", "{7b6f}"),
            "Fragment" => Reply::ack().header("BITS-Received-Content-Range", "4"),
            _ => Reply::ack(),
        }
    })
}

#[test]
fn a_callback_is_asked_for_logins() {
    let login = Some(("u".to_owned(), "pass word".to_owned()));
    let source = capi().join("tests/capi/programs/credentials.c");
    let stage = Stage::new(&source, &[], Config { basic_auth: login, ..Config::default() });
    let tokens = asking(
        401,
        ("WWW-Authenticate", "Bearer realm=\"up\""),
        ("Authorization", "Bearer good token"),
    );
    let proxy = asking(
        407,
        ("Proxy-Authenticate", "Basic realm=\"way\""),
        ("Proxy-Authorization", "Basic dTpwYXNzIHdvcmQ="),
    );
    // The points of faults are there in builds with debug assertions only.
    let faults = if cfg!(debug_assertions) { "faults" } else { "" };
    let mut command = build::checked(&stage.program);
    command.env("RUST_BACKTRACE", "0");
    command.args([&stage.server.url("/x.bin"), &tokens.url("/x.bin"), &proxy.url("")]).arg(faults);
    support::succeed(&mut command);
    assert_eq!(stage.uploaded("x.bin"), b"data");
}

#[test]
fn callbacks_free_and_use_what_they_are_called_for() {
    let stage = Stage::test("inside.c", "");
    let asks = |request: &Request| {
        let asked = request.header("Authorization").is_empty();
        asked.then(|| Reply::status(401, "Who").header("WWW-Authenticate", "Basic realm=\"up\""))
    };
    let late = Scripted::start(move |_, request, _| match request.packet_type().as_str() {
        "Create-Session" => Reply::ack().header("BITS-Session-Id", "{7b6f}"),
        "Fragment" => {
            let is_first = request.header("Content-Range") == "bytes 0-0/4";
            let received = if is_first { "1" } else { "4" };
            let asked = asks(request).filter(|_| !is_first);
            asked.unwrap_or_else(|| Reply::ack().header("BITS-Received-Content-Range", received))
        }
        _ => Reply::ack(),
    });
    let guarded = Scripted::start(move |_, request, _| asks(request).unwrap_or_else(Reply::ack));
    stage.run(&[&stage.server.url("/x.bin"), &late.url("/x.bin"), &guarded.url("/x.bin")]);
    assert_eq!(stage.uploaded("x.bin"), b"data");
}

#[test]
fn a_login_goes_to_who_it_is_meant_for() {
    let _rules = bitsup_server::rule!("LOG-01", "LOG-02");
    let stage = Stage::test("roles.c", "");
    let proxy = Scripted::start(|_, _, _| {
        Reply::status(407, "Who").header("Proxy-Authenticate", "Basic realm=\"way\"")
    });
    let node = TcpListener::bind("127.0.0.2:0").expect("a port");
    let named = node.local_addr().expect("an address").to_string();
    let work = |request: &Request| match request.packet_type().as_str() {
        "Create-Session" => Reply::ack().header("BITS-Session-Id", "{7b6f}"),
        "Fragment" => Reply::ack().header("BITS-Received-Content-Range", "4"),
        _ => Reply::ack(),
    };
    let node = Scripted::start_on(node, move |_, request, _| work(request));
    let farm = Scripted::start(move |_, request, _| {
        if request.header("Authorization").is_empty() {
            return Reply::status(401, "Who").header("WWW-Authenticate", "Basic realm=\"up\"");
        }
        work(request).header("BITS-Host-Id", &named)
    });
    let file = |name: &str| {
        let path = stage.root.path().join(name);
        std::fs::write(&path, "hunter2\n").expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    stage.run(&[&proxy.url(""), &farm.url("/x.bin"), &file("password"), &file("token")]);
    let shows = |request: &Request| {
        let head = String::from_utf8_lossy(&request.head).into_owned();
        head.contains("uthorization") || head.contains("hunter2")
    };
    assert!(farm.requests().iter().any(shows));
    for peer in [&proxy, &node] {
        assert!(!peer.requests().is_empty() && !peer.requests().iter().any(shows));
    }
}

#[test]
fn no_password_is_in_memory_when_all_is_over() {
    if build::has_sanitizer() {
        // It maps terabytes, and keeps what is freed.
        return;
    }
    let secret = random_secret();
    let login = Some(("operator".to_owned(), secret.clone()));
    let source = capi().join("tests/capi/programs/secrets.c");
    let own_curl = ["-DOWN_CURL", "-lcurl"];
    let options = if cfg!(feature = "bundled") { &[][..] } else { &own_curl };
    let stage = Stage::new(&source, options, Config { basic_auth: login, ..Config::default() });
    let file = stage.root.path().join("secret");
    std::fs::write(&file, &secret).expect("written");
    let mut command = build::plain(&stage.program);
    command.arg(stage.server.url("/x.bin")).arg(file);
    let mut held = Held::start(command);
    let copies = held.traces_at("one is held", &secret);
    assert!(!copies.is_empty(), "the search finds nothing");
    let copies = held.traces_at("all is over", &secret);
    assert!(copies.is_empty(), "{copies:#?}");
    held.end();
}

#[test]
fn a_rate_limit_follows_the_hours() {
    let stage = Stage::test("rates.c", "");
    stage.run(&[&stage.server.url("/x.bin")]);
    assert_eq!(stage.uploaded("x.bin").len(), 4_000_000);
}

#[test]
fn the_way_to_a_server_is_examined() {
    let stage = Stage::test("doctor.c", "");
    let login = Some(("u".to_owned(), "pass word".to_owned()));
    let source = capi().join("tests/capi/programs/doctor.c");
    let guarded = Stage::new(&source, &[], Config { basic_auth: login, ..Config::default() });
    stage.run(&[&stage.server.url("/x.bin"), &guarded.server.url("/x.bin")]);
}

#[test]
fn uploads_are_left_and_continued() {
    let stage = Stage::test("journal.c", "");
    let (path, bytes) = stage.file("source", 100_000);
    support::settle(path.as_ref());
    let state = stage.root.path().join("state");
    stage.run(&[&stage.server.url(""), &path, state.to_str().expect("UTF-8")]);
    for name in ["one", "two", "three", "four"] {
        assert_eq!(stage.uploaded(name), bytes, "{name}");
    }
    assert!(!stage.root.path().join("five").exists());
}

const ABRUPT: &str =
    "fragment 1..3: drop after 1000\nfragment 5: drop after 70000\nclose 1: swallow";

#[test]
fn an_abrupt_peer_raises_no_signal() {
    let stage = Stage::test("sigpipe.c", ABRUPT);
    let output = support::succeed(
        build::plain(&stage.program).args([&stage.server.url("/x.bin"), "/dev/null"]),
    );
    drop(output);
    assert_eq!(stage.uploaded("x.bin").len(), 2_000_000);
}

#[test]
fn an_abrupt_peer_raises_no_signal_over_tls() {
    let folder = tempfile::tempdir().expect("folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .expect("certificate");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let ca = cert.to_str().expect("UTF-8").to_owned();
    let config = Config {
        tls: Some(TlsFiles { cert, key }),
        fault: Some(ABRUPT.parse().expect("a fault script")),
        ..Config::default()
    };
    let stage = Stage::new(&capi().join("tests/capi/programs/sigpipe.c"), &[], config);
    support::succeed(build::plain(&stage.program).args([&stage.server.url("/x.bin"), &ca]));
    assert_eq!(stage.uploaded("x.bin").len(), 2_000_000);
}

#[test]
fn a_child_of_a_fork_gets_a_clear_error() {
    let stage = Stage::test("fork.c", "");
    let (url, other) = (stage.server.url("/x.bin"), stage.server.url("/y.bin"));
    // The child leaks on purpose, so valgrind has nothing to say here.
    support::succeed(build::plain(&stage.program).args([url, other]));
}

#[test]
fn eight_threads_share_a_client_and_it_ends_with_uploads_alive() {
    let stage = Stage::test("farewell.c", "");
    let silent = Stage::test("farewell.c", "request: hang");
    stage.run(&[&stage.server.url("/x.bin"), &silent.server.url("/never.bin")]);
}

#[test]
fn unloading_the_library_does_no_harm() {
    let stage = Stage::test("unload.c", "");
    let library = build::library().join("libbitsup.so");
    let library = library.to_str().expect("UTF-8");
    support::succeed(build::plain(&stage.program).args([&stage.server.url("/x.bin"), library]));
}

#[test]
fn example_upload() {
    let stage = Stage::example("upload.c");
    let (path, bytes) = stage.file("disk.img", 3_000_000);
    let printed = stage.run(&[&path, &stage.server.url("/up.img")]);
    assert!(printed.ends_with("is uploaded\n"), "{printed}");
    assert_eq!(stage.uploaded("up.img"), bytes);
}

#[test]
fn example_upload_explains_a_failure() {
    let stage = Stage::example("upload.c");
    let output = build::checked(&stage.program)
        .args(["/nowhere", &stage.server.url("/up.img")])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.starts_with("upload: cannot read /nowhere: "), "{printed}");
}

#[test]
fn example_progress() {
    let stage = Stage::example("progress.c");
    let (path, bytes) = stage.file("disk.img", 3_000_000);
    let printed = stage.run(&[&path, &stage.server.url("/up.img")]);
    assert!(printed.ends_with("done\n") && printed.contains("MiB/s"), "{printed}");
    assert_eq!(stage.uploaded("up.img"), bytes);
}

#[test]
fn example_event_loop() {
    let stage = Stage::example("event_loop.c");
    std::fs::create_dir(stage.root.path().join("in")).expect("made");
    let (first, bytes) = stage.file("one.bin", 2_000_000);
    let (second, _) = stage.file("two.bin", 0);
    let printed = stage.run(&[&stage.server.url("/in/"), &first, &second]);
    assert_eq!(printed.matches(": done\n").count(), 2, "{printed}");
    assert_eq!(stage.uploaded("in/one.bin"), bytes);
    assert_eq!(stage.uploaded("in/two.bin"), b"");
}

#[test]
fn example_packets() {
    let stage = Stage::example("packets.c");
    let printed = stage.run(&[&stage.server.url("/two.txt")]);
    assert_eq!(printed.matches("Fragment: OK\n").count(), 3, "{printed}");
    assert!(printed.ends_with("Cancel-Session: OK\n"), "{printed}");
    assert_eq!(stage.uploaded("two.txt"), b"sent in two fragments\n");
}

#[test]
fn example_packets_explains_a_failure() {
    let stage = Stage::example("packets.c");
    let output = build::checked(&stage.program)
        .arg(stage.server.url("/no/such/folder.txt"))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains("HTTP 404 to Create-Session"), "{printed}");
}

#[test]
fn example_upload_in_cpp() {
    let stage = Stage::example("upload.cpp");
    let (path, bytes) = stage.file("disk.img", 3_000_000);
    let printed = stage.run(&[&path, &stage.server.url("/up.img")]);
    assert!(printed.ends_with("up.img has 3000000 bytes\n"), "{printed}");
    assert_eq!(stage.uploaded("up.img"), bytes);
}

#[test]
fn example_coroutine_in_cpp() {
    let source = workspace().join("examples/coroutine.cpp");
    let stage = Stage::new(&source, &["-std=c++20"], Config::default());
    std::fs::create_dir(stage.root.path().join("in")).expect("made");
    let (first, bytes) = stage.file("one.bin", 2_000_000);
    let (second, _) = stage.file("two.bin", 0);
    let printed = stage.run(&[&stage.server.url("/in/"), &first, &second]);
    assert_eq!(printed.lines().count(), 2, "{printed}");
    assert!(printed.contains("one.bin has 2000000 bytes\n"), "{printed}");
    assert_eq!(stage.uploaded("in/one.bin"), bytes);
    assert_eq!(stage.uploaded("in/two.bin"), b"");
}

#[test]
fn the_cpp_header_works_with_exceptions_and_without() {
    let source = capi().join("tests/capi/programs/wrapper.cpp");
    let folder = tempfile::tempdir().expect("root");
    let config = Config {
        root: folder.path().to_owned(),
        basic_auth: Some(("u".to_owned(), "pass word".to_owned())),
        overwrite: true,
        ..Config::default()
    };
    let guarded = Server::start(config).expect("server");
    for options in [&[][..], &["-fno-exceptions", "-fno-rtti"]] {
        let stage = Stage::new(&source, options, Config::default());
        let (path, bytes) = stage.file("source", 100_000);
        support::settle(path.as_ref());
        let state = stage.root.path().join("state");
        let state = state.to_str().expect("UTF-8");
        stage.run(&[&stage.server.url("/"), &path, state, &guarded.url("/x.bin")]);
        assert_eq!(stage.uploaded("resumed"), bytes);
        assert_eq!(stage.uploaded("imported"), bytes);
        assert_eq!(stage.uploaded("function.txt"), b"read by a function");
        assert_eq!(stage.uploaded("packets"), b"abcabc");
    }
}
