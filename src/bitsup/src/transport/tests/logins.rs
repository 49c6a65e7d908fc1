//! Logins that the transport makes, and those that it does not.

use std::sync::Arc;

use bitsup_server::scripted::{Reply, Scripted};
use zeroize::Zeroizing;

use super::support::{Bench, fragment, packet};
use crate::transport::{AuthScheme, Credentials, Exchange, FailureKind};

fn credentials(scheme: AuthScheme) -> Arc<Credentials> {
    let password = Zeroizing::new("secret".to_owned());
    Arc::new(Credentials { scheme, user: "user".to_owned(), password })
}

#[test]
fn libcurl_makes_no_rounds_with_a_request_of_ours() {
    let _rule = bitsup_server::rule!("TRU-01");
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    for scheme in [AuthScheme::Digest, AuthScheme::Ntlm, AuthScheme::Negotiate] {
        for exchange in [fragment(&peer, 1000), packet(&peer)] {
            let exchange = Exchange { auth: Some(credentials(scheme)), ..exchange };
            let failure = bench.transport.start(pinned, exchange).expect_err("refused");
            assert!(matches!(failure.kind, FailureKind::Internal), "{failure:?}");
        }
    }
    assert!(peer.requests().is_empty());
}

#[test]
fn basic_credentials_go_out_at_once() {
    let peer = Scripted::start(|_, _, _| Reply::ack());
    let mut bench = Bench::new();
    let pinned = bench.pinned();
    let exchange = Exchange { auth: Some(credentials(AuthScheme::Basic)), ..fragment(&peer, 10) };
    bench.run(pinned, exchange).result.unwrap();
    assert_eq!(peer.requests()[0].header("Authorization"), "Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(peer.requests()[0].body.len(), 10);
}
