//! Logins at Apache httpd in front of a BITS server: Basic and Digest.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bitsup::{
    Client, CredentialCallback, Credentials, ErrorKind, Login, LostAckPolicy, ReadAt, Secret,
    Source, UploadOptions,
};

use crate::common::cutter::Cutter;
use crate::common::peer::{ended, start, upload, wait_until};
use crate::common::program::{Place, Program, adapted};
use crate::common::wire::with;
use crate::common::{Setup, packets, payload};

const BASIC: &str = include_str!("logins/apache-basic.conf");
const DIGEST: &str = include_str!("logins/apache-digest.conf");
const USER: &str = "operator";

/// A scheme of Apache's, with the file it keeps passwords in.
#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Basic,
    Digest,
}

impl Scheme {
    /// The line of the password file.
    fn line(self, password: &str) -> String {
        match self {
            Self::Basic => output(Command::new("htpasswd").args(["-nbs", USER, password])),
            Self::Digest => {
                let text = format!("{USER}:uploads:{password}");
                let sum = format!("printf %s '{text}' | md5sum");
                let sum = output(Command::new("sh").args(["-c", &sum]));
                let sum = sum.split_whitespace().next().expect("a sum");
                format!("{USER}:uploads:{sum}\n")
            }
        }
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

struct Apache {
    program: Program,
    scheme: Scheme,
}

/// A request as Apache's log has it.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) packet: String,
    pub(crate) shows_login: bool,
}

impl Apache {
    fn start(setup: &Setup, scheme: Scheme, password: &str) -> Option<Self> {
        let (text, file) = match scheme {
            Scheme::Basic => (BASIC, "/etc/apache2/uploads.passwords"),
            Scheme::Digest => (DIGEST, "/etc/apache2/uploads.digests"),
        };
        let server = setup.server.address().to_string();
        let program = Program::start("apache2", 1, |place| {
            let places = [
                ("127.0.0.1:8080", &*server),
                ("Listen 80", &format!("Listen 127.0.0.1:{}", place.port(0))),
                (file, &place.write("passwords", scheme.line(password))),
            ];
            arguments(place, &["authn_file", "auth_basic", "auth_digest"], &adapted(text, &places))
        })?;
        Some(Self { program, scheme })
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.program.address(0))
    }

    fn log(&self, least: usize) -> Vec<Logged> {
        log(&self.program, least)
    }
}

/// What Apache logged of that many requests at least; a request is logged once it is answered.
pub(crate) fn log(apache: &Program, least: usize) -> Vec<Logged> {
    let read = || {
        let text = std::fs::read_to_string(apache.place().file("requests.log"));
        text.unwrap_or_default()
    };
    wait_until("the requests in Apache's log", || read().lines().count() >= least);
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        Logged {
            status: words[0].parse().expect("a status"),
            bytes: words[1].parse().expect("a number"),
            packet: words[2].to_owned(),
            shows_login: words[3] == "yes",
        }
    };
    read().lines().map(parse).collect()
}

/// All around the servers: one process in the foreground, and nothing outside of the folder. The
/// modules are those that log in.
pub(crate) fn arguments(place: &Place, modules: &[&str], server: &str) -> Vec<String> {
    let common = [
        "mpm_event",
        "authn_core",
        "authz_core",
        "authz_user",
        "headers",
        "proxy",
        "proxy_http",
        "setenvif",
    ];
    let load =
        |name: &&str| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let modules: String = common.iter().chain(modules).map(load).collect();
    let folder = place.path().display();
    let main = place.write(
        "apache.conf",
        format!(
            "{modules}ServerRoot {folder}\nServerName localhost\nUser www-data\nGroup www-data\n\
             DefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog {folder}/error.log\n\
             StartServers 1\nSetEnvIf Authorization . shown=yes\n\
             LogFormat \"%>s %I %{{BITS-Packet-Type}}i %{{shown}}e\" requests\n\
             CustomLog {folder}/requests.log requests\n{server}"
        ),
    );
    ["-D", "FOREGROUND", "-f", &main].map(str::to_owned).to_vec()
}

fn credentials(password: &str) -> Credentials {
    Credentials { user: USER.into(), password: Secret::new(password) }
}

fn login(password: &str) -> UploadOptions {
    with(|o| {
        o.credentials = Some(credentials(password));
        o.allow_cleartext_credentials = true;
        o.fragment_size = Some(100_000);
    })
}

#[test]
fn an_upload_logs_in_and_a_wrong_password_is_tried_once() {
    let _rule = bitsup_server::rule!("AUT-03", "AUT-08");
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let setup = Setup::new(&[]);
        let Some(apache) = Apache::start(&setup, scheme, "right") else { return };
        let client = Client::new().expect("client");
        let bytes = payload(250_000);
        for round in 0..3 {
            let refused = start(&client, &apache.url("x?y=1"), &bytes, login("wrong"));
            let error = ended(&refused).expect_err("refused");
            assert_eq!((error.kind(), error.http_status()), (ErrorKind::Auth, Some(401)));
            // On a loaded machine a first request without a login may be sent twice.
            wait_until("the login", || apache.log(2).iter().any(|request| request.shows_login));
            let log = apache.log(2);
            let tried = log.iter().filter(|request| request.shows_login).count();
            assert_eq!(tried, 1, "round {round}");
            assert!(log.iter().all(|request| request.status == 401));
        }
        assert!(setup.server.requests().is_empty(), "nothing got through");
        ended(&start(&client, &apache.url("x?y=1"), &bytes, login("right"))).expect("uploaded");
        assert!(setup.published("x") == bytes);
    }
}

/// Changes the password while the second part is read.
struct Changing {
    bytes: Vec<u8>,
    file: String,
    line: String,
    changed: AtomicBool,
}

impl ReadAt for Changing {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= 100_000 && !self.changed.swap(true, Ordering::Relaxed) {
            let new = Path::new(&self.file).with_extension("new");
            std::fs::write(&new, &self.line)?;
            std::fs::rename(&new, &self.file)?;
        }
        let rest = &self.bytes[usize::try_from(offset).expect("small")..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

#[test]
fn a_password_that_changes_in_the_middle_is_asked_for() {
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let setup = Setup::new(&[]);
        let Some(apache) = Apache::start(&setup, scheme, "old") else { return };
        let bytes = payload(500_000);
        let source = Changing {
            bytes: bytes.clone(),
            file: apache.program.place().file("passwords"),
            line: apache.scheme.line("new"),
            changed: AtomicBool::new(false),
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let mut options = login("old");
        options.credential_callback = Some(CredentialCallback::new(move |request| {
            log.lock().expect("one caller").push(request.clone());
            Some(Login::Password(credentials("new")))
        }));
        let client = Client::new().expect("client");
        let source = Source::read_at(source, bytes.len() as u64);
        let upload = client.upload(source, &apache.url("x")).options(options);
        let receipt = ended(&upload.start().expect("started")).expect("uploaded");
        assert!(setup.published("x") == bytes);
        assert_eq!(receipt.restarts, 0);
        let asked = asked.lock().expect("one caller");
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(asked[0].refused && asked[0].realm.as_deref() == Some("uploads"));
        let log = apache.log(9);
        let refused = log.iter().filter(|r| r.status == 401 && r.shows_login).count();
        assert_eq!(refused, 1, "the old password was shown once too often");
    }
}

#[test]
fn digest_sends_no_body_twice() {
    let setup = Setup::new(&[]);
    let Some(apache) = Apache::start(&setup, Scheme::Digest, "right") else { return };
    let bytes = payload(70_000_000);
    let mut options = login("right");
    options.fragment_size = None;
    let client = Client::new().expect("client");
    let source = Source::bytes(bytes.clone());
    let uploads: Vec<_> = (0..3)
        .map(|number| {
            let upload = client.upload(source.clone(), &apache.url(&number.to_string()));
            upload.options(options.clone()).start().expect("started")
        })
        .collect();
    for (number, upload) in uploads.iter().enumerate() {
        let receipt = ended(upload).expect("uploaded");
        assert_eq!((receipt.retries, receipt.unconfirmed_resends), (0, 0), "{receipt:?}");
        assert!(setup.published(&number.to_string()) == bytes);
    }
    let log = apache.log(15);
    let received: u64 = log.iter().map(|request| request.bytes).sum();
    let whole = 3 * bytes.len() as u64;
    assert!((whole..whole + 500_000).contains(&received), "{received} bytes for {whole}");
    let refused =
        log.iter().filter(|request| request.status == 401 && request.packet == "Fragment");
    assert!(refused.map(|request| request.bytes).max() < Some(2000), "a body in a challenge");
}

#[test]
fn a_lost_connection_logs_in_again_in_the_same_session() {
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let setup = Setup::new(&[]);
        let Some(apache) = Apache::start(&setup, scheme, "right") else { return };
        let cutter = Cutter::start(apache.program.address(0), 7, 400_000);
        let bytes = payload(1_000_000);
        let url = format!("http://{}/x", cutter.address);
        // The answer to Close-Session may be cut off, and a file of this very second proves nothing.
        let mut options = login("right");
        options.on_lost_ack = LostAckPolicy::Accept;
        let receipt = upload(&url, &bytes, options).expect("uploaded");
        assert!(setup.published("x") == bytes);
        assert!(cutter.cuts.load(Ordering::Relaxed) > 1, "{receipt:?}");
        let packets = packets(&setup.server.requests());
        let creates = packets.iter().filter(|packet| *packet == "Create-Session").count();
        assert!(receipt.restarts == 0 && creates <= 3, "{packets:?}");
    }
}

#[test]
fn the_guide_shows_the_configurations() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/authentication.md");
    let guide = std::fs::read_to_string(docs).expect("the guide");
    for (name, text) in
        [("basic", BASIC), ("digest", DIGEST), ("kerberos", super::kerberos::APACHE)]
    {
        let block = format!("<!-- logins/apache-{name}.conf -->\n```apache\n{text}```\n");
        assert!(guide.contains(&block), "docs/authentication.md shows another apache-{name}.conf");
    }
}
