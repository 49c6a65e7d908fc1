//! What errors of the server and of the connection lead to.

use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{Peer, Turn, error, lost, options, unheard, upload};
use crate::common::wire::{always, answering, once, ranges, types, watched, with};
use bitsup::{Error, ErrorKind, Event, Hresult, Source, VerifyPolicy};
use bitsup_server::scripted::{Reply, Scripted};

/// The error of an upload whose packets of that type are all answered so, after few tries.
fn refused(packet: &'static str, reply: Reply) -> (Error, Peer) {
    let peer = always(packet, reply);
    let options = with(|o| o.max_attempts = Some(2));
    let error = upload(&peer.url(), &payload(2500), options).expect_err("refused");
    (error, peer)
}

fn with_headers(status: u16, headers: &[(&str, &str)]) -> Reply {
    let reply = Reply::status(status, "Error").header("BITS-Packet-Type", "Ack");
    headers.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
}

#[test]
fn the_code_is_read_from_either_header() {
    let _rule = bitsup_server::rule!("ERR-01");
    let (code, other) = ("0xA0001234", "0xA0005678");
    for headers in [
        &[("BITS-Error-Code", code)][..],
        &[("BITS-Error", code)],
        &[("BITS-Error", other), ("BITS-Error-Code", code)],
        &[("BITS-Error", code), ("BITS-Error-Code", "garbage")],
        &[("BITS-Error", "garbage"), ("BITS-Error-Code", code)],
    ] {
        let (error, _) = refused("Create-Session", with_headers(403, headers));
        assert_eq!(error.hresult(), Some(Hresult(0xA000_1234)), "{headers:?}");
    }
}

#[test]
fn codes_and_contexts_are_read_in_every_form() {
    let _rule = bitsup_server::rule!("ERR-02", "ERR-03");
    for (code, context, read) in [
        ("0x80070057", "0x5", 0x8007_0057),
        ("0X80070057", "x5", 0x8007_0057),
        ("x80070057", "5", 0x8007_0057),
        ("80070057", "0x5", 0x8007_0057),
        ("0x80070057L", "0X5", 0x8007_0057),
        ("0X80070057l", "5L", 0x8007_0057),
        ("0xa000abcd", "5", 0xA000_ABCD),
        ("0XA000ABCD", "5", 0xA000_ABCD),
        ("57", "5", 0x57),
        ("-2147024809", "5", 0x8007_0057),
    ] {
        let headers = [("BITS-Error-Code", code), ("BITS-Error-Context", context)];
        let (error, _) = refused("Create-Session", with_headers(400, &headers));
        assert_eq!(error.hresult(), Some(Hresult(read)), "{code}");
        assert_eq!(error.context(), Some(5), "{context}");
    }
}

#[test]
fn what_cannot_be_read_is_absent_but_shown() {
    let _rule = bitsup_server::rule!("ERR-04");
    for code in ["zz", "", "0x123456789"] {
        let headers = [("BITS-Error-Code", code), ("BITS-Error-Context", "qq")];
        let (error, peer) = refused("Create-Session", with_headers(404, &headers));
        assert_eq!(error.http_status(), Some(404));
        assert_eq!(error.hresult(), Some(Hresult(0x8019_0194)), "{code}");
        assert_eq!(error.context(), None);
        assert!(error.message().contains(code), "{error}");
        assert_eq!(types(&peer.raw), ["Create-Session"]);
    }
    // A code that would be fatal does not make a 503 fatal if it cannot be read.
    let peer = once("Fragment", with_headers(503, &[("BITS-Error-Code", "0x800700057")]));
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
}

#[test]
fn status_code_and_context_reach_the_caller() {
    let _rule = bitsup_server::rule!("ERR-05");
    for packet in ["Create-Session", "Fragment", "Close-Session"] {
        let (error, _) = refused(packet, error(403, "0x80070005"));
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.http_status(), Some(403));
        assert_eq!(error.hresult(), Some(Hresult(0x8007_0005)));
        assert_eq!(error.context(), Some(5));
        assert_eq!(error.packet().expect("a packet").to_string(), packet);
    }
}

#[test]
fn hopeless_errors_are_reported_after_one_request() {
    let _rule = bitsup_server::rule!("ERR-06");
    let cases = [
        (403, 0x8007_0005_u32),
        (501, 0x8007_0005),
        (400, 0x8007_0057),
        (411, 0x8007_0057),
        (500, 0x8007_0057),
    ];
    for (status, code) in cases {
        for packet in ["Create-Session", "Fragment"] {
            let (error, peer) = refused(packet, error(status, &format!("{code:#x}")));
            assert_eq!(error.http_status(), Some(status));
            assert_eq!(error.hresult(), Some(Hresult(code)));
            assert_eq!(peer.count(packet), 1, "{status} {packet}");
        }
    }
}

#[test]
fn other_codes_reach_the_caller_unchanged() {
    let _rule = bitsup_server::rule!("ERR-07");
    for (code, seen) in [("0xA0001234", 0xA000_1234), ("0x80200017", 0x8020_0017)] {
        let (error, _) = refused("Fragment", error(403, code));
        assert_eq!(error.hresult(), Some(Hresult(seen)));
    }
    for (status, seen) in [(404, 0x8019_0194), (403, 0x8019_0193), (400, 0x8019_0190)] {
        let (error, _) = refused("Create-Session", Reply::status(status, "Error"));
        assert_eq!(error.hresult(), Some(Hresult(seen)));
    }
}

#[test]
fn without_context_some_statuses_are_tried_again_and_some_are_not() {
    let _rule = bitsup_server::rule!("ERR-09");
    for status in [408, 500, 502, 503, 504, 507, 599] {
        for packet in ["Create-Session", "Fragment", "Close-Session"] {
            let peer = once(packet, Reply::status(status, "Later"));
            let options = with(|o| o.verify = VerifyPolicy::Never);
            upload(&peer.url(), &payload(10), options).expect("uploaded");
            // The server may have stored what it refused so: a probe asks first.
            let probes = usize::from(packet == "Fragment");
            assert_eq!(peer.count(packet), 2 + probes, "{status} {packet}");
        }
    }
    for (status, packet) in [
        (400, "Create-Session"),
        (403, "Create-Session"),
        (404, "Create-Session"),
        (409, "Create-Session"),
        (501, "Create-Session"),
        (505, "Create-Session"),
        (400, "Fragment"),
        (403, "Fragment"),
        (409, "Fragment"),
        (501, "Fragment"),
        (505, "Fragment"),
    ] {
        let (error, peer) = refused(packet, Reply::status(status, "No"));
        assert_eq!((error.http_status(), peer.count(packet)), (Some(status), 1), "{packet}");
    }
}

#[test]
fn with_the_context_of_the_application_other_statuses_are_tried_again() {
    let _rule = bitsup_server::rule!("ERR-08");
    let reply = |status| with_headers(status, &[("BITS-Error-Context", "0x7")]);
    for status in [306, 308, 408, 409, 500, 502, 503, 504] {
        let peer = once("Fragment", reply(status));
        upload(&peer.url(), &payload(10), options()).expect("uploaded");
        assert_eq!(ranges(&peer.raw), ["0-9/10", "1-1/10", "0-9/10"], "{status}");
    }
    for status in [300, 301, 302, 303, 304, 305, 307, 400, 403, 404, 501, 505] {
        let (error, peer) = refused("Fragment", reply(status));
        assert_eq!(error.context(), Some(7), "{status}");
        assert_eq!(peer.count("Fragment"), 1, "{status}");
    }
}

#[test]
fn lost_connections_and_times_out_are_told_apart() {
    let _rule = bitsup_server::rule!("ERR-10");
    let (_unheard, address) = unheard();
    let url = format!("http://{address}/x.bin");
    let few = || with(|o| o.max_attempts = Some(3));
    let (result, events) = watched(&url, Source::bytes(payload(10)), few());
    assert_eq!(result.expect_err("refused").kind(), ErrorKind::Network);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Retry { .. })).count(), 2);

    for reply in [Reply::close(), Reply::close().then_reset(), Reply::drop_after_body_bytes(10)] {
        let (error, peer) = refused("Fragment", reply);
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        assert_eq!(peer.count("Fragment"), 2, "{:?} {error}", peer.packets());
    }
    let peer = always("Fragment", Reply::hang());
    let options = with(|o| {
        o.ack_timeout = Duration::from_secs(1);
        o.max_attempts = Some(2);
    });
    let error = upload(&peer.url(), &payload(2500), options).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(peer.count("Fragment"), 2);
}

#[test]
fn a_full_disk_and_a_late_application_are_named() {
    let _rule = bitsup_server::rule!("ERR-11");
    for code in ["0x80070070", "0x80070112"] {
        let (error, peer) = refused("Fragment", error(500, code));
        assert!(error.message().contains("disk is full"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        // It may pass: the disk may be cleared.
        assert_eq!(peer.count("Fragment"), 2);
    }
    let late =
        with_headers(408, &[("BITS-Error-Code", "0x80070112"), ("BITS-Error-Context", "0x7")]);
    let (error, _) = refused("Fragment", late);
    assert!(error.message().contains("application"), "{error}");
    assert!(error.message().contains("in time"), "{error}");
}

#[test]
fn close_is_sent_again_after_an_error_of_the_server_only() {
    let _rule = bitsup_server::rule!("ERR-12");
    for status in [500, 502, 503] {
        let peer = once("Close-Session", Reply::status(status, "Later"));
        assert!(upload(&peer.url(), &payload(10), options()).expect("uploaded").close_confirmed);
        assert_eq!(peer.count("Close-Session"), 2);
        let peer = once("Close-Session", lost(status));
        assert_eq!(upload(&peer.url(), &payload(10), options()).expect("uploaded").restarts, 1);
        assert_eq!(peer.count("Create-Session"), 2);
    }
    for status in [400, 403, 404] {
        let (error, peer) = refused("Close-Session", Reply::status(status, "No"));
        assert_eq!(error.http_status(), Some(status));
        assert_eq!(peer.count("Close-Session"), 1);
    }
}

#[test]
fn redirects_of_packets_are_not_followed() {
    let _rule = bitsup_server::rule!("ERR-13");
    for status in [301, 302, 307, 308] {
        for packet in ["Create-Session", "Fragment", "Close-Session"] {
            let other = Scripted::start(|_, _, _| Reply::ack());
            let reply = Reply::status(status, "There").header("Location", &other.url("/up/x.bin"));
            let (error, peer) = refused(packet, reply);
            assert_eq!(error.http_status(), Some(status));
            assert_eq!(peer.count(packet), 1);
            assert!(other.connections().is_empty());
        }
    }
}

#[test]
fn a_dead_connection_is_followed_by_a_ping_on_a_new_one() {
    let _rule = bitsup_server::rule!("ERR-14");
    // Closed after the Ack: the packet was answered, and the next one meets a closed connection
    // or, if that was noticed in time, goes on a new one at once.
    let peer = Peer::start(|call| match (call.packet, call.nth) {
        ("Fragment", 1) => Turn::After(crate::common::peer::received(1000).then_close()),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert_eq!((peer.count("Create-Session"), peer.count("Close-Session")), (1, 1));
    let mut seen = ranges(&peer.raw);
    seen.retain(|range| range != "998-998/2500" && range != "2498-2498/2500");
    assert_eq!(seen, ["0-999/2500", "1000-1999/2500", "2000-2499/2500"]);
    assert_eq!(peer.files(), [payload(2500)]);

    for (packet, expected) in [
        ("Create-Session", vec!["Create-Session", "Create-Session", "Fragment", "Close-Session"]),
        (
            "Fragment",
            vec![
                "Create-Session",
                "Fragment",
                "Ping",
                "Fragment",
                "Fragment",
                "Fragment",
                "Close-Session",
            ],
        ),
        (
            "Close-Session",
            vec!["Create-Session", "Fragment", "Close-Session", "Ping", "Close-Session"],
        ),
    ] {
        let peer = once(packet, Reply::close());
        let options = with(|o| o.verify = VerifyPolicy::Never);
        upload(&peer.url(), &payload(10), options).expect("uploaded");
        let requests = peer.raw.requests();
        assert_eq!(types(&peer.raw), expected);
        let at = expected.iter().position(|seen| *seen == packet).expect("it");
        let after: Vec<_> = requests[at..].iter().map(|request| request.connection).collect();
        // A connection that died when it was reused makes the session use each one once (GIV-07).
        let reuses = packet == "Create-Session";
        let once = |pair: &[usize]| (pair[0] == pair[1]) == reuses;
        assert_ne!(after[0], after[1]);
        assert!(after[1..].windows(2).all(once), "{packet}: {after:?}");
        if packet == "Fragment" {
            // A probe comes first, and since no connection is used twice, one before Close-Session.
            assert_eq!(ranges(&peer.raw), ["0-9/10", "1-1/10", "0-9/10", "8-8/10"]);
        }
    }
}

#[test]
fn a_create_on_a_reused_connection_is_not_resent_beneath() {
    let _rule = bitsup_server::rule!("ERR-14");
    // The second Create-Session replaces a lost session, on the connection that is there.
    let peer = Peer::start(|call| match (call.packet, call.nth) {
        ("Fragment", 1) => Turn::Answer(lost(500)),
        ("Create-Session", 2) => Turn::Answer(Reply::close()),
        _ => Turn::Serve,
    });
    let (result, events) = watched(&peer.url(), Source::bytes(payload(10)), options());
    result.expect("uploaded");
    assert_eq!(peer.count("Create-Session"), 3);
    let sent = |event: &&Event| matches!(event, Event::Packet(sent) if sent.packet == bitsup::PacketType::CreateSession);
    assert_eq!(events.iter().filter(sent).count(), 3, "each was the state machine's wish");
}

#[test]
fn a_server_without_uploads_is_named() {
    let _rule = bitsup_server::rule!("ERR-15");
    for status in [404, 501] {
        let (error, _) = refused("Create-Session", Reply::status(status, "No"));
        assert!(error.advice().contains("enable"), "{status}: {}", error.advice());
    }
    // The second Fragment has the size of the first, which passed: it is not too large.
    let peer = answering(|nth| (nth == 2).then(|| Reply::status(404, "Not Found")));
    let error = upload(&peer.url(), &payload(2500), options()).expect_err("not found");
    let advice = error.advice().to_lowercase();
    assert!(advice.contains("enable") && advice.contains("limit"), "{advice}");
}

#[test]
fn a_transient_error_of_the_application_keeps_the_session() {
    let _rule = bitsup_server::rule!("ERR-16");
    // The server has the last part, and the application behind it failed.
    let failed = || Turn::After(with_headers(503, &[("BITS-Error-Context", "0x7")]));
    let begin = ["Create-Session", "Fragment 0", "Fragment 1000", "Fragment 2000", "Ping"];
    let peer = Peer::start(move |call| if call.is("Fragment", 3) { failed() } else { Turn::Serve });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert_eq!(peer.packets()[..5], begin);
    assert_eq!(peer.packets()[5..], ["Fragment 1998", "Fragment 2000", "Close-Session"]);
    assert_eq!(ranges(&peer.raw)[2..], ["2000-2499/2500", "1998-1998/2500", "2000-2499/2500"]);
    assert_eq!(peer.files(), [payload(2500)]);
    // It trims what it has: by its 200 to a probe the application ran.
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Fragment", 3) => failed(),
        ("Fragment", 4..) => Turn::Answer(crate::common::peer::received(2500)),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert_eq!(peer.packets()[..5], begin);
    assert_eq!(peer.packets()[5..], ["Fragment 1998", "Fragment 1998", "Close-Session"]);
    assert_eq!(peer.files(), [payload(2500)]);
}
