//! Challenges that libcurl answers by itself.

use std::sync::Arc;
use std::time::Duration;

use bitsup_server::scripted::{Reply, Request, Scripted};
use zeroize::Zeroizing;

use super::support::{Bench, counting, fragment, packet};
use crate::transport::{AuthScheme, Credentials, Exchange, FailureKind};

fn credentials(scheme: AuthScheme) -> Arc<Credentials> {
    let password = Zeroizing::new("secret".to_owned());
    Arc::new(Credentials { scheme, user: "user".to_owned(), password })
}

fn challenge(request: &Request) -> Option<Reply> {
    let digest = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    request
        .header("Authorization")
        .is_empty()
        .then(|| Reply::status(401, "Who").header("WWW-Authenticate", digest).body("<html>"))
}

#[test]
fn a_digest_login_sends_the_body_once_it_is_welcome() {
    let peer = Scripted::start(|_, request, _| challenge(request).unwrap_or_else(Reply::ack));
    let mut bench = Bench::new();
    let lane = bench.lane();
    let exchange =
        Exchange { auth: Some(credentials(AuthScheme::Digest)), ..fragment(&peer, 100_000) };
    let event = bench.run(lane, exchange);
    assert_eq!(event.result.unwrap().status, 200);
    assert_eq!(event.stats.sent, 100_000);
    let requests = peer.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].content_length(), 0);
    assert!(requests[1].body == counting(100_000));
}

#[test]
fn a_login_on_a_connection_that_closes_goes_on_with_a_new_one() {
    let peer = Scripted::start(|_, request, _| match challenge(request) {
        Some(reply) => reply.header("Connection", "close").then_close(),
        None => Reply::ack(),
    });
    let mut bench = Bench::new();
    let lane = bench.lane();
    let exchange =
        Exchange { auth: Some(credentials(AuthScheme::Digest)), ..fragment(&peer, 1000) };
    assert_eq!(bench.run(lane, exchange).result.unwrap().status, 200);
    assert_eq!(peer.connections().len(), 2);
}

#[test]
fn a_request_is_not_sent_again_after_its_login_either() {
    let peer = Scripted::start(|_, request, _| challenge(request).unwrap_or_else(Reply::close));
    let mut bench = Bench::new();
    let lane = bench.lane();
    let exchange =
        Exchange { auth: Some(credentials(AuthScheme::Digest)), ..fragment(&peer, 1000) };
    let failure = bench.run(lane, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ConnectionLost), "{failure:?}");
    assert!(!peer.wait_for_requests(3, Duration::from_millis(200)));
    assert_eq!(peer.connections().len(), 1);
}

#[test]
fn a_refused_login_is_an_answer() {
    let peer = Scripted::start(|_, _, _| {
        Reply::status(401, "No").header("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\"")
    });
    let mut bench = Bench::new();
    let lane = bench.lane();
    let exchange = Exchange { auth: Some(credentials(AuthScheme::Digest)), ..packet(&peer) };
    assert_eq!(bench.run(lane, exchange).result.unwrap().status, 401);
    assert_eq!(peer.requests().len(), 2);
}

#[test]
fn basic_credentials_go_out_at_once() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let lane = bench.lane();
    let exchange = Exchange { auth: Some(credentials(AuthScheme::Basic)), ..fragment(&peer, 10) };
    bench.run(lane, exchange).result.unwrap();
    assert_eq!(peer.requests()[0].header("Authorization"), "Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(peer.requests()[0].body.len(), 10);
}
