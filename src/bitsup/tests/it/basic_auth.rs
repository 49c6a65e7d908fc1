//! Basic credentials: shown only when asked for, and never again once refused.

use crate::common::{Setup, payload};
use bitsup::{Client, Credentials, ErrorKind, Secret, Source, UploadOptions};
use bitsup_server::Config;

fn setup() -> Setup {
    let basic_auth = Some(("user".to_owned(), "right".to_owned()));
    Setup::with(b"", Config { basic_auth, ..Config::default() })
}

fn options(password: &str) -> UploadOptions {
    let mut options = UploadOptions::default();
    options.credentials =
        Some(Credentials { user: "user".into(), password: Secret::new(password) });
    options.allow_cleartext_credentials = true;
    options
}

fn authorized(setup: &Setup) -> usize {
    let requests = setup.server.requests();
    requests.iter().filter(|request| request.header("authorization").is_some()).count()
}

#[test]
fn the_password_answers_a_challenge_and_opens_the_way() {
    let setup = setup();
    let client = Client::new().expect("client");
    let upload =
        client.upload(Source::bytes(payload(10)), &setup.url("x")).options(options("right"));
    upload.start().expect("started").wait().expect("uploaded");
    let requests = setup.server.requests();
    assert!(requests[0].header("authorization").is_none(), "the first request shows nothing");
    assert_eq!(crate::common::packets(&requests)[..3], ["Ping", "Ping", "Create-Session"]);
}

#[test]
fn a_refused_password_is_sent_once_by_all_uploads_of_a_client() {
    let setup = setup();
    let client = Client::new().expect("client");
    for _ in 0..3 {
        let upload =
            client.upload(Source::bytes(payload(10)), &setup.url("x")).options(options("wrong"));
        let error = upload.start().expect("started").wait().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert_eq!(error.hresult().map(|code| code.0), Some(0x8019_0191));
        assert!(!format!("{error:?} {error}").contains("wrong"));
    }
    assert!(client.ping(&setup.url("x"), &options("wrong")).is_err());
    assert_eq!(authorized(&setup), 1);
    client.ping(&setup.url("x"), &options("right")).expect("another password is tried");
}

#[test]
fn the_password_does_not_go_over_plain_http_unasked() {
    let _rule = bitsup_server::rule!("SEC-07");
    let setup = setup();
    let client = Client::new().expect("client");
    let mut options = options("right");
    options.allow_cleartext_credentials = false;
    let upload =
        client.upload(Source::bytes(payload(10)), &setup.url("x")).options(options.clone());
    let error = upload.start().expect("started").wait().expect_err("withheld");
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(
        error.advice().contains("plain http") || error.advice().contains("TLS"),
        "{}",
        error.advice()
    );
    assert!(client.ping(&setup.url("x"), &options).is_err());
    assert_eq!(authorized(&setup), 0);
    options.bearer_token = Some(Secret::new("t"));
    let upload = client.upload(Source::bytes(payload(10)), &setup.url("x")).options(options);
    assert_eq!(upload.start().expect_err("refused").kind(), ErrorKind::InvalidArgument);
}
