//! What is on disk: restarts, places, limits, failures.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::peer::{Bench, Peer, SUPPORTED, bytes, wait_until};
use bitsup_server::{Config, Server, StartError};

/// The server ends between the moving of the file and the deletion of its session: the Close
/// that was not answered comes again.
#[test]
fn a_close_that_a_crash_interrupted_is_confirmed_by_the_next_one() {
    let body = bytes(1000);
    for moved in [true, false] {
        let bench = Bench::start();
        let mut peer = bench.connect();
        let id = peer.create("/a").session();
        assert_eq!(peer.fragment("/a", &id, 0, 1000, &body).offset(), Some(1000));
        let sessions = bench.root().join(".bitsup-server/sessions");
        let folder = std::fs::read_dir(sessions).expect("sessions").next().expect("one");
        let folder = folder.expect("readable").path();
        let record = std::fs::read_to_string(folder.join("session.json")).expect("its record");
        let marked = record.replace("\"Receiving\"", "\"Publishing\"");
        assert_ne!(record, marked);
        std::fs::write(folder.join("session.json"), marked).expect("written");
        if moved {
            std::fs::rename(folder.join("requestfile.bin"), bench.root().join("a")).expect("moved");
        }
        let bench = bench.restart(Config::default());
        assert_eq!(bench.connect().close("/a", &id).status, 200, "moved: {moved}");
        assert_eq!(bench.file("a").as_ref(), Some(&body));
        assert_eq!(bench.server.open_sessions(), 0);
    }
}

#[test]
fn a_session_whose_data_is_gone_for_another_reason_publishes_nothing() {
    let bench = Bench::start();
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 4, b"data").offset(), Some(4));
    let sessions = bench.root().join(".bitsup-server/sessions");
    let folder = std::fs::read_dir(sessions).expect("sessions").next().expect("one");
    std::fs::remove_file(folder.expect("readable").path().join("requestfile.bin")).expect("gone");
    assert_eq!(peer.close("/a", &id).status, 404);
    assert_eq!(bench.file("a"), None);
}

#[test]
fn sessions_survive_a_restart() {
    let body = bytes(100_000);
    let bench = Bench::with(Config { sync: true, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 100_000, &body[..40_000]).offset(), Some(40_000));
    let other = peer.create("/b").session();

    let bench = bench.restart(Config { sync: true, ..Config::default() });
    assert_eq!(peer.rest(), b"", "connections end with the server");
    assert_eq!(bench.server.open_sessions(), 2);
    let mut peer = bench.connect();
    let ack = peer.fragment("/a", &id, 99_999, 100_000, &body[99_999..]);
    assert_eq!((ack.status, ack.offset()), (416, Some(40_000)));
    assert_eq!(
        peer.fragment("/a", &id, 40_000, 100_001, &body[40_000..]).status,
        400,
        "the size is kept too"
    );
    assert_eq!(peer.fragment("/a", &id, 40_000, 100_000, &body[40_000..]).offset(), Some(100_000));

    let bench = bench.restart(Config::default());
    assert_eq!(bench.connect().close("/a", &id).status, 200);
    assert_eq!(bench.file("a"), Some(body));
    assert_eq!(bench.connect().cancel("/b", &other).status, 200);
    let left =
        std::fs::read_dir(bench.root().join(".bitsup-server/sessions")).expect("sessions").count();
    assert_eq!(left, 0);
}

#[test]
fn a_cut_body_is_kept_or_not() {
    let body = bytes(50_000);
    for (keep_partial, kept) in [(true, 20_000), (false, 0)] {
        let bench = Bench::with(Config { keep_partial, ..Config::default() });
        let mut peer = bench.connect();
        let id = peer.create("/a").session();
        peer.send_fragment("/a", &id, 0, 50_000, 50_000, &body[..20_000]);
        drop(peer);
        wait_until("the cut is seen", || {
            bench.server.requests().get(1).is_some_and(|request| request.body == 20_000)
        });
        let mut peer = bench.connect();
        let ack = peer.fragment("/a", &id, 49_999, 50_000, &body[49_999..]);
        assert_eq!((ack.status, ack.offset()), (416, Some(kept)));
        peer.fragment("/a", &id, kept, 50_000, &body[kept as usize..]);
        peer.close("/a", &id);
        assert_eq!(bench.file("a"), Some(body.clone()));
    }
}

#[test]
fn no_path_leads_out_of_the_root() {
    let outside = tempfile::tempdir().expect("temporary folder");
    std::fs::write(outside.path().join("secret"), "secret").expect("file");
    let bench = Bench::with(Config { overwrite: true, create_dirs: true, ..Config::default() });
    symlink(outside.path(), bench.root().join("link")).expect("link");
    symlink(".bitsup-server", bench.root().join("state")).expect("link");
    let mut peer = bench.connect();
    let denied = [
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/%2e%2e%2fx",
        "/..%2fx",
        "/..%5cx",
        "/a%5c..%5cx",
        "/link/x",
        "/link/sub/x",
        "/.bitsup-server/x",
        "/.bitsup-server/sessions/x",
        "/state/x",
        "/%2ebitsup-server/x",
    ];
    for path in denied {
        assert_eq!(peer.create(path).error(), (403, Some("0x80070005"), Some("0x5")), "{path}");
        assert_eq!(peer.packet("Ping", path, &[]).status, 403, "{path}");
    }
    for path in
        ["/", "/folder/", "/x%00y", "/%zz", "/.bitsup-server", &format!("/{}", "x".repeat(300))]
    {
        assert_eq!(peer.create(path).error(), (400, Some("0x80070057"), Some("0x5")), "{path}");
    }
    for path in [
        "/link/secret",
        "/.bitsup-server/lock",
        "/state/lock",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
    ] {
        let answer = peer.ask(&format!("GET {path}"), &[], b"");
        assert!(
            matches!(answer.status, 403 | 404) && answer.body.is_empty(),
            "{path}: {}",
            answer.head
        );
    }
    assert_eq!(std::fs::read_dir(outside.path()).expect("folder").count(), 1);

    // A link that appears after Create-Session is met at Close-Session.
    let id = peer.create("/later/x").session();
    peer.fragment("/later/x", &id, 0, 1, b"x");
    symlink(outside.path(), bench.root().join("later")).expect("link");
    assert_eq!(peer.close("/later/x", &id).status, 403);
    assert_eq!(std::fs::read_dir(outside.path()).expect("folder").count(), 1);
}

#[test]
fn existing_files_and_missing_folders() {
    for (conflict_status, overwrite) in [(403, false), (409, false), (403, true)] {
        let bench = Bench::with(Config { conflict_status, overwrite, ..Config::default() });
        std::fs::write(bench.root().join("old"), "old").expect("file");
        std::fs::create_dir(bench.root().join("folder")).expect("folder");
        let mut peer = bench.connect();
        assert_eq!(peer.create("/folder").status, 400);
        assert_eq!(peer.create("/missing/a").status, 404);
        let ack = peer.create("/old");
        if overwrite {
            let id = ack.session();
            peer.fragment("/old", &id, 0, 3, b"new");
            peer.close("/old", &id);
            assert_eq!(bench.file("old").as_deref(), Some(&b"new"[..]));
        } else {
            assert_eq!(ack.error(), (conflict_status, Some("0x80070005"), Some("0x5")));
        }
        // Of two sessions for one name the second to close finds the file.
        let ids = [peer.create("/two").session(), peer.create("/two").session()];
        let statuses = ids.map(|id| peer.close("/two", &id).status);
        assert_eq!(statuses, [200, if overwrite { 200 } else { conflict_status }]);
    }
}

#[test]
fn limits() {
    let config = Config {
        max_fragment: Some(10),
        max_upload: Some(100),
        max_sessions: 2,
        ..Config::default()
    };
    let bench = Bench::with(config.clone());
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.fragment("/a", &id, 0, 100, &bytes(11)).error(), (413, None, None));
    assert_eq!(
        peer.fragment("/a", &id, 0, 101, &bytes(10)).error(),
        (500, Some("0x80200020"), Some("0x5"))
    );
    assert_eq!(peer.fragment("/a", &id, 0, 100, &bytes(10)).offset(), Some(10));
    peer.create("/b").session();
    assert_eq!(peer.create("/c").status, 503);

    let bench = Bench::with(Config { oversize_status: 404, ..config });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let answer = peer.fragment("/a", &id, 0, 100, &bytes(11));
    assert_eq!((answer.status, answer.header("BITS-Packet-Type")), (404, None));
}

#[test]
fn idle_sessions_are_forgotten() {
    let bench =
        Bench::with(Config { session_timeout: Duration::from_secs(1), ..Config::default() });
    let id = bench.connect().create("/a").session();
    wait_until("the session expires", || bench.server.open_sessions() == 0);
    assert_eq!(bench.connect().close("/a", &id).error().1, Some("0x8020001f"));
    assert_eq!(
        std::fs::read_dir(bench.root().join(".bitsup-server/sessions")).expect("sessions").count(),
        0
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_vanished_upload_are_named() {
    let bench = Bench::start();
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.fragment("/a", &id, 0, 6, b"abc");
    let data = bench
        .root()
        .join(".bitsup-server/sessions")
        .join(id.trim_matches(['{', '}']))
        .join("requestfile.bin");
    std::fs::remove_file(&data).expect("data file");
    symlink("/dev/full", &data).expect("link");
    let ack = peer.fragment("/a", &id, 3, 6, b"def");
    assert_eq!(ack.error(), (500, Some("0x80070070"), Some("0x5")));
    std::fs::remove_file(&data).expect("link");
    std::fs::write(&data, b"abc").expect("data file");
    assert_eq!(
        peer.fragment("/a", &id, 3, 6, b"def").offset(),
        Some(6),
        "the same session goes on"
    );
    std::fs::remove_file(&data).expect("data file");
    assert_eq!(peer.close("/a", &id).status, 404);
}

#[test]
fn start_errors_say_what_is_wrong() {
    let bench = Bench::start();
    let error = |config| Server::start(config).map(drop).expect_err("cannot start");
    let missing = error(Config { root: bench.root().join("missing"), ..Config::default() });
    assert!(matches!(missing, StartError::Root { .. }), "{missing}");
    let second = error(Config { root: bench.root().into(), ..Config::default() });
    assert!(second.to_string().contains("another server"), "{second}");
    let elsewhere = tempfile::tempdir().expect("temporary folder");
    let taken = error(Config {
        root: elsewhere.path().into(),
        listen: bench.server.address(),
        ..Config::default()
    });
    assert!(matches!(taken, StartError::Listen { .. }), "{taken}");
    let odd =
        error(Config { root: elsewhere.path().into(), conflict_status: 500, ..Config::default() });
    assert!(matches!(odd, StartError::Config(_)), "{odd}");
}

/// Sends a Create-Session, and leaves the answer, once it has come, unread: to close the
/// connection then resets it.
fn create_unread(bench: &Bench, path: &str) -> Peer<TcpStream> {
    let mut peer = bench.connect();
    peer.send_packet("Create-Session", path, &[SUPPORTED]);
    assert_eq!(peer.stream.peek(&mut [0]).expect("an answer"), 1);
    peer
}

/// Its id was in the one answer that was never read.
#[test]
fn a_session_that_its_client_cannot_know_is_forgotten() {
    let bench = Bench::start();
    let peer = create_unread(&bench, "/a");
    assert_eq!(bench.server.open_sessions(), 1);
    drop(peer);
    wait_until("it is forgotten", || bench.server.open_sessions() == 0);

    let slow = Bench::scripted("create: delay 200ms");
    let mut peer = slow.connect();
    peer.send_packet("Create-Session", "/b", &[SUPPORTED]);
    wait_until("the session is made", || slow.server.open_sessions() == 1);
    drop(peer);
    wait_until("it is forgotten before the answer", || slow.server.open_sessions() == 0);
}

#[test]
fn a_session_that_its_client_may_know_is_kept() {
    let bench = Bench::start();
    // Its answer was read, and the connection closed as usual.
    let id = bench.connect().create("/a").session();
    // It is used on another connection before the one that made it is reset.
    let peer = create_unread(&bench, "/b");
    let made = bench.server.requests().pop().and_then(|request| request.session);
    let used = made.expect("its session");
    assert_eq!(bench.connect().fragment("/b", &used, 0, 4, b"da").offset(), Some(2));
    drop(peer);
    // The reset comes after a later request, whose sender has read the answers before it.
    let mut peer = bench.connect();
    peer.create("/c");
    peer.send_packet("Ping", "/c", &[]);
    assert_eq!(peer.stream.peek(&mut [0]).expect("an answer"), 1);
    drop(peer);
    // The server has handled the earlier resets.
    let last = create_unread(&bench, "/d");
    assert_eq!(bench.server.open_sessions(), 4);
    drop(last);
    wait_until("the last one is forgotten", || bench.server.open_sessions() == 3);
    assert_eq!(bench.connect().fragment("/a", &id, 0, 4, b"data").offset(), Some(4));
    assert_eq!(bench.connect().fragment("/b", &used, 2, 4, b"ta").offset(), Some(4));
}
