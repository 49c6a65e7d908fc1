//! Cookies: back to the site that set them, on one connection.

use bitsup_server::scripted::{Reply, Scripted};

use super::support::{Bench, packet};
use crate::transport::{ConnectionUse, Exchange};

fn cookies(peer: &Scripted) -> Vec<String> {
    peer.requests().iter().map(|request| request.header("Cookie")).collect()
}

#[test]
fn a_cookie_comes_back_on_its_connection_also_after_a_lost_connection() {
    let peer = Scripted::start(|_, _, number| match number {
        0 => Reply::ack().header("Set-Cookie", "node=a; Path=/; HttpOnly"),
        // Without its length, the answer costs the connection.
        1 => Reply::raw(b"HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\n\r\n".to_vec()),
        _ => Reply::ack(),
    });
    let mut bench = Bench::new();
    let (pinned, other) = (bench.pinned(), bench.pinned());
    for _ in 0..3 {
        bench.run(pinned, packet(&peer)).result.unwrap();
    }
    let fresh = Exchange { connection: ConnectionUse::Fresh, ..packet(&peer) };
    bench.run(pinned, fresh).result.unwrap();
    bench.run(other, packet(&peer)).result.unwrap();
    assert_eq!(cookies(&peer), ["", "node=a", "node=a", "node=a", ""]);
}

#[test]
fn the_callers_own_cookies_share_the_line() {
    let peer = Scripted::start(|_, _, _| Reply::ack().header("Set-Cookie", "node=a"));
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for _ in 0..2 {
        let mut exchange = packet(&peer);
        exchange.headers.push(("cookie".to_owned(), "own=1".to_owned().into()));
        bench.run(pinned, exchange).result.unwrap();
    }
    for (request, wanted) in peer.requests().iter().zip([&["own=1"][..], &["own=1", "node=a"]]) {
        let head = String::from_utf8_lossy(&request.head).to_lowercase();
        assert_eq!(head.matches("\r\ncookie:").count(), 1, "{head}");
        assert!(wanted.iter().all(|cookie| head.contains(cookie)), "{head}");
    }
}

#[test]
fn a_site_that_sets_many_gets_none_back() {
    let peer = Scripted::start(|_, _, number| {
        (0..15).fold(Reply::ack(), |reply, cookie| {
            reply.header("Set-Cookie", &format!("c{number}x{cookie}=v"))
        })
    });
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for _ in 0..3 {
        bench.run(pinned, packet(&peer)).result.unwrap();
    }
    let counts: Vec<_> = cookies(&peer).iter().map(|line| line.matches('=').count()).collect();
    assert_eq!(counts, [0, 15, 0]);
}
