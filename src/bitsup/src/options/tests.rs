//! What headers, addresses and options refuse, and that the table says what is so.

use bitsup_proto::explain::Reader;

use std::net::IpAddr;

use super::*;
use crate::error::ErrorKind;

#[test]
fn headers_cannot_smuggle_anything_in() {
    let _rule = bitsup_server::rule!("SEC-02");
    for (name, value) in [
        ("X-A", "b\r\nX-B: c"),
        ("X-A", "b\nc"),
        ("X-A", "b\u{0}"),
        ("X-A", "b\u{7f}"),
        ("X A", "b"),
        ("X:A", "b"),
        ("", "b"),
        ("X\r\nY", "b"),
        ("Content-Length", "5"),
        ("BITS-Session-Id", "x"),
        ("Host", "x"),
    ] {
        let error = Header::new(name, value).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(!error.to_string().contains(['\r', '\n']), "{error}");
    }
    assert!(Header::new("X-A", &"b".repeat(4097)).is_err());
    assert!(Header::new("X-A", &"b".repeat(4096)).is_ok());
    assert!(Header::new("X-A", "").is_ok());
}

#[test]
fn addresses_are_read_as_curl_writes_them() {
    let read = Resolve::parse("h.example:8443:127.0.0.2,[::1],::2").expect("legal");
    let addresses: [IpAddr; 3] =
        ["127.0.0.2", "::1", "::2"].map(|text| text.parse().expect("address"));
    assert_eq!((read.host.as_str(), read.port), ("h.example", 8443));
    assert_eq!(read.addresses, addresses);
    for text in [
        "",
        "h",
        "h:1",
        "h:1:",
        "h:0:1.2.3.4",
        "h:x:1.2.3.4",
        ":1:1.2.3.4",
        "h:1:g",
        "1.2.3.4:1:1.2.3.4",
        "h:1:1.2.3.4,",
    ] {
        let error = Resolve::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let many = vec!["1.2.3.4"; 17].join(",");
    assert!(Resolve::parse(&format!("h:1:{many}")).is_err());
}

#[test]
fn a_ticket_is_for_proxies_over_https() {
    let password = Secret::new("unused");
    let options = |url: &str| UploadOptions {
        proxy: ProxyChoice::Url(url.to_owned()),
        proxy_auth: AuthChoice::Negotiate,
        proxy_credentials: Some(Credentials { user: "u".into(), password: password.clone() }),
        ..UploadOptions::default()
    };
    let error = options("http://proxy:3128").check(true).expect_err("no name");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(options("https://proxy:3128").check(true).is_ok());
    let basic = UploadOptions { proxy_auth: AuthChoice::Basic, ..options("http://proxy") };
    assert!(basic.check(true).is_ok());
}

#[test]
fn without_a_login_negotiate_takes_the_ticket() {
    let with = |auth| UploadOptions { auth, ..UploadOptions::default() };
    assert!(with(AuthChoice::Any).with_ticket().credentials.is_none());
    let [first, second] = [(), ()].map(|()| with(AuthChoice::Negotiate).with_ticket());
    assert!(first.credentials.as_ref().is_some_and(Credentials::is_ticket));
    assert!(first.credentials != second.credentials, "a refused one may be renewed outside");
    let callback = Some(CredentialCallback::new(|_| None));
    let asking = UploadOptions { credential_callback: callback, ..with(AuthChoice::Negotiate) };
    assert!(asking.with_ticket().credentials.is_none());
    let kerberos = crate::features::features().kerberos;
    let checked = with(AuthChoice::Negotiate).check(true);
    assert_eq!(checked.is_ok(), kerberos, "{checked:?}");
}

#[test]
fn secrets_are_not_shown() {
    let header = Header::new("X-Key", "hunter2").expect("legal").secret();
    let credentials = Credentials { user: "u".into(), password: Secret::new("hunter2") };
    let options = UploadOptions {
        headers: vec![header],
        credentials: Some(credentials),
        ..UploadOptions::default()
    };
    assert!(!format!("{options:?}").contains("hunter2"));
}

#[test]
fn secret_headers_need_https_or_a_word() {
    let _rule = bitsup_server::rule!("LOG-03");
    let plain = |name: &str| Header::new(name, "hunter2").expect("legal");
    for header in [
        plain("X-Key").secret(),
        plain("Authorization"),
        plain("proxy-authorization"),
        plain("COOKIE"),
    ] {
        let mut options = UploadOptions::default();
        options.headers.push(header);
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = options.check(false).expect_err("refused over plain http");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(options.check(true).is_ok());
        options.allow_cleartext_credentials = true;
        assert!(options.check(false).is_ok());
    }
    let mut options = UploadOptions::default();
    options.headers.push(plain("X-Key"));
    assert!(options.check(false).is_ok());
}

fn option(name: &str) -> &'static OptionRow {
    option_by_name(name).unwrap_or_else(|| panic!("there is no option {name}"))
}

fn with(pairs: &[(&str, &str)]) -> Result<(UploadOptions, ClientOptions), Error> {
    let (mut client, mut own) = (OptionSet::new(), OptionSet::new());
    for (name, text) in pairs {
        let of_client = option(name).scope == OptionScope::Client;
        if of_client { &mut client } else { &mut own }.set_by_name(name, text)?;
    }
    Ok((own.upload_options(None)?, client.client_options()?))
}

#[test]
fn numbers_and_names_of_options_are_unique_and_in_order() {
    let mut last = 0;
    for row in OPTIONS {
        assert!(row.id > last && row.id < 2000, "{}: numbers ascend", row.name);
        last = row.id;
        assert_eq!(option_by_name(row.name), Some(row));
        assert_eq!(option_by_id(row.id), Some(row));
        assert!(
            row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
        );
        // The tool leaves the s out.
        assert!(!row.list || row.name.ends_with('s') || row.name == "resolve", "{}", row.name);
        assert_eq!(row.choices.is_some(), row.kind == OptionKind::Choice, "{}", row.name);
        assert!(!CALLBACKS.iter().any(|callback| callback.name == row.name));
    }
    let mut numbers: Vec<i64> =
        CHOICES.iter().flat_map(|set| set.choices.iter().map(|choice| choice.number)).collect();
    assert!(numbers.iter().all(|number| *number > 2000));
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "a number is one choice");
}

/// Numbers are part of the ABI: this is the list of those that were given away.
#[test]
fn numbers_of_options_stay() {
    let mut written: Vec<String> =
        OPTIONS.iter().map(|row| format!("{} {}", row.id, row.name)).collect();
    for set in CHOICES {
        let choices = set.choices.iter();
        written.extend(
            choices.map(|choice| format!("{} {}={}", choice.number, set.name, choice.word)),
        );
    }
    let written = written.join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/options/numbers.txt");
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        std::fs::write(&file, written).expect("written");
        return;
    }
    let there = std::fs::read_to_string(&file).expect("readable");
    assert_eq!(there, written, "bless new ones with BITSUP_BLESS=1; none may change");
}

/// What more there is to know of the value.
fn remarks(row: &OptionRow) -> String {
    let mut text = String::new();
    if row.list {
        text += " Each call adds one.";
    }
    match row.choices {
        Some(set) => {
            let words: Vec<String> =
                set.choices.iter().map(|choice| format!("`{}`", choice.word)).collect();
            text.extend([" One of ", &words.join(", "), "."]);
        }
        None if row.kind == OptionKind::Size => text += " In bytes.",
        None if row.kind == OptionKind::Rate => text += " As text: `5M` is 5 MiB a second.",
        None => {}
    }
    if row.unlimited {
        text += match row.kind {
            OptionKind::Duration => " `Duration::MAX` is unlimited.",
            OptionKind::Rate => " `off` is unlimited.",
            _ => " [`crate::UNLIMITED`] is a value.",
        };
    }
    if let Some(default) = row.default {
        text.extend([" Default: `", default, "`."]);
    }
    if row.scope == OptionScope::Client {
        text += " Of the client.";
    }
    text
}

/// A doc comment of short lines. Brackets and angles of the table's texts are no links and no tags.
fn comment(text: &str) -> String {
    let escaped = text.replace('<', "\\<").replace("[,", "\\[,");
    let mut lines = vec![String::new()];
    for word in escaped.split(' ') {
        // A variable of the environment.
        let (name, end) = word.split_at(word.trim_end_matches([',', '.', ';']).len());
        let is_name = name.contains('_') && !name.contains(['`', '[']);
        let word = if is_name { format!("`{name}`{end}") } else { word.to_owned() };
        let line = lines.last_mut().expect("one");
        if !line.is_empty() && line.chars().count() + word.chars().count() > 88 {
            lines.push(word);
        } else {
            let space = if line.is_empty() { "" } else { " " };
            line.extend([space, &word]);
        }
    }
    lines.iter().fold(String::new(), |text, line| text + "    /// " + line + "\n")
}

#[test]
fn the_builder_has_every_option() {
    let mut text = String::from(
        "//! A method for each option: made from the table, never edited.\n\nuse super::set::setters;\n\nsetters! {\n",
    );
    for row in OPTIONS {
        text += &comment(&(row.doc_for(Reader::Rust) + &remarks(row)));
        text.extend(["    ", row.name, ": ", &format!("{:?}", row.kind), ",\n"]);
    }
    text += "}\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/options/builder.rs");
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        std::fs::write(&file, text).expect("written");
        return;
    }
    let there = std::fs::read_to_string(&file).expect("readable");
    assert_eq!(there, text, "options/builder.rs is stale: bless it with BITSUP_BLESS=1");
}

#[test]
fn what_a_builder_is_given_arrives_and_what_it_refuses_is_kept() {
    let built = OptionSet::new()
        .user("u")
        .password("p")
        .ca_file("/ca")
        .headers("A", "1")
        .headers("B", "2")
        .insecure(true)
        .if_exists("skip")
        .connect_timeout(Duration::from_millis(1500))
        .limit_rate("5M")
        .max_fragment(70_000);
    let mut named = OptionSet::new();
    for (name, text) in [
        ("user", "u"),
        ("password", "p"),
        ("ca_file", "/ca"),
        ("headers", "A: 1"),
        ("headers", "B: 2"),
        ("insecure", "true"),
        ("if_exists", "skip"),
        ("connect_timeout", "1500ms"),
        ("limit_rate", "5M"),
        ("max_fragment", "70000"),
    ] {
        named.set_by_name(name, text).expect(name);
    }
    for row in OPTIONS {
        assert_eq!(built.get(row), named.get(row), "{}", row.name);
    }
    let refused = [
        (OptionSet::new().if_exists("perhaps"), "if_exists"),
        (OptionSet::new().max_fragment(-1), "max_fragment"),
        (OptionSet::new().headers("Host", "x"), "Host"),
        (OptionSet::new().ca_file(""), "ca_file"),
    ];
    for (options, word) in refused {
        let error = options.check().expect_err(word);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(OptionSet::new().ca_file("").ca_file("/ca").check().is_ok());
}

#[test]
fn texts_name_options_that_exist() {
    for row in OPTIONS {
        let text = row.doc_for(Reader::C);
        assert!(!text.is_empty() && !text.contains(['{', '}']), "{}: {text}", row.name);
        assert!(text.ends_with('.') || text.ends_with('"'), "{}: {text}", row.name);
        assert!(!row.doc.contains("--"), "{}: the tool's language", row.name);
    }
    let text = option("password_file").doc_for(Reader::Tool);
    assert!(text.contains("password"), "{text}");
    assert_eq!(option("trusted_hosts").name_for(Reader::Tool), "--trusted-host");
    assert_eq!(option("ca_file").name_for(Reader::C), "BITSUP_OPTION_CA_FILE");
    assert!(option("key_password").doc_for(Reader::Tool).contains("--key"));
}

/// The defaults of the table are those of an upload when nothing is set.
#[test]
fn defaults_of_the_table_are_those_of_uploads() {
    let plain = format!("{:#?}", UploadOptions::default());
    let mut set = OptionSet::new();
    for row in OPTIONS.iter().filter(|row| row.scope != OptionScope::Client) {
        if let Some(default) = row.default {
            let value = row.parse(default).expect(row.name);
            row.check(&value).expect(row.name);
            set.set(row, value).expect(row.name);
        }
        if let Some(text) = row.tool_default {
            row.check(&row.parse(text).expect(row.name)).expect(row.name);
        }
    }
    let upload = set.upload_options(None).expect("defaults work");
    assert_eq!(format!("{upload:#?}"), plain);
    let (_, client) = with(&[("limit_rate", "unlimited"), ("dispatch", "false")]).expect("client");
    assert_eq!(client, ClientOptions::default());
}

/// Each row changes something, and no field of the options is without a row.
#[test]
fn every_option_has_its_effect() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "secret\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let pin = format!("sha256//{}=", "A".repeat(43));
    let shown = |(upload, client): (UploadOptions, ClientOptions)| {
        let secret = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
        let login = |login: &Option<Credentials>| {
            login.as_ref().map(|login| format!("{} {}", login.user, login.password.expose()))
        };
        format!(
            "{upload:#?}{client:#?}{:?}{:?}{:?}{:?}",
            login(&upload.credentials),
            login(&upload.proxy_credentials),
            secret(&upload.bearer_token),
            secret(&upload.tls.key_password),
        )
    };
    for row in OPTIONS {
        let needs: &[(&str, &str)] = match row.name {
            "user" => &[("password", "p")],
            "password" | "password_file" => &[("user", "u")],
            "proxy_user" => &[("proxy_password", "p")],
            "proxy_password" | "proxy_password_file" => &[("proxy_user", "u")],
            "key" | "key_password" | "key_password_file" => &[("cert", file)],
            _ => &[],
        };
        let mut before = needs.to_vec();
        match row.name {
            "user" => before.push(("user", "other")),
            "proxy_user" => before.push(("proxy_user", "other")),
            "password" | "password_file" => before.push(("password", "other")),
            "proxy_password" | "proxy_password_file" => before.push(("proxy_password", "other")),
            _ => {}
        }
        let text = match (row.name, row.kind) {
            ("limit_rate", _) => "3M",
            ("proxy", _) => "http://proxy:3128",
            ("pinned_public_key", _) => &pin,
            ("resolve", _) => "a.example:80:127.0.0.1",
            (_, OptionKind::Text | OptionKind::Secret) => "x",
            (_, OptionKind::Path) => file,
            (_, OptionKind::Header) => "X-Test: value",
            (_, OptionKind::Flag) => "true",
            (_, OptionKind::Choice) => row.choices.expect("a choice").choices[1].word,
            _ => "7K",
        };
        let text =
            if matches!(row.kind, OptionKind::Count | OptionKind::Duration) { "7" } else { text };
        let mut pairs = needs.to_vec();
        pairs.push((row.name, text));
        // The scopes of one set are those of its options.
        let other = with(&before);
        let (Ok(before), Ok(after)) = (other, with(&pairs)) else { panic!("{}", row.name) };
        assert_ne!(shown(before), shown(after), "{} does nothing", row.name);
    }
}

#[test]
fn what_can_never_work_is_refused_at_once_and_kept() {
    for (name, text) in [
        ("pinned_public_key", "sha256//short"),
        ("pinned_public_key", "key.pem"),
        ("proxy", "::::"),
        ("proxy", "http://u:hunter2@proxy"),
        ("resolve", "a.example:80"),
        ("user", "u:hunter2"),
        ("headers", "Content-Length: 1"),
        ("headers", "no colon"),
        ("limit_rate", "25:00-26:00=1M"),
        ("limit_rate", "0"),
        ("max_attempts", "0"),
        ("max_attempts", "x"),
        ("connect_timeout", "0"),
        ("connect_timeout", "-1"),
        ("auth", "kerberos"),
        ("proxy_auth", "bearer"),
        ("fresh", "maybe"),
        ("ca_file", ""),
        ("user_agent", "a\nb"),
    ] {
        let mut set = OptionSet::new();
        let error = set.set_by_name(name, text).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().contains(name), "{name}: {error}");
        assert!(!error.message().contains("hunter2"), "{error}");
        assert_eq!(set.check().expect_err(name).message(), error.message());
        assert!(set.client_options().is_err() && set.upload_options(None).is_err());
        set.reset(option(name));
        assert!(set.check().is_ok());
    }
    let mut set = OptionSet::new();
    let error = set.set_by_name("no_such", "1").expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(set.check().is_err());
    // A setter of another kind, and numbers that are none of the choice.
    for (name, value) in [
        ("user", OptionValue::Number(1)),
        ("fresh", OptionValue::Text("x".into())),
        ("fresh", OptionValue::Number(2)),
        ("fresh", OptionValue::None),
        ("auth", OptionValue::Number(0)),
        ("verify", OptionValue::Number(2001)),
        ("max_bytes", OptionValue::Number(-1)),
        ("fragment_size", OptionValue::Number(UNLIMITED)),
        ("note", OptionValue::Text("a\0b".into())),
    ] {
        assert!(OptionSet::new().set(option(name), value).is_err(), "{name}");
    }
    assert!(OptionSet::new().add(option("user"), OptionValue::Text("x".into())).is_err());
}

#[test]
fn relations_are_judged_at_the_start() {
    for pairs in [
        &[("min_fragment", "2M"), ("max_fragment", "1M")][..],
        &[("user", "u")],
        &[("password", "p")],
        &[("proxy_user", "u")],
        &[("key", "/dev/null")],
        &[("auth", "bearer")],
        &[("netrc_file", "/dev/null"), ("user", "u"), ("password", "p")],
        &[("auth", "bearer"), ("token", "t"), ("user", "u"), ("password", "p")],
    ] {
        let error = with(pairs).expect_err("a relation");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    for file in ["ca_file", "netrc_file"] {
        let error = with(&[(file, "/no/such/file")]).expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::LocalFile);
    }
    let error = with(&[("ca_file", "/no/such/file")]).expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert!(error.message().contains("/no/such/file (ca_file)"), "{error}");
    let mut set = OptionSet::new();
    set.set_by_name("state_dir", "/tmp").expect("a path");
    assert!(set.client_options().is_ok());
    let error = set.upload_options(None).expect_err("of the client");
    assert!(error.message().contains("state_dir"), "{error}");
    let mut set = OptionSet::new();
    set.set_by_name("reply", "/tmp/r").expect("a path");
    assert!(set.client_options().is_err(), "of an upload");
}

#[test]
fn an_uploads_options_win_and_its_lists_replace() {
    let mut client = OptionSet::new();
    let mut own = OptionSet::new();
    for (name, text) in [
        ("state_dir", "/tmp"),
        ("trusted_hosts", "a"),
        ("trusted_hosts", "b"),
        ("headers", "X-A: client"),
        ("secret_headers", "X-B: client"),
        ("proxy", "http://proxy"),
        ("note", "client"),
        ("sha256", "true"),
    ] {
        client.set_by_name(name, text).expect(name);
    }
    own.set_by_name("trusted_hosts", "c").expect("text");
    own.set_by_name("headers", "x-b: own").expect("header");
    own.set(option("proxy"), OptionValue::None).expect("none is a state");
    let all = OptionSet::for_upload(&client, &own);
    let upload = all.upload_options(None).expect("the client's own are left out");
    assert_eq!(upload.trusted_hosts, ["c"]);
    assert_eq!(format!("{:?}", upload.headers), "[x-b: own]");
    assert_eq!(upload.proxy, ProxyChoice::Direct);
    assert_eq!(upload.note.as_deref(), Some("client"));
    assert!(upload.sha256);
    own.reset(option("proxy"));
    let upload = OptionSet::for_upload(&client, &own).upload_options(None).expect("inherited");
    assert_eq!(upload.proxy, ProxyChoice::Url("http://proxy".into()));
    own.set(option("trusted_hosts"), OptionValue::None).expect("an empty list");
    let upload = OptionSet::for_upload(&client, &own).upload_options(None).expect("empty");
    assert!(upload.trusted_hosts.is_empty());
}

#[test]
fn a_good_value_clears_an_error_and_merging_carries_it() {
    let mut set = OptionSet::new();
    assert!(set.set_by_name("max_attempts", "0").is_err());
    let mut other = OptionSet::new();
    other.merge(&set);
    assert!(other.check().is_err());
    assert!(set.clone().check().is_err());
    set.set_by_name("max_attempts", "4").expect("good");
    assert!(set.check().is_ok());
    other.merge(&set);
    assert!(other.check().is_ok(), "what is set wins");
    // A good element does not hide one that is missing.
    assert!(set.set_by_name("headers", "bad").is_err());
    set.set_by_name("headers", "X-A: b").expect("good");
    assert!(set.check().is_err());
}

#[test]
fn numbers_have_no_value_for_nothing() {
    for (name, unlimited) in [("max_attempts", true), ("max_time", true), ("give_up_after", false)]
    {
        let mut set = OptionSet::new();
        let taken = set.set(option(name), OptionValue::Number(UNLIMITED)).is_ok();
        assert_eq!(taken, unlimited, "{name}");
    }
    assert_eq!(option("give_up_after").default_number(), Some(900_000));
    assert_eq!(option("max_fragment").default_number(), Some(28 << 20));
    assert_eq!(option("fragment_size").default_number(), Some(0));
}

/// What advice names are options of the table, written in the same way.
#[test]
fn advice_names_options_of_the_table() {
    let _rule = bitsup_server::rule!("OUT-05");
    for named in crate::explain::NAMES {
        if named.naming == crate::explain::Naming::Call {
            continue;
        }
        let row = option(named.id);
        for reader in [Reader::Tool, Reader::C, Reader::Python] {
            assert_eq!(row.name_for(reader), named.name_for(None, reader));
        }
        assert_eq!(row.naming(), named.naming, "{}", row.name);
    }
}

/// The reference for readers of all languages.
#[test]
fn the_reference_is_that_of_the_table() {
    const GROUPS: [(i32, &str); 10] = [
        (100, "Login"),
        (200, "TLS"),
        (300, "Proxy and connection"),
        (400, "Time-outs"),
        (500, "Retries and limits"),
        (600, "Sending"),
        (700, "Server"),
        (800, "Reply"),
        (900, "Resuming"),
        (1000, "Program"),
    ];
    let mut text = vec![
        "# Options".to_owned(),
        String::new(),
        "For users of every language. Made from `src/bitsup/src/options/table.rs`. An option has the same name everywhere: `ca_file` is".to_owned(),
        "`--ca-file`, `BITSUP_OPTION_CA_FILE`, `options::ca_file` in C++ and `ca_file=` in Python. The tool takes one value of a".to_owned(),
        "list at a time and leaves the s out: `--trusted-host`. Sizes are written `5M`, durations `10m` (in seconds without a".to_owned(),
        "unit; C takes bytes and milliseconds). Options of the *client* hold for all its uploads.".to_owned(),
    ];
    for (group, title) in GROUPS {
        text.extend([String::new(), format!("## {title}"), String::new()]);
        text.push("| option | takes | default | |".to_owned());
        text.push("|---|---|---|---|".to_owned());
        let of = |row: &&OptionRow| row.id / 100 * 100 == group;
        for row in OPTIONS.iter().filter(of) {
            let mut takes = row.choices.map_or(row.kind.name().to_owned(), |set| {
                let words = set.choices.iter().map(|choice| format!("`{}`", choice.word));
                words.collect::<Vec<_>>().join(", ")
            });
            if row.list {
                takes = format!("list of {takes}s");
            }
            if row.scope == OptionScope::Client {
                takes += ", of the client";
            }
            let mut default = row.default.unwrap_or_default().to_owned();
            if let Some(own) = row.tool_default {
                default.extend([" (tool: ", own, ")"]);
            }
            let doc = row.doc_for(Reader::Rust).replace('|', "\\|");
            text.push(format!("| `{}` | {takes} | {default} | {doc} |", row.name));
        }
    }
    for set in CHOICES {
        text.extend([String::new(), format!("## Words of `{}`", set.name), String::new()]);
        for choice in set.choices {
            text.push(format!("- `{}`: {}", choice.word, options_named(choice.doc, Reader::Rust)));
        }
    }
    let text = text.join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/options.md");
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        std::fs::write(&file, text).expect("written");
        return;
    }
    let there = std::fs::read_to_string(&file).expect("readable");
    assert_eq!(there, text, "docs/options.md is stale: bless it with BITSUP_BLESS=1");
}

#[test]
fn a_netrc_file_answers_for_its_hosts_and_for_the_user_that_is_set() {
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), "machine h login a password pa\nmachine h login b password pb")
        .expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let request = crate::CredentialRequest {
        site: "https://h".into(),
        proxy: false,
        realm: None,
        schemes: Vec::new(),
        user: None,
        refused: false,
        expiring: false,
        attempt: 1,
    };
    for (user, expected) in [(None, "a"), (Some("b"), "b")] {
        let mut pairs = vec![("netrc_file", path)];
        pairs.extend(user.map(|user| ("user", user)));
        let (options, _) = with(&pairs).expect("readable");
        assert_eq!(options.credentials, None);
        match options.credential_callback.and_then(|callback| callback.ask(&request)) {
            Some(crate::Login::Password(login)) => assert_eq!(login.user, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_name_that_is_misspelled_gets_the_right_one() {
    for (wrong, right) in [
        ("fragment_sise", Some("fragment_size")),
        ("fragmentsize", Some("fragment_size")),
        ("ca-file", Some("ca_file")),
        ("if_exist", Some("if_exists")),
        ("colour", None),
        ("", None),
        ("9999", None),
    ] {
        let error = OptionSet::default().set_by_name(wrong, "1").expect_err(wrong).to_string();
        let near = right.map(|right| format!(": did you mean {right}?")).unwrap_or_default();
        assert!(error.ends_with(&format!(" has no option {wrong}{near}")), "{error}");
    }
    let long = format!("ca_file{}", "x".repeat(1_000_000));
    let error = OptionSet::default().set_by_name(&long, "1").expect_err("no option");
    assert!(!error.to_string().contains("did you mean"));
}
