//! The server's offset is the truth, wherever it leads, but it must lead somewhere.

use super::*;

#[test]
fn the_next_fragment_starts_where_the_server_wants_it() {
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
    fragments(wants(2400), "Fragment 2400-2499");
    let with_code = Ack { status: 416, code: Some(Hresult(0)), offset: Offset::At(5), ..ACK };
    fragments(Answer::Ack(with_code), "Fragment 5-1004");
}

#[test]
fn bytes_ahead_of_the_wanted_offset_are_not_sent_and_not_vouched_for() {
    let mut upload = Upload::new(Config { size: 6000, ..config() });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-999", received(5000)),
        ("Fragment 5000-5999", received(6000)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.notices[1], Notice::Moved { from: 1000, to: 5000 });
    assert_eq!(upload.summary(), DOUBTFUL);
    assert_eq!(upload.notices.last(), Some(&Notice::NotVerified));
}

#[test]
fn an_offset_that_cannot_be_is_an_invalid_answer() {
    for offset in [Offset::At(2501), Offset::At(u64::MAX), Offset::Unreadable, Offset::Absent] {
        for number in [200, 416] {
            let mut upload = Upload::before("Fragment 1000-1999");
            let answer = Answer::Ack(Ack { status: number, offset, ..ACK });
            upload.play([
                ("Fragment 1000-1999", answer.clone()),
                ("Ping", ok()),
                ("Fragment 1000-1999", answer.clone()),
                ("Ping", ok()),
                ("Fragment 1000-1999", answer.clone()),
                ("Ping", ok()),
                ("Fragment 1000-1999", answer),
            ]);
            let error = upload.error();
            assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE));
            assert_eq!(upload.session.offset(), 1000);
        }
    }
}

#[test]
fn only_a_lenient_client_takes_a_200_without_offset() {
    let mut upload = Upload::new(Config { lenient_offset: true, size: 1500, ..config() });
    upload.play([
        ("Create-Session", created()),
        ("Fragment 0-999", ok()),
        ("Fragment 1000-1499", ok()),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = Upload::new(Config { lenient_offset: true, size: 1500, ..config() });
    upload.play([("Create-Session", created()), ("Fragment 0-999", status(416)), ("Ping", ok())]);
}

#[test]
fn a_server_that_stays_where_it_is_sees_three_fragments() {
    for stuck in [received(0), wants(0)] {
        let mut upload = Upload::new(config());
        upload.play([("Create-Session", created())]);
        upload.play((0..3).map(|_| ("Fragment 0-999", stuck.clone())));
        assert_eq!(upload.error().hresult(), Some(Hresult::NO_PROGRESS));
    }
}

#[test]
fn a_server_that_goes_back_and_forth_is_left() {
    let mut upload = Upload::new(config());
    upload.play([("Create-Session", created()), ("Fragment 0-999", received(1000))]);
    for _ in 0..3 {
        upload.play([("Fragment 1000-1999", wants(0)), ("Fragment 0-999", received(1000))]);
    }
    upload.play([("Fragment 1000-1999", received(0))]);
    assert_eq!(upload.error().hresult(), Some(Hresult::NO_PROGRESS));
}

#[test]
fn a_new_highest_offset_allows_new_rewinds() {
    let mut upload = Upload::new(Config { size: 20_000, ..config() });
    upload.play([("Create-Session", created())]);
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
        ("Fragment 2000-2499", wants(2500)),
        ("Close-Session", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.counters().unconfirmed_resends, 1);
}

#[test]
fn after_a_lost_ack_the_client_asks_from_its_last_offset() {
    for answer in [wants(700), received(700)] {
        let mut upload = Upload::new(config());
        upload.play([
            ("Create-Session", created()),
            ("Fragment 0-999", LOST),
            ("Ping", ok()),
            ("Fragment 0-999", answer),
            ("Fragment 700-1699", received(1700)),
        ]);
    }
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
fn after_an_unclear_end_a_small_fragment_asks_where_the_server_is() {
    let limits = fragment_size::Limits { fixed: Some(100_000), ..Default::default() };
    let unclear = [
        LOST,
        Fails(FailureClass::Timeout, Sent::Body),
        Fails(FailureClass::BadAnswer, Sent::Body),
        Answer::Ack(Ack { is_ack: false, ..ACK }),
        Answer::Ack(Ack { status: 502, is_ack: false, ..ACK }),
    ];
    for answer in unclear {
        let mut upload = Upload::new(Config { size: 1_000_000, fragment: limits, ..config() });
        upload.play([
            ("Create-Session", created()),
            ("Fragment 0-99999", answer),
            ("Ping", ok()),
            ("Fragment 0-8191", received(8192)),
            ("Fragment 8192-108191", received(108_192)),
        ]);
        assert!(upload.requests[3].repeats && !upload.requests[4].repeats);
        assert_eq!(upload.session.counters().unconfirmed_resends, 1);
    }
    let clear = [UNREACHABLE, status(503), Fails(FailureClass::Offline, Sent::Nothing)];
    for answer in clear {
        let mut upload = Upload::new(Config { size: 1_000_000, fragment: limits, ..config() });
        upload.play([
            ("Create-Session", created()),
            ("Fragment 0-99999", answer),
            ("Ping", ok()),
            ("Fragment 0-99999", received(100_000)),
        ]);
        assert_eq!(upload.session.counters().unconfirmed_resends, 0);
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
