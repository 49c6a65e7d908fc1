//! `openssl s_server`: servers whose TLS is not as it should be.

use bitsup::ErrorKind;

use crate::common::payload;
use crate::common::peer::upload;
use crate::common::pki::{Authority, Issued, self_signed};
use crate::common::program::Program;
use crate::common::wire::with;

fn server(issued: &Issued, more: &[&str]) -> Option<Program> {
    Program::start("openssl", 1, |place| {
        let (port, cert) = (place.port(0).to_string(), place.write("cert.pem", &issued.cert));
        let key = place.write("key.pem", &issued.key);
        ["s_server", "-accept", &port, "-cert", &cert, "-key", &key, "-www", "-quiet"]
            .iter()
            .chain(more)
            .map(|argument| (*argument).to_owned())
            .collect()
    })
}

#[test]
fn what_is_wrong_with_a_server_is_said_with_what_to_do() {
    let _rule = bitsup_server::rule!("SEC-08");
    let (known, unknown) = (Authority::new("Known"), Authority::new("Unknown"));
    let folder = tempfile::tempdir().expect("folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &known.pem).expect("written");
    let old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    let wants_certificate = ["-tls1_3", "-Verify", "1", "-verify_return_error"];
    let cases: [(&str, Issued, &[&str], &str, &str); 6] = [
        ("expired", known.issue_for("localhost", 2020..2021), &[], "has expired", "renewed"),
        ("name", known.issue("other.example"), &[], "another name", "Client::doctor"),
        ("self-signed", self_signed("localhost"), &[], "self-signed", "OptionSet::ca_file"),
        (
            "unknown",
            unknown.issue("localhost"),
            &[],
            "authority that is not known",
            "OptionSet::ca_file",
        ),
        ("old", known.issue("localhost"), &old, "old versions of TLS", "TLS 1.2"),
        (
            "mutual",
            known.issue("localhost"),
            &wants_certificate,
            "client certificate",
            "OptionSet::cert",
        ),
    ];
    for (name, issued, more, message, advice) in cases {
        let Some(server) = server(&issued, more) else { return };
        let url = format!("https://localhost:{}/x", server.address(0).port());
        let trusting = with(|o| o.tls.ca_file = Some(ca.clone()));
        let error = upload(&url, &payload(10), trusting).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Tls, "{name}: {error}");
        assert!(error.message().contains(message), "{name}: {error}");
        assert!(error.advice().contains(advice), "{name}: {}", error.advice());
    }
}
