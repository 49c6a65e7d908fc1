//! Logins that are bound to the certificate of their connection, at acceptors that take no others.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use bitsup::{ErrorKind, LostAckPolicy, UploadOptions};

use super::kerberos::{Centre, HOST};
use super::ntlm::{Acceptor, assert_no_body_in_a_challenge, login};
use super::squid::{squid, through};
use crate::common::cutter::Cutter;
use crate::common::peer::upload;
use crate::common::pki::Authority;
use crate::common::program::{Program, installed, skipped};
use crate::common::{Setup, payload};

/// The Python that Debian's packages belong to.
const PYTHON: &str = "/usr/bin/python3";
const SIZE: usize = 350_000;

/// The server's authority and certificate, and those of a man in the middle.
struct Certificates {
    folder: tempfile::TempDir,
    ca: String,
    own: String,
    of_the_middle: String,
}

impl Certificates {
    fn for_host(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let authority = Authority::new("Servers");
        let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let ca = file("ca.pem");
        std::fs::write(&ca, &authority.pem).expect("written");
        let write = |file: &str| {
            authority.issue(name).write(folder.path(), file);
        };
        write("own.pem");
        write("middle.pem");
        Self { ca, own: file("own.pem"), of_the_middle: file("middle.pem"), folder }
    }

    fn trusted(&self, mut options: UploadOptions) -> UploadOptions {
        options.tls.ca_file = Some(self.ca.clone().into());
        options
    }
}

/// A man in the middle with a certificate of the same name, who passes all on to a server
/// over TLS.
fn middle(certificate: &str, server: &Acceptor) -> Option<Program> {
    Program::start("haproxy", 1, |place| {
        let (port, server) = (place.port(0), server.0.address(0));
        let config = format!(
            "global\n    nbthread 1\ndefaults\n    mode tcp\n    timeout connect 5s\n    \
             timeout client 1m\n    timeout server 1m\nfrontend front\n    \
             bind 127.0.0.1:{port} ssl crt {certificate}\n    default_backend back\n\
             backend back\n    server a {server} ssl verify none\n"
        );
        vec!["-db".to_owned(), "-f".to_owned(), place.write("haproxy.conf", config)]
    })
}

#[test]
fn a_login_with_a_password_is_bound_to_its_connection() {
    let _rule = bitsup_server::rule!("AUT-09");
    let certificates = Certificates::for_host("127.0.0.1");
    let (tls, bound) = (format!("tls={}", certificates.own), format!("bound={}", certificates.own));
    for (scheme, version) in [("NTLM", "tls1.3"), ("Negotiate", "tls1.2"), ("NTLM", "tls1.2")] {
        let setup = Setup::new(&[]);
        let words = [scheme, version, &tls, &bound];
        let Some(acceptor) = Acceptor::start(&setup, &words) else { return };
        let cutter = Cutter::start(acceptor.0.address(0), 7, 150_000);
        let url = format!("https://{}/x", cutter.address);
        let mut options = certificates.trusted(login("CORP\\operator", "right"));
        // The answer to Close-Session may be cut off, and a file of this very second proves nothing.
        options.on_lost_ack = LostAckPolicy::Accept;
        upload(&url, &payload(SIZE), options).expect("uploaded");
        assert!(setup.published("x") == payload(SIZE));
        assert!(cutter.cuts.load(Ordering::Relaxed) > 1, "each connection is logged in anew");
        assert_no_body_in_a_challenge(&acceptor.log(0));
    }
}

#[test]
fn a_login_that_somebody_in_the_middle_passes_on_is_refused() {
    let _rule = bitsup_server::rule!("AUT-09");
    let certificates = Certificates::for_host("127.0.0.1");
    let (tls, bound) = (format!("tls={}", certificates.own), format!("bound={}", certificates.own));
    for scheme in ["NTLM", "Negotiate"] {
        let setup = Setup::new(&[]);
        // The login is passed on where the server does not ask what it is bound to.
        let Some(unbound) = Acceptor::start(&setup, &[scheme, &tls]) else { return };
        let Some(bound) = Acceptor::start(&setup, &[scheme, &tls, &bound]) else { return };
        for (acceptor, passes) in [(&unbound, true), (&bound, false)] {
            let Some(middle) = middle(&certificates.of_the_middle, acceptor) else { return };
            let seen = setup.server.requests().len();
            for trusts in [true, false] {
                let url = format!("https://{}/{trusts}", middle.address(0));
                let mut options = certificates.trusted(login("CORP\\operator", "right"));
                if !trusts {
                    options.tls.ca_file = None;
                    options.tls.insecure = true;
                }
                let result = upload(&url, &payload(SIZE), options);
                if passes {
                    result.expect("uploaded");
                    continue;
                }
                let error = result.expect_err("refused");
                assert_eq!((error.kind(), error.http_status()), (ErrorKind::Auth, Some(401)));
                assert!(error.advice().contains("Extended Protection"), "{}", error.advice());
            }
            assert_eq!(setup.server.requests().len() > seen, passes);
        }
        assert!(bound.0.logs().contains("do not match"), "{}", bound.0.logs());
    }
}

#[test]
fn the_hash_is_the_one_that_the_certificates_signature_has() {
    let Some(openssl) = installed("openssl") else { return };
    let folder = tempfile::tempdir().expect("folder");
    for (key, digest) in [
        ("rsa:2048", "-sha1"),
        ("rsa:2048", "-sha512"),
        ("rsa-pss -pkeyopt rsa_keygen_bits:2048", "-sha384"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "-sha384"),
    ] {
        let path = folder.path().join("server.pem");
        let path = path.to_str().expect("UTF-8");
        let words = format!(
            "req -x509 -nodes -newkey {key} {digest} -keyout {path}.key -out {path}.cert \
             -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        );
        let output = Command::new(&openssl).args(words.split(' ')).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read = |part: &str| std::fs::read(format!("{path}.{part}")).expect("written");
        std::fs::write(path, [read("cert"), read("key")].concat()).expect("written");
        let setup = Setup::new(&[]);
        let (tls, bound) = (format!("tls={path}"), format!("bound={path}"));
        let Some(acceptor) = Acceptor::start(&setup, &["NTLM", &tls, &bound]) else { return };
        let mut options = login("local", "right");
        options.tls.insecure = true;
        let url = format!("https://localhost:{}/x", acceptor.0.address(0).port());
        upload(&url, &payload(10), options).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(setup.published("x") == payload(10));
    }
}

#[test]
fn through_proxies_it_is_the_servers_certificate_and_not_the_proxys() {
    let certificates = Certificates::for_host("127.0.0.1");
    let (tls, bound) = (format!("tls={}", certificates.own), format!("bound={}", certificates.own));
    let setup = Setup::new(&[]);
    let Some(acceptor) = Acceptor::start(&setup, &["NTLM", &tls, &bound]) else { return };
    // Connections are made anew, so that a session of TLS could be taken up again.
    let cutter = Cutter::start(acceptor.0.address(0), 7, 150_000);
    let Some((squid, authority)) = squid(cutter.address.port()) else { return };
    let proxies = certificates.folder.path().join("proxies.pem");
    std::fs::write(&proxies, &authority.pem).expect("written");
    let over_http = format!("http://{}", squid.address(0));
    let over_tls = format!("https://localhost:{}", squid.address(1).port());
    for (name, proxy) in [("one", over_http), ("two", over_tls)] {
        let cuts = cutter.cuts.load(Ordering::Relaxed);
        let mut options = certificates.trusted(through(&proxy, Some(("u", "hunter2"))));
        options.credentials = login("local", "right").credentials;
        options.fragment_size = Some(100_000);
        options.tls.proxy_ca_file = Some(proxies.clone());
        let url = format!("https://{}/{name}", cutter.address);
        upload(&url, &payload(SIZE), options).expect("uploaded");
        assert!(setup.published(name) == payload(SIZE));
        assert!(cutter.cuts.load(Ordering::Relaxed) > cuts + 1);
    }
}

#[test]
fn a_login_with_a_ticket_is_bound_to_its_connection() {
    let _rule = bitsup_server::rule!("AUT-09");
    let Some(centre) = Centre::start() else { return };
    let cache = centre.ticket("tickets", "1h");
    let certificates = Certificates::for_host(HOST);
    for more in ["", "each-request"] {
        let setup = Setup::new(&[]);
        let Some((unbound, bound)) = with_tickets(&centre, &setup, &certificates, more) else {
            return;
        };
        let cutter = Cutter::start(bound.0.address(0), 7, 150_000);
        let port = cutter.address.port();
        let end = centre.upload_to(&cache, &url(port), port, &certificates.ca);
        assert_eq!(end, "uploaded, 0 restarts", "{}", bound.0.logs());
        assert!(setup.published("x") == payload(SIZE));
        assert!(cutter.cuts.load(Ordering::Relaxed) > 1);
        let log = bound.log(0);
        assert_no_body_in_a_challenge(&log);
        assert!(log.iter().filter(|r| r.shown == "Negotiate").all(|r| r.status != 401), "{log:#?}");

        let seen = setup.server.requests().len();
        for trust in [&*certificates.ca, "any"] {
            let Some(between) = middle(&certificates.of_the_middle, &bound) else { return };
            let port = between.address(0).port();
            let end = centre.upload_to(&cache, &url(port), port, trust);
            assert!(end.starts_with(&format!("{:?} Some(401):", ErrorKind::Auth)), "{end}");
            assert!(end.contains("Extended Protection"), "{end}");
        }
        assert_eq!(setup.server.requests().len(), seen, "nothing got through");
        let Some(between) = middle(&certificates.of_the_middle, &unbound) else { return };
        let port = between.address(0).port();
        let url = format!("https://{HOST}:{port}/y");
        let end = centre.upload_to(&cache, &url, port, &certificates.ca);
        assert_eq!(end, "uploaded, 0 restarts", "it is the binding that was refused");
    }
}

fn url(port: u16) -> String {
    format!("https://{HOST}:{port}/x")
}

/// An acceptor of tickets that does not look at bindings, and one that does.
fn with_tickets(
    centre: &Centre,
    setup: &Setup,
    certificates: &Certificates,
    more: &str,
) -> Option<(Acceptor, Acceptor)> {
    let has_module = Path::new(PYTHON).is_file()
        && Command::new(PYTHON)
            .args(["-c", "import cryptography, gssapi"])
            .output()
            .is_ok_and(|output| output.status.success());
    if !has_module {
        skipped("python3-gssapi is missing");
        return None;
    }
    let variable = |name: &str, file: &str| {
        format!("os.environ['{name}'] = '{}'\n", centre.place().file(file))
    };
    let variables = variable("KRB5_CONFIG", "krb5.conf") + &variable("KRB5_KTNAME", "keytab");
    let (tls, bound) = (format!("tls={}", certificates.own), format!("bound={}", certificates.own));
    let words = ["Negotiate", "kerberos", &tls, more];
    let start = |words: &[&str]| Acceptor::start_by(PYTHON, setup, words, &variables);
    Some((start(&words)?, start(&[&words[..], &[&bound]].concat())?))
}
