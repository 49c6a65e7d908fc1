//! Secrets go to the server that they are for and nowhere else: with every kind of credential, in uploads
//! that succeed and that fail, no output, journal, trace, transcript, receipt, error or `Debug` text
//! holds one.

mod common;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitsup::{
    AuthChoice, Client, CredentialCallback, Credentials, Header, ProxyChoice, Secret, Source,
    UploadOptions,
};
use bitsup_server::scripted::{Reply, Request, Scripted};
use bitsup_server::{Config, Server, TlsFiles};
use common::{Ended, Place, payload, wait};

/// What is searched for. No part of it stands in any other text.
const SECRET: &str = "Xq7Zv9Kw3Jy";
const USER: &str = "operator";

/// How a server asks, and what it takes: any login that looks like one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asks {
    Basic,
    Digest,
    Ntlm,
    Bearer,
    Nothing,
    /// It is a proxy.
    ProxyBasic,
}

/// When it takes none any more.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refuses {
    Never,
    AtOnce,
    /// Once the file is there, so that a session is kept.
    AtTheEnd,
}

const ENDS: [Refuses; 3] = [Refuses::Never, Refuses::AtOnce, Refuses::AtTheEnd];

impl Asks {
    fn server(self, refuses: Refuses) -> Scripted {
        Scripted::start(move |_, request: &Request, _| self.answer(request, refuses))
    }

    fn answer(self, request: &Request, refuses: Refuses) -> Reply {
        let packet = request.packet_type();
        let refused = refuses == Refuses::AtOnce
            || (refuses == Refuses::AtTheEnd && packet == "Close-Session");
        let shown = match self {
            Self::ProxyBasic => request.header("Proxy-Authorization"),
            _ => request.header("Authorization"),
        };
        let (scheme, token) = shown.split_once(' ').unwrap_or(("", ""));
        // The first words of NTLM hold no password yet.
        let first = self == Self::Ntlm && token.starts_with("TlRMTVNTUAAB");
        // Of NTLM the connection is logged in.
        let bare = self == Self::Ntlm && packet != "Ping" && !refused;
        if refused && self == Self::Nothing {
            return Reply::status(403, "Forbidden");
        }
        if self == Self::Nothing || bare || (!scheme.is_empty() && !first && !refused) {
            return by_the_book(request, &packet);
        }
        match self {
            Self::ProxyBasic => Reply::status(407, "Proxy Authentication Required")
                .header("Proxy-Authenticate", "Basic realm=\"x\""),
            Self::Basic => challenge("Basic realm=\"x\""),
            Self::Digest => challenge("Digest realm=\"x\", nonce=\"abc\", qop=\"auth\""),
            Self::Bearer => challenge("Bearer realm=\"x\""),
            Self::Ntlm if first => challenge(&format!("NTLM {}", BASE64.encode(ntlm_challenge()))),
            Self::Ntlm | Self::Nothing => challenge("NTLM"),
        }
    }
}

fn challenge(value: &str) -> Reply {
    Reply::status(401, "Unauthorized").header("WWW-Authenticate", value)
}

fn by_the_book(request: &Request, packet: &str) -> Reply {
    match packet {
        "Create-Session" => Reply::ack()
            .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}")
            .header("BITS-Session-Id", "{8df0354d-249b-430f-820d-3d2a9bef4931}"),
        "Fragment" => {
            let range = request.header("Content-Range");
            let last = range.split(['-', '/']).nth(1).and_then(|text| text.parse::<u64>().ok());
            let end = last.map_or(0, |last| last + 1);
            Reply::ack().header("BITS-Received-Content-Range", &end.to_string())
        }
        _ => Reply::ack(),
    }
}

/// The second message of NTLM ([MS-NLMP] 2.2.1.2), with a time in its target information.
fn ntlm_challenge() -> Vec<u8> {
    let mut target_info = vec![2, 0, 2, 0, b'X', 0, 7, 0, 8, 0];
    target_info.extend(133_000_000_000_000_000_u64.to_le_bytes());
    target_info.extend([0; 4]);
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([2, 0, 2, 0, 56, 0, 0, 0]);
    message.extend(0xe28a_8235_u32.to_le_bytes());
    message.extend([7; 8]);
    message.extend([0; 8]);
    let length = u16::try_from(target_info.len()).expect("short").to_le_bytes();
    message.extend([length, length].concat());
    message.extend(58_u32.to_le_bytes());
    message.extend([10, 0, 97, 74, 0, 0, 0, 15]);
    message.extend([b'X', 0]);
    message.extend(target_info);
    message
}

/// All forms in which the secret could stand somewhere.
fn forms() -> Vec<Vec<u8>> {
    forms_of(SECRET)
}

fn forms_of(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
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
    let cases: [Case<'_>; 10] = [
        (Asks::Basic, &user, &[], Some("BITSUP_PASSWORD")),
        (Asks::Basic, &user, &["--netrc-file", "input-netrc"], None),
        (Asks::Digest, &user, &file, None),
        (Asks::Ntlm, &user, &file, None),
        (Asks::Ntlm, &user, &["--netrc-file", "input-netrc"], None),
        (Asks::Bearer, &clear, &["--token-file", "input-secret"], None),
        (Asks::Bearer, &clear, &[], Some("BITSUP_TOKEN")),
        (Asks::Nothing, &clear, &["--header", "@input-header"], None),
        (Asks::ProxyBasic, &proxy_file, &[], None),
        (Asks::ProxyBasic, &["--proxy-user", USER], &[], Some("BITSUP_PROXY_PASSWORD")),
    ];
    for (asks, login, more, variable) in cases {
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
                Asks::ProxyBasic => {
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
        Asks::Ntlm => options.credentials = Some(login()),
        Asks::Bearer => options.bearer_token = Some(Secret::new(SECRET)),
        Asks::Nothing => {
            options.headers.push(Header::new("X-Api-Key", SECRET).expect("a header").secret());
        }
        Asks::ProxyBasic => {
            options.proxy = ProxyChoice::Url(proxy.to_owned());
            options.proxy_credentials = Some(login());
        }
    }
    options
}

#[test]
fn no_secret_of_the_library_is_in_an_error_an_event_or_a_debug_text() {
    let _rule = bitsup_server::rule!("SEC-10");
    let all =
        [Asks::Basic, Asks::Digest, Asks::Ntlm, Asks::Bearer, Asks::Nothing, Asks::ProxyBasic];
    for (asks, refuses) in all.into_iter().flat_map(|asks| ENDS.map(|refuses| (asks, refuses))) {
        let what = format!("{asks:?} {refuses:?}");
        let (place, server) = (Place::new(), asks.server(refuses));
        let source = place.write("source.bin", &payload(100_000));
        let client =
            Client::builder().state_directory(place.path("state")).build().expect("client");
        let options = options(asks, &server.url(""));
        let url = match asks {
            Asks::ProxyBasic => "http://far.example/x.bin".to_owned(),
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

/// What a process that uploads is told: the URL, and the file with the secret.
const TOLD: [&str; 2] = ["BITSUP_TEST_URL", "BITSUP_TEST_SECRET"];

/// Run by another; there is nothing to do where it is not told to what.
#[test]
fn in_a_process_of_its_own() {
    let [Ok(url), Ok(file)] = TOLD.map(std::env::var) else { return };
    let secret = || Secret::from_file(&file).expect("a secret");
    let mut options = UploadOptions::default();
    options.allow_cleartext_credentials = true;
    options.credentials = Some(Credentials { user: USER.into(), password: secret() });
    let held = secret();
    let client = Client::new().expect("client");
    let upload = client.upload(Source::bytes(payload(100_000)), &url).options(options);
    upload.start().expect("started").wait().expect("uploaded");
    drop(client);
    let stop = |word: &str| {
        println!("{word}");
        std::io::stdin().read_line(&mut String::new()).expect("told to go on");
    };
    stop("one is held");
    drop(held);
    stop("all is over");
}

/// What of the memory of a process can be written.
fn memory(process: u32) -> Vec<Vec<u8>> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("maps");
    let mut memory = std::fs::File::open(format!("/proc/{process}/mem")).expect("memory");
    let mut parts = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("two ends");
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).expect("a number"));
        let mut part = vec![0; usize::try_from(to - from).expect("it fits")];
        memory.seek(std::io::SeekFrom::Start(from)).expect("a place");
        if memory.read_exact(&mut part).is_ok() {
            parts.push(part);
        }
    }
    parts
}

/// A process that uploads, and stops where its memory is to be searched.
struct Uploading {
    child: Child,
    output: BufReader<ChildStdout>,
    secret: String,
}

impl Uploading {
    fn start(place: &Place, url: String) -> Self {
        let secret = random();
        let file = place.write("secret", secret.as_bytes());
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args(["--exact", "in_a_process_of_its_own", "--nocapture"]);
        let values = [url, file.display().to_string()];
        command.envs(TOLD.into_iter().zip(values)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output, secret }
    }

    /// How often each form of the secret is in its memory when it has come so far.
    fn copies_at(&mut self, word: &str) -> Vec<usize> {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("text") > 0, "it ended");
        }
        let parts = memory(self.child.id());
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("told to go on");
        let count = |form: Vec<u8>| {
            let found = |part: &Vec<u8>| part.windows(form.len()).filter(|at| *at == form).count();
            parts.iter().map(found).sum()
        };
        forms_of(&self.secret).into_iter().map(count).collect()
    }
}

/// As in an image that the system writes of a process which dies.
#[test]
fn no_password_is_in_memory_when_all_is_over() {
    let _rule = bitsup_server::rule!("SEC-10");
    for asks in [Asks::Digest, Asks::Ntlm, Asks::Basic] {
        let (place, server) = (Place::new(), asks.server(Refuses::Never));
        let mut uploading = Uploading::start(&place, server.url("/x"));
        assert!(uploading.copies_at("one is held")[0] > 0, "{asks:?}: the search finds nothing");
        let mut copies = uploading.copies_at("all is over");
        if asks == Asks::Basic {
            // Its header line, in base64, is in buffers that libcurl frees and does not overwrite.
            copies.drain(5..);
        }
        assert!(copies.iter().all(|count| *count == 0), "{asks:?}: {copies:?}");
        uploading.child.wait().expect("ended");
    }
}

/// A secret that stands in no program.
fn random() -> String {
    let mut bytes = [0; 9];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("random");
    BASE64.encode(bytes).replace(['+', '/'], "x")[..11].to_owned()
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
