//! squid between client and server: forwarding, tunnels, logins.

use bitsup::{AuthChoice, Credentials, ErrorKind, ProxyChoice, Secret, UploadOptions};
use bitsup_server::{Config, TlsFiles};

use crate::common::peer::{upload, wait_until};
use crate::common::pki::Authority;
use crate::common::program::{Place, Program, adapted, installed};
use crate::common::wire::with;
use crate::common::{Setup, packets, payload};

const SQUID: &str = include_str!("conf/squid.conf");

/// A squid with TLS on its second port. `tunnels_to` is a port for CONNECT.
pub(crate) fn squid(tunnels_to: u16) -> Option<(Program, Authority)> {
    squid_with(tunnels_to, &[])
}

fn squid_with(tunnels_to: u16, more: &[(&str, &str)]) -> Option<(Program, Authority)> {
    let hash = password_hash()?;
    let authority = Authority::new("Proxies");
    let own = authority.issue("localhost");
    let program = Program::start("squid", 2, |place| {
        let users = place.write("users", format!("u:{hash}\n"));
        let places = [
            ("http_port 3128", &*listening(place, &own.cert, &own.key)),
            ("/etc/squid/users", &users),
            ("port 443", &format!("port {tunnels_to}")),
        ];
        let folder = place.path().display();
        // One process, which writes nothing outside of the folder and ends at once.
        let around = format!(
            "\nvisible_hostname proxy.example\npid_filename none\ncache deny all\nnetdb_filename none\n\
             cache_log {folder}/cache.log\n\
             logformat logins %Ss/%03>Hs %rm %ru login=%{{Proxy-Authorization}}>h\n\
             access_log stdio:{folder}/access.log logformat=logins\n\
             coredump_dir {folder}\nshutdown_lifetime 0 seconds\npinger_enable off\n"
        );
        let config = adapted(&adapted(SQUID, &places), more) + &around;
        let config = place.write("squid.conf", config);
        ["-N", "-n", "bitsup", "-f", &config].map(str::to_owned).to_vec()
    })?;
    Some((program, authority))
}

fn listening(place: &Place, cert: &str, key: &str) -> String {
    let both = place.write("proxy.pem", format!("{cert}{key}"));
    let (plain, tls) = (place.port(0), place.port(1));
    format!("http_port 127.0.0.1:{plain}\nhttps_port 127.0.0.1:{tls} tls-cert={both}")
}

fn password_hash() -> Option<String> {
    let mut command = std::process::Command::new(installed("openssl")?);
    let output = command.args(["passwd", "-apr1", "hunter2"]).output().expect("openssl");
    Some(String::from_utf8(output.stdout).expect("text").trim().to_owned())
}

pub(crate) fn through(proxy: &str, login: Option<(&str, &str)>) -> UploadOptions {
    with(|o| {
        o.fragment_size = Some(300_000);
        o.proxy = ProxyChoice::Url(proxy.to_owned());
        o.no_proxy = Some(String::new());
        o.proxy_credentials = login.map(|(user, password)| Credentials {
            user: user.to_owned(),
            password: Secret::new(password),
        });
    })
}

/// Checks how often squid saw a wrong login, and that it saw none at least so often: a connection that is lost brings
/// another request without one. It writes its log after its answer, in the order of the requests.
fn assert_refusals(squid: &Program, without: usize, wrong: usize) {
    let count = |shown: bool| {
        let logs = squid.logs();
        let refused = logs.lines().filter(|line| line.contains("TCP_DENIED/407"));
        refused.filter(|line| line.ends_with("login=-") != shown).count()
    };
    wait_until("squid's log of all requests", || count(false) >= without && count(true) >= wrong);
    assert_eq!(count(true), wrong, "{}", squid.logs());
}

#[test]
fn forwarded_requests_pass_with_a_login() {
    let _rule = bitsup_server::rule!("AUT-02", "AUT-03");
    let setup = Setup::new(&[]);
    let Some((squid, _)) = squid(443) else { return };
    let proxy = format!("http://{}", squid.address(0));
    let bytes = payload(1_000_000);

    let receipt = upload(&setup.url("x"), &bytes, through(&proxy, Some(("u", "hunter2"))));
    assert_eq!(receipt.expect("uploaded").fragments, 4);
    assert!(setup.published("x") == bytes);
    // One Ping without the login, and no body.
    assert_refusals(&squid, 1, 0);
    let requests = setup.server.requests();
    assert!(requests.iter().all(|r| r.header("proxy-authorization").is_none()));
    assert_eq!(packets(&requests)[..2], ["Ping", "Create-Session"]);

    let error = upload(&setup.url("y"), &bytes, through(&proxy, None)).expect_err("no login");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::ProxyAuth, Some(407)), "{error}");
    assert_refusals(&squid, 2, 0);
    assert_eq!(setup.server.requests().len(), requests.len());
}

#[test]
fn a_wrong_password_is_shown_to_the_proxy_once() {
    let _rule = bitsup_server::rule!("AUT-03");
    let (setup, tls, ca) = servers();
    let Some((squid, _)) = squid(tls.address().port()) else { return };
    let proxy = format!("http://{}", squid.address(0));
    let client = bitsup::Client::new().expect("client");
    for (url, refusals) in [(setup.url("x"), 1), (tls.url("/x"), 2)] {
        for _ in 0..4 {
            let mut options = through(&proxy, Some(("u", &format!("wrong for {url}"))));
            options.tls.ca_file = Some(ca.path().join("ca.pem"));
            let source = bitsup::Source::bytes(payload(10));
            let upload = client.upload(source, &url).options(options).start().expect("started");
            let error = crate::common::peer::ended(&upload).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{error}");
        }
        // Each of the four is refused without a login first; one of them shows the password.
        assert_refusals(&squid, 4 * refusals, refusals);
    }
    assert_eq!(setup.server.requests().len() + tls.requests().len(), 0);
}

#[test]
fn tunnels_lead_to_servers_over_tls() {
    let _rule = bitsup_server::rule!("AUT-02");
    let (_setup, tls, ca) = servers();
    let Some((squid, authority)) = squid(tls.address().port()) else { return };
    std::fs::write(ca.path().join("proxies.pem"), &authority.pem).expect("written");
    let bytes = payload(1_000_000);
    let over_http = format!("http://{}", squid.address(0));
    let over_tls = format!("https://localhost:{}", squid.address(1).port());
    for (name, proxy) in [("one", &over_http), ("two", &over_tls)] {
        let mut options = through(proxy, Some(("u", "hunter2")));
        options.tls.ca_file = Some(ca.path().join("ca.pem"));
        options.tls.proxy_ca_file = Some(ca.path().join("proxies.pem"));
        options.proxy_auth = AuthChoice::Basic;
        let receipt = upload(&tls.url(&format!("/{name}")), &bytes, options).expect(name);
        assert_eq!(receipt.fragments, 4);
        assert!(std::fs::read(ca.path().join("root").join(name)).expect("published") == bytes);
    }
    let requests = tls.requests();
    assert!(requests.iter().all(|r| r.header("proxy-authorization").is_none()));

    // A proxy that cannot be trusted is not asked for anything.
    let mut options = through(&over_tls, Some(("u", "hunter2")));
    options.tls.ca_file = Some(ca.path().join("ca.pem"));
    options.tls.insecure = true;
    let error = upload(&tls.url("/x"), &bytes, options).expect_err("not trusted");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");

    // squid makes tunnels to one port only.
    let mut options = through(&over_http, Some(("u", "hunter2")));
    options.tls.ca_file = Some(ca.path().join("ca.pem"));
    let error = upload("https://127.0.0.1:1/x", &bytes, options).expect_err("no tunnel");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.message().contains("proxy") && error.message().contains("403"), "{error}");
    assert!(error.advice().contains("CONNECT"), "{}", error.advice());
    assert_eq!(tls.requests().len(), requests.len());
}

#[test]
fn uploads_at_a_time_through_a_proxy_over_tls_keep_their_connections() {
    let setup = Setup::new(&[]);
    let Some((squid, authority)) = squid(443) else { return };
    let folder = tempfile::tempdir().expect("folder");
    let ca = folder.path().join("proxies.pem");
    std::fs::write(&ca, &authority.pem).expect("written");
    let proxy = format!("https://localhost:{}", squid.address(1).port());
    let client = bitsup::Client::new().expect("client");
    let bytes = payload(2_000_000);
    let uploads: Vec<_> = (0..4)
        .map(|number| {
            let mut options = through(&proxy, Some(("u", "hunter2")));
            options.fragment_size = Some(200_000);
            options.tls.proxy_ca_file = Some(ca.clone());
            let source = bitsup::Source::bytes(bytes.clone());
            let url = setup.url(&number.to_string());
            client.upload(source, &url).options(options).start().expect("started")
        })
        .collect();
    for upload in &uploads {
        let receipt = crate::common::peer::ended(upload).expect("uploaded");
        // Uploads that shared a connection would lose it all the time; squid may drop one once.
        assert!(receipt.retries <= 1 && receipt.fragments <= 11, "{receipt:?}");
    }
    for number in 0..4 {
        assert!(setup.published(&number.to_string()) == bytes);
    }
}

/// A server without and one with TLS, whose authority is in the folder.
fn servers() -> (Setup, bitsup_server::Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let authority = Authority::new("Servers");
    let own = authority.issue("127.0.0.1");
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).expect("written");
    let path = own.write(folder.path(), "server.pem");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("root");
    let tls = Some(TlsFiles { cert: path.clone(), key: path });
    let server = bitsup_server::Server::start(Config { root, tls, ..Config::default() });
    (Setup::new(&[]), server.expect("server"), folder)
}

#[test]
fn a_method_that_squid_denies_is_explained() {
    let setup = Setup::new(&[]);
    let Some((squid, _)) = squid_with(443, &[(" BITS_POST\n", "\n")]) else { return };
    let options = through(&format!("http://{}", squid.address(0)), Some(("u", "hunter2")));
    let error = upload(&setup.url("x"), &payload(10), options).expect_err("denied");
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Refused, Some(403)), "{error}");
    assert!(error.message().contains("squid"), "{error}");
    assert!(error.advice().contains("method BITS_POST"), "{}", error.advice());
    assert!(setup.server.requests().is_empty());
}
