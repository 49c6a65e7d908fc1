//! haproxy with two servers behind it that know nothing of each other's sessions.

use bitsup::ErrorKind;

use crate::common::peer::upload;
use crate::common::program::{Place, Program, adapted};
use crate::common::wire::with;
use crate::common::{Setup, packets, payload};

const HTTP: &str = include_str!("conf/haproxy.conf");
const TCP: &str = include_str!("conf/haproxy-tcp.conf");
/// The server loses the connection within the third part of an upload.
const LOSS: &str = "fragment 3: drop after 500";

/// Two servers with these faults, and haproxy in front of them.
fn farm(faults: &str, config: &str, more: &[(&str, &str)]) -> Option<(Program, Setup, Setup)> {
    let one = Setup::with_faults(&[], faults);
    let two = Setup::with_faults(&[], faults);
    let haproxy = Program::start("haproxy", 1, |place| {
        let port = if config == HTTP { ("80", "8080") } else { ("443", "443") };
        let places = [
            (&*format!("bind :{}", port.0), &*format!("bind 127.0.0.1:{}", place.port(0))),
            (&*format!("10.0.0.1:{}", port.1), &*one.server.address().to_string()),
            (&*format!("10.0.0.2:{}", port.1), &*two.server.address().to_string()),
        ];
        let config = adapted(&adapted(config, &places), more);
        arguments(place, &config)
    })?;
    Some((haproxy, one, two))
}

/// One process in the foreground, with one thread: connections get their servers in the order in
/// which they come, the one that saw haproxy start included.
fn arguments(place: &Place, config: &str) -> Vec<String> {
    let config = format!("global\n    nbthread 1\n{config}");
    vec!["-db".to_owned(), "-f".to_owned(), place.write("haproxy.conf", config)]
}

#[test]
fn a_cookie_leads_to_the_same_server_again() {
    let Some((haproxy, one, two)) = farm(LOSS, HTTP, &[]) else { return };
    let bytes = payload(20_000);
    let receipt = upload(&format!("http://{}/x", haproxy.address(0)), &bytes, with(|_| {}));
    let receipt = receipt.expect("uploaded");
    assert_eq!(receipt.restarts, 0, "{receipt:?}");
    assert!(receipt.retries > 0, "the connection was lost: {receipt:?}");
    let (busy, idle) = if one.server.requests().is_empty() { (&two, &one) } else { (&one, &two) };
    assert!(busy.published("x") == bytes);
    assert_eq!(packets(&idle.server.requests()), [""; 0]);
}

#[test]
fn without_affinity_the_error_names_the_load_balancer() {
    let cookie = "    cookie BITSNODE insert indirect nocache httponly\n";
    let more = [(cookie, ""), (" cookie a", ""), (" cookie b", "")];
    let Some((haproxy, one, two)) = farm("", HTTP, &more) else { return };
    let url = format!("http://{}/x", haproxy.address(0));
    let error = upload(&url, &payload(20_000), with(|_| {})).expect_err("no session lasts");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.advice().contains("load balancer"), "{error}: {}", error.advice());
    let requests = one.server.requests().len() + two.server.requests().len();
    assert!(requests < 100, "{requests} requests");
    assert!(!one.path("x").exists() && !two.path("x").exists());
}

#[test]
fn a_connection_stays_on_one_server_and_a_lost_one_costs_a_restart() {
    let more = [("balance source", "balance roundrobin")];
    let Some((haproxy, one, two)) = farm(LOSS, TCP, &more) else { return };
    let bytes = payload(5_000);
    let url = format!("http://{}/x", haproxy.address(0));
    let receipt = upload(&url, &bytes, with(|_| {})).expect("uploaded");
    let seen = [&one, &two].map(|setup| packets(&setup.server.requests()));
    assert!(receipt.restarts > 0, "{receipt:?} {seen:?}");
    let published: Vec<_> = [&one, &two]
        .iter()
        .filter(|setup| setup.path("x").exists())
        .map(|s| s.published("x"))
        .collect();
    assert!(!published.is_empty() && published.iter().all(|file| *file == bytes));
}

#[test]
fn a_rule_that_denies_the_method_is_explained() {
    let rule = "default_backend bits\n    http-request deny unless METH_GET";
    let more = [("default_backend bits", rule)];
    let Some((haproxy, one, two)) = farm("", HTTP, &more) else { return };
    let url = format!("http://{}/x", haproxy.address(0));
    let error = upload(&url, &payload(10), with(|_| {})).expect_err("denied");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Refused, Some(403)), "{error}");
    assert!(error.advice().contains("http-request deny"), "{error}: {}", error.advice());
    assert_eq!(one.server.requests().len() + two.server.requests().len(), 0);
}
