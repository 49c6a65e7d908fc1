//! What counts as an Ack, and what does not.

use crate::common::payload;
use crate::common::peer::{
    PATIENCE, Peer, Turn, created, ended, lost, options, received, start, upload,
};
use crate::common::wire::{
    always, answering, corrected, echo, of_type, once, ranges, types, watched, with,
};
use bitsup::{Client, Error, ErrorKind, Event, Hresult, Source};
use bitsup_server::scripted::{Latch, Reply, Scripted};

const INVALID: Hresult = Hresult::INVALID_SERVER_RESPONSE;
const HTML: &str = "<html><body>It works!</body></html>";

/// The error of one packet that a caller sent by itself, under a reply to that packet.
fn error_of(packet: &'static str, reply: Reply) -> Error {
    let peer = always(packet, reply);
    let client = Client::new().expect("client");
    let session = || client.session(&peer.url(), 10, "x.bin", &options());
    match packet {
        "Ping" => client.ping(&peer.url(), &options()).expect_err("Ping"),
        "Create-Session" => session().expect_err("Create-Session"),
        "Fragment" => session().expect("created").send(payload(10)).expect_err("Fragment"),
        "Cancel-Session" => session().expect("created").cancel().expect_err("Cancel-Session"),
        _ => {
            let mut session = session().expect("created");
            session.send(payload(10)).expect("sent");
            session.close().expect_err("Close-Session")
        }
    }
}

#[test]
fn every_spelling_of_an_ack_is_one() {
    let _rule = bitsup_server::rule!("ACK-01");
    for line in ["BITS-Packet-Type: ACK", "bits-packet-type: ack", "BITS-Package-Type: Ack"] {
        let (name, value) = line.split_once(": ").expect("a header");
        let peer = Peer::start(move |call| {
            let reply = Reply::status(200, "OK").header(name, value);
            Turn::Answer(match call.packet {
                "Create-Session" => reply.header("BITS-Session-Id", "{1}"),
                "Fragment" => reply.header("BITS-Received-Content-Range", "10"),
                _ => reply,
            })
        });
        upload(&peer.url(), &payload(10), options()).expect(line);
    }
}

#[test]
fn a_success_that_is_no_ack_is_invalid_for_every_packet() {
    let _rule = bitsup_server::rule!("ACK-02");
    let replies = [
        Reply::status(200, "OK").body(HTML),
        Reply::status(201, "Created").body(HTML),
        Reply::status(200, "OK").header("BITS-Packet-Type", "Nack").body(HTML),
    ];
    for reply in replies {
        for packet in ["Ping", "Create-Session", "Fragment", "Close-Session", "Cancel-Session"] {
            let error = error_of(packet, reply.clone());
            assert_eq!((error.kind(), error.hresult()), (ErrorKind::Protocol, Some(INVALID)));
        }
        let peer = always("Close-Session", reply);
        let error = upload(&peer.url(), &payload(10), options()).expect_err("no Ack");
        assert_eq!(error.hresult(), Some(INVALID), "{error}");
        assert!(peer.files().is_empty());
    }
}

#[test]
fn an_error_needs_no_packet_type() {
    let _rule = bitsup_server::rule!("ACK-03");
    let peer = answering(|nth| (nth == 1).then(|| corrected(5)));
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
    assert_eq!(ranges(&peer.raw), ["0-9/10", "5-9/10"]);

    let peer =
        once("Fragment", Reply::status(500, "Error").header("BITS-Error-Code", "0x8020001F"));
    let receipt = upload(&peer.url(), &payload(10), options()).expect("uploaded");
    assert_eq!((receipt.restarts, peer.count("Create-Session")), (1, 2));
}

#[test]
fn names_match_in_any_case_and_unknown_ones_change_nothing() {
    let _rule = bitsup_server::rule!("ACK-04");
    let peer = Peer::start(|call| {
        let reply = Reply::status(200, "OK").header("X-A", "5").header("BITS-Foo", "0x80070005");
        Turn::Answer(match (call.packet, call.nth) {
            ("Create-Session", _) => {
                reply.header("bits-packet-type", "Ack").header("BITS-SESSION-ID", "{1}")
            }
            ("Fragment", 1) => {
                reply.header("BITS-PACKET-TYPE", "Ack").header("bits-received-content-range", "5")
            }
            ("Fragment", _) => {
                reply.header("bits-packet-type", "Ack").header("BITS-RECEIVED-CONTENT-RANGE", "10")
            }
            _ => reply.header("Bits-Packet-Type", "Ack"),
        })
    });
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
    assert_eq!(ranges(&peer.raw), ["0-9/10", "5-9/10"]);
}

#[test]
fn a_body_is_discarded_and_the_next_answer_is_read() {
    let _rule = bitsup_server::rule!("ACK-05");
    let page = HTML.repeat(120);
    assert!(page.len() > 4000);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Received-Content-Range: 1000\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{page}\r\n0\r\n\r\n",
        page.len()
    );
    let replies = [
        (received(1000).body(page.clone()), "1000-1999/2500"),
        (corrected(1000).body(page.clone()), "1000-1999/2500"),
        (Reply::status(503, "Busy").body(page), "1-1/2500"),
        (Reply::raw(chunked), "1000-1999/2500"),
    ];
    for (reply, next) in replies {
        let peer = answering(move |nth| (nth == 1).then(|| reply.clone()));
        let options = with(|o| o.verify = bitsup::VerifyPolicy::Never);
        upload(&peer.url(), &payload(2500), options).expect("uploaded");
        assert_eq!(ranges(&peer.raw)[1], next);
        // An answer whose body was read to its end leaves the connection as it was.
        let connections: Vec<_> = peer.raw.requests().iter().map(|r| r.connection).collect();
        assert!(connections.iter().all(|number| *number == 0), "{connections:?}");
    }
}

#[test]
fn an_ack_may_leave_the_session_out_but_not_name_another() {
    let _rule = bitsup_server::rule!("ACK-06");
    let guid = "{7b6f0000-aaaa-bbbb-cccc-0123456789af}";
    let answered = |id: Option<String>| {
        Peer::start(move |call| match (call.packet, &id) {
            ("Create-Session", _) => Turn::Answer(created(guid)),
            ("Fragment", None) => echo(call.request),
            ("Fragment", Some(id)) => Turn::Answer(received(10).header("BITS-Session-Id", id)),
            _ => Turn::Answer(Reply::ack()),
        })
    };
    for id in [None, Some(guid.to_owned()), Some(guid.to_uppercase())] {
        upload(&answered(id).url(), &payload(10), options()).expect("uploaded");
    }
    for id in ["{7b6f0000-aaaa-bbbb-cccc-0123456789ae}", "another"] {
        let peer = answered(Some(id.into()));
        let error = upload(&peer.url(), &payload(10), options()).expect_err("another session");
        assert_eq!((error.kind(), error.hresult()), (ErrorKind::Protocol, Some(INVALID)));
        assert_eq!(peer.count("Close-Session"), 0);
    }
}

#[test]
fn only_200_is_success_but_for_create() {
    let _rule = bitsup_server::rule!("ACK-07");
    let peer = once(
        "Create-Session",
        Reply::status(201, "Created")
            .header("BITS-Packet-Type", "Ack")
            .header("BITS-Session-Id", "{session-1}"),
    );
    // The peer did not note the session, and finds it lost: the id was taken all the same.
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
    assert_eq!(of_type(&peer.raw, "Fragment")[0].header("BITS-Session-Id"), "{session-1}");

    for status in [201, 202, 204] {
        for packet in ["Fragment", "Close-Session"] {
            let reply = Reply::status(status, "Odd")
                .header("BITS-Packet-Type", "Ack")
                .header("BITS-Received-Content-Range", "10");
            let reply = if status == 204 { reply.without_length() } else { reply };
            let peer = always(packet, reply);
            let error = upload(&peer.url(), &payload(10), options()).expect_err("no success");
            assert_eq!(error.hresult(), Some(INVALID), "{status} {packet}: {error}");
            if packet == "Fragment" {
                let first = |range: &String| range == "0-9/10" || range == "1-1/10";
                assert!(ranges(&peer.raw).iter().all(first));
                assert_eq!(peer.count("Close-Session"), 0);
            }
        }
    }
}

#[test]
fn a_create_ack_without_session_is_invalid() {
    let _rule = bitsup_server::rule!("ACK-08");
    let peer = always("Create-Session", Reply::ack());
    let error = upload(&peer.url(), &payload(10), options()).expect_err("no session");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Protocol, Some(INVALID)));
    assert!(types(&peer.raw).iter().all(|packet| packet == "Create-Session"));
}

#[test]
fn the_protocol_may_be_left_out_but_not_be_another() {
    let _rule = bitsup_server::rule!("ACK-09", "ACK-10");
    for protocol in [None, Some("{7DF0354D-249B-430F-820D-3D2A9BEF4931}")] {
        let peer = Peer::start(move |call| match (call.packet, protocol) {
            ("Create-Session", None) => Turn::Answer(Reply::ack().header("BITS-Session-Id", "{1}")),
            ("Create-Session", Some(protocol)) => Turn::Answer(
                Reply::ack().header("BITS-Session-Id", "{1}").header("BITS-Protocol", protocol),
            ),
            ("Fragment", _) => echo(call.request),
            _ => Turn::Answer(Reply::ack()),
        });
        upload(&peer.url(), &payload(10), options()).expect("uploaded");
    }
    let reply = Reply::ack()
        .header("BITS-Session-Id", "{1}")
        .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4932}");
    let peer = always("Create-Session", reply);
    let error = upload(&peer.url(), &payload(10), options()).expect_err("another protocol");
    assert_eq!(error.hresult(), Some(Hresult(0x8020_0022)));
    assert_eq!(types(&peer.raw), ["Create-Session"]);
}

#[test]
fn a_server_that_takes_compressed_bodies_only_is_reported() {
    let _rule = bitsup_server::rule!("ACK-11");
    for (codings, goes_on) in [
        (None, true),
        (Some("Identity"), true),
        (Some("gzip, identity"), true),
        (Some("identity;q=0"), false),
        (Some("gzip, *;q=0"), false),
    ] {
        let peer = Peer::start(move |call| match (call.packet, codings) {
            ("Create-Session", Some(codings)) => {
                Turn::After(created("{session-1}").header("Accept-Encoding", codings))
            }
            _ => Turn::Serve,
        });
        let result = upload(&peer.url(), &payload(10), options());
        assert_eq!(result.is_ok(), goes_on, "{codings:?}");
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert_eq!(peer.count("Fragment"), 0);
        }
    }
}

#[test]
fn error_headers_on_a_success_are_told_and_change_nothing() {
    let _rule = bitsup_server::rule!("ACK-12");
    let odd = |reply: Reply| reply.header("BITS-Error-Code", "1").header("BITS-Error-Context", "");
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Ping", _) => Turn::Answer(odd(Reply::ack())),
        ("Fragment", 1) => Turn::Answer(Reply::close()),
        // The second one is a probe.
        ("Fragment", 3) => Turn::After(odd(received(10))),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    client.ping(&peer.url(), &options()).expect("an answer");
    let (result, events) = watched(&peer.url(), Source::bytes(payload(10)), options());
    result.expect("uploaded");
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Ack(ack) => Some((ack.packet.to_string(), ack.status, ack.hresult)),
            _ => None,
        })
        .filter(|(packet, ..)| packet == "Ping" || packet == "Fragment")
        .collect();
    let code = Some(Hresult(1));
    let fragment = || "Fragment".to_owned();
    let expected = [
        ("Ping".into(), 200, code),
        (fragment(), 416, None),
        (fragment(), 200, code),
        // Before Close-Session comes another one, where a connection died that had been used.
        (fragment(), 416, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(peer.files(), [payload(10)]);

    let peer = once("Ping", lost(200));
    let error = Client::new().expect("client").ping(&peer.url(), &options()).expect_err("lost");
    assert_eq!(error.hresult(), Some(Hresult::SESSION_NOT_FOUND));
}

#[test]
fn an_offset_counts_in_the_ack_of_a_fragment_only() {
    let _rule = bitsup_server::rule!("ACK-13");
    let peer = Peer::start(|call| match (call.packet, call.nth) {
        ("Create-Session", _) => {
            Turn::After(created("{session-1}").header("BITS-Received-Content-Range", "7"))
        }
        ("Fragment", 2) => Turn::Answer(Reply::close()),
        ("Ping", _) => Turn::Answer(received(7)),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    let seen = ranges(&peer.raw);
    assert_eq!(seen[..2], ["0-999/2500", "1000-1999/2500"]);
    assert_eq!(seen[2..4], ["998-998/2500", "1000-1999/2500"]);
    assert_eq!(peer.files(), [payload(2500)]);
}

#[test]
fn interim_answers_are_skipped() {
    let _rule = bitsup_server::rule!("ACK-14");
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nBITS-Session-Id: {9}\r\nBITS-Received-Content-Range: 3\r\n\r\n";
    let peer = Peer::start(move |call| {
        let reply = match call.packet {
            "Create-Session" => created("{session-1}"),
            "Fragment" => received(crate::common::peer::range(call.request).expect("a range").1),
            _ => Reply::ack(),
        };
        Turn::After(reply.preceded_by(interim))
    });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert_eq!(peer.files(), [payload(2500)]);
    assert_eq!(peer.raw.connections().len(), 1);
}

#[test]
fn after_an_answer_of_http_1_0_comes_a_new_connection() {
    let _rule = bitsup_server::rule!("ACK-14");
    let peer = Peer::start(|call| {
        let reply = match call.packet {
            "Create-Session" => created("{session-1}"),
            "Fragment" => received(crate::common::peer::range(call.request).expect("a range").1),
            _ => Reply::ack(),
        };
        Turn::After(reply.http10().header("Connection", "keep-alive"))
    });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert_eq!(peer.files(), [payload(2500)]);
    let requests = peer.raw.requests();
    assert!(requests.iter().all(|request| request.version == "HTTP/1.1"));
    let connections: Vec<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 2, 3, 4]);
}

#[test]
fn an_ack_without_length_is_taken_when_its_headers_end() {
    let _rule = bitsup_server::rule!("ACK-15");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| {
        let reply = match call.packet {
            "Create-Session" => created("{session-1}"),
            "Fragment" => received(crate::common::peer::range(call.request).expect("a range").1),
            _ => Reply::ack(),
        };
        // The connection stays open: only the latch ends it.
        Turn::After(reply.without_length().then_hang())
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(2500), options());
    ended(&upload).expect("uploaded");
    held.open();
    assert_eq!(peer.files(), [payload(2500)]);
    drop(latch);
}

#[test]
fn stray_bytes_are_never_an_answer() {
    let _rule = bitsup_server::rule!("ACK-15");
    let stray = "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Received-Content-Range: 2500\r\nContent-Length: 0\r\n\r\n";
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Fragment", 1) => Turn::After(received(1000).followed_by(stray)),
        // The session pauses here, so that what strays has arrived when the next packet goes.
        ("Fragment", 2) => Turn::After(received(2000).held(&held).followed_by(stray)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let mut session = client.session(&peer.url(), 2500, "x.bin", &options()).expect("session");
    assert_eq!(session.send(payload(1000)).expect("sent"), 1000);
    // The stray answer is there.
    let finished = |number: usize| {
        let is = |raw: &Scripted| raw.requests()[number].finished.is_some();
        assert!(peer.raw.wait_until(PATIENCE, is));
    };
    finished(1);
    latch.open();
    assert_eq!(session.send(payload(2000)[1000..].to_vec()).expect("sent"), 2000);
    finished(2);
    assert_eq!(session.send(payload(2500)[2000..].to_vec()).expect("sent"), 2500);
    session.close().expect("closed");
    assert_eq!(peer.files(), [payload(2500)]);
    assert_eq!(peer.raw.connections().len(), 3);
    assert!(peer.raw.wait_for_close(0, PATIENCE) && peer.raw.wait_for_close(1, PATIENCE));
}
