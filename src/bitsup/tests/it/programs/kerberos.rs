//! Kerberos: tickets of a real key distribution centre (MIT) at Apache httpd in front of a BITS server.
//!
//! The libraries of Kerberos read the environment, so that each upload runs in a process of its own.

use std::process::Command;
use std::sync::atomic::Ordering;

use bitsup::{AuthChoice, ErrorKind, LostAckPolicy, Resolve};

use super::logins::{Logged, arguments, log};
use crate::common::cutter::Cutter;
use crate::common::peer::{upload, wait_until};
use crate::common::program::{Place, Program, adapted, installed, skipped};
use crate::common::wire::with;
use crate::common::{Setup, packets, payload};

pub(crate) const APACHE: &str = include_str!("logins/apache-kerberos.conf");
/// As in the guide, and its opposite: `mod_auth_gssapi` wants a ticket with each request then.
const BOUND: &str = "GssapiConnectionBound On";
const UNBOUND: &str = "GssapiConnectionBound Off";
const MODULE: &str = "/usr/lib/apache2/modules/mod_auth_gssapi.so";

pub(crate) const HOST: &str = "files.test.example";
/// Leads to the same server, and is unknown to Kerberos.
const STRANGER: &str = "stranger.test.example";
const SIZE: usize = 350_000;

/// What a process that uploads is told.
const URL: &str = "BITSUP_TEST_KERBEROS_URL";
const PORT: &str = "BITSUP_TEST_KERBEROS_PORT";
/// Whom to trust; `any` takes any certificate.
const TRUST: &str = "BITSUP_TEST_KERBEROS_TRUST";

/// The centre, with the user `operator`.
pub(crate) struct Centre(Program);

impl Centre {
    pub(crate) fn start() -> Option<Self> {
        let daemon = installed("krb5kdc")?;
        let needed = ["kdb5_util", "kadmin.local", "kinit", "kvno"].map(installed);
        let [Some(create), Some(admin), Some(_), Some(_)] = needed else { return None };
        let program = Program::start("env", 1, |place| {
            let (folder, port) = (place.path().display(), place.port(0));
            place.write(
                "krb5.conf",
                format!(
                    "[libdefaults]\ndefault_realm = TEST.EXAMPLE\ndns_lookup_kdc = false\n\
                     dns_canonicalize_hostname = false\nrdns = false\n\
                     [realms]\nTEST.EXAMPLE = {{\nkdc = 127.0.0.1:{port}\n}}\n\
                     [domain_realm]\n.test.example = TEST.EXAMPLE\n"
                ),
            );
            place.write(
                "kdc.conf",
                format!(
                    "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n\
                     [realms]\nTEST.EXAMPLE = {{\ndatabase_name = {folder}/principal\n\
                     key_stash_file = {folder}/stash\nacl_file = {folder}/acl\n}}\n\
                     [logging]\nkdc = FILE:{folder}/kdc.log\n"
                ),
            );
            let (keytab, service) = (place.file("keytab"), format!("HTTP/{HOST}"));
            for (program, words) in [
                (&create, &["create", "-s", "-P", "master"][..]),
                (&admin, &["addprinc", "-pw", "right", "operator"]),
                (&admin, &["addprinc", "-randkey", &service]),
                (&admin, &["ktadd", "-k", &keytab, &service]),
            ] {
                run(with_kerberos(Command::new(program), place).args(words));
            }
            // Apache reads it as a user of its own.
            run(Command::new("chmod").args(["644", &keytab]));
            let mut words = environment(place).to_vec();
            words.extend([daemon.to_str().expect("UTF-8").to_owned(), "-n".to_owned()]);
            words
        })?;
        Some(Self(program))
    }

    pub(crate) fn place(&self) -> &Place {
        self.0.place()
    }

    /// A cache of tickets with one that is valid for so long.
    pub(crate) fn ticket(&self, name: &str, life: &str) -> String {
        let cache = format!("FILE:{}", self.place().file(name));
        let password = self.place().write("password", "right\n");
        let words = format!("kinit -l {life} -c {cache} operator < {password}");
        run(with_kerberos(Command::new("sh"), self.place()).args(["-c", &words]));
        cache
    }

    /// Apache, with that said about connections and users.
    fn apache(&self, setup: &Setup, bound: &str, who: &str) -> Option<Program> {
        if !std::path::Path::new(MODULE).is_file() {
            skipped("mod_auth_gssapi is missing");
            return None;
        }
        let program = installed("apache2")?;
        let server = setup.server.address().to_string();
        Program::start("env", 1, |place| {
            let places = [
                ("127.0.0.1:8080", &*server),
                ("Listen 80", &format!("Listen 127.0.0.1:{}", place.port(0))),
                ("/etc/apache2/uploads.keytab", &self.place().file("keytab")),
                (BOUND, bound),
                ("valid-user", who),
            ];
            let mut words = environment(self.place()).to_vec();
            words.push(program.to_str().expect("UTF-8").to_owned());
            words.extend(arguments(place, &["auth_gssapi"], &adapted(APACHE, &places)));
            words
        })
    }

    /// Uploads in a process of its own with that cache of tickets; what it says of the end.
    fn upload(&self, cache: &str, host: &str, port: u16) -> String {
        self.upload_to(cache, &format!("http://{host}:{port}/x"), port, "any")
    }

    /// The same to a URL, whose certificate is to be of that authority.
    pub(crate) fn upload_to(&self, cache: &str, url: &str, port: u16, trust: &str) -> String {
        let this = std::env::current_exe().expect("a path");
        let mut command = Command::new(this);
        command
            .args(["--exact", "programs::kerberos::in_a_process_of_its_own", "--nocapture"])
            .env(URL, url)
            .env(PORT, port.to_string())
            .env(TRUST, trust)
            .env("KRB5CCNAME", cache);
        let output = run(&mut with_kerberos(command, self.place()));
        let (_, end) = output.split_once("the end: ").expect(&output);
        end.lines().next().expect("a line").to_owned()
    }
}

fn environment(place: &Place) -> [String; 2] {
    let file = |variable, name| format!("{variable}={}", place.file(name));
    [file("KRB5_CONFIG", "krb5.conf"), file("KRB5_KDC_PROFILE", "kdc.conf")]
}

fn with_kerberos(mut command: Command, place: &Place) -> Command {
    let pairs = environment(place);
    command.envs(pairs.iter().filter_map(|pair| pair.split_once('=')));
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The name of an upload whose connections are cut.
const CUT: &str = "cut";

/// Run by the others; there is nothing to do where it is not told to what.
#[test]
fn in_a_process_of_its_own() {
    let Ok(url) = std::env::var(URL) else { return };
    let port = std::env::var(PORT).expect("with the URL");
    let trust = std::env::var(TRUST).expect("with the URL");
    let options = with(|o| {
        o.auth = AuthChoice::Negotiate;
        o.fragment_size = Some(100_000);
        // The answer to Close-Session may be cut off, and a file of this very second proves nothing.
        let policy = if url.ends_with(CUT) { LostAckPolicy::Accept } else { LostAckPolicy::Auto };
        o.on_lost_ack = policy;
        o.tls.insecure = trust == "any";
        o.tls.ca_file = (trust != "any").then(|| trust.into());
        for host in [HOST, STRANGER] {
            let given = format!("{host}:{port}:127.0.0.1");
            o.resolve.push(Resolve::parse(&given).expect("an address"));
        }
    });
    match upload(&url, &payload(SIZE), options) {
        Ok(receipt) => println!("the end: uploaded, {} restarts", receipt.restarts),
        Err(error) => {
            let advice = error.advice();
            println!("the end: {:?} {:?}: {error}: {advice}", error.kind(), error.http_status());
        }
    }
}

fn assert_no_body_in_a_challenge(log: &[Logged]) {
    let refused = log.iter().filter(|request| request.status == 401);
    assert!(refused.map(|request| request.bytes).max() < Some(3000), "{log:#?}");
}

#[test]
fn an_upload_logs_in_with_a_ticket() {
    let _rule = bitsup_server::rule!("AUT-05", "AUT-07");
    let Some(centre) = Centre::start() else { return };
    let cache = centre.ticket("tickets", "1h");
    for bound in [BOUND, UNBOUND] {
        let setup = Setup::new(&[]);
        let Some(apache) = centre.apache(&setup, bound, "user operator@TEST.EXAMPLE") else {
            return;
        };
        let end = centre.upload(&cache, HOST, apache.address(0).port());
        assert_eq!(end, "uploaded, 0 restarts");
        assert!(setup.published("x") == payload(SIZE));
        let log = log(&apache, 9);
        assert_no_body_in_a_challenge(&log);
        assert!(!log[0].shows_login && log[0].packet == "Ping", "{log:#?}");
        let fragments: Vec<_> = log.iter().filter(|r| r.packet == "Fragment").collect();
        assert_eq!(fragments.len(), 4, "{log:#?}");
        assert!(fragments.iter().all(|r| r.status == 200), "{log:#?}");
        assert!(fragments.iter().all(|r| r.shows_login == (bound == UNBOUND)), "{log:#?}");
    }
}

#[test]
fn a_lost_connection_logs_in_again_in_the_same_session() {
    let _rule = bitsup_server::rule!("AUT-05");
    let Some(centre) = Centre::start() else { return };
    let cache = centre.ticket("tickets", "1h");
    let setup = Setup::new(&[]);
    let Some(apache) = centre.apache(&setup, BOUND, "valid-user") else { return };
    let cutter = Cutter::start(apache.address(0), 7, 150_000);
    let port = cutter.address.port();
    let end = centre.upload_to(&cache, &format!("http://{HOST}:{port}/{CUT}"), port, "any");
    assert_eq!(end, "uploaded, 0 restarts");
    assert!(setup.published(CUT) == payload(SIZE));
    assert!(cutter.cuts.load(Ordering::Relaxed) > 1);
    let packets = packets(&setup.server.requests());
    let creates = packets.iter().filter(|packet| *packet == "Create-Session").count();
    assert!(creates <= 3, "{packets:?}");
    assert_no_body_in_a_challenge(&log(&apache, 0));
}

#[test]
fn without_a_valid_ticket_nothing_is_shown_and_the_error_says_why() {
    let _rule = bitsup_server::rule!("AUT-03");
    let Some(centre) = Centre::start() else { return };
    let setup = Setup::new(&[]);
    let Some(apache) = centre.apache(&setup, BOUND, "valid-user") else { return };
    let expired = centre.ticket("expired", "1s");
    wait_until("the end of the ticket", || {
        let mut kvno = with_kerberos(Command::new("kvno"), centre.place());
        let kvno = kvno.args(["-c", &expired, &format!("HTTP/{HOST}")]).output();
        String::from_utf8_lossy(&kvno.expect("it runs").stderr).contains("expired")
    });
    let none = format!("FILE:{}", centre.place().file("no-tickets"));
    let valid = centre.ticket("tickets", "1h");
    for (cache, host, what, advice) in [
        (&none, HOST, "No Kerberos credentials available", "Get a ticket first (kinit "),
        (&expired, HOST, "expired", "Get a new ticket (kinit"),
        (&valid, STRANGER, "not found in Kerberos database", "setspn -S HTTP/NAME"),
    ] {
        let end = centre.upload(cache, host, apache.address(0).port());
        let kind = format!("{:?} None: {host}:", ErrorKind::Auth);
        assert!(end.starts_with(&kind), "{end}");
        assert!(end.contains(what) && end.contains(advice), "{end}");
    }
    assert!(log(&apache, 3).iter().all(|request| !request.shows_login));
    assert!(setup.server.requests().is_empty(), "nothing got through");
}

#[test]
fn a_ticket_that_the_server_refuses_is_shown_once() {
    let _rule = bitsup_server::rule!("AUT-03");
    let Some(centre) = Centre::start() else { return };
    let cache = centre.ticket("tickets", "1h");
    let setup = Setup::new(&[]);
    let Some(apache) = centre.apache(&setup, BOUND, "user another.name") else { return };
    let end = centre.upload(&cache, HOST, apache.address(0).port());
    assert!(end.starts_with(&format!("{:?} Some(401):", ErrorKind::Auth)), "{end}");
    let log = log(&apache, 2);
    assert_eq!(log.iter().filter(|request| request.shows_login).count(), 1, "{log:#?}");
    assert!(setup.server.requests().is_empty(), "nothing got through");
}
