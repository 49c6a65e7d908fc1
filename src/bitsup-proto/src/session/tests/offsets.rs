//! The server's offset is the truth, wherever it leads, but it must lead somewhere.

use super::*;

#[test]
fn the_next_fragment_starts_where_the_server_wants_it() {
    let _rule = bitsup_server::rule!("OFF-01", "OFF-02");
    let fragments = |answer: Answer, next: &'static str| {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([("Fragment 1000-1999", answer)]);
        assert_eq!(upload.exchange(), next);
    };
    fragments(received(2000), "Fragment 2000-2499");
    fragments(received(1400), "Fragment 1400-2399");
    fragments(received(0), "Fragment 0-999");
    fragments(wants(5), "Fragment 5-1004");
    fragments(wants(1000), "Fragment 1000-1999");
    fragments(wants(1400), "Fragment 1400-2399");
    let with_code = Ack { status: 416, code: Some(Hresult(0)), offset: Offset::At(5), ..ACK };
    fragments(Answer::Ack(with_code), "Fragment 5-1004");
}

#[test]
fn an_offset_ahead_is_followed_as_far_as_bytes_were_sent() {
    let _rule = bitsup_server::rule!("OFF-03");
    let limits = fragment_size::Limits { fixed: Some(4000), ..Default::default() };
    let mut upload = Upload::opened(Config { size: 6000, fragment: limits, ..config() });
    upload.play([
        ("Fragment 0-3999", received(1000)),
        ("Fragment 1000-4999", LOST),
        ("Ping", ok()),
        ("Fragment 998-998", wants(3000)),
        ("Fragment 3000-5999", received(6000)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn bytes_that_were_never_sent_are_those_of_another_session() {
    let _rule = bitsup_server::rule!("TRU-04");
    for answer in [received(2500), wants(2500), received(1001)] {
        let mut upload = Upload::opened(config());
        upload.play([
            ("Fragment 0-999", answer),
            ("Cancel-Session", ok()),
            ("Create-Session", created_as("{two}")),
            ("Fragment 0-999", received(1000)),
            ("Fragment 1000-1999", received(2000)),
            ("Fragment 2000-2499", received(2500)),
            ("Close-Session", ok()),
        ]);
        assert_eq!(upload.summary(), CERTAIN);
    }
    let mut upload = Upload::new(config());
    for _ in 0..4 {
        upload.play([("Create-Session", created()), ("Fragment 0-999", wants(2500))]);
        if upload.exchange() == "Cancel-Session" {
            upload.answer(&ok()).expect("under way");
        }
    }
    assert_eq!(upload.error().hresult(), Some(Hresult::NO_PROGRESS));
    // A client that resumes a session does not know what was sent before.
    let upload = Upload::before("Fragment 1000-1999");
    let mut again = upload.restored(config(), 1);
    again.play([
        ("Ping", ok()),
        ("Fragment 998-998", wants(2000)),
        ("Fragment 2000-2499", received(2500)),
    ]);
}

#[test]
fn an_offset_that_cannot_be_is_an_invalid_answer() {
    let _rule = bitsup_server::rule!("OFF-04");
    for offset in [Offset::At(2501), Offset::At(u64::MAX), Offset::Unreadable] {
        for number in [200, 416] {
            let mut upload = Upload::before("Fragment 1000-1999");
            let answer = Answer::Ack(Ack { status: number, offset, ..ACK });
            upload.play([
                ("Fragment 1000-1999", answer.clone()),
                ("Ping", ok()),
                ("Fragment 998-998", wants(1000)),
                ("Fragment 1000-1999", answer.clone()),
                ("Ping", ok()),
                ("Fragment 998-998", wants(1000)),
                ("Fragment 1000-1999", answer.clone()),
                ("Ping", ok()),
                ("Fragment 998-998", wants(1000)),
                ("Fragment 1000-1999", answer),
            ]);
            let error = upload.error();
            assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE));
            assert_eq!(upload.session.offset(), 1000);
        }
    }
}

#[test]
fn a_416_without_offset_is_asked_again_once() {
    let _rule = bitsup_server::rule!("OFF-05");
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", status(416)),
        ("Ping", ok()),
        ("Fragment 998-998", status(416)),
        ("Cancel-Session", ok()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
    ]);
    assert_eq!(upload.session.counters().restarts, 1);
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", status(416)),
        ("Ping", ok()),
        ("Fragment 998-998", wants(1400)),
        ("Fragment 1400-2399", received(2400)),
    ]);
}

#[test]
fn only_a_lenient_client_takes_a_200_without_offset() {
    let mut upload = Upload::opened(Config { lenient_offset: true, size: 1500, ..config() });
    upload.play([("Fragment 0-999", ok()), ("Fragment 1000-1499", ok()), ("Close-Session", ok())]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = Upload::opened(Config { lenient_offset: true, size: 1500, ..config() });
    upload.play([("Fragment 0-999", status(416)), ("Ping", ok())]);
}

#[test]
fn a_server_that_stays_where_it_is_sees_three_fragments() {
    let _rule = bitsup_server::rule!("OFF-06");
    for stuck in [received(0), wants(0)] {
        let mut upload = Upload::opened(config());
        upload.play((0..3).map(|_| ("Fragment 0-999", stuck.clone())));
        assert_eq!(upload.error().hresult(), Some(Hresult::NO_PROGRESS));
    }
}

#[test]
fn a_server_that_goes_back_and_forth_is_left() {
    let mut upload = Upload::opened(config());
    upload.play([("Fragment 0-999", received(1000))]);
    for _ in 0..3 {
        upload.play([("Fragment 1000-1999", wants(0)), ("Fragment 0-999", received(1000))]);
    }
    upload.play([("Fragment 1000-1999", received(0))]);
    assert_eq!(upload.error().hresult(), Some(Hresult::NO_PROGRESS));
}

#[test]
fn a_new_highest_offset_allows_new_rewinds() {
    let mut upload = Upload::opened(Config { size: 20_000, ..config() });
    for step in 1..=15 {
        assert!(upload.exchange().starts_with("Fragment"));
        upload.answer(&received(step * 1000)).expect("under way");
        assert!(upload.exchange().starts_with("Fragment"));
        upload.answer(&wants(step * 1000 - 500)).expect("under way");
        assert_eq!(upload.session.offset(), step * 1000 - 500);
    }
    assert!(upload.session.outcome().is_none());
}

#[test]
fn a_416_with_the_size_means_that_all_is_stored() {
    let mut upload = Upload::before("Fragment 2000-2499");
    upload.play([
        ("Fragment 2000-2499", LOST),
        ("Ping", ok()),
        ("Fragment 1998-1998", wants(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.counters().unconfirmed_resends, 0);
}

#[test]
fn after_a_lost_ack_the_client_follows_what_the_server_says() {
    let _rule = bitsup_server::rule!("OFF-09");
    let mut upload = Upload::opened(config());
    upload.play([
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 1-1", wants(700)),
        ("Fragment 700-1699", received(1700)),
    ]);
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Fragment 998-998", received(2000)),
        ("Fragment 998-998", received(2000)),
        ("Fragment 2000-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn the_offset_shown_is_the_servers() {
    let mut upload = Upload::before("Fragment 1000-1999");
    let mut seen = Vec::new();
    for answer in [status(413), received(1400), wants(0), LOST] {
        let text = upload.exchange();
        assert!(text.starts_with("Fragment") || text == "Finished");
        if text == "Finished" {
            break;
        }
        seen.push(upload.session.offset());
        upload.answer(&answer).expect("under way");
        seen.push(upload.session.offset());
    }
    assert_eq!(seen, [1000, 1000], "413 at the floor ends it, and moves nothing");
    let mut upload = Upload::before("Fragment 1000-1999");
    for (answer, shown) in [(received(1400), 1400), (wants(0), 0), (received(1000), 1000)] {
        upload.exchange();
        upload.answer(&answer).expect("under way");
        assert_eq!(upload.session.offset(), shown);
    }
}

#[test]
fn after_an_unclear_end_a_probe_asks_where_the_server_is() {
    let _rule = bitsup_server::rule!("OFF-12");
    let _rule = bitsup_server::rule!("TRU-03");
    let context = |status, context| Answer::Ack(Ack { status, context: Some(context), ..ACK });
    let unclear = [
        LOST,
        Fails(FailureClass::Timeout, Sent::Body(1)),
        Fails(FailureClass::BadAnswer, Sent::Body(u64::MAX)),
        Answer::Ack(Ack { is_ack: false, ..ACK }),
        Answer::Ack(Ack { status: 502, is_ack: false, ..ACK }),
        status(408),
        status(500),
        context(500, 5),
        context(503, 7),
    ];
    for answer in unclear {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([
            ("Fragment 1000-1999", answer),
            ("Ping", ok()),
            ("Fragment 998-998", wants(1000)),
            ("Fragment 1000-1999", received(2000)),
        ]);
        let probes: Vec<_> = upload.requests.iter().map(|request| request.probe).collect();
        assert_eq!(probes, [false, false, false, false, true, false]);
    }
    let clear = [
        UNREACHABLE,
        Fails(FailureClass::Transport, Sent::Head),
        Fails(FailureClass::Offline, Sent::Nothing),
    ];
    for answer in clear {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([
            ("Fragment 1000-1999", answer),
            ("Ping", ok()),
            ("Fragment 1000-1999", received(2000)),
        ]);
    }
}

#[test]
fn the_probe_is_a_byte_that_the_server_has_or_the_second_one() {
    let _rule = bitsup_server::rule!("OFF-12");
    let limits = fragment_size::Limits { fixed: Some(1), ..Default::default() };
    for (size, acknowledged, probe) in
        [(3, 0, "Fragment 1-1"), (3, 2, "Fragment 0-0"), (5, 4, "Fragment 2-2")]
    {
        let mut upload = Upload::opened(Config { size, fragment: limits, ..config() });
        for at in 0..acknowledged {
            upload.exchange();
            upload.answer(&received(at + 1)).expect("under way");
        }
        upload.exchange();
        upload.answer(&LOST).expect("under way");
        upload.play([("Ping", ok())]);
        assert_eq!(upload.exchange(), probe);
    }
    // There is no byte to ask with.
    for (size, acknowledged) in [(1, 0), (2, 0), (2, 1), (3, 1)] {
        let mut upload = Upload::opened(Config { size, fragment: limits, ..config() });
        for at in 0..acknowledged {
            upload.exchange();
            upload.answer(&received(at + 1)).expect("under way");
        }
        upload.exchange();
        upload.answer(&LOST).expect("under way");
        upload.play([
            ("Ping", ok()),
            ("Cancel-Session", ok()),
            ("Create-Session", created_as("{two}")),
        ]);
        assert_eq!(upload.exchange(), "Fragment 0-0");
    }
}

#[test]
fn an_echo_proves_nothing_and_replaces_the_session() {
    let _rule = bitsup_server::rule!("OFF-13");
    let replaced = [("Cancel-Session", ok()), ("Create-Session", created_as("{two}"))];
    let probed = |answers: Vec<Answer>| {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([("Fragment 1000-1999", LOST)]);
        for answer in answers {
            let mut next = upload.exchange();
            if next == "Ping" {
                upload.answer(&ok()).expect("under way");
                next = upload.exchange();
            }
            assert_eq!(next, "Fragment 998-998");
            upload.answer(&answer).expect("under way");
        }
        upload
    };
    let useless = status(400);
    for answers in [
        vec![received(999)],
        vec![received(500)],
        vec![wants(998)],
        vec![received(1500), received(1501)],
        vec![useless.clone(), useless],
    ] {
        let mut upload = probed(answers);
        upload.play(replaced.clone());
        upload.play([
            ("Fragment 0-999", received(1000)),
            ("Fragment 1000-1999", received(2000)),
            ("Fragment 2000-2499", received(2500)),
            ("Close-Session", ok()),
            ("HEAD", holds(3500)),
        ]);
        assert_eq!(upload.session.counters().restarts, 1);
        assert_eq!(upload.error().kind(), ErrorKind::VerifyFailed);
    }
    assert_eq!(probed(vec![received(999)]).session.learned().offsets, OffsetHandling::Echoes);
    assert_eq!(probed(vec![received(500)]).session.learned().offsets, OffsetHandling::Unknown);
    // A transient refusal is tried again for as long as any other.
    let mut upload = probed(vec![status(503), LOST, status(503), LOST, wants(1000)]);
    assert_eq!(upload.exchange(), "Fragment 1000-1999");
    assert_eq!(upload.session.learned().offsets, OffsetHandling::Checks);
    // Known to check, a server that trims is believed at once.
    let mut upload = Upload::opened(Config { offsets: OffsetHandling::Checks, ..config() });
    upload.play([
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Fragment 998-998", received(1600)),
        ("Fragment 1600-2499", received(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn past_the_limit_of_replacements_the_error_names_the_way_out() {
    let _rule = bitsup_server::rule!("OFF-13");
    let mut upload = Upload::new(config());
    for _ in 0..4 {
        upload.play([
            ("Create-Session", created()),
            ("Fragment 0-999", received(1000)),
            ("Fragment 1000-1999", LOST),
            ("Ping", ok()),
            ("Fragment 998-998", received(999)),
        ]);
        if upload.exchange() == "Cancel-Session" {
            upload.answer(&ok()).expect("under way");
        }
    }
    let error = upload.error();
    let advice = crate::explain::advice(&error, crate::explain::Reader::Tool);
    assert!(advice.contains("--on-lost-ack resend"), "{advice}");
}

#[test]
fn a_session_without_progress_is_replaced_like_a_retry() {
    let _rule = bitsup_server::rule!("OFF-13");
    let mut upload = Upload::opened(Config {
        size: 1_000_000,
        fragment: fragment_size::Limits::default(),
        ..config()
    });
    assert!(upload.exchange().starts_with("Fragment 0-"));
    upload.answer(&LOST).expect("under way");
    upload.play([("Ping", ok()), ("Fragment 1-1", received(2)), ("Cancel-Session", status(503))]);
    while upload.exchange() == "Cancel-Session" {
        upload.answer(&status(503)).expect("under way");
    }
    upload.answer(&created_as("{two}")).expect("Create-Session is under way");
    upload.play([("Fragment 0-8191", received(8192))]);
    assert!(upload.exchange().starts_with("Fragment 8192-"));
    assert!(upload.session.may_be_left(), "the first one was not cancelled");
}

#[test]
fn where_writing_at_the_offset_is_known_an_echo_is_followed() {
    let _rule = bitsup_server::rule!("OFF-13");
    let mut upload = Upload::opened(Config { offsets: OffsetHandling::Seeks, ..config() });
    upload.play([
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 1-1", received(2)),
        ("Fragment 0-999", received(1000)),
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Fragment 998-998", received(999)),
        ("Fragment 999-1998", received(1999)),
        ("Fragment 1999-2499", received(2500)),
        ("Close-Session", ok()),
        ("HEAD", holds(2500)),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn an_answer_that_overtakes_its_body_is_none() {
    let _rule = bitsup_server::rule!("TRU-01");
    let mut upload = Upload::before("Fragment 1000-1999");
    assert_eq!(upload.exchange(), "Fragment 1000-1999");
    let ack = Ack { offset: Offset::At(2000), ..ACK };
    let short = Exchange { sent: Sent::Body(999), ..Exchange::default() };
    upload.session.handle_ack(upload.now, &ack, None, None, short).expect("under way");
    assert_eq!(upload.session.offset(), 1000);
    upload.play([("Ping", ok()), ("Fragment 998-998", wants(1999))]);
    assert_eq!(upload.exchange(), "Fragment 1999-2499");
}

#[test]
fn a_server_that_loses_acknowledged_bytes_for_ever_is_left() {
    let _rule = bitsup_server::rule!("GIV-06");
    let part = 32 * 1024 * 1024;
    let fragment = fragment_size::Limits { fixed: Some(part), ..Default::default() };
    let mut upload = Upload::opened(Config { size: 32 * part, fragment, ..config() });
    let (mut most, mut sent) = (0, 0);
    while upload.exchange() != "Finished" {
        let range = upload.requests.last().and_then(|request| request.range).expect("a Fragment");
        sent += range.length();
        // Goes back to the beginning at each new highest byte.
        let back = range.first() > most;
        most = most.max(range.first());
        upload.answer(&if back { wants(0) } else { received(range.end()) }).expect("under way");
    }
    let error = upload.error();
    assert!(error.message().contains("lost"), "{error}");
    assert!(sent < 5 * 32 * part, "{sent}");
}

#[test]
fn three_times_the_file_and_64_mib_may_be_lost_and_no_byte_more() {
    let part = 32 * 1024 * 1024;
    let fragment = fragment_size::Limits { fixed: Some(part), ..Default::default() };
    let mut upload = Upload::opened(Config { size: 32 * part, fragment, ..config() });
    let (most, mut lost, mut highest) = (98 * part, 0, 0);
    while upload.exchange() != "Finished" {
        let range = upload.requests.last().and_then(|request| request.range).expect("a Fragment");
        // At each new highest byte all is lost, up to what may be; then one byte.
        let is_new = range.first() > highest;
        highest = highest.max(range.first());
        let less = if lost == most { 1 } else { range.first().min(most - lost) };
        lost += if is_new { less } else { 0 };
        let answer = if is_new { wants(range.first() - less) } else { received(range.end()) };
        upload.answer(&answer).expect("under way");
    }
    assert_eq!(lost, most + 1);
    let error = upload.error();
    let message = error.message();
    assert!(message.starts_with(&format!("the server lost {lost} bytes")), "{message}");
}

/// Each Ack is progress, and none takes what was sent.
#[test]
fn a_server_that_takes_next_to_nothing_of_each_fragment_is_left() {
    let _rule = bitsup_server::rule!("GIV-06");
    for corrected in [false, true] {
        let size = 2_000_000;
        let fragment = fragment_size::Limits::default();
        let mut upload = Upload::opened(Config { size, fragment, ..config() });
        let mut sent = 0;
        while upload.exchange() != "Finished" {
            let range = upload.requests.last().and_then(|request| request.range).expect("it");
            sent += range.length();
            let offset = range.first() + 1;
            upload.answer(&if corrected { wants(offset) } else { received(offset) }).expect("sent");
        }
        let error = upload.error();
        assert!(error.message().starts_with("the server lost"), "{error}");
        assert!(sent < 80_000_000, "{sent}");
    }
}

#[test]
fn a_server_that_takes_parts_of_fragments_gets_smaller_ones() {
    let _rule = bitsup_server::rule!("GIV-06", "OFF-01");
    for most in [6000, 64 * 1024, 1_000_000] {
        let size = 512 * 1024 * 1024 / if most == 6000 { 8 } else { 1 };
        let fragment = fragment_size::Limits::default();
        let mut upload = Upload::opened(Config { size, fragment, ..config() });
        let mut sent = 0;
        while upload.exchange() != "Close-Session" {
            let range = upload.requests.last().and_then(|request| request.range).expect("it");
            sent += range.length();
            upload.answer(&received(range.end().min(range.first() + most))).expect("sent");
        }
        assert!(sent < 2 * size, "{sent} for {size} at {most}");
    }
}

#[test]
fn an_answer_for_another_session_is_invalid_and_a_missing_id_is_not() {
    let with = |id| Answer::Ack(Ack { offset: Offset::At(1000), session_id: id, ..ACK });
    let guid = "{C85B4E0A-9EB9-4114-BFA4-8A43B4710091}";
    let other_case = "{c85b4e0a-9eb9-4114-bfa4-8a43b4710091}";
    for (id, good) in
        [(Some(guid), true), (Some(other_case), true), (None, true), (Some("x"), false)]
    {
        let mut upload = Upload::new(config());
        upload.play([("Create-Session", created_as(guid)), ("Fragment 0-999", with(id))]);
        assert_eq!(upload.session.offset() == 1000, good, "{id:?}");
    }
}
