//! Proxies that ask for a login, beside servers that do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::common::payload;
use crate::common::peer::{Call, Peer, Turn, challenge, upload};
use crate::common::wire::with;
use bitsup::{
    Client, CredentialCallback, CredentialRequest, Credentials, ErrorKind, Login, ProxyChoice,
    Secret, UploadOptions,
};
use bitsup_server::scripted::{Reply, Request};
use bitsup_server::{Config, Server, TlsFiles};

/// `u:secret` of the server and `p:other` of the proxy.
const SERVER: &str = "Basic dTpzZWNyZXQ=";
const PROXY: &str = "Basic cDpvdGhlcg==";

fn login(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: Secret::new(password) }
}

fn through(proxy: SocketAddr, change: impl FnOnce(&mut UploadOptions)) -> UploadOptions {
    with(|o| {
        o.proxy = ProxyChoice::Url(format!("http://{proxy}"));
        o.no_proxy = Some(String::new());
        o.allow_cleartext_credentials = true;
        change(o);
    })
}

fn ask() -> Reply {
    Reply::status(407, "Proxy login").header("Proxy-Authenticate", "Basic realm=\"way\"")
}

/// A proxy that plays the server behind it too, each with a login of its own.
fn guarded(call: &Call<'_>) -> Turn {
    let shown = |name: &str, wanted: &str| call.request.header(name) == wanted;
    if !shown("Proxy-Authorization", PROXY) {
        Turn::Answer(ask())
    } else if !shown("Authorization", SERVER) {
        Turn::Answer(challenge())
    } else {
        Turn::Serve
    }
}

#[test]
fn a_proxys_login_and_the_servers_are_two_things() {
    let _rule = bitsup_server::rule!("AUT-02");
    let url = "http://origin.test/up/x.bin";
    let proxy = Peer::start(guarded);
    let address = proxy.raw.address();
    let both = through(address, |o| {
        o.proxy_credentials = Some(login("p", "other"));
        o.credentials = Some(login("u", "secret"));
    });
    upload(url, &payload(2500), both).expect("uploaded");
    assert_eq!(proxy.files(), [payload(2500)]);
    let named = |request: &Request| request.target == url;
    assert!(proxy.raw.requests().iter().all(named));

    // Without the proxy's login the proxy is named, and its challenge is not answered with
    // what is meant for the server.
    let proxy = Peer::start(guarded);
    let only_server = through(proxy.raw.address(), |o| o.credentials = Some(login("u", "secret")));
    let error = upload(url, &payload(10), only_server).expect_err("the proxy refuses");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::ProxyAuth, Some(407)), "{error}");
    let silent = |request: &Request| request.header("Authorization").is_empty();
    assert!(proxy.raw.requests().iter().all(silent));

    let proxy = Peer::start(guarded);
    let only_proxy =
        through(proxy.raw.address(), |o| o.proxy_credentials = Some(login("p", "other")));
    let error = upload(url, &payload(10), only_proxy).expect_err("the server refuses");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Auth, Some(401)), "{error}");

    let proxy = Peer::start(guarded);
    let wrong = through(proxy.raw.address(), |o| o.proxy_credentials = Some(login("p", "wrong")));
    let error = upload(url, &payload(10), wrong).expect_err("the proxy refuses");
    assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{error}");
    let shown = |request: &&Request| !request.header("Proxy-Authorization").is_empty();
    assert_eq!(proxy.raw.requests().iter().filter(shown).count(), 1, "{:?}", proxy.packets());
}

#[test]
fn a_proxy_asks_in_the_middle_of_an_upload() {
    let _rule = bitsup_server::rule!("AUT-02");
    let url = "http://origin.test/up/x.bin";
    let login = |o: &mut UploadOptions| o.proxy_credentials = Some(login("p", "other"));
    // For the first time: the same part goes once more, with the login.
    let late =
        Peer::start(|call| if call.is("Fragment", 2) { Turn::Answer(ask()) } else { Turn::Serve });
    upload(url, &payload(2500), through(late.raw.address(), login)).expect("uploaded");
    assert_eq!(late.files(), [payload(2500)]);

    // Again, whatever is shown: the proxy has lost its memory.
    let proxy = Peer::start(|call| {
        let shown = call.request.header("Proxy-Authorization") == PROXY;
        if shown && !call.is("Fragment", 2) { Turn::Serve } else { Turn::Answer(ask()) }
    });
    let ended = upload(url, &payload(2500), through(proxy.raw.address(), login));
    let error = ended.expect_err("it carried the login already");
    assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{error}");
    assert_eq!(proxy.files().len(), 0);
}

#[test]
fn the_server_behind_a_tunnel_never_sees_the_proxys_login() {
    let _rule = bitsup_server::rule!("AUT-02");
    let folder = tempfile::tempdir().expect("folder");
    let issued = rcgen::generate_simple_self_signed(["origin.test".to_owned()]).expect("made");
    let tls = TlsFiles { cert: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
    std::fs::write(&tls.cert, issued.cert.pem()).expect("written");
    std::fs::write(&tls.key, issued.signing_key.serialize_pem()).expect("written");
    let ca_file = tls.cert.clone();
    let root = folder.path().to_owned();
    let basic_auth = Some(("u".to_owned(), "secret".to_owned()));
    let config = Config { root, tls: Some(tls), basic_auth, ..Config::default() };
    let server = Server::start(config).expect("server");
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let proxy = tunnel(server.address(), Arc::clone(&heads));
    let options = |password: &str| {
        through(proxy, |o| {
            o.proxy_credentials = Some(login("p", password));
            o.credentials = Some(login("u", "secret"));
            o.tls.ca_file = Some(ca_file.clone());
        })
    };
    let url = "https://origin.test/x.bin";
    upload(url, &payload(2500), options("other")).expect("uploaded");
    assert_eq!(std::fs::read(folder.path().join("x.bin")).expect("published"), payload(2500));
    let has = |name: &'static str| {
        move |request: &bitsup_server::Request| request.headers.iter().any(|h| h.0 == name)
    };
    // A single packet asks for what the tunnel wants.
    let (mut asking, asked) = asking(options("wrong"), &["wrong too", "other"]);
    asking.proxy_credentials = None;
    let client = Client::new().expect("client");
    assert!(client.ping(url, &asking).expect("answered").authorized);
    let asked = asked.lock().expect("not poisoned").clone();
    assert_eq!(
        asked.iter().map(|a| (a.proxy, a.refused)).collect::<Vec<_>>(),
        [(true, false), (true, true)]
    );
    let requests = server.requests();
    assert!(requests.iter().any(has("authorization")));
    assert!(!requests.iter().any(has("proxy-authorization")), "{requests:?}");
    let connects = heads.lock().expect("not poisoned").clone();
    assert!(connects.iter().any(|head| head.contains(PROXY)));
    for head in &connects {
        assert!(head.starts_with("CONNECT origin.test:443 "), "{head}");
        assert!(!head.contains(SERVER) && !head.contains("BITS-"), "{head}");
    }
    let error = upload(url, &payload(10), options("wrong")).expect_err("the proxy refuses");
    assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{error}");
}

/// What was asked for.
type Asked = Arc<Mutex<Vec<CredentialRequest>>>;

/// The options with a callback that answers questions about the proxy with these passwords of `p`.
fn asking(
    mut options: UploadOptions,
    passwords: &'static [&'static str],
) -> (UploadOptions, Asked) {
    let asked: Asked = Arc::default();
    let log = Arc::clone(&asked);
    options.credential_callback = Some(CredentialCallback::new(move |request| {
        let mut log = log.lock().expect("not poisoned");
        log.push(request.clone());
        let password = passwords.get(log.len() - 1).filter(|_| request.proxy)?;
        Some(Login::Password(login("p", password)))
    }));
    (options, asked)
}

#[test]
fn single_packets_ask_for_the_proxys_login_too() {
    let _rule = bitsup_server::rule!("AUT-02");
    let url = "http://origin.test/up/x.bin";
    let proxy = Peer::start(guarded);
    let options = through(proxy.raw.address(), |o| o.credentials = Some(login("u", "secret")));
    let (options, asked) = asking(options, &["wrong", "other"]);
    let client = Client::new().expect("client");
    let mut session = client.session(url, 10, "x.bin", &options).expect("created");
    session.send(payload(10)).expect("sent");
    session.close().expect("closed");
    assert_eq!(proxy.files(), [payload(10)]);
    let asked = asked.lock().expect("not poisoned").clone();
    let seen: Vec<_> = asked.iter().map(|a| (a.proxy, a.attempt, a.refused)).collect();
    assert_eq!(seen, [(true, 1, false), (true, 2, true)]);
    assert_eq!(asked[1].user.as_deref(), Some("p"));
    assert!(asked.iter().all(|a| a.realm.as_deref() == Some("way") && a.schemes == ["basic"]));
    assert!(asked[0].site.ends_with(&proxy.raw.address().to_string()), "{}", asked[0].site);

    // A caller without an answer is told whose login is missing, and is asked three times at most.
    for (passwords, questions) in [(&[][..], 1), (&["a", "b", "c", "d"], 3)] {
        let proxy = Peer::start(guarded);
        let (options, asked) = asking(through(proxy.raw.address(), |_| {}), passwords);
        let error = client.ping(url, &options).expect_err("the proxy refuses");
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::ProxyAuth, Some(407)));
        assert_eq!(asked.lock().expect("not poisoned").len(), questions);
    }
}

/// A proxy for CONNECT that wants a login and notes the heads of all requests; it ends with the test.
fn tunnel(origin: SocketAddr, heads: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let heads = Arc::clone(&heads);
            std::thread::spawn(move || serve(client, origin, &heads));
        }
    });
    address
}

/// Answers requests until one may pass, and passes bytes on from then.
fn serve(mut client: TcpStream, origin: SocketAddr, heads: &Mutex<Vec<String>>) {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match client.read(&mut byte) {
                Ok(1) => head.extend(byte),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let allowed = head.contains(&format!("Proxy-Authorization: {PROXY}\r\n"));
        heads.lock().expect("not poisoned").push(head);
        if allowed {
            break;
        }
        let answer = "HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=\"way\"\r\nContent-Length: 0\r\n\r\n";
        if client.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
    let Ok(server) = TcpStream::connect(origin) else { return };
    if client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").is_err() {
        return;
    }
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let (mut from_server, mut to_client) = (server, client);
    let up = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(std::net::Shutdown::Write);
    let _ = up.join();
}
