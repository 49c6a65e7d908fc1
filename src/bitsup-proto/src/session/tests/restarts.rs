//! A server that forgets sessions.

use super::*;

#[test]
fn a_lost_session_leads_to_a_new_one_whatever_the_status() {
    for number in [200, 401, 404, 413, 500] {
        let lost =
            Answer::Ack(Ack { status: number, code: Some(Hresult::SESSION_NOT_FOUND), ..ACK });
        let mut upload = Upload::opened(Config { credentials: true, ..config() });
        upload.play([
            ("Fragment 0-999", received(1000)),
            ("Fragment 1000-1999", UNREACHABLE),
            ("Ping", lost.clone()),
            ("Create-Session", created_as("{two}")),
            ("Fragment 0-999", lost),
            ("Create-Session", created_as("{three}")),
        ]);
        assert_eq!(upload.session.counters().restarts, 2);
    }
}

#[test]
fn an_answer_that_names_no_session_of_ours_may_still_say_that_it_is_lost() {
    let lost =
        Ack { status: 500, code: Some(Hresult::SESSION_NOT_FOUND), session_id: Some("0"), ..ACK };
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", Answer::Ack(lost)), ("Create-Session", created())]);
}

#[test]
fn the_new_session_starts_at_byte_0_and_the_old_id_is_not_sent_again() {
    let _rule = bitsup_server::rule!("SES-02");
    for paused in [false, true] {
        let mut upload = Upload::before("Fragment 2000-2499");
        if paused {
            upload.session.suspend(upload.now).expect("it runs");
            assert_eq!(upload.exchange(), "Idle");
            upload.session.resume(upload.now).expect("it is paused");
            upload.play([("Ping", ok())]);
        }
        upload.play([("Fragment 2000-2499", forgotten())]);
        assert_eq!(upload.session.offset(), 0);
        assert_eq!(upload.session.checkpoint(), None);
        upload.play([("Create-Session", created_as("{two}"))]);
        while upload.exchange() != "Finished" {
            let request = *upload.requests.last().expect("one was sent");
            let mut ids = Vec::new();
            upload.session.headers(&request, |name, value| {
                if name == "BITS-Session-Id" {
                    ids.push(value.to_string());
                }
            });
            assert_eq!(ids, ["{two}"]);
            let answer = request.range.map_or(ok(), |range| received(range.end()));
            upload.answer(&answer).expect("under way");
        }
        assert_eq!(upload.summary(), CERTAIN);
    }
}

#[test]
fn a_server_that_always_forgets_sees_four_sessions() {
    let mut upload = Upload::new(config());
    for _ in 0..4 {
        upload.play([("Create-Session", created()), ("Fragment 0-999", forgotten())]);
    }
    let error = upload.error();
    assert_eq!(error.hresult(), Some(Hresult::SESSION_NOT_FOUND));
    assert_eq!(upload.session.checkpoint(), None, "no interrupted uploads");
    let mut upload = Upload::opened(config());
    for _ in 0..3 {
        upload.play([
            ("Fragment 0-999", received(1000)),
            ("Fragment 1000-1999", forgotten()),
            ("Create-Session", created()),
        ]);
    }
    upload.play([("Fragment 0-999", received(1000)), ("Fragment 1000-1999", forgotten())]);
    upload.error();
}

#[test]
fn a_new_highest_offset_allows_more_sessions_but_not_for_ever() {
    let mut upload = Upload::new(Config { size: 1_000_000, ..config() });
    let mut sessions = 0;
    loop {
        match upload.exchange().as_str() {
            "Create-Session" => {
                sessions += 1;
                upload.answer(&created()).expect("under way");
            }
            "Finished" => break,
            _ => {
                let range = upload.requests.last().and_then(|request| request.range);
                let end = range.expect("a Fragment").end();
                let answer = if end > sessions * 1000 { forgotten() } else { received(end) };
                upload.answer(&answer).expect("under way");
            }
        }
    }
    upload.error();
    assert_eq!(sessions, u64::from(MAX_RESTARTS_IN_ALL) + 1);
}

#[test]
fn a_first_close_that_meets_no_session_restarts() {
    let mut upload = Upload::before("Close-Session");
    upload.play([
        ("Close-Session", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
    ]);
    let mut upload = Upload::new(in_one());
    for _ in 0..4 {
        upload.play([("Create-Session", created()), ("Fragment 0-2499", received(2500))]);
        upload.play([("Close-Session", forgotten())]);
    }
    upload.error();
}

#[test]
fn create_session_has_no_session_to_lose() {
    let mut upload = Upload::new(config());
    upload.play((0..4).map(|_| ("Create-Session", forgotten())));
    assert_eq!(upload.session.counters().restarts, 0);
    upload.error();
}

#[test]
fn nothing_of_the_old_session_clings_to_the_new_one() {
    // Bytes that the old one skipped.
    let mut upload = Upload::opened(config());
    upload.play([
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", wants(500)),
        ("Fragment 500-1499", received(2000)),
        ("Fragment 2000-2499", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    // A Close-Session that met no answer.
    let restart = Config { on_lost_ack: LostAckPolicy::Restart, ..in_one() };
    let mut upload = Upload::opened(restart);
    upload.play([
        ("Fragment 0-2499", received(2500)),
        ("Close-Session", LOST),
        ("Ping", ok()),
        ("Close-Session", forgotten()),
        ("HEAD", holds(1)),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-2499", received(2500)),
        ("Close-Session", forgotten()),
        ("Create-Session", created_as("{three}")),
    ]);
    // A reply that was fetched.
    let reply = Config { reply: ReplyMode::Required, size: 10, ..config() };
    let end = Ack { offset: Offset::At(10), reply_url: Some("r"), ..ACK };
    let got = Got { status: 200, length: 5, content_length: Some(5), ..Got::default() };
    let mut upload = Upload::opened(reply);
    upload.play([
        ("Fragment 0-9", Answer::Ack(end)),
        ("GET 0-", Answer::Got(got.clone())),
        ("Close-Session", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-9", Answer::Ack(end)),
        ("GET 0-", Answer::Got(got)),
        ("Close-Session", ok()),
    ]);
    // Acks that did not move on.
    let mut upload = Upload::opened(config());
    upload.play([
        ("Fragment 0-999", wants(0)),
        ("Fragment 0-999", wants(0)),
        ("Fragment 0-999", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", wants(0)),
        ("Fragment 0-999", wants(0)),
        ("Fragment 0-999", received(1000)),
    ]);
}
