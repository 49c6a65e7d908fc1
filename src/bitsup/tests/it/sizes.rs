//! How large fragments are.

use crate::common::peer::{PATIENCE, Peer, Turn, ended, error, options, range, received, upload};
use crate::common::wire::{Zeros, always, answering, lengths, milliseconds, ranges, types, with};
use crate::common::{Setup, payload};
use bitsup::{Client, ErrorKind, Hresult, Receipt, Source, UploadOptions};
use bitsup_server::scripted::{Reply, Request};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Sizes chosen by the client.
fn automatic() -> UploadOptions {
    with(|o| o.fragment_size = None)
}

fn too_large() -> Reply {
    Reply::status(413, "Too Large")
}

/// A peer that refuses Fragments above a size.
fn limited(limit: usize, reply: Reply) -> Peer {
    Peer::start(move |call| {
        if call.packet == "Fragment" && call.request.content_length() > limit {
            Turn::Answer(reply.clone())
        } else {
            Turn::Serve
        }
    })
}

fn zeros(client: &Client, peer: &Peer, size: usize) -> Receipt {
    let source = Source::read_at(Zeros, size as u64);
    let upload = client.upload(source, &peer.url()).options(automatic()).start().expect("started");
    ended(&upload).expect("uploaded")
}

#[test]
fn a_part_that_is_too_large_is_halved() {
    let _rule = bitsup_server::rule!("SIZ-01");
    let size = 600 * KIB;
    // Closed at once, unread bytes would reset the connection before the answer is read.
    let last = || too_large().header("Connection", "close");
    for reply in [
        too_large(),
        too_large().before_body(),
        last().before_body().pause(PATIENCE).then_close(),
        last().after_body_bytes(1000).pause(PATIENCE).then_close(),
    ] {
        let peer = answering(move |nth| (nth == 2).then(|| reply.clone()));
        let options = with(|o| o.fragment_size = Some(200 * 1024));
        let receipt = upload(&peer.url(), &payload(size), options).expect("uploaded");
        let seen = lengths(&peer.raw);
        assert_eq!(seen[..3], [200 * KIB, 200 * KIB, 100 * KIB], "{seen:?}");
        let ranges = ranges(&peer.raw);
        assert!(ranges[1].starts_with("204800-") && ranges[2].starts_with("204800-"));
        assert_eq!((receipt.retries, receipt.unconfirmed_resends), (0, 0));
        assert_eq!(crate::common::wire::assembled(&peer.raw, size), payload(size));
    }
}

#[test]
fn an_answer_before_a_large_body_ends_the_sending() {
    let _rule = bitsup_server::rule!("SIZ-01");
    // More than the system's buffers hold, so that the client is still sending when it comes.
    let peer =
        answering(|nth| (nth == 1).then(|| too_large().before_body().pause(PATIENCE).then_close()));
    let client = Client::new().expect("client");
    let source = Source::read_at(Zeros, 24 * MIB as u64);
    let options = with(|o| o.fragment_size = Some(24 * MIB as u64));
    let upload = client.upload(source, &peer.url()).options(options).start().expect("started");
    ended(&upload).expect("uploaded");
    assert_eq!(lengths(&peer.raw)[..2], [24 * MIB, 12 * MIB]);
}

#[test]
fn halving_ends_at_five_kib_or_where_the_caller_says() {
    let _rule = bitsup_server::rule!("SIZ-02");
    for (floor, set) in [(5120, None), (700, Some(700))] {
        let peer = limited(0, too_large());
        let mut options = automatic();
        if let Some(set) = set {
            options.min_fragment = set;
        }
        let error = upload(&peer.url(), &payload(100 * KIB), options).expect_err("too large");
        assert_eq!(error.http_status(), Some(413));
        let seen = lengths(&peer.raw);
        assert_eq!(seen.iter().min(), Some(&floor), "{seen:?}");
        assert_eq!(seen.iter().filter(|length| **length == floor).count(), 1);
    }
}

#[test]
fn a_size_that_was_refused_is_not_reached_again() {
    let _rule = bitsup_server::rule!("SIZ-03");
    let peer = limited(MIB - 1, too_large());
    let client = Client::new().expect("client");
    zeros(&client, &peer, 5 * MIB);
    let first = lengths(&peer.raw);
    assert_eq!(first[..2], [MIB, MIB / 2]);
    assert!(first[1..].iter().all(|length| *length < MIB), "{first:?}");
    zeros(&client, &peer, 5 * MIB);
    let second = &lengths(&peer.raw)[first.len()..];
    assert!(second.iter().all(|length| *length < MIB), "{second:?}");
}

#[test]
fn not_found_may_mean_too_large() {
    let _rule = bitsup_server::rule!("SIZ-04");
    let not_found = || Reply::status(404, "Not Found");
    let peer = limited(64 * KIB, not_found());
    let receipt = upload(&peer.url(), &payload(300 * KIB), automatic()).expect("uploaded");
    assert!(receipt.close_confirmed);
    assert_eq!(peer.files(), [payload(300 * KIB)]);

    let peer = answering(move |nth| (nth == 2).then(not_found));
    let error = upload(&peer.url(), &payload(2500), options()).expect_err("not found");
    assert_eq!(error.http_status(), Some(404));
    assert_eq!(lengths(&peer.raw), [1000, 1000]);
}

#[test]
fn a_file_that_is_too_large_is_not_tried_in_smaller_parts() {
    let _rule = bitsup_server::rule!("SIZ-05");
    let peer = answering(|_| Some(error(500, "0x80200020")));
    let error = upload(&peer.url(), &payload(100 * KIB), automatic()).expect_err("too large");
    assert_eq!(error.hresult(), Some(Hresult::TOO_LARGE));
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(peer.count("Fragment"), 1);
}

#[test]
fn automatic_sizes_grow_from_one_mib_and_halve_after_a_loss() {
    let _rule = bitsup_server::rule!("SIZ-06");
    let script = "fragment 4: drop after 70000\nfragment 6: drop after 70000";
    let setup = Setup::with_faults(b"", script);
    let size = 100 * MIB;
    let client = Client::new().expect("client");
    let source = Source::read_at(Zeros, size as u64);
    let url = setup.url("x.bin");
    let upload = client.upload(source, &url).options(automatic()).start().expect("started");
    ended(&upload).expect("uploaded");
    let requests = setup.server.requests();
    let fragments = requests
        .iter()
        .filter(|request| request.header("bits-packet-type").as_deref() == Some("Fragment"));
    let seen: Vec<usize> = fragments
        .map(|request| request.header("content-length").expect("length").parse().expect("number"))
        .collect();
    assert_eq!(seen[0], MIB);
    // A probe asks each time what the server has. A connection that was used before may have died
    // of its age; behind a loss on a new one the size is half of what was lost.
    assert_eq!((seen[4], seen[5], seen[6]), (1, seen[3], 1), "{seen:?}");
    assert!(seen[7] <= seen[5] / 2, "{seen:?}");
    assert!(seen.iter().all(|length| *length <= 28 * MIB), "{seen:?}");
    let mut others = seen[..seen.len() - 1].iter().filter(|length| **length != 1);
    assert!(others.all(|length| *length >= 5 * KIB), "{seen:?}");
    assert_eq!(std::fs::metadata(setup.path("x.bin")).expect("published").len(), size as u64);
}

#[test]
fn a_size_set_by_the_caller_is_kept() {
    let _rule = bitsup_server::rule!("SIZ-07");
    let peer = Peer::plain();
    let options = with(|o| o.fragment_size = Some(5120));
    upload(&peer.url(), &payload(10_250), options).expect("uploaded");
    assert_eq!(lengths(&peer.raw), [5120, 5120, 10]);
}

#[test]
fn an_empty_file_is_opened_and_closed_or_refused() {
    let _rule = bitsup_server::rule!("SIZ-08");
    let peer = always("HEAD", Reply::status(405, "Not Allowed"));
    let receipt = upload(&peer.url(), b"", options()).expect("uploaded");
    assert!(receipt.close_confirmed && receipt.size == 0);
    assert_eq!(types(&peer.raw), ["Create-Session", "Close-Session", "HEAD"]);

    let peer = Peer::plain();
    let refusing = with(|o| o.refuse_empty = true);
    let error = upload(&peer.url(), b"", refusing).expect_err("empty");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(peer.raw.requests().is_empty() && peer.raw.connections().is_empty());
}

#[test]
fn a_server_without_empty_files_is_named() {
    let _rule = bitsup_server::rule!("SIZ-09");
    for status in [400, 416] {
        let peer = Peer::start(move |call| match call.packet {
            "Close-Session" => Turn::Answer(error(status, "0x80070057")),
            _ => Turn::Serve,
        });
        let error = upload(&peer.url(), b"", options()).expect_err("refused");
        assert!(error.message().contains("does not support empty files"), "{error}");
        assert_eq!(error.http_status(), Some(status));
        assert_eq!(peer.count("Close-Session"), 1);
    }
}

#[test]
fn no_fragment_is_empty() {
    let _rule = bitsup_server::rule!("SIZ-10");
    for (size, expected) in [
        (1, vec!["0-0/1"]),
        (999, vec!["0-998/999"]),
        (1000, vec!["0-999/1000"]),
        (1001, vec!["0-999/1001", "1000-1000/1001"]),
        (2000, vec!["0-999/2000", "1000-1999/2000"]),
    ] {
        let peer = Peer::plain();
        upload(&peer.url(), &payload(size), options()).expect("uploaded");
        assert_eq!(ranges(&peer.raw), expected);
        assert_eq!(peer.files(), [payload(size)]);
    }
    let peer = Peer::plain();
    let client = Client::new().expect("client");
    let mut session = client.session(&peer.url(), 10, "x", &options()).expect("session");
    session.send(payload(10)).expect("sent");
    let error = session.send(Vec::new()).expect_err("nothing to send");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    session.close().expect("closed");
    let sent: Vec<usize> = peer.raw.requests().iter().map(Request::content_length).collect();
    assert_eq!(sent, [0, 10, 0]);
}

#[test]
fn a_polite_upload_sends_little_at_a_time_and_comes_to_its_end_though_acks_are_late() {
    let peer = Peer::start(|call| match (call.packet, range(call.request)) {
        ("Fragment", Some((_, end))) if call.nth > 1 => {
            Turn::Answer(received(end).delayed(milliseconds(300)))
        }
        _ => Turn::Serve,
    });
    let size = 448 * KIB;
    let options = with(|o| {
        o.fragment_size = None;
        o.polite = true;
    });
    upload(&peer.url(), &payload(size), options).expect("uploaded");
    let seen = lengths(&peer.raw);
    assert_eq!(seen[0], 64 * KIB);
    // Twice as much once, if the first Ack came soon, and never again.
    assert!(seen.len() >= 3 && seen.iter().all(|length| *length <= 256 * KIB), "{seen:?}");
    assert_eq!(crate::common::wire::assembled(&peer.raw, size), payload(size));
}
