//! The end, and the doubts that lost answers leave.

use super::*;

/// An upload of 2500 bytes with one unclear resend that is about to be closed.
fn resent(config: Config) -> Upload {
    let mut upload = Upload::new(config);
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", received(2500)),
    ]);
    upload
}

fn silent(status: u16) -> Answer {
    Answer::Head(Head { status, ..Head::default() })
}

#[test]
fn doubts_about_a_lost_session_are_not_those_of_its_replacement() {
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Fragment 1000-1999", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.counters().unconfirmed_resends, 1, "it is counted all the same");
}

#[test]
fn after_an_unclear_resend_the_destination_is_asked() {
    let mut upload = resent(config());
    upload.play([("Close-Session", ok()), ("HEAD", holds(2500))]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = resent(config());
    upload.play([("Close-Session", ok()), ("HEAD", holds(3500))]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    assert!(upload.session.learned().appends);
    assert_eq!(upload.session.checkpoint(), None);
    for refusal in [401, 403, 404, 405] {
        let mut upload = resent(config());
        upload.play([("Close-Session", ok()), ("HEAD", silent(refusal))]);
        assert_eq!(upload.summary(), DOUBTFUL);
        assert_eq!(upload.notices.last(), Some(&Notice::NotVerified));
    }
    let mut upload = resent(config());
    upload.play([("Close-Session", ok()), ("HEAD", LOST), ("HEAD", LOST), ("HEAD", LOST)]);
    assert_eq!(upload.summary(), DOUBTFUL);
}

#[test]
fn a_server_that_checks_offsets_leaves_no_doubt() {
    let mut upload = resent(Config { checks_offsets: true, ..config() });
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = Upload::before("Fragment 2000-2499");
    upload.play([
        ("Fragment 2000-2499", LOST),
        ("Ping", ok()),
        ("Fragment 2000-2499", wants(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    assert!(upload.session.learned().checks_offsets);
    // To refuse the very byte that it wants does not show that a server checks.
    let mut upload = Upload::new(config());
    upload.play([("Create-Session", created()), ("Fragment 0-999", wants(0))]);
    assert!(!upload.session.learned().checks_offsets);
}

#[test]
fn bytes_that_a_resend_was_credited_with_stay_in_doubt() {
    // 8192 bytes are sent again and the server has 9192 then: it may have appended them.
    let mut upload = Upload::new(Config {
        size: 20_000,
        fragment: fragment_size::Limits { fixed: Some(10_000), ..Default::default() },
        ..config()
    });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-9999", LOST),
        ("Ping", ok()),
        ("Fragment 0-8191", received(9192)),
        ("Fragment 9192-19191", received(19_192)),
    ]);
    let mut restored = upload.restored(config_of(&upload), 1);
    for upload in [&mut upload, &mut restored] {
        while upload.exchange() != "Close-Session" {
            let end = upload.requests.last().and_then(|request| request.range);
            let answer = end.map_or(ok(), |range| received(range.end()));
            upload.answer(&answer).expect("under way");
        }
        upload.answer(&ok()).expect("under way");
        upload.play([("HEAD", holds(20_000))]);
        assert_eq!(upload.summary(), DOUBTFUL);
    }
}

fn config_of(upload: &Upload) -> Config {
    upload.session.config().clone()
}

#[test]
fn the_caller_decides_when_to_ask() {
    let mut upload = Upload::new(Config { verify: VerifyPolicy::Always, size: 10, ..config() });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-9", received(10)),
        ("Close-Session", ok()),
        ("HEAD", silent(405)),
    ]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    let mut upload = resent(Config { verify: VerifyPolicy::Never, ..config() });
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), DOUBTFUL);
    let reply = Config { reply: ReplyMode::Optional, verify: VerifyPolicy::Always, ..config() };
    let mut upload = resent(reply);
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), DOUBTFUL, "a reply's upload leaves no file to look at");
}

#[test]
fn a_file_older_than_the_session_proves_nothing() {
    let mut upload = Upload::new(config());
    assert_eq!(upload.exchange(), "Create-Session");
    let ack = Ack { session_id: Some("{one}"), ..ACK };
    let by_the_servers_clock = Some(5000);
    upload
        .session
        .handle_ack(upload.now, &ack, by_the_servers_clock, None, Exchange::default())
        .expect("under way");
    upload.play([
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 0-999", received(2500)),
        ("Close-Session", ok()),
    ]);
    let Answer::Head(head) = holds(1) else { panic!("a HEAD") };
    let old = Head { last_modified: Some(4999), ..head };
    upload.play([("HEAD", Answer::Head(old))]);
    assert_eq!(upload.summary(), DOUBTFUL);
}

/// Close-Session, its Ack lost, and the session gone.
fn close_lost(config: Config) -> Upload {
    let mut upload = Upload::new(config);
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-999", received(2500)),
        ("Close-Session", LOST),
        ("Ping", ok()),
        ("Close-Session", forgotten()),
    ]);
    upload
}

fn checked(on_lost_ack: LostAckPolicy) -> Config {
    Config { on_lost_ack, checks_offsets: true, ..config() }
}

#[test]
fn a_lost_close_is_settled_by_the_destination() {
    for on_lost_ack in [LostAckPolicy::Resend, LostAckPolicy::Accept, LostAckPolicy::Restart] {
        let mut upload = close_lost(checked(on_lost_ack));
        upload.play([("HEAD", holds(2500))]);
        assert_eq!(upload.summary(), Summary { close_confirmed: false, verified: true });
    }
    for evidence in [silent(404), holds(7)] {
        let mut upload = close_lost(checked(LostAckPolicy::Resend));
        upload.play([("HEAD", evidence.clone())]);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
        assert_eq!(upload.session.resume(upload.now), Err(NotNow));
        let mut upload = close_lost(checked(LostAckPolicy::Restart));
        upload.play([("HEAD", evidence), ("Create-Session", created_as("{two}"))]);
        assert_eq!(upload.exchange(), "Fragment 0-999");
    }
    let mut upload = close_lost(checked(LostAckPolicy::Accept));
    upload.play([("HEAD", silent(404))]);
    assert_eq!(upload.summary(), Summary { close_confirmed: false, verified: false });
    let mut upload = close_lost(checked(LostAckPolicy::Accept));
    upload.play([("HEAD", holds(7))]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed, "a wrong size is no doubt");
}

#[test]
fn a_lost_close_without_a_look_is_unknown() {
    let never = Config { verify: VerifyPolicy::Never, ..checked(LostAckPolicy::Resend) };
    assert_eq!(close_lost(never).error().kind(), ErrorKind::VerifyFailed);
    let mut upload =
        close_lost(Config { verify: VerifyPolicy::Never, ..checked(LostAckPolicy::Accept) });
    assert_eq!(upload.summary(), Summary { close_confirmed: false, verified: false });
    let mut upload =
        close_lost(Config { reply: ReplyMode::Optional, ..checked(LostAckPolicy::Resend) });
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
}

#[test]
fn a_lost_close_sends_nothing_again_whatever_packet_shows_the_loss() {
    let mut upload = Upload::before("Close-Session");
    upload.play([("Close-Session", LOST), ("Ping", forgotten()), ("HEAD", silent(404))]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
}

#[test]
fn on_lost_ack_restart_replaces_the_session() {
    let mut upload = Upload::new(Config { on_lost_ack: LostAckPolicy::Restart, ..config() });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Cancel-Session", status(503)),
        ("Cancel-Session", ok()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.session.counters().unconfirmed_resends, 0);
    let mut upload = Upload::new(Config { on_lost_ack: LostAckPolicy::Restart, ..config() });
    for _ in 0..4 {
        upload.play([("Create-Session", created()), ("Fragment 0-999", LOST), ("Ping", ok())]);
        upload.play([("Cancel-Session", ok())]);
    }
    upload.error();
}
