//! The end, and the doubts that lost answers leave.

use super::*;

/// An upload of 2500 bytes at a server that echoes, which was followed, before its Close-Session.
fn echoed(config: Config) -> Upload {
    let mut upload = Upload::opened(Config { on_lost_ack: LostAckPolicy::Resend, ..config });
    upload.play([
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Fragment 998-998", received(999)),
        ("Fragment 999-1998", received(1999)),
        ("Fragment 1999-2499", received(2500)),
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
        ("Fragment 998-998", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn after_an_echo_that_was_followed_the_destination_is_asked() {
    let _rule = bitsup_server::rule!("OFF-13");
    let mut upload = echoed(config());
    assert_eq!(upload.session.counters().unconfirmed_resends, 1);
    upload.play([("Close-Session", ok()), ("HEAD", holds(2500))]);
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.learned().offsets, OffsetHandling::Seeks, "the size proves it");
    let mut upload = echoed(config());
    upload.play([("Close-Session", ok()), ("HEAD", holds(3500))]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    assert_eq!(upload.session.checkpoint(), None);
    for refusal in [401, 403, 404, 405] {
        let mut upload = echoed(config());
        upload.play([("Close-Session", ok()), ("HEAD", silent(refusal))]);
        assert_eq!(upload.summary(), DOUBTFUL);
        assert_eq!(upload.notices.last(), Some(&Notice::NotVerified));
    }
    let mut upload = echoed(config());
    upload.play([("Close-Session", ok()), ("HEAD", LOST), ("HEAD", LOST), ("HEAD", LOST)]);
    assert_eq!(upload.summary(), DOUBTFUL);
}

/// A server that appended what it has twice, and then lost just as much, has a file of the right size.
#[test]
fn after_an_echo_that_was_followed_what_may_be_lost_leaves_no_proof() {
    let mut upload = echoed(config());
    assert_eq!(upload.exchange(), "Close-Session");
    let mut again = upload.restored(config(), 60);
    again.play([("Ping", ok()), ("Close-Session", ok()), ("HEAD", holds(2500))]);
    assert_eq!(again.summary(), DOUBTFUL);
    upload.answer(&LOST).expect("under way");
    upload.play([("Ping", LOST), ("Ping", ok()), ("Close-Session", ok()), ("HEAD", holds(2500))]);
    assert_eq!(upload.summary(), DOUBTFUL);
}

#[test]
fn a_server_that_checks_offsets_leaves_no_doubt() {
    let mut upload = Upload::before("Fragment 2000-2499");
    upload.play([
        ("Fragment 2000-2499", LOST),
        ("Ping", ok()),
        ("Fragment 1998-1998", wants(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.learned().offsets, OffsetHandling::Checks);
    assert_eq!(upload.session.counters().unconfirmed_resends, 0);
    // To refuse the very byte that it wants does not show that a server checks.
    let mut upload = Upload::opened(config());
    upload.play([("Fragment 0-999", wants(0))]);
    assert_eq!(upload.session.learned().offsets, OffsetHandling::Unknown);
}

#[test]
fn an_ack_to_close_that_is_one_to_a_fragment_counts_as_lost() {
    let _rule = bitsup_server::rule!("TRU-02");
    for then in [ok(), received(2500)] {
        let mut upload = Upload::before("Close-Session");
        upload.play([("Close-Session", received(2500)), ("Ping", ok()), ("Close-Session", then)]);
        assert_eq!(upload.requests.last().map(|own| own.connection), Some(Connection::Keep));
        assert_eq!(upload.requests[5].connection, Connection::Fresh, "the Ping");
        assert_eq!(upload.summary(), CERTAIN);
    }
    for refusal in [status(403), forgotten(), status(404)] {
        let mut upload = Upload::before("Close-Session");
        upload.play([
            ("Close-Session", received(2500)),
            ("Ping", ok()),
            ("Close-Session", refusal),
            ("HEAD", silent(405)),
        ]);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    }
    // A server that tells offsets with other Acks too means nothing by it.
    let mut upload = Upload::new(in_one());
    let told = Ack { session_id: Some("{one}"), offset: Offset::At(0), ..ACK };
    upload.play([
        ("Create-Session", Answer::Ack(told)),
        ("Fragment 0-2499", received(2500)),
        ("Close-Session", received(2500)),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn before_close_a_connection_that_ended_brings_a_probe() {
    let _rule = bitsup_server::rule!("TRU-05");
    let ended = |config: Config| {
        let mut upload = Upload::opened(config);
        upload.play([("Fragment 0-2499", received(2500))]);
        assert_eq!(upload.exchange(), "Close-Session");
        upload.session.handle_connection_ended().expect("a packet was to go out");
        upload
    };
    let mut upload = ended(in_one());
    upload.play([("Ping", ok()), ("Fragment 2498-2498", wants(2500)), ("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = ended(in_one());
    upload.play([
        ("Ping", ok()),
        ("Fragment 2498-2498", wants(1000)),
        ("Fragment 1000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = ended(in_one());
    upload.play([
        ("Ping", ok()),
        ("Fragment 2498-2498", received(2499)),
        ("Cancel-Session", ok()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-2499", received(2500)),
        ("Close-Session", ok()),
        ("HEAD", holds(2500)),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    // Where an echo is remembered, nothing would be learned: the destination is asked.
    let echoes = || Config { offsets: OffsetHandling::Echoes, ..in_one() };
    for (head, verified) in [(holds(2500), true), (silent(405), false)] {
        let mut upload = ended(echoes());
        upload.play([("Ping", ok()), ("Close-Session", ok()), ("HEAD", head)]);
        assert_eq!(upload.summary().verified, verified);
    }
    // So it is after a Close-Session that met no answer, and another one that did.
    for head in [holds(2499), silent(404), silent(410)] {
        let mut upload = Upload::before("Close-Session");
        upload.play([("Close-Session", LOST), ("Ping", ok()), ("Close-Session", ok())]);
        upload.play([("HEAD", head)]);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    }
    for head in [holds(2499), silent(404), silent(410)] {
        let mut upload = ended(echoes());
        upload.play([("Ping", ok()), ("Close-Session", ok()), ("HEAD", head)]);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    }
    // Below two bytes there is none to ask with, and after a Close-Session it is too late.
    let mut upload = Upload::opened(Config { size: 1, ..config() });
    upload.play([("Fragment 0-0", received(1))]);
    assert_eq!(upload.exchange(), "Close-Session");
    upload.session.handle_connection_ended().expect("a packet was to go out");
    upload.play([("Ping", ok()), ("Close-Session", LOST), ("Ping", ok())]);
    assert_eq!(upload.exchange(), "Close-Session");
    upload.session.handle_connection_ended().expect("a packet was to go out");
    upload.play([("Ping", ok()), ("Close-Session", ok()), ("HEAD", silent(405))]);
    assert_eq!(upload.summary(), DOUBTFUL);
}

/// Where a server does not compare offsets, a Fragment that follows lost bytes would be stored in their place.
#[test]
fn between_fragments_a_connection_that_ended_brings_a_probe() {
    let _rule = bitsup_server::rule!("TRU-05");
    let ended = |offsets, goes_out: bool| {
        let mut upload = Upload::opened(Config { offsets, ..config() });
        upload.play([("Fragment 0-999", received(1000))]);
        assert_eq!(upload.exchange(), "Fragment 1000-1999");
        assert_eq!(upload.session.handle_connection_ended(), Ok(goes_out));
        upload
    };
    let rest = [("Fragment 1000-1999", received(2000)), ("Fragment 2000-2499", received(2500))];
    let mut upload = ended(OffsetHandling::Unknown, false);
    upload.play([("Ping", ok()), ("Fragment 998-998", wants(600))]);
    upload.play([("Fragment 600-1599", received(1600)), ("Fragment 1600-2499", received(2500))]);
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
    // One that appends and counts what it has, or echoes: nothing of it can be used.
    for answer in [received(601), received(999)] {
        let mut upload = ended(OffsetHandling::Unknown, false);
        upload.play([("Ping", ok()), ("Fragment 998-998", answer)]);
        upload.play([("Cancel-Session", ok()), ("Create-Session", created_as("{two}"))]);
    }
    // A caller that wants an echo to be followed is told that the file is not proven.
    let mut upload = Upload::opened(Config { on_lost_ack: LostAckPolicy::Resend, ..config() });
    upload.play([("Fragment 0-999", received(1000))]);
    assert_eq!(upload.exchange(), "Fragment 1000-1999");
    assert_eq!(upload.session.handle_connection_ended(), Ok(false));
    upload.play([("Ping", ok()), ("Fragment 998-998", received(999))]);
    upload.play([("Fragment 999-1998", received(1999)), ("Fragment 1999-2499", received(2500))]);
    upload.play([("Close-Session", ok()), ("HEAD", holds(2500))]);
    assert_eq!(upload.summary(), DOUBTFUL);
    // What such a server lost, its next answer tells; of another one a probe would not.
    let mut upload = ended(OffsetHandling::Checks, true);
    upload.answer(&wants(600)).expect("under way");
    assert_eq!(upload.exchange(), "Fragment 600-1599");
    for (offsets, head, verified) in [
        (OffsetHandling::Echoes, holds(2500), Some(false)),
        (OffsetHandling::Echoes, holds(2100), None),
        (OffsetHandling::Seeks, holds(2500), Some(false)),
    ] {
        let mut upload = ended(offsets, true);
        upload.answer(&received(2000)).expect("under way");
        upload.play([rest[1].clone(), ("Close-Session", ok()), ("HEAD", head)]);
        match verified {
            Some(verified) => assert_eq!(upload.summary().verified, verified),
            None => assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed),
        }
    }
    // A packet that met the end of an idle connection tells the same, whatever it was.
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", Fails(FailureClass::Stale, Sent::Nothing))]);
    upload.play([("Ping", ok()), ("Fragment 998-998", wants(1000))]);
    upload.play(rest);
}

/// Each end of a connection is told once, and no other one brings the same doubt for ever.
#[test]
fn a_server_that_ends_each_connection_gets_its_close_session_after_a_cut() {
    let _rule = bitsup_server::rule!("GIV-07");
    let mut upload = Upload::opened(config());
    let ends = |upload: &mut Upload| upload.session.handle_connection_ended().expect("under way");
    upload.play([("Fragment 0-999", received(1000))]);
    assert_eq!(upload.exchange(), "Fragment 1000-1999");
    assert!(!ends(&mut upload));
    upload.play([("Ping", ok())]);
    assert_eq!(upload.exchange(), "Fragment 998-998");
    assert!(ends(&mut upload));
    upload.answer(&wants(1000)).expect("under way");
    // Each packet takes a new connection now, and one that is cut takes that back.
    upload.play([("Fragment 1000-1999", LOST), ("Ping", ok())]);
    upload.play([("Fragment 998-998", wants(2000)), ("Fragment 2000-2499", received(2500))]);
    let (mut pings, mut is_closed) = (0, false);
    while !is_closed {
        let exchange = upload.exchange();
        if !ends(&mut upload) {
            continue;
        }
        pings += u32::from(exchange == "Ping");
        assert!(pings <= 2, "the same doubt again");
        is_closed = exchange == "Close-Session";
        let answer = if exchange.starts_with("Fragment") { wants(2500) } else { ok() };
        upload.answer(&answer).expect("under way");
    }
    upload.play([("HEAD", silent(404))]);
    assert_eq!(upload.summary(), DOUBTFUL);
}

/// A connection that had ended before Close-Session went out is no other end than one that was seen before.
#[test]
fn a_close_session_that_met_the_end_of_its_connection_brings_a_probe() {
    let _rule = bitsup_server::rule!("TRU-05");
    let mut upload = Upload::before("Close-Session");
    upload.play([("Close-Session", Fails(FailureClass::Stale, Sent::Nothing))]);
    upload.play([("Ping", ok()), ("Fragment 2498-2498", wants(2400))]);
    upload.play([("Fragment 2400-2499", received(2500)), ("Fragment 2498-2498", wants(2500))]);
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn after_an_empty_file_the_destination_is_asked() {
    let _rule = bitsup_server::rule!("TRU-07");
    let empty = |verify, head: Option<Answer>| {
        let mut upload = Upload::opened(Config { size: 0, verify, ..config() });
        upload.play([("Close-Session", ok())]);
        upload.play(head.map(|head| ("HEAD", head)));
        upload
    };
    for (head, done) in
        [(holds(0), true), (silent(405), true), (silent(404), false), (silent(410), false)]
    {
        let mut upload = empty(VerifyPolicy::Auto, Some(head));
        if done {
            assert_eq!(upload.summary(), CERTAIN);
        } else {
            let error = upload.error();
            assert_eq!(error.kind(), ErrorKind::VerifyFailed);
            assert!(error.message().contains("does not serve"), "{error}");
        }
    }
    assert_eq!(empty(VerifyPolicy::Never, None).summary(), CERTAIN);
}

#[test]
fn the_caller_decides_when_to_ask() {
    let mut upload = Upload::opened(Config { verify: VerifyPolicy::Always, size: 10, ..config() });
    upload.play([("Fragment 0-9", received(10)), ("Close-Session", ok()), ("HEAD", silent(405))]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    let mut upload = echoed(Config { verify: VerifyPolicy::Never, ..config() });
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), DOUBTFUL);
    let reply = Config { reply: ReplyMode::Optional, verify: VerifyPolicy::Always, ..config() };
    let mut upload = echoed(reply);
    upload.play([("Close-Session", ok())]);
    assert_eq!(upload.summary(), DOUBTFUL, "a reply's upload leaves no file to look at");
}

#[test]
fn what_stood_there_before_proves_a_file_without_a_date() {
    let _rule = bitsup_server::rule!("TRU-06");
    let undated = |size| Head { status: 200, content_length: Some(size), ..Head::default() };
    for (before, proven) in [
        (undated(2500), false),
        (undated(7), true),
        (Head { status: 404, ..Head::default() }, true),
    ] {
        let mut upload = Upload::new(Config { verify: VerifyPolicy::Always, ..in_one() });
        upload.session.set_before(before);
        upload.play([
            ("Create-Session", created()),
            ("Fragment 0-2499", received(2500)),
            ("Close-Session", ok()),
            ("HEAD", Answer::Head(undated(2500))),
        ]);
        assert_eq!(matches!(upload.outcome(), Outcome::Done(_)), proven);
    }
}

/// An earlier session may have been closed since: the file may be its own.
#[test]
fn what_stood_there_before_an_earlier_session_proves_nothing() {
    let _rule = bitsup_server::rule!("TRU-06");
    let undated = Head { status: 200, content_length: Some(2500), ..Head::default() };
    let mut upload = Upload::new(Config { verify: VerifyPolicy::Always, ..in_one() });
    upload.session.set_before(Head { status: 404, ..Head::default() });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-2499", forgotten()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-2499", received(2500)),
        ("Close-Session", ok()),
        ("HEAD", Answer::Head(undated)),
    ]);
    assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
}

/// Close-Session, its Ack lost, and the session gone.
fn close_lost(config: Config) -> Upload {
    let mut upload = Upload::opened(config);
    upload.play([
        ("Fragment 0-2499", received(2500)),
        ("Close-Session", LOST),
        ("Ping", ok()),
        ("Close-Session", forgotten()),
    ]);
    upload
}

fn checked(on_lost_ack: LostAckPolicy) -> Config {
    Config { on_lost_ack, ..in_one() }
}

#[test]
fn a_lost_close_is_settled_by_the_destination() {
    let _rule = bitsup_server::rule!("SES-05");
    for on_lost_ack in
        [LostAckPolicy::Auto, LostAckPolicy::Resend, LostAckPolicy::Accept, LostAckPolicy::Restart]
    {
        let mut upload = close_lost(checked(on_lost_ack));
        upload.play([("HEAD", holds(2500))]);
        assert_eq!(upload.summary(), Summary { close_confirmed: false, verified: true });
    }
    for evidence in [silent(404), silent(405), holds(7)] {
        let mut upload = close_lost(checked(LostAckPolicy::Auto));
        upload.play([("HEAD", evidence.clone())]);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
        assert_eq!(upload.session.resume(upload.now), Err(InvalidState));
        let mut upload = close_lost(checked(LostAckPolicy::Restart));
        upload.play([("HEAD", evidence), ("Create-Session", created_as("{two}"))]);
        assert_eq!(upload.exchange(), "Fragment 0-2499");
    }
    let mut upload = close_lost(checked(LostAckPolicy::Accept));
    upload.play([("HEAD", silent(405))]);
    assert_eq!(upload.summary(), Summary { close_confirmed: false, verified: false });
    for evidence in [holds(7), silent(404)] {
        let mut upload = close_lost(checked(LostAckPolicy::Accept));
        upload.play([("HEAD", evidence)]);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed, "that is no doubt");
    }
    // Refused in other ways; a 503 without a code is sent again.
    let code = Some(Hresult(1));
    for refusal in [status(404), status(403), Answer::Ack(Ack { status: 500, code, ..ACK })] {
        let _rule = bitsup_server::rule!("ERR-12");
        let mut upload = Upload::before("Close-Session");
        upload.play([
            ("Close-Session", status(503)),
            ("Ping", ok()),
            ("Close-Session", status(500)),
            ("Ping", ok()),
            ("Close-Session", refusal),
            ("HEAD", holds(2500)),
        ]);
        assert_eq!(upload.summary(), Summary { close_confirmed: false, verified: true });
    }
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

/// A server that closes after each answer: Close-Session goes out over a new connection, after one Ping.
#[test]
fn an_empty_file_is_closed_after_one_connection_that_ended() {
    let _rule = bitsup_server::rule!("GIV-07");
    let mut upload = Upload::opened(Config { size: 0, ..in_one() });
    assert_eq!(upload.exchange(), "Close-Session");
    assert!(!upload.session.handle_connection_ended().expect("a packet was to go out"));
    upload.play([("Ping", ok())]);
    let Action::Send(request) = upload.poll() else { panic!("no Close-Session") };
    assert_eq!((request.packet, request.connection), (PacketType::CloseSession, Connection::Fresh));
}

/// Where each packet takes a new connection, the bytes are asked for once, and not again after the last byte was
/// sent anew for a reply's sake.
#[test]
fn an_optional_reply_brings_no_second_question() {
    let _rule = bitsup_server::rule!("RPL-14");
    let mut upload = Upload::opened(Config { reply: ReplyMode::Optional, ..in_one() });
    upload.play([
        ("Fragment 0-2499", Fails(FailureClass::Stale, Sent::Nothing)),
        ("Ping", ok()),
        ("Fragment 0-2499", received(2500)),
        ("Fragment 2498-2498", wants(2500)),
        ("Fragment 2499-2499", wants(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

/// A server that ends each connection, and serves no uploads: that a HEAD finds no file says nothing.
#[test]
fn a_server_that_ends_each_connection_need_not_serve_the_file() {
    let _rule = bitsup_server::rule!("TRU-05");
    for (head, verified) in [(holds(2500), true), (silent(405), false), (silent(404), false)] {
        let mut upload = Upload::opened(in_one());
        upload.play([
            ("Fragment 0-2499", Fails(FailureClass::Stale, Sent::Nothing)),
            ("Ping", ok()),
            ("Fragment 0-2499", received(2500)),
            ("Fragment 2498-2498", wants(2500)),
        ]);
        assert_eq!(upload.exchange(), "Close-Session");
        assert!(upload.session.handle_connection_ended().expect("a packet was to go out"));
        upload.answer(&ok()).expect("under way");
        upload.play([("HEAD", head)]);
        assert_eq!(upload.summary().verified, verified);
    }
}

/// A later run must know whether a Close-Session may have gone out, and not take a probe's trace for a file.
#[test]
fn a_close_session_that_did_not_go_out_is_not_kept_as_one() {
    let _rule = bitsup_server::rule!("RES-06");
    let mut upload = Upload::opened(in_one());
    upload.play([("Fragment 0-2499", received(2500))]);
    let kept = |upload: &mut Upload| {
        let due = upload.session.take_checkpoint_due();
        (due, upload.session.checkpoint().map(|kept| kept.closing))
    };
    assert_eq!(kept(&mut upload), (true, Some(false)));
    assert_eq!(upload.exchange(), "Close-Session");
    assert_eq!(kept(&mut upload), (true, Some(true)));
    upload.answer(&UNREACHABLE).expect("under way");
    assert_eq!(kept(&mut upload), (true, Some(false)));
    upload.play([("Ping", status(503))]);
    assert_eq!(kept(&mut upload), (false, Some(false)));
}
