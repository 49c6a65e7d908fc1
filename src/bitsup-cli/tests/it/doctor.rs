//! `bitsup doctor` against servers with and without trouble.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::{Ended, Host, Place, unheard};
use bitsup_server::scripted::{Reply, Request, Scripted};
use bitsup_server::{Config, TlsFiles};

/// The lines about one check: its mark, and what was seen.
fn line<'a>(ended: &'a Ended, check: &str) -> &'a str {
    let found =
        ended.stdout.lines().find(|line| line.get(9..).is_some_and(|l| l.starts_with(check)));
    found.unwrap_or_else(|| panic!("no {check}: {ended:?}"))
}

#[test]
fn a_healthy_server_is_found_healthy_and_left_as_it_was() {
    let (place, host) = (Place::new(), Host::new());
    let ended = place.run(["doctor", &host.url("")]).ok();
    for check in [
        "proxy",
        "connection",
        "verb",
        "login",
        "clock",
        "session",
        "fragment",
        "cleanup",
        "resume state",
    ] {
        assert!(line(&ended, check).starts_with("ok "), "{ended:?}");
    }
    for check in ["name", "certificates"] {
        assert!(line(&ended, check).starts_with("- "), "{ended:?}");
    }
    assert!(line(&ended, "cleanup").contains("was cancelled"), "{ended:?}");
    assert!(ended.stdout.ends_with("Uploads should work.\n"), "{ended:?}");
    let packets: Vec<_> =
        host.server.requests().iter().filter_map(bitsup_server::Request::packet_type).collect();
    assert_eq!(packets, ["Ping", "Create-Session", "Fragment", "Cancel-Session"]);

    let url = host.url("x.bin").replace("127.0.0.1", "localhost");
    let ended = place.run(["doctor", "--json", &url]).ok();
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["v"], 1);
    let findings = report["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["fix"].is_null()), "{ended:?}");
    assert_eq!(findings[0]["check"], "proxy");
    assert_eq!(findings[0]["verdict"], "good");
    assert_eq!((&findings[1]["check"], &findings[1]["verdict"]), (&"name".into(), &"good".into()));
}

#[test]
fn what_is_in_the_way_is_named_with_its_fix() {
    let place = Place::new();
    let (_unheard, unused) = unheard();
    let ended = place.run(["doctor", &format!("http://{unused}/")]);
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(line(&ended, "connection").starts_with("PROBLEM"), "{ended:?}");
    assert!(ended.stdout.contains("listens on port"), "{ended:?}");
    assert!(line(&ended, "session").starts_with("- "), "{ended:?}");

    let ended = place.run(["doctor", "http://no-such-host.invalid/"]);
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(line(&ended, "name").starts_with("PROBLEM"), "{ended:?}");

    // A plain web server, whose clock is wrong too.
    let nginx = Scripted::start(|_, _, _| {
        Reply::status(405, "Not Allowed")
            .header("Server", "nginx/1.22.1")
            .header("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .body("no")
    });
    let ended = place.run(["doctor", &nginx.url("/up/")]);
    assert_eq!(ended.code, 7, "{ended:?}");
    assert!(line(&ended, "verb").contains("nginx"), "{ended:?}");
    assert!(ended.stdout.contains("proxy_pass"), "{ended:?}");
    assert!(line(&ended, "clock").starts_with("warning"), "{ended:?}");
    let packets: Vec<_> = nginx.requests().iter().map(Request::packet_type).collect();
    assert_eq!(packets, ["Ping", "Create-Session"]);
}

#[test]
fn the_login_and_other_hosts_are_looked_at() {
    let place = Place::new();
    let config = Config { basic_auth: Some(("u".into(), "hunter2".into())), ..Config::default() };
    let host = Host::with(config);
    let url = host.url("");
    let ended = place.run(["doctor", &url]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(line(&ended, "login").contains("Basic"), "{ended:?}");
    assert!(ended.stdout.contains("--user"), "{ended:?}");
    let args = ["doctor", &url, "--user", "u", "--allow-cleartext-credentials"];
    let output = place.command(args).env("BITSUP_PASSWORD", "hunter2").output().expect("ran");
    let ended = Ended::from(output).ok();
    assert!(line(&ended, "login").contains("logged in"), "{ended:?}");
    assert!(!ended.stdout.contains("hunter2"), "{ended:?}");

    let (_unheard, unused) = unheard();
    let elsewhere = Config { host_id: Some(unused.to_string()), ..Config::default() };
    let host = Host::with(elsewhere);
    let ended = place.run(["doctor", &host.url("")]);
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(line(&ended, "host id").contains("cannot be reached"), "{ended:?}");
    assert!(ended.stdout.contains("BITSHostId"), "{ended:?}");
}

/// It ends even if a server never answers, and says what it did not find out.
#[test]
fn a_server_that_falls_silent_is_not_waited_for_long() {
    // The report promises 20 s; this is for slow machines.
    const GENEROUS: Duration = Duration::from_secs(35);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("its address");
    let no_login = Host::with_faults("create: hang");
    let undeletable = Host::with_faults("cancel: hang");
    let urls = [
        format!("https://{silent}/"),
        format!("http://{silent}/"),
        no_login.url(""),
        undeletable.url(""),
    ];
    let run = |url: &String| {
        let begun = Instant::now();
        let ended = Place::new().run(["doctor", url]);
        assert!(begun.elapsed() < GENEROUS, "{:?}: {ended:?}", begun.elapsed());
        ended
    };
    let reports: Vec<Ended> = std::thread::scope(|scope| {
        let threads = urls.each_ref().map(|url| scope.spawn(move || run(url)));
        threads.into_iter().map(|thread| thread.join().expect("in time")).collect()
    });
    let [tls, plain, create, cancel] = &reports[..] else { unreachable!("as many as URLs") };
    assert!(line(tls, "certificates").starts_with("PROBLEM"), "{tls:?}");
    assert!(line(tls, "certificates").contains("did not end within 4 s"), "{tls:?}");
    for (report, check) in [(tls, "verb"), (plain, "verb"), (create, "session")] {
        let seen = line(report, check);
        assert!(seen.starts_with("PROBLEM"), "{report:?}");
        assert!(seen.contains("this report takes 15 s at most"), "{report:?}");
        assert!(!report.stdout.contains("Uploads should work"), "{report:?}");
    }
    assert!(line(plain, "session").starts_with("- "), "{plain:?}");
    assert!(line(create, "verb").starts_with("ok "), "{create:?}");
    assert!(line(cancel, "cleanup").starts_with("warning"), "{cancel:?}");
    assert!(line(cancel, "cleanup").contains("this report takes 15 s at most"), "{cancel:?}");
    for report in [plain, create, cancel] {
        assert!(line(report, "cleanup").contains("may remain on the server"), "{report:?}");
    }
}

/// A server without a rule book: what it answers to each packet.
fn peer(answer: impl Fn(&str) -> Option<Reply> + Send + 'static) -> Scripted {
    Scripted::start(move |_, request, _| {
        let packet = request.packet_type();
        answer(&packet).unwrap_or_else(|| by_the_book(&packet))
    })
}

fn by_the_book(packet: &str) -> Reply {
    match packet {
        "Create-Session" => Reply::ack()
            .header("BITS-Session-Id", "{1}")
            .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}"),
        "Fragment" => Reply::ack().header("BITS-Received-Content-Range", "1"),
        _ => Reply::ack(),
    }
}

fn packets(peer: &Scripted) -> Vec<String> {
    peer.requests().iter().map(Request::packet_type).collect()
}

/// A server may open what Create-Session names, and empty it.
#[test]
fn nothing_that_the_url_names_is_touched() {
    let _rule = bitsup_server::rule!("OUT-06");
    for (path, folder, query) in [
        ("/up/precious.txt?key=hunter2", "/up/", "?key=hunter2"),
        ("/up/", "/up/", ""),
        ("/precious.txt", "/", ""),
        ("/?a/b", "/", "?a/b"),
        ("", "/", ""),
    ] {
        let peer = peer(|_| None);
        let ended = Place::new().run(["doctor", &peer.url(path)]).ok();
        assert_eq!(packets(&peer), ["Ping", "Create-Session", "Fragment", "Cancel-Session"]);
        let requests = peer.requests();
        for request in &requests {
            let name = request.target.strip_prefix(folder).expect("in the folder");
            let name = name.strip_suffix(query).expect("the query stays");
            assert!(name.starts_with("bitsup-doctor-"), "{name}");
            assert!(!name.contains(['/', '?']), "{name}");
            assert!(line(&ended, "cleanup").contains(name), "{name}: {ended:?}");
            assert_eq!(request.target, requests[0].target);
        }
        // One byte of two: no server can take the file as complete.
        assert_eq!(requests[2].header("Content-Range"), "bytes 0-0/2");
        assert_eq!(requests[2].body.len(), 1);
        assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn a_server_without_ping_takes_uploads() {
    let _rule = bitsup_server::rule!("OUT-06");
    for refusal in [
        Reply::status(501, "Not Implemented"),
        Reply::status(400, "Bad Request"),
        Reply::status(404, "Not Found").body("no"),
        Reply::close(),
    ] {
        let peer = peer(move |packet| (packet == "Ping").then(|| refusal.clone()));
        let ended = Place::new().run(["doctor", &peer.url("/up/")]).ok();
        assert!(line(&ended, "verb").starts_with("ok "), "{ended:?}");
        assert!(line(&ended, "verb").contains("no Ping"), "{ended:?}");
        assert!(ended.stdout.ends_with("Uploads should work.\n"), "{ended:?}");
    }
    // The login is asked for by the packet that there is.
    let peer = peer(|packet| match packet {
        "Ping" => Some(Reply::status(501, "Not Implemented")),
        _ => Some(Reply::status(401, "Unauthorized").header("WWW-Authenticate", "NTLM")),
    });
    let ended = Place::new().run(["doctor", &peer.url("/up/")]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(line(&ended, "login").contains("offers NTLM"), "{ended:?}");
}

#[test]
fn a_body_that_gets_lost_is_found() {
    let _rule = bitsup_server::rule!("OUT-06");
    let without_offset = || Reply::ack();
    for (answer, code) in [
        (Reply::ack().header("BITS-Received-Content-Range", "0"), 8),
        (
            Reply::status(416, "Range")
                .header("BITS-Packet-Type", "Ack")
                .header("BITS-Received-Content-Range", "0"),
            8,
        ),
        (Reply::ack().header("BITS-Received-Content-Range", "2"), 8),
        (without_offset(), 8),
        (Reply::close(), 6),
        (Reply::status(403, "Forbidden"), 7),
        (Reply::status(500, "Server Error"), 7),
    ] {
        let peer = peer(move |packet| (packet == "Fragment").then(|| answer.clone()));
        let ended = Place::new().run(["doctor", &peer.url("/up/")]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(line(&ended, "session").starts_with("ok "), "{ended:?}");
        assert!(line(&ended, "fragment").starts_with("PROBLEM"), "{ended:?}");
        assert!(line(&ended, "cleanup").starts_with("ok "), "{ended:?}");
        assert!(!ended.stdout.contains("Uploads should work"), "{ended:?}");
    }
    let beyond = peer(move |packet| {
        (packet == "Fragment").then(|| Reply::ack().header("BITS-Received-Content-Range", "2"))
    });
    let ended = Place::new().run(["doctor", &beyond.url("/up/")]);
    assert!(ended.stdout.contains("acknowledges what it did not get"), "{ended:?}");
    let peer = peer(move |packet| (packet == "Fragment").then(without_offset));
    let ended = Place::new().run(["doctor", &peer.url("/up/")]);
    assert!(ended.stdout.contains("--lenient"), "{ended:?}");
    Place::new().run(["doctor", "--lenient", &peer.url("/up/")]).ok();
}

/// A server may take some names only.
#[test]
fn a_refused_name_of_its_own_proves_nothing() {
    let _rule = bitsup_server::rule!("OUT-06");
    for status in [400, 403, 404, 409, 422] {
        for with_ping in [false, true] {
            let peer = peer(move |packet| {
                let refused = packet == "Create-Session" || packet == "Ping" && !with_ping;
                refused.then(|| Reply::status(status, "No").header("Server", "nginx"))
            });
            let ended = Place::new().run(["doctor", &peer.url("/up/x")]).ok();
            let check = if with_ping { "session" } else { "verb" };
            assert!(line(&ended, check).starts_with("unknown"), "{ended:?}");
            assert!(ended.stdout.ends_with("unknown whether uploads work.\n"), "{ended:?}");
            assert!(!ended.stdout.contains("PROBLEM"), "{ended:?}");
            assert!(line(&ended, "cleanup").contains("nothing was created"), "{ended:?}");
        }
    }
    // No other name would be taken either.
    let peer = peer(|packet| {
        (packet == "Create-Session").then(|| Reply::status(405, "Method Not Allowed"))
    });
    let ended = Place::new().run(["doctor", &peer.url("/up/x")]);
    assert_eq!(ended.code, 7, "{ended:?}");
}

#[test]
fn what_may_be_left_is_said() {
    let _rule = bitsup_server::rule!("OUT-06");
    for (packet, answer, code) in [
        ("Create-Session", Reply::close(), 6),
        ("Create-Session", Reply::status(500, "Server Error"), 7),
        ("Create-Session", Reply::ack(), 8),
        ("Cancel-Session", Reply::close(), 0),
        ("Cancel-Session", Reply::status(403, "Forbidden"), 0),
        ("Cancel-Session", Reply::status(200, "OK"), 0),
    ] {
        let peer = peer(move |asked| (asked == packet).then(|| answer.clone()));
        let ended = Place::new().run(["doctor", &peer.url("/up/")]);
        assert_eq!(ended.code, code, "{ended:?}");
        let left = line(&ended, "cleanup");
        assert!(left.starts_with("warning") && left.contains("may remain"), "{ended:?}");
        let name = peer.requests()[0].target.replace("/up/", "");
        assert!(left.contains(&name), "{ended:?}");
    }
    // It is gone: nothing is left.
    let peer = peer(|packet| {
        (packet == "Cancel-Session").then(|| {
            Reply::status(500, "No")
                .header("BITS-Packet-Type", "Ack")
                .header("BITS-Error-Code", "0x8020001F")
        })
    });
    let ended = Place::new().run(["doctor", &peer.url("/up/")]).ok();
    assert!(line(&ended, "cleanup").starts_with("ok "), "{ended:?}");
}

#[test]
fn schemes_in_one_line_are_all_told() {
    let login = || {
        Reply::status(401, "No")
            .header("WWW-Authenticate", "Negotiate, NTLM")
            .header("WWW-Authenticate", "Digest realm=\"a, b\", nonce=\"n\", basic realm=\"c\"")
    };
    let peer = peer(move |_| Some(login()));
    let ended = Place::new().run(["doctor", &peer.url("/up/")]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(line(&ended, "login").contains("offers Negotiate, NTLM, Digest, basic;"), "{ended:?}");
}

#[test]
fn the_state_directory_is_looked_at_and_left_as_it_is() {
    let (place, host) = (Place::new(), Host::new());
    let file = place.write("file", b"");
    for (folder, mark) in [(file.with_file_name("new/state"), "ok "), (file.join("x"), "warning")] {
        let folder = folder.to_str().expect("UTF-8");
        let ended = place.run(["doctor", "--state-dir", folder, &host.url("")]).ok();
        assert!(line(&ended, "resume state").starts_with(mark), "{ended:?}");
        assert!(line(&ended, "resume state").contains(folder), "{ended:?}");
        assert!(!std::path::Path::new(folder).exists());
    }
    assert!(!file.with_file_name("new").exists());
}

/// libcurl and OpenSSL of our own have no path of certificates built in: those of the system are looked for.
#[cfg(feature = "bundled")]
#[test]
fn the_systems_certificates_are_found() {
    let place = Place::new();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let cert = place.write("cert.pem", issued.cert.pem().as_bytes());
    let key = place.write("key.pem", issued.signing_key.serialize_pem().as_bytes());
    let tls = Some(TlsFiles { cert: cert.clone(), key });
    let host = Host::with(Config { tls, ..Config::default() });
    let url = host.url("").replace("127.0.0.1", "localhost");
    let ping = |store: Option<&std::path::Path>| {
        let mut command = place.command(["ping", &url]);
        match store {
            Some(store) => command.env("SSL_CERT_FILE", store),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        Ended::from(command.output().expect("ran"))
    };
    ping(Some(&cert)).ok();
    let ended = ping(None);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("self-signed"), "{ended:?}");
}

#[test]
fn certificates_are_shown_with_their_dates() {
    let place = Place::new();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    let key = rcgen::KeyPair::generate().expect("a key");
    let cert = params.self_signed(&key).expect("a certificate");
    let cert = place.write("cert.pem", cert.pem().as_bytes());
    let key = place.write("key.pem", key.serialize_pem().as_bytes());
    let host = Host::with(Config { tls: Some(TlsFiles { cert, key }), ..Config::default() });
    let url = host.url("").replace("127.0.0.1", "localhost");
    let ended = place.run(["doctor", &url]);
    assert_eq!(ended.code, 5, "{ended:?}");
    let seen = line(&ended, "certificates");
    assert!(seen.starts_with("PROBLEM") && seen.contains("for localhost"), "{ended:?}");
    assert!(seen.contains("Feb  3 00:00:00 2021"), "{ended:?}");
    assert!(ended.stdout.contains("Renew the certificate"), "{ended:?}");
    // The packets say that it is not trusted either.
    assert!(line(&ended, "verb").starts_with("PROBLEM"), "{ended:?}");
    assert!(host.server.requests().is_empty());
}
