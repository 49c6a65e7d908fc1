//! Names with several addresses.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::common::payload;
use crate::common::peer::{Farm, Peer, Turn, files, options, upload};
use crate::common::wire::with;
use bitsup::{ErrorKind, Resolve};
use bitsup_server::{Config, Server, TlsFiles};
use socket2::{Domain, Socket, Type};

const NAME: &str = "two-addresses.test";

fn to(port: u16, addresses: &str) -> Resolve {
    Resolve::parse(&format!("{NAME}:{port}:{addresses}")).expect("legal")
}

#[test]
fn a_session_stays_at_the_address_that_answered_its_create() {
    let _rule = bitsup_server::rule!("HST-12");
    // The first address refuses until the second has the session.
    let (first, second) = first_silent();
    let address = first.local_addr().expect("an address").as_socket().expect("IPv4");
    let late: Arc<Mutex<Option<Peer>>> = Arc::default();
    let (begins, farm) = (Arc::clone(&late), Farm::default());
    let server = Peer::member(&farm, second, move |call| {
        if call.is("Create-Session", 1) {
            first.listen(16).expect("listens");
            let listener = first.try_clone().expect("a handle").into();
            let peer = Peer::member(&Farm::default(), listener, |_| Turn::Serve);
            *begins.lock().expect("not poisoned") = Some(peer);
        }
        if call.is("Fragment", 2) {
            return Turn::Answer(bitsup_server::scripted::Reply::close());
        }
        Turn::Serve
    });
    let url = format!("http://{NAME}:{}/up/x.bin", address.port());
    let resolve = to(address.port(), "127.0.0.1,127.0.0.2");
    let receipt = upload(&url, &payload(3000), with(|o| o.resolve = vec![resolve.clone()]));
    assert_eq!((receipt.expect("uploaded").restarts, files(&farm, &[&server]).len()), (0, 1));
    assert_eq!(files(&farm, &[&server]), [payload(3000)]);
    assert!(server.raw.connections().len() >= 2, "the connection was dropped once");
    let first = late.lock().expect("not poisoned").take().expect("it listens");
    assert!(first.packets().is_empty(), "{:?}", first.packets());
    // It would have been taken: a new upload begins with the first address of the list.
    upload(&url, &payload(10), with(|o| o.resolve = vec![resolve])).expect("uploaded");
    assert_eq!(first.files(), [payload(10)]);
}

/// The same port at two addresses, the first taken, but without a listener.
fn first_silent() -> (Socket, TcpListener) {
    for _ in 0..100 {
        let second = TcpListener::bind("127.0.0.2:0").expect("a port");
        let port = second.local_addr().expect("an address").port();
        let first = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        if first.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).is_ok() {
            return (first, second);
        }
    }
    panic!("no port is free at both addresses");
}

#[test]
fn the_certificate_is_that_of_the_name_and_not_of_the_address() {
    let _rule = bitsup_server::rule!("HST-12");
    let folder = tempfile::tempdir().expect("folder");
    let issued = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let tls = TlsFiles { cert: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
    std::fs::write(&tls.cert, issued.cert.pem()).expect("written");
    std::fs::write(&tls.key, issued.signing_key.serialize_pem()).expect("written");
    let (root, ca_file) = (folder.path().to_owned(), tls.cert.clone());
    let config = Config { root, tls: Some(tls), ..Config::default() };
    let server = Server::start(config).expect("server");
    let port = server.address().port();
    let try_as = |name: &str| {
        let resolve = Resolve::parse(&format!("{name}:{port}:127.0.0.1")).expect("legal");
        let options = with(|o| {
            o.resolve = vec![resolve];
            o.tls.ca_file = Some(ca_file.clone());
        });
        upload(&format!("https://{name}:{port}/x.bin"), &payload(10), options)
    };
    let error = try_as("other.test").expect_err("another name");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(server.requests().is_empty());
    try_as(NAME).expect("uploaded");
    let host = |header: &(String, Vec<u8>)| header.0 == "host";
    let named = server.requests().iter().all(|request| {
        request.headers.iter().any(|h| host(h) && h.1 == format!("{NAME}:{port}").as_bytes())
    });
    assert!(named, "the Host header is that of the URL");
}

#[test]
fn given_addresses_are_for_their_port_only() {
    let peer = Peer::plain();
    let port = peer.raw.address().port();
    let other = if port == 1 { 2 } else { port - 1 };
    let options = || {
        let mut options = options();
        options.max_attempts = Some(1);
        options
    };
    let mut wrong = options();
    wrong.resolve = vec![to(other, "127.0.0.1")];
    let url = format!("http://{NAME}:{port}/up/x.bin");
    let error = upload(&url, &payload(10), wrong).expect_err("not found");
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    let mut right = options();
    right.resolve = vec![to(other, "127.0.0.3"), to(port, "127.0.0.1")];
    upload(&url, &payload(10), right).expect("uploaded");
}

/// A link-local address means nothing without its interface, which no server needs to know. The
/// interface is one of a network of its own, in which this test runs once more.
#[cfg(target_os = "linux")]
#[test]
fn a_zone_is_used_to_connect_and_never_sent() {
    const INSIDE: &str = "BITSUP_TEST_IN_NAMESPACE";
    let _rule = bitsup_server::rule!("NAM-04");
    if std::env::var_os(INSIDE).is_none() {
        let can = std::process::Command::new("unshare").args(["--net", "ip", "link"]).output();
        if !can.is_ok_and(|can| can.status.success()) {
            return crate::common::program::skipped(
                "no network namespace can be made, or ip is missing",
            );
        }
        let again = std::process::Command::new("unshare")
            .arg("--net")
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "addresses::a_zone_is_used_to_connect_and_never_sent", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .expect("it ran before");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        return;
    }
    let ip = |words: &str| {
        let done = std::process::Command::new("ip").args(words.split(' ')).output().expect("ip");
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    };
    ip("link set lo up");
    ip("link add bits0 type veth peer name bits1");
    ip("link set bits0 up");
    ip("link set bits1 up");
    ip("-6 addr add fe80::b1:75/64 dev bits0 nodad");
    let listener = TcpListener::bind("[::]:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let peer = Peer::member(&Farm::default(), listener, |_| Turn::Serve);
    for zone in ["%25bits0", "%bits0"] {
        let url = format!("http://[fe80::b1:75{zone}]:{port}/up/x.bin");
        let receipt = upload(&url, &payload(3000), options()).expect("uploaded");
        assert_eq!(receipt.url, format!("http://[fe80::b1:75%25bits0]:{port}/up/x.bin"));
    }
    assert_eq!(peer.files(), [payload(3000), payload(3000)]);
    for request in peer.raw.requests() {
        assert_eq!(request.header_values("Host"), [format!("[fe80::b1:75]:{port}")]);
        assert_eq!(request.target, "/up/x.bin");
    }
    let error = upload(&format!("http://[fe80::b1:75%none]:{port}/x"), b"x", options());
    error.expect_err("there is no such interface");
}
