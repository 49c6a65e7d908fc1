//! What a server, a URL or a caller's values must not bring about.

use std::net::TcpListener;
use std::path::Path;

use crate::common::payload;
use crate::common::peer::{Peer, Turn, created, ended, options, range, received, upload};
use crate::common::wire::{always, answering, of_type, types, watched, with};
use crate::process::{in_part, part};
use bitsup::{
    Client, Credentials, Error, ErrorKind, Header, Hresult, OptionSet, Receipt, ReplyTo, Secret,
    Source, UploadOptions,
};
use bitsup_server::scripted::{Reply, Request, Scripted};

/// A password that is searched for in all outputs.
const MARKER: &str = "hunter2-marker";
/// More than any client may hold of an answer.
const ENDLESS: usize = 32 << 20;

fn login(o: &mut UploadOptions) {
    o.credentials = Some(Credentials { user: "u".into(), password: Secret::new(MARKER) });
}

fn carries_credentials(request: &Request) -> bool {
    let head = String::from_utf8_lossy(&request.head).to_lowercase();
    head.contains("authorization") || head.contains(MARKER)
}

#[test]
fn session_ids_that_could_smuggle_are_never_echoed() {
    let _rule = bitsup_server::rule!("SEC-01");
    let longest = "x".repeat(100);
    for id in ["x", "!", "~", &longest, "a:b,c;d"] {
        let id = id.to_owned();
        let expected = id.clone();
        let peer = Peer::start(move |call| match (call.packet, range(call.request)) {
            ("Create-Session", _) => Turn::Answer(created(&id)),
            (_, Some((_, end))) => Turn::Answer(received(end)),
            _ => Turn::Answer(Reply::ack()),
        });
        upload(&peer.url(), &payload(10), options()).expect("uploaded");
        assert_eq!(of_type(&peer.raw, "Fragment")[0].header("BITS-Session-Id"), expected);
    }
    let too_long = "x".repeat(101);
    for id in
        [too_long.as_bytes(), b"a b", b"a\tb", b"a\x01b", b"a\x7fb", b"a\xe4b", "ä".as_bytes()]
    {
        let mut answer =
            b"HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nContent-Length: 0\r\nBITS-Session-Id: "
                .to_vec();
        answer.extend_from_slice(id);
        answer.extend_from_slice(b"\r\n\r\n");
        let peer = always("Create-Session", Reply::raw(answer));
        let error = upload(&peer.url(), &payload(10), options()).expect_err("a bad id");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert_eq!(error.hresult(), Some(Hresult::INVALID_SERVER_RESPONSE));
        assert!(types(&peer.raw).iter().all(|packet| packet == "Create-Session"));
        for request in peer.raw.requests() {
            assert!(request.header_values("BITS-Session-Id").is_empty());
        }
    }
}

#[test]
fn header_values_that_could_smuggle_are_refused() {
    let _rule = bitsup_server::rule!("SEC-02");
    let peer = Peer::plain();
    let too_long = "x".repeat(4097);
    for value in ["a\r\nX-B: c", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\x7fb", &too_long] {
        let error = Header::new("X-A", value).expect_err("a bad value");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let error = Client::builder()
            .options(&OptionSet::new().user_agent(value))
            .build()
            .expect_err("a bad value");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    assert!(peer.raw.connections().is_empty());
    // Legal headers arrive as they are, with every packet.
    let longest = "x".repeat(4096);
    let options = with(|o| {
        o.headers = vec![
            Header::new("X-A", "b: \"c\"").expect("legal"),
            Header::new("X-L", &longest).expect("legal"),
        ];
        o.content_name = Some("evil\r\nX-Evil: 1".into());
    });
    upload(&peer.url(), &payload(10), options).expect("uploaded");
    for request in peer.raw.requests() {
        assert_eq!(request.header_values("X-A"), ["b: \"c\""]);
        assert_eq!(request.header("X-L"), longest);
        assert!(request.header_values("X-Evil").is_empty());
    }
}

#[test]
fn urls_that_could_smuggle_are_refused() {
    let _rule = bitsup_server::rule!("SEC-03");
    let peer = Peer::plain();
    let address = peer.raw.address();
    for url in [
        format!("http://{address}/a\r\nX-B: c"),
        format!("http://{address}/a\nb"),
        format!("http://{address}/a b"),
        format!("http://{address}/a\x01b"),
        format!("http://{address}/a?b c"),
        format!("ftp://{address}/a"),
        format!("file:///{address}/a"),
        format!("http://user:{MARKER}@{address}/a"),
        format!("http://user@{address}/a"),
    ] {
        let error = upload_to(&url).expect_err("a bad URL");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(!error.to_string().contains(MARKER) && !format!("{error:?}").contains(MARKER));
        let client = Client::new().expect("client");
        client.ping(&url, &options()).expect_err("a bad URL");
    }
    assert!(peer.raw.connections().is_empty());
}

fn upload_to(url: &str) -> Result<Receipt, Error> {
    let client = Client::new()?;
    ended(&client.upload(Source::bytes(payload(10)), url).options(options()).start()?)
}

#[test]
fn a_host_id_of_another_site_is_not_followed() {
    let _rule = bitsup_server::rule!("SEC-04");
    let listener = TcpListener::bind("127.0.0.2:0").expect("another address");
    let other = Scripted::start_on(listener, |_, request, _| match range(request) {
        Some((_, end)) => received(end),
        None => Reply::ack(),
    });
    let address = other.address().to_string();
    let peer = Peer::start(move |call| match call.packet {
        "Create-Session" => Turn::After(created("{session-1}").header("BITS-Host-Id", &address)),
        _ => Turn::Serve,
    });
    let error = upload(&peer.url(), &payload(10), options()).expect_err("another site");
    assert_eq!(error.kind(), ErrorKind::HostIdUntrusted, "{error}");
    assert!(error.to_string().contains("127.0.0.2") && error.to_string().contains("trusted"));
    assert!(other.connections().is_empty());
    assert_eq!(peer.count("Fragment"), 0);

    let trusting = with(|o| o.trusted_hosts = vec!["127.0.0.2".into()]);
    upload(&peer.url(), &payload(10), trusting).expect("uploaded");
    assert_eq!(types(&other), ["Ping", "Fragment", "Close-Session"]);
}

/// A peer that offers a reply there.
fn offering(url: String) -> Peer {
    Peer::start(move |call| match (call.packet, range(call.request)) {
        ("Fragment", Some((_, 10))) => Turn::After(received(10).header("BITS-Reply-URL", &url)),
        ("GET", _) => Turn::Answer(Reply::status(302, "Found").header("Location", &url)),
        _ => Turn::Serve,
    })
}

fn wanting() -> UploadOptions {
    with(|o| {
        o.reply_to = ReplyTo::Memory(1000);
        o.max_attempts = Some(2);
    })
}

#[test]
fn replies_come_over_http_and_https_only() {
    let _rule = bitsup_server::rule!("SEC-05");
    let folder = tempfile::tempdir().expect("folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, MARKER).expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("nonblocking");
    let address = listener.local_addr().expect("an address");
    for url in [
        format!("file://{}", secret.display()),
        format!("ftp://{address}/r"),
        format!("gopher://{address}/r"),
        "data:text/plain,reply".to_owned(),
    ] {
        // Named by the Ack, and by a redirect.
        let redirecting = url.clone();
        let redirecting = Peer::start(move |call| match call.packet {
            "Fragment" => Turn::After(received(10).header("BITS-Reply-URL", "r")),
            "GET" => Turn::Answer(Reply::status(302, "Found").header("Location", &redirecting)),
            _ => Turn::Serve,
        });
        for (peer, gets) in [(offering(url.clone()), 0), (redirecting, 1)] {
            let error = upload(&peer.url(), &payload(10), wanting()).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            assert_eq!((peer.count("GET"), peer.count("Close-Session")), (gets, 0), "{url}");
        }
    }
    assert!(listener.accept().is_err(), "no connection came");
}

#[test]
fn credentials_go_to_no_other_origin() {
    let _rule = bitsup_server::rule!("SEC-06");
    let asking = || {
        Scripted::start(|_, _, _| {
            Reply::status(401, "Who").header("WWW-Authenticate", "Basic realm=\"other\"")
        })
    };
    let secret = Header::new("X-Key", MARKER).expect("legal").secret();
    for redirected in [false, true] {
        let other = asking();
        let url = other.url("/r");
        let peer = Peer::start(move |call| {
            if call.request.header("Authorization").is_empty() {
                return Turn::Answer(crate::common::peer::challenge());
            }
            match call.packet {
                "Fragment" if redirected => Turn::After(received(10).header("BITS-Reply-URL", "r")),
                "Fragment" => Turn::After(received(10).header("BITS-Reply-URL", &url)),
                "GET" => Turn::Answer(Reply::status(307, "There").header("Location", &url)),
                _ => Turn::Serve,
            }
        });
        let mut options = wanting();
        login(&mut options);
        options.allow_cleartext_credentials = true;
        options.headers = vec![secret.clone()];
        let error = upload(&peer.url(), &payload(10), options).expect_err("401");
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert!(peer.raw.requests().iter().any(carries_credentials), "the site itself gets them");
        let seen = other.requests();
        assert!(!seen.is_empty());
        assert!(!seen.iter().any(carries_credentials));
    }
}

#[test]
fn basic_is_refused_over_plain_http_unless_allowed() {
    let _rule = bitsup_server::rule!("SEC-07");
    let asking = || {
        Peer::start(|call| {
            if call.request.header("Authorization").is_empty() {
                Turn::Answer(crate::common::peer::challenge())
            } else {
                Turn::Serve
            }
        })
    };
    let peer = asking();
    let error = upload(&peer.url(), &payload(10), with(login)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.advice().contains("was not sent"), "{}", error.advice());
    assert!(!peer.raw.requests().iter().any(carries_credentials));
    let client = Client::new().expect("client");
    let error = client.ping(&peer.url(), &with(login)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.advice().contains("was not sent"), "{}", error.advice());
    assert!(!peer.raw.requests().iter().any(carries_credentials));

    let peer = asking();
    let allowed = with(|o| {
        login(o);
        o.allow_cleartext_credentials = true;
    });
    upload(&peer.url(), &payload(10), allowed).expect("uploaded");
    assert!(peer.raw.requests().iter().any(carries_credentials));

    let peer = Peer::plain();
    let secret = with(|o| o.headers = vec![Header::new("X-Key", MARKER).expect("legal").secret()]);
    let client = Client::new().expect("client");
    let started = client.upload(Source::bytes(payload(10)), &peer.url()).options(secret).start();
    assert_eq!(started.expect_err("refused").kind(), ErrorKind::InvalidArgument);
    assert!(peer.raw.connections().is_empty());
}

#[test]
fn endless_answers_end_in_an_error() {
    let _rule = bitsup_server::rule!("SEC-09");
    // The peak is that of a whole process.
    let test = "security::endless_answers_end_in_an_error";
    if in_part(test).is_none() {
        let folder = tempfile::tempdir().expect("folder");
        part(test, "", folder.path());
        return;
    }
    let few = || with(|o| o.max_attempts = Some(2));
    let headers =
        Reply::raw("HTTP/1.1 200 OK\r\n".to_owned()).followed_by(b"X-A: b\r\n".repeat(ENDLESS / 8));
    let line = Reply::raw("HTTP/1.1 200 OK\r\nX-A: ".to_owned()).followed_by(vec![b'x'; ENDLESS]);
    for reply in [headers, line] {
        let peer = always("Create-Session", reply.then_hang());
        let error = upload(&peer.url(), &payload(10), few()).expect_err("too many headers");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(peer.raw.wait_for_close(0, crate::common::peer::PATIENCE));
    }
    // Of an Ack only the headers count; its body is dropped with the connection.
    let peer = answering(|nth| {
        let head = "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Received-Content-Range: 1000\r\nContent-Length: 99999999999\r\n\r\n";
        (nth == 1).then(|| Reply::raw(head.to_owned()).followed_by(vec![b'x'; ENDLESS]).then_hang())
    });
    upload(&peer.url(), &payload(2500), few()).expect("uploaded");
    assert!(peer.raw.wait_for_close(0, crate::common::peer::PATIENCE));
    let peak = peak_memory();
    assert!(peak < 1 << 30, "{peak} bytes");
}

/// The most memory that this process has had, in bytes; the peers' own bytes are in it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak");
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes * 1024
}

#[test]
fn secrets_are_in_no_output() {
    let _rule = bitsup_server::rule!("SEC-10");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(2500)).expect("written");
    let state = folder.path().join("state");
    let peer = Peer::start(|call| {
        let head = String::from_utf8_lossy(&call.request.head).into_owned();
        if call.request.header("Authorization").is_empty() {
            Turn::Answer(crate::common::peer::challenge())
        } else if call.is("Fragment", 2) {
            // A server that echoes everything.
            Turn::Answer(Reply::status(403, "No").header("X-Echo", MARKER).body(head))
        } else {
            Turn::Serve
        }
    });
    let options = with(|o| {
        login(o);
        o.allow_cleartext_credentials = true;
        o.headers = vec![Header::new("X-Key", MARKER).expect("legal").secret()];
    });
    let shown = format!("{options:?}");
    let client =
        Client::builder().options(&OptionSet::new().state_dir(&state)).build().expect("client");
    let source = Source::path(&file).expect("source");
    let upload = client.upload(source, &peer.url()).options(options.clone()).start();
    let upload = upload.expect("started");
    let outcome = ended(&upload);
    let told = format!("{shown} {client:?} {upload:?} {outcome:?} {:?}", upload.progress());
    for secret in [MARKER, "dTpodW50ZXIy"] {
        assert!(!told.contains(secret), "{told}");
    }
    drop((upload, client));
    let mut kept = 0;
    for entry in walk(&state) {
        use std::os::unix::fs::PermissionsExt as _;
        let bytes = std::fs::read(&entry).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(MARKER) && !text.contains("dTpodW50ZXIy"), "{}", entry.display());
        let mode = std::fs::metadata(&entry).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.display());
        kept += 1;
    }
    assert!(kept > 0, "there is a journal: {outcome:?}");
    let (result, events) = watched(&peer.url(), Source::bytes(payload(10)), options);
    let told = format!("{result:?} {events:?}");
    assert!(!told.contains(MARKER) && !told.contains("dTpodW50ZXIy"), "{told}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
