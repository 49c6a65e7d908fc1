//! Who asks for a login decides which one goes out: the proxy's to the proxy, the server's to the
//! server, and to no other host.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::common::payload;
use crate::common::peer::{Call, Farm, Peer, Turn, challenge, created, files, same_port, upload};
use crate::common::wire::with;
use bitsup::{
    AuthChoice, Client, CredentialCallback, CredentialRequest, Credentials, ErrorKind, Header,
    HostPolicy, Login, ProxyChoice, Secret, UploadOptions,
};
use bitsup_server::scripted::{Reply, Request};

/// What is searched for in all that went out: as it is, and in the base64 of `u:hunter2`.
const SECRETS: [&str; 2] = ["hunter2", "dTpodW50ZXIy"];
const DIGEST: &str = "Digest realm=\"x\", nonce=\"n\", qop=\"auth\"";

fn shows_a_secret(request: &Request) -> bool {
    let head = String::from_utf8_lossy(&request.head).into_owned();
    SECRETS.iter().any(|secret| head.contains(secret)) || head.contains("username=")
}

fn login() -> Credentials {
    Credentials { user: "u".into(), password: Secret::new("hunter2") }
}

/// Files with the login of the server: a password, a netrc, a token.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        for (name, content) in
            [("secret", "hunter2"), ("netrc", "default login u password hunter2")]
        {
            std::fs::write(folder.path().join(name), content).expect("written");
        }
        Self { folder }
    }

    /// Every source of a login for the server.
    fn sources(&self) -> Vec<(&'static str, UploadOptions)> {
        let path = |name: &str| self.folder.path().join(name);
        let asked = |callback: CredentialCallback| {
            move |o: &mut UploadOptions| o.credential_callback = Some(callback)
        };
        let own = |request: &CredentialRequest| (!request.proxy).then(|| Login::Password(login()));
        vec![
            ("option", with(|o| o.credentials = Some(login()))),
            (
                "file",
                with(|o| {
                    o.credentials = Some(login());
                    asked(CredentialCallback::password_file("u", path("secret")))(o);
                }),
            ),
            ("netrc", with(asked(CredentialCallback::netrc(path("netrc"), None)))),
            ("callback", with(asked(CredentialCallback::new(own)))),
            (
                "token file",
                with(|o| {
                    // Over http it goes nowhere without a word of the caller.
                    asked(CredentialCallback::token_file(path("secret")))(o);
                }),
            ),
        ]
    }
}

/// Answers every request, CONNECT too, with 407; keeps the heads.
fn refusing_proxy(offer: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&heads);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                while let Some(head) = read_head(&mut stream) {
                    log.lock().expect("not poisoned").push(head);
                    let answer = format!(
                        "HTTP/1.1 407 P\r\nProxy-Authenticate: {offer}\r\nContent-Length: 0\r\n\r\n"
                    );
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heads)
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

#[test]
fn a_proxy_that_asks_gets_nothing_that_is_the_servers() {
    let _rule = bitsup_server::rule!("LOG-01");
    let files = Files::new();
    for offer in ["Basic realm=\"x\"", DIGEST, "NTLM"] {
        for scheme in ["http", "https"] {
            for (source, options) in files.sources() {
                let (proxy, heads) = refusing_proxy(offer);
                let mut options = options;
                options.proxy = ProxyChoice::Url(format!("http://{proxy}"));
                options.no_proxy = Some(String::new());
                options.allow_cleartext_credentials = source != "token file";
                options.max_attempts = Some(2);
                let url = format!("{scheme}://origin.test/up/x.bin");
                let client = Client::new().expect("client");
                let error = client.ping(&url, &options).expect_err("the proxy refuses");
                assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{source}: {error}");
                let error = upload(&url, &payload(10), options).expect_err("the proxy refuses");
                assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{source}: {error}");
                let heads = heads.lock().expect("not poisoned").clone();
                assert!(!heads.is_empty());
                for head in heads {
                    let shows = SECRETS.iter().any(|secret| head.contains(secret))
                        || head.to_ascii_lowercase().contains("authorization");
                    assert!(!shows, "{source}, {scheme}, {offer}: {head}");
                }
            }
        }
    }
}

#[test]
fn each_gets_its_own_after_the_others_was_refused() {
    let _rule = bitsup_server::rule!("LOG-01", "AUT-03");
    // u:hunter2 is the server's, p:other the proxy's; first the one refuses, then the other.
    for proxy_refuses in [true, false] {
        let peer = Peer::start(move |call| {
            let proxy = call.request.header("Proxy-Authorization");
            let server = call.request.header("Authorization");
            assert!(!proxy.contains("dTpodW50ZXIy") && !server.contains("cDpvdGhlcg=="));
            if proxy.is_empty() || proxy_refuses {
                let reply = Reply::status(407, "P");
                return Turn::Answer(reply.header("Proxy-Authenticate", "Basic realm=\"p\""));
            }
            Turn::Answer(challenge())
        });
        let asked: Arc<Mutex<Vec<CredentialRequest>>> = Arc::default();
        let log = Arc::clone(&asked);
        let options = with(|o| {
            o.proxy = ProxyChoice::Url(format!("http://{}", peer.raw.address()));
            o.no_proxy = Some(String::new());
            o.allow_cleartext_credentials = true;
            o.credentials = Some(login());
            let password = Secret::new("other");
            o.proxy_credentials = Some(Credentials { user: "p".into(), password });
            o.credential_callback = Some(CredentialCallback::new(move |request| {
                log.lock().expect("not poisoned").push(request.clone());
                None
            }));
        });
        let error = upload("http://origin.test/x", &payload(10), options).expect_err("refused");
        let kind = if proxy_refuses { ErrorKind::ProxyAuth } else { ErrorKind::Auth };
        assert_eq!(error.kind(), kind, "{error}");
        let asked = asked.lock().expect("not poisoned").clone();
        assert_eq!(asked.iter().map(|own| own.proxy).collect::<Vec<_>>(), [proxy_refuses]);
    }
}

#[test]
fn a_407_of_a_server_is_nobodys_question() {
    let _rule = bitsup_server::rule!("LOG-01");
    let peer = Peer::start(|_| {
        let reply = Reply::status(407, "P");
        Turn::Answer(reply.header("Proxy-Authenticate", "Basic realm=\"p\""))
    });
    let options = with(|o| {
        o.proxy = ProxyChoice::Direct;
        o.allow_cleartext_credentials = true;
        o.credentials = Some(login());
        o.proxy_credentials = Some(login());
        o.credential_callback = Some(CredentialCallback::new(|_| panic!("it is not asked")));
    });
    let error = upload(&peer.url(), &payload(10), options.clone()).expect_err("no proxy");
    assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{error}");
    let client = Client::new().expect("client");
    assert!(client.ping(&peer.url(), &options).is_err());
    assert!(!peer.raw.requests().iter().any(shows_a_secret));
}

/// Everything that may be meant for the URL's host alone.
fn meant_for_one(kind: &str, files: &Files) -> UploadOptions {
    let header = |name: &str, value: &str| Header::new(name, value).expect("legal");
    with(|o| {
        o.allow_cleartext_credentials = true;
        match kind {
            "password" => o.credentials = Some(login()),
            "digest" => {
                o.credentials = Some(login());
                o.auth = AuthChoice::Digest;
            }
            "token" => o.bearer_token = Some(Secret::new("hunter2")),
            "secret header" => o.headers.push(header("X-Key", "hunter2").secret()),
            "authorization" => o.headers.push(header("authorization", "Basic dTpodW50ZXIy")),
            "cookie" => o.headers.push(header("Cookie", "id=hunter2")),
            "netrc" => {
                let path = files.folder.path().join("netrc");
                o.credential_callback = Some(CredentialCallback::netrc(path, None));
            }
            "callback" => {
                o.credential_callback =
                    Some(CredentialCallback::new(|_| Some(Login::Password(login()))));
            }
            _ => unreachable!("{kind}"),
        }
        o.headers.push(header("X-Plain", "goes along"));
    })
}

/// A server that wants what it was told to, if that is a login.
fn wanting(kind: &'static str) -> impl Fn(&Request) -> Option<Reply> + Clone {
    move |request| {
        let shown = !request.header("Authorization").is_empty();
        let words = if kind == "digest" { DIGEST } else { "Basic realm=\"x\"" };
        let wants = matches!(kind, "password" | "digest" | "netrc" | "callback") && !shown;
        wants.then(|| Reply::status(401, "Who").header("WWW-Authenticate", words))
    }
}

/// Sends the sessions that it creates to 127.0.0.2.
fn sending_on() -> impl FnMut(&Call<'_>) -> Turn + Send + 'static {
    let mut made = 0;
    move |call| {
        if call.packet != "Create-Session" {
            return Turn::Serve;
        }
        made += 1;
        let reply = created(&format!("{{session-{made}}}"));
        Turn::After(reply.header("BITS-Host-Id", "127.0.0.2"))
    }
}

const KINDS: [&str; 8] = [
    "password",
    "digest",
    "token",
    "secret header",
    "authorization",
    "cookie",
    "netrc",
    "callback",
];

#[test]
fn a_host_of_anywhere_is_followed_and_shown_nothing() {
    let _rule = bitsup_server::rule!("LOG-02", "LOG-03");
    let own = Files::new();
    for kind in KINDS {
        for trusted in [false, true] {
            for node_asks in [false, true] {
                let (first, second) = same_port("127.0.0.1", "127.0.0.2");
                let farm = Farm::default();
                let wants = wanting(kind);
                let mut create = sending_on();
                let at_origin = wants.clone();
                let origin = Peer::member(&farm, first, move |call: &Call<'_>| {
                    at_origin(call.request).map_or_else(|| create(call), Turn::Answer)
                });
                let node = Peer::member(&farm, second, move |call: &Call<'_>| {
                    let asked = wants(call.request).filter(|_| node_asks);
                    asked.map_or(Turn::Serve, Turn::Answer)
                });
                let mut options = meant_for_one(kind, &own);
                options.host_id = HostPolicy::Any;
                if trusted {
                    options.trusted_hosts = vec!["127.0.0.2".into()];
                }
                let ended = upload(&origin.url(), &payload(10), options.clone());
                let about = format!("{kind}, trusted {trusted}, asks {node_asks}: {ended:?}");
                let wants_login = matches!(kind, "password" | "digest" | "netrc" | "callback");
                if node_asks && wants_login && !trusted {
                    let error = ended.expect_err(&about);
                    assert_eq!(error.kind(), ErrorKind::Auth, "{about}");
                } else {
                    ended.expect(&about);
                    assert_eq!(files(&farm, &[&origin, &node]), [payload(10)], "{about}");
                }
                assert!(origin.raw.requests().iter().any(shows_a_secret), "{about}");
                let seen = node.raw.requests();
                assert!(!seen.is_empty(), "{about}");
                let shown = seen.iter().any(shows_a_secret);
                assert!(trusted || !shown, "{about}");
                assert!(shown || !trusted || (wants_login && !node_asks), "{about}");
                assert!(seen.iter().all(|own| own.header("X-Plain") == "goes along"), "{about}");

                // Packet by packet, too.
                let before = node.raw.requests().len();
                let client = Client::new().expect("client");
                let session = client.session(&origin.url(), 10, "x.bin", &options);
                let mut session = session.expect("created");
                let sent = session.send(payload(10));
                let is_refused = node_asks && wants_login && !trusted;
                assert_eq!(sent.is_err(), is_refused, "{about}: {sent:?}");
                let seen = node.raw.requests().split_off(before);
                assert!(
                    !seen.is_empty() && (trusted || !seen.iter().any(shows_a_secret)),
                    "{about}"
                );
            }
        }
    }
}

#[test]
fn a_netrc_is_asked_for_the_host_that_is_spoken_to() {
    let _rule = bitsup_server::rule!("LOG-02");
    let folder = tempfile::tempdir().expect("folder");
    let netrc = folder.path().join("netrc");
    let entries =
        "machine 127.0.0.1 login one password first\nmachine 127.0.0.2 login two password second\n";
    std::fs::write(&netrc, entries).expect("written");
    let wants = |call: &Call<'_>, login: &str| {
        let shown = call.request.header("Authorization");
        assert!(shown.is_empty() || shown == login, "{shown}");
        shown.is_empty().then(|| Turn::Answer(challenge()))
    };
    let (first, second) = same_port("127.0.0.1", "127.0.0.2");
    let farm = Farm::default();
    let mut create = sending_on();
    let origin = Peer::member(&farm, first, move |call: &Call<'_>| {
        wants(call, "Basic b25lOmZpcnN0").unwrap_or_else(|| create(call))
    });
    let node = Peer::member(&farm, second, move |call: &Call<'_>| {
        wants(call, "Basic dHdvOnNlY29uZA==").unwrap_or(Turn::Serve)
    });
    let options = with(|o| {
        o.allow_cleartext_credentials = true;
        o.credential_callback = Some(CredentialCallback::netrc(&netrc, None));
        o.trusted_hosts = vec!["127.0.0.2".into()];
    });
    upload(&origin.url(), &payload(2500), options.clone()).expect("uploaded");
    assert_eq!(files(&farm, &[&origin, &node]), [payload(2500)]);
    let client = Client::new().expect("client");
    let mut session = client.session(&origin.url(), 10, "x.bin", &options).expect("created");
    session.send(payload(10)).expect("sent");
    session.close().expect("closed");
}
