//! Servers that do not want an upload to end: each is left with an error of its own.

use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{Call, PATIENCE, Peer, Turn, lost, options, range, received, upload};
use bitsup::{ErrorKind, Hresult, IfExists, UploadOptions};
use bitsup_server::scripted::Reply;

const SIZE: usize = 5000;

/// The budget of these tests, far below their patience.
fn budget() -> UploadOptions {
    let mut options = options();
    options.give_up_after = Duration::from_secs(6);
    options
}

/// The budget where the server keeps its answers back.
fn short_budget() -> UploadOptions {
    let mut options = budget();
    options.ack_timeout = Duration::from_secs(1);
    options.last_ack_timeout = Duration::from_secs(1);
    options
}

/// How the upload to such a server ends, and that it does so within the patience of all tests.
fn failing(act: impl FnMut(&Call<'_>) -> Turn + Send + 'static) -> (bitsup::Error, Peer) {
    failing_with(budget(), act)
}

fn failing_with(
    options: UploadOptions,
    act: impl FnMut(&Call<'_>) -> Turn + Send + 'static,
) -> (bitsup::Error, Peer) {
    let peer = Peer::start(act);
    let error = upload(&peer.url(), &payload(SIZE), options).expect_err("hostile");
    assert_eq!(peer.files().len(), 0);
    (error, peer)
}

#[test]
fn it_always_forgets_the_session() {
    let (error, peer) = failing(|call| match call.packet {
        "Fragment" => Turn::Answer(lost(500)),
        _ => Turn::Serve,
    });
    assert_eq!(error.hresult(), Some(Hresult::SESSION_NOT_FOUND), "{error}");
    assert_eq!((peer.count("Create-Session"), peer.count("Fragment")), (4, 4));
}

#[test]
fn it_always_wants_the_same_byte() {
    for wanted in ["0", "1000", "777"] {
        let (error, peer) = failing(move |call| match call.packet {
            "Fragment" => Turn::Answer(
                Reply::status(416, "Range")
                    .header("BITS-Packet-Type", "Ack")
                    .header("BITS-Received-Content-Range", wanted),
            ),
            _ => Turn::Serve,
        });
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert_eq!(error.hresult(), Some(Hresult::NO_PROGRESS), "{error}");
        assert!(peer.count("Fragment") <= 5, "{:?}", peer.packets());
    }
}

#[test]
fn it_goes_back_each_time() {
    // One part forward, more than one back; and a little back behind every part.
    let steps: [fn(u64, u64) -> u64; 2] = [
        |first, end| if first % 2000 == 0 { end } else { first - 1000 },
        |first, end| if first == 0 { end } else { first - 1 },
    ];
    for step in steps {
        let (error, peer) = failing(move |call| match range(call.request) {
            Some((first, end)) => Turn::Answer(received(step(first, end))),
            None => Turn::Serve,
        });
        assert_eq!(error.hresult(), Some(Hresult::NO_PROGRESS), "{error}");
        assert!(peer.count("Fragment") < 20, "{:?}", peer.packets());
    }
}

#[test]
fn it_never_answers() {
    let mut patient = short_budget();
    patient.give_up_after = PATIENCE;
    let (error, peer) = failing_with(patient, |_| Turn::Answer(Reply::hang()));
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    peer.wait_for("Create-Session", 3);
    assert_eq!(peer.packets(), ["Create-Session"; 3], "no server has ever answered");

    for packet in ["Fragment", "Close-Session"] {
        let (error, peer) = failing_with(short_budget(), move |call| match call.packet {
            name if name == packet => Turn::Answer(Reply::hang()),
            _ => Turn::Serve,
        });
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(peer.count(packet) >= 2);
        assert_eq!(peer.count("Create-Session"), 1);
        assert!(error.token().is_some(), "the session is still there");
    }
}

#[test]
fn it_answers_one_byte_a_minute() {
    for packet in ["Create-Session", "Fragment", "Close-Session"] {
        let (error, _) = failing_with(short_budget(), move |call| match call.packet {
            name if name == packet => Turn::Answer(Reply::ack().trickled(Duration::from_secs(60))),
            _ => Turn::Serve,
        });
        assert_eq!(error.kind(), ErrorKind::Timeout, "{packet}: {error}");
    }
}

#[test]
fn it_reads_nothing() {
    // The system may take all of it.
    let mut options = short_budget();
    options.fragment_size = Some(20_000_000);
    options.stall_timeout = Duration::from_millis(500);
    let peer = Peer::start(|call| match call.packet {
        "Fragment" => Turn::Answer(Reply::hang().before_body()),
        _ => Turn::Serve,
    });
    let error = upload(&peer.url(), &payload(20_000_000), options).expect_err("hostile");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[test]
fn it_says_later_for_ever() {
    let (error, peer) = failing(|_| Turn::Answer(Reply::status(503, "Later")));
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(error.http_status(), Some(503));
    assert!(peer.count("Create-Session") > 3);
    // Longer than a person would wait.
    let (error, peer) =
        failing(|_| Turn::Answer(Reply::status(503, "Later").header("Retry-After", "86400")));
    assert_eq!(error.http_status(), Some(503), "{error}");
    assert_eq!(peer.packets(), ["Create-Session"]);
}

#[test]
fn it_closes_every_connection_after_one_answer_and_that_is_no_harm() {
    let mut held = 0;
    let peer = Peer::start(move |call| match (call.packet, range(call.request)) {
        ("Create-Session", _) => {
            Turn::After(crate::common::peer::created("{session-1}").then_close())
        }
        (_, Some((first, end))) if first == held => {
            held = end;
            Turn::After(received(end).then_close())
        }
        (_, Some(_)) => Turn::Answer(crate::common::wire::corrected(held).then_close()),
        // Asked where the end of a connection may have hidden the answer to Close-Session.
        ("HEAD", _) => Turn::Answer(
            Reply::status(200, "OK").without_length().header("Content-Length", &SIZE.to_string()),
        ),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(SIZE), budget()).expect("uploaded");
    assert_eq!(peer.files(), [payload(SIZE)]);
}

#[test]
fn it_appends_what_comes_and_answers_with_the_sum() {
    // A part is stored and its Ack lost; the probe that asks for it is appended, too, and the
    // offset that the server then names is no truth about the file.
    let peer = Peer::start({
        let mut stored = 0;
        move |call| match (call.packet, range(call.request)) {
            ("Create-Session", _) => {
                stored = 0;
                Turn::Serve
            }
            ("Fragment", Some((first, end))) => {
                stored += end - first;
                if call.nth == 2 {
                    Turn::Answer(Reply::close())
                } else {
                    Turn::Answer(received(stored))
                }
            }
            ("HEAD", _) => Turn::Answer(
                Reply::status(200, "OK").without_length().header("Content-Length", "5000"),
            ),
            _ => Turn::Serve,
        }
    });
    // No probe ever proves an offset here; the session that replaces the first one is acknowledged
    // in order, and whether the connection's end took bytes along only the file could tell.
    let receipt = upload(&peer.url(), &payload(SIZE), budget()).expect("acknowledged in order");
    assert!(!receipt.verified && !receipt.warnings.is_empty(), "{receipt:?}");
    assert!(peer.count("Create-Session") <= 5);
}

#[test]
fn only_a_file_of_the_same_size_counts_as_existing() {
    let _rule = bitsup_server::rule!("TRU-09");
    let ok = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    for (answer, exists) in [
        (ok("Content-Length: 2500\r\n"), true),
        (ok("Content-Length: 0\r\n"), false),
        (ok("Content-Length: 2499\r\n"), false),
        (ok("Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n"), false),
        (ok("Content-Length: 2500\r\nContent-Encoding: gzip\r\n"), false),
        (ok("Connection: close\r\n"), false),
        ("HTTP/1.1 206 Partial\r\nContent-Length: 2500\r\n\r\n".into(), false),
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2500\r\n\r\n".into(), false),
    ] {
        for choice in [IfExists::Skip, IfExists::Fail] {
            let reply = Reply::raw(answer.clone());
            let peer = Peer::start(move |call| match call.packet {
                "HEAD" => Turn::Answer(reply.clone()),
                _ => Turn::Serve,
            });
            let mut options = options();
            options.if_exists = choice;
            let result = upload(&peer.url(), &payload(2500), options);
            assert_eq!(peer.files().len(), usize::from(!exists), "{answer}");
            match (exists, choice) {
                (true, IfExists::Skip) => assert!(result.expect("skipped").skipped, "{answer}"),
                (true, _) => assert_eq!(result.expect_err("exists").kind(), ErrorKind::Refused),
                (false, _) => assert!(!result.expect("uploaded").skipped, "{answer}"),
            }
        }
    }
}
