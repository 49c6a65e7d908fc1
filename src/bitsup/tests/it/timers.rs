//! Time limits, retries and giving up.

use std::time::Duration;

use crate::common::peer::{
    PATIENCE, Peer, Turn, ended, options, received, start, unheard, upload, wait_for_state,
    wait_until,
};
use crate::common::wire::{
    Zeros, always, answering, milliseconds, of_type, once, ranges, watched, with,
};
use crate::common::{Setup, payload};
use bitsup::{
    Client, Error, ErrorKind, Event, OptionSet, Receipt, Source, UploadOptions, UploadState,
};
use bitsup_server::scripted::{Latch, Reply, Scripted};

fn once_only(change: impl FnOnce(&mut UploadOptions)) -> UploadOptions {
    let mut options = with(change);
    options.max_attempts = Some(1);
    options
}

#[test]
fn a_body_that_does_not_move_is_a_time_out_and_a_slow_one_is_not() {
    let _rule = bitsup_server::rule!("TMR-01");
    let size = 16 << 20;
    let send = |peer: &Peer, options: UploadOptions| {
        let client = Client::new().expect("client");
        let source = Source::read_at(Zeros, size);
        let upload = client.upload(source, &peer.url()).options(options).start();
        ended(&upload.expect("started"))
    };
    let impatient = || {
        once_only(|o| {
            o.fragment_size = Some(size);
            o.stall_timeout = Duration::from_secs(3);
        })
    };
    let latch = Latch::new();
    let held = latch.clone();
    let peer = answering(move |_| Some(received(size).after_body_bytes(1000).held(&held)));
    let error = send(&peer, impatient()).expect_err("stalls");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    latch.open();
    // Slower than the limit as a whole, but it moves.
    let peer = answering(move |_| Some(received(size).reading(256 * 1024, milliseconds(80))));
    send(&peer, impatient()).expect("uploaded");
}

#[test]
fn no_answer_in_time_closes_the_connection_and_a_late_one_is_not_used() {
    let _rule = bitsup_server::rule!("TMR-02");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(2500)).expect("written");
    let latch = Latch::new();
    let late = latch.clone();
    let peer = answering(move |nth| (nth == 2).then(|| received(2500).held(&late)));
    let attempt = |options: UploadOptions| -> Result<Receipt, Error> {
        let client = Client::builder()
            .options(&OptionSet::new().state_dir(folder.path().join("state")))
            .build()?;
        let upload = client.upload(Source::path(&file)?, &peer.url()).options(options).start()?;
        ended(&upload)
    };
    let impatient = once_only(|o| o.ack_timeout = Duration::from_secs(3));
    let error = attempt(impatient).expect_err("no Ack");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.is_resumable());
    latch.open();
    assert!(peer.raw.wait_for_close(0, PATIENCE));
    attempt(options()).expect("continued");
    let seen = ranges(&peer.raw);
    let expected = ["998-998/2500", "1000-1999/2500"];
    assert_eq!(seen[2..4], expected, "the late Ack named another offset");
    assert_eq!(peer.count("Create-Session"), 1);

    // TLS belongs to connecting, and this peer never speaks it.
    let silent = Scripted::start(|_, _, _| Reply::hang());
    let url = format!("https://{}/x.bin", silent.address());
    let impatient = once_only(|o| o.connect_timeout = Duration::from_secs(2));
    let error = upload(&url, &payload(10), impatient).expect_err("no connection");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(silent.wait_for_close(0, PATIENCE));
}

#[test]
fn each_packet_has_the_whole_limit() {
    let _rule = bitsup_server::rule!("TMR-03");
    let peer = Peer::start(|call| match call.packet {
        "Fragment" => {
            let (_, end) = crate::common::peer::range(call.request).expect("a range");
            Turn::Answer(received(end).delayed(milliseconds(600)))
        }
        "Close-Session" => Turn::Answer(Reply::ack().delayed(milliseconds(600))),
        _ => Turn::Serve,
    });
    let options = with(|o| {
        // Less than all packets take together.
        o.ack_timeout = Duration::from_secs(8);
        o.last_ack_timeout = Duration::from_secs(8);
    });
    let receipt = upload(&peer.url(), &payload(20_000), options).expect("uploaded");
    assert_eq!((receipt.retries, receipt.fragments), (0, 20));
}

#[test]
fn the_last_ack_has_a_longer_limit() {
    let _rule = bitsup_server::rule!("TMR-04");
    let late = Duration::from_secs(5);
    let patient = || {
        with(|o| {
            o.ack_timeout = Duration::from_secs(3);
            o.last_ack_timeout = Duration::from_secs(50);
        })
    };
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Fragment", 3) => Turn::After(received(2500).delayed(late)),
        ("Close-Session", _) => Turn::After(Reply::ack().delayed(late)),
        _ => Turn::Serve,
    });
    let receipt = upload(&peer.url(), &payload(2500), patient()).expect("uploaded");
    assert_eq!(receipt.retries, 0);
    let peer = answering(|nth| (nth == 2).then(Reply::hang));
    let receipt = upload(&peer.url(), &payload(2500), patient()).expect("uploaded");
    assert_eq!(receipt.retries, 1);
}

#[test]
fn an_answer_that_trickles_is_a_time_out() {
    let _rule = bitsup_server::rule!("TMR-05");
    for reply in [
        received(1000).trickled(milliseconds(200)),
        Reply::raw("HTTP/1.1 100 Continue\r\n\r\n".repeat(90)).trickled(milliseconds(20)),
    ] {
        let peer = always("Fragment", reply);
        let impatient = once_only(|o| o.ack_timeout = Duration::from_secs(3));
        let error = upload(&peer.url(), &payload(2500), impatient).expect_err("trickles");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let _rule = bitsup_server::rule!("TMR-07");
    let seconds = Reply::status(503, "Busy").header("Retry-After", "3");
    let date = Reply::status(503, "Busy")
        .header("Date", "Mon, 18 Jun 2007 21:01:56 GMT")
        .header("Retry-After", "Mon, 18 Jun 2007 21:01:59 GMT");
    for reply in [seconds, date] {
        let peer = once("Fragment", reply);
        upload(&peer.url(), &payload(10), options()).expect("uploaded");
        let requests = peer.raw.requests();
        let at = requests.iter().position(|r| r.packet_type() == "Fragment").expect("it");
        // The peer sends the answer after that moment.
        let asked = requests[at].completed.expect("it came");
        assert!(requests[at + 1].began >= asked + Duration::from_secs(3));
    }
    let peer = always("Create-Session", Reply::status(503, "Busy").header("Retry-After", "86400"));
    let error = upload(&peer.url(), &payload(10), options()).expect_err("not today");
    assert_eq!(error.http_status(), Some(503));
    assert_eq!(peer.count("Create-Session"), 1);
}

#[test]
fn a_server_that_never_answers_is_tried_three_times() {
    let _rule = bitsup_server::rule!("TMR-08");
    let (_unheard, address) = unheard();
    let url = format!("http://{address}/x.bin");
    let (result, events) = watched(&url, Source::bytes(payload(10)), options());
    assert_eq!(result.expect_err("no answer").kind(), ErrorKind::Network);
    let sent = events.iter().filter(|event| matches!(event, Event::Packet(_))).count();
    assert_eq!(sent, 3);
}

#[test]
fn giving_up_keeps_the_session_and_a_later_start_completes() {
    let _rule = bitsup_server::rule!("TMR-08");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(2500)).expect("written");
    for limit in ["time", "attempts"] {
        let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let is_broken = std::sync::Arc::clone(&broken);
        let peer = Peer::start(move |call| match call.packet {
            "Fragment" if call.nth > 1 && is_broken.load(std::sync::atomic::Ordering::SeqCst) => {
                Turn::Answer(Reply::status(503, "Busy"))
            }
            _ => Turn::Serve,
        });
        let attempt = |options: UploadOptions| {
            let state = folder.path().join(format!("state-{limit}"));
            let client = Client::builder()
                .options(&OptionSet::new().state_dir(state))
                .build()
                .expect("client");
            let source = Source::path(&file).expect("source");
            let upload = client.upload(source, &peer.url()).options(options).start();
            ended(&upload.expect("started"))
        };
        let impatient = with(|o| match limit {
            "time" => o.give_up_after = Duration::from_secs(2),
            _ => o.max_attempts = Some(4),
        });
        let error = attempt(impatient).expect_err("given up");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.is_resumable());
        assert_eq!(peer.count("Cancel-Session"), 0);
        if limit == "attempts" {
            assert_eq!(peer.count("Fragment"), 5);
        }
        broken.store(false, std::sync::atomic::Ordering::SeqCst);
        attempt(options()).expect("continued");
        assert_eq!(peer.count("Create-Session"), 1);
        assert_eq!(peer.files(), [payload(2500)]);
    }
}

#[test]
fn progress_gives_new_tries() {
    let _rule = bitsup_server::rule!("TMR-09");
    let busy = || Some(Reply::status(503, "Busy"));
    // Each time nine are refused, then come a probe and what was pending.
    let peer = answering(move |nth| if matches!(nth, 1..=9 | 12..=20) { busy() } else { None });
    let few = with(|o| o.max_attempts = Some(10));
    let receipt = upload(&peer.url(), &payload(2500), few).expect("uploaded");
    assert_eq!(receipt.retries, 18);
    let peer = answering(move |nth| if nth <= 10 { busy() } else { None });
    let few = with(|o| o.max_attempts = Some(10));
    upload(&peer.url(), &payload(2500), few).expect_err("ten are too many");
    assert_eq!(peer.count("Fragment"), 10);
}

#[test]
fn waiting_shows_its_reason_and_the_next_try() {
    let _rule = bitsup_server::rule!("TMR-11");
    let peer = always("Fragment", Reply::status(503, "Busy").header("Retry-After", "600"));
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(10), options());
    let second = start(&client, &peer.url(), &payload(10), options());
    wait_for_state(&first, UploadState::WaitingRetry);
    wait_until("the reason", || first.progress().waiting.is_some());
    let progress = first.progress();
    let waiting = progress.waiting.expect("it waits");
    assert!(waiting.reason.contains("503"), "{}", waiting.reason);
    assert!(waiting.remaining > Duration::from_secs(500), "{:?}", waiting.remaining);
    assert_eq!(progress.attempt, 1);
    assert_eq!(second.progress().state, UploadState::Queued);
    assert_eq!(of_type(&peer.raw, "Create-Session").len(), 1);

    let peer = once("Fragment", Reply::status(503, "Busy").header("Retry-After", "1"));
    let (result, events) = watched(&peer.url(), Source::bytes(payload(10)), options());
    result.expect("uploaded");
    let told = events.iter().find_map(|event| match event {
        Event::Retry { cause, delay, attempt } => Some((cause.http_status(), *delay, *attempt)),
        _ => None,
    });
    assert_eq!(told, Some((Some(503), Duration::from_secs(1), 1)));
}

#[test]
fn a_limit_that_passes_ends_an_upload_from_memory_too() {
    let setup = Setup::with_faults(b"", "fragment 1: hang");
    let client = Client::new().expect("client");
    let options = with(|o| o.max_time = Some(milliseconds(300)));
    let source = Source::bytes(payload(100_000));
    let upload = client.upload(source, &setup.url("x")).options(options).start();
    let upload = upload.expect("started");
    let ended = upload.wait_for(Duration::from_secs(30)).expect("it ends");
    assert_eq!(ended.expect_err("it takes longer").kind(), ErrorKind::LimitReached);
}
