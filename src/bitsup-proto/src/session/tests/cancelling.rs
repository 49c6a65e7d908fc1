//! Cancel: in every state, once and for all.

use super::*;

const CONFIRMED: Outcome = Outcome::Cancelled { confirmed: true, kept: false };

fn cancel(upload: &mut Upload) {
    upload.session.cancel(upload.now, CancelMode::Delete).expect("not ended yet");
}

/// An upload in every state that holds a session.
fn everywhere() -> Vec<Upload> {
    let mut list = Vec::new();
    for exchange in ["Fragment 0-999", "Fragment 2000-2499", "Close-Session"] {
        list.push(Upload::before(exchange));
        let mut running = Upload::before(exchange);
        assert_eq!(running.exchange(), exchange);
        list.push(running);
        let mut paused = Upload::before(exchange);
        paused.session.suspend(paused.now).expect("it runs");
        list.push(paused);
        let mut waiting = Upload::before(exchange);
        waiting.play([(exchange, status(503)), ("Ping", status(503))]);
        assert!(matches!(waiting.poll(), Action::Wait(_)));
        list.push(waiting);
        let mut failed = Upload::before(exchange);
        failed.play([(exchange, status(403))]);
        list.push(failed);
    }
    let mut reply = Upload::new(Config { reply: ReplyMode::Required, size: 10, ..config() });
    let end = Ack { offset: Offset::At(10), reply_url: Some("r"), ..ACK };
    reply.play([("Create-Session", created()), ("Fragment 0-9", Answer::Ack(end))]);
    assert_eq!(reply.exchange(), "GET 0-");
    list.push(reply);
    let mut restarting = Upload::new(config());
    restarting.play([
        ("Create-Session", created()),
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 1-1", received(2)),
    ]);
    assert_eq!(restarting.exchange(), "Cancel-Session");
    list.push(restarting);
    list
}

#[test]
fn cancel_leads_to_cancel_session_from_every_state() {
    let _rule = bitsup_server::rule!("FSM-10", "CAN-01");
    for mut upload in everywhere() {
        let was = upload.session.state();
        cancel(&mut upload);
        let mut next = upload.exchange();
        if next == "Abort" {
            next = upload.exchange();
        }
        assert_eq!(next, "Cancel-Session", "{was:?}");
        let request = upload.requests.last().expect("one was sent");
        assert_eq!(request.connection, Connection::Fresh, "{was:?}");
        assert_eq!(request.answer_limit, Duration::from_mins(1), "no longer than it is tried");
        upload.answer(&ok()).expect("under way");
        assert_eq!(upload.outcome(), CONFIRMED);
        assert_eq!(upload.session.resume(upload.now), Err(InvalidState));
        assert_eq!(upload.session.checkpoint(), None);
    }
}

#[test]
fn an_exchange_is_aborted_and_what_it_still_brings_is_refused() {
    for late in [received(1000), LOST, status(401), forgotten()] {
        let mut upload = Upload::before("Fragment 0-999");
        assert_eq!(upload.exchange(), "Fragment 0-999");
        cancel(&mut upload);
        assert_eq!(upload.answer(&late), Err(InvalidState));
        assert_eq!(upload.exchange(), "Abort");
        upload.play([("Cancel-Session", ok())]);
        assert_eq!(upload.outcome(), CONFIRMED);
    }
}

#[test]
fn without_a_session_nothing_is_sent() {
    for mode in [CancelMode::Delete, CancelMode::Keep] {
        let mut upload = Upload::new(config());
        upload.session.cancel(upload.now, mode).expect("not ended");
        assert_eq!(upload.outcome(), CONFIRMED);
        let mut upload = Upload::before("Create-Session");
        assert_eq!(upload.exchange(), "Create-Session");
        upload.session.cancel(upload.now, mode).expect("not ended");
        assert_eq!(upload.exchange(), "Abort");
        // The server may have made a session for it.
        assert_eq!(upload.outcome(), Outcome::Cancelled { confirmed: false, kept: false });
        assert!(upload.session.may_be_left());
        assert_eq!(upload.requests.len(), 1);
    }
}

#[test]
fn a_no_to_cancel_session_is_the_end_as_well() {
    for (answer, confirmed) in [
        (ok(), true),
        (forgotten(), true),
        (status(404), true),
        (status(400), false),
        (status(401), false),
        (status(403), false),
        (status(409), false),
    ] {
        let mut upload = Upload::before("Fragment 1000-1999");
        cancel(&mut upload);
        upload.play([("Cancel-Session", answer)]);
        assert_eq!(upload.outcome(), Outcome::Cancelled { confirmed, kept: false });
    }
}

#[test]
fn a_challenge_to_cancel_session_is_answered_once() {
    let config = Config { credentials: true, proxy_credentials: true, ..config() };
    let mut upload = Upload::opened(config);
    cancel(&mut upload);
    upload.play([
        ("Cancel-Session", status(407)),
        ("Cancel-Session", status(401)),
        ("Cancel-Session", ok()),
    ]);
    let last = upload.requests.last().expect("some were sent");
    assert!(last.authorize && last.authorize_proxy);
    assert_eq!(upload.outcome(), CONFIRMED);
}

#[test]
fn cancel_session_is_repeated_within_its_limit() {
    let mut upload = Upload::before("Fragment 1000-1999");
    cancel(&mut upload);
    upload.play([
        ("Cancel-Session", status(503)),
        ("Cancel-Session", LOST),
        ("Cancel-Session", Answer::Ack(Ack { is_ack: false, ..ACK })),
        ("Cancel-Session", ok()),
    ]);
    assert_eq!(upload.outcome(), CONFIRMED);
    for answer in
        [status(503), status(500), LOST, UNREACHABLE, Fails(FailureClass::Offline, Sent::Nothing)]
    {
        let mut upload = Upload::before("Fragment 1000-1999");
        let begin = upload.now.monotonic;
        cancel(&mut upload);
        while upload.exchange() == "Cancel-Session" {
            assert!(upload.requests.len() < 100);
            upload.answer(&answer).expect("under way");
            upload.pass(1);
        }
        let error = upload.error();
        assert!(error.message().contains("could not be cancelled"), "{error}");
        assert!(upload.now.monotonic.saturating_sub(begin) <= Duration::from_secs(62));
        // The caller may go on after all, with budgets of their own.
        upload.session.resume(upload.now).expect("a session is held");
        upload.pass(120);
        upload.play([
            ("Ping", status(503)),
            ("Ping", ok()),
            ("Fragment 1000-1999", received(2000)),
        ]);
    }
}

#[test]
fn a_huge_retry_after_does_not_hold_a_cancel() {
    let mut upload = Upload::before("Fragment 1000-1999");
    cancel(&mut upload);
    let patience = Ack { status: 503, retry_after: Some(RetryAfter::Seconds(u64::MAX)), ..ACK };
    upload.play([("Cancel-Session", Answer::Ack(patience))]);
    upload.error();
}

#[test]
fn a_kept_session_is_continued_by_a_restore() {
    let _rule = bitsup_server::rule!("CAN-06");
    for mut upload in [Upload::before("Fragment 1000-1999"), Upload::before("Close-Session")] {
        upload.session.cancel(upload.now, CancelMode::Keep).expect("not ended");
        assert_eq!(upload.outcome(), Outcome::Cancelled { confirmed: false, kept: true });
        let sent = upload.requests.iter().any(|r| r.packet == PacketType::CancelSession);
        assert!(!sent);
        let mut again = upload.restored(config(), 60);
        assert_eq!(again.exchange(), "Ping");
        assert_eq!(again.session.session_id(), upload.session.session_id());
    }
}

#[test]
fn a_changed_source_deletes_the_session_and_is_the_end() {
    let changed = || Error::new(ErrorKind::SourceChanged, "the file has changed");
    for answer in [ok(), status(403), status(501), forgotten()] {
        let mut upload = Upload::before("Fragment 1000-1999");
        assert_eq!(upload.exchange(), "Fragment 1000-1999");
        upload.session.fail_source(upload.now, changed()).expect("it runs");
        assert_eq!(upload.exchange(), "Abort");
        upload.play([("Cancel-Session", answer)]);
        assert_eq!(upload.error().kind(), ErrorKind::SourceChanged);
        assert_eq!(upload.session.resume(upload.now), Err(InvalidState));
    }
    let mut upload = Upload::new(config());
    upload.session.fail_source(upload.now, changed()).expect("it runs");
    assert_eq!(upload.error().kind(), ErrorKind::SourceChanged);
    let mut upload = Upload::before("Fragment 1000-1999");
    assert_eq!(upload.exchange(), "Fragment 1000-1999");
    let unreadable = Error::new(ErrorKind::LocalFile, "the file cannot be read");
    upload.session.fail_source(upload.now, unreadable).expect("it runs");
    assert_eq!(upload.exchange(), "Abort");
    assert_eq!(upload.error().kind(), ErrorKind::LocalFile);
    upload.session.resume(upload.now).expect("it may be readable again");
    upload.play([("Ping", ok())]);
    let ping = upload.requests.last().expect("one was sent");
    assert_eq!(ping.connection, Connection::Fresh, "the aborted one was closed");
    upload.play([("Fragment 998-998", wants(1000)), ("Fragment 1000-1999", received(2000))]);
}

#[test]
fn cancel_has_tries_of_its_own() {
    let page = Answer::Ack(Ack { is_ack: false, ..ACK });
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", page.clone())]);
    upload.play((0..2).map(|_| ("Ping", page.clone())));
    cancel(&mut upload);
    upload.play((0..3).map(|_| ("Cancel-Session", page.clone())));
    upload.play([("Cancel-Session", ok())]);
    assert_eq!(upload.outcome(), CONFIRMED);
}
