//! Uploads that are interrupted and started again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::peer::settle;
use crate::common::{Setup, packets, payload, sha256};
use bitsup::{CancelMode, Client, ErrorKind, Event, Flow, OptionSet, Source, UploadOptions};

const FRAGMENT: u64 = 100_000;

fn options() -> UploadOptions {
    let mut options = UploadOptions::default();
    options.fragment_size = Some(FRAGMENT);
    options
}

fn client(state: &Path) -> Client {
    Client::builder().options(&OptionSet::new().state_dir(state)).build().expect("client")
}

/// A server that has the client wait once, after four parts: nothing is under way then.
fn hesitant() -> Setup {
    let script = "fragment 5: answer 503 header \"Retry-After: 60\"";
    Setup::with_faults(&payload(3_000_000), script)
}

/// Uploads to a hesitant server until some of it is acknowledged, then stops and keeps the session.
fn interrupt(setup: &Setup, url: &str) -> bitsup::Error {
    let client = client(&setup.state());
    let stop = |event: &Event| match event {
        Event::Retry { .. } => Flow::Stop,
        _ => Flow::Continue,
    };
    let source = Source::path(setup.file()).expect("source");
    let upload = client.upload(source, url).options(options()).on_event(stop).start();
    let error = upload.expect("started").wait().expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(error.is_resumable());
    error
}

fn again(
    setup: &Setup,
    url: &str,
    options: UploadOptions,
) -> Result<bitsup::Receipt, bitsup::Error> {
    let source = Source::path(setup.file()).expect("source");
    client(&setup.state()).upload(source, url).options(options).start()?.wait()
}

#[test]
fn the_same_call_again_continues_with_a_ping_in_the_kept_session() {
    let _rule = bitsup_server::rule!("RES-08", "CAN-06");
    let setup = hesitant();
    let url = setup.url("x.bin");
    interrupt(&setup, &url);
    let before = setup.server.requests().len();
    let receipt = again(&setup, &url, options()).expect("continued");
    assert!(receipt.close_confirmed && receipt.verified);
    assert_eq!(setup.published("x.bin"), payload(3_000_000));
    let requests = setup.server.requests();
    let later = packets(&requests[before..]);
    assert_eq!(later[0], "Ping");
    assert!(!later.contains(&"Create-Session".to_owned()), "{later:?}");
    assert_eq!(setup.server.open_sessions(), 0);
    assert!(client(&setup.state()).sessions().expect("listed").is_empty());
}

#[test]
fn fresh_cancels_the_kept_session_first() {
    let setup = hesitant();
    let url = setup.url("x.bin");
    interrupt(&setup, &url);
    let before = setup.server.requests().len();
    let mut options = options();
    options.fresh = true;
    again(&setup, &url, options).expect("uploaded");
    let requests = setup.server.requests();
    assert_eq!(packets(&requests[before..])[..2], ["Cancel-Session", "Create-Session"]);
    assert_eq!(setup.published("x.bin"), payload(3_000_000));
    assert_eq!(setup.server.open_sessions(), 0);
}

#[test]
fn another_url_starts_a_session_of_its_own() {
    let setup = hesitant();
    interrupt(&setup, &setup.url("x.bin"));
    again(&setup, &setup.url("y.bin"), options()).expect("uploaded");
    assert_eq!(setup.published("y.bin"), payload(3_000_000));
    assert_eq!(setup.server.open_sessions(), 1, "the first one is still kept");
}

/// What changes, and how.
type Alteration = (&'static str, fn(&Path));

#[test]
fn a_source_that_changed_is_refused_and_its_session_cancelled() {
    let _rule = bitsup_server::rule!("RES-02");
    let alterations: [Alteration; 2] = [
        ("size", |path| {
            let mut bytes = std::fs::read(path).expect("read");
            bytes.push(0);
            std::fs::write(path, bytes).expect("written");
        }),
        ("time", |path| {
            let file = std::fs::File::options().write(true).open(path).expect("open");
            let then = std::time::SystemTime::now() - Duration::from_secs(1000);
            file.set_modified(then).expect("time");
        }),
    ];
    for (what, alter) in alterations {
        let setup = hesitant();
        let url = setup.url("x.bin");
        interrupt(&setup, &url);
        alter(&setup.file());
        let before = setup.server.requests().len();
        let error = again(&setup, &url, options()).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{what}: {error}");
        assert_eq!(error.hresult().map(|code| code.0), Some(0x8020_001D));
        assert_eq!(packets(&setup.server.requests()[before..]), ["Cancel-Session"], "{what}");
        assert_eq!(setup.server.open_sessions(), 0);
        again(&setup, &url, options()).expect("the next start is a new upload");
        assert_eq!(setup.published("x.bin"), std::fs::read(setup.file()).expect("read"));
    }
}

#[test]
fn other_bytes_in_what_was_sent_are_found_although_the_time_stamp_is_the_same() {
    let _rule = bitsup_server::rule!("RES-02");
    for at in [0, 9_000_000] {
        // The stop comes while the client waits to send the last two parts.
        let script = "fragment 19: answer 503 header \"Retry-After: 60\"";
        let setup = Setup::with_faults(&payload(20_000_000), script);
        settle(&setup.file());
        let url = setup.url("x.bin");
        let client = client(&setup.state());
        let stop = |event: &Event| match event {
            Event::Progress(progress) if progress.acknowledged >= 18_000_000 => Flow::Stop,
            _ => Flow::Continue,
        };
        let mut options = UploadOptions::default();
        options.fragment_size = Some(1_000_000);
        let source = Source::path(setup.file()).expect("source");
        let upload = client.upload(source, &url).options(options.clone()).on_event(stop).start();
        upload.expect("started").wait().expect_err("stopped");
        drop(client);
        let modified = std::fs::metadata(setup.file()).expect("metadata").modified().expect("time");
        let mut bytes = payload(20_000_000);
        bytes[at] ^= 1;
        // In place, so that the file's identity stays.
        let file = std::fs::File::options().write(true).open(setup.file()).expect("open");
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).expect("written");
        file.set_modified(modified).expect("time");
        let error = again(&setup, &url, options).expect_err("other bytes");
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
        assert!(!setup.path("x.bin").exists());
        assert_eq!(setup.server.open_sessions(), 0);
    }
}

#[test]
fn a_session_in_use_is_not_touched_by_another_upload() {
    let _rule = bitsup_server::rule!("RES-05");
    let setup = Setup::with_faults(&payload(3_000_000), "fragment 2: stall 20s after 1000");
    let url = setup.url("x.bin");
    let first = client(&setup.state());
    let sending = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&sending);
    let source = Source::path(setup.file()).expect("source");
    let upload = first
        .upload(source, &url)
        .options(options())
        .on_event(move |event| {
            if matches!(event, Event::Progress(progress) if progress.acknowledged > 0) {
                seen.store(true, Ordering::SeqCst);
            }
            Flow::Continue
        })
        .start()
        .expect("started");
    // Until the part is under way that the server does not read.
    while !sending.load(Ordering::SeqCst) || setup.server.requests().len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = setup.server.requests().len();
    let error = again(&setup, &url, options()).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::SessionInUse, "{error}");
    assert_eq!(setup.server.requests().len(), before);
    let sessions = client(&setup.state()).sessions().expect("listed");
    assert!(sessions[0].as_ref().expect("readable").in_use);
    upload.cancel(CancelMode::Delete);
    assert_eq!(upload.wait().expect_err("cancelled").kind(), ErrorKind::Cancelled);
}

#[test]
fn a_session_can_be_listed_resumed_and_cancelled_by_its_name() {
    let setup = hesitant();
    interrupt(&setup, &setup.url("x.bin?secret=1"));
    let client = client(&setup.state());
    let session = client.sessions().expect("listed").remove(0).expect("readable");
    assert_eq!(session.path, setup.file().canonicalize().expect("path"));
    assert!(session.acknowledged >= 3 * FRAGMENT && session.size == 3_000_000 && !session.in_use);
    assert!(!session.url.contains("secret=1"), "{}", session.url);
    client.resume(&session.id).expect("found").start().expect("started").wait().expect("continued");
    assert_eq!(setup.published("x.bin"), payload(3_000_000));
    assert!(client.resume(&session.id).is_err());

    let setup = hesitant();
    interrupt(&setup, &setup.url("y.bin"));
    let client = self::client(&setup.state());
    let session = client.sessions().expect("listed").remove(0).expect("readable");
    client.cancel_session(&session.id, &UploadOptions::default()).expect("cancelled");
    assert_eq!((client.sessions().expect("listed").len(), setup.server.open_sessions()), (0, 0));
}

#[test]
fn a_session_moves_by_its_token_and_the_source_must_match() {
    let setup = hesitant();
    settle(&setup.file());
    let url = setup.url("x.bin");
    let error = interrupt(&setup, &url);
    let token = error.token().expect("a token").to_owned();
    let elsewhere = Client::new().expect("client");
    let mut other = payload(3_000_000);
    other[5] ^= 1;
    let refused = elsewhere
        .import(&token, Source::bytes(other))
        .expect("same size")
        .start()
        .expect_err("other bytes");
    assert_eq!(refused.kind(), ErrorKind::SourceChanged, "{refused}");
    assert!(elsewhere.import(&token, Source::bytes(payload(5))).is_err());
    let before = setup.server.requests().len();
    let source = Source::bytes(payload(3_000_000));
    elsewhere
        .import(&token, source)
        .expect("imported")
        .start()
        .expect("started")
        .wait()
        .expect("continued");
    let requests = setup.server.requests();
    assert!(!packets(&requests[before..]).contains(&"Create-Session".to_owned()));
    assert_eq!(setup.published("x.bin"), payload(3_000_000));
}

#[test]
fn a_broken_journal_is_refused_and_nothing_is_sent() {
    let _rule = bitsup_server::rule!("RES-07");
    let setup = hesitant();
    let url = setup.url("x.bin");
    interrupt(&setup, &url);
    let sessions = setup.state().join("sessions");
    let journal = std::fs::read_dir(&sessions)
        .expect("listed")
        .map(|entry| entry.expect("entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
        .expect("a journal");
    let mut bytes = std::fs::read(&journal).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&journal, bytes).expect("written");
    let before = setup.server.requests().len();
    let error = again(&setup, &url, options()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::LocalFile, "{error}");
    assert_eq!(setup.server.requests().len(), before);
    let mut options = options();
    options.fresh = true;
    again(&setup, &url, options).expect("fresh passes it over");
}

#[test]
fn the_sha_256_is_that_of_the_file_also_over_two_runs() {
    let setup = hesitant();
    let url = setup.url("x.bin");
    interrupt(&setup, &url);
    let mut options = options();
    options.sha256 = true;
    let receipt = again(&setup, &url, options).expect("continued");
    let output =
        std::process::Command::new("sha256sum").arg(setup.file()).output().expect("sha256sum");
    let expected = String::from_utf8(output.stdout).expect("text");
    assert_eq!(receipt.sha256.as_deref(), expected.split(' ').next());
}

#[test]
fn the_sha_256_is_that_of_the_file_although_parts_are_cut_in_the_middle_of_what_was_read() {
    let _rule = bitsup_server::rule!("TRU-08");
    let bytes = payload(3_000_000);
    for keep in ["", " keep"] {
        let script =
            format!("fragment 2: drop after 300001{keep}\nfragment 4: drop after 700000{keep}");
        let setup = Setup::with_faults(&bytes, &script);
        let mut options = options();
        (options.fragment_size, options.sha256) = (Some(1_000_000), true);
        options.retry_delay = Duration::from_millis(2);
        let source = Source::path(setup.file()).expect("source");
        let client = Client::new().expect("client");
        let upload = client.upload(source, &setup.url("x.bin")).options(options).start();
        let receipt = upload.expect("started").wait().expect("uploaded");
        assert_eq!(receipt.retries, 2, "{keep}");
        assert_eq!(receipt.sha256, Some(sha256(&bytes)), "{keep}");
        assert_eq!(setup.published("x.bin"), bytes, "{keep}");
    }
}

#[test]
fn an_upload_can_be_paused_and_goes_on_with_a_ping() {
    let setup = Setup::new(&payload(3_000_000));
    let client = Client::new().expect("client");
    // The end cannot come before the pause.
    client.set_rate_limit(Some(1_000_000));
    let source = Source::path(setup.file()).expect("source");
    let upload = client.upload(source, &setup.url("x.bin")).options(options()).start();
    let upload = upload.expect("started");
    while upload.progress().acknowledged == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    upload.suspend();
    while upload.progress().state != bitsup::UploadState::Suspended {
        std::thread::sleep(Duration::from_millis(5));
    }
    let requests = setup.server.requests().len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(setup.server.requests().len(), requests, "nothing goes out during a pause");
    client.set_rate_limit(None);
    upload.resume();
    upload.wait().expect("uploaded");
    assert_eq!(packets(&setup.server.requests()[requests..])[0], "Ping");
    assert_eq!(setup.published("x.bin"), payload(3_000_000));
}
