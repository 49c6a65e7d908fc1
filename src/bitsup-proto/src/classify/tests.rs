use super::*;

fn ack(status: u16) -> Ack<'static> {
    Ack { status, ..Ack::default() }
}

fn with_context_7(status: u16) -> Ack<'static> {
    Ack { context: Some(7), ..ack(status) }
}

fn is_later(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Later(_))
}

fn is_fatal(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Fatal(_))
}

#[test]
fn application_errors_follow_their_table() {
    let _rule = bitsup_server::rule!("ERR-08");
    for status in [306, 308, 408, 409, 500, 502, 503, 504, 599] {
        let meaning = classify(PacketType::Fragment, &with_context_7(status));
        assert!(is_later(&meaning), "{status}: {meaning:?}");
    }
    for status in [300, 301, 302, 303, 304, 305, 307, 400, 403, 404, 410, 501, 505] {
        let meaning = classify(PacketType::Fragment, &with_context_7(status));
        assert!(is_fatal(&meaning), "{status}: {meaning:?}");
    }
}

#[test]
fn other_errors_are_transient_by_status() {
    let _rule = bitsup_server::rule!("ERR-09");
    for packet in PacketType::ALL {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(is_later(&classify(packet, &ack(status))), "{status} to {packet}");
        }
        for status in [400, 403, 405, 409, 411, 501, 505] {
            assert!(is_fatal(&classify(packet, &ack(status))), "{status} to {packet}");
        }
    }
    assert!(is_fatal(&classify(PacketType::CreateSession, &ack(404))));
    assert!(is_fatal(&classify(PacketType::CloseSession, &ack(413))));
}

#[test]
fn redirects_are_fatal() {
    let _rule = bitsup_server::rule!("ERR-13");
    for status in [300, 301, 302, 303, 305, 307, 308] {
        assert!(is_fatal(&classify(PacketType::Fragment, &ack(status))), "{status}");
    }
}

#[test]
fn some_codes_are_fatal_whatever_the_status() {
    let _rule = bitsup_server::rule!("ERR-06");
    let cases = [
        (403, Hresult::ACCESS_DENIED),
        (501, Hresult::ACCESS_DENIED),
        (400, Hresult::INVALID_ARGUMENT),
        (411, Hresult::INVALID_ARGUMENT),
        (500, Hresult::INVALID_ARGUMENT),
        (500, Hresult::TOO_LARGE),
    ];
    for (status, code) in cases {
        let answer = Ack { code: Some(code), context: Some(5), ..ack(status) };
        let Meaning::Fatal(error) = classify(PacketType::Fragment, &answer) else {
            panic!("{status} with {code} is not fatal");
        };
        assert_eq!(
            (error.http_status(), error.hresult(), error.context()),
            (Some(status), Some(code), Some(5))
        );
    }
}

#[test]
fn a_lost_session_counts_before_the_status() {
    let _rule = bitsup_server::rule!("SES-01");
    for status in [200, 401, 404, 413, 500] {
        let answer = Ack { code: Some(Hresult::SESSION_NOT_FOUND), ..ack(status) };
        for packet in [PacketType::Ping, PacketType::Fragment] {
            assert_eq!(classify(packet, &answer), Meaning::SessionLost);
        }
    }
}

#[test]
fn a_success_needs_the_packet_type_and_the_right_status() {
    let _rule = bitsup_server::rule!("ACK-02", "ACK-07");
    for packet in PacketType::ALL {
        let meaning = classify(packet, &ack(200));
        let Meaning::Invalid(error) = meaning else { panic!("{packet}: {meaning:?}") };
        assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE));
        for status in [202, 204, 206] {
            let answer =
                Ack { is_ack: true, offset: Offset::At(1), session_id: Some("x"), ..ack(status) };
            assert!(
                matches!(classify(packet, &answer), Meaning::Invalid(_)),
                "{status} to {packet}"
            );
        }
    }
    let created = Ack { is_ack: true, session_id: Some("x"), ..ack(201) };
    assert_eq!(classify(PacketType::CreateSession, &created), Meaning::Success);
    assert!(matches!(classify(PacketType::Ping, &created), Meaning::Invalid(_)));
}

#[test]
fn create_acks_are_checked() {
    let _rule = bitsup_server::rule!("ACK-08", "ACK-09", "ACK-10");
    let good = Ack { is_ack: true, session_id: Some("x"), ..ack(200) };
    let create = |ack: &Ack<'_>| classify(PacketType::CreateSession, ack);
    assert_eq!(create(&good), Meaning::Success);
    let upper = Some("{7DF0354D-249B-430F-820D-3D2A9BEF4931}");
    assert_eq!(create(&Ack { protocol: upper, ..good }), Meaning::Success);
    assert!(matches!(create(&Ack { session_id: None, ..good }), Meaning::Invalid(_)));
    let other = Some("{7DF0354D-249B-430F-820D-3D2A9BEF4932}");
    let Meaning::Fatal(error) = create(&Ack { protocol: other, ..good }) else {
        panic!("another protocol is fatal");
    };
    assert_eq!(error.hresult(), Some(Hresult::PROTOCOL_MISMATCH));
    assert!(matches!(create(&Ack { refuses_identity: true, ..good }), Meaning::Fatal(_)));
}

#[test]
fn error_headers_on_success_leave_the_flow_alone() {
    let _rule = bitsup_server::rule!("ACK-12");
    let answer = Ack { is_ack: true, code: Some(Hresult(1)), ..ack(200) };
    assert_eq!(classify(PacketType::Ping, &answer), Meaning::Success);
    let fragment = Ack { offset: Offset::At(7), ..answer };
    assert_eq!(
        classify(PacketType::Fragment, &fragment),
        Meaning::ContinueAt { offset: Some(7), corrected: false }
    );
}

#[test]
fn errors_need_no_packet_type() {
    let _rule = bitsup_server::rule!("ACK-03");
    let corrected = Ack { offset: Offset::At(5), ..ack(416) };
    assert_eq!(
        classify(PacketType::Fragment, &corrected),
        Meaning::ContinueAt { offset: Some(5), corrected: true }
    );
}

#[test]
fn what_is_known_of_an_answer_is_in_its_error() {
    static REMARK: crate::Remark = crate::Remark {
        kind: Some(ErrorKind::Tls),
        message: Some("no certificate"),
        advice: "Show one ({cert}).",
    };
    for (packet, status) in
        [(PacketType::CreateSession, 403), (PacketType::Fragment, 503), (PacketType::Ping, 200)]
    {
        let answer = Ack { remark: Some(&REMARK), ..ack(status) };
        let (Meaning::Fatal(error) | Meaning::Later(error) | Meaning::Invalid(error)) =
            classify(packet, &answer)
        else {
            panic!("{status} is no refusal")
        };
        assert_eq!((error.kind(), error.message()), (ErrorKind::Tls, "no certificate"));
        assert_eq!(
            (error.http_status(), explain::advice_by_id(&error)),
            (Some(status), REMARK.advice)
        );
    }
}

#[test]
fn an_answer_that_contradicts_itself_is_invalid_and_says_in_what() {
    let texts = [
        ("BITS-Received-Content-Range", "two different offsets"),
        ("BITS-Session-Id", "two different sessions"),
        ("BITS-Host-Id", "the same header twice"),
    ];
    for (name, text) in texts {
        let torn = Ack { contradiction: Some(name), is_ack: true, ..ack(200) };
        let Meaning::Invalid(error) = classify(PacketType::Fragment, &torn) else {
            panic!("{name} is believed");
        };
        assert!(error.message().contains(text), "{error}");
    }
}
