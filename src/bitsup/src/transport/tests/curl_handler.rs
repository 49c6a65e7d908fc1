//! What stands on the wire.

use bitsup_server::scripted::{Reply, Scripted};

use super::support::{Bench, counting, fragment, origin, packet};
use crate::transport::{ConnectionOptions, Exchange, FailureKind, ProxyChoice, Scheme};

#[test]
fn a_packet_without_body_is_exactly_this() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection(ConnectionOptions {
        user_agent: "bitsup/1".to_owned(),
        proxy: ProxyChoice::Direct,
        ..ConnectionOptions::default()
    });
    let headers = [("BITS-Packet-Type", "Create-Session"), ("bits-X", "{a}"), ("Empty", "")];
    let exchange = Exchange {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned().into())).to_vec(),
        ..packet(&peer)
    };
    let event = bench.run(pinned, exchange);
    assert_eq!(event.result.unwrap().status, 200);
    let port = peer.address().port();
    assert_eq!(
        String::from_utf8(peer.requests()[0].head.clone()).unwrap(),
        format!(
            "BITS_POST /up/a.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bitsup/1\r\n\
             Accept: */*\r\nBITS-Packet-Type: Create-Session\r\nbits-X: {{a}}\r\nEmpty:\r\n\
             Content-Length: 0\r\n\r\n"
        )
    );
}

#[test]
fn a_large_fragment_goes_out_with_one_length_and_nothing_else() {
    let _rule = bitsup_server::rule!("PKT-05");
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let length = 28 * 1024 * 1024;
    let event = bench.run(pinned, fragment(&peer, length));
    assert_eq!(event.result.unwrap().status, 200);
    assert_eq!(event.stats.sent, length as u64);
    assert!(event.body.is_some());
    let request = peer.requests().remove(0);
    assert_eq!(request.header_values("Content-Length"), [length.to_string()]);
    for name in ["Expect", "Transfer-Encoding", "Content-Type", "Content-Encoding", "Upgrade"] {
        assert!(request.header_values(name).is_empty(), "{name}");
    }
    assert!(request.body == counting(length));
}

#[test]
fn the_target_goes_out_untouched() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let targets = [
        "/",
        "/?x=1",
        "//a//b",
        "/a/../b/./c/..",
        "/%2E%2E/%7Euser/%41?%2e",
        "/{7b6f}/[1-3]/<>\"|\\^`",
        "/a;b=c:d@e?q=/../?&{x}=%20+",
        "/?",
    ];
    for target in targets {
        let exchange = Exchange { target: target.to_owned(), ..packet(&peer) };
        bench.run(pinned, exchange).result.unwrap();
    }
    let seen: Vec<_> = peer.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(seen, targets);
}

#[test]
fn an_escape_in_small_letters_stays_that_escape() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange { target: "/%2e%2e/%c3%bc".to_owned(), ..packet(&peer) };
    bench.run(pinned, exchange).result.unwrap();
    // Newer versions of libcurl write capitals.
    let seen = peer.requests().remove(0).target;
    assert_eq!(seen.to_ascii_uppercase(), "/%2E%2E/%C3%BC");
}

#[test]
fn the_host_header_keeps_its_case_and_can_be_replaced() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let origin = |host| origin(Scheme::Http, host, peer.address().port());
    let exchange = Exchange { origin: origin("LOCALhost"), ..packet(&peer) };
    bench.run(pinned, exchange).result.unwrap();
    let exchange = Exchange {
        headers: vec![("Host".to_owned(), "Other.Example".to_owned().into())],
        ..packet(&peer)
    };
    bench.run(pinned, exchange).result.unwrap();
    let hosts: Vec<_> =
        peer.requests().iter().flat_map(|request| request.header_values("Host")).collect();
    assert_eq!(hosts, [format!("LOCALhost:{}", peer.address().port()), "Other.Example".to_owned()]);
}

#[test]
fn what_would_not_be_one_request_is_refused() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned().into())];
    for exchange in [
        Exchange { target: "/a b".to_owned(), ..packet(&peer) },
        Exchange { target: "/a\r\nX: y".to_owned(), ..packet(&peer) },
        Exchange { target: "a".to_owned(), ..packet(&peer) },
        Exchange { target: "/ü".to_owned(), ..packet(&peer) },
        Exchange { origin: origin(Scheme::Http, "h/x", 80), ..packet(&peer) },
        Exchange { origin: origin(Scheme::Http, "", 80), ..packet(&peer) },
        Exchange { headers: header("X", "1\r\nY: 2"), ..packet(&peer) },
        Exchange { headers: header("X:", "1"), ..packet(&peer) },
        Exchange { length: 1, ..packet(&peer) },
    ] {
        let failure = bench.transport.start(pinned, exchange).unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Internal), "{failure:?}");
    }
    bench.run(pinned, packet(&peer)).result.unwrap();
    assert_eq!(peer.requests().len(), 1);
}
