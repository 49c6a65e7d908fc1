//! Servers over TLS: whom the client speaks to, and whom it does not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::common::payload;
use crate::common::peer::{options, upload};
use crate::common::wire::with;
use bitsup::{ErrorKind, ReplyTo};
use bitsup_server::scripted::{Reply, Scripted};
use bitsup_server::{Config, Server, TlsFiles};

#[test]
fn a_reply_never_leads_from_https_to_http() {
    let _rule = bitsup_server::rule!("SEC-05");
    let other = Scripted::start(|_, _, _| Reply::status(200, "OK").body("reply"));
    let folder = tempfile::tempdir().expect("folder");
    let reply = bitsup_server::Reply::StaticUrl(other.url("/r"));
    let server = tls_server(folder.path(), "127.0.0.1", Some(reply));
    let options = with(|o| {
        o.reply_to = ReplyTo::Memory(1000);
        o.tls.ca_file = Some(folder.path().join("cert.pem"));
    });
    let error = upload(&server.url("/x.bin"), &payload(10), options).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().contains("https to http"), "{error}");
    assert!(other.connections().is_empty());
}

#[test]
fn servers_that_cannot_be_trusted_get_no_packet() {
    let _rule = bitsup_server::rule!("SEC-08");
    let folder = tempfile::tempdir().expect("folder");
    let server = tls_server(folder.path(), "127.0.0.1", None);
    let url = server.url("/x.bin");
    let error = upload(&url, &payload(10), options()).expect_err("not trusted");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(server.requests().is_empty());
    let trusting = with(|o| o.tls.ca_file = Some(folder.path().join("cert.pem")));
    upload(&url, &payload(10), trusting).expect("uploaded");

    let folder = tempfile::tempdir().expect("folder");
    let server = tls_server(folder.path(), "other.example", None);
    let trusting = with(|o| o.tls.ca_file = Some(folder.path().join("cert.pem")));
    let error = upload(&server.url("/x.bin"), &payload(10), trusting).expect_err("another name");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_host_id_needs_a_certificate_of_its_own() {
    let _rule = bitsup_server::rule!("SEC-08");
    let folder = tempfile::tempdir().expect("folder");
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("certificate");
    let files =
        TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.cert, issued.cert.pem()).expect("written");
    std::fs::write(&files.key, issued.signing_key.serialize_pem()).expect("written");
    let start = |listen: &str, host_id| {
        std::fs::create_dir(folder.path().join(listen)).expect("root");
        let config = Config {
            root: folder.path().join(listen),
            listen: listen.parse().expect("an address"),
            tls: Some(files.clone()),
            host_id,
            ..Config::default()
        };
        Server::start(config).expect("server")
    };
    let other = start("127.0.0.2:0", None);
    let authority = other.url("").trim_start_matches("https://").trim_end_matches('/').to_owned();
    let server = start("127.0.0.1:0", Some(authority));
    let trusting = with(|o| {
        o.tls.ca_file = Some(files.cert.clone());
        o.trusted_hosts = vec!["127.0.0.2".into()];
    });
    let error = upload(&server.url("/x.bin"), &payload(10), trusting).expect_err("another name");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(other.requests().is_empty());
}

#[test]
fn tls_below_1_2_is_refused() {
    let _rule = bitsup_server::rule!("SEC-08");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/x.bin", listener.local_addr().expect("an address"));
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut hello = [0; 4096];
        let count = stream.read(&mut hello).expect("its hello");
        // A ServerHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA, without a session.
        let mut body = vec![3, 2];
        body.extend([7; 32]);
        body.extend([0, 0, 0x2f, 0]);
        let mut record = vec![22, 3, 2, 0, 42, 2, 0, 0, 38];
        record.extend(body);
        stream.write_all(&record).expect("sent");
        let mut rest = Vec::new();
        // A reset is as good an end as a close.
        stream.read_to_end(&mut rest).ok();
        (hello[..count].to_vec(), rest)
    });
    let insecure = with(|o| {
        o.tls.insecure = true;
        o.max_attempts = Some(1);
    });
    let error = upload(&url, &payload(10), insecure).expect_err("too old");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    let (hello, rest) = peer.join().expect("the peer");
    assert_eq!(hello[0], 22, "a handshake");
    // An alert at most; alerts have type 21.
    assert!(rest.first().is_none_or(|kind| *kind == 21), "{rest:?}");
}

/// A certificate for a name, and the server that has it.
fn tls_server(folder: &Path, name: &str, reply: Option<bitsup_server::Reply>) -> Server {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.cert, issued.cert.pem()).expect("written");
    std::fs::write(&files.key, issued.signing_key.serialize_pem()).expect("written");
    let root = folder.join("root");
    std::fs::create_dir(&root).expect("root");
    Server::start(Config { root, tls: Some(files), reply, ..Config::default() }).expect("server")
}
