//! The states of MC-BUP §3.1.5.1 in the order in which an upload meets them.

use super::*;

#[test]
fn the_first_packet_is_create_session_or_ping_where_a_handshake_is_to_come() {
    let _rule = bitsup_server::rule!("FSM-01");
    let mut plain = Upload::new(config());
    assert_eq!((plain.session.state(), plain.session.offset()), (State::Init, 0));
    assert_eq!((plain.session.session_id(), plain.session.host()), (None, None));
    plain.play([("Create-Session", created()), ("Fragment 0-999", received(1000))]);
    let credentials = Config { credentials: true, opening_ping: true, ..config() };
    let proxy = Config { proxy_credentials: true, opening_ping: true, ..config() };
    for config in [credentials, proxy] {
        let mut upload = Upload::new(config);
        upload.play([
            ("Ping", ok()),
            ("Create-Session", created()),
            ("Fragment 0-999", received(1000)),
        ]);
    }
}

#[test]
fn create_leads_to_a_fragment_or_to_a_ping_at_the_named_host() {
    let _rule = bitsup_server::rule!("FSM-02");
    let mut upload = Upload::new(config());
    upload.play([("Create-Session", created()), ("Fragment 0-999", received(1000))]);
    let named = Ack { session_id: Some("{one}"), host_id: Some("b.example.com"), ..ACK };
    let mut upload = Upload::new(config());
    upload.play([
        ("Create-Session", Answer::Ack(named)),
        ("Ping @b.example.com", ok()),
        ("Fragment 0-999 @b.example.com", received(1000)),
    ]);
}

#[test]
fn a_failed_create_is_followed_by_another_one() {
    let mut upload = Upload::new(config());
    upload.play([
        ("Create-Session", LOST),
        ("Create-Session", status(503)),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
    ]);
    assert_eq!(upload.session.session_id().map(SessionId::as_str), Some("{two}"));
}

#[test]
fn resume_after_a_failed_create_sends_create() {
    let mut upload = Upload::new(config());
    upload.play([("Create-Session", status(403))]);
    assert_eq!(upload.error().http_status(), Some(403));
    upload.session.resume(upload.now).expect("the caller may try again");
    upload.play([("Create-Session", created()), ("Fragment 0-999", received(1000))]);
}

#[test]
fn no_fragment_goes_out_until_a_ping_has_passed() {
    let _rule = bitsup_server::rule!("FSM-04");
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", UNREACHABLE),
        ("Ping", status(503)),
        ("Ping", LOST),
        ("Ping", ok()),
        ("Fragment 1000-1999", received(2000)),
    ]);
}

#[test]
fn an_error_does_not_move_the_offset() {
    let mut upload = Upload::before("Fragment 1000-1999");
    let later = Ack { status: 503, offset: Offset::At(2000), ..ACK };
    upload.play([
        ("Fragment 1000-1999", Answer::Ack(later)),
        ("Ping", ok()),
        ("Fragment 998-998", wants(1000)),
        ("Fragment 1000-1999", received(2000)),
    ]);
}

#[test]
fn an_offset_in_another_ack_does_not_move_the_upload() {
    let elsewhere = Ack { session_id: Some("{one}"), offset: Offset::At(7), ..ACK };
    let mut upload = Upload::new(config());
    upload.play([
        ("Create-Session", Answer::Ack(elsewhere)),
        ("Fragment 0-999", UNREACHABLE),
        ("Ping", Answer::Ack(elsewhere)),
        ("Fragment 0-999", received(1000)),
    ]);
}

#[test]
fn nothing_but_an_ack_of_close_session_is_success() {
    for answer in [status(400), status(403), status(404), status(413), status(416), status(301)] {
        let mut upload = Upload::before("Close-Session");
        upload.play([("Close-Session", answer)]);
        assert_eq!(upload.error().packet(), Some(PacketType::CloseSession));
    }
    let mut upload = Upload::before("Close-Session");
    upload.play([
        ("Close-Session", LOST),
        ("Ping", ok()),
        ("Close-Session", ok()),
        ("HEAD", holds(2500)),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    for answer in [status(202), status(204), status(500), status(502)] {
        let mut upload = Upload::before("Close-Session");
        upload.play([("Close-Session", answer)]);
        assert!(upload.session.outcome().is_none());
        upload.play([("Ping", ok()), ("Close-Session", ok())]);
        assert_eq!(upload.summary(), CERTAIN);
    }
}

#[test]
fn close_that_is_never_answered_is_an_error() {
    let mut upload = Upload::before("Close-Session");
    let error = loop {
        match upload.exchange().as_str() {
            "Close-Session" => upload.answer(&LOST).expect("under way"),
            "Ping" => upload.answer(&ok()).expect("under way"),
            _ => break upload.error(),
        }
    };
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(upload.session.offset(), 2500);
}

/// Every kind of answer that leads to ERROR, and what comes first in its list.
#[test]
fn in_error_the_first_match_counts() {
    let _rule = bitsup_server::rule!("FSM-12");
    for pause in [false, true] {
        for code in [None, Some(Hresult::SESSION_NOT_FOUND)] {
            for number in [401, 407, 413, 403, 400, 501] {
                let mut upload = Upload::new(Config {
                    credentials: true,
                    proxy_credentials: true,
                    fragment: fragment_size::Limits { fixed: Some(10_240), ..Default::default() },
                    size: 100_000,
                    ..config()
                });
                upload.play([("Create-Session", created())]);
                assert_eq!(upload.exchange(), "Fragment 0-10239");
                if pause {
                    upload.session.suspend(upload.now).expect("it runs");
                }
                let answer = Ack { status: number, code, ..ACK };
                upload.answer(&Answer::Ack(answer)).expect("under way");
                let next = upload.exchange();
                let expected = match (pause, code, number) {
                    (true, ..) => "Idle",
                    (_, Some(_), _) => "Create-Session",
                    (_, _, 401 | 407) => "Fragment 0-10239",
                    (_, _, 413) => "Fragment 0-5119",
                    _ => "Finished",
                };
                assert_eq!(next, expected, "pause {pause}, {code:?}, {number}");
                let request = upload.requests.last().expect("one was sent");
                let asked = code.is_none() && !pause;
                assert_eq!(request.authorize, asked && number == 401);
                assert_eq!(request.authorize_proxy, asked && number == 407);
                if pause {
                    assert_eq!(upload.session.state(), State::Suspend);
                    assert!(upload.session.outcome().is_none());
                }
            }
        }
    }
}

#[test]
fn retry_and_resume_go_through_a_ping_to_what_is_pending() {
    let _rule = bitsup_server::rule!("FSM-13");
    let pending = [
        ("Fragment 0-999", "Fragment 1-1"),
        ("Fragment 2000-2499", "Fragment 1998-1998"),
        ("Close-Session", "Close-Session"),
    ];
    for (pending, after_error) in pending {
        let mut upload = Upload::before(pending);
        upload.play([(pending, UNREACHABLE), ("Ping", ok())]);
        assert_eq!(upload.exchange(), pending, "retry");
        let mut upload = Upload::before(pending);
        upload.session.suspend(upload.now).expect("it runs");
        assert_eq!(upload.exchange(), "Idle");
        upload.session.resume(upload.now).expect("it is paused");
        upload.play([("Ping", ok())]);
        assert_eq!(upload.exchange(), pending, "after a pause");
        let mut upload = Upload::before(pending);
        upload.play([(pending, status(403))]);
        upload.error();
        upload.session.resume(upload.now).expect("a session is held");
        upload.play([("Ping", ok())]);
        assert_eq!(upload.exchange(), after_error, "after an error");
    }
}

#[test]
fn a_create_ack_is_checked_before_anything_follows() {
    let good = Ack { session_id: Some("{one}"), ..ACK };
    let long = "x".repeat(101).leak();
    for bad in [
        Ack { session_id: None, ..ACK },
        Ack { session_id: Some(long), ..ACK },
        Ack { session_id: Some("a b"), ..ACK },
        Ack { host_id: Some("a/b"), ..good },
        Ack { contradiction: Some("BITS-Session-Id"), ..good },
        Ack { is_ack: false, ..good },
        Ack { status: 202, ..good },
    ] {
        let mut upload = Upload::new(config());
        upload.play((0..4).map(|_| ("Create-Session", Answer::Ack(bad))));
        let error = upload.error();
        assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE), "{bad:?}");
        assert_eq!(upload.session.session_id(), None);
    }
    for bad in [
        Ack { protocol: Some("{7df0354d-249b-430f-820d-3d2a9bef4932}"), ..good },
        Ack { refuses_identity: true, ..good },
    ] {
        let mut upload = Upload::new(config());
        upload.play([("Create-Session", Answer::Ack(bad))]);
        upload.error();
    }
}
