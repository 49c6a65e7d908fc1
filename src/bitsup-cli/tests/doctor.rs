//! `bitsup doctor` against servers with and without trouble.

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bitsup_server::scripted::{Reply, Scripted};
use bitsup_server::{Config, TlsFiles};
use common::{Ended, Host, Place};

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
    for check in ["proxy", "name", "connection", "verb", "login", "session", "clock"] {
        assert!(line(&ended, check).starts_with("ok "), "{ended:?}");
    }
    assert!(line(&ended, "certificates").starts_with("- "), "{ended:?}");
    assert!(line(&ended, "session").contains("deleted again"), "{ended:?}");
    assert!(ended.stdout.ends_with("Uploads should work.\n"), "{ended:?}");
    let packets: Vec<_> =
        host.server.requests().iter().filter_map(bitsup_server::Request::packet_type).collect();
    assert_eq!(packets, ["Ping", "Create-Session", "Cancel-Session"]);

    let ended = place.run(["doctor", "--json", &host.url("x.bin")]).ok();
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["v"], 1);
    let findings = report["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["fix"].is_null()), "{ended:?}");
    assert_eq!(findings[0]["check"], "proxy");
    assert_eq!(findings[0]["verdict"], "good");
}

#[test]
fn what_is_in_the_way_is_named_with_its_fix() {
    let place = Place::new();
    let unused =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
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
    assert_eq!(nginx.requests().len(), 1);
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

    let unused =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let elsewhere = Config { host_id: Some(unused.to_string()), ..Config::default() };
    let host = Host::with(elsewhere);
    let ended = place.run(["doctor", &host.url("")]);
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(line(&ended, "host id").contains("cannot be reached"), "{ended:?}");
    assert!(ended.stdout.contains("BITSHostId"), "{ended:?}");
}

/// Whatever it waits for, it ends, and says what it did not find out.
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
    for (report, check) in
        [(tls, "verb"), (plain, "verb"), (create, "session"), (cancel, "session")]
    {
        let seen = line(report, check);
        assert!(seen.starts_with("PROBLEM"), "{report:?}");
        assert!(seen.contains("this report takes 15 s at most"), "{report:?}");
        assert!(!report.stdout.contains("Uploads should work"), "{report:?}");
    }
    assert!(line(plain, "session").starts_with("- "), "{plain:?}");
    assert!(line(create, "verb").starts_with("ok "), "{create:?}");
}

/// libcurl and OpenSSL of our own have no path of certificates built in: what the system has is looked for.
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
