//! Packets as they stand on the wire.

use std::collections::BTreeSet;

use crate::common::payload;
use crate::common::peer::{
    PATIENCE, Peer, Turn, created, ended, name, options, range, received, start, upload,
};
use crate::common::wire::{
    Zeros, answering, corrected, echo, lengths, milliseconds, of_type, ranges, types, with,
};
use bitsup::{CancelMode, Client, ErrorKind, Source, VerifyPolicy};
use bitsup_server::scripted::{Latch, Reply, Request, Scripted};

const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
const TARGET: &str = "/up/a.bin?x=1";

/// An upload that meets a Host-Id, a lost connection and a lost session, a cancelled one, and one
/// that its caller drives packet by packet.
fn everything() -> Scripted {
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Create-Session", 1) => {
            Turn::After(created("{session-1}").header("BITS-Host-Id", "127.0.0.1"))
        }
        ("Fragment", 2) => Turn::Answer(Reply::drop_after_body_bytes(100)),
        ("Fragment", 3) => Turn::Answer(crate::common::peer::lost(500)),
        // The first Fragment of the second upload.
        ("Fragment", 8) => Turn::Answer(Reply::hang().held(&held)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let url = peer.raw.url(TARGET);
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("b.bin");
    std::fs::write(&file, payload(2500)).expect("written");
    let source = Source::path(&file).expect("source");
    // Without a HEAD, whatever follows: this is about packets.
    let unverified = with(|o| o.verify = VerifyPolicy::Never);
    let first = client.upload(source, &url).options(unverified).start().expect("started");
    assert_eq!(ended(&first).expect("uploaded").restarts, 1);
    assert_eq!(peer.files(), [payload(2500)]);

    let second = start(&client, &url, &payload(2500), options());
    peer.wait_for("Fragment", 8);
    second.cancel(CancelMode::Delete);
    ended(&second).expect_err("cancelled");
    latch.open();

    client.ping(&url, &options()).expect("an answer");
    let mut session = client.session(&url, 10, "c.bin", &options()).expect("session");
    assert_eq!(session.send(payload(10)).expect("sent"), 10);
    session.close().expect("closed");
    let mut session = client.session(&url, 10, "c.bin", &options()).expect("session");
    session.cancel().expect("cancelled");

    let seen: BTreeSet<_> = types(&peer.raw).into_iter().collect();
    let all = ["Cancel-Session", "Close-Session", "Create-Session", "Fragment", "Ping"];
    assert_eq!(seen, all.map(str::to_owned).into());
    peer.raw
}

#[test]
fn every_packet_has_its_headers_and_no_others() {
    let _rule = bitsup_server::rule!("PKT-01", "PKT-02", "PKT-04", "PKT-05");
    let raw = everything();
    for request in raw.requests() {
        let head = String::from_utf8(request.head.clone()).expect("ASCII");
        assert!(head.starts_with(&format!("BITS_POST {TARGET} HTTP/1.1\r\n")), "{head}");
        assert_eq!(request.header_values("BITS-Packet-Type").len(), 1, "{head}");
        assert_eq!(request.header_values("Host"), [raw.address().to_string()], "{head}");
        let lengths = request.header_values("Content-Length");
        assert_eq!(lengths.len(), 1, "{head}");
        assert!(lengths[0].bytes().all(|byte| byte.is_ascii_digit()), "{head}");
        if request.packet_type() != "Fragment" {
            assert_eq!(lengths, ["0"], "{head}");
            assert!(request.body.is_empty(), "{head}");
        }
        for absent in
            ["Transfer-Encoding", "Expect", "Content-Type", "Content-Encoding", "Upgrade", "Range"]
        {
            assert!(request.header_values(absent).is_empty(), "{head}");
        }
    }
    for connection in raw.connections() {
        assert_eq!(String::from_utf8_lossy(&connection.stray), "");
    }
}

#[test]
fn each_type_of_packet_carries_what_belongs_to_it() {
    let _rule = bitsup_server::rule!("PKT-21", "PKT-31", "PKT-32", "PKT-51", "PKT-61");
    let raw = everything();
    for ping in of_type(&raw, "Ping") {
        for absent in ["BITS-Session-Id", "Content-Name", "Content-Range"] {
            assert!(ping.header_values(absent).is_empty(), "{absent}");
        }
    }
    for create in of_type(&raw, "Create-Session") {
        assert_eq!(create.header_values("BITS-Supported-Protocols"), [PROTOCOL]);
        assert!(create.header_values("BITS-Session-Id").is_empty());
        assert!(create.header_values("Content-Range").is_empty());
    }
    // The one that replaces a lost session is among them.
    assert_eq!(of_type(&raw, "Create-Session").len(), 5);
    for (packet, nth) in [("Create-Session", 0), ("Create-Session", 1), ("Fragment", 0)] {
        assert_eq!(of_type(&raw, packet)[nth].header_values("Content-Name"), ["b.bin"]);
    }
    for packet in ["Close-Session", "Cancel-Session"] {
        for request in of_type(&raw, packet) {
            assert!(!request.header("BITS-Session-Id").is_empty());
            assert!(request.header_values("Content-Range").is_empty());
            assert!(request.header_values("BITS-Supported-Protocols").is_empty());
        }
    }
    assert_eq!(of_type(&raw, "Close-Session")[0].header_values("Content-Name"), ["b.bin"]);
    assert_eq!(of_type(&raw, "Close-Session")[1].header_values("Content-Name"), ["c.bin"]);
}

#[test]
fn a_fragment_is_the_bytes_that_its_range_names() {
    let _rule = bitsup_server::rule!("PKT-41", "PKT-42");
    let bytes = payload(2500);
    let peer = Peer::plain();
    upload(&peer.url(), &bytes, options()).expect("uploaded");
    assert_eq!(ranges(&peer.raw), ["0-999/2500", "1000-1999/2500", "2000-2499/2500"]);
    for request in of_type(&peer.raw, "Fragment") {
        let (first, end) = range(&request).expect("a range");
        let place = usize::try_from(first).expect("small")..usize::try_from(end).expect("small");
        assert_eq!(request.header_values("Content-Range").len(), 1);
        assert_eq!(request.content_length() as u64, end - first);
        assert_eq!(request.body, bytes[place]);
    }
}

#[test]
fn undisturbed_fragments_are_contiguous() {
    let _rule = bitsup_server::rule!("PKT-45");
    for (size, fragment) in [(1, None), (5_000_001, None), (100_000, Some(333)), (7, Some(1))] {
        let peer = answering(|_| None);
        upload(&peer.url(), &payload(size), with(|o| o.fragment_size = fragment)).expect("done");
        let mut at = 0;
        for request in of_type(&peer.raw, "Fragment") {
            let (first, end) = range(&request).expect("a range");
            assert_eq!(first, at);
            at = end;
        }
        assert_eq!(at, size as u64);
    }
}

#[test]
fn the_largest_fragment_goes_out_whole_and_plainly() {
    let _rule = bitsup_server::rule!("PKT-04", "PKT-05");
    let size = 28 << 20;
    let peer = answering(|_| None);
    let client = Client::new().expect("client");
    let source = Source::read_at(Zeros, size);
    let options = with(|o| o.fragment_size = Some(size));
    let upload = client.upload(source, &peer.url()).options(options).start().expect("started");
    ended(&upload).expect("uploaded");
    let fragments = of_type(&peer.raw, "Fragment");
    assert_eq!(fragments.len(), 1);
    assert_eq!(fragments[0].header_values("Content-Length"), [size.to_string()]);
    assert_eq!(fragments[0].body.len() as u64, size);
    for absent in ["Transfer-Encoding", "Expect", "Content-Type", "Content-Encoding"] {
        assert!(fragments[0].header_values(absent).is_empty(), "{absent}");
    }
}

#[test]
fn nothing_is_sent_while_an_ack_is_missing() {
    let _rule = bitsup_server::rule!("PKT-06");
    let late = milliseconds(1000);
    let peer = answering(move |nth| (nth == 2).then(|| received(2000).delayed(milliseconds(1000))));
    upload(&peer.url(), &payload(3000), options()).expect("uploaded");
    let requests = peer.raw.requests();
    let at = requests.iter().position(|r| r.header("Content-Range").contains("1000-")).expect("it");
    let held = requests[at].completed.expect("complete");
    assert!(requests[at + 1].began >= held + late);
    assert_eq!(requests.iter().filter(|r| r.began > held && r.began < held + late).count(), 0);
    let connections = peer.raw.connections();
    assert!(connections.iter().all(|c| c.stray.is_empty() && c.opened < held + late));
}

#[test]
fn two_files_are_two_sessions() {
    let _rule = bitsup_server::rule!("PKT-07");
    let (one, other) = (payload(5000), payload(9000)[4000..].to_vec());
    let peer = Peer::plain();
    let client = Client::new().expect("client");
    let uploads = [&one, &other].map(|bytes| start(&client, &peer.url(), bytes, options()));
    let ids = uploads.each_ref().map(|u| ended(u).expect("uploaded").session_id.expect("an id"));
    assert_ne!(ids[0], ids[1]);
    assert_eq!(peer.count("Create-Session"), 2);
    for (id, bytes) in ids.iter().zip([&one, &other]) {
        let fragments = of_type(&peer.raw, "Fragment");
        let own = fragments.iter().filter(|r| r.header("BITS-Session-Id") == *id);
        let sent: Vec<u8> = own.flat_map(|r| r.body.clone()).collect();
        assert_eq!(sent, *bytes);
    }
}

#[test]
fn each_session_keeps_to_a_connection_of_its_own() {
    let _rule = bitsup_server::rule!("PKT-08");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match (call.packet, range(call.request)) {
        ("Fragment", Some((0, end))) => Turn::After(received(end).held(&held)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let bytes = payload(5000);
    let uploads: Vec<_> = (0..10).map(|_| start(&client, &peer.url(), &bytes, options())).collect();
    peer.wait_for("Fragment", 10);
    latch.open();
    let ids: Vec<_> =
        uploads.iter().map(|u| ended(u).expect("uploaded").session_id.expect("an id")).collect();
    let requests = peer.raw.requests();
    let connections = |id: &String| -> BTreeSet<usize> {
        let own = requests.iter().filter(|r| r.header("BITS-Session-Id") == *id);
        own.map(|r| r.connection).collect()
    };
    let all: BTreeSet<_> = ids.iter().flat_map(connections).collect();
    assert!(ids.iter().all(|id| connections(id).len() == 1));
    assert_eq!(all.len(), 10);
    // Create-Session, which has no id yet, went the same ways.
    assert_eq!(peer.raw.connections().len(), 10);
}

#[test]
fn the_transcript_of_the_specification_is_followed() {
    let _rule = bitsup_server::rule!("PKT-09");
    let head = "HTTP/1.1 200 OK\r\nDate: Mon, 18 Jun 2007 21:01:56 GMT\r\nServer: Microsoft-IIS/6.0\r\nPragma: no-cache\r\nBITS-Packet-Type: Ack\r\n";
    let id = "{A0FF5911-4144-45B3-BF27-27AFC8EC8A67}";
    let raw = Scripted::start(move |_, request, _| {
        let rest = match request.packet_type().as_str() {
            "Create-Session" => format!(
                "BITS-Protocol: {PROTOCOL}\r\nBITS-Session-Id: {id}\r\nContent-Length: 0\r\nAccept-encoding: identity\r\n\r\n"
            ),
            "Fragment" => "Content-Length: 0\r\nBITS-Received-Content-Range: 4892\r\n\r\n".into(),
            _ => "Content-Length: 0\r\n\r\n".into(),
        };
        Reply::raw(format!("{head}{rest}"))
    });
    let client = Client::new().expect("client");
    let source = Source::bytes(payload(4892)).named("rfc2119.txt");
    let url = raw.url("/upload/2000mb-rfc2119.txt");
    let receipt = ended(&client.upload(source, &url).start().expect("started")).expect("uploaded");
    assert!(receipt.close_confirmed && receipt.verified);
    assert_eq!(types(&raw), ["Create-Session", "Fragment", "Close-Session"]);
    let sent = |nth: usize, header: &str| raw.requests()[nth].header(header);
    assert_eq!(sent(0, "BITS-Supported-Protocols"), PROTOCOL);
    assert_eq!(sent(1, "Content-Range"), "bytes 0-4891/4892");
    assert_eq!(
        (0..3).map(|nth| sent(nth, "Content-Length")).collect::<Vec<_>>(),
        ["0", "4892", "0"]
    );
    assert_eq!((sent(1, "BITS-Session-Id"), sent(2, "BITS-Session-Id")), (id.into(), id.into()));
    for nth in 0..3 {
        assert_eq!(sent(nth, "Content-Name"), "rfc2119.txt");
        assert_eq!(raw.requests()[nth].target, "/upload/2000mb-rfc2119.txt");
    }
}

#[test]
fn names_lose_what_windows_forbids() {
    let _rule = bitsup_server::rule!("PKT-33");
    for (given, sent) in [
        ("a:b*c.bin", Some("abc.bin")),
        (r#"<>:"/\|?*"#, None),
        ("a\r\nX-Evil: 1", Some("aX-Evil 1")),
    ] {
        let peer = Peer::plain();
        let client = Client::new().expect("client");
        let source = Source::bytes(payload(10)).named(given);
        ended(&client.upload(source, &peer.url()).start().expect("started")).expect("uploaded");
        for request in peer.raw.requests() {
            assert!(request.header_values("X-Evil").is_empty());
            let names = request.header_values("Content-Name");
            assert_eq!(names, sent.into_iter().collect::<Vec<_>>(), "{given:?}");
        }
    }
}

#[test]
fn session_ids_are_echoed_byte_for_byte() {
    let _rule = bitsup_server::rule!("PKT-43", "PKT-61");
    for id in ["{aBcD}", "-12345", "{7B6F0000-aaaa-BBBB-cccc-0123456789aF}", "x;y=\"z\",{}"] {
        let peer = Peer::start(move |call| match call.packet {
            "Create-Session" => Turn::Answer(created(id)),
            "Fragment" if call.nth == 4 => Turn::Answer(Reply::hang()),
            "Fragment" => echo(call.request),
            _ => Turn::Answer(Reply::ack()),
        });
        upload(&peer.url(), &payload(2500), options()).expect("uploaded");
        let client = Client::new().expect("client");
        let cancelled = start(&client, &peer.url(), &payload(2500), options());
        peer.wait_for("Fragment", 4);
        cancelled.cancel(CancelMode::Delete);
        ended(&cancelled).expect_err("cancelled");
        for packet in ["Fragment", "Close-Session", "Cancel-Session"] {
            let requests = of_type(&peer.raw, packet);
            assert!(!requests.is_empty());
            for request in requests {
                assert_eq!(request.header_values("BITS-Session-Id"), [id], "{packet}");
            }
        }
    }
}

#[test]
fn offsets_have_64_bits() {
    let _rule = bitsup_server::rule!("PKT-44");
    let size = 5_368_709_120;
    // Only a session that is continued may be so far ahead, with the very file that it began with.
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(size).expect("a sparse file");
    let peer = answering(move |nth| match nth {
        1 => Some(received(1000)),
        2 => Some(Reply::hang()),
        3 => Some(corrected(4_294_967_296)),
        _ => Some(received(size)),
    });
    let client = Client::new().expect("client");
    let source = || Source::path(file.path()).expect("source");
    let upload = client.upload(source(), &peer.url()).options(options()).start().expect("started");
    peer.wait_for("Fragment", 2);
    upload.cancel(CancelMode::Keep);
    let error = ended(&upload).expect_err("stopped");
    let again = client.import(error.token().expect("a token"), source()).expect("imported");
    let upload = again.options(options()).start().expect("started");
    let result = ended(&upload);
    assert_eq!(result.map(|receipt| receipt.size).ok(), Some(size), "{:?}", peer.packets());
    let expected = ["0-999", "1000-1999", "998-998", "4294967296-4294968295"];
    assert_eq!(ranges(&peer.raw), expected.map(|range| format!("{range}/5368709120")));
    assert_eq!(lengths(&peer.raw), [1000, 1000, 1, 1000]);
}

#[test]
fn path_and_query_stay_as_they_are() {
    let _rule = bitsup_server::rule!("PKT-02");
    for target in ["/up/a.bin?x=1", "/a/../b//c%2E{x}/~|^?q=a+b&[c]=%3F/..", "/x?", "/x?a?b"] {
        let latch = Latch::new();
        let held = latch.clone();
        let peer = Peer::start(move |call| match (call.packet, call.nth) {
            ("Fragment", 1) => Turn::Answer(Reply::close()),
            // Three are the first file, and two are probes: after the loss, and before Close-Session.
            ("Fragment", 7) => Turn::Answer(Reply::hang().held(&held)),
            _ => Turn::Serve,
        });
        let url = peer.raw.url(target);
        upload(&url, &payload(2500), options()).expect("uploaded");
        let client = Client::new().expect("client");
        let cancelled = start(&client, &url, &payload(2500), options());
        peer.wait_for("Fragment", 7);
        cancelled.cancel(CancelMode::Delete);
        ended(&cancelled).expect_err("cancelled");
        latch.open();
        assert!(
            peer.raw.wait_until(PATIENCE, |raw| types(raw).iter().any(|t| t == "Cancel-Session"))
        );
        for request in peer.raw.requests() {
            assert_eq!(request.target, target, "{}", name(&request));
        }
    }
}

#[test]
fn a_request_line_never_has_another_version() {
    let _rule = bitsup_server::rule!("PKT-03");
    for request in everything().requests() {
        assert_eq!(request.version, "HTTP/1.1");
        assert!(request.header_values("Upgrade").is_empty() && is_keep_alive(&request));
    }
}

fn is_keep_alive(request: &Request) -> bool {
    request.header_values("Connection").iter().all(|value| value.eq_ignore_ascii_case("keep-alive"))
}

/// A server that answers before the body is there cannot have stored it.
#[test]
fn an_answer_that_overtakes_its_body_is_no_success() {
    let _rule = bitsup_server::rule!("TRU-01");
    let size = 28_000_000;
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Fragment", 1) => {
            // It stays open: a close with bytes unread is a reset, which may take the answer back.
            Turn::Answer(received(size).before_body().then_hang())
        }
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let url = peer.raw.url(TARGET);
    let mut session = client.session(&url, size, "c.bin", &options()).expect("session");
    let error = session.send(payload(usize::try_from(size).expect("small"))).expect_err("unclear");
    assert!(error.message().contains("before"), "{error}");
    assert_eq!(session.offset(), 0);
}

/// What stands at the server without having been sent is of another session.
#[test]
fn a_session_that_has_foreign_bytes_is_never_closed() {
    let _rule = bitsup_server::rule!("TRU-04", "OFF-03");
    for foreign in [received(100), corrected(100), received(11)] {
        let peer = answering(move |nth| (nth == 1).then(|| foreign.clone()));
        let client = Client::new().expect("client");
        let mut session = client.session(&peer.url(), 100, "c.bin", &options()).expect("session");
        let error = session.send(payload(10)).expect_err("foreign");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.message().contains("not sent"), "{error}");
        assert_eq!(session.offset(), 0);
        for error in [session.send(payload(10)).map(drop), session.close()] {
            let error = error.expect_err("nothing makes it right");
            assert!(error.message().contains("cancel it"), "{error}");
        }
        session.cancel().expect("cancelled");
        assert_eq!(types(&peer.raw), ["Create-Session", "Fragment", "Cancel-Session"]);
    }
}

/// What has gone out may be there, whatever became of its answer.
#[test]
fn an_offset_up_to_what_has_gone_out_is_followed() {
    let _rule = bitsup_server::rule!("OFF-01", "OFF-03");
    let peer = answering(|nth| match nth {
        1 => Some(Reply::close()),
        2 => Some(corrected(10)),
        3 => Some(received(0)),
        4 => Some(received(20)),
        _ => None,
    });
    let client = Client::new().expect("client");
    let mut session = client.session(&peer.url(), 20, "c.bin", &options()).expect("session");
    session.send(payload(10)).expect_err("lost");
    assert_eq!(session.send(payload(10)).expect("the truth"), 10);
    assert_eq!(session.send(payload(10)).expect("back"), 0);
    assert_eq!(session.send(payload(5)).expect("ahead"), 20);
    session.close().expect("closed");
}

/// What was not carried out for certain and what was not refused for certain is unclear.
#[test]
fn a_packet_without_a_valid_answer_says_that_its_end_is_unclear() {
    let _rule = bitsup_server::rule!("TRU-03");
    let unclear = [
        Reply::close(),
        Reply::status(503, "Later"),
        Reply::status(408, "Late"),
        Reply::status(500, "No").header("BITS-Error-Code", "0x80004005"),
        Reply::status(403, "No"),
        Reply::ack(),
        Reply::status(200, "OK"),
        received(9).header("BITS-Session-Id", "{another}"),
    ];
    let clear = [
        Reply::status(401, "Who").header("WWW-Authenticate", "Basic realm=\"up\""),
        Reply::status(413, "Too large"),
        Reply::status(404, "Too large"),
        crate::common::peer::lost(500),
    ];
    let cases = unclear.map(|reply| (reply, true)).into_iter().chain(clear.map(|r| (r, false)));
    for (reply, is_unclear) in cases {
        let told = format!("{reply:?}");
        let peer = answering(move |nth| (nth == 1).then(|| reply.clone()));
        let client = Client::new().expect("client");
        let mut session = client.session(&peer.url(), 10, "c.bin", &options()).expect("session");
        let error = session.send(payload(10)).expect_err("no answer");
        assert_eq!(error.message().contains("stored the part is unclear"), is_unclear, "{error}");
        assert_eq!(error.advice().contains("stores it twice"), is_unclear, "{told}");
        assert_eq!(session.offset(), 0);
    }
    // Nothing has gone out.
    let peer = answering(|_| None);
    let client = Client::new().expect("client");
    let mut session = client.session(&peer.url(), 10, "c.bin", &options()).expect("session");
    drop(peer);
    let error = session.send(payload(10)).expect_err("no server is there");
    assert!(!error.message().contains("unclear"), "{error}");
}

#[test]
fn a_close_without_a_valid_answer_says_that_its_end_is_unclear() {
    let _rule = bitsup_server::rule!("TRU-02", "SES-05");
    // The last one may be the second copy of the Fragment's answer.
    for first in
        [Reply::close(), Reply::status(503, "Later"), Reply::status(200, "OK"), received(10)]
    {
        let second =
            [Reply::ack(), crate::common::peer::lost(500), Reply::status(403, "No"), received(10)];
        for (nth, second) in second.into_iter().enumerate() {
            let (first, second) = (first.clone(), second);
            let peer = Peer::start(move |call| match (call.packet, call.nth) {
                ("Close-Session", 1) => Turn::Answer(first.clone()),
                ("Close-Session", 2) => Turn::Answer(second.clone()),
                _ => Turn::Serve,
            });
            let client = Client::new().expect("client");
            let url = peer.raw.url(TARGET);
            let mut session = client.session(&url, 10, "c.bin", &options()).expect("session");
            session.send(payload(10)).expect("sent");
            let error = session.close().expect_err("no answer");
            assert!(error.message().contains("closed the session"), "{error}");
            let closed = session.close();
            assert_eq!(closed.is_ok(), nth == 0 || nth == 3, "{closed:?}");
            if let Err(error) = closed {
                assert!(error.message().contains("closed the session"), "{error}");
            }
        }
    }
    // A refusal is one.
    let peer = Peer::start(|call| match call.packet {
        "Close-Session" => Turn::Answer(Reply::status(403, "No")),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let url = peer.raw.url(TARGET);
    let mut session = client.session(&url, 0, "c.bin", &options()).expect("session");
    let error = session.close().expect_err("refused");
    assert!(!error.message().contains("unclear"), "{error}");
}

#[test]
fn a_create_without_an_answer_may_have_left_a_session() {
    let peer = Peer::start(|_| Turn::Answer(Reply::close()));
    let client = Client::new().expect("client");
    let error = client.session(&peer.raw.url(TARGET), 10, "", &options()).expect_err("no answer");
    assert!(error.may_be_left(), "{error}");
}
