//! What a server must prove before an upload counts as done: servers of several kinds, and how the
//! client asks them.

use std::collections::BTreeMap;

use crate::common::payload;
use crate::common::peer::{
    Call, PATIENCE, Peer, Turn, created, ended, error, lost, name, options, range, received, start,
    taken, upload, wait_for_state,
};
use crate::common::wire::{
    Zeros, always, corrected, lengths, milliseconds, of_type, ranges, types, with,
};
use bitsup::{CancelMode, Client, ErrorKind, LostAckPolicy, Receipt, Source, VerifyPolicy};
use bitsup_server::scripted::{Latch, Reply};

const SIZE: usize = 2500;
const THEN: &str = "Mon, 18 Jun 2007 21:01:56 GMT";
const NEW: &str = "Fri, 31 Dec 2100 00:00:00 GMT";
const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// How a server puts the bytes of a Fragment into its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    /// Only at the file's end, else 416.
    Checks,
    /// It leaves out what it has.
    Trims,
    /// It writes wherever the range says.
    Seeks,
    /// It appends, whatever the range says.
    Appends,
}

const ALL: [Store; 4] = [Store::Checks, Store::Trims, Store::Seeks, Store::Appends];

impl Store {
    /// Puts in what came of a Fragment, and answers.
    fn put(self, file: &mut Vec<u8>, (first, end): (u64, u64), came: &[u8]) -> Reply {
        let (held, at) = (file.len(), usize::try_from(first).expect("small"));
        match self {
            Self::Checks if at != held => return corrected(held as u64),
            Self::Trims if at > held => return corrected(held as u64),
            Self::Checks | Self::Appends => file.extend_from_slice(came),
            Self::Trims => file.extend_from_slice(came.get(held - at..).unwrap_or_default()),
            Self::Seeks => {
                file.resize(held.max(at + came.len()), 0);
                file[at..at + came.len()].copy_from_slice(came);
            }
        }
        received(if matches!(self, Self::Checks | Self::Trims) { file.len() as u64 } else { end })
    }

    /// A server that loses its answer to some Fragments: `lose` tells by their number how many
    /// bytes of the body it stores first, and what it does then.
    fn server(self, lose: impl Fn(usize) -> Option<(usize, Reply)> + Send + 'static) -> Peer {
        let mut files = BTreeMap::<String, Vec<u8>>::new();
        let mut published = None;
        Peer::start(move |call| {
            let id = call.request.header("BITS-Session-Id");
            match (call.packet, range(call.request)) {
                ("Create-Session", _) => {
                    let id = format!("{{session-{}}}", call.nth);
                    Turn::After(created(&id).header("Date", THEN))
                }
                ("Fragment", Some(part)) => {
                    let length = call.request.content_length();
                    let (kept, reply) = match lose(call.nth) {
                        Some((kept, reply)) => (kept.min(length), Some(reply)),
                        None => (length, None),
                    };
                    let told = self.put(files.entry(id).or_default(), part, &vec![0; kept]);
                    Turn::Answer(reply.unwrap_or(told))
                }
                ("Close-Session", _) => {
                    published = files.get(&id).map(Vec::len);
                    Turn::Answer(Reply::ack())
                }
                ("HEAD", _) => Turn::Answer(
                    published.map_or(Reply::status(404, "No"), |size| holds(size, NEW)),
                ),
                _ => Turn::Serve,
            }
        })
    }

    /// The file that such a server has published, from the bodies that it read.
    fn published(self, peer: &Peer) -> Vec<u8> {
        let mut files = BTreeMap::<String, Vec<u8>>::new();
        let mut published = Vec::new();
        for request in peer.raw.requests() {
            let id = request.header("BITS-Session-Id");
            match (name(&request).as_str(), range(&request)) {
                ("Fragment", Some(part)) => {
                    self.put(files.entry(id).or_default(), part, &request.body);
                }
                ("Close-Session", _) => published = files.get(&id).cloned().unwrap_or_default(),
                _ => {}
            }
        }
        published
    }
}

/// The answer to HEAD for a file of that size.
fn holds(size: usize, modified: &str) -> Reply {
    let size = size.to_string();
    let reply = Reply::status(200, "OK").without_length().header("Content-Length", &size);
    if modified.is_empty() { reply } else { reply.header("Last-Modified", modified) }
}

fn done(peer: &Peer) -> Receipt {
    upload(&peer.url(), &payload(SIZE), options()).expect("uploaded")
}

#[test]
fn whatever_kind_of_server_loses_an_answer_the_file_is_byte_exact() {
    let _rule = bitsup_server::rule!("OFF-12", "OFF-13");
    for store in ALL {
        for which in 1..=3 {
            for kept in [0, 300, 1000] {
                let lose =
                    move |nth| (nth == which).then(|| (kept, Reply::drop_after_body_bytes(kept)));
                let what = format!("{store:?} Fragment {which}, {kept} bytes of it stored");
                let peer = store.server(lose);
                let receipt = done(&peer);
                assert!(store.published(&peer) == payload(SIZE), "{what}: {:?}", peer.packets());
                assert!(receipt.verified && receipt.close_confirmed, "{what}: {receipt:?}");
                assert_eq!(receipt.unconfirmed_resends, 0, "{what}");
                let tells = matches!(store, Store::Checks | Store::Trims);
                assert_eq!(receipt.restarts, u32::from(!tells), "{what}: {:?}", peer.packets());
                assert_eq!(peer.count("HEAD"), usize::from(!tells), "{what}");
                assert!(!tells || receipt.warnings.is_empty(), "{what}: {:?}", receipt.warnings);
            }
        }
    }
}

#[test]
fn an_error_that_comes_after_the_part_was_stored_doubles_nothing() {
    let _rule = bitsup_server::rule!("TRU-03");
    for store in ALL {
        for (status, context) in [(500, "0x5"), (503, "0x7"), (408, "0x5"), (408, "0x7")] {
            for which in 1..=3 {
                let peer = store.server(move |nth| {
                    let refusal = Reply::status(status, "Later")
                        .header("BITS-Packet-Type", "Ack")
                        .header("BITS-Error-Context", context);
                    (nth == which).then_some((usize::MAX, refusal))
                });
                let receipt = done(&peer);
                let what = format!("{store:?} {status} {context} to Fragment {which}");
                assert!(store.published(&peer) == payload(SIZE), "{what}: {:?}", peer.packets());
                assert!(receipt.verified, "{what}: {receipt:?}");
            }
        }
    }
}

#[test]
fn who_wants_to_continue_without_proof_learns_what_came_of_it() {
    let _rule = bitsup_server::rule!("OFF-13");
    let resending = || with(|o| o.on_lost_ack = LostAckPolicy::Resend);
    // It writes at the offset: a HEAD proves that, and the next upload may know it.
    let peer = Store::Seeks.server(|nth| matches!(nth, 2 | 7).then(|| (700, Reply::close())));
    let client = Client::new().expect("client");
    let receipt = ended(&start(&client, &peer.url(), &payload(SIZE), resending())).expect("done");
    assert!(receipt.verified && receipt.restarts == 0 && receipt.unconfirmed_resends == 1);
    assert!(Store::Seeks.published(&peer) == payload(SIZE));
    let expected = ["0-999", "1000-1999", "998-998", "999-1998", "1999-2499"];
    assert_eq!(ranges(&peer.raw), expected.map(|range| format!("{range}/2500")));
    let receipt = ended(&start(&client, &peer.url(), &payload(SIZE), options())).expect("done");
    assert!(receipt.verified && receipt.restarts == 0 && peer.count("HEAD") == 2);
    assert!(Store::Seeks.published(&peer) == payload(SIZE));

    // It appends: the HEAD finds that out, and without one nothing is promised.
    let peer = Store::Appends.server(|nth| (nth == 2).then(|| (usize::MAX, Reply::close())));
    let error = upload(&peer.url(), &payload(SIZE), resending()).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
    let peer = Store::Appends.server(|nth| (nth == 2).then(|| (usize::MAX, Reply::close())));
    let mut blind = resending();
    blind.verify = VerifyPolicy::Never;
    let receipt = upload(&peer.url(), &payload(SIZE), blind).expect("uploaded");
    assert!(!receipt.verified && !receipt.warnings.is_empty(), "{receipt:?}");
    assert_eq!(peer.count("HEAD"), 0);
}

/// Uploads until a last Fragment is acknowledged, and what was kept of the upload then.
fn paused_after_the_last_ack(client: &Client, peer: &Peer, latch: &Latch) -> String {
    let upload = start(client, &peer.url(), &payload(SIZE), options());
    peer.wait_for("Fragment", 3);
    upload.suspend();
    taken(client);
    latch.open();
    wait_for_state(&upload, bitsup::UploadState::Suspended);
    assert_eq!(upload.progress().acknowledged, SIZE as u64);
    upload.cancel(CancelMode::Keep);
    ended(&upload).expect_err("stopped").token().expect("a token").to_owned()
}

#[test]
fn before_close_whoever_continues_asks_whether_the_server_still_has_the_end() {
    let _rule = bitsup_server::rule!("TRU-05");
    for store in [Store::Checks, Store::Trims] {
        for left in [SIZE, 1500] {
            let latch = Latch::new();
            let held = latch.clone();
            // After the last Ack a part of the file is lost in a crash.
            let mut file = vec![0; 2000];
            let peer = Peer::start(move |call| match (call.packet, range(call.request)) {
                ("Fragment", Some((2000, end))) if call.nth == 3 => {
                    file.resize(left, 0);
                    Turn::Answer(received(end).held(&held))
                }
                ("Fragment", Some((first, end))) if call.nth > 3 => {
                    let length = call.request.content_length();
                    Turn::Answer(store.put(&mut file, (first, end), &vec![0; length]))
                }
                ("Close-Session", _) => Turn::Answer(Reply::ack()),
                _ => Turn::Serve,
            });
            let client = Client::new().expect("client");
            let token = paused_after_the_last_ack(&client, &peer, &latch);
            let before = peer.packets().len();
            let again = client.import(&token, Source::bytes(payload(SIZE))).expect("imported");
            let receipt = ended(&again.options(options()).start().expect("started")).expect("done");
            assert!(receipt.verified, "{receipt:?}");
            let mut expected = vec!["Ping", "Fragment 2498"];
            // A server that trims says 200, and is asked twice; but 416 to what begins behind its end.
            expected.extend((store == Store::Trims && left == SIZE).then_some("Fragment 2498"));
            expected.extend((left < SIZE).then_some("Fragment 1500"));
            expected.push("Close-Session");
            assert_eq!(peer.packets()[before..], expected, "{store:?} {left}");
        }
    }
}

#[test]
fn a_connection_that_ends_in_a_pause_brings_a_probe() {
    let _rule = bitsup_server::rule!("TRU-05");
    let latch = Latch::new();
    let held = latch.clone();
    let mut file = Vec::new();
    let peer = Peer::start(move |call| match (call.packet, range(call.request)) {
        ("Fragment", Some(part)) => {
            let length = call.request.content_length();
            let told = Store::Checks.put(&mut file, part, &vec![0; length]);
            if call.nth == 3 {
                file.truncate(1500);
                return Turn::Answer(told.held(&held).then_close());
            }
            Turn::Answer(told)
        }
        ("Close-Session", _) => Turn::Answer(Reply::ack()),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(SIZE), options());
    peer.wait_for("Fragment", 3);
    upload.suspend();
    taken(&client);
    latch.open();
    wait_for_state(&upload, bitsup::UploadState::Suspended);
    let closed = |raw: &bitsup_server::scripted::Scripted| raw.connections()[0].closed.is_some();
    assert!(peer.raw.wait_until(PATIENCE, closed));
    upload.resume();
    assert!(ended(&upload).expect("uploaded").verified);
    let expected = ["Ping", "Fragment 2498", "Fragment 1500", "Close-Session"];
    assert_eq!(peer.packets()[4..], expected);
}

#[test]
fn a_connection_that_ends_after_the_last_ack_never_hides_a_loss() {
    let _rule = bitsup_server::rule!("TRU-05");
    for _ in 0..5 {
        let mut file = Vec::new();
        let mut published = 0;
        let peer = Peer::start(move |call| match (call.packet, range(call.request)) {
            ("Create-Session", _) => Turn::After(created("{session-1}").header("Date", THEN)),
            ("Fragment", Some(part)) => {
                let length = call.request.content_length();
                let told = Store::Checks.put(&mut file, part, &vec![0; length]);
                if call.nth == 3 {
                    file.truncate(1500);
                    return Turn::Answer(told.then_close());
                }
                Turn::Answer(told)
            }
            ("Close-Session", _) => {
                published = file.len();
                Turn::Answer(Reply::ack())
            }
            ("HEAD", _) => Turn::Answer(holds(published, NEW)),
            _ => Turn::Serve,
        });
        match upload(&peer.url(), &payload(SIZE), options()) {
            // The end was noticed before Close-Session went out: a probe found the loss.
            Ok(_) => assert_eq!(
                ranges(&peer.raw)[3..],
                ["2498-2498/2500", "1500-2499/2500"],
                "{:?}",
                peer.packets()
            ),
            // Close-Session met it, and its repetition could not be taken back.
            Err(error) => assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}"),
        }
    }
}

#[test]
fn an_answer_to_close_with_an_offset_counts_as_lost() {
    let _rule = bitsup_server::rule!("TRU-02");
    // The last Fragment's Ack came twice, and the second copy met Close-Session.
    let twin = |then: fn() -> Turn| {
        Peer::start(move |call| match (call.packet, call.nth) {
            ("Close-Session", 1) => Turn::Answer(received(SIZE as u64)),
            ("Close-Session", _) => then(),
            ("HEAD", _) => Turn::Answer(Reply::status(405, "Not Allowed")),
            _ => Turn::Serve,
        })
    };
    let peer = twin(|| Turn::Serve);
    let receipt = done(&peer);
    assert!(receipt.close_confirmed && receipt.verified, "{receipt:?}");
    assert_eq!(peer.packets()[4..], ["Close-Session", "Ping", "Close-Session"]);
    let requests = peer.raw.requests();
    assert_ne!(requests[4].connection, requests[5].connection);
    assert_eq!(peer.files(), [payload(SIZE)]);

    for refusal in [
        || Turn::Answer(Reply::status(403, "Forbidden")),
        || Turn::Answer(lost(500)),
        || Turn::Answer(error(500, "0x80070005")),
    ] {
        let peer = twin(refusal);
        let error = upload(&peer.url(), &payload(SIZE), options()).expect_err("not proven");
        assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
        assert_eq!(peer.packets()[4..], ["Close-Session", "Ping", "Close-Session", "HEAD"]);
    }
    let peer = twin(|| Turn::Answer(Reply::close()));
    let few = with(|o| o.max_attempts = Some(3));
    assert!(upload(&peer.url(), &payload(SIZE), few).is_err(), "never acknowledged");

    // A server that tells offsets with other Acks too means nothing by it.
    let peer = Peer::start(|call| match call.packet {
        "Create-Session" => {
            Turn::After(created("{session-1}").header("BITS-Received-Content-Range", "0"))
        }
        "Close-Session" => Turn::After(received(SIZE as u64)),
        _ => Turn::Serve,
    });
    done(&peer);
    assert_eq!(peer.count("Close-Session"), 1);
}

#[test]
fn an_older_file_of_the_same_size_proves_nothing() {
    let _rule = bitsup_server::rule!("TRU-06");
    let gone = |date: &'static str, head: Reply| {
        Peer::start(move |call| match call.packet {
            "Create-Session" => Turn::After(created("{session-1}").header("Date", date)),
            "Close-Session" if call.nth == 1 => Turn::Answer(Reply::close()),
            "Close-Session" => Turn::Answer(lost(404)),
            "HEAD" => Turn::Answer(head.clone()),
            _ => Turn::Serve,
        })
    };
    for (date, head) in [
        (THEN, holds(SIZE, "")),
        (THEN, holds(SIZE, OLD)),
        // The same second.
        (THEN, holds(SIZE, THEN)),
        // A clock ahead, and no word of the server about its own.
        ("soon", holds(SIZE, NEW)),
        (THEN, holds(SIZE, NEW).header("Content-Encoding", "gzip")),
    ] {
        let peer = gone(date, head);
        let error = upload(&peer.url(), &payload(SIZE), options()).expect_err("not proven");
        assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{date}: {error}");
        assert_eq!(peer.packets().last().map(String::as_str), Some("HEAD"));
    }
    let peer = gone(THEN, holds(SIZE, NEW));
    assert!(done(&peer).verified);

    // A HEAD before the upload tells the old file from the new one.
    for (before, after, proven) in [
        (holds(SIZE, OLD), holds(SIZE, OLD), false),
        (holds(SIZE, ""), holds(SIZE, ""), false),
        (holds(7, OLD), holds(SIZE, OLD), true),
        (holds(SIZE, "").header("ETag", "\"1\""), holds(SIZE, "").header("ETag", "\"2\""), true),
        (Reply::status(404, "Not Found"), holds(SIZE, ""), true),
    ] {
        let peer = Peer::start(move |call| match (call.packet, call.nth) {
            ("HEAD", 1) => Turn::Answer(before.clone()),
            ("HEAD", _) => Turn::Answer(after.clone()),
            _ => Turn::Serve,
        });
        let always = with(|o| o.verify = VerifyPolicy::Always);
        match upload(&peer.url(), &payload(SIZE), always) {
            Ok(receipt) => assert!(proven && receipt.verified),
            Err(error) => assert!(!proven && error.kind() == ErrorKind::VerifyFailed, "{error}"),
        }
        assert_eq!((peer.packets()[0].as_str(), peer.count("HEAD")), ("HEAD", 2));
    }
}

#[test]
fn an_empty_file_is_looked_for() {
    let _rule = bitsup_server::rule!("TRU-07");
    for status in [404, 410] {
        let peer = always("HEAD", Reply::status(status, "Not Found"));
        let error = upload(&peer.url(), b"", options()).expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
        assert!(error.message().contains("does not serve"), "{error}");
        assert_eq!(types(&peer.raw), ["Create-Session", "Close-Session", "HEAD"]);
    }
    for head in [holds(0, NEW), Reply::status(405, "Not Allowed")] {
        upload(&always("HEAD", head).url(), b"", options()).expect("uploaded");
    }
    let peer = always("HEAD", Reply::status(404, "Not Found"));
    upload(&peer.url(), b"", with(|o| o.verify = VerifyPolicy::Never)).expect("uploaded");
    assert_eq!(peer.count("HEAD"), 0);
}

#[test]
fn a_misspelt_offset_is_read_where_there_is_no_other() {
    let _rule = bitsup_server::rule!("GIV-02");
    let misspelt =
        |offset: u64| Reply::ack().header("BITS-Recieved-Content-Range", &offset.to_string());
    let peer = Peer::start(move |call| match range(call.request) {
        Some((0, _)) => Turn::After(misspelt(1000)),
        // The right one counts, if there are both.
        Some((1000, _)) => Turn::After(misspelt(5).header("BITS-Received-Content-Range", "2000")),
        Some((_, end)) => Turn::After(misspelt(end)),
        None => Turn::Serve,
    });
    done(&peer);
    assert_eq!(ranges(&peer.raw), ["0-999/2500", "1000-1999/2500", "2000-2499/2500"]);
    assert_eq!(peer.files(), [payload(SIZE)]);
}

#[test]
fn a_server_that_closes_what_is_idle_gets_as_many_fragments_as_any_other() {
    let _rule = bitsup_server::rule!("GIV-07");
    let size = 3 << 20;
    let closing = |call: &Call<'_>| {
        let soon = |reply: Reply| Turn::After(reply.pause(milliseconds(20)).then_close());
        match (call.packet, range(call.request)) {
            ("Create-Session", _) => soon(created("{session-1}")),
            ("Fragment", Some((first, end))) if end - first > 1 => soon(received(end)),
            ("Fragment" | "HEAD", _) => Turn::Serve,
            _ => soon(Reply::ack()),
        }
    };
    for fragment in [None, Some(100_000)] {
        let send = |peer: &Peer| {
            let client = Client::new().expect("client");
            let source = Source::read_at(Zeros, size);
            let options = with(|o| {
                o.fragment_size = fragment;
                // Sizes that are chosen begin and stay there: how they grow depends on the time each takes.
                o.max_fragment = 256 * 1024;
            });
            let upload = client.upload(source, &peer.url()).options(options).start();
            ended(&upload.expect("started")).expect("uploaded");
            let mut seen = lengths(&peer.raw);
            seen.retain(|length| *length > 1);
            (seen.iter().sum::<usize>(), seen.len())
        };
        let (bytes, expected) = send(&Peer::plain());
        assert_eq!(bytes as u64, size);
        let peer = Peer::start(closing);
        let (_, seen) = send(&peer);
        // One may have died with its connection, and was sent again.
        assert!(seen <= expected + 1, "{seen} instead of {expected}");
        assert!(of_type(&peer.raw, "Create-Session").len() == 1);
        assert_eq!(peer.files().iter().map(Vec::len).collect::<Vec<_>>(), [3 << 20]);
    }
}

#[test]
fn a_host_that_knows_no_ping_is_not_asked_for_ever() {
    let _rule = bitsup_server::rule!("FSM-04");
    let refusals: [fn() -> Reply; 5] = [
        || Reply::status(200, "OK").body("unsupported packet"),
        || Reply::status(400, "Bad"),
        || Reply::status(404, "Not Found"),
        || Reply::status(405, "Not Allowed"),
        || Reply::status(501, "Not Implemented"),
    ];
    for refusal in refusals {
        let peer = Peer::start(move |call| match (call.packet, call.nth) {
            ("Ping", _) => Turn::Answer(refusal()),
            ("Fragment", 2 | 5) => Turn::Answer(Reply::close()),
            _ => Turn::Serve,
        });
        done(&peer);
        let expected = [
            "Fragment 1000",
            "Ping",
            "Ping",
            "Fragment 998",
            "Fragment 1000",
            "Fragment 2000",
            "Fragment 1998",
            "Fragment 2000",
            "Close-Session",
        ];
        assert_eq!(peer.packets()[2..], expected);
        assert_eq!(peer.files(), [payload(SIZE)]);
    }
    // A code, or a host that has acknowledged nothing: the refusal counts.
    let peer = Peer::start(|call| match (call.packet, call.nth) {
        ("Ping", _) => Turn::Answer(error(400, "0x80070057")),
        ("Fragment", 2) => Turn::Answer(Reply::close()),
        _ => Turn::Serve,
    });
    let refused = upload(&peer.url(), &payload(SIZE), options()).expect_err("refused");
    assert_eq!((refused.http_status(), peer.count("Ping")), (Some(400), 1), "{refused}");
}
