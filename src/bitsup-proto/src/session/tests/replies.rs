//! The reply of an upload-reply session.

use super::*;
use crate::reply::PROGRESS;

fn wanting(reply: ReplyMode) -> Upload {
    Upload::opened(Config { reply, size: 10, ..config() })
}

fn last(reply_url: Option<&'static str>) -> Answer {
    Answer::Ack(Ack { offset: Offset::At(10), reply_url, ..ACK })
}

/// An upload whose reply is next.
fn before_reply() -> Upload {
    let mut upload = wanting(ReplyMode::Required);
    upload.play([("Fragment 0-9", last(Some("r.bin")))]);
    upload
}

fn whole(length: u64) -> Got {
    Got { status: 200, length, content_length: Some(length), ..Got::default() }
}

fn part(first: u64, end: u64, total: u64) -> Got {
    Got {
        status: 206,
        length: end - first,
        content_length: Some(end - first),
        range: Some((first, end - 1, total)),
        last_modified: Some("then".into()),
        ..Got::default()
    }
}

fn refused(status: u16) -> Answer {
    Answer::Got(Got { status, ..Got::default() })
}

#[test]
fn the_reply_is_fetched_before_close() {
    let _rule = bitsup_server::rule!("FSM-07");
    let mut upload = before_reply();
    upload.play([("GET 0-", Answer::Got(whole(5))), ("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
    for refusal in [400, 403, 416, 501] {
        let mut upload = before_reply();
        upload.play([("GET 0-", refused(refusal))]);
        assert_eq!(upload.error().http_status(), Some(refusal));
        let closed = upload.requests.iter().any(|r| r.packet == PacketType::CloseSession);
        assert!(!closed && upload.session.session_id().is_some());
        upload.session.resume(upload.now).expect("a session is held");
        upload.play([("Ping", ok()), ("GET 0-", Answer::Got(whole(5))), ("Close-Session", ok())]);
    }
}

#[test]
fn a_reply_that_fails_for_ever_is_reported() {
    let mut upload = before_reply();
    while upload.exchange() != "Finished" {
        let get = !matches!(upload.session.io, Io::InFlight(Outstanding::Packet(_)));
        upload.answer(&if get { refused(500) } else { ok() }).expect("under way");
        upload.pass(1);
    }
    assert_eq!(upload.error().http_status(), Some(500));
}

#[test]
fn an_offered_reply_that_nobody_wants_is_only_named() {
    let mut upload = wanting(ReplyMode::None);
    upload.play([("Fragment 0-9", last(Some("r.bin"))), ("Close-Session", ok())]);
    assert_eq!(upload.notices.last(), Some(&Notice::ReplyOffered("r.bin".into())));
    assert_eq!(upload.session.reply_url(), Some("r.bin"));
}

#[test]
fn a_reply_that_is_missing_is_an_error_if_it_is_required() {
    let mut upload = wanting(ReplyMode::Required);
    upload.play([("Fragment 0-9", last(None))]);
    assert!(upload.error().message().contains("no reply"));
    assert!(upload.session.session_id().is_some());
    // Resume asks for it again: the Ack of the last Fragment is the only one that names it.
    upload.session.resume(upload.now).expect("a session is held");
    upload.play([
        ("Ping", ok()),
        (
            "Fragment 9-9",
            Answer::Ack(Ack { status: 416, offset: Offset::At(10), reply_url: Some("r"), ..ACK }),
        ),
        ("GET 0-", Answer::Got(whole(5))),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = wanting(ReplyMode::Optional);
    upload.play([("Fragment 0-9", last(None)), ("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = Upload::new(Config { reply: ReplyMode::Required, size: 0, ..config() });
    assert_eq!(upload.error().kind(), ErrorKind::InvalidArgument);
    assert!(upload.requests.is_empty());
}

#[test]
fn a_reply_url_counts_with_the_last_byte_only() {
    let mut upload = Upload::new(Config { reply: ReplyMode::Required, ..config() });
    let early = Ack { offset: Offset::At(1000), reply_url: Some("early"), ..ACK };
    upload.play([("Create-Session", created()), ("Fragment 0-999", Answer::Ack(early))]);
    assert_eq!(upload.session.reply_url(), None);
    let end = Ack { status: 416, offset: Offset::At(2500), reply_url: Some("late"), ..ACK };
    upload.play([
        ("Fragment 1000-1999", received(2000)),
        ("Fragment 2000-2499", LOST),
        ("Ping", ok()),
        ("Fragment 1998-1998", wants(2500)),
        ("Fragment 2499-2499", Answer::Ack(end)),
    ]);
    assert_eq!(upload.session.reply_url(), Some("late"));
    assert_eq!(upload.exchange(), "GET 0-");
}

#[test]
fn a_reply_comes_in_pieces_of_one_version() {
    let mut upload = before_reply();
    upload.play([
        ("GET 0-", Answer::Got(part(0, 9977, 10_240))),
        (
            "GET 9977-",
            Answer::Got(Got { last_modified: Some("now".into()), ..part(9977, 10_240, 10_240) }),
        ),
        ("GET 0-", Answer::Got(part(0, 9977, 10_240))),
        ("GET 9977-", Answer::Got(part(9977, 10_240, 10_240))),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn a_reply_that_is_not_what_was_announced_is_an_error() {
    let wrong = [
        Got { length: 4, ..part(5, 10, 10) },
        Got { length: 6, ..part(5, 10, 10) },
        part(4, 10, 10),
        part(6, 10, 10),
        Got { range: None, ..part(5, 10, 10) },
        Got { range: Some((5, 3, 10)), ..part(5, 10, 10) },
        Got { range: Some((5, 10, 10)), ..part(5, 10, 10) },
        Got { range: Some((5, u64::MAX, u64::MAX)), ..part(5, 10, 10) },
        whole(10),
    ];
    for got in wrong {
        let mut upload = before_reply();
        upload.play([("GET 0-", Answer::Got(part(0, 5, 10))), ("GET 5-", Answer::Got(got))]);
        upload.error();
        upload.session.resume(upload.now).expect("a session is held");
        upload.play([("Ping", ok()), ("GET 0-", Answer::Got(whole(10))), ("Close-Session", ok())]);
    }
    for got in [Got { length: 3, ..whole(5) }, Got { length: u64::MAX, ..whole(5) }] {
        let mut upload = before_reply();
        upload.play([("GET 0-", Answer::Got(got))]);
        upload.error();
    }
}

#[test]
fn a_cut_reply_goes_on_where_it_was_cut_if_its_version_is_known() {
    let cut = |got: Got| Answer::Got(Got { cut: true, ..got });
    let mut upload = before_reply();
    let known = Got { length: 3, last_modified: Some("then".into()), ..whole(10) };
    upload.play([
        ("GET 0-", cut(known)),
        ("Ping", ok()),
        ("GET 3-", Answer::Got(part(3, 10, 10))),
        ("Close-Session", ok()),
    ]);
    let mut upload = before_reply();
    upload.play([
        ("GET 0-", cut(Got { length: 3, ..whole(10) })),
        ("Ping", ok()),
        ("GET 0-", Answer::Got(whole(10))),
        ("Close-Session", ok()),
    ]);
}

#[test]
fn new_bytes_of_a_reply_are_progress_and_the_same_ones_are_not() {
    let total = 1000 * PROGRESS;
    let cut = |at: u64, length| {
        let range = (at > 0).then(|| (at, total - 1, total));
        let status = if at > 0 { 206 } else { 200 };
        let last_modified = Some("then".into());
        Answer::Got(Got { cut: true, status, length, range, last_modified, ..whole(total) })
    };
    let mut upload = before_reply();
    upload.play([("GET 0-", cut(0, PROGRESS))]);
    for at in (1..100).map(|part| part * PROGRESS) {
        upload.play([("Ping", ok())]);
        assert_eq!(upload.exchange(), format!("GET {at}-"));
        upload.pass(600);
        upload.answer(&cut(at, PROGRESS)).expect("under way");
    }
    let mut upload = before_reply();
    let mut gets = 0;
    while upload.exchange() != "Finished" {
        gets += 1;
        assert!(gets < 1000, "a reply that is cut at the same byte for ever");
        let get = !matches!(upload.session.io, Io::InFlight(Outstanding::Packet(_)));
        let same = Got { cut: true, length: 3, ..whole(10) };
        upload.answer(&if get { Answer::Got(same) } else { ok() }).expect("under way");
        upload.pass(1);
    }
    upload.error();
}

#[test]
fn the_other_host_is_tried_once() {
    let mut upload = before_reply();
    upload.play([
        ("GET 0-", refused(404)),
        ("GET 0- at the other host", Answer::Got(whole(5))),
        ("Close-Session", ok()),
    ]);
    let mut upload = before_reply();
    upload.play([("GET 0-", refused(404)), ("GET 0- at the other host", refused(404))]);
    assert_eq!(upload.error().http_status(), Some(404));
    let mut upload = before_reply();
    upload.play([
        ("GET 0-", LOST),
        ("Ping", ok()),
        ("GET 0- at the other host", refused(404)),
        ("Ping", ok()),
        ("GET 0-", Answer::Got(whole(5))),
        ("Close-Session", ok()),
    ]);
}

#[test]
fn a_challenge_to_the_get_is_answered_once() {
    let config = Config { credentials: true, reply: ReplyMode::Required, size: 10, ..config() };
    let mut upload = Upload::opened(config);
    upload.play([
        ("Fragment 0-9", last(Some("r"))),
        ("GET 0-", refused(401)),
        ("GET 0-", Answer::Got(whole(5))),
        ("Close-Session", ok()),
    ]);
    assert!(upload.requests.last().is_some_and(|request| request.authorize));
    let mut upload = before_reply();
    upload.play([("GET 0-", refused(401))]);
    assert_eq!(upload.error().kind(), ErrorKind::Auth);
}
