//! Next tries that the caller decides about.

use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::common::payload;
use crate::common::peer::{Call, PATIENCE, Peer, Turn, ended, options};
use bitsup::{Client, Error, ErrorKind, OptionSet, RetryDecision, Source, Upload, UploadOptions};
use bitsup_server::scripted::Reply;

/// What a hook was asked, and on which thread.
type Asked = Arc<Mutex<Vec<(String, u32, ThreadId)>>>;

fn begin(
    client: &Client,
    url: &str,
    options: UploadOptions,
    mut answer: impl FnMut(&Error, u32) -> RetryDecision + Send + 'static,
) -> (Upload, Asked) {
    let asked = Asked::default();
    let note = Arc::clone(&asked);
    let upload = client
        .upload(Source::bytes(payload(2500)), url)
        .options(options)
        .on_retry(move |error, attempt| {
            let thread = std::thread::current().id();
            note.lock().expect("not poisoned").push((error.to_string(), attempt, thread));
            answer(error, attempt)
        })
        .start()
        .expect("started");
    (upload, asked)
}

/// Answers the second Fragment with 503 `times` times.
fn busy(times: usize) -> impl FnMut(&Call<'_>) -> Turn + Send + 'static {
    move |call| {
        if call.packet == "Fragment" && (2..2 + times).contains(&call.nth) {
            Turn::Answer(Reply::status(503, "Busy"))
        } else {
            Turn::Serve
        }
    }
}

#[test]
fn a_caller_that_wants_no_other_try_gets_the_error_and_can_continue() {
    let peer = Peer::start(busy(1));
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(2500)).expect("written");
    let state = folder.path().join("state");
    let client =
        Client::builder().options(&OptionSet::new().state_dir(state)).build().expect("client");
    let start = |decision| {
        let upload = client.upload(Source::path(&file).expect("source"), &peer.url());
        upload.options(options()).on_retry(move |_, _| decision).start().expect("started")
    };
    let error = ended(&start(RetryDecision::Fail)).expect_err("no other try");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Timeout, Some(503)), "{error}");
    assert!(error.is_resumable() && error.token().is_some(), "{error}");
    assert_eq!((peer.count("Fragment"), peer.open_sessions()), (2, 1));
    ended(&start(RetryDecision::Retry)).expect("continued");
    assert_eq!((peer.files(), peer.count("Create-Session")), (vec![payload(2500)], 1));
}

#[test]
fn a_caller_is_asked_on_its_own_thread_and_can_let_all_go_on() {
    let peer = Peer::start(busy(3));
    let client = Client::new().expect("client");
    let (upload, asked) = begin(&client, &peer.url(), options(), |_, _| RetryDecision::Retry);
    ended(&upload).expect("uploaded");
    let asked = asked.lock().expect("not poisoned").clone();
    let attempts: Vec<u32> = asked.iter().map(|(_, attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(asked.iter().all(|(error, ..)| error.contains("503")), "{asked:?}");
    let thread = asked[0].2;
    assert!(asked.iter().all(|(.., other)| *other == thread));
    assert_ne!(thread, std::thread::current().id());
}

#[test]
fn a_caller_can_put_a_try_off_and_bring_it_forward() {
    // By itself it would wait for minutes, most likely.
    let mut slow = options();
    slow.retry_delay = Duration::from_secs(600);
    slow.max_retry_delay = Duration::from_secs(600);
    let peer = Peer::start(busy(2));
    let client = Client::new().expect("client");
    let soon = |_: &Error, attempt| {
        if attempt == 1 { RetryDecision::Retry } else { RetryDecision::After(Duration::ZERO) }
    };
    let (upload, _) = begin(&client, &peer.url(), slow, soon);
    ended(&upload).expect("uploaded");

    let peer = Peer::start(busy(1));
    let later = |_: &Error, _| RetryDecision::After(Duration::from_millis(300));
    let (upload, _) = begin(&client, &peer.url(), options(), later);
    ended(&upload).expect("uploaded");
    let requests = peer.raw.requests();
    let at = |nth: usize| {
        let mut fragments = requests.iter().filter(|request| request.packet_type() == "Fragment");
        fragments.nth(nth).expect("sent").began
    };
    assert!(at(2) >= at(1) + Duration::from_millis(300), "not before its time");
}

#[test]
fn a_caller_that_does_not_answer_holds_nothing_up_for_ever() {
    let peer = Peer::start(busy(1));
    let (answer, waits) = std::sync::mpsc::channel::<()>();
    let client = Client::new().expect("client");
    let begun = Instant::now();
    let (upload, _) = begin(&client, &peer.url(), options(), move |_, _| {
        // Until the test has seen the upload's end.
        let _ = waits.recv_timeout(PATIENCE);
        RetryDecision::Fail
    });
    ended(&upload).expect("uploaded without an answer");
    assert!(begun.elapsed() < PATIENCE);
    drop(answer);
}

#[test]
fn what_is_not_tried_again_is_not_asked_about() {
    let peer = Peer::start(|call| match call.packet {
        "Fragment" => Turn::Answer(Reply::status(403, "Forbidden")),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let (upload, asked) = begin(&client, &peer.url(), options(), |_, _| RetryDecision::Retry);
    assert_eq!(ended(&upload).expect_err("refused").kind(), ErrorKind::Refused);
    assert!(asked.lock().expect("not poisoned").is_empty());
}

#[test]
fn a_panic_in_the_decision_ends_the_upload_with_the_truth() {
    let peer = Peer::start(busy(1));
    let client = Client::new().expect("client");
    let (upload, _) = begin(&client, &peer.url(), options(), |_, _| panic!("the caller's own"));
    assert_eq!(ended(&upload).expect_err("panicked").kind(), ErrorKind::Internal);
}
