//! Fetching the reply of an upload-reply session.

use std::net::TcpListener;
use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    Farm, Peer, Turn, created, ended, options, range, received, start, upload,
};
use crate::common::wire::{corrected, milliseconds, of_type, types, with};
use bitsup::{
    Client, Credentials, Error, ErrorKind, OptionSet, Receipt, ReplyTo, Secret, Source,
    UploadOptions,
};
use bitsup_server::scripted::{Reply, Request, Scripted};

/// Options of an upload that wants a reply in memory.
fn wanting() -> UploadOptions {
    with(|o| {
        o.reply_to = ReplyTo::Memory(100_000);
        o.max_attempts = Some(3);
    })
}

/// A peer that offers a reply at `url` and answers the n-th GET (from 1) so.
fn replying(
    url: &'static str,
    mut get: impl FnMut(usize, &Request) -> Reply + Send + 'static,
) -> Peer {
    Peer::start(move |call| match (call.packet, range(call.request)) {
        ("Fragment", Some((_, 2500))) => Turn::After(received(2500).header("BITS-Reply-URL", url)),
        ("GET", _) => Turn::Answer(get(call.nth, call.request)),
        _ => Turn::Serve,
    })
}

fn fetched(peer: &Peer, options: UploadOptions) -> Result<Receipt, Error> {
    upload(&peer.url(), &payload(2500), options)
}

fn ok(body: &[u8]) -> Reply {
    Reply::status(200, "OK").header("Last-Modified", "Mon, 18 Jun 2007 21:01:56 GMT").body(body)
}

fn part(whole: &[u8], first: usize, last: usize, modified: &str) -> Reply {
    Reply::status(206, "Partial Content")
        .header("Content-Range", &format!("bytes {first}-{last}/{}", whole.len()))
        .header("Last-Modified", modified)
        .body(&whole[first..=last])
}

#[test]
fn a_reply_that_nobody_asked_for_is_told_and_not_fetched() {
    let _rule = bitsup_server::rule!("RPL-01");
    let peer = replying("/r.bin", |_, _| ok(b"reply"));
    let receipt = fetched(&peer, options()).expect("uploaded");
    assert_eq!(receipt.reply_url.as_deref(), Some("/r.bin"));
    assert_eq!((receipt.reply, receipt.warnings.len()), (None, 1));
    assert_eq!(types(&peer.raw)[4..], ["Close-Session"]);
}

#[test]
fn a_missing_reply_is_an_error_unless_it_may_be_missing() {
    let _rule = bitsup_server::rule!("RPL-02");
    let peer = Peer::plain();
    let error = fetched(&peer, wanting()).expect_err("no reply");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(peer.count("Close-Session"), 0);

    let peer = Peer::plain();
    let mut optional = wanting();
    optional.reply_optional = true;
    let receipt = fetched(&peer, optional).expect("uploaded");
    assert_eq!(receipt.reply.unwrap_or_default(), b"");
    assert!(receipt.close_confirmed);
}

#[test]
fn a_relative_url_is_made_legal() {
    let _rule = bitsup_server::rule!("RPL-03", "RPL-06", "RPL-07");
    let peer = replying(r"BITS-Sessions\Replies\{G}\r.bin", |_, _| ok(b"reply"));
    let url = peer.raw.url("/d/x.bin");
    let receipt = upload(&url, &payload(2500), wanting()).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
    let requests = peer.raw.requests();
    let get = &of_type(&peer.raw, "GET")[0];
    assert_eq!(get.target, "/d/BITS-Sessions/Replies/%7BG%7D/r.bin");
    assert_eq!((get.method.as_str(), get.version.as_str()), ("GET", "HTTP/1.1"));
    assert_eq!(get.header_values("Accept-Encoding"), ["identity"]);
    for absent in ["Range", "BITS-Packet-Type", "BITS-Session-Id", "Content-Length"] {
        assert!(get.header_values(absent).is_empty(), "{absent}");
    }
    assert!(requests.iter().all(|request| request.method != "HEAD"));
    assert_eq!(types(&peer.raw)[4..], ["GET", "Close-Session"]);
}

/// Two members of a farm: the URL's, which sends the client to the other one.
fn farm(first: impl FnMut(usize) -> Reply + Send + 'static, second: Reply) -> (Peer, Peer) {
    let shared = Farm::default();
    let listener = TcpListener::bind("127.0.0.2:0").expect("another address");
    let other = listener.local_addr().expect("an address").to_string();
    let mut first = first;
    let origin = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = Peer::member(&shared, origin, move |call| match call.packet {
        "Create-Session" => Turn::After(created("{session-1}").header("BITS-Host-Id", &other)),
        "GET" => Turn::Answer(first(call.nth)),
        _ => Turn::Serve,
    });
    let member =
        Peer::member(&shared, listener, move |call| match (call.packet, range(call.request)) {
            ("Fragment", Some((_, 2500))) => {
                Turn::After(received(2500).header("BITS-Reply-URL", "r.bin"))
            }
            ("GET", _) => Turn::Answer(second.clone()),
            _ => Turn::Serve,
        });
    (origin, member)
}

#[test]
fn a_relative_url_is_fetched_where_the_upload_went_then_at_the_other_host_once() {
    let _rule = bitsup_server::rule!("RPL-04");
    let trusting = || {
        let mut options = wanting();
        options.trusted_hosts = vec!["127.0.0.2".into()];
        options
    };
    let (origin, member) = farm(|_| ok(b"wrong"), ok(b"reply"));
    let receipt = fetched(&origin, trusting()).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
    assert_eq!((origin.count("GET"), member.count("GET")), (0, 1));
    assert_eq!(of_type(&member.raw, "GET")[0].target, "/up/r.bin");

    for reply in [Reply::status(404, "Not Found"), Reply::close()] {
        let (origin, member) = farm(|_| ok(b"reply"), reply);
        let receipt = fetched(&origin, trusting()).expect("uploaded");
        assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
        assert_eq!((origin.count("GET"), member.count("GET")), (1, 1));
    }

    let not_found = || Reply::status(404, "Not Found");
    let (origin, member) = farm(move |_| not_found(), not_found());
    let error = fetched(&origin, trusting()).expect_err("nowhere");
    assert_eq!(error.http_status(), Some(404));
    assert_eq!((origin.count("GET"), member.count("GET")), (1, 1));
    assert_eq!(origin.count("Close-Session") + member.count("Close-Session"), 0);
}

#[test]
fn an_absolute_url_is_fetched_as_it_stands() {
    let _rule = bitsup_server::rule!("RPL-05");
    let other = Scripted::start(|_, _, _| ok(b"static"));
    let url: &'static str = Box::leak(other.url("/static/reply.txt?x=1").into_boxed_str());
    let peer = replying(url, |_, _| ok(b"wrong"));
    let receipt = fetched(&peer, wanting()).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"static"[..]));
    let seen = other.requests();
    assert_eq!((seen.len(), seen[0].target.as_str()), (1, "/static/reply.txt?x=1"));
    assert_eq!(peer.count("GET"), 0);
}

#[test]
fn pieces_add_up_to_the_total() {
    let _rule = bitsup_server::rule!("RPL-07", "RPL-08");
    let whole = payload(10_240);
    let sent = whole.clone();
    let peer = replying("r", move |nth, _| match nth {
        1 => part(&sent, 0, 9976, "x"),
        _ => part(&sent, 9977, 10_239, "x"),
    });
    let receipt = fetched(&peer, wanting()).expect("uploaded");
    assert_eq!(receipt.reply, Some(whole));
    let gets = of_type(&peer.raw, "GET");
    assert_eq!(gets.len(), 2);
    assert!(gets[0].header_values("Range").is_empty());
    assert_eq!(gets[1].header_values("Range"), ["bytes=9977-10239"]);
}

#[test]
fn the_whole_for_a_part_and_too_few_bytes_are_errors() {
    let _rule = bitsup_server::rule!("RPL-09");
    let folder = tempfile::tempdir().expect("folder");
    let whole = payload(1000);
    let short = Reply::raw(
        "HTTP/1.1 200 OK\r\nLast-Modified: x\r\nContent-Length: 1000\r\n\r\nonly this".to_owned(),
    );
    let peers = [
        replying("r", move |nth, _| if nth == 1 { part(&whole, 0, 599, "x") } else { ok(&whole) }),
        replying("r", move |_, _| short.clone().then_close()),
        replying("r", |_, _| {
            Reply::status(206, "Partial").header("Content-Range", "bytes 0-9/10").body("short")
        }),
    ];
    for peer in peers {
        let path = folder.path().join("reply.bin");
        let mut options = wanting();
        options.reply_to = ReplyTo::File(path.clone());
        fetched(&peer, options).expect_err("no reply");
        assert_eq!(peer.count("Close-Session"), 0);
        assert!(!path.exists());
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0, "nothing is left");
    }
}

#[test]
fn a_reply_that_changes_is_fetched_again_from_the_start() {
    let _rule = bitsup_server::rule!("RPL-10");
    let (old, new) = (payload(1000), payload(3000)[2000..].to_vec());
    let expected = new.clone();
    let peer = replying("r", move |nth, request| match (nth, request.header("Range").as_str()) {
        (1, _) => part(&old, 0, 599, "Mon, 18 Jun 2007 21:01:56 GMT"),
        (_, "") => part(&new, 0, 599, "Tue, 19 Jun 2007 21:01:56 GMT"),
        _ => part(&new, 600, 999, "Tue, 19 Jun 2007 21:01:56 GMT"),
    });
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("reply.bin");
    let mut options = wanting();
    options.reply_to = ReplyTo::File(path.clone());
    let receipt = fetched(&peer, options).expect("uploaded");
    assert_eq!(receipt.reply_path.as_deref(), Some(path.as_path()));
    assert_eq!(std::fs::read(path).expect("the reply"), expected);
    let gets = of_type(&peer.raw, "GET");
    let asked: Vec<_> = gets.iter().map(|get| get.header("Range")).collect();
    assert_eq!(asked, ["", "bytes=600-999", "", "bytes=600-999"]);
}

#[test]
fn challenges_are_answered_and_other_statuses_reported() {
    let _rule = bitsup_server::rule!("RPL-11");
    let peer = replying("r", |_, request| {
        if request.header("Authorization").is_empty() {
            crate::common::peer::challenge()
        } else {
            ok(b"reply")
        }
    });
    let mut options = wanting();
    options.credentials = Some(Credentials { user: "u".into(), password: Secret::new("hunter2") });
    options.allow_cleartext_credentials = true;
    let receipt = fetched(&peer, options).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
    assert_eq!(of_type(&peer.raw, "GET")[1].header("Authorization"), "Basic dTpodW50ZXIy");

    for (status, kind) in [
        (401, ErrorKind::Auth),
        (407, ErrorKind::ProxyAuth),
        (404, ErrorKind::Refused),
        (403, ErrorKind::Refused),
        (204, ErrorKind::Refused),
    ] {
        let peer =
            replying("r", move |_, _| Reply::status(status, "No").without_length().then_close());
        let error = fetched(&peer, wanting()).expect_err("no reply");
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert_eq!(peer.count("Close-Session"), 0);
    }
    let peer = replying("r", |_, _| Reply::status(500, "Error"));
    let error = fetched(&peer, wanting()).expect_err("no reply");
    assert_eq!((error.http_status(), peer.count("GET")), (Some(500), 3));
}

#[test]
fn a_reply_that_stalls_is_a_time_out_and_can_be_fetched_later() {
    let _rule = bitsup_server::rule!("RPL-12");
    for stalled in [
        Reply::hang(),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrep".to_owned()).then_hang(),
    ] {
        let peer = replying("r", move |nth, _| match nth {
            1 | 2 => stalled.clone(),
            _ => ok(b"reply"),
        });
        let state = tempfile::tempdir().expect("folder");
        let file = state.path().join("x.bin");
        std::fs::write(&file, payload(2500)).expect("written");
        let attempt = |options: UploadOptions| {
            let client =
                Client::builder().options(&OptionSet::new().state_dir(state.path().join("state")));
            let client = client.build().expect("client");
            let source = Source::path(&file).expect("source");
            let upload = client.upload(source, &peer.url()).options(options).start();
            ended(&upload.expect("started"))
        };
        let mut impatient = wanting();
        impatient.ack_timeout = Duration::from_secs(2);
        impatient.max_attempts = Some(2);
        let error = attempt(impatient).expect_err("stalls");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.is_resumable());
        assert_eq!((peer.count("Close-Session"), peer.count("Cancel-Session")), (0, 0));
        let receipt = attempt(wanting()).expect("continued");
        assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
        assert_eq!(peer.count("Create-Session"), 1);
    }
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    let _rule = bitsup_server::rule!("RPL-13");
    let redirect = || Reply::status(302, "Found").header("Location", "/elsewhere?x=1");
    let peer = replying("r", move |nth, _| if nth == 1 { redirect() } else { ok(b"reply") });
    let receipt = fetched(&peer, wanting()).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"reply"[..]));
    assert_eq!(of_type(&peer.raw, "GET")[1].target, "/elsewhere?x=1");

    let peer = replying("r", move |_, _| redirect());
    let error = fetched(&peer, wanting()).expect_err("a loop");
    assert!(error.message().contains("redirect"), "{error}");
    assert_eq!(peer.count("GET"), 11);
    assert_eq!(peer.count("Close-Session"), 0);
}

#[test]
fn a_url_counts_on_the_ack_of_the_last_byte_only() {
    let _rule = bitsup_server::rule!("RPL-14");
    let peer = Peer::start(|call| match (call.packet, call.nth) {
        ("Fragment", 1) => Turn::After(received(1000).header("BITS-Reply-URL", "early")),
        _ => Turn::Serve,
    });
    let error = fetched(&peer, wanting()).expect_err("no reply");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((peer.count("GET"), peer.count("Close-Session")), (0, 0));

    // The last Ack is lost; the probe that asks for it gets the URL.
    for corrects in [true, false] {
        let peer = Peer::start(move |call| match (call.packet, call.nth) {
            ("Fragment", 1) => Turn::After(received(1000).header("BITS-Reply-URL", "early")),
            ("Fragment", 3) => Turn::After(Reply::close()),
            ("Fragment", _) if call.nth > 3 => {
                let reply = if corrects { corrected(2500) } else { received(2500) };
                Turn::Answer(reply.header("BITS-Reply-URL", "late"))
            }
            ("GET", _) => Turn::Answer(ok(call.request.target.as_bytes())),
            _ => Turn::Serve,
        });
        let receipt = fetched(&peer, wanting()).expect("uploaded");
        assert_eq!(receipt.reply.as_deref(), Some(&b"/up/late"[..]));
    }
    // The probe gets none, and the last byte, sent once more, does.
    let peer = Peer::start(move |call| match (call.packet, call.nth) {
        ("Fragment", 3) => Turn::After(Reply::close()),
        ("Fragment", 5) => Turn::Answer(corrected(2500).header("BITS-Reply-URL", "late")),
        ("GET", _) => Turn::Answer(ok(call.request.target.as_bytes())),
        _ => Turn::Serve,
    });
    let receipt = fetched(&peer, wanting()).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"/up/late"[..]));
    let seen = crate::common::wire::ranges(&peer.raw);
    assert_eq!(seen[2..], ["2000-2499/2500", "1998-1998/2500", "2499-2499/2500"]);
}

#[test]
fn a_reply_above_the_callers_limit_is_not_held() {
    let _rule = bitsup_server::rule!("SEC-09");
    // Endless: the client has to end it.
    let peer = replying("r", |_, _| {
        Reply::raw("HTTP/1.1 200 OK\r\n\r\n".to_owned())
            .followed_by(vec![b'x'; 4 << 20])
            .then_hang()
    });
    let mut options = wanting();
    options.reply_to = ReplyTo::Memory(1000);
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(2500), options);
    let error = ended(&upload).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::LimitReached, "{error}");
    assert!(error.message().contains("1000 bytes"), "{error}");
    assert_eq!((peer.count("GET"), peer.count("Close-Session")), (1, 0));
}

/// Options of an upload that wants a reply in this file.
fn wanting_file(path: &std::path::Path) -> UploadOptions {
    let mut options = wanting();
    options.reply_to = ReplyTo::File(path.to_owned());
    options
}

#[test]
fn a_reply_to_a_file_is_bounded_in_size() {
    let _rule = bitsup_server::rule!("GIV-05");
    let peer = replying("r", |_, _| {
        Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n".to_owned())
            .followed_by(vec![b'x'; 1 << 20])
            .then_hang()
    });
    let folder = tempfile::tempdir().expect("folder");
    let mut options = wanting_file(&folder.path().join("r"));
    options.reply_max_size = 1000;
    let error = fetched(&peer, options).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::LimitReached, "{error}");
    assert!(error.message().contains("1000 bytes"), "{error}");
    assert_eq!((peer.count("GET"), peer.count("Close-Session")), (1, 0));
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0, "nothing is left");
    assert_eq!(UploadOptions::default().reply_max_size, 1 << 30);
}

#[test]
fn a_reply_that_trickles_is_given_up_and_max_time_holds() {
    let _rule = bitsup_server::rule!("GIV-05");
    let trickle = || {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n";
        Reply::raw([head.as_bytes(), &[b'z'; 10_000]].concat()).trickled(milliseconds(20))
    };
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("r");
    let peer = replying("r", move |_, _| trickle());
    let mut options = wanting_file(&path);
    options.give_up_after = Duration::from_secs(2);
    let error = fetched(&peer, options).expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.message().contains("too slow"), "{error}");
    assert_eq!((peer.count("GET"), peer.count("Close-Session")), (1, 0));

    let peer = replying("r", move |_, _| trickle());
    let mut options = wanting_file(&path);
    options.max_time = Some(Duration::from_secs(3));
    let error = fetched(&peer, options).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::LimitReached, "{error}");
    assert_eq!((peer.count("GET"), peer.count("Close-Session")), (1, 0));
    assert!(!path.exists());
}

#[test]
fn one_byte_a_connection_is_no_progress() {
    let _rule = bitsup_server::rule!("GIV-05");
    let peer = replying("r", |_, request| {
        let range = request.header("Range");
        let first: usize = range
            .trim_start_matches("bytes=")
            .split('-')
            .next()
            .and_then(|first| first.parse().ok())
            .unwrap_or_default();
        let head = format!(
            "HTTP/1.1 206 Partial\r\nLast-Modified: x\r\nContent-Range: bytes {first}-99999/100000\r\nContent-Length: {}\r\n\r\nz",
            100_000 - first
        );
        Reply::raw(head).then_close()
    });
    let mut options = wanting();
    options.max_attempts = Some(5);
    let error = fetched(&peer, options).expect_err("no progress");
    assert!(error.message().contains("5 tries without progress"), "{error}");
    assert_eq!((peer.count("GET"), peer.count("Close-Session")), (5, 0));
}

#[test]
fn a_reply_that_ends_with_the_connection_only_is_incomplete() {
    let _rule = bitsup_server::rule!("GIV-05");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("r");
    let unmarked = || Reply::raw("HTTP/1.1 200 OK\r\n\r\nhel".to_owned()).then_close();
    let peer = replying("r", move |_, _| unmarked());
    let mut options = wanting_file(&path);
    options.max_attempts = None;
    let error = fetched(&peer, options).expect_err("incomplete");
    assert!(error.message().contains("end of the reply"), "{error}");
    assert_eq!(peer.count("Close-Session"), 0);
    assert!(!path.exists());

    let peer = replying("r", move |nth, _| if nth == 1 { unmarked() } else { ok(b"hello") });
    fetched(&peer, wanting_file(&path)).expect("uploaded");
    assert_eq!(std::fs::read(&path).expect("the reply"), b"hello");

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    let peer = replying("r", move |nth, _| match nth {
        1 => Reply::raw(chunked.to_owned()).then_close(),
        _ => Reply::raw(format!("{chunked}lo\r\n0\r\n\r\n")),
    });
    fetched(&peer, wanting_file(&path)).expect("uploaded");
    assert_eq!(
        (std::fs::read(&path).expect("the reply"), peer.count("GET")),
        (b"hello".to_vec(), 2)
    );
}

#[test]
fn a_url_that_names_different_hosts_to_different_readers_is_not_fetched() {
    let _rule = bitsup_server::rule!("NAM-03");
    let other = Scripted::start(|_, _, _| ok(b"evil"));
    let evil = other.address();
    for url in [
        format!("///{evil}/x"),
        format!("http:///{evil}/x"),
        format!("http:/{evil}/x"),
        format!("//127.0.0.1@{evil}/x"),
        format!(r"\\\{evil}/x"),
        format!("http://u:p@{evil}/x"),
    ] {
        let url: &'static str = Box::leak(url.into_boxed_str());
        let peer = replying(url, |_, _| ok(b"reply"));
        let error = fetched(&peer, wanting()).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{url}: {error}");
        assert_eq!((peer.count("GET"), peer.count("Close-Session")), (0, 0), "{url}");
    }
    let location: &'static str = Box::leak(format!("http:///{evil}/x").into_boxed_str());
    let peer = replying("r", move |_, _| Reply::status(302, "Found").header("Location", location));
    let error = fetched(&peer, wanting()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(other.requests().len(), 0);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_gets_the_reply_and_stays_what_it_is() {
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    let folder = tempfile::tempdir().expect("folder");
    let refused = |peer: &Peer, path: &std::path::Path| {
        let client = Client::new().expect("client");
        let upload = client.upload(Source::bytes(payload(2500)), &peer.url());
        let error = upload.options(wanting_file(path)).start().map(drop).expect_err("refused");
        assert_eq!((error.kind(), peer.packets().len()), (ErrorKind::LocalFile, 0), "{error}");
    };
    let peer = replying("r", |_, _| ok(b"reply"));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("real", &link).expect("made");
    fetched(&peer, wanting_file(&link)).expect("uploaded");
    assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_eq!(std::fs::read(folder.path().join("real")).expect("there"), b"reply");

    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    let peer = replying("r", |_, _| ok(b"reply"));
    refused(&peer, &fifo);
    // An open of one end waits for the other.
    let both = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).expect("opened");
    let mut reader = std::fs::File::open(&fifo).expect("opened");
    drop(both);
    fetched(&peer, wanting_file(&fifo)).expect("uploaded");
    let mut read = Vec::new();
    reader.read_to_end(&mut read).expect("read");
    assert_eq!(read, b"reply");
    assert!(std::fs::symlink_metadata(&fifo).expect("there").file_type().is_fifo());

    let nowhere = folder.path().join("none/r");
    let peer = replying("r", |_, _| ok(b"reply"));
    refused(&peer, &nowhere);
    refused(&peer, folder.path());

    // As /dev/null, for root only: a node that is replaced harms the whole machine.
    let node = folder.path().join("null");
    let made = std::process::Command::new("mknod").arg(&node).args(["c", "1", "3"]).output();
    let usable = made.is_ok_and(|made| made.status.success())
        && std::fs::OpenOptions::new().write(true).open(&node).is_ok();
    if !usable {
        return crate::common::program::skipped(
            "only root can make device nodes, where devices are allowed",
        );
    }
    let before = std::fs::metadata(&node).expect("there");
    fetched(&peer, wanting_file(&node)).expect("uploaded");
    let after = std::fs::symlink_metadata(&node).expect("there");
    assert!(after.file_type().is_char_device());
    assert_eq!((after.ino(), after.rdev()), (before.ino(), before.rdev()));
    // A full disk at the end is no success.
    let full = folder.path().join("full");
    let made = std::process::Command::new("mknod").arg(&full).args(["c", "1", "7"]).status();
    assert!(made.expect("mknod runs").success());
    let error = fetched(&peer, wanting_file(&full)).expect_err("full");
    assert_eq!(error.kind(), ErrorKind::LocalFile, "{error}");
}
