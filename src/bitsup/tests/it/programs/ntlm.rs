//! NTLM, alone and inside of Negotiate, with an acceptor that shares nothing with our side.

use std::path::Path;
use std::sync::atomic::Ordering;

use bitsup::{AuthChoice, Client, Credentials, ErrorKind, LostAckPolicy, Secret, UploadOptions};

use crate::common::cutter::Cutter;
use crate::common::peer::{ended, start, upload, wait_until};
use crate::common::program::Program;
use crate::common::wire::with;
use crate::common::{Setup, packets, payload};

const SERVER: &str = include_str!("ntlm_server.py");
/// Domain, user, password: as the acceptor wants them.
const USERS: &str = "CORP:operator:right\n:operator@corp.example:right\n:local:right\n";

pub(crate) struct Acceptor(pub(crate) Program);

/// A request as the acceptor's log has it.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) connection: u32,
    pub(crate) packet: String,
    pub(crate) shown: String,
    pub(crate) body: usize,
    pub(crate) status: u16,
    pub(crate) user: String,
}

impl Acceptor {
    pub(crate) fn start(setup: &Setup, words: &[&str]) -> Option<Self> {
        let test = std::env::current_exe().expect("a path");
        let target = test.ancestors().nth(3).expect("target/PROFILE/deps/test");
        let python = Path::new(target).join("venv/ntlm-server/bin/python");
        // A test program starts it a few times only.
        let python = Box::leak(python.to_str().expect("UTF-8").to_owned().into_boxed_str());
        Self::start_by(python, setup, words, "")
    }

    /// With that Python and these variables, a line each.
    pub(crate) fn start_by(
        python: &'static str,
        setup: &Setup,
        words: &[&str],
        variables: &str,
    ) -> Option<Self> {
        let backend = setup.server.address().port();
        let program = Program::start(python, 1, |place| {
            let users = place.write("users", USERS);
            let users = format!("os.environ['NTLM_USER_FILE'] = '{users}'");
            let code = format!("import os\n{users}\n{variables}{SERVER}");
            let script = place.write("server.py", code);
            let [port, backend] = [place.port(0), backend].map(|port| port.to_string());
            let log = place.file("requests.log");
            let words = words.iter().map(|word| (*word).to_owned());
            [script, port, backend, log].into_iter().chain(words).collect()
        })?;
        Some(Self(program))
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.0.address(0))
    }

    pub(crate) fn log(&self, least: usize) -> Vec<Logged> {
        let read = || {
            let text = std::fs::read_to_string(self.0.place().file("requests.log"));
            text.unwrap_or_default()
        };
        wait_until("the requests in the log", || read().lines().count() >= least);
        let parse = |line: &str| {
            let words: Vec<&str> = line.splitn(6, ' ').collect();
            Logged {
                connection: words[0].parse().expect("a number"),
                packet: words[1].to_owned(),
                shown: words[2].to_owned(),
                body: words[3].parse().expect("a length"),
                status: words[4].parse().expect("a status"),
                user: words[5].to_owned(),
            }
        };
        read().lines().map(parse).collect()
    }
}

pub(crate) fn login(user: &str, password: &str) -> UploadOptions {
    with(|o| {
        o.credentials = Some(Credentials { user: user.into(), password: Secret::new(password) });
        o.fragment_size = Some(100_000);
    })
}

/// No body goes out before the login.
pub(crate) fn assert_no_body_in_a_challenge(log: &[Logged]) {
    assert!(log.iter().all(|request| request.status != 401 || request.body == 0), "{log:#?}");
}

#[test]
fn uploads_log_in_once_a_connection() {
    let _rule = bitsup_server::rule!("AUT-05", "AUT-07");
    for offered in [&["NTLM"][..], &["Negotiate"], &["Negotiate", "NTLM"]] {
        let setup = Setup::new(&[]);
        let Some(acceptor) = Acceptor::start(&setup, offered) else { return };
        let bytes = payload(350_000);
        let users = [
            ("CORP\\operator", "CORP\\operator"),
            ("operator@corp.example", "operator@corp.example"),
            ("local", "local"),
        ];
        for (number, (user, seen)) in users.into_iter().enumerate() {
            let name = number.to_string();
            upload(&acceptor.url(&name), &bytes, login(user, "right")).expect("uploaded");
            assert!(setup.published(&name) == bytes);
            // A request is logged after its answer: nine of each upload.
            let log = acceptor.log(9 * (number + 1)).split_off(9 * number);
            assert_no_body_in_a_challenge(&log);
            let steps: Vec<_> = log.iter().map(|r| (r.packet.as_str(), r.status)).collect();
            assert_eq!(steps[..3], [("Ping", 401), ("Ping", 401), ("Ping", 200)], "{log:#?}");
            assert!(log[0].shown == "none" && log[1].shown == log[2].shown, "{log:#?}");
            assert!(log[3..].iter().all(|r| r.shown == "none" && r.status == 200), "{log:#?}");
            assert!(log[2..].iter().all(|r| r.user == seen), "{log:#?}");
            assert!(log.iter().all(|r| r.connection == log[0].connection), "{log:#?}");
        }
    }
}

#[test]
fn a_wrong_password_is_shown_once() {
    let _rule = bitsup_server::rule!("AUT-03");
    for scheme in ["NTLM", "Negotiate"] {
        let setup = Setup::new(&[]);
        let Some(acceptor) = Acceptor::start(&setup, &[scheme]) else { return };
        let client = Client::new().expect("client");
        for _ in 0..3 {
            let refused =
                start(&client, &acceptor.url("x"), &payload(10), login("CORP\\operator", "wrong"));
            let error = ended(&refused).expect_err("refused");
            assert_eq!((error.kind(), error.http_status()), (ErrorKind::Auth, Some(401)));
        }
        assert!(client.ping(&acceptor.url("x"), &login("CORP\\operator", "wrong")).is_err());
        let log = acceptor.log(6);
        // The first step of a login shows no password yet.
        assert_eq!(log.iter().filter(|r| r.shown == scheme).count(), 2, "{log:#?}");
        assert!(setup.server.requests().is_empty());
        let right = login("CORP\\operator", "right");
        assert!(client.ping(&acceptor.url("x"), &right).expect("answered").authorized);
    }
}

#[test]
fn a_lost_connection_logs_in_again_in_the_same_session() {
    let _rule = bitsup_server::rule!("AUT-05");
    for scheme in ["NTLM", "Negotiate"] {
        let setup = Setup::new(&[]);
        let Some(acceptor) = Acceptor::start(&setup, &[scheme]) else { return };
        let cutter = Cutter::start(acceptor.0.address(0), 7, 400_000);
        let bytes = payload(1_000_000);
        let url = format!("http://{}/x", cutter.address);
        // The answer to Close-Session may be cut off, and a file of this very second proves nothing.
        let mut options = login("CORP\\operator", "right");
        options.on_lost_ack = LostAckPolicy::Accept;
        let receipt = upload(&url, &bytes, options).expect("uploaded");
        assert!(setup.published("x") == bytes);
        assert!(cutter.cuts.load(Ordering::Relaxed) > 1, "{receipt:?}");
        let packets = packets(&setup.server.requests());
        let creates = packets.iter().filter(|packet| *packet == "Create-Session").count();
        assert!(receipt.restarts == 0 && creates <= 2, "{packets:?}");
        let log = acceptor.log(0);
        assert_no_body_in_a_challenge(&log);
        // Each connection begins with a Ping.
        let mut seen = Vec::new();
        for request in &log {
            if !seen.contains(&request.connection) {
                seen.push(request.connection);
                assert_eq!(request.packet, "Ping", "{log:#?}");
            }
        }
    }
}

#[test]
fn a_server_may_want_a_login_for_each_request() {
    let setup = Setup::new(&[]);
    let Some(acceptor) = Acceptor::start(&setup, &["NTLM", "each-request"]) else { return };
    let bytes = payload(350_000);
    upload(&acceptor.url("x"), &bytes, login("local", "right")).expect("uploaded");
    assert!(setup.published("x") == bytes);
    let client = Client::new().expect("client");
    let mut session =
        client.session(&acceptor.url("y"), 10, "y", &login("local", "right")).expect("created");
    session.send(payload(10)).expect("sent");
    session.close().expect("closed");
    assert!(setup.published("y") == payload(10));
    assert_no_body_in_a_challenge(&acceptor.log(15));
}

#[test]
fn a_scheme_that_the_caller_excludes_is_not_used() {
    let setup = Setup::new(&[]);
    let Some(acceptor) = Acceptor::start(&setup, &["NTLM"]) else { return };
    let mut options = login("local", "right");
    options.auth = AuthChoice::Negotiate;
    let error = upload(&acceptor.url("x"), &payload(10), options).expect_err("not offered");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(acceptor.log(1).iter().all(|r| r.shown == "none"));
}
