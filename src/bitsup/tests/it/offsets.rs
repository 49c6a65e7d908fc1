//! Where an upload goes on: at the offset that the server names.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{PATIENCE, Peer, Turn, ended, options, range, received, start, upload};
use crate::common::wire::{
    answering, assembled, corrected, echo, lengths, of_type, ranges, types, with,
};
use bitsup::{Client, ErrorKind, Event, Flow, Hresult, ReplyTo, Source, UploadState};
use bitsup_server::scripted::{Latch, Reply};

#[test]
fn the_offset_is_followed_forward_and_back() {
    let _rule = bitsup_server::rule!("OFF-01");
    let size = 8000;
    for (offset, next) in [(2000, "2000-2999"), (1400, "1400-2399"), (0, "0-999")] {
        let peer = answering(move |nth| (nth == 2).then(|| received(offset)));
        upload(&peer.url(), &payload(size), options()).expect("uploaded");
        let seen = ranges(&peer.raw);
        assert_eq!(seen[..3], ["0-999/8000", "1000-1999/8000", &format!("{next}/8000")]);
        assert_eq!(assembled(&peer.raw, size), payload(size));
    }
}

#[test]
fn an_offset_ahead_is_followed_as_far_as_bytes_went_out() {
    let _rule = bitsup_server::rule!("OFF-03");
    let peer = answering(|nth| match nth {
        1 => Some(received(1000)),
        2 => Some(Reply::close()),
        3 => Some(corrected(3000)),
        _ => None,
    });
    let options = with(|o| o.fragment_size = Some(4000));
    upload(&peer.url(), &payload(8000), options).expect("uploaded");
    let expected = ["0-3999", "1000-4999", "998-998", "3000-6999", "7000-7999", "7998-7998"];
    assert_eq!(ranges(&peer.raw), expected.map(|range| format!("{range}/8000")));
    assert_eq!(assembled(&peer.raw, 8000), payload(8000));
}

#[test]
fn bytes_that_never_went_out_are_those_of_another_session() {
    let _rule = bitsup_server::rule!("TRU-04");
    for stranger in [received(2500), corrected(2500), received(1001)] {
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 1) => Turn::Answer(stranger.clone()),
            _ => Turn::Serve,
        });
        let receipt = upload(&peer.url(), &payload(2500), options()).expect("uploaded");
        assert_eq!((receipt.restarts, receipt.verified), (1, true));
        let expected = ["Create-Session", "Fragment 0", "Cancel-Session", "Create-Session"];
        assert_eq!(peer.packets()[..4], expected);
        assert_eq!(peer.files(), [payload(2500)]);
    }
    let peer = answering(|_| Some(received(2500)));
    let error = upload(&peer.url(), &payload(2500), options()).expect_err("always another's");
    assert_eq!(error.hresult(), Some(Hresult::NO_PROGRESS), "{error}");
    assert_eq!((peer.count("Create-Session"), peer.count("Close-Session")), (4, 0));
}

#[test]
fn a_correction_is_no_error() {
    let _rule = bitsup_server::rule!("OFF-02");
    for code in [None, Some("0x0"), Some("0")] {
        let peer = answering(move |nth| {
            let reply = corrected(5);
            (nth == 1).then(|| match code {
                Some(code) => reply.header("BITS-Error-Code", code),
                None => reply,
            })
        });
        let receipt = upload(&peer.url(), &payload(10), options()).expect("uploaded");
        assert_eq!(receipt.retries, 0);
        assert_eq!(ranges(&peer.raw), ["0-9/10", "5-9/10"]);
    }
}

#[test]
fn offsets_that_cannot_be_are_an_invalid_answer() {
    let _rule = bitsup_server::rule!("OFF-04");
    for text in ["11", "-1", "5-9", "0x10", "abc", "", "18446744073709551616", "+5", "5 5"] {
        for status in [200, 416] {
            let reply = Reply::status(status, "Odd")
                .header("BITS-Packet-Type", "Ack")
                .header("BITS-Received-Content-Range", text);
            let one = reply.clone();
            let peer = answering(move |_| Some(one.clone()));
            let client = Client::new().expect("client");
            let mut session = client.session(&peer.url(), 10, "x", &options()).expect("session");
            let error = session.send(payload(10)).expect_err("an odd offset");
            assert_eq!(error.kind(), ErrorKind::Protocol, "{text:?} {error}");
            assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE), "{text:?}");
            assert_eq!((session.offset(), peer.count("Fragment")), (0, 1));

            let peer = answering(move |_| Some(reply.clone()));
            let error = upload(&peer.url(), &payload(10), options()).expect_err("an odd offset");
            assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE), "{text:?}");
            let seen = ranges(&peer.raw);
            assert!(seen.iter().all(|range| range == "0-9/10" || range == "1-1/10"), "{seen:?}");
            assert!(seen.len() < 8 && peer.count("Close-Session") == 0, "{:?}", peer.packets());
        }
    }
}

#[test]
fn a_missing_offset_is_taken_in_lenient_mode_only() {
    let _rule = bitsup_server::rule!("OFF-05");
    let peer = answering(|_| Some(Reply::ack()));
    let error = upload(&peer.url(), &payload(2500), options()).expect_err("no offset");
    assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE));
    let first = |range: &String| range.starts_with("0-") || range == "1-1/2500";
    assert!(ranges(&peer.raw).iter().all(first));
    assert_eq!(peer.count("Close-Session"), 0);

    let lenient = || with(|o| o.lenient = true);
    let peer = answering(|_| Some(Reply::ack()));
    upload(&peer.url(), &payload(2500), lenient()).expect("uploaded");
    assert_eq!(ranges(&peer.raw), ["0-999/2500", "1000-1999/2500", "2000-2499/2500"]);

    for options in [options(), lenient()] {
        let peer = answering(|_| Some(Reply::status(416, "Range")));
        let error = upload(&peer.url(), &payload(2500), options).expect_err("no offset");
        assert_eq!(error.hresult(), Some(Hresult::NO_PROGRESS), "{error}");
        let once = ["Create-Session", "Fragment 0", "Ping", "Fragment 1", "Cancel-Session"];
        assert_eq!(peer.packets()[..15], [once, once, once].concat());
        assert_eq!((peer.count("Create-Session"), peer.count("Fragment")), (4, 8));
        // A Fragment that was refused so is sent again on a new connection.
        let requests = peer.raw.requests();
        assert_ne!(requests[1].connection, requests[3].connection);
    }
    // Once is no reason to give the session up.
    let peer = answering(|nth| (nth == 2).then(|| Reply::status(416, "Range")));
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    let expected = ["Fragment 1000", "Ping", "Fragment 998", "Fragment 1000", "Fragment 2000"];
    assert_eq!(peer.packets()[2..7], expected);
}

#[test]
fn a_server_that_is_stuck_sees_three_fragments() {
    let _rule = bitsup_server::rule!("OFF-06");
    for reply in [received(0), corrected(0)] {
        let peer = answering(move |_| Some(reply.clone()));
        let error = upload(&peer.url(), &payload(2500), options()).expect_err("stuck");
        assert_eq!(error.hresult(), Some(Hresult::NO_PROGRESS), "{error}");
        assert_eq!(peer.count("Fragment"), 3);
        assert_eq!(peer.count("Close-Session"), 0);
    }
}

#[test]
fn a_server_that_goes_back_and_forth_is_left() {
    let _rule = bitsup_server::rule!("OFF-07");
    let peer = answering(|nth| Some(received(if nth % 2 == 1 { 1000 } else { 0 })));
    let error = upload(&peer.url(), &payload(2500), options()).expect_err("no progress");
    assert_eq!(error.hresult(), Some(Hresult::NO_PROGRESS), "{error}");
    // Three times back are borne, the fourth is not.
    assert_eq!(peer.count("Fragment"), 8);
}

#[test]
fn a_correction_to_the_end_means_that_all_is_stored() {
    let _rule = bitsup_server::rule!("OFF-08");
    let peer = answering(|nth| match nth {
        3 => Some(Reply::close()),
        4 => Some(corrected(2500)),
        _ => None,
    });
    upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert_eq!(types(&peer.raw)[4..], ["Ping", "Fragment", "Close-Session"]);

    let peer = Peer::start(|call| match (call.packet, call.nth) {
        ("Fragment", 3) => Turn::Answer(Reply::close()),
        ("Fragment", 4) => Turn::Answer(corrected(2500).header("BITS-Reply-URL", "/r")),
        ("Fragment", _) => echo(call.request),
        ("GET", _) => Turn::Answer(Reply::status(200, "OK").body("reply")),
        ("Close-Session", _) => Turn::Answer(Reply::ack()),
        _ => Turn::Serve,
    });
    let options = with(|o| o.reply_to = ReplyTo::Memory(100));
    let receipt = upload(&peer.url(), &payload(2500), options).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
    assert_eq!(types(&peer.raw)[4..], ["Ping", "Fragment", "GET", "Close-Session"]);
}

#[test]
fn after_a_lost_ack_the_client_follows_what_the_server_says() {
    let _rule = bitsup_server::rule!("OFF-09");
    let lost = [Reply::drop_after_body_bytes(700), Reply::close()];
    for reply in lost {
        // A server that keeps what came and wants just the rest.
        let strict = reply.clone();
        let peer = answering(move |nth| match nth {
            2 => Some(strict.clone()),
            3 => Some(corrected(1700)),
            _ => None,
        });
        upload(&peer.url(), &payload(2500), options()).expect("uploaded");
        let seen = ranges(&peer.raw);
        // The last one asks before Close-Session: a connection died that had been used before.
        let expected = ["0-999", "1000-1999", "998-998", "1700-2499", "2498-2498"];
        assert_eq!(seen, expected.map(|range| format!("{range}/2500")));
        assert_eq!(assembled(&peer.raw, 2500), payload(2500));
        // A server that takes overlapping parts, and answers with what it has.
        let peer = answering(move |nth| match nth {
            2 => Some(reply.clone()),
            3 | 4 => Some(received(1700)),
            _ => None,
        });
        upload(&peer.url(), &payload(2500), options()).expect("uploaded");
        let seen = ranges(&peer.raw);
        let expected = ["0-999", "1000-1999", "998-998", "998-998", "1700-2499", "2498-2498"];
        assert_eq!(seen, expected.map(|range| format!("{range}/2500")), "it is asked twice");
    }
}

#[test]
fn progress_is_what_the_server_acknowledged() {
    let _rule = bitsup_server::rule!("OFF-10");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = answering(move |nth| match nth {
        2 => Some(received(0)),
        4 => Some(received(2000).held(&held)),
        _ => None,
    });
    let client = Client::new().expect("client");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let upload = client
        .upload(Source::bytes(payload(2500)), &peer.url())
        .options(options())
        .on_event(move |event| {
            let mut told = told.lock().expect("lock");
            if let Event::Progress(progress) = event
                && told.last() != Some(&progress.acknowledged)
            {
                told.push(progress.acknowledged);
            }
            Flow::Continue
        })
        .start()
        .expect("started");
    peer.wait_for("Fragment", 4);
    let complete = |raw: &bitsup_server::scripted::Scripted| {
        of_type(raw, "Fragment").get(3).is_some_and(|fragment| fragment.completed.is_some())
    };
    assert!(peer.raw.wait_until(PATIENCE, complete));
    let now = upload.progress();
    assert_eq!((now.acknowledged, now.total), (1000, 2500), "the rest is with the network only");
    assert!(now.sent >= now.acknowledged);
    latch.open();
    ended(&upload).expect("uploaded");
    crate::common::peer::wait_until("the last progress", || {
        seen.lock().expect("lock").last() == Some(&2500)
    });
    assert_eq!(*seen.lock().expect("lock"), [0, 1000, 0, 1000, 2000, 2500]);
}

/// Before the server falls silent everything is told: a callback is behind by no number and no state.
#[test]
fn the_last_progress_before_a_silence_is_told() {
    let _rule = bitsup_server::rule!("OFF-10");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = answering(move |nth| (nth == 2).then(|| received(2000).held(&held)));
    let client = Client::new().expect("client");
    let last = Arc::new(Mutex::new(None));
    let told = Arc::clone(&last);
    let upload = client
        .upload(Source::bytes(payload(2500)), &peer.url())
        .options(options())
        .on_event(move |event| {
            if let Event::Progress(progress) = event {
                // A slow callback, at which several wait.
                std::thread::sleep(Duration::from_millis(30));
                *told.lock().expect("lock") = Some((progress.state, progress.sent));
            }
            Flow::Continue
        })
        .start()
        .expect("started");
    crate::common::peer::wait_until("the state and the number in which it stands still", || {
        *last.lock().expect("lock") == Some((UploadState::WaitingAck, 2000))
    });
    latch.open();
    ended(&upload).expect("uploaded");
}

#[test]
fn a_stream_is_spooled_and_can_be_sent_again_from_the_start() {
    let _rule = bitsup_server::rule!("OFF-11");
    let bytes = payload(5000);
    let peer = answering(|nth| (nth == 3).then(|| received(0)));
    let (read, mut write) = std::io::pipe().expect("pipe");
    let content = bytes.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut write, &content));
    let source = Source::spooled(read, None).expect("spooled");
    writer.join().expect("writer").expect("written");
    let client = Client::new().expect("client");
    let upload = client.upload(source, &peer.url()).options(options()).start().expect("started");
    ended(&upload).expect("uploaded");
    let seen = ranges(&peer.raw);
    assert!(seen.iter().all(|range| range.ends_with("/5000")), "{seen:?}");
    assert_eq!(seen[2..4], ["2000-2999/5000", "0-999/5000"]);
    assert_eq!(assembled(&peer.raw, 5000), bytes);
}

#[test]
fn after_an_unclear_end_comes_a_probe() {
    let _rule = bitsup_server::rule!("OFF-12");
    for reply in [Reply::close(), Reply::drop_after_body_bytes(30_000), Reply::hang()] {
        let peer = answering(move |nth| (nth == 2).then(|| reply.clone()));
        let options = with(|o| {
            o.fragment_size = Some(50_000);
            o.ack_timeout = crate::common::wire::milliseconds(2000);
        });
        upload(&peer.url(), &payload(200_000), options).expect("uploaded");
        let seen = lengths(&peer.raw);
        assert_eq!(seen[..6], [50_000, 50_000, 1, 50_000, 50_000, 50_000], "it teaches no size");
        // Another one precedes Close-Session, where a connection died that had been used before.
        assert!(seen.len() == 6 || seen[6..] == [1], "{seen:?}");
        assert_eq!(ranges(&peer.raw)[2], "49998-49998/200000");
        assert_eq!(of_type(&peer.raw, "Fragment")[2].body, payload(50_000)[49_998..49_999]);
        assert_eq!(assembled(&peer.raw, 200_000), payload(200_000));
    }
}

#[test]
fn without_a_doubt_nobody_is_asked() {
    let _rule = bitsup_server::rule!("OFF-13");
    let peer = Peer::start(|call| match (call.packet, call.nth) {
        // A server that checks offsets tells by its 416 what it has.
        ("Fragment", 2) => Turn::Answer(crate::common::peer::error(503, "0x80070008")),
        _ => Turn::Serve,
    });
    let receipt = upload(&peer.url(), &payload(2500), options()).expect("uploaded");
    assert!(receipt.verified && receipt.unconfirmed_resends == 0);
    assert_eq!((peer.count("HEAD"), receipt.warnings.len()), (0, 0));
    assert_eq!(peer.files(), [payload(2500)]);
}

#[test]
fn a_server_that_sends_the_client_about_is_followed_byte_for_byte() {
    let _rule = bitsup_server::rule!("OFF-01", "OFF-02");
    // Each Ack keeps a part of what came, and now and then nothing at all.
    let peer = Peer::start({
        let mut kept = 0;
        move |call| match (call.packet, range(call.request)) {
            ("Fragment", Some((first, end))) => {
                let wrong = first != kept;
                kept = if wrong { kept } else { (first + 1 + (end - first) * 3 / 4).min(end) };
                Turn::Answer(if wrong { corrected(kept) } else { received(kept) })
            }
            ("Close-Session", _) => Turn::Answer(Reply::ack()),
            _ => Turn::Serve,
        }
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(9000), options());
    ended(&upload).expect("uploaded");
    assert_eq!(assembled(&peer.raw, 9000), payload(9000));
}
