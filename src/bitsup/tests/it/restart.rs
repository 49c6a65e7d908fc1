//! Uploads of processes that were killed, and sources that change.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::payload;
use crate::common::peer::{Farm, Peer, Turn, created, ended, files, lost, options, received};
use bitsup::{
    CancelMode, Client, Error, ErrorKind, HostPolicy, OptionSet, Receipt, ReplyTo, Source,
};
use bitsup_server::scripted::Reply;

const SIZE: usize = 3500;
/// One Fragment.
const SHORT: usize = 900;

/// A source and a state directory.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with(SIZE)
    }

    /// A client of this process with the same state directory.
    fn client(&self) -> Client {
        let options = OptionSet::new().state_dir(self.state());
        Client::builder().options(&options).build().expect("client")
    }

    /// The same with a source of that size.
    fn with(size: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("folder") };
        std::fs::write(place.file(), payload(size)).expect("written");
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("x.bin")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A process that uploads the file.
    fn process(&self, url: &str) -> Process {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "restart::upload_of_a_process", "--nocapture"])
            .env("BITSUP_TEST_URL", url)
            .env("BITSUP_TEST_FILE", self.file())
            .env("BITSUP_TEST_STATE", self.state())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        Process(child)
    }

    /// The same upload in this process.
    fn upload(&self, url: &str) -> Result<Receipt, Error> {
        run(&self.file(), &self.state(), url)
    }
}

/// Killed at the end of a test at the latest.
struct Process(Child);

impl Process {
    /// SIGKILL: nothing can be brought in order any more.
    fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn run(file: &Path, state: &Path, url: &str) -> Result<Receipt, Error> {
    let client = Client::builder().options(&OptionSet::new().state_dir(state)).build()?;
    let mut options = options();
    options.host_id = HostPolicy::Any;
    if url.ends_with("reply.bin") {
        options.reply_to = ReplyTo::Memory(1000);
    }
    ended(&client.upload(Source::path(file)?, url).options(options).start()?)
}

/// The process that other tests start and kill; without their variables it does nothing.
#[test]
fn upload_of_a_process() {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (Some(file), Some(state), Ok(url)) = (
        variable("BITSUP_TEST_FILE"),
        variable("BITSUP_TEST_STATE"),
        std::env::var("BITSUP_TEST_URL"),
    ) else {
        return;
    };
    run(&file, &state, &url).expect("uploaded");
}

/// The journal, once there is one.
fn journal_path(state: &Path) -> Option<PathBuf> {
    std::fs::read_dir(state.join("sessions"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
}

/// The journal's line as data.
fn journal(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("read");
    serde_json::from_str(text.lines().next().expect("a line")).expect("json")
}

/// What is in the journal's file, or in the log of the process.
fn noted(place: &Place) -> serde_json::Value {
    if let Some(path) = journal_path(&place.state()) {
        return journal(&path);
    }
    let log = std::fs::read_to_string(log_path(place).expect("a log")).expect("read");
    let line = log.lines().next_back().and_then(|line| line.split_once(' ')).expect("a line");
    let (line, _) = line.1.rsplit_once(' ').expect("a checksum");
    serde_json::from_str(line).expect("json")
}

/// The log of a process, if there is one.
fn log_path(place: &Place) -> Option<PathBuf> {
    let names = std::fs::read_dir(place.state().join("sessions")).ok()?;
    let mut paths = names.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|kind| kind == "log"))
}

/// Waits until the journal's checkpoint holds this: it is written beside the sending.
fn wait_for_journal(place: &Place, field: &str, value: impl Into<serde_json::Value>) -> PathBuf {
    let value = value.into();
    crate::common::peer::wait_until("the journal", || {
        journal_path(&place.state())
            .is_some_and(|path| journal(&path)["checkpoint"][field] == value)
    });
    journal_path(&place.state()).expect("a journal")
}

#[test]
fn a_killed_upload_goes_on_in_its_session_at_the_journals_offset() {
    let _rule = bitsup_server::rule!("RES-01");
    for acknowledged in 1..=3 {
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", acknowledged + 1) => Turn::Answer(Reply::hang()),
            _ => Turn::Serve,
        });
        let place = Place::new();
        let process = place.process(&peer.url());
        peer.wait_for("Fragment", acknowledged + 1);
        wait_for_journal(&place, "offset", acknowledged * 1000);
        process.kill();
        let before = peer.packets().len();
        let receipt = place.upload(&peer.url()).expect("continued");
        assert!(receipt.close_confirmed);
        let packets = peer.packets()[before..].to_vec();
        let probe = format!("Fragment {}", acknowledged * 1000 - 2);
        assert_eq!(packets[..3], ["Ping", &probe, &format!("Fragment {acknowledged}000")]);
        assert_eq!(crate::common::wire::lengths(&peer.raw)[acknowledged + 1], 1, "it is one byte");
        assert_eq!(peer.count("Create-Session"), 1);
        let requests = peer.raw.requests();
        let ids = requests[before + 1..].iter().filter(|request| request.method == "BITS_POST");
        assert!(ids.into_iter().all(|request| request.header("BITS-Session-Id") == "{session-1}"));
        assert_eq!(peer.files(), [payload(SIZE)]);
    }
}

#[test]
fn what_the_server_stored_and_nobody_heard_of_is_not_sent_twice_into_the_file() {
    let _rule = bitsup_server::rule!("RES-01");
    // The server has more than the journal says, or less.
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 3) => Turn::After(Reply::hang()),
        _ => Turn::Serve,
    });
    let place = Place::new();
    let process = place.process(&peer.url());
    peer.wait_for_stored(3);
    wait_for_journal(&place, "offset", 2000);
    process.kill();
    let before = peer.packets().len();
    place.upload(&peer.url()).expect("continued");
    let expected = ["Ping", "Fragment 1998", "Fragment 3000", "Close-Session"];
    assert_eq!(peer.packets()[before..], expected);
    assert_eq!(peer.raw.requests()[before + 1].header("Content-Range"), "bytes 1998-1998/3500");
    assert_eq!(peer.files(), [payload(SIZE)]);
}

/// Two members of a farm on one port, the first of which sends uploads to the second.
fn farm(
    act: impl FnMut(&crate::common::peer::Call<'_>) -> Turn + Send + 'static,
) -> (Farm, Peer, Peer) {
    let bind = |address: &str| std::net::TcpListener::bind(address).expect("a port");
    let (first, second) = (bind("127.0.0.1:0"), bind("127.0.0.2:0"));
    let named = second.local_addr().expect("address").to_string();
    let farm = Farm::default();
    let origin = Peer::member(&farm, first, move |call| match call.packet {
        "Create-Session" => Turn::After(created("{session-1}").header("BITS-Host-Id", &named)),
        _ => Turn::Serve,
    });
    let node = Peer::member(&farm, second, act);
    (farm, origin, node)
}

#[test]
fn the_host_id_survives_a_kill() {
    let _rule = bitsup_server::rule!("RES-04");
    let (farm, origin, node) = farm(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let place = Place::new();
    let process = place.process(&origin.url());
    node.wait_for("Fragment", 2);
    wait_for_journal(&place, "offset", 1000);
    process.kill();
    let before = node.packets().len();
    place.upload(&origin.url()).expect("continued");
    assert_eq!(origin.packets(), ["Create-Session"]);
    assert_eq!(node.packets()[before], "Ping");
    assert_eq!(files(&farm, &[&origin, &node]), [payload(SIZE)]);
}

#[test]
fn the_reply_url_survives_a_kill_and_the_reply_is_fetched_before_the_close() {
    let _rule = bitsup_server::rule!("RES-04");
    let (_, origin, node) = farm(|call| match call {
        call if call.request.header("Content-Range").contains("3499/") => {
            Turn::After(received(SIZE as u64).header("BITS-Reply-URL", "/the/reply"))
        }
        call if call.is("GET", 1) => Turn::Answer(Reply::hang()),
        call if call.packet == "GET" => Turn::Answer(Reply::status(200, "OK").body("thanks")),
        _ => Turn::Serve,
    });
    let url = origin.raw.url("/up/reply.bin");
    let place = Place::new();
    let process = place.process(&url);
    node.wait_for("GET", 1);
    wait_for_journal(&place, "reply_url", "/the/reply");
    process.kill();
    let before = node.packets().len();
    let receipt = place.upload(&url).expect("continued");
    assert_eq!(receipt.reply.as_deref(), Some(&b"thanks"[..]));
    assert_eq!(node.packets()[before..], ["Ping", "GET", "Close-Session"]);
    assert_eq!(node.raw.requests()[before + 1].target, "/the/reply");
    assert_eq!(origin.packets(), ["Create-Session"]);
}

#[test]
fn a_session_in_use_by_another_process_is_not_touched() {
    let _rule = bitsup_server::rule!("RES-05");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let place = Place::new();
    let process = place.process(&peer.url());
    peer.wait_for("Fragment", 2);
    wait_for_journal(&place, "offset", 1000);
    let before = peer.packets();
    let error = place.upload(&peer.url()).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::SessionInUse, "{error}");
    let client = Client::builder()
        .options(&OptionSet::new().state_dir(place.state()))
        .build()
        .expect("client");
    let session = client.sessions().expect("listed").remove(0).expect("readable");
    assert!(session.in_use);
    let error = client.cancel_session(&session.id, &options()).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::SessionInUse, "{error}");
    assert_eq!(client.forget_session(&session.id).expect_err("in use").kind(), error.kind());
    assert_eq!(peer.packets(), before);
    process.kill();
    place.upload(&peer.url()).expect("free again");
    assert_eq!(peer.files(), [payload(SIZE)]);
}

#[test]
fn a_session_whose_answer_never_came_is_listed_as_one_that_may_exist() {
    let peer = || {
        Peer::start(|call| match call {
            call if call.is("Create-Session", 1) => Turn::Answer(Reply::hang()),
            _ => Turn::Serve,
        })
    };
    let killed = |peer: &Peer| {
        let place = Place::new();
        let client = place.client();
        let listed = || client.sessions().expect("listed").remove(0).expect("readable");
        let process = place.process(&peer.url());
        peer.wait_for("Create-Session", 1);
        assert!(listed().in_use && listed().may_be_left);
        process.kill();
        let session = listed();
        assert!(!session.in_use && session.may_be_left, "{session:?}");
        assert_eq!((session.size, session.acknowledged), (SIZE as u64, 0));
        assert_eq!((session.path, session.url), (place.file(), peer.url()));
        assert_eq!(
            client.export(&session.id).expect_err("unknown").kind(),
            ErrorKind::InvalidArgument
        );
        (place, client, session.id)
    };
    let first = peer();
    let (_place, client, id) = killed(&first);
    let error = client.cancel_session(&id, &options()).expect_err("its id is not known");
    assert!(error.may_be_left() && error.kind() == ErrorKind::Refused, "{error}");
    assert!(client.sessions().expect("listed").is_empty());
    assert_eq!(
        client.cancel_session(&id, &options()).expect_err("gone").kind(),
        ErrorKind::InvalidArgument
    );
    let second = peer();
    let (_place, client, id) = killed(&second);
    client.forget_session(&id).expect("forgotten");
    assert!(client.sessions().expect("listed").is_empty());
    assert_eq!((first.count("Cancel-Session"), second.count("Cancel-Session")), (0, 0));
    let third = peer();
    let (_place, client, id) = killed(&third);
    let upload = client.resume(&id).expect("begins anew").options(options()).start();
    let receipt = ended(&upload.expect("started")).expect("uploaded");
    assert!(receipt.warnings.iter().any(|line| line.contains("orphaned session")), "{receipt:?}");
    assert_eq!(third.files(), [payload(SIZE)]);
    assert!(client.sessions().expect("listed").is_empty());
}

#[test]
fn killed_before_the_close_ack_the_upload_pings_closes_and_decides_as_ever() {
    let _rule = bitsup_server::rule!("RES-06");
    // One of several Fragments has a file, a short one a line in a log.
    let sizes = [SIZE, SHORT].into_iter();
    let ends = [(false, true), (false, false), (true, true), (true, false)];
    for (size, (worked, there)) in sizes.flat_map(|size| ends.map(|end| (size, end))) {
        let peer = Peer::start(move |call| match call.packet {
            "Create-Session" => {
                Turn::After(created("{session-1}").header("Date", "Mon, 18 Jun 2007 21:01:56 GMT"))
            }
            "Close-Session" if call.nth == 1 && worked => Turn::After(Reply::hang()),
            "Close-Session" if call.nth == 1 => Turn::Answer(Reply::hang()),
            "Close-Session" if worked => Turn::Answer(lost(404)),
            "HEAD" if there => Turn::Answer(
                Reply::status(200, "OK")
                    .without_length()
                    .header("Content-Length", &size.to_string())
                    .header("Last-Modified", "Fri, 31 Dec 2100 00:00:00 GMT"),
            ),
            _ => Turn::Serve,
        });
        let place = Place::with(size);
        let process = place.process(&peer.url());
        peer.wait_for("Close-Session", 1);
        assert!(size == SIZE || journal_path(&place.state()).is_none());
        assert_eq!(noted(&place)["checkpoint"]["closing"], true, "it was noted before it went out");
        process.kill();
        let before = peer.packets().len();
        let result = place.upload(&peer.url());
        let packets = peer.packets()[before..].to_vec();
        // The Ack of a second Close-Session does not tell what the first one did.
        assert_eq!(packets, ["Ping", "Close-Session", "HEAD"]);
        match (worked, there) {
            (false, true) => {
                let receipt = result.expect("closed");
                assert!(receipt.close_confirmed && receipt.verified);
            }
            (true, true) => {
                let receipt = result.expect("it is there");
                assert!(!receipt.close_confirmed && receipt.verified);
            }
            (_, false) => {
                let error = result.expect_err("no proof");
                assert_eq!(error.kind(), ErrorKind::VerifyFailed, "{error}");
            }
        }
        assert_eq!(peer.count("Create-Session"), 1);
        assert_eq!(peer.files(), [payload(size)]);
    }
}

#[test]
fn what_a_killed_process_has_noted_in_its_log_is_continued() {
    let _rules = [bitsup_server::rule!("RES-01"), bitsup_server::rule!("RES-05")];
    for is_stored in [false, true] {
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 1) && is_stored => Turn::After(Reply::hang()),
            call if call.is("Fragment", 1) => Turn::Answer(Reply::hang()),
            _ => Turn::Serve,
        });
        let place = Place::with(SHORT);
        let client = place.client();
        let listed = || client.sessions().expect("listed").remove(0).expect("readable");
        let process = place.process(&peer.url());
        peer.wait_for_stored(1);
        assert_eq!(journal_path(&place.state()), None);
        let log = log_path(&place).expect("a log");
        assert!(listed().in_use && !listed().may_be_left);
        let error = place.upload(&peer.url()).expect_err("in use");
        assert_eq!(error.kind(), ErrorKind::SessionInUse, "{error}");
        // Another upload leaves the log of a living process alone.
        let other =
            client.upload(Source::path(place.file()).expect("source"), &peer.raw.url("/up/y"));
        ended(&other.options(options()).start().expect("started")).expect("uploaded");
        assert!(log.exists());
        process.kill();
        let session = listed();
        assert!(!session.in_use && !session.may_be_left, "{session:?}");
        assert_eq!((session.size, session.acknowledged), (SHORT as u64, 0));
        let before = peer.packets().len();
        let receipt = place.upload(&peer.url()).expect("continued");
        assert!(receipt.close_confirmed && receipt.warnings.is_empty(), "{receipt:?}");
        assert_eq!(peer.packets()[before..][..2], ["Ping", "Fragment 1"], "{is_stored}");
        assert_eq!(peer.count("Create-Session"), 2, "{is_stored}");
        assert_eq!(peer.files(), [payload(SHORT), payload(SHORT)]);
        assert!(!log.exists() && client.sessions().expect("listed").is_empty());
    }
}

#[test]
fn a_journal_that_was_tampered_with_is_refused_without_a_packet() {
    let _rule = bitsup_server::rule!("RES-07");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let place = Place::new();
    let process = place.process(&peer.url());
    peer.wait_for("Fragment", 2);
    let path = wait_for_journal(&place, "offset", 1000);
    process.kill();
    // What was noted of the session would do instead.
    std::fs::remove_file(log_path(&place).expect("a log")).expect("removed");
    let good = std::fs::read(&path).expect("read");
    let entry = journal(&path);
    let sealed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut entry = entry.clone();
        change(&mut entry);
        let line = entry.to_string();
        let checksum = xxhash_rust::xxh3::xxh3_64(line.as_bytes());
        format!("{line}\n{checksum:016x}\n").into_bytes()
    };
    let mut mutations: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n\n".to_vec(),
        vec![0xff; 4096],
        sealed(&|entry| entry["version"] = 99.into()),
        sealed(&|entry| entry["url"] = "ftp://x/y".into()),
        sealed(&|entry| entry["checkpoint"]["offset"] = 1_000_000.into()),
        sealed(&|entry| entry["checkpoint"]["session_id"] = "a\r\nX: y".into()),
        sealed(&|entry| entry["checkpoint"]["host_id"] = "a/b".into()),
        sealed(&|entry| entry["insecure"] = true.into()),
        sealed(&|entry| entry["identity"] = serde_json::Value::Null),
    ];
    for at in (0..good.len()).step_by(good.len() / 40) {
        mutations.push(good[..at].to_vec());
        let mut altered = good.clone();
        altered[at] ^= 1;
        mutations.push(altered);
    }
    let before = peer.packets();
    for mutation in &mutations {
        std::fs::write(&path, mutation).expect("written");
        let error = place.upload(&peer.url()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::LocalFile, "{error}");
        assert_eq!(std::fs::read(&path).expect("read"), *mutation, "it is left as it is");
    }
    assert_eq!(peer.packets(), before);
    let left: Vec<_> = std::fs::read_dir(place.folder.path())
        .expect("listed")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left.len(), 2, "no file outside of the state directory: {left:?}");
    std::fs::write(&path, &good).expect("written");
    place.upload(&peer.url()).expect("the good one is still good");
}

#[test]
fn the_same_call_continues_fresh_cancels_first_and_others_start_anew() {
    let _rule = bitsup_server::rule!("RES-08");
    let place = Place::new();
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
        // The third one is the probe of the run that resumes.
        call if call.is("Fragment", 5) => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let client = Client::builder()
        .options(&OptionSet::new().state_dir(place.state()))
        .build()
        .expect("client");
    let begin = |url: &str, file: &Path, fresh: bool| {
        let mut options = options();
        options.fresh = fresh;
        let source = Source::path(file).expect("source");
        client.upload(source, url).options(options).start().expect("started")
    };
    let upload = begin(&peer.url(), &place.file(), false);
    peer.wait_for("Fragment", 2);
    upload.cancel(CancelMode::Keep);
    ended(&upload).expect_err("stopped");

    // The same again: the same session; interrupted once more.
    let before = peer.packets().len();
    let upload = begin(&peer.url(), &place.file(), false);
    peer.wait_for("Fragment", 5);
    upload.cancel(CancelMode::Keep);
    ended(&upload).expect_err("stopped");
    let expected = ["Ping", "Fragment 998", "Fragment 1000", "Fragment 2000"];
    assert_eq!(peer.packets()[before..], expected);

    // Another URL and another source: sessions of their own.
    for (url, name) in [(peer.raw.url("/up/y.bin"), "x.bin"), (peer.url(), "z.bin")] {
        let file = place.folder.path().join(name);
        std::fs::write(place.folder.path().join("z.bin"), payload(10)).expect("written");
        let before = peer.packets().len();
        ended(&begin(&url, &file, false)).expect("uploaded");
        assert_eq!(peer.packets()[before], "Create-Session");
    }
    assert_eq!(peer.open_sessions(), 1, "the first one is still kept");

    let before = peer.packets().len();
    ended(&begin(&peer.url(), &place.file(), true)).expect("uploaded");
    assert_eq!(
        peer.packets()[before..before + 3],
        ["Cancel-Session", "Create-Session", "Fragment 0"]
    );
    assert_eq!(peer.open_sessions(), 0);
}
