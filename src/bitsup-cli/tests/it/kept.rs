//! Resume state that cannot be stored or read, and what the tool says of it.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::common::{Ended, Place};
use bitsup_server::scripted::Scripted;
use bitsup_server::{Config, Server};

/// A server that refuses the third part of the first upload.
fn server(place: &Place) -> Server {
    std::fs::create_dir(place.path("root")).expect("root");
    let fault = Some("fragment 3: answer 403".parse().expect("a fault script"));
    Server::start(Config { root: place.path("root"), fault, ..Config::default() }).expect("server")
}

/// The program under limits that a shell sets.
fn limited(place: &Place, limits: &str, args: &[&str]) -> Ended {
    // A child inherits what a libcurl of its parent opened at that moment.
    let script = format!("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; {limits}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_bitsup")]).args(args);
    command.env_clear().env("HOME", place.path("")).env("PATH", "/usr/bin:/bin");
    Ended::from(command.output().expect("the program starts"))
}

/// The id in the last line.
fn named(ended: &Ended) -> String {
    let command = ended.last_line().strip_prefix("to continue: bitsup resume ");
    command.unwrap_or_else(|| panic!("nothing to continue: {ended:?}")).to_owned()
}

#[test]
fn to_continue_names_the_session_of_this_very_upload() {
    let _rule = bitsup_server::rule!("OUT-04");
    let place = Place::new();
    let file = place.write("x.bin", &vec![7; 100_000]);
    let file = file.to_str().expect("text");
    // Interrupted within the same second, so that no time tells them apart.
    let fault = "fragment 3: answer 403\nfragment 6: answer 403\nfragment 9: answer 403";
    std::fs::create_dir(place.path("root")).expect("root");
    let fault = Some(fault.parse().expect("a fault script"));
    let server = Server::start(Config { root: place.path("root"), fault, ..Config::default() });
    let server = server.expect("server");
    let upload = |name: &str| {
        let url = server.url(name);
        place.run(["upload", "--fragment-size", "20K", file, &url])
    };
    let ids: Vec<(String, String)> = ["/one.bin", "/two.bin", "/three.bin"]
        .into_iter()
        .map(|name| (server.url(name), named(&upload(name))))
        .collect();
    let listed = place.run(["list", "--json"]).ok().stdout;
    for (url, id) in ids {
        let line = listed.lines().find(|line| line.contains(&id)).expect("listed");
        assert!(line.contains(&url), "{id} is not of {url}: {line}");
    }
}

#[test]
fn a_named_state_directory_that_is_refused_ends_the_upload_and_another_warns() {
    let _rule = bitsup_server::rule!("JRN-01");
    let place = Place::new();
    place.write("x.bin", b"abc");
    std::fs::create_dir_all(place.path("root")).expect("root");
    std::fs::create_dir_all(place.path("state")).expect("folder");
    std::fs::create_dir_all(place.path("elsewhere")).expect("folder");
    symlink(place.path("elsewhere"), place.path("state/sessions")).expect("link");
    let config = Config { root: place.path("root"), ..Config::default() };
    let server = Server::start(config).expect("server");
    let url = server.url("/x.bin");
    for args in [["--state-dir", "state"], ["--require-resume", "-v"]] {
        let mut command = place.command(["upload"]);
        command.args(args).args(["x.bin", &url]).env("BITSUP_STATE_DIR", "state");
        let ended = Ended::from(command.output().expect("started"));
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("symbolic link"), "{ended:?}");
        assert!(server.requests().is_empty());
    }
    let mut command = place.command(["upload", "x.bin", &url]);
    let ended = Ended::from(command.env("BITSUP_STATE_DIR", "state").output().expect("started"));
    assert!(ended.ok().stderr.contains("cannot store resume state"));
    assert_eq!(std::fs::read(place.path("root/x.bin")).expect("published"), b"abc");
    assert_eq!(std::fs::read_dir(place.path("elsewhere")).expect("listed").count(), 0);
}

#[test]
fn a_journal_that_cannot_be_written_at_all_ends_an_upload_that_must_be_kept() {
    let _rule = bitsup_server::rule!("JRN-04");
    let place = Place::new();
    let file = place.write("x.bin", b"abc");
    let peer = Scripted::start(|_, _, _| panic!("nothing is to be sent"));
    // No file can be written to, as in a full file system.
    let args = ["upload", "--require-resume", file.to_str().expect("text"), &peer.url("/x.bin")];
    let ended = limited(&place, "trap '' XFSZ; ulimit -f 0", &args);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("resume state"), "{ended:?}");
    assert!(peer.requests().is_empty());
}

/// What an earlier run has left is as it was.
#[test]
fn nothing_is_said_to_be_gone_that_was_not_looked_at() {
    let _rule = bitsup_server::rule!("OUT-01");
    let place = Place::new();
    let file = place.write("x.bin", &vec![7; 100_000]);
    let server = server(&place);
    let url = server.url("/x.bin");
    let upload = ["upload", file.to_str().expect("text"), &url];
    let limits = ["--fragment-size", "20K", "--max-bytes", "50000"];
    let id = named(&place.run(upload.iter().chain(&limits)));
    let entry = place.path(&format!(".local/state/bitsup/sessions/{id}.json"));
    let content = std::fs::read_to_string(&entry).expect("an entry");
    std::fs::write(&entry, content.replacen('a', "b", 1)).expect("damaged");
    let ended = place.run(upload);
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains("nothing is left"), "{ended:?}");
    std::fs::write(&entry, content).expect("mended");
    std::fs::rename(&file, place.path("moved.bin")).expect("moved");
    for command in [&upload[..], &["resume"], &["resume", &id]] {
        let ended = place.run(command);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(!ended.stderr.contains("nothing is left"), "{ended:?}");
    }
    assert!(place.run(["list"]).stdout.contains(&id));
    assert_eq!(server.open_sessions(), 1);
}

#[test]
fn a_lack_of_descriptors_neither_blames_nor_harms_what_is_kept() {
    let _rule = bitsup_server::rule!("SRC-08");
    let place = Place::new();
    let file = place.write("x.bin", &vec![7; 100_000]);
    let server = server(&place);
    let url = server.url("/x.bin");
    let args = ["upload", "--fragment-size", "20K", file.to_str().expect("text"), &url];
    // A client that lacks a descriptor may try for long.
    let brief = [&args[..1], &["--max-time", "1s"], &args[1..]].concat();
    let id = named(&place.run(args));
    let entry = place.path(&format!(".local/state/bitsup/sessions/{id}.json"));
    let mut lacked = 0;
    // Each limit is one higher than the one before, until an upload works. Which of its threads gets the last
    // descriptor is a matter of time: so each limit is tried several times.
    for limit in (8..14).flat_map(|limit| [limit; 5]) {
        let ended = limited(&place, &format!("ulimit -n {limit}"), &brief);
        if ended.code == 0 {
            break;
        }
        // With too few for the client itself, or for the file, nothing kept was looked at.
        let names_session = ended.last_line().starts_with("to continue: bitsup resume");
        let is_before = ended.stderr.contains("cannot start the client")
            || ended.last_line().starts_with("a partial upload may remain");
        assert!(names_session || is_before, "{limit}: {ended:?}");
        assert!(!ended.stderr.contains("Remove the file"), "{limit}: {ended:?}");
        assert!(entry.exists(), "{limit}: {ended:?}");
        let names_it = ended.stderr.contains("sessions") && ended.stderr.contains("errno 24");
        lacked += u32::from(ended.code == 3 && names_it);
    }
    assert!(lacked > 0, "the journal never lacked one");
    if entry.exists() {
        place.run(args).ok();
    }
    assert_eq!(std::fs::read(place.path("root/x.bin")).expect("published"), vec![7; 100_000]);
    let sent = server.requests();
    let count = |packet: &str| {
        let is = |request: &bitsup_server::Request| {
            request.header("bits-packet-type").as_deref() == Some(packet)
        };
        sent.iter().filter(|request| is(request)).count()
    };
    assert_eq!((count("Create-Session"), count("Cancel-Session")), (1, 0));
}
