//! Challenges: answered once, and a refused credential is not sent again.

use super::*;

fn with_credentials() -> Config {
    Config { credentials: true, proxy_credentials: true, ..config() }
}

#[test]
fn each_packet_answers_a_challenge_with_the_same_packet() {
    for (number, proxy) in [(401, false), (407, true)] {
        let path = ["Create-Session", "Fragment 1000-1999", "Fragment 2000-2499", "Close-Session"];
        for exchange in path {
            let mut upload = Upload::new(with_credentials());
            let good = |name: &str| match name {
                "Create-Session" => created(),
                "Fragment 0-999" => received(1000),
                "Fragment 1000-1999" => received(2000),
                "Fragment 2000-2499" => received(2500),
                _ => ok(),
            };
            loop {
                let name = upload.exchange();
                if name == exchange {
                    break;
                }
                upload.answer(&good(&name)).expect("under way");
            }
            upload.answer(&status(number)).expect("under way");
            assert_eq!(upload.exchange(), exchange);
            let carried: Vec<_> = upload
                .requests
                .iter()
                .map(|request| if proxy { request.authorize_proxy } else { request.authorize })
                .collect();
            let (last, before) = carried.split_last().expect("some were sent");
            assert!(*last && before.iter().all(|carried| !carried));
            upload.answer(&good(exchange)).expect("under way");
            while upload.exchange() != "Finished" {
                let name = upload.requests.last().map(|request| request.packet.to_string());
                let range = upload.requests.last().and_then(|request| request.range);
                let answer = match range {
                    Some(range) => received(range.end()),
                    None => good(&name.expect("some were sent")),
                };
                upload.answer(&answer).expect("under way");
            }
            assert_eq!(upload.summary(), CERTAIN);
        }
    }
}

#[test]
fn refused_credentials_are_not_sent_again_until_they_are_replaced() {
    for (number, kind, code) in
        [(401, ErrorKind::Auth, 0x8019_0191), (407, ErrorKind::ProxyAuth, 0x8019_0197)]
    {
        let mut upload = Upload::opened(with_credentials());
        upload.play([("Fragment 0-999", status(number)), ("Fragment 0-999", status(number))]);
        let error = upload.error();
        assert_eq!((error.kind(), error.hresult()), (kind, Some(Hresult(code))));
        let carried = |upload: &Upload| {
            upload.requests.iter().filter(|r| r.authorize || r.authorize_proxy).count()
        };
        assert_eq!(carried(&upload), 1);
        upload.session.resume(upload.now).expect("a session is held");
        upload.play([("Ping", status(number))]);
        assert!(upload.error().message().contains("refused the credentials"));
        assert_eq!(carried(&upload), 1, "the refused credentials stay where they are");
        upload.session.set_credentials(true, true);
        upload.session.resume(upload.now).expect("a session is held");
        upload.play([("Ping", status(number)), ("Ping", ok()), ("Fragment 0-999", received(1000))]);
        assert_eq!(carried(&upload), 3);
    }
}

#[test]
fn without_credentials_the_session_waits_for_them() {
    let _rule = bitsup_server::rule!("AUT-06");
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", status(401))]);
    let error = upload.error();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message().contains("requires credentials"));
    assert!(upload.session.session_id().is_some());
    upload.session.set_credentials(true, false);
    upload.session.resume(upload.now).expect("a session is held");
    upload.play([
        ("Ping", status(401)),
        ("Ping", ok()),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    let creates = upload.requests.iter().filter(|r| r.packet == PacketType::CreateSession).count();
    assert_eq!(creates, 1);
}

#[test]
fn a_bits_error_on_a_challenge_reaches_the_caller() {
    let answer = Ack { status: 401, code: Some(Hresult(0xA000_1234)), context: Some(5), ..ACK };
    let mut upload = Upload::before("Fragment 0-999");
    upload.play([("Fragment 0-999", Answer::Ack(answer))]);
    let error = upload.error();
    assert_eq!((error.hresult(), error.context()), (Some(Hresult(0xA000_1234)), Some(5)));
}

#[test]
fn credentials_refused_during_a_pause_are_not_sent_after_it() {
    for (number, kind) in [(401, ErrorKind::Auth), (407, ErrorKind::ProxyAuth)] {
        let mut upload = Upload::new(with_credentials());
        upload.play([("Create-Session", status(number)), ("Create-Session", created())]);
        assert_eq!(upload.exchange(), "Fragment 0-999");
        upload.session.suspend(upload.now).expect("it runs");
        upload.answer(&status(number)).expect("the exchange may end");
        assert_eq!(upload.exchange(), "Idle");
        upload.session.resume(upload.now).expect("it is paused");
        assert_eq!(upload.exchange(), "Ping");
        let request = upload.requests.last().expect("one was sent");
        assert!(!request.authorize && !request.authorize_proxy);
        upload.answer(&status(number)).expect("under way");
        assert_eq!(upload.exchange(), "Finished");
        let outcome = upload.session.outcome();
        assert!(matches!(outcome, Some(Outcome::Failed(error)) if error.kind() == kind));
    }
}

#[test]
fn after_a_failure_credentials_wait_until_they_are_asked_for_again() {
    for number in [401, 407] {
        let mut upload = Upload::opened(with_credentials());
        upload.play([("Fragment 0-999", status(number)), ("Fragment 0-999", status(403))]);
        let carries = |upload: &Upload| {
            let last = upload.requests.last().expect("some were sent");
            last.authorize || last.authorize_proxy
        };
        upload.error();
        assert!(carries(&upload));
        upload.session.resume(upload.now).expect("a session is held");
        assert_eq!(upload.exchange(), "Ping");
        assert!(!carries(&upload));
    }
}

#[test]
fn credentials_that_cancel_was_refused_with_do_not_open_the_next_session() {
    let mut upload = Upload::opened(with_credentials());
    upload.play([
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 1-1", received(2)),
        ("Cancel-Session", status(401)),
        ("Cancel-Session", status(401)),
    ]);
    assert_eq!(upload.exchange(), "Create-Session");
    assert!(!upload.requests.last().expect("one was sent").authorize);
    upload.answer(&status(401)).expect("under way");
    assert!(upload.error().message().contains("refused the credentials"));
}

#[test]
fn credentials_replaced_before_a_refusal_is_told_answer_it() {
    let mut upload = Upload::opened(with_credentials());
    upload.play([("Fragment 0-999", status(401))]);
    for replaced in [true, false] {
        assert_eq!(upload.exchange(), "Fragment 0-999");
        assert!(upload.requests.last().expect("one was sent").authorize);
        if replaced {
            upload.session.mark_request_unauthenticated();
            upload.session.set_credentials(true, false);
        }
        upload.answer(&status(401)).expect("under way");
    }
    assert!(upload.error().message().contains("refused the credentials"));
}

#[test]
fn credentials_replaced_for_ever_make_32_requests_and_a_pause() {
    let _rule = bitsup_server::rule!("GIV-03");
    let mut upload = Upload::new(with_credentials());
    for attempt in 0..2 {
        assert_eq!(upload.session.attempt(), attempt);
        for _ in 0..32 {
            assert_eq!(upload.exchange(), "Create-Session");
            upload.session.mark_request_unauthenticated();
            upload.session.set_credentials(true, false);
            upload.answer(&status(401)).expect("under way");
        }
        assert!(matches!(upload.poll(), Action::Wait(_)), "a pause after {attempt}");
    }
}

#[test]
fn what_was_not_sent_is_begun_again_without_counting() {
    let mut upload = Upload::new(with_credentials());
    for _ in 0..20 {
        assert_eq!(upload.exchange(), "Create-Session");
        upload.session.retry_unsent().expect("it is under way");
    }
    upload.play([("Create-Session", created())]);
    assert_eq!(upload.session.attempt(), 0);
}
