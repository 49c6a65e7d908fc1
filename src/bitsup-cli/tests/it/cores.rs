//! Of no secret that was used anything is left in the memory of a process whose uploads are over.
//! The process is a program that uses the Rust library with an allocator that does nothing for that;
//! `cores_of_tool.rs` does the same with the tool, and with NTLM.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::asking::{Asks, Refuses, Tunnels};
use crate::common::held::{Held, forms, random_secret, search, stop};
use crate::common::{Place, payload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitsup::{
    Client, CredentialCallback, Credentials, Header, Login, OptionSet, ProxyChoice, Secret, Source,
    UploadOptions,
};
use bitsup_server::{Config, Server, TlsFiles};

const USER: &str = "operator";
/// What the process is told: the kind of secret, the URL, the proxy's, and the folder with all files.
const TOLD: [&str; 4] =
    ["BITSUP_TEST_KIND", "BITSUP_TEST_URL", "BITSUP_TEST_PROXY", "BITSUP_TEST_FOLDER"];

/// Run by the others; there is nothing to do where it is not told to what.
#[test]
fn in_a_process_of_its_own() {
    let [Ok(kind), Ok(url), Ok(proxy), Ok(folder)] = TOLD.map(std::env::var) else { return };
    let folder = Path::new(&folder);
    let secret = || Secret::from_file(folder.join("secret")).expect("a secret");
    let client = Client::builder()
        .options(&OptionSet::new().state_dir(folder.join("state")))
        .build()
        .expect("client");
    let upload = client.upload(Source::bytes(payload(300_000)), &url);
    let upload = upload.options(options(&kind, &proxy, folder, &secret)).start().expect("started");
    println!("uploaded: {}", upload.wait().is_ok());
    drop((upload, client));
    let held = secret();
    stop("one is held");
    drop(held);
    stop("all is over");
}

fn options(kind: &str, proxy: &str, folder: &Path, secret: &dyn Fn() -> Secret) -> UploadOptions {
    let login = || Credentials { user: USER.into(), password: secret() };
    let mut options = UploadOptions::default();
    options.allow_cleartext_credentials = true;
    options.transcript = true;
    options.fragment_size = Some(100_000);
    options.give_up_after = Duration::from_secs(20);
    options.tls.ca_file = Some(folder.join("cert.pem"));
    let file = folder.join("secret");
    match kind {
        "password" => options.credentials = Some(login()),
        "password file" => {
            options.credential_callback = Some(CredentialCallback::password_file(USER, file));
        }
        "callback" => {
            let file = folder.join("secret");
            options.credential_callback = Some(CredentialCallback::new(move |request| {
                let password = Secret::from_file(&file).expect("a secret");
                let user = USER.into();
                (!request.refused).then_some(Login::Password(Credentials { user, password }))
            }));
        }
        "netrc" => {
            let netrc = folder.join("netrc");
            options.credential_callback = Some(CredentialCallback::netrc(netrc, None));
        }
        "token" => options.bearer_token = Some(secret()),
        "token file" => options.credential_callback = Some(CredentialCallback::token_file(file)),
        "header" => {
            let text = std::fs::read_to_string(file).expect("read");
            options.headers.push(Header::new("X-Api-Key", &text).expect("a header").secret());
            // The caller's own copy.
            drop(Secret::new(text));
        }
        "proxy" => {
            options.proxy = ProxyChoice::Url(proxy.to_owned());
            options.no_proxy = Some(String::new());
            options.proxy_credentials = Some(login());
        }
        "key" => {
            options.tls.cert = Some(folder.join("cert.pem"));
            options.tls.key = Some(folder.join("locked.pem"));
            options.tls.key_password = Some(secret());
        }
        other => panic!("no case {other}"),
    }
    options
}

struct Case {
    place: Place,
    secret: String,
}

impl Case {
    /// A place with all files that hold the secret.
    fn new() -> Self {
        let (place, secret) = (Place::new(), random_secret());
        place.write("secret", secret.as_bytes());
        // More than one buffer of those who read line by line.
        let others = "machine other.example login x password y\n".repeat(300);
        let netrc = format!("{others}default login {USER} password {secret}\n{others}");
        place.write("netrc", netrc.as_bytes());
        Self { place, secret }
    }

    /// Runs the process, and searches it.
    #[track_caller]
    fn leaves_nothing(&self, what: &str, kind: &str, url: &str, proxy: &str, works: bool) {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args(["--exact", "cores::in_a_process_of_its_own", "--nocapture"]);
        let folder = self.place.path("").display().to_string();
        let mut held = {
            command.envs(TOLD.into_iter().zip([kind, url, proxy, &folder]));
            Held::start(command)
        };
        held.until(&format!("uploaded: {works}"));
        let copies = held.traces_at("one is held", &self.secret);
        assert!(!copies.is_empty(), "{what}: the search finds nothing");
        let copies = held.traces_at("all is over", &self.secret);
        assert!(copies.is_empty(), "{what}: {copies:#?}");
        held.end();
    }
}

#[test]
fn no_secret_is_in_memory_when_all_is_over() {
    let _rule = bitsup_server::rule!("SEC-10");
    for (kind, asks, refuses) in [
        ("password", Asks::Basic, Refuses::Never),
        ("password", Asks::Basic, Refuses::AtOnce),
        ("password", Asks::Basic, Refuses::AtTheEnd),
        ("password file", Asks::Basic, Refuses::Never),
        ("callback", Asks::Basic, Refuses::Never),
        ("netrc", Asks::Basic, Refuses::Never),
        ("password", Asks::Digest, Refuses::Never),
        ("password", Asks::Digest, Refuses::AtOnce),
        ("token", Asks::Bearer, Refuses::Never),
        ("token", Asks::Bearer, Refuses::AtOnce),
        ("token file", Asks::Bearer, Refuses::Never),
        ("header", Asks::Nothing, Refuses::Never),
        ("proxy", Asks::ProxyBasic, Refuses::Never),
        ("proxy", Asks::ProxyBasic, Refuses::AtOnce),
        ("proxy", Asks::ProxyDigest, Refuses::Never),
        ("proxy", Asks::ProxyNtlm, Refuses::Never),
    ] {
        if !asks.is_known() {
            continue;
        }
        let what = format!("{kind} {asks:?} {refuses:?}");
        let (case, server) = (Case::new(), asks.server(refuses));
        let far = "http://far.example/x".to_owned();
        let url = if asks.is_proxy() { far } else { server.url("/x") };
        case.leaves_nothing(&what, kind, &url, &server.url(""), refuses == Refuses::Never);
        let shown = server.requests().iter().any(|request| {
            ["Authorization", "Proxy-Authorization", "X-Api-Key"]
                .iter()
                .any(|name| request.header(name).len() > 20)
        });
        assert!(shown, "{what}: no login was shown");
    }
}

/// A server with TLS; the passphrase of the key of its certificate is the secret.
fn tls_server(case: &Case, password: Option<&str>) -> (tempfile::TempDir, Server) {
    let place = &case.place;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let cert = place.write("cert.pem", made.cert.pem().as_bytes());
    let key = place.write("key.pem", made.signing_key.serialize_pem().as_bytes());
    let mut openssl = Command::new("openssl");
    openssl.args(["pkcs8", "-topk8", "-in", "key.pem", "-out", "locked.pem"]);
    openssl.args(["-passout", "file:secret"]).current_dir(place.path(""));
    assert!(openssl.status().expect("openssl runs").success());
    let root = tempfile::tempdir().expect("root");
    let config = Config {
        root: root.path().to_owned(),
        tls: Some(TlsFiles { cert, key }),
        basic_auth: password.map(|password| (USER.to_owned(), password.to_owned())),
        ..Config::default()
    };
    (root, Server::start(config).expect("server"))
}

#[test]
fn no_secret_that_went_by_tls_is_in_memory() {
    let _rule = bitsup_server::rule!("SEC-10");
    // Of the passphrase of a PKCS#12 file OpenSSL leaves a part, and the documents say so.
    for (kind, asks) in [("password", true), ("token", false), ("header", false), ("key", false)] {
        let case = Case::new();
        let (_root, server) = tls_server(&case, asks.then_some(&case.secret));
        let url = server.url("/x").replace("127.0.0.1", "localhost");
        case.leaves_nothing(&format!("{kind} by TLS"), kind, &url, "", true);
        let names = ["authorization", "x-api-key"];
        let shown =
            |name: &&str| server.requests().iter().any(|request| request.header(name).is_some());
        assert_eq!(names.iter().any(shown), kind != "key", "{kind}");
    }
}

#[test]
fn no_secret_of_a_tunnel_is_in_memory() {
    let _rule = bitsup_server::rule!("SEC-10");
    for scheme in ["http", "socks5h"] {
        let case = Case::new();
        let (_root, server) = tls_server(&case, None);
        let url = server.url("/x").replace("127.0.0.1", "localhost");
        let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next());
        let port = port.and_then(|port| port.parse().ok()).expect("a port");
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let http = scheme == "http";
        let tunnels = if http { Tunnels::of_http(to) } else { Tunnels::of_socks(to) };
        let proxy = format!("{scheme}://{}", tunnels.address);
        case.leaves_nothing(&format!("{scheme} tunnel"), "proxy", &url, &proxy, true);
        assert!(tunnels.logins() > 0, "{scheme}: no login was shown");
    }
}

/// The search finds what it searches for.
#[test]
fn each_part_of_a_secret_is_found() {
    let secret = random_secret();
    let wanted = forms(&secret);
    let held: Vec<Vec<u8>> = vec![
        secret.as_bytes()[20..30].to_vec(),
        BASE64.encode(format!("operator:{secret}")).as_bytes()[30..45].to_vec(),
        secret.encode_utf16().skip(7).take(5).flat_map(u16::to_le_bytes).collect(),
    ];
    assert!(search(std::process::id(), &wanted).len() > held.len());
}
