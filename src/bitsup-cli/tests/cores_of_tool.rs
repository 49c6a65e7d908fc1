//! Of no secret that was used anything is left in the memory of the tool when it has done its work, and
//! of a program that chose its allocator: `cores.rs` does the same without one.

#[path = "it/common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bitsup::{Client, Credentials, Secret, Source, UploadOptions};
use common::asking::{Asks, Refuses};
use common::held::{Held, forms, is_in, random_secret, stop};
use common::{Place, payload};

/// As the tool has it.
#[global_allocator]
static MEMORY: bitsup::Wiping = bitsup::Wiping;

const USER: &str = "operator";
/// What the tool is told, one word a line. Without any it is the library that uploads.
const WORDS: &str = "BITSUP_TEST_WORDS";
const URL: &str = "BITSUP_TEST_URL";

/// Run by the others; there is nothing to do where it is not told to what.
#[test]
fn in_a_process_of_its_own() {
    let [words, url] = [WORDS, URL].map(std::env::var);
    let done = match (words, url) {
        (Ok(words), _) => {
            let words = ["bitsup"].into_iter().chain(words.lines());
            bitsup_cli::main_with(words.map(Into::into).collect::<Vec<_>>().into_iter()) == 0
        }
        (_, Ok(url)) => upload(&url),
        _ => return,
    };
    println!("uploaded: {done}");
    let held = Secret::from_file("input-secret").expect("a secret");
    stop("one is held");
    drop(held);
    stop("all is over");
}

fn upload(url: &str) -> bool {
    let password = Secret::from_file("input-secret").expect("a secret");
    let mut options = UploadOptions::default();
    options.credentials = Some(Credentials { user: USER.into(), password });
    options.give_up_after = Duration::from_secs(20);
    let client = Client::new().expect("client");
    let upload = client.upload(Source::bytes(payload(100_000)), url).options(options);
    upload.start().expect("started").wait().is_ok()
}

fn place(secret: &str) -> Place {
    let place = Place::new();
    place.write("source.bin", &payload(300_000));
    place.write("input-secret", secret.as_bytes());
    place.write("input-header", format!("X-Api-Key: {secret}\n").as_bytes());
    let netrc = format!("machine 127.0.0.1 login {USER} password {secret}\n");
    place.write("input-netrc", netrc.as_bytes());
    place
}

/// This program, to be run as a process of its own.
fn process(place: &Place) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--exact", "in_a_process_of_its_own", "--nocapture"]);
    command.current_dir(place.path("")).env("HOME", place.path(""));
    command
}

fn search(mut held: Held, place: &Place, what: &str, secret: &str, works: bool) {
    held.until(&format!("uploaded: {works}"));
    let copies = held.traces_at("one is held", secret);
    assert!(!copies.is_empty(), "{what}: the search finds nothing");
    let copies = held.traces_at("all is over", secret);
    assert!(copies.is_empty(), "{what}: {copies:#?}");
    let wanted = forms(secret);
    assert!(!is_in(&held.shown, &wanted), "{what}: {}", String::from_utf8_lossy(&held.shown));
    held.end();
    assert_clean(&place.path(""), &wanted, what);
}

/// Looks into the files that were not written with the secret on purpose.
fn assert_clean(folder: &Path, wanted: &HashSet<u64>, what: &str) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            assert_clean(&path, wanted, what);
        } else if !entry.file_name().to_string_lossy().starts_with("input") {
            let bytes = std::fs::read(&path).expect("read");
            assert!(!is_in(&bytes, wanted), "{what}: {}", path.display());
        }
    }
}

const UPLOAD: [&str; 9] = [
    "upload",
    "--allow-cleartext-credentials",
    "--state-dir=state",
    "--give-up-after=20s",
    "--trace=trace",
    "--record=record",
    "--verbose",
    "--fragment-size=100K",
    "source.bin",
];

#[test]
fn no_secret_of_the_tool_is_in_memory_at_its_end() {
    let _rule = bitsup_server::rule!("SEC-10");
    let user = "--user=operator";
    let file = "--password-file=input-secret";
    let at_proxy = ["--proxy-user=operator", "--proxy-password-file=input-secret"];
    let cases: [(&[&str], Asks, Refuses); 13] = [
        (&[user, file], Asks::Basic, Refuses::Never),
        (&[user, file], Asks::Basic, Refuses::AtOnce),
        (&[user, file], Asks::Digest, Refuses::Never),
        (&[user, file], Asks::Ntlm, Refuses::Never),
        (&[user, file], Asks::Ntlm, Refuses::AtTheEnd),
        (&[user, file], Asks::Negotiate, Refuses::Never),
        (&[user, file], Asks::Negotiate, Refuses::AtOnce),
        (&["--netrc-file=input-netrc"], Asks::Basic, Refuses::Never),
        (&["--token-file=input-secret"], Asks::Bearer, Refuses::Never),
        (&["--token-file=input-secret"], Asks::Bearer, Refuses::AtOnce),
        (&["--header=@input-header"], Asks::Nothing, Refuses::Never),
        (&at_proxy, Asks::ProxyBasic, Refuses::Never),
        (&at_proxy, Asks::ProxyNtlm, Refuses::Never),
    ];
    for (login, asks, refuses) in cases.into_iter().filter(|(_, asks, _)| asks.is_known()) {
        let (secret, server) = (random_secret(), asks.server(refuses));
        let place = place(&secret);
        let (proxy, url) = if asks.is_proxy() {
            (format!("--proxy={}", server.url("")), "http://far.example/x".to_owned())
        } else {
            ("--proxy=".to_owned(), server.url("/x"))
        };
        let words = [&UPLOAD, login, &[&proxy, &url]].concat().join("\n");
        let held = Held::start({
            let mut command = process(&place);
            command.env(WORDS, words);
            command
        });
        search(
            held,
            &place,
            &format!("{login:?} {asks:?} {refuses:?}"),
            &secret,
            refuses == Refuses::Never,
        );
    }
}

#[test]
fn no_password_that_was_typed_is_in_memory_at_the_end() {
    let _rule = bitsup_server::rule!("SEC-10");
    for asks in [Asks::Basic, Asks::Ntlm] {
        let (secret, server) = (random_secret(), asks.server(Refuses::Never));
        let place = place(&secret);
        let url = server.url("/x");
        let words = [&UPLOAD[..], &["--user=operator", "--proxy=", &url]].concat().join("\n");
        let program = process(&place);
        let words_of_program: Vec<_> = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| format!("'{}'", word.display()))
            .collect();
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &words_of_program.join(" "), "/dev/null"]);
        script.current_dir(place.path("")).env("HOME", place.path("")).env(WORDS, words);
        let mut held = Held::start(script);
        held.until("Password for operator: ");
        held.type_line(&secret);
        search(held, &place, &format!("typed {asks:?}"), &secret, true);
    }
}

/// sspi, which makes the answers, leaves a copy.
#[test]
fn no_ntlm_password_is_in_memory_of_a_program_with_this_allocator() {
    let _rule = bitsup_server::rule!("SEC-10");
    for refuses in [Refuses::Never, Refuses::AtOnce] {
        let (secret, server) = (random_secret(), Asks::Ntlm.server(refuses));
        let place = place(&secret);
        let mut command = process(&place);
        command.env(URL, server.url("/x"));
        search(
            Held::start(command),
            &place,
            &format!("{refuses:?}"),
            &secret,
            refuses == Refuses::Never,
        );
    }
}
