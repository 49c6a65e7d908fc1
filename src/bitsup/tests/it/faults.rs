//! Every verb of the fault scripts: the file arrives byte-exact, or a truthful error comes,
//! and neither takes long.

use std::time::Duration;

use crate::common::peer::{ended, start, wait_for_state};
use crate::common::{Setup, packets, payload};
use bitsup::{
    CancelMode, Client, ErrorKind, Hresult, Receipt, UploadOptions, UploadState, VerifyPolicy,
};
use bitsup_server::Config;

const SIZE: usize = 1_000_000;

fn quick() -> UploadOptions {
    let mut options = crate::common::peer::options();
    options.fragment_size = None;
    options.max_fragment = 100_000;
    options.ack_timeout = Duration::from_secs(3);
    options.max_attempts = Some(8);
    options
}

fn upload(setup: &Setup, options: UploadOptions) -> Result<Receipt, bitsup::Error> {
    crate::common::peer::upload(&setup.url("x.bin"), &payload(SIZE), options)
}

/// The upload overcomes this fault.
fn overcome(script: &str) -> Receipt {
    overcome_with(script, quick())
}

fn overcome_with(script: &str, options: UploadOptions) -> Receipt {
    let setup = Setup::with_faults(&[], script);
    let receipt = upload(&setup, options).unwrap_or_else(|error| panic!("{script}: {error}"));
    assert!(setup.published("x.bin") == payload(SIZE), "{script}: other bytes were published");
    assert_eq!(receipt.size, SIZE as u64);
    receipt
}

/// The upload ends with an error of that kind, and nothing is published.
fn refused(script: &str, kind: ErrorKind) -> bitsup::Error {
    refused_with(script, kind, quick())
}

fn refused_with(script: &str, kind: ErrorKind, options: UploadOptions) -> bitsup::Error {
    let setup = Setup::with_faults(&[], script);
    let error = upload(&setup, options).expect_err(script);
    assert_eq!(error.kind(), kind, "{script}: {error}");
    assert!(!setup.path("x.bin").exists(), "{script}: a file was published");
    error
}

#[test]
fn dropped_requests_are_sent_again() {
    for script in [
        "create 1: drop",
        "fragment 2: drop",
        "fragment 2: drop after 50000",
        "fragment 2: drop after 50000 keep",
        "fragment 2: drop after 50000 discard",
        "fragment 10: drop after 1M keep",
        "fragment every 3: drop after 70000",
        "close 1: drop",
    ] {
        assert!(overcome(script).retries >= 1, "{script}");
    }
    refused("fragment: drop after 10 discard", ErrorKind::Network);
    refused("create: drop", ErrorKind::Network);
    refused("close: drop", ErrorKind::Network);
}

/// Asks for the destination before and after: within the second in which it began, no time proves
/// that the file is this upload's.
fn looking() -> UploadOptions {
    let mut options = quick();
    options.verify = VerifyPolicy::Always;
    options
}

#[test]
fn swallowed_answers_leave_no_wrong_file() {
    assert!(overcome("create 1: swallow").close_confirmed);
    let receipt = overcome("fragment 2: swallow\nfragment 5: swallow");
    assert!(receipt.close_confirmed && receipt.verified && receipt.warnings.is_empty());
    assert_eq!((receipt.unconfirmed_resends, receipt.restarts), (0, 0), "a probe asked each time");
    let receipt = overcome_with("close 1: swallow", looking());
    assert!(!receipt.close_confirmed && receipt.verified && !receipt.warnings.is_empty());
    // Nothing proves that the file has arrived.
    let setup = Setup::with_faults(&[], "close 1: swallow\nhead: 404");
    let error = upload(&setup, quick()).expect_err("unclear");
    assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
    assert!(setup.published("x.bin") == payload(SIZE));
}

#[test]
fn hanging_answers_meet_a_limit() {
    overcome("create 1: hang");
    overcome("fragment 2: hang");
    let mut options = looking();
    options.last_ack_timeout = Duration::from_secs(2);
    assert!(!overcome_with("close 1: hang", options).close_confirmed);
    for script in ["fragment: hang", "create: hang"] {
        let mut options = quick();
        options.ack_timeout = Duration::from_secs(1);
        refused_with(script, ErrorKind::Timeout, options);
    }
}

#[test]
fn garbage_is_tried_again_a_few_times() {
    overcome("create 1: garbage");
    overcome("fragment 2: garbage");
    overcome("fragment 3: garbage 64K");
    let error = refused("create: garbage", ErrorKind::Protocol);
    assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE));
    refused("fragment: garbage", ErrorKind::Protocol);
}

#[test]
fn forgotten_sessions_are_replaced_for_a_while() {
    assert_eq!(overcome("fragment 3: forget").restarts, 1);
    assert_eq!(overcome("close 1: forget").restarts, 1);
    let error = refused("fragment: forget", ErrorKind::Refused);
    assert_eq!(error.hresult(), Some(Hresult::SESSION_NOT_FOUND), "{error}");
}

#[test]
fn answers_are_taken_for_what_they_say() {
    overcome("fragment 2: 503");
    overcome("request 4: answer 503 header \"Retry-After: 1\" body \"<html>later</html>\"");
    overcome("fragment 3: answer 502 after work body \"proxy says no\"");
    overcome("fragment 2: 413\nfragment 5: 413");
    overcome("fragment 2: 408");
    overcome("fragment 2: 429");
    let error = refused("fragment: answer 500 error 0x80070070 context 0x5", ErrorKind::Timeout);
    assert_eq!((error.http_status(), error.context()), (Some(500), Some(5)), "{error}");
    let error = refused("create: answer 403 error 0x80070005 context 0x5", ErrorKind::Refused);
    assert_eq!(error.hresult().map(|code| code.0), Some(0x8007_0005));
    refused("request 1: 401", ErrorKind::Auth);
    refused("fragment 3: 501", ErrorKind::Refused);
    refused("fragment: 413", ErrorKind::Refused);
}

#[test]
fn the_server_may_lead_back_or_astray() {
    overcome("fragment 2..4: rewind 1000");
    overcome("fragment 6: rewind 1K as 416");
    overcome("fragment 3: rewind 250000");
    overcome("fragment 1: offset 5000");
    overcome("fragment 4: offset 0");
    overcome("fragment 4: offset 999999999999 as 416");
    overcome("fragment 9: offset 18446744073709551615 as 416");
    // More than there is: the next Fragment shows that it was a lie.
    overcome("fragment 1: offset 500000");
    // A lie each time a part is stored; its repetition meets the truth.
    overcome("fragment: offset 18446744073709551615");
}

#[test]
fn slow_servers_are_waited_for() {
    overcome("fragment 2: stall 500ms after 1000");
    overcome("every 10: delay 300ms");
    overcome("close: trickle 10/1ms");
    overcome("fragment 3: swallow stall 500ms after 64K   # both");
}

#[test]
fn odd_answers_are_understood_or_tried_again() {
    overcome("create 1: status 201");
    overcome("fragment 2: without BITS-Received-Content-Range");
    overcome("fragment 1: without Content-Length");
    overcome("fragment: without Date");
    overcome("fragment 2: with \"BITS-Session-Id: {other}\"");
    overcome("fragment 2: adding \"BITS-Received-Content-Range: 7\"");
    overcome("from 3: version 1.0");
    overcome("fragment 1: stray \"HTTP/1.1 200 OK\\r\\n\\r\\n\\x00\"");
    overcome("create: with \"BITS-Host-Id: 127.0.0.1\"");
    refused("fragment: without BITS-Received-Content-Range", ErrorKind::Protocol);
    refused("create: without BITS-Session-Id", ErrorKind::Protocol);
    refused("create: with \"BITS-Host-Id: 127.0.0.9\"", ErrorKind::HostIdUntrusted);
    refused("close: 404", ErrorKind::Refused);
}

#[test]
fn a_cancel_overcomes_faults_too() {
    for script in ["cancel 1: 500", "cancel 1: swallow", "cancel 1: drop", "cancel 1: garbage"] {
        let setup = Setup::with_faults(&[], &format!("fragment 3: hang\n{script}"));
        let client = Client::new().expect("client");
        let mut options = quick();
        options.ack_timeout = Duration::from_secs(30);
        let upload = start(&client, &setup.url("x.bin"), &payload(SIZE), options);
        wait_for_state(&upload, UploadState::WaitingAck);
        upload.cancel(CancelMode::Delete);
        let error = ended(&upload).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{script}: {error}");
        assert_eq!(setup.server.open_sessions(), 0, "{script}");
    }
}

#[test]
fn a_server_that_appends_blindly_never_makes_a_wrong_success() {
    let blind = |script: &str| {
        let fault = Some(script.parse().expect("a script"));
        Setup::with(&[], Config { fault, appends_blindly: true, ..Config::default() })
    };
    for script in
        ["fragment 2: swallow", "fragment 3: drop after 50000 keep", "fragment 10: swallow"]
    {
        let setup = blind(script);
        let receipt = upload(&setup, quick()).expect(script);
        assert!(receipt.close_confirmed && receipt.restarts == 1, "{script}: {receipt:?}");
        assert!(setup.published("x.bin") == payload(SIZE), "{script}");
        assert!(packets(&setup.server.requests()).contains(&"HEAD".to_owned()));

        // A caller that continues without proof is told the result.
        let setup = blind(script);
        let mut options = quick();
        options.on_lost_ack = bitsup::LostAckPolicy::Resend;
        let error = upload(&setup, options).expect_err(script);
        assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{script}: {error}");
        assert!(setup.published("x.bin") != payload(SIZE), "{script}: the test itself is wrong");
    }
    // Where nothing went wrong there is no doubt.
    let setup = blind("");
    assert!(upload(&setup, quick()).expect("uploaded").verified);
}
