//! Exchanges through proxies.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bitsup_server::scripted::{Reply, Scripted};

use super::support::{Bench, direct, fragment, origin, packet, unheard};
use crate::transport::{
    ConnectionOptions, Exchange, FailureKind, Proxy, ProxyChoice, Scheme, Sent,
};

fn through(url: &str) -> ConnectionOptions {
    ConnectionOptions {
        proxy: ProxyChoice::Explicit(Proxy::parse(url).unwrap()),
        no_proxy: Some(String::new()),
        ..direct()
    }
}

fn to_origin(peer: &Scripted, host: &str) -> Exchange {
    Exchange { origin: origin(Scheme::Http, host, 80), ..fragment(peer, 100) }
}

#[test]
fn an_http_proxy_gets_the_whole_url_and_connections_stay_apart() {
    let proxy = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let options = through(&proxy.url(""));
    let connections: Vec<_> =
        (0..4).map(|_| bench.transport.open_connection(options.clone())).collect();
    for _ in 0..3 {
        for pinned in &connections {
            let target = format!("/%2e/{{x}}//{}?a=b", pinned.0);
            let exchange = Exchange { target, ..to_origin(&proxy, "Origin.example") };
            bench.transport.start(*pinned, exchange).unwrap();
        }
        for _ in &connections {
            let event = bench.next_event().unwrap();
            assert_eq!(event.result.unwrap().status, 200);
            assert_eq!(event.stats.peer, Some(proxy.address()));
        }
    }
    let requests = proxy.requests();
    let pairs: BTreeSet<_> =
        requests.iter().map(|request| (request.target.clone(), request.connection)).collect();
    assert_eq!(pairs.len(), 4, "{pairs:?}");
    for request in requests {
        let rest = request.target.to_ascii_lowercase();
        assert!(rest.starts_with("http://origin.example/%2e/{x}//"), "{rest}");
        assert_eq!(request.header("Host"), "Origin.example");
    }
}

#[test]
fn a_proxys_answer_to_connect_is_not_the_servers() {
    for status in [403, 407, 502] {
        let proxy = Scripted::start(move |_, _, _| Reply::status(status, "No").body("no"));
        let mut bench = Bench::new();
        let pinned = bench.transport.open_connection(through(&proxy.url("")));
        let exchange = Exchange {
            origin: origin(Scheme::Https, "origin.example", 443),
            ..fragment(&proxy, 100)
        };
        let failure = bench.run(pinned, exchange).result.unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::ProxyFailed(Some(code)) if code == status),
            "{failure:?}"
        );
        assert_eq!(failure.sent, Sent::Nothing);
        assert!(failure.message.starts_with("origin.example:443: "), "{failure:?}");
        assert!(!failure.message.contains("invalid"), "{failure:?}");
        let request = proxy.requests().remove(0);
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("CONNECT", "origin.example:443")
        );
        assert!(request.header("BITS-Packet-Type").is_empty());
    }
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named_as_the_proxy() {
    let (_unheard, address) = unheard();
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection(through(&address.to_string()));
    let failure = bench.run(pinned, to_origin(&peer, "origin.example")).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ProxyFailed(None)), "{failure:?}");
    assert_eq!(failure.sent, Sent::Nothing);
}

#[test]
fn an_https_proxy_that_speaks_no_tls_gets_nothing() {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 4096];
        let count = stream.read(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap();
        hello[..count].to_vec()
    });
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection(through(&url));
    let origin = Scripted::start(|_, _, _| Reply::ack());
    let failure = bench.run(pinned, to_origin(&origin, "origin.example")).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Tls(Some(_))), "{failure:?}");
    assert_eq!(failure.sent, Sent::Nothing);
    // A handshake, and not a word of HTTP.
    assert_eq!(proxy.join().unwrap()[0], 22);
}

#[test]
fn an_excepted_host_is_reached_directly() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let options = ConnectionOptions {
        no_proxy: Some("127.0.0.0/8".to_owned()),
        ..through("http://proxy.invalid:9")
    };
    let pinned = bench.transport.open_connection(options);
    assert_eq!(bench.run(pinned, packet(&peer)).result.unwrap().status, 200);
}

#[test]
fn a_socks_proxy_resolves_the_origin_and_connections_stay_apart() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let origin = peer.address();
    let proxy = thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            asked.push(serve_socks(stream, origin));
        }
        asked
    });
    let mut bench = Bench::new();
    let options = through(&format!("socks5h://{address}"));
    let connections = [
        bench.transport.open_connection(options.clone()),
        bench.transport.open_connection(options),
    ];
    for round in 0..2 {
        for pinned in connections {
            let exchange =
                Exchange { target: format!("/{}", pinned.0), ..to_origin(&peer, "origin.example") };
            let event = bench.run(pinned, exchange);
            assert_eq!(event.result.unwrap().status, 200);
            assert_eq!(event.stats.new_connection, round == 0);
        }
    }
    assert_eq!(proxy.join().unwrap(), ["origin.example", "origin.example"]);
    let pairs: BTreeSet<_> =
        peer.requests().into_iter().map(|request| (request.target, request.connection)).collect();
    assert_eq!(pairs.len(), 2, "{pairs:?}");
}

/// Answers a SOCKS5 request for a name and then passes bytes on. Returns the name.
fn serve_socks(mut client: TcpStream, origin: std::net::SocketAddr) -> String {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).unwrap();
    client.read_exact(&mut vec![0; usize::from(greeting[1])]).unwrap();
    client.write_all(&[5, 0]).unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3], "a request to connect to a name");
    let mut name = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut name).unwrap();
    name.truncate(usize::from(request[4]));
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();

    let server = TcpStream::connect(origin).unwrap();
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
    String::from_utf8(name).unwrap()
}
