//! When the next try comes, and when there is none.

use super::*;

/// The seconds that the upload waits now, with the highest random number.
fn wait(upload: &mut Upload) -> u64 {
    match upload.poll() {
        Action::Wait(until) => until.saturating_sub(upload.now.monotonic).as_secs(),
        other => panic!("no wait: {other:?}"),
    }
}

#[test]
fn the_first_retry_goes_at_once_and_further_ones_wait_longer_and_longer() {
    let _rule = bitsup_server::rule!("TMR-06");
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", UNREACHABLE)]);
    for bound in [1, 2, 4, 8, 16, 32, 60, 60] {
        upload.play([("Ping", UNREACHABLE)]);
        assert_eq!(wait(&mut upload), bound);
    }
    upload.play([("Ping", ok()), ("Fragment 1000-1999", received(2000))]);
    upload.play([("Fragment 2000-2499", UNREACHABLE)]);
    assert!(matches!(upload.poll(), Action::Send(_)), "progress starts the delays anew");
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.now.random = 0;
    upload.play([("Fragment 1000-1999", UNREACHABLE), ("Ping", UNREACHABLE)]);
    assert!(matches!(upload.poll(), Action::Send(_)), "a random delay may be nothing");
}

#[test]
fn retry_after_is_honoured_up_to_an_hour() {
    let busy = |retry_after| Ack { status: 503, retry_after: Some(retry_after), ..ACK };
    for number in [3, 600] {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([("Fragment 1000-1999", Answer::Ack(busy(RetryAfter::Seconds(number))))]);
        assert_eq!(wait(&mut upload), number);
        upload.play([("Ping", ok())]);
    }
    for (server, wanted, delay) in [(Some(50), 90, 40), (None, 1_000_007, 7), (Some(90), 50, 0)] {
        let mut upload = Upload::before("Fragment 1000-1999");
        assert_eq!(upload.exchange(), "Fragment 1000-1999");
        let ack = busy(RetryAfter::Date("a date"));
        let now = upload.now;
        upload
            .session
            .handle_ack(now, &ack, server, Some(wanted), Exchange::default())
            .expect("under way");
        match upload.poll() {
            Action::Wait(until) => assert_eq!(until.saturating_sub(now.monotonic).as_secs(), delay),
            action => assert!(delay == 0 && matches!(action, Action::Send(_))),
        }
    }
    for number in [3601, u64::MAX] {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([("Fragment 1000-1999", Answer::Ack(busy(RetryAfter::Seconds(number))))]);
        let error = upload.error();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.message().contains(&number.to_string()), "{error}");
    }
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", Answer::Ack(busy(RetryAfter::Seconds(1800))))]);
    let error = upload.error();
    assert!(error.message().contains("1800 s, which ends after the 900 s allowed"), "{error}");
}

#[test]
fn a_server_that_never_answers_is_left_after_three_tries() {
    let _rule = bitsup_server::rule!("TMR-08");
    let offline = Fails(FailureClass::Offline, Sent::Nothing);
    for failure in [UNREACHABLE, LOST, offline] {
        let mut upload = Upload::new(config());
        upload.play((0..3).map(|_| ("Create-Session", failure.clone())));
        assert_eq!(upload.error().kind(), ErrorKind::Network);
    }
    let mut upload = Upload::new(config());
    upload.play([("Create-Session", UNREACHABLE)]);
    assert_eq!(upload.exchange(), "Create-Session");
    upload.pass(16);
    upload.answer(&Fails(FailureClass::Timeout, Sent::Nothing)).expect("under way");
    assert_eq!(upload.error().kind(), ErrorKind::Timeout);

    let mut upload = Upload::before("Fragment 1000-1999");
    let begin = upload.now.monotonic;
    upload.play([("Fragment 1000-1999", UNREACHABLE)]);
    while upload.exchange() == "Ping" {
        upload.answer(&UNREACHABLE).expect("under way");
        upload.pass(1);
    }
    upload.error();
    let waited = upload.now.monotonic.saturating_sub(begin);
    assert!(waited > Duration::from_mins(13) && waited <= Duration::from_mins(15), "{waited:?}");
    assert!(upload.requests.iter().all(|request| request.packet != PacketType::CancelSession));
    upload.session.resume(upload.now).expect("a session is held");
    upload.play([
        ("Ping", UNREACHABLE),
        ("Ping", ok()),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn the_caller_may_wait_longer_for_a_server() {
    let retry = RetryPolicy { wait_for_server: Duration::from_hours(24), ..Default::default() };
    let mut upload = Upload::new(Config { retry, ..config() });
    upload.play((0..50).map(|_| ("Create-Session", UNREACHABLE)));
    upload.play([("Create-Session", created())]);
    let limited = RetryPolicy { max_attempts: Some(2), ..retry };
    let mut upload = Upload::new(Config { retry: limited, ..config() });
    upload.play((0..2).map(|_| ("Create-Session", UNREACHABLE)));
    upload.error();
}

#[test]
fn progress_fills_the_budget_of_tries() {
    let _rule = bitsup_server::rule!("TMR-09");
    let retry = RetryPolicy {
        max_attempts: Some(10),
        give_up_after: Duration::from_mins(15),
        ..Default::default()
    };
    let nine_failures = |upload: &mut Upload, fragment: &'static str| {
        upload.play([(fragment, UNREACHABLE)]);
        upload.play((0..8).map(|_| ("Ping", UNREACHABLE)));
        upload.play([("Ping", ok())]);
    };
    let mut upload = Upload::opened(Config { retry, ..config() });
    nine_failures(&mut upload, "Fragment 0-999");
    upload.play([("Fragment 0-999", received(1000))]);
    nine_failures(&mut upload, "Fragment 1000-1999");
    upload.pass(600);
    upload.play([("Fragment 1000-1999", received(2000))]);
    nine_failures(&mut upload, "Fragment 2000-2499");
    upload.play([("Fragment 2000-2499", UNREACHABLE)]);
    assert!(upload.error().message().contains("10 tries"));
}

#[test]
fn an_ack_that_brings_no_new_highest_offset_is_no_progress() {
    let retry = RetryPolicy { max_attempts: Some(4), ..Default::default() };
    let mut upload = Upload::opened(Config { retry, ..config() });
    upload.play([
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", UNREACHABLE),
        ("Ping", UNREACHABLE),
        ("Ping", ok()),
        ("Fragment 1000-1999", wants(0)),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", UNREACHABLE),
        ("Ping", UNREACHABLE),
    ]);
    upload.error();
}

#[test]
fn being_offline_uses_up_no_tries_once_a_server_has_answered() {
    let _rule = bitsup_server::rule!("TMR-10");
    let retry = RetryPolicy {
        max_attempts: Some(2),
        give_up_after: Duration::from_hours(1),
        ..Default::default()
    };
    let mut upload = Upload::new(Config { retry, size: 10, ..config() });
    let offline = Fails(FailureClass::Offline, Sent::Nothing);
    upload.play([("Create-Session", created()), ("Fragment 0-9", offline.clone())]);
    upload.play((0..20).map(|_| ("Ping", offline.clone())));
    upload.play([("Ping", ok()), ("Fragment 0-9", received(10)), ("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn a_wait_shows_its_reason_and_its_end() {
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", status(503)), ("Ping", status(503))]);
    assert_eq!(wait(&mut upload), 1);
    let (cause, until) = upload.session.waiting_for().expect("it waits");
    assert_eq!(cause.http_status(), Some(503));
    assert_eq!(until.saturating_sub(upload.now.monotonic), Duration::from_secs(1));
    assert_eq!(upload.session.attempt(), 2);
    let delay = Duration::from_secs(1);
    let told = |notice: &Notice| matches!(notice, Notice::Retrying { delay: d, attempt: 2, .. } if *d == delay);
    assert!(upload.notices.iter().any(told));
}

#[test]
fn transport_and_time_out_can_be_told_apart() {
    for (class, kind) in [
        (FailureClass::Transport, ErrorKind::Network),
        (FailureClass::Timeout, ErrorKind::Timeout),
        (FailureClass::Fatal, ErrorKind::Internal),
    ] {
        let mut upload = Upload::before("Fragment 1000-1999");
        let failure = Fails(class, Sent::Body(u64::MAX));
        while upload.exchange() != "Finished" {
            upload.answer(&failure).expect("under way");
            upload.pass(1);
        }
        assert_eq!(upload.error().kind(), kind);
        let fatal = matches!(class, FailureClass::Fatal);
        assert_eq!(upload.requests.len() == 3, fatal);
    }
}

#[test]
fn an_application_error_on_the_last_fragment_keeps_the_session() {
    for number in [306, 308, 408, 409, 500, 503] {
        let error = Ack { status: number, context: Some(7), ..ACK };
        let mut upload = Upload::before("Fragment 2000-2499");
        upload.play([
            ("Fragment 2000-2499", Answer::Ack(error)),
            ("Ping", ok()),
            ("Fragment 1998-1998", wants(2500)),
            ("Fragment 2000-2499", wants(2500)),
            ("Close-Session", ok()),
        ]);
        assert_eq!(upload.summary(), CERTAIN);
        // To a server that trims, the application has run where the probe is taken.
        let mut upload = Upload::before("Fragment 2000-2499");
        upload.play([
            ("Fragment 2000-2499", Answer::Ack(error)),
            ("Ping", ok()),
            ("Fragment 1998-1998", received(2500)),
            ("Fragment 1998-1998", received(2500)),
            ("Close-Session", ok()),
        ]);
    }
    for number in [301, 307, 400, 403, 404, 501, 505] {
        let error = Ack { status: number, context: Some(7), ..ACK };
        let mut upload = Upload::before("Fragment 2000-2499");
        upload.play([("Fragment 2000-2499", Answer::Ack(error))]);
        assert_eq!((upload.error().http_status(), upload.requests.len()), (Some(number), 4));
    }
}

/// The server may have stored the part before a gateway sent the client elsewhere.
#[test]
fn a_part_that_no_bits_server_refused_may_be_there_when_it_is_sent_again() {
    let elsewhere = Answer::Ack(Ack { status: 302, is_ack: false, ..ACK });
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", elsewhere)]);
    assert_eq!(upload.error().http_status(), Some(302));
    upload.session.resume(upload.now).expect("a session is held");
    upload.play([
        ("Ping", ok()),
        ("Fragment 998-998", wants(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn after_a_failure_the_connection_is_a_new_one() {
    let page = Answer::Ack(Ack { is_ack: false, ..ACK });
    for (failure, next) in [
        (LOST, "Fragment 998-998"),
        (UNREACHABLE, "Fragment 1000-1999"),
        (page, "Fragment 998-998"),
    ] {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([("Fragment 1000-1999", failure), ("Ping", ok()), (next, wants(1000))]);
        let ways: Vec<_> =
            upload.requests.iter().skip(2).map(|request| request.connection).collect();
        assert_eq!(ways, [Connection::Keep, Connection::Fresh, Connection::Keep]);
    }
}

#[test]
fn the_whole_upload_has_a_limit_of_time() {
    for max_time in [Duration::from_secs(30), Duration::ZERO] {
        let mut upload = Upload::new(Config { max_time: Some(max_time), ..config() });
        if max_time > Duration::ZERO {
            assert_eq!(upload.exchange(), "Create-Session");
            assert_eq!(upload.session.deadline(), Some(upload.now.monotonic + max_time));
            upload.pass(30);
            assert_eq!(upload.exchange(), "Abort");
        }
        assert_eq!(upload.error().kind(), ErrorKind::LimitReached);
        assert_eq!(upload.session.deadline(), None);
    }
    let upload = Upload::opened(Config { max_time: Some(Duration::MAX), ..config() });
    assert_eq!(upload.session.deadline(), Some(Duration::MAX));
}

#[test]
fn limits_without_end_are_no_harm() {
    let endless = Duration::MAX;
    let retry = RetryPolicy {
        first_delay: endless,
        max_delay: endless,
        give_up_after: endless,
        wait_for_server: endless,
        ..Default::default()
    };
    let config = Config { retry, cancel_limit: endless, ..config() };
    for random in [0, 1, u64::MAX / 2, u64::MAX] {
        let mut upload = Upload::new(config.clone());
        upload.now.random = random;
        upload.play([("Create-Session", UNREACHABLE), ("Create-Session", created())]);
        upload.play([("Fragment 0-999", UNREACHABLE), ("Ping", UNREACHABLE)]);
        upload.session.cancel(upload.now, CancelMode::Delete).expect("it waits");
        upload.play([("Cancel-Session", UNREACHABLE), ("Cancel-Session", ok())]);
    }
}

#[test]
fn progress_allows_new_invalid_answers() {
    let page = Answer::Ack(Ack { is_ack: false, ..ACK });
    let mut upload = Upload::opened(config());
    for (fragment, probe, offset) in [
        ("Fragment 0-999", "Fragment 1-1", 0),
        ("Fragment 1000-1999", "Fragment 998-998", 1000),
        ("Fragment 2000-2499", "Fragment 1998-1998", 2000),
    ] {
        for _ in 0..3 {
            upload.play([(fragment, page.clone()), ("Ping", ok()), (probe, wants(offset))]);
        }
        assert_eq!(upload.exchange(), fragment);
        let end = upload.requests.last().and_then(|request| request.range).expect("a range").end();
        upload.answer(&received(end)).expect("under way");
    }
    upload.play((0..3).flat_map(|_| [("Close-Session", page.clone()), ("Ping", ok())]));
    upload.play([("Close-Session", page.clone())]);
    upload.error();
}

#[test]
fn the_caller_can_put_a_try_off_bring_it_forward_and_refuse_it() {
    let mut upload = Upload::before("Fragment 1000-1999");
    let (now, late) = (upload.now, Duration::from_secs(500));
    assert!(upload.session.defer_retry(now, late).is_err(), "nothing waits");
    assert!(upload.session.refuse_retry().is_err(), "nothing waits");
    upload.play([("Fragment 1000-1999", UNREACHABLE), ("Ping", UNREACHABLE)]);
    let now = upload.now;
    upload.session.defer_retry(now, late).expect("it waits");
    assert_eq!(wait(&mut upload), 500);
    upload.session.defer_retry(now, Duration::ZERO).expect("it waits");
    assert!(matches!(upload.poll(), Action::Send(_)));
    assert!(upload.session.defer_retry(now, late).is_err(), "the try is under way");

    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", UNREACHABLE), ("Ping", UNREACHABLE)]);
    upload.session.refuse_retry().expect("it waits");
    assert_eq!(upload.error().kind(), ErrorKind::Network);
    assert!(upload.session.checkpoint().is_some(), "the session can be continued");
}

#[test]
fn no_try_of_a_cancel_is_decided_by_the_caller() {
    let mut upload = Upload::before("Fragment 1000-1999");
    let now = upload.now;
    upload.session.cancel(now, CancelMode::Delete).expect("possible");
    assert!(matches!(upload.poll(), Action::Send(_)), "Cancel-Session");
    let failure = Failure::new(FailureClass::Transport, Sent::Nothing, "");
    upload.session.handle_failure(now, &failure).expect("under way");
    assert!(upload.session.defer_retry(now, Duration::from_secs(500)).is_err());
    assert!(upload.session.refuse_retry().is_err());
}

#[test]
fn an_answer_is_waited_for_no_longer_than_a_lack_of_progress() {
    let _rule = bitsup_server::rule!("GIV-04");
    let minutes = Duration::from_mins;
    let retry = RetryPolicy { give_up_after: minutes(2), ..RetryPolicy::default() };
    let mut upload = Upload::opened(Config { retry, ..config() });
    upload.play([
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", LOST),
    ]);
    upload.pass(90);
    assert_eq!(upload.exchange(), "Ping");
    let limits: Vec<_> = upload.requests.iter().map(|request| request.answer_limit).collect();
    let last = minutes(15);
    assert_eq!(limits[..4], [minutes(2), minutes(2), minutes(2), last]);
    assert_eq!(limits[4], Duration::from_secs(30), "what is left of the two minutes");
    upload.pass(31);
    upload.answer(&Fails(FailureClass::Timeout, Sent::Head)).expect("under way");
    let error = upload.error();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let told = error.message();
    assert!(told.contains("after 121 s") && told.contains("limit is 120 s"), "{error}");
}

#[test]
fn what_is_no_fault_of_the_server_is_no_lack_of_progress() {
    let _rule = bitsup_server::rule!("GIV-04");
    let retry = RetryPolicy { give_up_after: Duration::from_mins(2), ..RetryPolicy::default() };
    for excluded in [0, 1000] {
        let mut upload = Upload::opened(Config { retry, ..config() });
        assert_eq!(upload.exchange(), "Fragment 0-999");
        upload.pass(1000);
        let since = upload.now.monotonic.saturating_sub(Duration::from_secs(excluded));
        upload.session.exclude(since, upload.now);
        upload.answer(&UNREACHABLE).expect("under way");
        assert_eq!(upload.exchange() == "Ping", excluded > 0);
    }
    // What is excluded, or a pause, counts once, and only what lies behind the last progress.
    for pauses in [false, true] {
        let mut upload = Upload::opened(Config { retry, ..config() });
        assert_eq!(upload.exchange(), "Fragment 0-999");
        let since = upload.now.monotonic;
        if pauses {
            upload.session.suspend(upload.now).expect("it runs");
        }
        upload.pass(1000);
        upload.answer(&Fails(FailureClass::Transport, Sent::Body(500))).expect("under way");
        if pauses {
            upload.session.resume(upload.now).expect("paused");
        }
        upload.session.exclude(since, upload.now);
        assert_eq!(upload.exchange(), "Ping");
        upload.pass(150);
        upload.answer(&UNREACHABLE).expect("under way");
        assert_eq!(upload.error().kind(), ErrorKind::Network, "{pauses}");
    }
    // So are bytes that move, but not the same ones again.
    let mut upload = Upload::opened(Config { retry, ..config() });
    for (part, goes_on) in [(100, true), (200, true), (200, false)] {
        let mut next = upload.exchange();
        if next == "Ping" {
            upload.answer(&ok()).expect("under way");
            upload.play([("Fragment 1-1", wants(0))]);
            next = upload.exchange();
        }
        assert_eq!(next, "Fragment 0-999");
        upload.pass(150);
        upload.answer(&Fails(FailureClass::Transport, Sent::Body(part))).expect("under way");
        assert_eq!(upload.session.outcome().is_none(), goes_on, "{part}");
    }
}

#[test]
fn a_session_that_refuses_every_fragment_alike_is_given_up() {
    let _rule = bitsup_server::rule!("GIV-01");
    let refused = || Answer::Ack(Ack { status: 500, code: Some(Hresult(1)), ..ACK });
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", refused())]);
    let mut refusals = 1;
    loop {
        let next = upload.exchange();
        match next.as_str() {
            "Ping" => upload.answer(&ok()).expect("under way"),
            "Cancel-Session" => break,
            _ => {
                assert!(next.starts_with("Fragment"), "{next}");
                upload.pass(10);
                refusals += 1;
                assert!(refusals < 20, "it is never given up");
                upload.answer(&refused()).expect("under way");
            }
        }
    }
    assert!(refusals >= 3);
    let ways: Vec<_> = upload.requests.iter().skip(2).map(|own| own.connection).collect();
    assert!(ways.contains(&Connection::Fresh), "on two connections");
    upload.answer(&ok()).expect("under way");
    upload.play([("Create-Session", created_as("{two}")), ("Fragment 0-999", received(1000))]);
    // A session that an earlier process made, and whose first Fragment is refused.
    for (number, given_up) in [(400, true), (404, true), (409, true), (403, false), (503, false)] {
        let mut again = Upload::before("Fragment 1000-1999").restored(config(), 1);
        again.play([("Ping", ok()), ("Fragment 998-998", status(number))]);
        assert_eq!(again.exchange() == "Cancel-Session", given_up, "{number}");
    }
}

#[test]
fn a_reused_connection_that_dies_says_nothing_about_sizes() {
    let _rule = bitsup_server::rule!("GIV-07");
    let stale = |sent| Fails(FailureClass::Stale, sent);
    let size = 100 * 1024 * 1024;
    let automatic = || Config { size, fragment: fragment_size::Limits::default(), ..config() };
    let mut upload = Upload::opened(automatic());
    upload.play([
        ("Fragment 0-1048575", stale(Sent::Head)),
        ("Ping", ok()),
        ("Fragment 0-1048575", received(1_048_576)),
    ]);
    assert!(upload.exchange().starts_with("Fragment 1048576-"));
    let ways: Vec<_> = upload.requests.iter().skip(2).map(|own| own.connection).collect();
    assert_eq!(ways, [Connection::Fresh; 3], "each packet takes a new one");
    // If bytes had gone out, the server is asked first.
    let mut upload = Upload::opened(automatic());
    upload.play([
        ("Fragment 0-1048575", stale(Sent::Body(5))),
        ("Ping", ok()),
        ("Fragment 1-1", wants(0)),
        ("Fragment 0-1048575", LOST),
        ("Ping", ok()),
        ("Fragment 1-1", wants(0)),
        ("Fragment 0-524287", received(524_288)),
    ]);
    // A new connection was lost too: reuse was not to blame.
    assert!(upload.exchange().starts_with("Fragment 524288-"));
    assert_eq!(upload.requests.last().map(|own| own.connection), Some(Connection::Keep));
}

#[test]
fn a_host_that_knows_no_ping_is_not_asked_for_ever() {
    let _rule = bitsup_server::rule!("FSM-04");
    let page = Answer::Ack(Ack { is_ack: false, ..ACK });
    for refusal in [status(400), status(404), status(405), status(501), page] {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([
            ("Fragment 1000-1999", LOST),
            ("Ping", refusal.clone()),
            ("Ping", refusal.clone()),
            ("Fragment 998-998", wants(1000)),
            ("Fragment 1000-1999", UNREACHABLE),
            ("Fragment 1000-1999", received(2000)),
        ]);
        // An earlier process has heard of it.
        let mut again = Upload::before("Fragment 1000-1999").restored(config(), 1);
        again.play([("Ping", refusal.clone()), ("Ping", refusal)]);
        assert_eq!(again.exchange(), "Fragment 998-998");
    }
    // One with a code of BITS, and one before anything was acknowledged, are refusals.
    let code = Some(Hresult::ACCESS_DENIED);
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", UNREACHABLE),
        ("Ping", Answer::Ack(Ack { status: 404, code, ..ACK })),
    ]);
    upload.error();
    let mut upload = Upload::new(Config { opening_ping: true, ..config() });
    upload.play([("Ping", status(404))]);
    upload.error();
}
