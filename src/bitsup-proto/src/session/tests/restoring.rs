//! Going on in another process.

use super::*;

#[test]
fn a_restored_upload_pings_and_asks_with_one_byte() {
    let limits = fragment_size::Limits { fixed: Some(100_000), ..Default::default() };
    let large = Config { size: 1_000_000, fragment: limits, ..config() };
    let mut upload = Upload::opened(large.clone());
    upload.play([("Fragment 0-99999", received(100_000))]);
    assert!(upload.session.take_checkpoint_due());
    assert_eq!(upload.exchange(), "Fragment 100000-199999");
    let mut again = upload.restored(large, 3600);
    again.play([
        ("Ping", ok()),
        ("Fragment 99998-99998", wants(150_000)),
        ("Fragment 150000-249999", received(250_000)),
    ]);
    assert_eq!(again.session.session_id(), upload.session.session_id());
}

/// The cause that ended the first process may have ended the server, and the second one cannot know.
#[test]
fn an_echo_in_another_process_is_followed_and_never_a_proof() {
    let resending = Config { on_lost_ack: LostAckPolicy::Resend, ..config() };
    let upload = Upload::before("Fragment 2000-2499");
    let mut again = upload.restored(resending, 60);
    again.play([
        ("Ping", ok()),
        ("Fragment 1998-1998", received(1999)),
        ("Fragment 1999-2499", received(2500)),
        ("Close-Session", ok()),
        ("HEAD", holds(2500)),
    ]);
    assert_eq!(again.summary(), DOUBTFUL);
}

#[test]
fn host_and_reply_survive() {
    let wanting = Config { reply: ReplyMode::Required, size: 10, ..config() };
    let named = Ack { session_id: Some("{one}"), host_id: Some("b.example.com"), ..ACK };
    let last = Ack { offset: Offset::At(10), reply_url: Some("r.bin"), ..ACK };
    let mut upload = Upload::new(wanting.clone());
    upload.play([("Create-Session", Answer::Ack(named)), ("Ping @b.example.com", ok())]);
    let mut again = upload.restored(wanting.clone(), 1);
    assert_eq!(again.exchange(), "Ping @b.example.com");
    upload.play([("Fragment 0-9 @b.example.com", Answer::Ack(last))]);
    let mut again = upload.restored(wanting, 1);
    let whole = Got { status: 200, length: 5, content_length: Some(5), ..Got::default() };
    again.play([
        ("Ping @b.example.com", ok()),
        ("GET 0- @b.example.com", Answer::Got(whole)),
        ("Close-Session @b.example.com", ok()),
    ]);
    assert_eq!(again.session.reply_url(), Some("r.bin"));
}

/// A session may live where its caller does not want to go any more.
#[test]
fn the_host_of_a_restored_session_is_decided_on_again() {
    let _rule = bitsup_server::rule!("SEC-04");
    let trusting = Config { trusted_hosts: vec!["n7.example".into()], ..config() };
    let named = Ack { session_id: Some("{one}"), host_id: Some("n7.example"), ..ACK };
    let mut upload = Upload::new(trusting.clone());
    upload.play([("Create-Session", Answer::Ack(named)), ("Ping @n7.example", ok())]);
    assert_eq!(upload.restored(trusting, 1).exchange(), "Ping @n7.example");
    let mut again = upload.restored(config(), 1);
    assert_eq!(again.error().kind(), ErrorKind::HostIdUntrusted);
    assert!(again.session.checkpoint().is_some(), "it can be continued by one who trusts the host");
    let mut again = upload.restored(Config { host_policy: HostPolicy::Ignore, ..config() }, 1);
    assert_eq!(again.exchange(), "Ping");
}

#[test]
fn a_reply_that_nobody_knows_the_place_of_is_asked_for_again() {
    let wanting = Config { reply: ReplyMode::Required, ..config() };
    let upload = Upload::before("Close-Session");
    let mut again = upload.restored(wanting, 1);
    let last = Ack { status: 416, offset: Offset::At(2500), reply_url: Some("r"), ..ACK };
    again.play([
        ("Ping", ok()),
        ("Fragment 2498-2498", wants(2500)),
        ("Fragment 2499-2499", Answer::Ack(last)),
    ]);
    assert_eq!(again.exchange(), "GET 0-");
}

#[test]
fn killed_around_close_it_closes_again_and_looks() {
    for head in [(holds(2500), true), (holds(1), false), (Answer::Head(Head::default()), false)] {
        let mut upload = Upload::before("Close-Session");
        assert_eq!(upload.exchange(), "Close-Session");
        let mut again = upload.restored(config(), 1);
        again.play([("Ping", ok()), ("Close-Session", forgotten()), ("HEAD", head.0)]);
        let done = matches!(again.outcome(), Outcome::Done(_));
        assert_eq!(done, head.1);
        let mut again = upload.restored(config(), 1);
        again.play([("Ping", ok()), ("Close-Session", ok()), ("HEAD", holds(2500))]);
        assert_eq!(again.summary(), CERTAIN);
    }
}

#[test]
fn a_checkpoint_from_anywhere_does_no_harm() {
    let numbers = [0, 1, 999, 2500, 2501, u64::MAX];
    for offset in numbers {
        for seconds in numbers {
            for started in numbers {
                let checkpoint = Checkpoint {
                    session_id: SessionId::new("{one}").expect("legal"),
                    created: seconds,
                    size: offset,
                    offset,
                    host_id: HostId::parse("b.example.com"),
                    fallback_seconds: Some(seconds),
                    fallback_started: Some(started),
                    fallen_back: false,
                    reply_url: Some("r".into()),
                    restarts: u32::MAX,
                    unconfirmed_resends: u32::MAX,
                    offset_jumped: true,
                    orphaned: false,
                    checks_offsets: false,
                    created_by_server: true,
                    closing: started == 1,
                    predecessor: Predecessor::Lingering,
                    before: None,
                };
                let now = Moment { unix: 7, ..Moment::default() };
                let mut upload = Upload::with(Session::restore(config(), &checkpoint, now));
                for _ in 0..10 {
                    if upload.exchange() == "Finished" {
                        break;
                    }
                    let range = upload.requests.last().and_then(|request| request.range);
                    let answer = range.map_or(ok(), |range| received(range.end()));
                    let _ = upload.answer(&answer);
                    assert!(upload.session.offset() <= 2500);
                }
            }
        }
    }
}

#[test]
fn each_ack_makes_a_checkpoint_due() {
    let mut upload = Upload::new(config());
    assert_eq!((upload.session.take_checkpoint_due(), upload.session.checkpoint()), (false, None));
    for (step, offset) in [
        (("Create-Session", created()), 0),
        (("Fragment 0-999", received(1000)), 1000),
        (("Fragment 1000-1999", wants(500)), 500),
    ] {
        upload.play([step]);
        assert!(upload.session.take_checkpoint_due());
        assert!(!upload.session.take_checkpoint_due());
        assert_eq!(upload.session.checkpoint().map(|kept| kept.offset), Some(offset));
    }
}

#[test]
fn a_session_whose_id_was_never_told_is_remembered() {
    let _rule = bitsup_server::rule!("SES-02");
    let mut upload = Upload::new(config());
    upload.play([("Create-Session", LOST), ("Create-Session", created())]);
    assert_eq!(upload.exchange(), "Fragment 0-999");
    let mut again = upload.restored(config(), 1);
    again.play([("Ping", forgotten()), ("Create-Session", status(403))]);
    assert_eq!(again.error().kind(), ErrorKind::Refused);
    assert!(again.session.may_be_left());
}
