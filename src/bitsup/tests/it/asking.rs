//! Callers who are asked for a login.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    Call, Farm, PATIENCE, Peer, Turn, challenge, ended, options, same_port, sending_to, start,
    upload, wait_for_state,
};
use base64::Engine;
use bitsup::{
    CancelMode, Client, CredentialCallback, CredentialRequest, Credentials, ErrorKind, Login,
    ProxyChoice, Secret, UploadOptions, UploadState,
};
use bitsup_server::scripted::{Reply, Request, Scripted};

const SIZE: usize = 2500;

/// What a callback was asked.
type Asked = Arc<Mutex<Vec<CredentialRequest>>>;

fn password(password: &str) -> Login {
    Login::Password(Credentials { user: "user".into(), password: Secret::new(password) })
}

/// Options with a callback that gives these answers one after the other, then none.
fn asking(answers: Vec<Option<Login>>) -> (UploadOptions, Asked) {
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let mut options = options();
    options.allow_cleartext_credentials = true;
    options.credential_callback = Some(CredentialCallback::new(move |request| {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(request.clone());
        answers.get(log.len() - 1).cloned().flatten()
    }));
    (options, asked)
}

fn questions(asked: &Asked) -> Vec<CredentialRequest> {
    asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn basic(password: &str) -> String {
    let both = format!("user:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
}

/// A server that takes the password which `right` names at that moment.
fn guarded(right: &'static str) -> Peer {
    guarded_by(move || right.to_owned())
}

fn guarded_by(right: impl Fn() -> String + Send + 'static) -> Peer {
    Peer::start(move |call| {
        let shown = call.request.header("Authorization");
        if shown == basic(&right()) { Turn::Serve } else { Turn::Answer(challenge()) }
    })
}

fn shown(peer: &Peer) -> Vec<String> {
    let header = |request: &Request| request.header("Authorization");
    peer.raw.requests().iter().map(header).filter(|shown| !shown.is_empty()).collect()
}

#[test]
fn a_caller_without_a_password_is_asked_for_one() {
    let peer = guarded("secret");
    let (options, asked) = asking(vec![Some(password("secret"))]);
    upload(&peer.url(), &payload(SIZE), options).expect("uploaded");
    assert_eq!(peer.files(), [payload(SIZE)]);
    let questions = questions(&asked);
    let [question] = questions.as_slice() else { panic!("{questions:?}") };
    assert_eq!(question.site, peer.url().trim_end_matches("/up/x.bin"));
    assert_eq!(question.realm.as_deref(), Some("up"));
    assert_eq!(question.schemes, ["basic"]);
    assert_eq!((question.refused, question.expiring, question.attempt), (false, false, 1));
    assert_eq!(peer.packets()[..3], ["Ping", "Ping", "Create-Session"]);
}

#[test]
fn a_refused_password_is_replaced_in_the_middle_of_an_upload() {
    let _rule = bitsup_server::rule!("AUT-03");
    let asked_for = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked_for);
    // The password changes with the second Fragment.
    let mut changed = false;
    let peer = Peer::start(move |call| {
        changed |= call.is("Fragment", 2);
        let right = if changed { "new" } else { "old" };
        if call.request.header("Authorization") == basic(right) {
            return Turn::Serve;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Turn::Answer(challenge())
    });
    let (mut options, asked) = asking(vec![Some(password("new"))]);
    let old = Credentials { user: "user".into(), password: Secret::new("old") };
    options.credentials = Some(old);
    upload(&peer.url(), &payload(SIZE), options).expect("uploaded");
    assert_eq!(peer.files(), [payload(SIZE)]);
    assert_eq!(peer.count("Create-Session"), 1);
    let questions = questions(&asked);
    assert_eq!(questions.len(), 1);
    assert!(questions[0].refused);
    assert_eq!(questions[0].user.as_deref(), Some("user"));
    // The Ping without a password, and the one Fragment with the old one.
    assert_eq!(asked_for.load(Ordering::Relaxed), 2);
}

#[test]
fn no_answer_is_an_error_and_the_session_is_kept() {
    let peer = Peer::start(|call| match call.packet {
        "Fragment" if call.nth == 2 => Turn::Answer(challenge()),
        _ => Turn::Serve,
    });
    let (options, asked) = asking(vec![None]);
    let error = upload(&peer.url(), &payload(SIZE), options).expect_err("no login");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.token().is_some());
    assert_eq!(questions(&asked).len(), 1);
}

#[test]
fn what_was_refused_is_not_sent_again_whoever_answers_it() {
    let _rule = bitsup_server::rule!("AUT-03");
    let peer = guarded("secret");
    let (options, asked) = asking(vec![Some(password("wrong")), Some(password("wrong"))]);
    let error = upload(&peer.url(), &payload(10), options).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(shown(&peer), [basic("wrong")]);
    assert_eq!(questions(&asked).len(), 2);
    assert!(error.advice().contains("refused this login before"), "{}", error.advice());
}

#[test]
fn a_caller_is_asked_three_times_in_a_row_at_most() {
    let peer = guarded("secret");
    let answers = (0..10).map(|number| Some(password(&format!("wrong{number}")))).collect();
    let (options, asked) = asking(answers);
    let error = upload(&peer.url(), &payload(10), options).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(shown(&peer), [basic("wrong0"), basic("wrong1"), basic("wrong2")]);
    let attempts: Vec<_> = questions(&asked).iter().map(|question| question.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[test]
fn one_answer_serves_all_uploads_of_a_client() {
    let peer = guarded("secret");
    let (options, asked) = asking(vec![Some(password("secret"))]);
    let client = Client::new().expect("client");
    let uploads: Vec<_> =
        (0..8).map(|_| start(&client, &peer.url(), &payload(SIZE), options.clone())).collect();
    for upload in &uploads {
        ended(upload).expect("uploaded");
    }
    assert_eq!(questions(&asked).len(), 1);
    assert_eq!(peer.files().len(), 8);
}

#[test]
fn a_token_is_asked_for_and_renewed_before_it_expires() {
    let peer = Peer::start(|call| {
        if call.request.header("Authorization").starts_with("Bearer t") {
            Turn::Serve
        } else {
            let refused = Reply::status(401, "Unauthorized");
            Turn::Answer(refused.header("WWW-Authenticate", "Bearer realm=\"up\""))
        }
    });
    let token = |number: usize, valid_for| {
        Some(Login::Token { token: Secret::new(format!("t{number}")), valid_for })
    };
    // The first is over at once, the second lasts.
    let (options, asked) = asking(vec![token(1, Some(Duration::ZERO)), token(2, None)]);
    upload(&peer.url(), &payload(SIZE), options).expect("uploaded");
    assert_eq!(peer.files(), [payload(SIZE)]);
    let shown = shown(&peer);
    assert_eq!(shown[..2], ["Bearer t2", "Bearer t2"], "{shown:?}");
    let questions = questions(&asked);
    let reasons: Vec<_> = questions.iter().map(|asked| (asked.refused, asked.expiring)).collect();
    assert_eq!(reasons, [(false, false), (false, true)]);
    assert_eq!(questions[0].schemes, ["bearer"]);
}

#[test]
fn a_token_is_renewed_for_the_host_that_sees_it() {
    let _rule = bitsup_server::rule!("LOG-02");
    let wants_token = |mut act: Box<dyn FnMut(&Call<'_>) -> Turn + Send>| {
        move |call: &Call<'_>| {
            if !call.request.header("Authorization").is_empty() {
                return act(call);
            }
            let reply = Reply::status(401, "Who");
            Turn::Answer(reply.header("WWW-Authenticate", "Bearer realm=\"up\""))
        }
    };
    let farm = Farm::default();
    let (first, second) = same_port("127.0.0.1", "127.0.0.2");
    let origin = sending_to(&[("BITS-Host-Id", "127.0.0.2")]);
    let origin = Peer::member(&farm, first, wants_token(Box::new(origin)));
    let node = Peer::member(&farm, second, wants_token(Box::new(|_| Turn::Serve)));
    let mut options = options();
    options.allow_cleartext_credentials = true;
    options.trusted_hosts = vec!["127.0.0.2".into()];
    // Each token is to be renewed at once.
    options.credential_callback = Some(CredentialCallback::new(|request| {
        let token = Secret::new(format!("for-{}", request.site));
        Some(Login::Token { token, valid_for: Some(Duration::ZERO) })
    }));
    upload(&origin.url(), &payload(SIZE), options).expect("uploaded");
    for (peer, host) in [(&origin, "127.0.0.1"), (&node, "127.0.0.2")] {
        let shown = shown(peer);
        let own = format!("Bearer for-http://{host}:");
        assert!(!shown.is_empty() && shown.iter().all(|it| it.starts_with(&own)), "{shown:?}");
    }
}

#[test]
fn a_refused_token_is_replaced_and_not_shown_again() {
    let peer = Peer::start(|call| {
        if call.request.header("Authorization") == "Bearer good" {
            Turn::Serve
        } else {
            Turn::Answer(Reply::status(401, "Unauthorized").header("WWW-Authenticate", "Bearer"))
        }
    });
    let good = Login::Token { token: Secret::new("good"), valid_for: None };
    let (mut options, asked) = asking(vec![Some(good)]);
    options.bearer_token = Some(Secret::new("bad"));
    let client = Client::new().expect("client");
    for _ in 0..2 {
        let upload = start(&client, &peer.url(), &payload(10), options.clone());
        ended(&upload).expect("uploaded");
    }
    assert_eq!(shown(&peer).iter().filter(|shown| *shown == "Bearer bad").count(), 1);
    assert_eq!(questions(&asked).len(), 1);
    assert!(questions(&asked)[0].refused);
}

#[test]
fn the_callback_runs_on_the_thread_of_the_callbacks() {
    let peer = guarded("secret");
    let (named, name) = mpsc::channel();
    let (mut options, _) = asking(vec![]);
    options.credential_callback = Some(CredentialCallback::new(move |_| {
        let thread = std::thread::current();
        named.send(thread.name().map(str::to_owned)).expect("the test lives");
        Some(password("secret"))
    }));
    upload(&peer.url(), &payload(10), options).expect("uploaded");
    assert_eq!(name.recv().expect("asked").as_deref(), Some("bitsup-events"));
}

#[test]
fn with_dispatching_it_runs_in_the_dispatch_and_another_upload_asks_if_the_first_goes() {
    let peer = guarded("secret");
    let (notify, notified) = mpsc::channel();
    let client = Client::builder()
        .dispatch_on_demand(move || notify.send(()).unwrap_or_default())
        .build()
        .expect("client");
    let (options, asked) = asking(vec![Some(password("secret"))]);
    let first = start(&client, &peer.url(), &payload(10), options.clone());
    wait_for_state(&first, UploadState::Authenticating);
    let second = start(&client, &peer.url(), &payload(10), options);
    wait_for_state(&second, UploadState::Authenticating);
    notified.recv_timeout(PATIENCE).expect("notified");
    assert_eq!(questions(&asked).len(), 0, "nothing was dispatched yet");
    drop(first);
    while second.result().is_none() {
        let _ = notified.recv_timeout(Duration::from_millis(20));
        client.dispatch(10).expect("dispatched");
    }
    ended(&second).expect("uploaded");
    assert_eq!(questions(&asked).len(), 1);
}

#[test]
fn what_is_around_a_callback_is_that_of_the_upload_which_asks() {
    let peer = guarded("secret");
    let client = Client::builder().dispatch_on_demand(|| {}).build().expect("client");
    let (options, asked) = asking(vec![Some(password("secret"))]);
    let callback = options.credential_callback.clone().expect("it is set");
    let around: Arc<Mutex<Vec<usize>>> = Arc::default();
    let start = |number| {
        let (around, mut options) = (Arc::clone(&around), options.clone());
        options.credential_callback = Some(callback.around(move |ask| {
            around.lock().unwrap_or_else(PoisonError::into_inner).push(number);
            ask()
        }));
        let upload = start(&client, &peer.url(), &payload(10), options);
        wait_for_state(&upload, UploadState::Authenticating);
        upload
    };
    let (first, second, third) = (start(1), start(2), start(3));
    drop(first);
    while second.result().is_none() || third.result().is_none() {
        client.dispatch(10).expect("dispatched");
        std::thread::sleep(Duration::from_millis(5));
    }
    ended(&second).expect("uploaded");
    ended(&third).expect("uploaded");
    assert_eq!(questions(&asked).len(), 1);
    assert_eq!(*around.lock().unwrap_or_else(PoisonError::into_inner), [2]);
}

#[test]
fn an_upload_that_asks_can_be_cancelled_and_paused() {
    let peer = guarded("secret");
    let (answer, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let mut options = options();
    options.allow_cleartext_credentials = true;
    options.credential_callback = Some(CredentialCallback::new(move |_| {
        let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Some(password("secret"))
    }));
    let client = Client::new().expect("client");
    let stopped = start(&client, &peer.url(), &payload(10), options.clone());
    let paused = start(&client, &peer.url(), &payload(10), options);
    wait_for_state(&stopped, UploadState::Authenticating);
    wait_for_state(&paused, UploadState::Authenticating);
    stopped.cancel(CancelMode::Delete);
    assert_eq!(ended(&stopped).expect_err("cancelled").kind(), ErrorKind::Cancelled);
    paused.suspend();
    answer.send(()).expect("the callback waits");
    wait_for_state(&paused, UploadState::Suspended);
    paused.resume();
    ended(&paused).expect("uploaded");
}

#[test]
fn a_callback_that_panics_ends_the_upload() {
    let peer = guarded("secret");
    let mut options = options();
    options.allow_cleartext_credentials = true;
    options.credential_callback = Some(CredentialCallback::new(|_| panic!("no idea")));
    let error = upload(&peer.url(), &payload(10), options).expect_err("it panicked");
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
}

#[test]
fn pings_and_single_packets_ask_on_the_thread_that_calls() {
    let peer = guarded("secret");
    let (mut options, _) = asking(vec![]);
    let here = std::thread::current().id();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    options.credential_callback = Some(CredentialCallback::new(move |request| {
        assert_eq!(std::thread::current().id(), here);
        assert_eq!(request.refused, request.attempt == 2);
        count.fetch_add(1, Ordering::Relaxed);
        Some(password(if request.attempt == 1 { "wrong" } else { "secret" }))
    }));
    let client = Client::new().expect("client");
    assert!(client.ping(&peer.url(), &options).expect("answered").authorized);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let mut session = client.session(&peer.url(), 10, "x", &options).expect("created");
    session.send(payload(10)).expect("sent");
    session.close().expect("closed");
    assert_eq!(peer.files(), [payload(10)]);
    assert_eq!(shown(&peer).iter().filter(|shown| **shown == basic("wrong")).count(), 1);
}

#[test]
fn files_are_read_again_when_their_content_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "old\n").expect("written");
    let right = Arc::new(Mutex::new("old".to_owned()));
    let current = Arc::clone(&right);
    let peer = guarded_by(move || current.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let mut options = options();
    options.allow_cleartext_credentials = true;
    options.credential_callback = Some(CredentialCallback::password_file("user", &file));
    // No dispatch: no code of the caller's is needed.
    let client = Client::builder().dispatch_on_demand(|| ()).build().expect("client");
    ended(&start(&client, &peer.url(), &payload(10), options.clone())).expect("uploaded");
    "new".clone_into(&mut right.lock().unwrap_or_else(PoisonError::into_inner));
    let upload = start(&client, &peer.url(), &payload(10), options.clone());
    assert_eq!(ended(&upload).expect_err("the file is old").kind(), ErrorKind::Auth);
    std::fs::write(&file, "new\n").expect("written");
    ended(&start(&client, &peer.url(), &payload(10), options)).expect("uploaded");
    assert_eq!(shown(&peer).iter().filter(|shown| **shown == basic("old")).count(), 4 + 1);
}

#[test]
fn a_proxy_that_asks_is_answered_too() {
    let _rule = bitsup_server::rule!("AUT-02");
    let asks = || {
        let reply = Reply::status(407, "Who");
        reply.header("Proxy-Authenticate", "Basic realm=\"way\"")
    };
    let proxy = Peer::start(move |call| {
        if call.request.header("Proxy-Authorization") == basic("secret") {
            Turn::Serve
        } else {
            Turn::Answer(asks())
        }
    });
    let (mut options, asked) = asking(vec![Some(password("wrong")), Some(password("secret"))]);
    options.proxy = ProxyChoice::Url(proxy.raw.url(""));
    upload("http://origin.invalid/x", &payload(SIZE), options.clone()).expect("uploaded");
    assert_eq!(proxy.files(), [payload(SIZE)]);
    let seen: Vec<_> = questions(&asked)
        .into_iter()
        .map(|asked| (asked.proxy, asked.realm, asked.refused, asked.attempt))
        .collect();
    let realm = Some("way".to_owned());
    assert_eq!(seen, [(true, realm.clone(), false, 1), (true, realm, true, 2)]);

    // No upload gets through to a server over TLS; each password is shown once.
    let proxy = Scripted::start(move |_, _, _| asks());
    let answers = (0..10).map(|number| Some(password(&format!("wrong{number}")))).collect();
    let (mut options, asked) = asking(answers);
    options.proxy = ProxyChoice::Url(proxy.url(""));
    let error = upload("https://origin.invalid/x", &payload(10), options).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{error}");
    assert_eq!(questions(&asked).len(), 3);
    let shown: Vec<_> = proxy
        .requests()
        .iter()
        .map(|request| request.header("Proxy-Authorization"))
        .filter(|shown| !shown.is_empty())
        .collect();
    assert_eq!(shown, [basic("wrong0"), basic("wrong1"), basic("wrong2")]);
}
