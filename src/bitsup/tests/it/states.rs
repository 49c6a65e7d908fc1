//! The client's states as they show on the wire.

use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    Call, FRAGMENT, PATIENCE, Peer, Turn, challenge, created, ended, error, lost, options,
    received, start, taken, upload, wait_for_state,
};
use bitsup::{Client, Credentials, ErrorKind, ReplyTo, Secret, UploadState};
use bitsup_server::scripted::{Latch, Reply};

const SIZE: usize = 2500;
/// So long nothing may arrive where nothing is to be sent.
const SILENCE: Duration = Duration::from_millis(300);

fn reply_of(peer: &std::net::SocketAddr) -> Reply {
    received(SIZE as u64).header("BITS-Reply-URL", &format!("http://{peer}/reply"))
}

#[test]
fn a_new_upload_creates_and_one_with_credentials_pings_first() {
    let _rule = bitsup_server::rule!("FSM-01", "FSM-02", "FSM-05");
    for with_credentials in [false, true] {
        let peer = Peer::plain();
        let mut options = options();
        let mut expected =
            vec!["Create-Session", "Fragment 0", "Fragment 1000", "Fragment 2000", "Close-Session"];
        if with_credentials {
            options.credentials =
                Some(Credentials { user: "u".into(), password: Secret::new("p") });
            options.allow_cleartext_credentials = true;
            expected.insert(0, "Ping");
        }
        upload(&peer.url(), &payload(SIZE), options).expect("uploaded");
        assert_eq!(peer.packets(), expected);
        let first = &peer.raw.requests()[0];
        assert_eq!(first.header_values("BITS-Session-Id"), Vec::<String>::new());
        assert_eq!(first.header("Host"), peer.raw.address().to_string());
        assert_eq!(peer.files(), [payload(SIZE)]);
    }
}

#[test]
fn a_host_id_leads_to_a_ping_and_no_fragment_goes_out_before_it_succeeds() {
    let _rule = bitsup_server::rule!("FSM-02", "FSM-04");
    let peer = Peer::start(|call| match call.packet {
        "Create-Session" => Turn::After(created("{session-1}").header("BITS-Host-Id", "127.0.0.1")),
        "Ping" if call.nth <= 2 => Turn::Answer(Reply::status(503, "Later")),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
    let expected = ["Create-Session", "Ping", "Ping", "Ping", "Fragment 0", "Close-Session"];
    assert_eq!(peer.packets(), expected);
}

#[test]
fn a_lost_create_ack_leads_to_a_new_create_and_only_its_id_is_used() {
    let _rule = bitsup_server::rule!("FSM-03");
    let failures: [fn() -> Turn; 3] = [
        || Turn::After(Reply::close()),
        || Turn::Answer(Reply::status(503, "Later")),
        || Turn::After(Reply::raw("no answer at all\r\n\r\n").then_close()),
    ];
    for failure in failures {
        let peer = Peer::start(
            move |call| {
                if call.is("Create-Session", 1) { failure() } else { Turn::Serve }
            },
        );
        upload(&peer.url(), &payload(10), options()).expect("uploaded");
        let expected = ["Create-Session", "Create-Session", "Fragment 0", "Close-Session"];
        assert_eq!(peer.packets(), expected);
        let requests = peer.raw.requests();
        let ids: Vec<String> =
            requests[2..].iter().map(|request| request.header("BITS-Session-Id")).collect();
        assert_eq!(ids[0], ids[1]);
        assert_eq!(peer.files(), [payload(10)], "the id is that of the answered Create-Session");
    }
}

#[test]
fn an_error_does_not_move_the_offset_whatever_it_says() {
    let _rule = bitsup_server::rule!("FSM-06");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(
            Reply::status(503, "Later")
                .header("BITS-Packet-Type", "Ack")
                .header("BITS-Received-Content-Range", "2000"),
        ),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(SIZE), options()).expect("uploaded");
    // Nor does it say what the server has: a probe asks.
    let expected = ["Fragment 1000", "Ping", "Fragment 998", "Fragment 1000"];
    assert_eq!(peer.packets()[2..6], expected);
    let requests = peer.raw.requests();
    assert_eq!(requests[2].header("Content-Range"), requests[5].header("Content-Range"));
    assert_eq!(peer.files(), [payload(SIZE)]);
}

/// A peer with a reply to uploads of [`SIZE`] bytes, whose GET is answered by `get`.
fn replying(get: impl Fn(usize) -> Reply + Send + 'static) -> Peer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("address");
    let act = move |call: &Call<'_>| match call.packet {
        "Fragment" if call.request.header("Content-Range").contains("2499/") => {
            Turn::After(reply_of(&address))
        }
        "GET" => Turn::Answer(get(call.nth)),
        _ => Turn::Serve,
    };
    Peer::member(&crate::common::peer::Farm::default(), listener, act)
}

#[test]
fn the_reply_is_fetched_before_the_close() {
    let _rule = bitsup_server::rule!("FSM-07");
    let mut options = options();
    options.reply_to = ReplyTo::Memory(1000);
    let peer = replying(|_| Reply::status(200, "OK").body("thanks"));
    let receipt = upload(&peer.url(), &payload(SIZE), options.clone()).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"thanks"[..]));
    assert_eq!(peer.packets()[3..], ["Fragment 2000", "GET", "Close-Session"]);

    options.max_attempts = Some(3);
    let peer = replying(|_| Reply::status(500, "Broken"));
    let error = upload(&peer.url(), &payload(SIZE), options).expect_err("no reply");
    assert_eq!(error.http_status(), Some(500), "{error}");
    assert!(peer.count("GET") >= 3);
    assert_eq!(peer.count("Close-Session"), 0, "{:?}", peer.packets());
}

#[test]
fn without_an_ack_of_the_close_there_is_no_success() {
    let _rule = bitsup_server::rule!("FSM-08");
    let refusals: [(fn() -> Reply, ErrorKind); 3] = [
        (Reply::hang, ErrorKind::Timeout),
        (|| Reply::status(500, "Broken"), ErrorKind::Timeout),
        (|| Reply::status(403, "Forbidden"), ErrorKind::Refused),
    ];
    for (refusal, kind) in refusals {
        let peer = Peer::start(move |call| match call.packet {
            "Close-Session" => Turn::Answer(refusal()),
            _ => Turn::Serve,
        });
        let mut options = options();
        options.max_attempts = Some(2);
        options.last_ack_timeout = Duration::from_secs(2);
        let error = upload(&peer.url(), &payload(SIZE), options).expect_err("not closed");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(peer.count("Close-Session") >= 1);
        assert!(error.token().is_some(), "all is stored, and the session can be finished");
    }
}

#[test]
fn a_session_driven_by_packets_is_not_closed_before_all_is_there() {
    let _rule = bitsup_server::rule!("FSM-09");
    let peer = Peer::plain();
    let client = Client::new().expect("client");
    let bytes = payload(1000);
    let mut session = client.session(&peer.url(), 1000, "x.bin", &options()).expect("session");
    assert_eq!(session.send(&bytes[..500]).expect("sent"), 500);
    let error = session.close().expect_err("half of it is missing");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0"]);
    session.send(&bytes[500..]).expect("sent");
    session.close().expect("closed");
    assert_eq!(peer.files(), [bytes]);
}

#[test]
fn a_pause_lets_the_exchange_end_and_resume_begins_with_a_ping() {
    let _rule = bitsup_server::rule!("FSM-11", "FSM-13");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Fragment", 2) => Turn::After(received(2000).held(&held)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(SIZE), options());
    peer.wait_for("Fragment", 2);
    upload.suspend();
    taken(&client);
    latch.open();
    wait_for_state(&upload, UploadState::Suspended);
    std::thread::sleep(SILENCE);
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Fragment 1000"]);
    assert_eq!(upload.progress().acknowledged, 2 * FRAGMENT, "the Ack counted");
    upload.resume();
    ended(&upload).expect("uploaded");
    assert_eq!(peer.packets()[3..], ["Ping", "Fragment 2000", "Close-Session"]);
    assert_eq!(peer.files(), [payload(SIZE)]);
}

#[test]
fn after_the_last_ack_a_retry_pings_and_then_does_what_is_pending() {
    let _rule = bitsup_server::rule!("FSM-13");
    let peer = Peer::start(|call| match call {
        call if call.is("Close-Session", 1) => Turn::Answer(Reply::status(503, "Later")),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
    let expected = ["Create-Session", "Fragment 0", "Close-Session", "Ping", "Close-Session"];
    assert_eq!(peer.packets(), expected);

    let mut options = options();
    options.reply_to = ReplyTo::Memory(1000);
    let peer = replying(|nth| match nth {
        1 => Reply::status(503, "Later"),
        _ => Reply::status(200, "OK").body("thanks"),
    });
    upload(&peer.url(), &payload(SIZE), options).expect("uploaded");
    assert_eq!(peer.packets()[3..], ["Fragment 2000", "GET", "Ping", "GET", "Close-Session"]);
}

#[test]
fn nothing_is_sent_while_paused_whatever_the_answer_was() {
    let _rule = bitsup_server::rule!("FSM-11", "FSM-12");
    let answers = [
        (Reply::status(503, "Later"), "Fragment 1"),
        (Reply::status(413, "Too Large"), "Fragment 0"),
        (lost(401), "Create-Session"),
        (challenge(), "Fragment 0"),
        (Reply::close(), "Fragment 1"),
    ];
    for (answer, next) in answers {
        let latch = Latch::new();
        let held = latch.clone();
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 1) => Turn::Answer(answer.clone().held(&held)),
            _ => Turn::Serve,
        });
        let client = Client::new().expect("client");
        let mut options = options();
        options.fragment_size = None;
        options.credentials = Some(Credentials { user: "u".into(), password: Secret::new("p") });
        options.allow_cleartext_credentials = true;
        let upload = start(&client, &peer.url(), &payload(100_000), options);
        peer.wait_for("Fragment", 1);
        upload.suspend();
        // The command must be there before the answer is.
        taken(&client);
        latch.open();
        wait_for_state(&upload, UploadState::Suspended);
        let before = peer.packets().len();
        std::thread::sleep(SILENCE / 2);
        assert_eq!(peer.packets().len(), before, "{:?}", peer.packets());
        upload.resume();
        ended(&upload).expect("uploaded");
        assert_eq!(peer.packets()[before..before + 2], ["Ping", next]);
        assert_eq!(peer.files(), [payload(100_000)]);
    }
}

#[test]
fn of_several_reasons_the_lost_session_counts_first_then_the_login_then_the_size() {
    let _rule = bitsup_server::rule!("FSM-12", "SES-01");
    let cases = [
        (lost(200), "Create-Session", true),
        (lost(401), "Create-Session", true),
        (lost(404), "Create-Session", true),
        (lost(413), "Create-Session", true),
        (lost(500), "Create-Session", true),
        (challenge(), "Fragment 0", true),
        (error(413, "0x80070005"), "Fragment 0", true),
        (error(403, "0x80070005"), "", false),
    ];
    for (number, (answer, next, succeeds)) in cases.into_iter().enumerate() {
        let mut first = Some(answer);
        let peer = Peer::start(move |call| match call.packet {
            "Fragment" => first.take().map_or(Turn::Serve, Turn::Answer),
            _ => Turn::Serve,
        });
        let mut options = options();
        options.fragment_size = None;
        options.credentials = Some(Credentials { user: "u".into(), password: Secret::new("p") });
        options.allow_cleartext_credentials = true;
        let result = upload(&peer.url(), &payload(100_000), options);
        assert_eq!(result.is_ok(), succeeds, "{number}: {result:?}");
        let requests = peer.raw.requests();
        let packets = peer.packets();
        assert_eq!(packets[..3], ["Ping", "Create-Session", "Fragment 0"]);
        if !succeeds {
            continue;
        }
        assert_eq!(packets[3], next, "{number}: {packets:?}");
        let with_password = requests[3].header("Authorization").starts_with("Basic ");
        assert_eq!(with_password, number == 5, "only a challenge brings the password");
        let smaller = requests[3].content_length() < requests[2].content_length();
        assert_eq!(smaller, number == 6 || next == "Create-Session");
        assert_eq!(peer.files(), [payload(100_000)]);
    }
}

#[test]
fn a_lost_session_told_to_a_ping_leads_to_a_new_one() {
    let _rule = bitsup_server::rule!("SES-01");
    for status in [200, 401, 404, 413, 500] {
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 1) => Turn::Answer(Reply::status(503, "Later")),
            call if call.is("Ping", 1) => Turn::Answer(lost(status)),
            _ => Turn::Serve,
        });
        let receipt = upload(&peer.url(), &payload(10), options()).expect("uploaded");
        assert_eq!(receipt.restarts, 1);
        let expected = [
            "Create-Session",
            "Fragment 0",
            "Ping",
            "Create-Session",
            "Fragment 0",
            "Close-Session",
        ];
        assert_eq!(peer.packets(), expected, "{status}");
    }
}

#[test]
fn what_the_state_does_not_allow_changes_nothing() {
    let _rule = bitsup_server::rule!("FSM-14");
    let peer = Peer::plain();
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(10), options());
    upload.resume();
    ended(&upload).expect("uploaded");
    let before = peer.packets();
    assert_eq!(before, ["Create-Session", "Fragment 0", "Close-Session"]);
    upload.resume();
    upload.suspend();
    upload.cancel(bitsup::CancelMode::Delete);
    std::thread::sleep(SILENCE);
    assert_eq!(peer.packets(), before);
    assert_eq!(upload.progress().state, UploadState::Done);
    assert!(upload.wait_for(PATIENCE).expect("ended").is_ok());
}
