//! Sessions that the server forgets, and how many are open at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    Farm, Peer, Turn, created, ended, lost, options, received, start, taken, upload,
    wait_for_state, wait_until,
};
use bitsup::{
    Client, ErrorKind, Event, Flow, Hresult, LostAckPolicy, OptionSet, Source, Upload, UploadState,
};
use bitsup_server::scripted::{Latch, Reply};

const SIZE: usize = 2500;

#[test]
fn a_forgotten_session_is_replaced_from_byte_0_and_its_id_never_used_again() {
    let _rule = bitsup_server::rule!("SES-02");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Fragment", 3) => Turn::Answer(lost(500)),
        call if call.is("Create-Session", 2) => Turn::After(created("{session-2}").held(&held)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(SIZE), options());
    peer.wait_for("Create-Session", 2);
    wait_until("progress 0", || upload.progress().acknowledged == 0);
    latch.open();
    let receipt = ended(&upload).expect("uploaded");
    assert_eq!((receipt.restarts, receipt.session_id.as_deref()), (1, Some("{session-2}")));
    let expected = [
        "Create-Session",
        "Fragment 0",
        "Fragment 1000",
        "Fragment 2000",
        "Create-Session",
        "Fragment 0",
        "Fragment 1000",
        "Fragment 2000",
        "Close-Session",
    ];
    assert_eq!(peer.packets(), expected);
    let ids = |from: usize, to: usize| -> Vec<String> {
        let requests = peer.raw.requests();
        requests[from..to].iter().map(|request| request.header("BITS-Session-Id")).collect()
    };
    assert_eq!(ids(1, 4), ["{session-1}"; 3]);
    assert_eq!(ids(4, 5), [""]);
    assert_eq!(ids(5, 9), ["{session-2}"; 4]);
    assert_eq!(peer.files(), [payload(SIZE)]);
    assert_eq!(upload.progress().acknowledged, SIZE as u64);
}

#[test]
fn a_session_forgotten_during_a_pause_is_replaced() {
    let _rule = bitsup_server::rule!("SES-02");
    let latch = Latch::new();
    let held = latch.clone();
    let farm = Farm::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = Peer::member(&farm, listener, move |call| match call {
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
    farm.forget_all();
    upload.resume();
    ended(&upload).expect("uploaded");
    let expected = ["Ping", "Fragment 2000", "Create-Session", "Fragment 0", "Fragment 1000"];
    assert_eq!(peer.packets()[3..8], expected);
    assert_eq!(peer.files(), [payload(SIZE)]);
}

#[test]
fn three_restarts_without_getting_further_are_enough() {
    let _rule = bitsup_server::rule!("SES-03");
    // At once, and always after the same Fragment.
    for accepted in [0, 2000] {
        let peer = Peer::start(move |call| match crate::common::peer::range(call.request) {
            Some((first, _)) if first >= accepted => Turn::Answer(lost(500)),
            _ => Turn::Serve,
        });
        let error = upload(&peer.url(), &payload(SIZE), options()).expect_err("no session");
        assert_eq!(error.hresult(), Some(Hresult::SESSION_NOT_FOUND), "{error}");
        assert_eq!(peer.count("Create-Session"), 4);
        assert_eq!(peer.count("Close-Session"), 0);
    }
}

#[test]
fn a_new_highest_offset_allows_further_restarts() {
    let _rule = bitsup_server::rule!("SES-03");
    // Each session lasts one Fragment longer than the one before.
    let mut sessions = 0;
    let peer = Peer::start(move |call| {
        sessions += u64::from(call.packet == "Create-Session");
        match crate::common::peer::range(call.request) {
            Some((first, _)) if first >= sessions * 1000 => Turn::Answer(lost(500)),
            _ => Turn::Serve,
        }
    });
    let receipt = upload(&peer.url(), &payload(6000), options()).expect("uploaded");
    assert_eq!((receipt.restarts, peer.count("Create-Session")), (5, 6));
    assert_eq!(peer.files(), [payload(6000)]);
}

#[test]
fn a_session_lost_at_the_first_close_is_replaced_within_the_limit() {
    let _rule = bitsup_server::rule!("SES-04");
    let peer = Peer::start(|call| match call {
        call if call.is("Close-Session", 1) => Turn::Answer(lost(500)),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(10), options()).expect("uploaded");
    let once = ["Create-Session", "Fragment 0", "Close-Session"];
    assert_eq!(peer.packets(), [once, once].concat());

    let peer = Peer::start(|call| match call.packet {
        "Close-Session" => Turn::Answer(lost(500)),
        _ => Turn::Serve,
    });
    let error = upload(&peer.url(), &payload(10), options()).expect_err("never closed");
    assert_eq!(error.hresult(), Some(Hresult::SESSION_NOT_FOUND), "{error}");
    assert_eq!(peer.packets(), [once, once, once, once].concat());
}

/// A peer whose first Ack of Close-Session is lost, and with it the session.
fn losing_the_close_ack(head: fn() -> Reply) -> Peer {
    Peer::start(move |call| match call {
        call if call.packet == "Create-Session" => {
            Turn::After(created(&format!("{{session-{}}}", call.nth)).header("Date", THEN))
        }
        call if call.is("Close-Session", 1) => Turn::After(Reply::close()),
        call if call.packet == "HEAD" => Turn::Answer(head()),
        _ => Turn::Serve,
    })
}

/// An answer to HEAD that promises `size` bytes.
fn holds(size: &str, modified: &str) -> Reply {
    Reply::status(200, "OK")
        .without_length()
        .header("Content-Length", size)
        .header("Last-Modified", modified)
}

/// When the server opens its sessions.
const THEN: &str = "Mon, 18 Jun 2007 21:01:56 GMT";
const NEW: &str = "Fri, 31 Dec 2100 00:00:00 GMT";
const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn after_a_lost_close_ack_the_destination_decides() {
    let _rule = bitsup_server::rule!("SES-05");
    let once = ["Create-Session", "Fragment 0", "Close-Session", "Ping", "Close-Session", "HEAD"];
    for policy in
        [LostAckPolicy::Auto, LostAckPolicy::Resend, LostAckPolicy::Accept, LostAckPolicy::Restart]
    {
        let mut options = options();
        options.on_lost_ack = policy;
        let peer = losing_the_close_ack(|| holds("10", NEW));
        let receipt = upload(&peer.url(), &payload(10), options).expect("it is there");
        assert!(!receipt.close_confirmed && receipt.verified, "{policy:?}");
        assert!(!receipt.warnings.is_empty());
        assert_eq!(peer.packets(), once);
    }
    let no_proofs: [(fn() -> Reply, bool); 4] = [
        (|| holds("11", NEW), true),
        (|| holds("10", OLD), false),
        (|| Reply::status(404, "Not Found"), true),
        (|| Reply::status(200, "OK").without_length().then_close(), false),
    ];
    for (head, refuted) in no_proofs {
        let peer = losing_the_close_ack(head);
        let error = upload(&peer.url(), &payload(10), options()).expect_err("no proof");
        assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
        assert!(!error.is_resumable() && error.token().is_none());
        assert_eq!(peer.packets(), once, "nothing is sent again");

        let mut options = options();
        options.on_lost_ack = LostAckPolicy::Accept;
        let peer = losing_the_close_ack(head);
        let result = upload(&peer.url(), &payload(10), options.clone());
        if refuted {
            let error = result.expect_err("another size or no file is no doubt");
            assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
        } else {
            let receipt = result.expect("accepted");
            assert!(!receipt.close_confirmed && !receipt.verified);
        }
        assert_eq!(peer.packets(), once);

        options.on_lost_ack = LostAckPolicy::Restart;
        let peer = losing_the_close_ack(head);
        let receipt = upload(&peer.url(), &payload(10), options).expect("sent again");
        assert!(receipt.close_confirmed);
        assert_eq!(peer.packets()[..6], once);
        // A connection died that had been used before: a probe precedes the other Close-Session.
        let again = ["Create-Session", "Fragment 0", "Fragment 8", "Close-Session"];
        assert_eq!(peer.packets()[6..], again);
    }
}

#[test]
fn at_most_sixteen_uploads_hold_a_session_and_the_rest_wait_without_one() {
    let _rule = bitsup_server::rule!("SES-06");
    for (limit, most) in [(None, 16), (Some(3), 3)] {
        let latch = Latch::new();
        let held = latch.clone();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        // The first Fragment of everyone waits until all have had the chance to open a session.
        let peer = Peer::member(&Farm::default(), listener, move |call| match call.packet {
            "Fragment" => Turn::After(received(10).held(&held)),
            _ => Turn::Serve,
        });
        let mut builder = Client::builder();
        if let Some(limit) = limit {
            builder = builder.options(&OptionSet::new().uploads_per_host(limit));
        }
        let client = builder.build().expect("client");
        let uploads: Vec<_> =
            (0..40).map(|_| start(&client, &peer.url(), &payload(10), options())).collect();
        peer.wait_for("Fragment", most);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(peer.count("Create-Session"), most);
        let queued =
            uploads.iter().filter(|upload| upload.progress().state == UploadState::Queued).count();
        assert_eq!(queued, 40 - most);
        latch.open();
        for upload in &uploads {
            ended(upload).expect("uploaded");
        }
        assert!(peer.most_open() <= most, "{}", peer.most_open());
        assert_eq!(peer.files().len(), 40);
    }
}

#[test]
fn a_host_that_forgets_sessions_while_others_are_active_gets_half_as_many() {
    let _rule = bitsup_server::rule!("SES-06");
    let latch = Latch::new();
    let held = latch.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = Peer::member(&Farm::default(), listener, move |call| match call.packet {
        "Fragment" if call.nth == 8 => Turn::Answer(lost(500)),
        "Fragment" => Turn::After(received(10).held(&held)),
        _ => Turn::Serve,
    });
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(8)).build().expect("client");
    let notices = Arc::new(Mutex::new(Vec::new()));
    let uploads: Vec<_> = (0..24)
        .map(|_| {
            let seen = Arc::clone(&notices);
            client
                .upload(Source::bytes(payload(10)), &peer.url())
                .options(options())
                .on_event(move |event| {
                    if let Event::Notice(text) = event {
                        seen.lock().expect("lock").push(text.clone());
                    }
                    Flow::Continue
                })
                .start()
                .expect("started")
        })
        .collect();
    peer.wait_for("Fragment", 9);
    wait_until("the notice", || {
        notices.lock().expect("lock").iter().any(|text| text.contains("at most 4 uploads"))
    });
    let before = peer.raw.requests().len();
    latch.open();
    for upload in &uploads {
        ended(upload).expect("uploaded");
    }
    // Once the first eight are through there are never more than four.
    let requests = peer.raw.requests();
    let mut open = 0_i32;
    let mut after = Vec::new();
    for request in &requests {
        match crate::common::peer::name(request).as_str() {
            "Create-Session" => open += 1,
            "Close-Session" => open -= 1,
            _ => {}
        }
        after.push(open);
    }
    // The lost session was never closed: it counts for one that is not there.
    let low = after.iter().skip(before).position(|open| *open <= 5).expect("some ended");
    assert!(after[before + low..].iter().all(|open| *open <= 5), "{after:?}");
    assert_eq!(peer.files().len(), 24);
}

/// A server that is far away. From when eight sessions are open on it answers one Fragment so, and nothing else before
/// the latch opens: until then no upload ends.
fn far_away(latch: &Latch, last: Reply) -> Peer {
    let (farm, latch) = (Farm::default(), latch.clone());
    let away = Duration::from_millis(40);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (books, mut last) = (farm.clone(), Some(last));
    Peer::member(&farm, listener, move |call| {
        let is_full = books.most_open() >= 8;
        let slow = |reply: Reply| {
            // The wait is long enough that the time it takes to send does not count beside it.
            let away = if call.packet == "Fragment" { 4 * away } else { away };
            Turn::After(if is_full { reply.held(&latch) } else { reply }.delayed(away))
        };
        match call.packet {
            "Create-Session" => slow(created(&format!("{{session-{}}}", call.nth))),
            "Fragment" if is_full && last.is_some() => {
                Turn::Answer(last.take().expect("it is there"))
            }
            "Fragment" => slow(received(10)),
            _ => slow(Reply::ack()),
        }
    })
}

/// Starts small uploads, whose number at a time rises by itself.
fn start_many(
    count: usize,
    client: &Client,
    peer: &Peer,
    notices: &Arc<Mutex<Vec<String>>>,
) -> Vec<Upload> {
    let start = |_| {
        let seen = Arc::clone(notices);
        let listen = move |event: &Event| {
            if let Event::Notice(text) = event {
                seen.lock().expect("lock").push(text.clone());
            }
            Flow::Continue
        };
        let upload = client.upload(Source::bytes(payload(10)), &peer.url());
        upload.options(options()).on_event(listen).start().expect("started")
    };
    (0..count).map(start).collect()
}

#[test]
fn small_uploads_to_a_server_far_away_become_eight_at_a_time_and_fewer_if_it_dislikes_that() {
    let _rule = bitsup_server::rule!("SES-06");
    for (last, stays_low) in [(lost(500), true), (Reply::status(503, "Busy"), false)] {
        let (state, latch) = (tempfile::tempdir().expect("folder"), Latch::new());
        let peer = far_away(&latch, last);
        let client = || {
            let builder = Client::builder()
                .options(&OptionSet::new().uploads_per_host(0).state_dir(state.path()));
            builder.build().expect("client")
        };
        let notices = Arc::default();
        let first = client();
        let uploads = start_many(60, &first, &peer, &notices);
        wait_until("the notice", || {
            notices.lock().expect("lock").iter().any(|text| text.contains("at most 4 uploads"))
        });
        latch.open();
        for upload in &uploads {
            ended(upload).expect("uploaded");
        }
        // The lost session was never closed: it counts for one that is not there.
        assert!(peer.most_open() <= 8 + usize::from(stays_low), "{}", peer.most_open());

        // The next client knows of what was forgotten; an overload passes.
        drop((uploads, first));
        let before = peer.raw.requests().len();
        let later = client();
        let uploads = start_many(if stays_low { 30 } else { 60 }, &later, &peer, &notices);
        for upload in &uploads {
            ended(upload).expect("uploaded");
        }
        let mut open = 0;
        let requests = peer.raw.requests();
        let opened = requests.iter().skip(before).map(|request| {
            match crate::common::peer::name(request).as_str() {
                "Create-Session" => open += 1,
                "Close-Session" => open -= 1,
                _ => {}
            }
            open
        });
        let most = opened.max().unwrap_or_default();
        // Where it rises, a Close-Session on its way counts for an end.
        assert!(if stays_low { most == 2 } else { most > 4 }, "{most}");
    }
}

#[test]
fn a_create_that_brings_the_same_id_again_is_a_session_like_any_other() {
    let _rule = bitsup_server::rule!("SES-02");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(lost(404)),
        call if call.packet == "Create-Session" => Turn::After(created("{session-1}")),
        call if call.packet == "Fragment" => {
            let (_, end) = crate::common::peer::range(call.request).expect("a range");
            Turn::Answer(received(end))
        }
        call if call.packet == "Close-Session" => Turn::Answer(Reply::ack()),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(1500), options()).expect("uploaded");
    assert_eq!(peer.packets()[3..5], ["Create-Session", "Fragment 0"]);
}
