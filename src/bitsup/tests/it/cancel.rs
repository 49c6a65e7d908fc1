//! Cancelling, in whatever state it comes.

use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    PATIENCE, Peer, Turn, challenge, created, ended, error, lost, options, received, start,
    wait_for_state,
};
use bitsup::{
    CancelMode, Client, Credentials, Error, ErrorKind, OptionSet, ReplyTo, Secret, Source,
    UploadOptions, UploadState,
};
use bitsup_server::scripted::{Latch, Reply, Scripted};

/// Uploads to a peer that holds one packet back, cancels while it is under way.
fn cancel_during(peer: &Peer, packet: &str, nth: usize, options: UploadOptions) -> Error {
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(2500), options);
    peer.wait_for(packet, nth);
    upload.cancel(CancelMode::Delete);
    ended(&upload).expect_err("cancelled")
}

/// A peer that never answers that packet.
fn silent_at(packet: &'static str, nth: usize) -> Peer {
    Peer::start(move |call| match call {
        call if call.is(packet, nth) => Turn::After(Reply::hang()),
        call if call.packet == "Create-Session" => {
            Turn::After(created("{session-1}").header("BITS-Host-Id", "127.0.0.1"))
        }
        call if call.request.header("Content-Range").contains("2499/") => {
            Turn::After(received(2500).header("BITS-Reply-URL", "/reply"))
        }
        _ => Turn::Serve,
    })
}

#[test]
fn cancel_in_any_exchange_deletes_the_session_on_a_new_connection() {
    let _rule = bitsup_server::rule!("FSM-10", "CAN-01", "CAN-03");
    for packet in ["Ping", "Fragment", "GET", "Close-Session"] {
        let peer = silent_at(packet, 1);
        let mut options = options();
        if packet == "GET" {
            options.reply_to = ReplyTo::Memory(100);
        }
        let error = cancel_during(&peer, packet, 1, options);
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{packet}: {error}");
        let requests = peer.raw.requests();
        let (last, before) = requests.split_last().expect("packets");
        assert_eq!(last.packet_type(), "Cancel-Session", "{packet}");
        assert_eq!(last.header("BITS-Session-Id"), "{session-1}");
        assert_eq!(last.content_length(), 0);
        assert!(before.iter().all(|request| request.packet_type() != "Cancel-Session"));
        assert_ne!(last.connection, before.last().expect("a packet").connection);
    }
}

#[test]
fn cancel_closes_the_connection_of_the_request_before_it_sends_anything() {
    let _rule = bitsup_server::rule!("CAN-03");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call.packet {
        "Fragment" if call.nth == 2 => Turn::After(Reply::hang()),
        "Cancel-Session" => Turn::After(Reply::ack().held(&held)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(2500), options());
    peer.wait_for("Fragment", 2);
    upload.cancel(CancelMode::Delete);
    peer.wait_for("Cancel-Session", 1);
    // The peer sees the other connection close before it answers.
    let closed = |raw: &Scripted| raw.connections()[0].closed.is_some();
    assert!(peer.raw.wait_until(PATIENCE, closed));
    latch.open();
    let error = ended(&upload).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    let requests = peer.raw.requests();
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Fragment 1000", "Cancel-Session"]);
    let connections = peer.raw.connections();
    assert_eq!((requests[2].connection, requests[3].connection, connections.len()), (0, 1, 2));
    let answered = |raw: &Scripted| raw.requests()[3].answered.is_some();
    assert!(peer.raw.wait_until(PATIENCE, answered));
    let closed = connections[0].closed.expect("closed before the Cancel-Session was answered");
    assert!(connections[0].closed_by_client && Some(closed) < peer.raw.requests()[3].answered);
    assert_eq!(peer.open_sessions(), 0);
}

#[test]
fn cancel_while_paused_or_waiting_for_a_retry_deletes_the_session() {
    let _rule = bitsup_server::rule!("FSM-10", "CAN-01");
    for paused in [false, true] {
        let peer = Peer::start(|call| match call.packet {
            "Fragment" if call.nth >= 2 => {
                Turn::Answer(Reply::status(503, "Later").header("Retry-After", "600"))
            }
            _ => Turn::Serve,
        });
        let client = Client::new().expect("client");
        let upload = start(&client, &peer.url(), &payload(2500), options());
        wait_for_state(&upload, UploadState::WaitingRetry);
        if paused {
            upload.suspend();
            wait_for_state(&upload, UploadState::Suspended);
        }
        upload.cancel(CancelMode::Delete);
        let error = ended(&upload).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        let expected = ["Create-Session", "Fragment 0", "Fragment 1000", "Cancel-Session"];
        assert_eq!(peer.packets(), expected);
        assert_eq!((upload.progress().state, peer.open_sessions()), (UploadState::Cancelled, 0));
    }
}

#[test]
fn cancel_after_an_error_is_possible_by_the_kept_session() {
    let _rule = bitsup_server::rule!("FSM-10");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(error(403, "0x80070005")),
        _ => Turn::Serve,
    });
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(2500)).expect("written");
    let client = Client::builder()
        .options(&OptionSet::new().state_dir(folder.path().join("state")))
        .build()
        .expect("client");
    let source = Source::path(&file).expect("source");
    let upload = client.upload(source, &peer.url()).options(options()).start().expect("started");
    let refused = ended(&upload).expect_err("refused");
    assert_eq!((refused.kind(), refused.is_resumable()), (ErrorKind::Refused, true));
    let session = client.sessions().expect("listed").remove(0).expect("readable");
    client.cancel_session(&session.id, &options()).expect("cancelled");
    assert_eq!(peer.packets().last().map(String::as_str), Some("Cancel-Session"));
    assert_eq!(peer.open_sessions(), 0);
}

#[test]
fn without_a_session_nothing_is_sent() {
    let _rule = bitsup_server::rule!("CAN-02");
    let peer = silent_at("Create-Session", 1);
    let error = cancel_during(&peer, "Create-Session", 1, options());
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(peer.packets(), ["Create-Session"]);

    // Paused before anything went out, and queued behind another upload.
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call.packet {
        "Create-Session" => Turn::After(created("{session-1}").held(&held)),
        _ => Turn::Serve,
    });
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(10), options());
    peer.wait_for("Create-Session", 1);
    let second = start(&client, &peer.url(), &payload(10), options());
    wait_for_state(&second, UploadState::Queued);
    second.cancel(CancelMode::Delete);
    assert_eq!(ended(&second).expect_err("cancelled").kind(), ErrorKind::Cancelled);
    latch.open();
    ended(&first).expect("uploaded");
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Close-Session"]);
}

#[test]
fn refusals_of_a_cancel_count_as_done() {
    let _rule = bitsup_server::rule!("CAN-04");
    let answers: [fn() -> Reply; 7] = [
        || lost(500),
        || lost(404),
        || lost(200),
        || Reply::status(404, "Not Found"),
        || Reply::status(400, "Bad"),
        || error(403, "0x80070005"),
        || Reply::status(409, "Conflict"),
    ];
    for answer in answers {
        let peer = Peer::start(move |call| match call.packet {
            "Fragment" => Turn::After(Reply::hang()),
            "Cancel-Session" => Turn::Answer(answer()),
            _ => Turn::Serve,
        });
        let error = cancel_during(&peer, "Fragment", 1, options());
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Cancel-Session"]);
    }
}

#[test]
fn a_challenge_to_a_cancel_is_answered_once() {
    let _rule = bitsup_server::rule!("CAN-04", "AUT-04");
    let peer = Peer::start(|call| match call.packet {
        "Fragment" => Turn::After(Reply::hang()),
        "Cancel-Session" if call.request.header("Authorization").is_empty() => {
            Turn::Answer(challenge())
        }
        _ => Turn::Serve,
    });
    let mut options = options();
    options.credentials = Some(Credentials { user: "u".into(), password: Secret::new("p") });
    options.allow_cleartext_credentials = true;
    let error = cancel_during(&peer, "Fragment", 1, options);
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(peer.packets()[2..], ["Fragment 0", "Cancel-Session", "Cancel-Session"]);
    assert_eq!(peer.open_sessions(), 0);
}

#[test]
fn a_cancel_that_meets_a_busy_server_is_sent_again_until_the_limit() {
    let _rule = bitsup_server::rule!("CAN-05");
    let troubles: [fn() -> Reply; 3] =
        [|| Reply::status(503, "Later"), || error(500, "0x80070070"), Reply::close];
    for trouble in troubles {
        let peer = Peer::start(move |call| match call.packet {
            "Fragment" => Turn::After(Reply::hang()),
            "Cancel-Session" if call.nth <= 2 => Turn::Answer(trouble()),
            _ => Turn::Serve,
        });
        let error = cancel_during(&peer, "Fragment", 1, options());
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert_eq!((peer.count("Cancel-Session"), peer.open_sessions()), (3, 0));

        let peer = Peer::start(move |call| match call.packet {
            "Fragment" => Turn::After(Reply::hang()),
            "Cancel-Session" => Turn::Answer(trouble()),
            _ => Turn::Serve,
        });
        let mut options = options();
        options.give_up_after = Duration::from_secs(3);
        let error = cancel_during(&peer, "Fragment", 1, options);
        assert_ne!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert!(error.message().contains("could not be cancelled"), "{error}");
        assert!(peer.count("Cancel-Session") >= 3);
    }
}

#[test]
fn a_cancel_that_is_never_answered_ends() {
    let _rule = bitsup_server::rule!("CAN-05");
    let peer = Peer::start(|call| match call.packet {
        "Fragment" | "Cancel-Session" => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let mut options = options();
    options.ack_timeout = Duration::from_millis(500);
    options.give_up_after = Duration::from_secs(3);
    let error = cancel_during(&peer, "Fragment", 1, options);
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(peer.count("Cancel-Session") >= 2);
}

#[test]
fn a_kept_session_is_left_alone_and_continued() {
    let _rule = bitsup_server::rule!("CAN-06");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), payload(2500)).expect("written");
    let source = Source::path(file.path()).expect("source");
    let client = Client::new().expect("client");
    let upload = client.upload(source.clone(), &peer.url()).options(options());
    let upload = upload.start().expect("started");
    peer.wait_for("Fragment", 2);
    upload.cancel(CancelMode::Keep);
    let error = ended(&upload).expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    let token = error.token().expect("a token").to_owned();
    drop(upload);
    let again = client.import(&token, source).expect("imported").options(options());
    ended(&again.start().expect("started")).expect("continued");
    let expected = [
        "Create-Session",
        "Fragment 0",
        "Fragment 1000",
        "Ping",
        // A probe: the last part may have arrived.
        "Fragment 998",
        "Fragment 1000",
        "Fragment 2000",
        "Close-Session",
    ];
    assert_eq!(peer.packets(), expected);
    assert_eq!(peer.files(), [payload(2500)]);
}

#[test]
fn a_failure_stays_the_failure_when_its_session_cannot_be_cancelled() {
    let peer = Peer::start(|call| match call.packet {
        "Fragment" => Turn::Answer(Reply::status(403, "Forbidden")),
        "Cancel-Session" => Turn::After(Reply::hang()),
        _ => Turn::Serve,
    });
    let mut options = options();
    options.no_resume = true;
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(2500), options);
    let error = ended(&upload).expect_err("refused");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Refused, Some(403)), "{error}");
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Cancel-Session"]);
}
