//! Other hosts: `BITS-Host-Id` and the way back.

use std::net::{SocketAddr, TcpListener};

use crate::common::payload;
use crate::common::peer::{
    Call, Farm, Peer, Turn, files, options, same_port, sending_to, trusting, upload,
};
use bitsup::{ErrorKind, HostPolicy, OptionSet};

const SIZE: usize = 2500;

fn serve(_: &Call<'_>) -> Turn {
    Turn::Serve
}

/// The values of `Host`, without repetitions in a row.
fn hosts(peer: &Peer) -> Vec<String> {
    let mut hosts: Vec<String> =
        peer.raw.requests().iter().map(|request| request.header("Host")).collect();
    hosts.dedup();
    hosts
}

#[test]
fn all_packets_after_create_go_to_the_host_id_in_its_own_case() {
    let _rule = bitsup_server::rule!("HST-01", "FSM-02");
    // The name is that of 127.0.0.1, the URL has another address.
    let (first, second) = same_port("127.0.0.2", "127.0.0.1");
    let port = first.local_addr().expect("address").port();
    let farm = Farm::default();
    let origin = Peer::member(&farm, first, sending_to(&[("BITS-Host-Id", "LocalHost")]));
    let node = Peer::member(&farm, second, serve);
    let url = format!("http://127.0.0.2:{port}/up/x.bin?a=%20b&c");
    upload(&url, &payload(SIZE), trusting("localhost")).expect("uploaded");
    assert_eq!(origin.packets(), ["Create-Session"]);
    assert_eq!(hosts(&origin), [format!("127.0.0.2:{port}")]);
    let expected = ["Ping", "Fragment 0", "Fragment 1000", "Fragment 2000", "Close-Session"];
    assert_eq!(node.packets(), expected);
    assert_eq!(hosts(&node), [format!("LocalHost:{port}")]);
    assert!(node.raw.requests().iter().all(|request| request.target == "/up/x.bin?a=%20b&c"));
    assert_eq!(files(&farm, &[&origin, &node]), [payload(SIZE)]);
}

#[test]
fn the_port_in_a_host_id_counts_and_one_on_ipv6_too() {
    let _rule = bitsup_server::rule!("HST-09");
    let farm = Farm::default();
    let node = Peer::member(&farm, TcpListener::bind("127.0.0.2:0").expect("a port"), serve);
    let named = node.raw.address().to_string();
    let first = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = Peer::member(&farm, first, sending_to(&[("BITS-Host-Id", &named)]));
    upload(&origin.url(), &payload(10), trusting("127.0.0.2")).expect("uploaded");
    assert_eq!(origin.packets(), ["Create-Session"]);
    assert_eq!((node.packets().len(), hosts(&node)), (3, vec![named]));
}

#[test]
fn ipv6_addresses_are_reached_with_and_without_brackets_and_port() {
    let _rule = bitsup_server::rule!("HST-09");
    let port_of = |listener: &TcpListener| listener.local_addr().expect("address").port();
    for form in ["::1", "[::1]", "[::1]:PORT"] {
        let farm = Farm::default();
        let (first, second) = if form.ends_with("PORT") {
            let bind = |address: &str| TcpListener::bind(address).expect("a port");
            (bind("127.0.0.1:0"), bind("[::1]:0"))
        } else {
            same_port("127.0.0.1", "::1")
        };
        let port = port_of(&second);
        let named = form.replace("PORT", &port.to_string());
        let origin = Peer::member(&farm, first, sending_to(&[("BITS-Host-Id", &named)]));
        let node = Peer::member(&farm, second, serve);
        upload(&origin.url(), &payload(10), trusting("::1")).expect("uploaded");
        assert_eq!(origin.packets(), ["Create-Session"]);
        assert_eq!((node.packets().len(), hosts(&node)), (3, vec![format!("[::1]:{port}")]));
    }
}

#[test]
fn an_empty_host_id_and_a_time_out_without_one_count_for_nothing() {
    let _rule = bitsup_server::rule!("HST-08");
    let cases: [&[(&str, &str)]; 3] = [
        &[("BITS-Host-Id", "")],
        &[("BITS-Host-Id", "  "), ("BITS-Host-Id-Fallback-Timeout", "1")],
        &[("BITS-Host-Id-Fallback-Timeout", "0")],
    ];
    for headers in cases {
        let peer = Peer::start(sending_to(headers));
        upload(&peer.url(), &payload(10), options()).expect("uploaded");
        assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Close-Session"]);
        assert_eq!(hosts(&peer), [peer.raw.address().to_string()]);
    }
}

#[test]
fn what_is_no_host_is_an_invalid_answer_and_nothing_goes_there() {
    let _rule = bitsup_server::rule!("HST-10");
    for named in ["a/b", "u@b", "a b", "[::1", "localhost:0", "127.0.0.2:x", "http://127.0.0.2"] {
        let peer = Peer::start(sending_to(&[("BITS-Host-Id", named)]));
        let mut options = options();
        options.host_id = HostPolicy::Any;
        let error = upload(&peer.url(), &payload(10), options).expect_err(named);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert_eq!(error.hresult().map(|code| code.0), Some(0x8020_001B), "{named}");
        assert!(peer.packets().iter().all(|packet| packet == "Create-Session"));
    }
}

#[test]
fn the_caller_decides_whom_to_follow() {
    let _rule = bitsup_server::rule!("HST-11");
    let run = |policy, trusted: &[&str]| {
        let (first, second) = same_port("127.0.0.1", "127.0.0.2");
        let farm = Farm::default();
        let origin = Peer::member(&farm, first, sending_to(&[("BITS-Host-Id", "127.0.0.2")]));
        let node = Peer::member(&farm, second, serve);
        let mut options = options();
        options.host_id = policy;
        options.trusted_hosts = trusted.iter().map(|host| (*host).to_owned()).collect();
        let result = upload(&origin.url(), &payload(10), options);
        (result, origin.packets(), node.packets())
    };
    let all = ["Create-Session", "Fragment 0", "Close-Session"];
    let (result, origin, node) = run(HostPolicy::Ignore, &["127.0.0.2"]);
    result.expect("uploaded");
    assert_eq!((origin, node.len()), (all.map(String::from).to_vec(), 0));

    for (policy, trusted) in [(HostPolicy::Any, vec![]), (HostPolicy::SameSite, vec!["127.0.0.2"])]
    {
        let (result, origin, node) = run(policy, &trusted);
        result.expect("uploaded");
        assert_eq!((origin, node.len()), (vec!["Create-Session".to_owned()], 3));
    }

    let (result, origin, node) = run(HostPolicy::SameSite, &["127.0.0.3"]);
    let error = result.expect_err("not trusted");
    assert_eq!(error.kind(), ErrorKind::HostIdUntrusted);
    assert!(error.to_string().contains("127.0.0.2"), "{error}");
    // The session may be cancelled at the origin, but nothing of the file goes anywhere.
    assert_eq!(node.len(), 0);
    assert!(!origin.iter().any(|packet| packet.starts_with("Fragment")), "{origin:?}");
}

#[test]
fn with_tls_scheme_port_path_and_query_stay() {
    let _rule = bitsup_server::rule!("HST-02");
    let folder = tempfile::tempdir().expect("folder");
    let names = ["localhost".to_owned(), "127.0.0.2".to_owned()];
    let issued = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, issued.cert.pem()).expect("written");
    std::fs::write(&key, issued.signing_key.serialize_pem()).expect("written");
    let member = |name: &str, listen: SocketAddr| {
        let root = folder.path().join(name);
        std::fs::create_dir_all(&root)?;
        bitsup_server::Server::start(bitsup_server::Config {
            root,
            listen,
            host_id: Some("127.0.0.2".into()),
            tls: Some(bitsup_server::TlsFiles { cert: cert.clone(), key: key.clone() }),
            ..bitsup_server::Config::default()
        })
        .map_err(|error| std::io::Error::other(format!("{error}")))
    };
    // The same port for both; another program may be quicker, so more than one is tried.
    let (origin, node, port) = (0..100)
        .find_map(|_| {
            let origin = member("origin", ([127, 0, 0, 1], 0).into()).ok()?;
            let port = origin.address().port();
            let node = member("node", ([127, 0, 0, 2], port).into()).ok()?;
            Some((origin, node, port))
        })
        .expect("two servers on one port");
    let mut options = trusting("127.0.0.2");
    options.tls.ca_file = Some(cert.clone());
    let url = format!("https://localhost:{port}/x.bin?y=%2F");
    // The node does not know the origin's session and opens its own.
    let receipt = upload(&url, &payload(SIZE), options).expect("uploaded");
    assert_eq!(receipt.restarts, 1);
    assert_eq!(origin.requests().len(), 1, "Create-Session");
    let requests = node.requests();
    assert!(requests.len() >= 5);
    for request in &requests {
        assert_eq!(request.target, "/x.bin?y=%2F");
        assert_eq!(request.header("host"), Some(format!("127.0.0.2:{port}")));
    }
}

#[test]
fn a_cookie_goes_to_no_other_site_and_into_no_journal() {
    let _rule = bitsup_server::rule!("SEC-10");
    let (first, second) = same_port("127.0.0.2", "127.0.0.1");
    let port = first.local_addr().expect("address").port();
    let farm = Farm::default();
    let marker = "hunter2-cookie";
    let headers = [
        ("BITS-Host-Id", "127.0.0.1"),
        ("Set-Cookie", &*format!("a={marker}; Path=/")),
        ("Set-Cookie", &*format!("b={marker}; Domain=127.0.0.1")),
    ];
    let origin = Peer::member(&farm, first, sending_to(&headers));
    let node = Peer::member(&farm, second, |call| match call.packet {
        "Fragment" => Turn::Answer(bitsup_server::scripted::Reply::status(403, "No")),
        _ => Turn::Serve,
    });
    let folder = tempfile::tempdir().expect("folder");
    let source = folder.path().join("source.bin");
    std::fs::write(&source, payload(SIZE)).expect("written");
    let state = folder.path().join("state");
    let client = bitsup::Client::builder()
        .options(&OptionSet::new().state_dir(&state))
        .build()
        .expect("client");
    let url = format!("http://127.0.0.2:{port}/up/x.bin");
    let upload = client
        .upload(bitsup::Source::path(&source).expect("a file"), &url)
        .options(trusting("127.0.0.1"));
    let upload = upload.start().expect("started");
    let error = crate::common::peer::ended(&upload).expect_err("refused");
    assert!(!format!("{error} {error:?}").contains(marker));
    drop(client);
    assert_eq!(origin.packets(), ["Create-Session"]);
    assert_eq!(node.packets(), ["Ping", "Fragment 0"]);
    assert!(node.raw.requests().iter().all(|request| request.header("Cookie").is_empty()));
    let (mut folders, mut read) = (vec![state], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).expect("read");
                assert!(!String::from_utf8_lossy(&bytes).contains(marker), "{entry:?}");
                read += bytes.len();
            }
        }
    }
    assert!(read > 0, "nothing was kept");
}
