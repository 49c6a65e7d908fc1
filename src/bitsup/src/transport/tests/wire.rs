//! What stands on the wire.

use bitsup_server::scripted::{Reply, Scripted};

use super::support::{Bench, counting, fragment, packet};
use crate::transport::{Exchange, LaneOptions, ProxyChoice};

#[test]
fn a_packet_without_body_is_exactly_this() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let lane = bench.transport.open_lane(LaneOptions {
        user_agent: "bitsup/1".to_owned(),
        proxy: ProxyChoice::Direct,
        ..LaneOptions::default()
    });
    let headers = [
        ("BITS-Packet-Type", "Create-Session"),
        ("bits-X", "{a}"),
        ("Empty", ""),
    ];
    let exchange = Exchange {
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..packet(&peer)
    };
    let event = bench.run(lane, exchange);
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
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let lane = bench.lane();
    let length = 28 * 1024 * 1024;
    let event = bench.run(lane, fragment(&peer, length));
    assert_eq!(event.result.unwrap().status, 200);
    assert_eq!(event.stats.sent, length as u64);
    assert!(event.body.is_some());
    let request = peer.requests().remove(0);
    assert_eq!(
        request.header_values("Content-Length"),
        [length.to_string()]
    );
    for name in [
        "Expect",
        "Transfer-Encoding",
        "Content-Type",
        "Content-Encoding",
        "Upgrade",
    ] {
        assert!(request.header_values(name).is_empty(), "{name}");
    }
    assert!(request.body == counting(length));
}
