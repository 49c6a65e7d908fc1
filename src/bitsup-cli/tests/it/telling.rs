//! What leaves the program: logins by who asks, and texts without secrets and without what steers a
//! terminal.

use crate::common::asking::by_the_book;
use crate::common::{Ended, Place};
use bitsup_server::scripted::{Reply, Request, Scripted};

/// The id that [`by_the_book`] gives, without braces.
const SESSION: &str = "8df0354d-249b-430f-820d-3d2a9bef4931";

/// A proxy that asks whatever it is shown, by CONNECT too.
fn proxy(offer: &'static str) -> Scripted {
    Scripted::start(move |_, _: &Request, _| {
        Reply::status(407, "Proxy Authentication Required").header("Proxy-Authenticate", offer)
    })
}

#[test]
fn no_source_of_the_servers_login_answers_a_proxy() {
    let _rule = bitsup_server::rule!("LOG-01");
    let place = Place::new();
    place.write("f", b"bytes");
    let private = |name: &str, content: &[u8]| {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(place.write(name, content), mode).expect("changed");
    };
    private("secret", b"hunter2\n");
    private(".netrc", b"default login u password hunter2\n");
    let sources: [(&[&str], Option<&str>); 5] = [
        (&["-u", "u", "--password-file", "secret"], None),
        (&["-u", "u", "--password-file", "secret", "--auth", "digest"], None),
        (&["-u", "u"], Some("hunter2")),
        (&["--netrc"], None),
        (&["--netrc-file", ".netrc"], None),
    ];
    for offer in ["Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\", qop=\"auth\""] {
        for (source, password) in sources {
            for scheme in ["http", "https"] {
                for by_environment in [false, true] {
                    let proxy = proxy(offer);
                    let (url, address) = (format!("{scheme}://far.test/in/f"), proxy.url(""));
                    let mut args = vec!["upload", "--max-attempts", "2", "f", &url];
                    args.extend(source);
                    if !by_environment {
                        args.extend(["-x", &address]);
                    }
                    let mut command = place.command(args);
                    command.envs(password.map(|password| ("BITSUP_PASSWORD", password)));
                    if by_environment {
                        command.env("http_proxy", &address).env("https_proxy", &address);
                    }
                    let ended = Ended::from(command.output().expect("ran"));
                    assert_eq!(ended.code, 4, "{source:?}: {ended:?}");
                    let requests = proxy.requests();
                    assert!(!requests.is_empty());
                    for request in requests {
                        let head = String::from_utf8_lossy(&request.head).to_ascii_lowercase();
                        assert!(!head.contains("authorization"), "{source:?}: {head}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_login_in_a_plain_header_is_a_secret() {
    let _rule = bitsup_server::rule!("LOG-03");
    let place = Place::new();
    place.write("f", b"bytes");
    let server = Scripted::start(|_, request, _| by_the_book(request, &request.packet_type()));
    let url = server.url("/f");
    for header in
        ["Authorization: Basic hunter2", "cookie: hunter2", "Proxy-Authorization: hunter2"]
    {
        let ended = place.run(["upload", "-H", header, "f", &url]);
        assert_eq!((ended.code, server.requests().len()), (2, 0), "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    }
    let word = "--allow-cleartext-credentials";
    let header = ["-H", "Authorization: Basic hunter2", "-H", "Proxy-Authorization: hunter3"];
    place.run(["upload", word, "f", &url].iter().chain(&header)).ok();
    let requests = server.requests();
    assert!(requests.iter().all(|own| own.header("Authorization") == "Basic hunter2"));
    // There is no proxy that it could be meant for.
    assert!(requests.iter().all(|own| own.header("Proxy-Authorization").is_empty()));
}

#[test]
fn a_session_id_and_a_query_are_told_nowhere() {
    let _rule = bitsup_server::rule!("LOG-04");
    // As IIS writes it, and with the key of a storage.
    for reply in [
        "BITS-Sessions\\Replies\\{8DF0354D-249B-430F-820D-3D2A9BEF4931}\\responsefile.bin",
        "http://127.0.0.1:9/r/%7B8df0354d-249b-430f-820d-3d2a9bef4931%7D?sig=hunter2",
    ] {
        let place = Place::new();
        place.write("f", b"bytes");
        let server = Scripted::start(move |_, request, _| {
            let packet = request.packet_type();
            let answer = by_the_book(request, &packet);
            if packet == "Fragment" { answer.header("BITS-Reply-URL", reply) } else { answer }
        });
        let url = server.url("/f?sig=hunter2");
        let told = ["--receipt", "receipt", "--trace", "trace"];
        let mut texts = Vec::new();
        for more in ["--json", "-v", "--progress=1ms"] {
            let ended = place.run(["upload", more, "f", &url].iter().chain(&told)).ok();
            let read = |name: &str| std::fs::read_to_string(place.path(name)).expect("text");
            texts.extend([ended.stdout, ended.stderr, read("receipt"), read("trace")]);
        }
        let offered = texts.iter().filter(|text| text.contains("a reply that was not asked for"));
        assert!(offered.count() >= 4, "{texts:?}");
        for text in texts {
            let lower = text.to_ascii_lowercase();
            assert!(!lower.contains(SESSION) && !lower.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn names_and_a_servers_words_steer_no_terminal() {
    let _rule = bitsup_server::rule!("LOG-05");
    let hidden = |text: &str| text.chars().any(|c| c != '\n' && bitsup::text::is_hidden(c));
    let name = "a\u{1b}[2J\u{202e}\u{2028}\nb";
    let place = Place::new();
    place.write(name, b"bytes");
    let mut hostile = b"HTTP/1.1 500 Gone\x1b[2J\r\nBITS-Packet-Type: Ack\r\nBITS-Error-Code: \x1b[2J\xe2\x80\xae!\r\nServer: x\x1b[2J\r\nContent-Length: 6\r\n\r\n".to_vec();
    hostile.extend(b"\x1b[2J\0\0");
    let server = Scripted::start(move |_, request, _| match request.packet_type().as_str() {
        "Close-Session" if request.target.starts_with("/bad/") => Reply::raw(hostile.clone()),
        packet => by_the_book(request, packet),
    });
    for (folder, code) in [("/good/", 0), ("/bad/", 6)] {
        let url = server.url(folder);
        for more in ["--json", "-v", "--progress=1ms", "--sha256"] {
            let args =
                ["upload", "--no-resume", "--max-attempts=1", "--trace=trace", more, name, &url];
            let ended = place.run(args);
            assert_eq!(ended.code, code, "{ended:?}");
            let trace = std::fs::read_to_string(place.path("trace")).expect("text");
            for text in [&ended.stdout, &ended.stderr, &trace] {
                assert!(!hidden(text), "{text:?}");
            }
            for line in ended.stdout.lines().filter(|_| more == "--json") {
                let read: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let file = read["file"].as_str().expect("a name");
                assert!(file.contains("\\u{202e}") || file == name, "{file:?}");
            }
        }
    }
    let missing = place.run(["upload", "none\u{1b}[2J\u{2029}", &server.url("/x")]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(!hidden(&missing.stderr) && missing.stderr.contains("none\\u{1b}"), "{missing:?}");

    // A reply URL of other characters is none.
    for url in [&b"/r\x1b[2J"[..], "/r\u{202e}".as_bytes(), b"/r x"] {
        let head = b"HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Received-Content-Range: 5\r\nContent-Length: 0\r\nBITS-Reply-URL: ";
        let answer = [&head[..], url, b"\r\n\r\n"].concat();
        let server = Scripted::start(move |_, request, _| match request.packet_type().as_str() {
            "Fragment" => Reply::raw(answer.clone()),
            packet => by_the_book(request, packet),
        });
        let ended = place.run(["upload", "--json", "--no-resume", name, &server.url("/x")]).ok();
        assert!(ended.stdout.contains("\"reply_url\":null"), "{url:?}: {ended:?}");
    }
}
