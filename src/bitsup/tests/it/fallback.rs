//! The way back from a `BITS-Host-Id` host that does not answer.

use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    Call, Farm, PATIENCE, Peer, Turn, created, ended, error, files, lost, same_port, sending_to,
    trusting, upload,
};
use bitsup::{Client, ErrorKind, Event, Flow, OptionSet, Receipt, Source, UploadOptions};
use bitsup_server::scripted::Reply;

const SIZE: usize = 2500;

/// An upload to a Host-Id host that does `act`; what came of it, and what both saw.
fn with_fallback(
    timeout: Option<&str>,
    options: UploadOptions,
    act: impl FnMut(&Call<'_>) -> Turn + Send + 'static,
) -> (Result<Receipt, bitsup::Error>, Peer, Peer) {
    let (first, second) = same_port("127.0.0.1", "127.0.0.2");
    let farm = Farm::default();
    let mut headers = vec![("BITS-Host-Id", "127.0.0.2")];
    headers.extend(timeout.map(|seconds| ("BITS-Host-Id-Fallback-Timeout", seconds)));
    let mut first_answer = sending_to(&headers);
    let origin = Peer::member(&farm, first, move |call| match call.packet {
        // The second session stays at the origin.
        "Create-Session" if call.nth > 1 => Turn::Serve,
        _ => first_answer(call),
    });
    let node = Peer::member(&farm, second, act);
    let result = upload(&origin.url(), &payload(SIZE), options);
    (result, origin, node)
}

#[test]
fn without_a_time_out_the_client_never_goes_back() {
    let _rule = bitsup_server::rule!("HST-03");
    for timeout in [None, Some("soon"), Some("-1"), Some("")] {
        let mut options = trusting("127.0.0.2");
        options.give_up_after = Duration::from_millis(1500);
        let (result, origin, node) = with_fallback(timeout, options, |call| match call.packet {
            "Ping" if call.nth == 1 => Turn::Serve,
            "Fragment" if call.nth == 1 => Turn::Serve,
            _ => Turn::Answer(Reply::status(503, "Later")),
        });
        result.expect_err("the node is broken");
        assert_eq!(origin.packets()[0], "Create-Session");
        assert!(origin.packets()[1..].iter().all(|packet| packet == "Cancel-Session"));
        assert!(origin.packets().len() == 1, "{timeout:?}: {:?}", origin.packets());
        assert!(node.packets().len() > 4);
    }
}

#[test]
fn after_the_time_out_all_packets_go_to_the_origin() {
    let _rule = bitsup_server::rule!("HST-04");
    let troubles: [fn() -> Turn; 3] = [
        || Turn::Answer(Reply::status(503, "Later")),
        || Turn::Answer(Reply::close()),
        || Turn::Answer(error(500, "0x80070070")),
    ];
    for trouble in troubles {
        let (result, origin, node) =
            with_fallback(Some("2"), trusting("127.0.0.2"), move |call| match call.packet {
                "Ping" if call.nth == 1 => Turn::Serve,
                "Fragment" if call.nth == 1 => Turn::Serve,
                _ => trouble(),
            });
        result.expect("uploaded");
        // The farm shares its sessions: the origin goes on in the old one. No Ping passed at the node.
        // It may share what the node stored of the last part too, so that a probe comes first.
        let expected = ["Create-Session", "Ping", "Fragment 998", "Fragment 1000", "Fragment 2000"];
        assert_eq!(origin.packets()[..5], expected);
        assert_eq!(node.packets()[..3], ["Ping", "Fragment 0", "Fragment 1000"]);
        let first_failure = node.raw.requests()[2].began;
        let last = node.raw.requests().last().expect("packets").began;
        assert!(last < first_failure + PATIENCE);
    }
}

/// Five Fragments, and a host that may be followed.
fn small_parts() -> UploadOptions {
    let mut options = trusting("127.0.0.2");
    options.fragment_size = Some(500);
    options
}

#[test]
fn a_good_ping_does_not_stop_the_timer_and_a_fragment_does() {
    let _rule = bitsup_server::rule!("HST-05");
    // Pings pass, Fragments do not: four seconds later all goes to the origin.
    let (result, origin, node) =
        with_fallback(Some("4"), small_parts(), |call| match call.packet {
            "Fragment" => Turn::Answer(Reply::status(503, "Later").header("Retry-After", "1")),
            _ => Turn::Serve,
        });
    result.expect("uploaded");
    assert!(node.count("Ping") >= 2, "{:?}", node.packets());
    // The timer may run out before the Ping of a try or behind it.
    let packets: Vec<_> = origin.packets().into_iter().filter(|name| name != "Ping").collect();
    assert_eq!(packets[..4], ["Create-Session", "Fragment 1", "Fragment 0", "Fragment 500"]);

    // The probe and the Fragment after each failure pass: the node keeps the upload, however long
    // it takes, here more than five seconds.
    let (result, origin, node) =
        with_fallback(Some("4"), small_parts(), |call| match call.packet {
            "Fragment" if call.nth % 3 == 1 => {
                Turn::Answer(Reply::status(503, "Later").header("Retry-After", "1"))
            }
            _ => Turn::Serve,
        });
    result.expect("uploaded");
    assert_eq!(origin.packets(), ["Create-Session"]);
    assert_eq!(node.count("Close-Session"), 1);
}

#[test]
fn an_origin_that_does_not_know_the_session_gets_a_new_one_and_its_host_id_is_followed() {
    let _rule = bitsup_server::rule!("HST-06");
    let (first, second) = same_port("127.0.0.1", "127.0.0.2");
    // Members without shared sessions; the node dies after one Fragment and comes back.
    let (at_origin, at_node) = (Farm::default(), Farm::default());
    let mut named =
        sending_to(&[("BITS-Host-Id", "127.0.0.2"), ("BITS-Host-Id-Fallback-Timeout", "1")]);
    let origin = Peer::member(&at_origin, first, move |call| match call.packet {
        "Fragment" => Turn::Answer(lost(500)),
        _ => named(call),
    });
    let mut fragments = 0;
    let mut offset = 0;
    let node = Peer::member(&at_node, second, move |call| {
        let new = call.request.header("BITS-Session-Id") == "{session-2}";
        match (call.packet, new) {
            ("Fragment", false) if fragments == 0 => {
                fragments += 1;
                Turn::Answer(crate::common::peer::received(1000))
            }
            ("Fragment", false) => Turn::Answer(Reply::status(503, "Later")),
            ("Fragment", true) => {
                let (first, end) = crate::common::peer::range(call.request).expect("a range");
                assert_eq!(first, offset);
                offset = end;
                Turn::Answer(crate::common::peer::received(end))
            }
            ("Close-Session", true) => Turn::Answer(Reply::ack()),
            _ => Turn::Serve,
        }
    });
    let receipt = upload(&origin.url(), &payload(SIZE), trusting("127.0.0.2")).expect("uploaded");
    assert_eq!(receipt.restarts, 1);
    // The timer may run out before the Ping of a try or behind it.
    let packets: Vec<_> = origin.packets().into_iter().filter(|name| name != "Ping").collect();
    assert_eq!(packets, ["Create-Session", "Fragment 998", "Create-Session"]);
    let last = ["Ping", "Fragment 0", "Fragment 1000", "Fragment 2000", "Close-Session"];
    let packets = node.packets();
    let begin = packets.iter().rposition(|packet| packet == "Ping").expect("a Ping");
    assert_eq!(packets[begin..begin + 5], last);
}

#[test]
fn a_session_lost_at_the_host_id_host_is_replaced_there() {
    let _rule = bitsup_server::rule!("SES-02");
    let (first, second) = same_port("127.0.0.1", "127.0.0.2");
    let farm = Farm::default();
    let named = [("BITS-Host-Id", "127.0.0.2")];
    let origin = Peer::member(&farm, first, sending_to(&named));
    let mut own = sending_to(&named);
    let node = Peer::member(&farm, second, move |call| match call.packet {
        "Fragment" if call.nth == 2 => Turn::Answer(lost(500)),
        "Create-Session" => {
            let _ = own(call);
            Turn::After(created("{session-2}").header("BITS-Host-Id", "127.0.0.2"))
        }
        _ => Turn::Serve,
    });
    upload(&origin.url(), &payload(1500), trusting("127.0.0.2")).expect("uploaded");
    assert_eq!(origin.packets(), ["Create-Session"]);
    let expected = ["Ping", "Fragment 0", "Fragment 1000", "Create-Session", "Ping", "Fragment 0"];
    assert_eq!(node.packets()[..6], expected);
    assert_eq!(files(&farm, &[&origin, &node]), [payload(1500)]);
}

#[test]
fn the_timer_goes_on_while_nobody_is_there() {
    let _rule = bitsup_server::rule!("HST-07");
    let (first, second) = same_port("127.0.0.1", "127.0.0.2");
    let farm = Farm::default();
    let headers = [("BITS-Host-Id", "127.0.0.2"), ("BITS-Host-Id-Fallback-Timeout", "60")];
    let origin = Peer::member(&farm, first, sending_to(&headers));
    let node = Peer::member(&farm, second, |call| match call.packet {
        "Fragment" if call.nth >= 2 => {
            Turn::Answer(Reply::status(503, "Later").header("Retry-After", "600"))
        }
        _ => Turn::Serve,
    });
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(SIZE)).expect("written");
    let state = folder.path().join("state");
    let client =
        || Client::builder().options(&OptionSet::new().state_dir(&state)).build().expect("client");
    let begin = |client: &Client| {
        let source = Source::path(&file).expect("source");
        let stop = |event: &Event| match event {
            Event::Retry { .. } => Flow::Stop,
            _ => Flow::Continue,
        };
        let upload = client.upload(source, &origin.url()).options(trusting("127.0.0.2"));
        ended(&upload.on_event(stop).start().expect("started"))
    };
    let error = begin(&client()).expect_err("stopped at the first failure");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(node.packets(), ["Ping", "Fragment 0", "Fragment 1000"]);

    // The journal as it will look to a run 61 s later.
    let journal = std::fs::read_dir(state.join("sessions"))
        .expect("listed")
        .map(|entry| entry.expect("entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
        .expect("a journal");
    let text = std::fs::read_to_string(&journal).expect("read");
    let mut entry: serde_json::Value =
        serde_json::from_str(text.lines().next().expect("a line")).expect("json");
    let since = entry["checkpoint"]["fallback_started"].as_u64().expect("the timer runs");
    entry["checkpoint"]["fallback_started"] = (since - 61).into();
    let line = entry.to_string();
    let checksum = xxhash_rust::xxh3::xxh3_64(line.as_bytes());
    std::fs::write(&journal, format!("{line}\n{checksum:016x}\n")).expect("written");

    begin(&client()).expect("continued");
    let expected = [
        "Create-Session",
        "Ping",
        "Fragment 998",
        "Fragment 1000",
        "Fragment 2000",
        "Close-Session",
    ];
    assert_eq!(origin.packets(), expected);
    assert_eq!(node.packets().len(), 3, "nothing more went to the node");
    assert_eq!(files(&farm, &[&origin, &node]), [payload(SIZE)]);
}
