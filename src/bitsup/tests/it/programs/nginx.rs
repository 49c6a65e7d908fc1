//! nginx in front of a BITS server: with TLS, client certificates, and a limit for bodies.

use std::path::Path;

use bitsup::{ErrorKind, Secret};
use bitsup_server::Server;

use crate::common::peer::upload;
use crate::common::pki::Authority;
use crate::common::program::{Place, Program, adapted};
use crate::common::wire::with;
use crate::common::{Setup, packets, payload};

const PLAIN: &str = include_str!("conf/nginx.conf");
const OVERRIDE: &str = include_str!("conf/nginx-override.conf");
const CLIENT_CERTIFICATES: &str = include_str!("conf/nginx-client-certificates.conf");

/// All around the servers: one process in the foreground, and nothing outside of the folder.
fn arguments(place: &Place, servers: &str) -> Vec<String> {
    let folder = place.path().display();
    let servers = place.write("servers.conf", servers);
    let main = place.write(
        "nginx.conf",
        format!(
            "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  access_log {folder}/access.log;\n  client_body_temp_path {folder}/body;\n  \
             proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/fastcgi;\n  \
             uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
             include {servers};\n}}\n"
        ),
    );
    ["-e", "stderr", "-p", &place.file(""), "-c", &main].map(str::to_owned).to_vec()
}

fn plain(server: &Server, largest_body: &str) -> Option<Program> {
    Program::start("nginx", 1, |place| {
        let places = [
            ("127.0.0.1:8080", &*server.address().to_string()),
            ("listen 80;", &format!("listen 127.0.0.1:{};", place.port(0))),
            ("client_max_body_size 30m;", &format!("client_max_body_size {largest_body};")),
        ];
        arguments(place, &adapted(PLAIN, &places))
    })
}

/// One that shows a certificate of `authority`, and wants one of `clients`.
fn with_client_certificates(
    server: &Server,
    authority: &Authority,
    clients: &Authority,
) -> Option<Program> {
    let own = authority.issue("localhost");
    Program::start("nginx", 1, |place| {
        let places = [
            ("127.0.0.1:8080", &*server.address().to_string()),
            ("listen 443 ssl;", &format!("listen 127.0.0.1:{} ssl;", place.port(0))),
            ("/etc/nginx/tls/server.pem", &place.write("server.pem", &own.cert)),
            ("/etc/nginx/tls/server.key", &place.write("server.key", &own.key)),
            ("/etc/nginx/tls/clients-ca.pem", &place.write("clients-ca.pem", &clients.pem)),
        ];
        arguments(place, &adapted(CLIENT_CERTIFICATES, &places))
    })
}

#[test]
fn an_upload_passes() {
    let setup = Setup::new(&[]);
    let Some(nginx) = plain(&setup.server, "30m") else { return };
    let bytes = payload(3_000_000);
    let options = with(|o| o.fragment_size = Some(700_000));
    let receipt = upload(&format!("http://{}/x.bin", nginx.address(0)), &bytes, options);
    assert_eq!(receipt.expect("uploaded").fragments, 5);
    assert!(setup.published("x.bin") == bytes);
}

#[test]
fn a_limit_for_bodies_leads_to_smaller_fragments() {
    let _rule = bitsup_server::rule!("SIZ-01", "SIZ-03");
    let setup = Setup::new(&[]);
    let Some(nginx) = plain(&setup.server, "100k") else { return };
    let bytes = payload(1_500_000);
    let options = with(|o| o.fragment_size = None);
    let receipt = upload(&format!("http://{}/x.bin", nginx.address(0)), &bytes, options);
    let receipt = receipt.expect("uploaded");
    assert!(setup.published("x.bin") == bytes);
    assert_eq!((receipt.restarts, receipt.unconfirmed_resends), (0, 0), "{receipt:?}");
    // nginx has refused them before a byte of them got through.
    let largest = 100 * 1024;
    let lengths: Vec<u64> = setup.server.requests().iter().map(|r| r.body).collect();
    assert!(lengths.iter().all(|length| *length <= largest), "{lengths:?}");
    assert!(lengths.iter().any(|length| *length > largest / 2), "{lengths:?}");
}

#[test]
fn a_client_certificate_opens_the_way() {
    let setup = Setup::new(&[]);
    let (authority, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let nginx = with_client_certificates(&setup.server, &authority, &clients);
    let Some(nginx) = nginx else { return };
    let url = |name: &str| format!("https://localhost:{}/{name}", nginx.address(0).port());
    let folder = tempfile::tempdir().expect("folder");
    let folder: &Path = folder.path();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, &authority.pem).expect("written");
    let options = |cert: &Path, key: Option<&Path>, password: Option<&str>| {
        with(|o| {
            o.fragment_size = Some(400_000);
            o.tls.ca_file = Some(ca.clone());
            o.tls.cert = Some(cert.to_owned());
            o.tls.key = key.map(Path::to_owned);
            o.tls.key_password = password.map(Secret::new);
        })
    };
    let bytes = payload(1_000_000);
    let client = clients.issue("client-7");

    // In one file, in two, with an encrypted key, and as PKCS#12.
    let both = client.write(folder, "client.pem");
    upload(&url("one"), &bytes, options(&both, None, None)).expect("PEM");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, &client.cert).expect("written");
    std::fs::write(&key, &client.key).expect("written");
    upload(&url("two"), &bytes, options(&cert, Some(&key), None)).expect("two files");
    let encrypt = "pkcs8 -topk8 -v2 aes-256-cbc -passout pass:hunter2 -in {in} -out {out}";
    let Some(encrypted) = client.converted(folder, "encrypted.pem", encrypt) else { return };
    upload(&url("three"), &bytes, options(&cert, Some(&encrypted), Some("hunter2")))
        .expect("an encrypted key");
    let export = "pkcs12 -export -passout pass:hunter2 -in {in} -out {out}";
    let Some(bundle) = client.converted(folder, "client.p12", export) else { return };
    upload(&url("four"), &bytes, options(&bundle, None, Some("hunter2"))).expect("PKCS#12");
    for name in ["one", "two", "three", "four"] {
        assert!(setup.published(name) == bytes, "{name}");
    }
    let seen = setup.server.requests();
    assert!(seen.iter().all(|r| r.header("x-client").as_deref() == Some("CN=client-7")));

    // A wrong passphrase is found before anything is sent.
    for (cert, key) in [(&bundle, None), (&cert, Some(encrypted.as_path()))] {
        let error = upload(&url("x"), &bytes, options(cert, key, Some("wrong")));
        let error = error.expect_err("the key is locked");
        assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
        assert!(error.advice().contains("passphrase"), "{error}: {}", error.advice());
        assert!(!format!("{error:?} {}", error.advice()).contains("hunter2"));
    }
    assert_eq!(setup.server.requests().len(), seen.len());
}

#[test]
fn without_the_right_client_certificate_nothing_passes() {
    let setup = Setup::new(&[]);
    let (authority, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let nginx = with_client_certificates(&setup.server, &authority, &clients);
    let Some(nginx) = nginx else { return };
    let url = format!("https://localhost:{}/x", nginx.address(0).port());
    let folder = tempfile::tempdir().expect("folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).expect("written");
    let expired = clients.issue_for("client-7", 2020..2021).write(folder.path(), "expired.pem");
    let stranger = Authority::new("Clients").issue("client-7").write(folder.path(), "other.pem");
    for (cert, words) in [
        (None, "OptionSet::cert"),
        (Some(expired), "expired"),
        (Some(stranger), "the authority that issued it"),
    ] {
        let options = with(|o| {
            o.tls.ca_file = Some(ca.clone());
            o.tls.cert.clone_from(&cert);
        });
        let error = upload(&url, &payload(10), options).expect_err("no way through");
        assert_eq!(error.kind(), ErrorKind::Tls, "{cert:?}: {error}");
        assert!(error.message().contains("client certificate"), "{error}");
        assert!(error.advice().contains(words), "{cert:?}: {}", error.advice());
    }
    assert_eq!(packets(&setup.server.requests()), [""; 0]);
}

#[test]
fn an_override_gets_through_where_the_verb_does_not() {
    let setup = Setup::new(&[]);
    let server = setup.server.address().to_string();
    let nginx = Program::start("nginx", 1, |place| {
        let listen = format!(
            "listen 127.0.0.1:{};\n    if ($request_method = BITS_POST) {{ return 405; }}",
            place.port(0)
        );
        arguments(
            place,
            &adapted(OVERRIDE, &[("127.0.0.1:8080", &server), ("listen 80;", &listen)]),
        )
    });
    let Some(nginx) = nginx else { return };
    let url = format!("http://{}/x", nginx.address(0));
    let bytes = payload(2_500);
    let error = upload(&url, &bytes, with(|_| {})).expect_err("the verb is blocked");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Refused, Some(405)), "{error}");
    assert!(error.message().contains("nginx"), "{error}");
    assert!(error.advice().contains("BITS_POST must be among them"), "{}", error.advice());
    assert!(setup.server.requests().is_empty());

    upload(&url, &bytes, with(|o| o.post_override = true)).expect("uploaded");
    assert!(setup.published("x") == bytes);
    let seen = setup.server.requests();
    assert!(seen.iter().all(|r| r.header("x-http-method-override").is_none()), "{seen:?}");
}
