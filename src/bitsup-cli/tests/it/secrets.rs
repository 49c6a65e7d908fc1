//! Secrets go to the server that they are for and nowhere else: with every kind of credential, in uploads
//! that succeed and that fail, no output, journal, trace, transcript, receipt, error or `Debug` text
//! holds one.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::asking::{Asks, ENDS, Refuses};
use crate::common::{Ended, Place, payload, wait};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitsup::{
    AuthChoice, Client, CredentialCallback, Credentials, Header, OptionSet, ProxyChoice, Secret,
    Source, UploadOptions,
};
use bitsup_server::{Config, Server, TlsFiles};

/// What is searched for. No part of it stands in any other text.
const SECRET: &str = "Xq7Zv9Kw3Jy";
const USER: &str = "operator";

/// All forms in which the secret could stand somewhere.
fn forms() -> Vec<Vec<u8>> {
    let bytes = SECRET.as_bytes();
    let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory");
        text
    });
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut forms = vec![bytes.to_vec(), wide, hex.to_uppercase().into_bytes(), hex.into_bytes()];
    forms.push(list.into_bytes());
    // In the middle of other bytes, wherever base64 begins a group of three.
    for before in 0..3 {
        let text = BASE64.encode([&vec![b'.'; before], bytes].concat());
        let own = if before == 0 { 0 } else { before + 1 };
        forms.push(text.trim_end_matches('=').as_bytes()[own..14].to_vec());
    }
    forms
}

#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).position(|window| window == form);
        let Some(at) = found else { continue };
        let around = &bytes[at.saturating_sub(100)..bytes.len().min(at + 100)];
        panic!("a secret in {what}: {}", String::from_utf8_lossy(around));
    }
}

/// Everything below a folder, but for the files that hold the secret on purpose.
fn assert_folder_clean(what: &str, folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            count += assert_folder_clean(what, &path);
        } else if !entry.file_name().to_string_lossy().starts_with("input") {
            assert_clean(
                &format!("{what}: {}", path.display()),
                &std::fs::read(&path).expect("read"),
            );
            count += 1;
        }
    }
    count
}

/// Runs the program with all that it can write, and looks for the secret in that.
fn run_program(what: &str, place: &Place, args: &[&str], variable: Option<&str>) -> Ended {
    let mut ends = Vec::new();
    for tell in ["--verbose", "--json"] {
        let files = ["--trace", "trace", "--record", "record", "--receipt", "receipt"];
        let told = ["upload", "--state-dir", "state", "--give-up-after", "5s", tell];
        let all = told.iter().chain(&files).chain(args);
        let mut command = place.command(all);
        command.env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace");
        if let Some(variable) = variable {
            command.env(variable, SECRET);
        }
        let ended = wait(command.spawn().expect("started"));
        assert_clean(&format!("{what}: the output"), format!("{ended:?}").as_bytes());
        assert!(assert_folder_clean(what, &place.path("")) > 2, "{what}: nothing was written");
        ends.push(ended);
    }
    let list = place.run(["list", "--json", "--state-dir", "state"]);
    assert_clean(&format!("{what}: the list"), format!("{list:?}").as_bytes());
    ends.pop().expect("two")
}

/// How the server asks, the words for the login, more words, and the variable that has the secret.
type Case<'a> = (Asks, &'a [&'a str], &'a [&'a str], Option<&'a str>);

#[test]
fn no_secret_of_the_program_is_written_anywhere() {
    let _rule = bitsup_server::rule!("SEC-10");
    let user = ["--user", USER, "--allow-cleartext-credentials"];
    let clear = ["--allow-cleartext-credentials"];
    let file = ["--password-file", "input-secret"];
    let proxy_file = ["--proxy-user", USER, "--proxy-password-file", "input-secret"];
    let cases: [Case<'_>; 13] = [
        (Asks::Basic, &user, &[], Some("BITSUP_PASSWORD")),
        (Asks::Basic, &user, &["--netrc-file", "input-netrc"], None),
        (Asks::Digest, &user, &file, None),
        (Asks::Ntlm, &user, &file, None),
        (Asks::Negotiate, &user, &file, None),
        (Asks::Ntlm, &user, &["--netrc-file", "input-netrc"], None),
        (Asks::Bearer, &clear, &["--token-file", "input-secret"], None),
        (Asks::Bearer, &clear, &[], Some("BITSUP_TOKEN")),
        (Asks::Nothing, &clear, &["--header", "@input-header"], None),
        (Asks::ProxyBasic, &proxy_file, &[], None),
        (Asks::ProxyDigest, &proxy_file, &[], None),
        (Asks::ProxyNtlm, &proxy_file, &[], None),
        (Asks::ProxyBasic, &["--proxy-user", USER], &[], Some("BITSUP_PROXY_PASSWORD")),
    ];
    for (asks, login, more, variable) in cases.into_iter().filter(|case| case.0.is_known()) {
        for refuses in ENDS {
            let what = format!("{asks:?} {more:?} {variable:?} {refuses:?}");
            let (place, server) = (Place::new(), asks.server(refuses));
            place.write("source.bin", &payload(100_000));
            place.write("input-secret", SECRET.as_bytes());
            place.write("input-header", format!("X-Api-Key: {SECRET}\n").as_bytes());
            let netrc = format!("machine 127.0.0.1 login {USER} password {SECRET}\n");
            place.write("input-netrc", netrc.as_bytes());
            let url = server.url("/x.bin");
            let mut args = [login, more].concat();
            let far = "http://far.example/x.bin";
            match asks {
                _ if asks.is_proxy() => {
                    args.extend(["--proxy", &server.url(""), "source.bin", far].map(leak));
                }
                _ => args.extend(["source.bin", &url].map(leak)),
            }
            let ended = run_program(&what, &place, &args, variable);
            assert_eq!(ended.code == 0, refuses == Refuses::Never, "{what}: {ended:?}");
            // Else the test would find nothing, whatever the program did.
            let shown = server.requests().iter().any(|request| {
                !request.header("Authorization").is_empty()
                    || !request.header("Proxy-Authorization").is_empty()
                    || request.header("X-Api-Key") == SECRET
            });
            assert!(shown, "{what}: no login was shown");
        }
    }
}

/// Words of a command line live as long as the test.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[test]
fn no_passphrase_of_a_key_is_written_anywhere() {
    let place = Place::new();
    place.write("source.bin", &payload(100_000));
    place.write("input-secret", SECRET.as_bytes());
    place.write("wrong", b"another");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    place.write("cert.pem", made.cert.pem().as_bytes());
    place.write("input-key.pem", made.signing_key.serialize_pem().as_bytes());
    let openssl = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-in", "input-key.pem", "-out", "locked.pem"])
        .args(["-passout", "file:input-secret"])
        .current_dir(place.path(""))
        .status();
    assert!(openssl.expect("openssl runs").success());
    let root = tempfile::tempdir().expect("root");
    let (cert, key) = (place.path("cert.pem"), place.path("input-key.pem"));
    let tls = Some(TlsFiles { cert, key });
    let config = Config { root: root.path().to_owned(), tls, ..Config::default() };
    let server = Server::start(config).expect("server");
    let url = server.url("/x.bin").replace("127.0.0.1", "localhost");
    for (passphrase, works) in [("input-secret", true), ("wrong", false)] {
        let key = ["--cert", "cert.pem", "--key", "locked.pem", "--key-password-file", passphrase];
        let all = [&key[..], &["--cacert", "cert.pem", "--if-exists", "skip", "source.bin", &url]];
        let ended = run_program(passphrase, &place, &all.concat(), None);
        assert_eq!(ended.code == 0, works, "{ended:?}");
    }
}

/// Logins as a caller of the library gives them.
fn options(asks: Asks, proxy: &str) -> UploadOptions {
    let login = || Credentials { user: USER.into(), password: Secret::new(SECRET) };
    let mut options = UploadOptions::default();
    options.allow_cleartext_credentials = true;
    options.transcript = true;
    options.give_up_after = Duration::from_secs(5);
    match asks {
        Asks::Basic => options.credentials = Some(login()),
        Asks::Digest => {
            options.auth = AuthChoice::Digest;
            options.credential_callback = Some(CredentialCallback::new(move |request| {
                (!request.refused).then(|| bitsup::Login::Password(login()))
            }));
        }
        Asks::Ntlm | Asks::Negotiate => options.credentials = Some(login()),
        Asks::Bearer => options.bearer_token = Some(Secret::new(SECRET)),
        Asks::Nothing => {
            options.headers.push(Header::new("X-Api-Key", SECRET).expect("a header").secret());
        }
        Asks::ProxyBasic | Asks::ProxyDigest | Asks::ProxyNtlm => {
            options.proxy = ProxyChoice::Url(proxy.to_owned());
            options.proxy_credentials = Some(login());
        }
    }
    options
}

#[test]
fn no_secret_of_the_library_is_in_an_error_an_event_or_a_debug_text() {
    let _rule = bitsup_server::rule!("SEC-10");
    let all = [
        Asks::Basic,
        Asks::Digest,
        Asks::Ntlm,
        Asks::Negotiate,
        Asks::Bearer,
        Asks::Nothing,
        Asks::ProxyBasic,
        Asks::ProxyDigest,
        Asks::ProxyNtlm,
    ];
    let known = all.into_iter().filter(|asks| asks.is_known());
    for (asks, refuses) in known.flat_map(|asks| ENDS.map(|refuses| (asks, refuses))) {
        let what = format!("{asks:?} {refuses:?}");
        let (place, server) = (Place::new(), asks.server(refuses));
        let source = place.write("source.bin", &payload(100_000));
        let client = Client::builder()
            .options(&OptionSet::new().state_dir(place.path("state")))
            .build()
            .expect("client");
        let options = options(asks, &server.url(""));
        let url = match asks {
            _ if asks.is_proxy() => "http://far.example/x.bin".to_owned(),
            _ => server.url("/x.bin"),
        };
        let told = Arc::new(Mutex::new(format!("{options:?} {client:?}")));
        let events = Arc::clone(&told);
        let upload = client.upload(Source::path(source).expect("a file"), &url);
        let upload = upload.options(options).on_event(move |event| {
            write!(events.lock().expect("one at a time"), "{event:?}").expect("memory");
            bitsup::Flow::Continue
        });
        let before = format!("{upload:?}");
        let upload = upload.start().expect("started");
        let end = upload.wait();
        assert_eq!(end.is_ok(), refuses == Refuses::Never, "{what}: {end:?}");
        let text = match &end {
            Ok(receipt) => format!("{receipt:?}"),
            Err(error) => format!("{error} {error:?} {} {:?}", error.advice(), error.token()),
        };
        assert_clean(&what, format!("{before} {text} {upload:?} {client:?}").as_bytes());
        // The result is there before its event is told, and nothing is told of what is dropped.
        let begun = Instant::now();
        while !told.lock().expect("told").contains("Finished") {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: no event came");
            std::thread::sleep(Duration::from_millis(2));
        }
        drop((upload, client));
        assert_clean(&what, told.lock().expect("told").as_bytes());
        assert!(told.lock().expect("told").contains("Packet"), "{what}: no event of a packet came");
        assert!(assert_folder_clean(&what, &place.path("")) > 0);
    }
}

/// The search finds what it searches for, in every form.
#[test]
fn the_search_finds() {
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}:{SECRET}@");
        for form in [
            text.clone().into_bytes(),
            BASE64.encode(&text).into_bytes(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            format!("{:?}", text.as_bytes()).into_bytes(),
        ] {
            assert!(std::panic::catch_unwind(|| assert_clean("it", &form)).is_err(), "{before}");
        }
    }
    assert_clean("nothing", b"nothing");
}
