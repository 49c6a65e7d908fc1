//! Challenges and passwords.

use crate::common::payload;
use crate::common::peer::{
    Call, Peer, Turn, challenge, ended, error, name, options, start, upload, wait_until,
};
use bitsup::{
    Client, Credentials, ErrorKind, Event, Flow, IfExists, OptionSet, Secret, Source,
    UploadOptions, UploadState,
};
use bitsup_server::scripted::Reply;

const SIZE: usize = 2500;
/// `user:secret` as Basic shows it.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

fn with_password(password: &str) -> UploadOptions {
    let mut options = options();
    options.credentials =
        Some(Credentials { user: "user".into(), password: Secret::new(password) });
    options.allow_cleartext_credentials = true;
    options
}

fn bare(call: &Call<'_>) -> bool {
    call.request.header("Authorization").is_empty()
}

/// Packet and whether it carried credentials.
fn seen(peer: &Peer) -> Vec<(String, bool)> {
    let shown = |request: &bitsup_server::scripted::Request| {
        let authorization = request.header("Authorization");
        assert!(authorization.is_empty() || authorization == BASIC, "{authorization}");
        (name(request), !authorization.is_empty())
    };
    peer.raw.requests().iter().map(shown).collect()
}

fn with_credentials(peer: &Peer) -> usize {
    let shows =
        |request: &bitsup_server::scripted::Request| !request.header("Authorization").is_empty();
    peer.raw.requests().iter().filter(|request| shows(request)).count()
}

#[test]
fn any_packet_that_is_challenged_is_sent_again_with_credentials() {
    let _rule = bitsup_server::rule!("AUT-01", "AUT-07");
    for packet in ["Ping", "Create-Session", "Fragment", "Close-Session"] {
        // From that packet on the server asks.
        let mut asking = false;
        let peer = Peer::start(move |call| {
            asking |= call.packet == packet;
            if asking && bare(call) { Turn::Answer(challenge()) } else { Turn::Serve }
        });
        upload(&peer.url(), &payload(SIZE), with_password("secret")).expect("uploaded");
        let seen = seen(&peer);
        let first = seen.iter().position(|(name, _)| name == packet).expect("sent");
        assert!(seen[..=first].iter().all(|(_, shown)| !shown), "{seen:?}");
        assert_eq!(seen[first + 1], (packet.to_owned(), true));
        assert_eq!(peer.files(), [payload(SIZE)]);
        if packet == "Fragment" {
            let requests = peer.raw.requests();
            let (bare, again) = (&requests[first], &requests[first + 1]);
            assert_eq!(bare.header("Content-Range"), again.header("Content-Range"));
            assert_eq!(again.body, payload(SIZE)[..1000]);
        }
    }
}

#[test]
fn the_first_request_never_shows_the_password_and_a_ping_goes_first() {
    let _rule = bitsup_server::rule!("AUT-07");
    let peer = Peer::start(|call| if bare(call) { Turn::Answer(challenge()) } else { Turn::Serve });
    upload(&peer.url(), &payload(10), with_password("secret")).expect("uploaded");
    let expected = [
        ("Ping", false),
        ("Ping", true),
        ("Create-Session", true),
        ("Fragment", true),
        ("Close-Session", true),
    ];
    assert_eq!(seen(&peer), expected.map(|(name, shown)| (name.to_owned(), shown)));

    // A server that asks for nothing sees nothing.
    let peer = Peer::plain();
    upload(&peer.url(), &payload(10), with_password("secret")).expect("uploaded");
    assert_eq!((with_credentials(&peer), peer.packets().len()), (0, 4));
}

#[test]
fn a_question_before_the_upload_is_no_exception() {
    let _rule = bitsup_server::rule!("AUT-07");
    let peer = Peer::start(|call| if bare(call) { Turn::Answer(challenge()) } else { Turn::Serve });
    let mut options = with_password("secret");
    options.if_exists = IfExists::Skip;
    upload(&peer.url(), &payload(10), options).expect("uploaded");
    let expected = [("HEAD", false), ("HEAD", true), ("Ping", false), ("Ping", true)];
    assert_eq!(seen(&peer)[..4], expected.map(|(name, shown)| (name.to_owned(), shown)));
}

#[test]
fn refused_credentials_are_reported_and_not_tried_again_by_the_whole_client() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = Peer::start(|call| {
        if call.request.header("Authorization") == BASIC {
            Turn::Serve
        } else {
            Turn::Answer(challenge())
        }
    });
    let client = Client::new().expect("client");
    for round in 0..3 {
        let upload = start(&client, &peer.url(), &payload(10), with_password("wrong"));
        let error = ended(&upload).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert_eq!(error.http_status(), Some(401));
        assert_eq!(error.hresult().map(|code| code.0), Some(0x8019_0191));
        assert_eq!(with_credentials(&peer), 1, "round {round}: {:?}", peer.packets());
    }
    let upload = start(&client, &peer.url(), &payload(10), with_password("secret"));
    ended(&upload).expect("other credentials are tried");
    assert_eq!(peer.files(), [payload(10)]);
}

#[test]
fn credentials_refused_at_one_server_may_be_good_at_another() {
    let _rule = bitsup_server::rule!("AUT-03");
    let refusing = Peer::start(|_| Turn::Answer(challenge()));
    let taking =
        Peer::start(|call| if bare(call) { Turn::Answer(challenge()) } else { Turn::Serve });
    let client = Client::new().expect("client");
    let upload = start(&client, &refusing.url(), &payload(10), with_password("secret"));
    assert_eq!(ended(&upload).expect_err("refused").kind(), ErrorKind::Auth);
    let upload = start(&client, &taking.url(), &payload(10), with_password("secret"));
    ended(&upload).expect("uploaded");
}

#[test]
fn a_bits_error_in_a_401_is_the_one_reported() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = Peer::start(|_| {
        Turn::Answer(error(401, "0x80070005").header("WWW-Authenticate", "Basic realm=\"up\""))
    });
    let error = upload(&peer.url(), &payload(10), with_password("secret")).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(error.hresult().map(|code| code.0), Some(0x8007_0005));
    assert_eq!(error.context(), Some(5));
}

#[test]
fn challenges_are_answered_packet_by_packet() {
    let _rule = bitsup_server::rule!("AUT-04");
    // The packets before pass without credentials; the third Fragment and the Close do not.
    let peer = Peer::start(|call| match call.packet {
        "Fragment" if call.request.header("Content-Range").contains("2000-") && bare(call) => {
            Turn::Answer(challenge())
        }
        "Close-Session" if bare(call) => Turn::Answer(challenge()),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(SIZE), with_password("secret")).expect("uploaded");
    let expected = [
        "Ping",
        "Create-Session",
        "Fragment 0",
        "Fragment 1000",
        "Fragment 2000",
        "Fragment 2000",
        "Close-Session",
    ];
    assert_eq!(peer.packets(), expected);
    assert_eq!(peer.files(), [payload(SIZE)]);

    let peer = Peer::start(|call| match call.packet {
        "Close-Session" if bare(call) => Turn::Answer(challenge()),
        _ => Turn::Serve,
    });
    upload(&peer.url(), &payload(10), with_password("secret")).expect("uploaded");
    assert_eq!(peer.packets()[2..], ["Fragment 0", "Close-Session", "Close-Session"]);

    // A 401 to the packet with credentials ends it, at the Close too.
    let peer = Peer::start(|call| match call.packet {
        "Close-Session" => Turn::Answer(challenge()),
        _ => Turn::Serve,
    });
    let error = upload(&peer.url(), &payload(10), with_password("secret")).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(peer.count("Close-Session"), 2);
}

#[test]
fn without_usable_credentials_the_session_is_kept_and_finished_with_better_ones() {
    let _rule = bitsup_server::rule!("AUT-06");
    let asking: [(fn() -> Reply, bool); 2] = [
        (challenge, false),
        (|| Reply::status(401, "Unauthorized").header("WWW-Authenticate", "Bearer"), true),
    ];
    for (question, with_some) in asking {
        let mut asked = false;
        let peer = Peer::start(move |call| {
            // At the second Fragment, once: then the account is in order.
            if call.is("Fragment", 2) && !asked {
                asked = true;
                return Turn::Answer(question());
            }
            if asked && !with_some && bare(call) { Turn::Answer(challenge()) } else { Turn::Serve }
        });
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.bin");
        std::fs::write(&file, payload(SIZE)).expect("written");
        let client = Client::builder()
            .options(&OptionSet::new().state_dir(folder.path().join("state")))
            .build()
            .expect("client");
        let run = |options: UploadOptions| {
            let source = Source::path(&file).expect("source");
            let listener = |_: &Event| Flow::Continue;
            let upload = client.upload(source, &peer.url()).options(options).on_event(listener);
            ended(&upload.start().expect("started"))
        };
        let first = if with_some { with_password("secret") } else { options() };
        let error = run(first).expect_err("a login is wanted");
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Auth, true), "{error}");
        assert_eq!(with_credentials(&peer), 0);
        let before = peer.packets().len();
        run(with_password("secret")).expect("continued");
        let later = peer.packets()[before..].to_vec();
        assert_eq!(later[0], "Ping");
        assert!(!later.contains(&"Create-Session".to_owned()), "{later:?}");
        assert!(!later.contains(&"Fragment 0".to_owned()), "{later:?}");
        assert_eq!(peer.files(), [payload(SIZE)]);
    }
}

#[test]
fn a_password_does_not_go_over_plain_http_unless_allowed() {
    let peer = Peer::start(|call| if bare(call) { Turn::Answer(challenge()) } else { Turn::Serve });
    let mut options = with_password("secret");
    options.allow_cleartext_credentials = false;
    let error = upload(&peer.url(), &payload(10), options).expect_err("not allowed");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(with_credentials(&peer), 0);
}

/// A server that makes every login wait until all uploads have been challenged.
fn slow_to_judge(uploads: usize, good: &'static str) -> Peer {
    let (judged, mut asked) = (bitsup_server::scripted::Latch::new(), 0);
    Peer::start(move |call| {
        if bare(call) {
            asked += 1;
            if asked == uploads {
                judged.open();
            }
            return Turn::Answer(challenge());
        }
        if call.request.header("Authorization") == good {
            return Turn::Serve;
        }
        Turn::Answer(challenge().held(&judged))
    })
}

#[test]
fn a_wrong_password_is_shown_once_however_many_uploads_begin_with_it() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = slow_to_judge(16, BASIC);
    let client = Client::new().expect("client");
    let begin = |password: &str| start(&client, &peer.url(), &payload(10), with_password(password));
    let uploads: Vec<_> = (0..16).map(|_| begin("wrong")).collect();
    for upload in &uploads {
        let error = ended(upload).expect_err("refused");
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Auth, Some(401)), "{error}");
        assert_eq!(error.hresult().map(|code| code.0), Some(0x8019_0191));
    }
    assert_eq!(with_credentials(&peer), 1, "{:?}", peer.packets());
    // The right one is none the worse for it, and is good for all at once.
    let uploads: Vec<_> = (0..16).map(|_| begin("secret")).collect();
    for upload in &uploads {
        ended(upload).expect("uploaded");
    }
    assert_eq!(peer.files().len(), 16);
}

#[test]
fn a_portal_that_says_yes_to_everything_is_no_verdict() {
    let _rule = bitsup_server::rule!("AUT-03");
    let all = bitsup_server::scripted::Latch::new();
    let (mut asked, mut shown) = (0, 0);
    let peer = Peer::start(move |call| {
        if bare(call) {
            asked += 1;
            if asked == 16 {
                all.open();
            }
            return Turn::Answer(challenge());
        }
        shown += 1;
        let portal = Reply::status(200, "OK").header("Content-Type", "text/html").body("log in");
        Turn::Answer(if shown == 1 { portal.held(&all) } else { challenge() })
    });
    let client = Client::new().expect("client");
    let begin = |_| start(&client, &peer.url(), &payload(10), with_password("wrong"));
    for upload in &(0..16).map(begin).collect::<Vec<_>>() {
        assert_eq!(ended(upload).expect_err("refused").kind(), ErrorKind::Auth);
    }
    assert_eq!(with_credentials(&peer), 2, "{:?}", peer.packets());
}

#[test]
fn a_pause_while_a_password_is_on_its_way_lets_nobody_else_try_it() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = slow_to_judge(3, BASIC);
    let client = Client::new().expect("client");
    let begin = || start(&client, &peer.url(), &payload(10), with_password("wrong"));
    let first = begin();
    wait_until("the password", || with_credentials(&peer) == 1);
    let second = begin();
    peer.wait_for("Ping", 3);
    first.suspend();
    wait_until("the pause", || second.progress().state == UploadState::Authenticating);
    // The judgement falls when the third has been challenged.
    let third = begin();
    for upload in [&second, &third] {
        assert_eq!(ended(upload).expect_err("refused").kind(), ErrorKind::Auth);
    }
    assert_eq!(with_credentials(&peer), 1, "{:?}", peer.packets());
}

#[test]
fn a_pause_or_an_end_while_another_tries_the_password_sends_nothing() {
    let judged = bitsup_server::scripted::Latch::new();
    let (held, mut first) = (judged.clone(), true);
    let peer = Peer::start(move |call| {
        if bare(call) {
            return Turn::Answer(challenge());
        }
        if std::mem::take(&mut first) {
            return Turn::Answer(Reply::status(503, "Busy").held(&held));
        }
        Turn::Serve
    });
    let client = Client::new().expect("client");
    let begin = || start(&client, &peer.url(), &payload(10), with_password("secret"));
    let trying = begin();
    wait_until("the password", || with_credentials(&peer) == 1);
    let (paused, cancelled) = (begin(), begin());
    for upload in [&paused, &cancelled] {
        wait_until("the wait", || upload.progress().state == UploadState::Authenticating);
    }
    peer.wait_for("Ping", 4);
    paused.suspend();
    wait_until("the pause", || paused.progress().state == UploadState::Suspended);
    cancelled.cancel(bitsup::CancelMode::Keep);
    assert_eq!(ended(&cancelled).expect_err("cancelled").kind(), ErrorKind::Cancelled);
    judged.open();
    ended(&trying).expect("uploaded");
    let before = peer.packets().len();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(peer.packets().len(), before, "{:?}", peer.packets());
    assert_eq!(paused.progress().state, UploadState::Suspended);
    paused.resume();
    ended(&paused).expect("uploaded");
    assert_eq!(peer.files().len(), 2);
}

#[test]
fn a_question_before_the_upload_shows_a_wrong_password_once_too() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = slow_to_judge(16, BASIC);
    let client = Client::new().expect("client");
    let begin = |_| {
        let mut options = with_password("wrong");
        options.if_exists = IfExists::Skip;
        start(&client, &peer.url(), &payload(10), options)
    };
    for upload in &(0..16).map(begin).collect::<Vec<_>>() {
        assert_eq!(ended(upload).expect_err("refused").kind(), ErrorKind::Auth);
    }
    assert_eq!(with_credentials(&peer), 1, "{:?}", peer.packets());
}

#[test]
fn a_redirect_is_no_verdict_on_the_password() {
    let _rule = bitsup_server::rule!("AUT-03");
    for if_exists in [IfExists::Try, IfExists::Skip] {
        let (judged, mut asked, mut shown) = (bitsup_server::scripted::Latch::new(), 0, 0);
        let peer = Peer::start(move |call| {
            if bare(call) {
                asked += 1;
                if asked == 4 {
                    judged.open();
                }
                return Turn::Answer(challenge());
            }
            shown += 1;
            if shown > 1 {
                return Turn::Answer(challenge());
            }
            let elsewhere = Reply::status(302, "Found").header("Location", "/login");
            Turn::Answer(elsewhere.held(&judged))
        });
        let client = Client::new().expect("client");
        let begin = |_| {
            let mut options = with_password("wrong");
            options.if_exists = if_exists;
            start(&client, &peer.url(), &payload(10), options)
        };
        for upload in &(0..4).map(begin).collect::<Vec<_>>() {
            ended(upload).expect_err("sent elsewhere, or refused");
        }
        // One is sent elsewhere, and the next one tries for all the others.
        assert_eq!(with_credentials(&peer), 2, "{:?}", peer.packets());
    }
}

#[test]
fn a_trial_that_ends_without_a_verdict_is_taken_over() {
    let _rule = bitsup_server::rule!("AUT-03");
    let mut shown = 0;
    // The first login gets no answer, the second one that of a busy server.
    let peer = Peer::start(move |call| {
        if bare(call) {
            return Turn::Answer(challenge());
        }
        if call.connection == 0 {
            return Turn::Answer(Reply::hang());
        }
        shown += 1;
        if shown == 1 { Turn::Answer(Reply::status(503, "Busy")) } else { Turn::Serve }
    });
    let client = Client::new().expect("client");
    let begin = || start(&client, &peer.url(), &payload(10), with_password("secret"));
    let first = begin();
    peer.wait_for("Ping", 2);
    let others = [begin(), begin(), begin()];
    peer.wait_for("Ping", 5);
    first.cancel(bitsup::CancelMode::Keep);
    for upload in &others {
        ended(upload).expect("uploaded");
    }
    assert_eq!(ended(&first).expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(peer.files().len(), 3);
}

#[test]
fn a_password_refused_for_the_reply_is_refused_for_all() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = Peer::start(|call| match call.packet {
        "GET" => Turn::Answer(challenge()),
        "Fragment" => Turn::After(
            Reply::ack().header("BITS-Received-Content-Range", "10").header("BITS-Reply-URL", "/r"),
        ),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    for round in 0..2 {
        let mut options = with_password("wrong");
        options.reply_to = bitsup::ReplyTo::Memory(1000);
        let upload = start(&client, &peer.url(), &payload(10), options);
        assert_eq!(ended(&upload).expect_err("refused").kind(), ErrorKind::Auth);
        assert_eq!(with_credentials(&peer), 1, "round {round}: {:?}", peer.packets());
    }
}
