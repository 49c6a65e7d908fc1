//! Credentials, TLS, what is logged, what a slow or huge peer may do.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::peer::{Bench, Peer, bytes, wait_until};
use bitsup_server::{Config, Server, StartError, TlsFiles};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

#[test]
fn basic_credentials_are_asked_for_and_checked() {
    let bench = Bench::with(Config {
        basic_auth: Some(("user".into(), "pa:ss".into())),
        ..Config::default()
    });
    let mut peer = bench.connect();
    let ack = peer.create("/a");
    assert_eq!((ack.status, ack.header("WWW-Authenticate")), (401, Some("Basic realm=\"bitsup\"")));
    let with = |value: &str| format!("Authorization: {value}");
    // user:pa:ss, user:pass, nonsense
    assert_eq!(peer.packet("Ping", "/a", &[&with("Basic dXNlcjpwYTpzcw==")]).status, 200);
    assert_eq!(peer.packet("Ping", "/a", &[&with("basic dXNlcjpwYTpzcw==")]).status, 200);
    for wrong in ["Basic dXNlcjpwYXNz", "Basic", "Basic !", "Bearer dXNlcjpwYTpzcw=="] {
        assert_eq!(peer.packet("Ping", "/a", &[&with(wrong)]).status, 401, "{wrong}");
    }
    assert_eq!(peer.ask("GET /a", &[], b"").status, 401);
    assert!(!format!("{:?}", bench.server.requests()).contains("dXNlcjpwYTpzcw"));
    assert_eq!(
        bench.server.requests()[1].header("authorization").as_deref(),
        Some("Basic dXNlcjpwYTpzcw==")
    );
}

#[test]
fn an_upload_over_tls() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
    let files =
        TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).expect("certificate file");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("key file");
    let script = "close 1: swallow\nping 1: garbage 9".parse().expect("script");
    let bench =
        Bench::with(Config { tls: Some(files.clone()), fault: Some(script), ..Config::default() });
    assert!(bench.server.url("/a").starts_with("https://127.0.0.1:"));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let connect = || {
        let stream = TcpStream::connect(bench.server.address()).expect("connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("time-out");
        let name = ServerName::try_from("localhost").expect("name");
        Peer::new(StreamOwned::new(
            ClientConnection::new(Arc::clone(&config), name).expect("client"),
            stream,
        ))
    };
    let mut peer = connect();
    let id = peer.create("/a").session();
    assert_eq!(peer.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let body = bytes(200_000);
    assert_eq!(peer.fragment("/a", &id, 0, 200_000, &body).offset(), Some(200_000));
    peer.send_request(
        "BITS_POST /a",
        &[
            "BITS-Packet-Type: Close-Session",
            "Content-Length: 0",
            &format!("BITS-Session-Id: {id}"),
        ],
        b"",
    );
    assert!(peer.read().is_err(), "swallowed inside of TLS too");
    assert_eq!(bench.file("a"), Some(body));

    let missing = TlsFiles { cert: folder.path().join("none.pem"), ..files.clone() };
    let not_a_key = TlsFiles { key: files.cert.clone(), ..files };
    for tls in [missing, not_a_key] {
        let error = Server::start(Config {
            root: folder.path().into(),
            tls: Some(tls),
            ..Config::default()
        })
        .map(drop);
        assert!(matches!(error, Err(StartError::Tls { .. })), "{error:?}");
    }
}

#[test]
fn each_request_is_reported_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let on_request: bitsup_server::RequestCallback = Arc::new(move |request| {
        kept.lock().expect("list").push((request.packet_type(), request.status, request.body));
    });
    let fault = Some("ping 1: drop".parse().expect("script"));
    let bench = Bench::with(Config { on_request: Some(on_request), fault, ..Config::default() });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.fragment("/a", &id, 0, 9, b"abc");
    peer.send_request("BITS_POST /a", &["BITS-Packet-Type: Ping", "Content-Length: 0"], b"");
    peer.rest();
    let row = |kind: &str, status, body| (Some(kind.to_owned()), status, body);
    let wanted =
        [row("Create-Session", Some(200), 0), row("Fragment", Some(200), 3), row("Ping", None, 0)];
    wait_until("all three are reported", || seen.lock().expect("list").len() == 3);
    assert_eq!(*seen.lock().expect("list"), wanted);
}

#[test]
fn what_a_peer_makes_the_server_hold_is_bounded() {
    let bench = Bench::with(Config { idle_timeout: Duration::from_secs(3), ..Config::default() });
    // A head without an end.
    let mut peer = bench.connect();
    peer.send(b"BITS_POST /a HTTP/1.1\r\n");
    let line = [b"X-Filler: ".as_slice(), &[b'x'; 4000], b"\r\n"].concat();
    let sent = (0..2000)
        .take_while(|_| std::io::Write::write_all(&mut peer.stream, &line).is_ok())
        .count();
    let answer = peer.rest();
    assert!(sent < 2000 || answer.starts_with(b"HTTP/1.1 431"), "{sent} lines taken");
    // Nothing at all, half a head, half a body: each ends.
    let silent = ["", "BITS_POST /a HT"].map(|start| {
        let mut peer = bench.connect();
        peer.send(start.as_bytes());
        peer
    });
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    peer.send_fragment("/a", &id, 0, 100, 100, b"some");
    for mut peer in silent {
        peer.rest();
    }
    assert_eq!(peer.rest(), b"");
    assert_eq!(
        bench.connect().fragment("/a", &id, 4, 100, b"more").offset(),
        Some(8),
        "what came was kept"
    );
}

#[test]
fn an_answer_reaches_a_client_that_sends_first() {
    let bench = Bench::start();
    let mut peer = bench.connect();
    let body = bytes(20_000_000);
    let unknown = "{00000000-0000-0000-0000-000000000000}";
    assert_eq!(peer.fragment("/a", unknown, 0, 20_000_000, &body).error().1, Some("0x8020001f"));
    assert_eq!(peer.packet("Ping", "/a", &[]).status, 200, "the connection goes on");
    // One that waits for permission is refused without the body.
    let lines = [
        "BITS-Packet-Type: Fragment",
        "Expect: 100-continue",
        &format!("BITS-Session-Id: {unknown}"),
        "Content-Range: bytes 0-8/9",
        "Content-Length: 9",
    ];
    let answer = peer.ask("BITS_POST /a", &lines, b"");
    assert_eq!((answer.status, answer.header("Connection")), (500, Some("close")));
    // And one whose request is right is told to go on.
    let mut peer = bench.connect();
    let id = peer.create("/a").session();
    let session = format!("BITS-Session-Id: {id}");
    let lines = [
        "BITS-Packet-Type: Fragment",
        "Expect: 100-continue",
        &session,
        "Content-Range: bytes 0-8/9",
        "Content-Length: 9",
    ];
    assert_eq!(peer.ask("BITS_POST /a", &lines, b"").status, 100);
    peer.send(b"123456789");
    assert_eq!(peer.read().expect("Ack").offset(), Some(9));
}

#[test]
fn many_uploads_at_once() {
    let bench = Bench::start();
    std::thread::scope(|scope| {
        for index in 0..16 {
            let bench = &bench;
            scope.spawn(move || {
                let (path, body) = (format!("/{index}"), bytes(300_000 + index));
                let mut peer = bench.connect();
                let id = peer.create(&path).session();
                for (number, piece) in body.chunks(70_000).enumerate() {
                    let end = number * 70_000 + piece.len();
                    let ack =
                        peer.fragment(&path, &id, number as u64 * 70_000, body.len() as u64, piece);
                    assert_eq!(ack.offset(), Some(end as u64));
                }
                peer.close(&path, &id);
                assert_eq!(bench.file(&path[1..]), Some(body));
            });
        }
    });
    assert_eq!(bench.server.open_sessions(), 0);
}

#[test]
fn wait_returns_when_stopped() {
    let bench = Bench::start();
    let stopper = bench.server.stopper();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        stopper.stop();
    });
    bench.server.wait();
    stopping.join().expect("stopper");
}
