//! The folder of resume state, and sources that may have changed since they were sent.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::common::payload;
use crate::common::peer::{
    Peer, Turn, ended, options, received, settle, wait_for_state, wait_until,
};
use bitsup::{
    CancelMode, Client, Error, ErrorKind, OptionSet, Receipt, Source, UploadOptions, UploadState,
};
use bitsup_server::scripted::{Latch, Reply};

const SIZE: usize = 3500;
/// A user that is not ours, where we are root.
const UNPRIVILEGED: u32 = 65534;

/// A source and a state directory.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("folder") };
        fs::write(place.file(), payload(SIZE)).expect("written");
        place
    }

    /// Places of which the sources are hashed, made ahead since that takes a while.
    fn settled(count: usize) -> Vec<Self> {
        let places: Vec<Self> = (0..count).map(|_| Self::new()).collect();
        for place in &places {
            settle(&place.file());
        }
        places
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("x.bin")
    }

    fn sessions(&self) -> PathBuf {
        self.path("state/sessions")
    }

    fn client(&self) -> Client {
        Client::builder()
            .options(&OptionSet::new().state_dir(self.path("state")))
            .build()
            .expect("client")
    }

    fn upload(&self, url: &str, options: UploadOptions) -> Result<Receipt, Error> {
        let source = Source::path(self.file())?;
        ended(&self.client().upload(source, url).options(options).start()?)
    }

    /// Uploads until the second Fragment, which must hang, and keeps the session.
    fn interrupt(&self, peer: &Peer) {
        let source = Source::path(self.file()).expect("source");
        let upload = self.client().upload(source, &peer.url()).options(options()).start();
        let upload = upload.expect("started");
        peer.wait_for("Fragment", 2);
        upload.cancel(CancelMode::Keep);
        assert!(ended(&upload).expect_err("stopped").is_resumable());
    }

    /// The journal, once there is one.
    fn journal(&self) -> Option<PathBuf> {
        let mut names = fs::read_dir(self.sessions()).ok()?.filter_map(Result::ok);
        let is_journal = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "json");
        names.find_map(|entry| Some(entry.path()).filter(is_journal))
    }

    /// The file with the locks of all sessions.
    fn lock(&self) -> PathBuf {
        self.sessions().join("lock")
    }

    /// A file of the session that the journal is about, or the log of a dead process.
    fn of_session(&self, kind: &str) -> PathBuf {
        if kind == "log" {
            return self.sessions().join("0123456789abcdef.log");
        }
        self.journal().expect("a session").with_extension(kind)
    }

    /// Waits until the journal has hashes of `length` bytes.
    fn wait_for_hashes(&self, length: u64) {
        let wanted = format!("\"tail_length\":{length},");
        wait_until("hashes in the journal", || {
            let text = self.journal().and_then(|path| fs::read_to_string(path).ok());
            text.is_some_and(|text| text.contains(&wanted))
        });
    }

    /// Changes the journal, with the right checksum.
    fn edit(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let path = self.of_session("json");
        let text = fs::read_to_string(&path).expect("read");
        let mut entry = serde_json::from_str(text.lines().next().expect("a line")).expect("json");
        change(&mut entry);
        let line = entry.to_string();
        let checksum = xxhash_rust::xxh3::xxh3_64(line.as_bytes());
        fs::write(path, format!("{line}\n{checksum:016x}\n")).expect("written");
    }

    /// All files of the folder: name, content, inode and time stamp.
    fn listing(&self) -> BTreeMap<PathBuf, (Vec<u8>, u64, i64)> {
        let files = fs::read_dir(self.sessions()).expect("listed");
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("entry").path();
            let metadata = fs::metadata(&path).expect("there");
            let content = fs::read(&path).expect("read");
            (path, (content, metadata.ino(), metadata.mtime_nsec()))
        };
        files.map(file).collect()
    }
}

/// A peer that never answers the second Fragment.
fn hanging() -> Peer {
    Peer::start(|call| match call {
        call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    })
}

fn required() -> UploadOptions {
    let mut options = options();
    options.require_resume = true;
    options
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

/// Puts something else in the place of a file.
type Planted = (&'static str, fn(&Place, &Path));

/// A file whose content must survive.
fn victim(place: &Place) -> PathBuf {
    let path = place.path("victim");
    fs::write(&path, "precious").expect("written");
    path
}

const PLANTED: [Planted; 4] = [
    ("link", |place, path| symlink(victim(place), path).expect("link")),
    ("link to nothing", |place, path| symlink(place.path("nothing"), path).expect("link")),
    ("pipe", |_, path| pipe(path)),
    ("folder", |_, path| fs::create_dir(path).expect("folder")),
];

// ---- the folder ------------------------------------------------------------

#[test]
fn a_folder_that_others_could_alter_is_refused_and_the_upload_goes_on_without() {
    let _rule = bitsup_server::rule!("JRN-01");
    let mut folders: Vec<Planted> = vec![
        ("a link", |place, path| {
            fs::create_dir(place.path("elsewhere")).expect("folder");
            symlink(place.path("elsewhere"), path).expect("link");
        }),
        ("others may write", |_, path| {
            fs::create_dir(path).expect("folder");
            fs::set_permissions(path, fs::Permissions::from_mode(0o1777)).expect("permissions");
        }),
        ("a file", |_, path| fs::write(path, "").expect("file")),
    ];
    if is_root() {
        folders.push(("another user's", |_, path| {
            fs::create_dir(path).expect("folder");
            std::os::unix::fs::chown(path, Some(UNPRIVILEGED), None).expect("given away");
        }));
    }
    for (what, make) in folders {
        let (place, peer) = (Place::new(), Peer::plain());
        fs::create_dir(place.path("state")).expect("folder");
        make(&place, &place.sessions());
        let error = place.upload(&peer.url(), required()).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::LocalFile, "{what}: {error}");
        assert_eq!(peer.packets().len(), 0, "{what}");
        let receipt = place.upload(&peer.url(), options()).expect(what);
        assert!(receipt.warnings.iter().any(|text| text.contains("sessions")), "{receipt:?}");
        assert_eq!(peer.files(), [payload(SIZE)], "{what}");
        if let Ok(left) = fs::read_dir(place.sessions()) {
            assert_eq!(left.count(), 0, "{what}");
        }
        assert!(place.client().sessions().is_err(), "{what}");
    }
}

#[test]
fn the_folder_is_private_and_what_is_above_it_does_not_matter() {
    let _rule = bitsup_server::rule!("JRN-01");
    let (place, peer) = (Place::new(), hanging());
    fs::create_dir(place.path("real")).expect("folder");
    fs::set_permissions(place.path("real"), fs::Permissions::from_mode(0o777)).expect("mode");
    symlink(place.path("real"), place.path("state")).expect("link");
    place.interrupt(&peer);
    let mode = fs::metadata(place.path("real/sessions")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    place.upload(&peer.url(), required()).expect("continued");
    assert_eq!(peer.count("Create-Session"), 1);
}

#[test]
fn what_is_planted_for_a_lock_is_refused_and_never_written_to() {
    let _rule = bitsup_server::rule!("JRN-01");
    for (what, plant) in PLANTED {
        let (place, peer) = (Place::new(), hanging());
        place.interrupt(&peer);
        let lock = place.lock();
        fs::remove_file(&lock).expect("removed");
        plant(&place, &lock);
        let before = peer.packets();
        let error = place.upload(&peer.url(), required()).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::LocalFile, "{what}: {error}");
        assert_eq!(peer.packets(), before, "{what}");
        let receipt = place.upload(&peer.url(), options()).expect(what);
        assert!(receipt.warnings.iter().any(|text| text.contains("/lock:")), "{receipt:?}");
        assert!(!place.path("nothing").exists(), "{what}");
        assert!(
            !place.path("victim").exists()
                || fs::read(place.path("victim")).expect("read") == b"precious"
        );
    }
}

#[test]
fn a_hard_link_for_a_lock_an_entry_or_a_note_never_harms_the_file_behind() {
    let _rule = bitsup_server::rule!("JRN-01");
    for kind in ["lock", "json", "intent", "log"] {
        let planted = |place: &Place| match kind {
            "lock" => place.lock(),
            _ => place.of_session(kind),
        };
        let (place, peer) = (Place::new(), hanging());
        place.interrupt(&peer);
        let path = planted(&place);
        let _ = fs::remove_file(&path);
        fs::hard_link(victim(&place), &path).expect("link");
        let mut options = options();
        options.fresh = kind == "json";
        place.upload(&peer.url(), options).expect(kind);
        assert_eq!(fs::read(place.path("victim")).expect("read"), b"precious", "{kind}");
        // The locks stay where they are, all else is replaced.
        let names = if kind == "lock" { 2 } else { 1 };
        assert_eq!(fs::metadata(place.path("victim")).expect("there").nlink(), names, "{kind}");
        if is_root() {
            // The same, but another user's.
            let (place, peer) = (Place::new(), hanging());
            place.interrupt(&peer);
            let path = planted(&place);
            let _ = fs::remove_file(&path);
            let victim = victim(&place);
            std::os::unix::fs::chown(&victim, Some(UNPRIVILEGED), None).expect("given away");
            fs::hard_link(&victim, &path).expect("link");
            let error = place.upload(&peer.url(), required()).expect_err(kind);
            assert!(error.to_string().contains("another user"), "{error}");
            assert_eq!(fs::read(&victim).expect("read"), b"precious", "{kind}");
        }
    }
}

#[test]
fn what_is_planted_for_an_entry_or_a_note_is_neither_followed_nor_waited_for() {
    let _rule = bitsup_server::rule!("JRN-01");
    for kind in ["json", "intent", "log"] {
        for (what, plant) in PLANTED {
            let (place, peer) = (Place::new(), hanging());
            place.interrupt(&peer);
            let path = place.of_session(kind);
            let _ = fs::remove_file(&path);
            plant(&place, &path);
            let error = place.upload(&peer.url(), required()).expect_err(what);
            assert_eq!(error.kind(), ErrorKind::LocalFile, "{kind}, {what}: {error}");
            let receipt = place.upload(&peer.url(), options()).expect(what);
            assert!(!receipt.warnings.is_empty(), "{kind}, {what}: {receipt:?}");
            assert!(fs::symlink_metadata(&path).is_ok(), "{kind}, {what}: it is left as it is");
            assert!(!place.path("nothing").exists(), "{kind}, {what}");
            let victim = place.path("victim");
            assert!(!victim.exists() || fs::read(victim).expect("read") == b"precious");
            let listed = place.client().sessions().expect("listed");
            assert!(listed.iter().any(Result::is_err), "{kind}, {what}: {listed:?}");
        }
    }
}

// ---- listing and clocks ----------------------------------------------------

#[test]
fn listing_alters_nothing_and_no_clock_cancels_a_session() {
    let _rule = bitsup_server::rule!("JRN-02");
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let (now, day) = (unix.as_secs(), 24 * 3600);
    // Written by a clock that was right while ours is 15 days ahead, at 1970, or the other way.
    for updated in [now - 15 * day, now + 50 * 365 * day, 0, u64::MAX] {
        let (place, peer) = (Place::new(), hanging());
        place.interrupt(&peer);
        place.edit(|entry| {
            entry["updated"] = updated.into();
            entry["begun"] = updated.into();
            entry["checkpoint"]["created"] = updated.into();
        });
        let (before, sent) = (place.listing(), peer.packets());
        let client = place.client();
        let listed = client.sessions().expect("listed");
        let session = listed.first().expect("one").as_ref().expect("readable");
        assert_eq!((session.updated, session.in_use), (updated, false));
        client.shutdown();
        assert_eq!((place.listing(), peer.packets()), (before, sent.clone()), "{updated}");
        place.upload(&peer.url(), options()).expect("continued");
        assert_eq!(peer.packets()[sent.len()], "Ping", "{updated}");
        assert_eq!((peer.count("Create-Session"), peer.count("Cancel-Session")), (1, 0));
        assert_eq!(peer.files(), [payload(SIZE)]);
    }
}

#[test]
fn a_restart_of_an_earlier_run_is_no_reason_for_a_warning() {
    let (place, peer) = (Place::new(), hanging());
    place.interrupt(&peer);
    place.edit(|entry| entry["checkpoint"]["restarts"] = 1.into());
    let receipt = place.upload(&peer.url(), options()).expect("continued");
    assert_eq!((receipt.restarts, receipt.warnings), (1, Vec::<String>::new()));
}

#[test]
fn listing_makes_no_folder_and_sees_what_runs() {
    let _rule = bitsup_server::rule!("JRN-02");
    let (place, peer) = (Place::new(), hanging());
    assert!(place.client().sessions().expect("listed").is_empty());
    assert!(!place.path("state").exists());
    let client = place.client();
    let source = Source::path(place.file()).expect("source");
    let upload = client.upload(source, &peer.url()).options(options()).start().expect("started");
    peer.wait_for("Fragment", 2);
    let listed = place.client().sessions().expect("listed");
    assert!(listed[0].as_ref().expect("readable").in_use);
    assert_eq!(listed[0].as_ref().expect("readable").id, upload.resume_id().expect("kept"));
    upload.cancel(CancelMode::Delete);
    ended(&upload).expect_err("cancelled");
}

// ---- what cannot be written ------------------------------------------------

#[test]
fn a_first_write_that_fails_ends_an_upload_that_must_be_kept() {
    let _rule = bitsup_server::rule!("JRN-04");
    let vanishing = |place: &Place, packet: &'static str| {
        let sessions = place.sessions();
        Peer::start(move |call| {
            if call.is(packet, 1) {
                fs::remove_dir_all(&sessions).expect("removed");
            }
            match call.packet {
                "HEAD" => Turn::Answer(Reply::status(404, "Not Found")),
                _ => Turn::Serve,
            }
        })
    };
    // Nothing is there when the session is to be noted, or when it is to be written.
    for (packet, last) in [("HEAD", "HEAD"), ("Create-Session", "Cancel-Session")] {
        let place = Place::new();
        let peer = vanishing(&place, packet);
        let mut options = required();
        options.if_exists = bitsup::IfExists::Fail;
        let error = place.upload(&peer.url(), options).expect_err(packet);
        assert_eq!(error.kind(), ErrorKind::LocalFile, "{error}");
        assert!(error.to_string().contains("resume state"), "{error}");
        assert!(!error.is_resumable());
        // A Fragment that was under way may be told after what ended it.
        let packets = peer.packets();
        let mut others = packets.iter().filter(|packet| !packet.starts_with("Fragment"));
        assert_eq!(others.next_back().map(String::as_str), Some(last), "{packets:?}");
        assert_eq!((peer.open_sessions(), peer.files().len()), (0, 0));

        let place = Place::new();
        let peer = vanishing(&place, packet);
        let mut options = self::options();
        options.if_exists = bitsup::IfExists::Fail;
        let receipt = place.upload(&peer.url(), options).expect("it goes on without");
        // A session that was noted may be over before more is written of it.
        let is_told = receipt.warnings.iter().any(|text| text.contains("resume state"));
        assert!(is_told || packet == "Create-Session", "{receipt:?}");
        assert_eq!(peer.files(), [payload(SIZE)]);
    }
}

// ---- sources that may have changed between two runs --------------------------

/// What is done to a source or its journal.
type Alteration = (&'static str, fn(&Place));

fn set_modified(path: &Path, to: SystemTime) {
    let file = fs::File::options().write(true).open(path).expect("open");
    file.set_modified(to).expect("time");
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).expect("there").modified().expect("time")
}

/// Overwrites a byte in place and sets the time stamp back, as `touch -r` does.
fn overwrite(path: &Path, at: u64) {
    let then = modified(path);
    let mut byte = [0];
    fs::File::open(path).expect("open").read_exact_at(&mut byte, at).expect("read");
    let file = fs::File::options().write(true).open(path).expect("open");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
    drop(file);
    set_modified(path, then);
}

/// Moves the change time and nothing else.
fn touch(path: &Path) {
    let before = fs::metadata(path).expect("there").ctime_nsec();
    wait_until("another change time", || {
        set_modified(path, modified(path));
        fs::metadata(path).expect("there").ctime_nsec() != before
    });
}

const BENIGN: [Alteration; 5] = [
    ("change time", |place| touch(&place.file())),
    ("mode", |place| {
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).expect("mode");
    }),
    ("inode", |place| {
        let (file, copy) = (place.file(), place.path("copy"));
        fs::copy(&file, &copy).expect("copied");
        set_modified(&copy, modified(&file));
        fs::rename(copy, file).expect("renamed");
    }),
    ("device", |place| {
        place.edit(|entry| entry["identity"]["device"] = 424_242.into());
    }),
    ("an entry without change time", |place| {
        place.edit(|entry| {
            entry["identity"].as_object_mut().expect("an object").remove("changed");
        });
    }),
];

#[test]
fn the_same_bytes_under_another_device_inode_or_change_time_are_continued() {
    let _rule = bitsup_server::rule!("RES-02");
    for (place, (what, alter)) in Place::settled(BENIGN.len()).into_iter().zip(BENIGN) {
        let peer = hanging();
        place.interrupt(&peer);
        alter(&place);
        let before = peer.packets().len();
        let receipt = place.upload(&peer.url(), options()).expect(what);
        assert_eq!(receipt.restarts, 0, "{what}");
        assert_eq!(peer.packets()[before], "Ping", "{what}");
        assert_eq!((peer.count("Create-Session"), peer.count("Cancel-Session")), (1, 0), "{what}");
        assert_eq!(peer.files(), [payload(SIZE)], "{what}");
    }
}

#[test]
fn hashes_of_nothing_continue_no_session_of_a_source_that_may_be_another_one() {
    // The server has stored a part and could not say so.
    let lost = || {
        Peer::start(|call| match call {
            call if call.is("Fragment", 1) => Turn::After(Reply::hang()),
            _ => Turn::Serve,
        })
    };
    let alterations: [Alteration; 3] = [
        ("untouched", |_| {}),
        ("change time", |place| touch(&place.file())),
        ("overwritten", |place| overwrite(&place.file(), 500)),
    ];
    for (what, alter) in alterations {
        let (place, peer) = (Place::new(), lost());
        let source = Source::path(place.file()).expect("source");
        let upload = place.client().upload(source, &peer.url()).options(options()).start();
        let upload = upload.expect("started");
        peer.wait_for_stored(1);
        upload.cancel(CancelMode::Keep);
        assert!(ended(&upload).expect_err("stopped").is_resumable());
        alter(&place);
        let before = peer.packets().len();
        let receipt = place.upload(&peer.url(), options()).expect(what);
        let anew = ["Cancel-Session", "Create-Session", "Fragment 0"];
        assert_eq!(peer.packets()[before..before + 3] == anew, what != "untouched", "{what}");
        assert_eq!((receipt.restarts, receipt.warnings.len()), (0, 0), "{what}: nothing is lost");
        assert_eq!(peer.files(), [fs::read(place.file()).expect("read")], "{what}");
    }
}

#[test]
fn other_bytes_under_the_same_size_and_time_stamp_are_refused() {
    let _rule = bitsup_server::rule!("RES-02");
    let alterations: [Alteration; 2] = [
        ("in place", |place| overwrite(&place.file(), 500)),
        ("a copy", |place| {
            let (file, copy) = (place.file(), place.path("copy"));
            fs::copy(&file, &copy).expect("copied");
            set_modified(&copy, modified(&file));
            fs::rename(copy, &file).expect("renamed");
            overwrite(&file, 500);
        }),
    ];
    for (place, (what, alter)) in Place::settled(alterations.len()).into_iter().zip(alterations) {
        let peer = hanging();
        place.interrupt(&peer);
        alter(&place);
        let before = peer.packets().len();
        let error = place.upload(&peer.url(), options()).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{what}: {error}");
        assert_eq!(error.hresult().map(|code| code.0), Some(0x8020_001D));
        assert_eq!(peer.packets()[before..], ["Cancel-Session"], "{what}");
    }
}

#[test]
fn where_the_hashes_do_not_reach_equal_numbers_continue_and_others_begin_anew() {
    let _rule = bitsup_server::rule!("RES-02", "JRN-03");
    let lags = |place: &Place| {
        place.edit(|entry| {
            entry["prefix"] = serde_json::json!({"blocks": [], "tail_length": 0, "tail": 0});
        });
    };
    let (place, peer) = (Place::new(), hanging());
    place.interrupt(&peer);
    lags(&place);
    let before = peer.packets().len();
    let receipt = place.upload(&peer.url(), options()).expect("continued");
    assert_eq!((receipt.restarts, peer.packets()[before].as_str()), (0, "Ping"));
    assert_eq!((peer.count("Create-Session"), peer.files()), (1, vec![payload(SIZE)]));

    for (what, alter) in BENIGN {
        let (place, peer) = (Place::new(), hanging());
        place.interrupt(&peer);
        lags(&place);
        alter(&place);
        let before = peer.packets().len();
        let receipt = place.upload(&peer.url(), options()).expect(what);
        assert_eq!(receipt.restarts, 1, "{what}");
        assert!(receipt.warnings.iter().any(|text| text.contains("hashes")), "{receipt:?}");
        let sent = peer.packets();
        assert_eq!(sent[before..before + 3], ["Cancel-Session", "Create-Session", "Fragment 0"]);
        assert_eq!(peer.files(), [payload(SIZE)], "{what}");
    }
}

#[test]
fn what_only_the_server_knows_of_a_source_that_may_have_changed_is_not_built_upon() {
    let _rule = bitsup_server::rule!("RES-02");
    // The server has stored three parts. A power cut has taken what the journal said of the last two.
    let cases = [("overwritten", true), ("untouched", false)];
    for (place, (what, alter)) in Place::settled(cases.len()).into_iter().zip(cases) {
        let latch = Latch::new();
        let held = latch.clone();
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 2) => Turn::After(received(2000).held(&held)),
            call if call.is("Fragment", 3) => Turn::After(Reply::hang()),
            _ => Turn::Serve,
        });
        let source = Source::path(place.file()).expect("source");
        let client = Client::builder()
            .options(&OptionSet::new().state_dir(place.path("state")))
            .hash_from_first_byte();
        let client = client.build().expect("client");
        let upload = client.upload(source, &peer.url()).options(options()).start();
        let upload = upload.expect("started");
        peer.wait_for("Fragment", 2);
        place.wait_for_hashes(1000);
        let early = fs::read(place.of_session("json")).expect("read");
        latch.open();
        peer.wait_for_stored(3);
        upload.cancel(CancelMode::Keep);
        ended(&upload).expect_err("stopped");
        fs::write(place.of_session("json"), early).expect("written");
        if alter {
            overwrite(&place.file(), 2500);
        }
        let receipt = place.upload(&peer.url(), options()).expect(what);
        assert_eq!(receipt.restarts, u32::from(alter), "{what}");
        assert_eq!(peer.files(), [fs::read(place.file()).expect("read")], "{what}");
        assert_eq!(peer.open_sessions(), 0, "{what}");
    }
}

#[test]
fn an_entry_whose_hashes_do_not_fit_its_offset_is_damaged() {
    let _rule = bitsup_server::rule!("JRN-03");
    let (place, peer) = (Place::settled(1).remove(0), hanging());
    place.interrupt(&peer);
    let good = fs::read(place.of_session("json")).expect("read");
    let edits: [fn(&mut serde_json::Value); 4] = [
        |entry| entry["prefix"]["tail_length"] = 1001.into(),
        |entry| entry["prefix"]["blocks"] = serde_json::json!([1]),
        |entry| entry["prefix"]["tail_length"] = 0.into(),
        |entry| {
            let sizes = serde_json::json!(100_000_000);
            entry["checkpoint"]["size"] = sizes.clone();
            entry["checkpoint"]["offset"] = sizes.clone();
            entry["identity"]["size"] = sizes;
            entry["prefix"]["tail_length"] = (8 * 1024 * 1024).into();
        },
    ];
    let before = peer.packets();
    for edit in edits {
        place.edit(edit);
        let error = place.upload(&peer.url(), options()).expect_err("damaged");
        assert!(error.to_string().contains("do not fit"), "{error}");
        assert_eq!(peer.packets(), before);
        fs::write(place.of_session("json"), &good).expect("written");
    }
    place.upload(&peer.url(), options()).expect("the good one is still good");
}

#[test]
fn a_file_whose_name_is_not_utf_8_is_continued() {
    let _rule = bitsup_server::rule!("NAM-01");
    let (place, peer) = (Place::new(), hanging());
    let other = place.path("").join(OsStr::from_bytes(b"caf\xe9"));
    fs::rename(place.file(), &other).expect("renamed");
    let client = place.client();
    let source = Source::path(&other).expect("source");
    let upload = client.upload(source, &peer.url()).options(options()).start().expect("started");
    peer.wait_for("Fragment", 2);
    upload.cancel(CancelMode::Keep);
    assert!(ended(&upload).expect_err("stopped").is_resumable());
    let listed = client.sessions().expect("listed").remove(0).expect("readable");
    assert_eq!(listed.path.file_name(), other.file_name());
    let upload = client.resume(&listed.id).expect("found").options(options()).start();
    ended(&upload.expect("started")).expect("continued");
    assert_eq!((peer.count("Create-Session"), peer.files()), (1, vec![payload(SIZE)]));
}

// ---- sources that change while they are sent ---------------------------------

/// Uploads with the second Ack held back until `alter` is done, with or without a journal.
fn altered_while_sent(alter: fn(&Place), keeps: bool) -> (Place, Peer, Result<Receipt, Error>) {
    let (place, latch) = (Place::new(), Latch::new());
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Fragment", 2) => Turn::After(received(2000).held(&held)),
        _ => Turn::Serve,
    });
    let client = if keeps { place.client() } else { Client::new().expect("client") };
    let source = Source::path(place.file()).expect("source");
    let upload = client.upload(source, &peer.url()).options(options()).start().expect("started");
    peer.wait_for("Fragment", 2);
    alter(&place);
    latch.open();
    let result = ended(&upload);
    (place, peer, result)
}

#[test]
fn a_source_overwritten_while_it_is_sent_is_found_although_its_time_stamp_is_set_back() {
    let _rule = bitsup_server::rule!("RES-03");
    let alterations: [Alteration; 4] = [
        ("what was hashed", |place| overwrite(&place.file(), 500)),
        ("what is being sent", |place| overwrite(&place.file(), 1500)),
        ("what is sent later", |place| overwrite(&place.file(), 3400)),
        ("another file", |place| {
            let copy = place.path("copy");
            fs::write(&copy, vec![7; SIZE]).expect("written");
            set_modified(&copy, modified(&place.file()));
            fs::rename(copy, place.file()).expect("renamed");
        }),
    ];
    for (what, alter) in alterations {
        for keeps in [true, false] {
            let (_, peer, result) = altered_while_sent(alter, keeps);
            let error = result.expect_err(what);
            assert_eq!(error.kind(), ErrorKind::SourceChanged, "{what}, {keeps}: {error}");
            assert_eq!(error.hresult().map(|code| code.0), Some(0x8020_001D));
            // Nothing is sent after it. The Fragment that it aborted, over another connection, may be read later.
            let packets = peer.packets();
            let mut last = packets.iter().rev().skip_while(|packet| *packet == "Fragment 2000");
            assert_eq!(last.next().map(String::as_str), Some("Cancel-Session"), "{packets:?}");
            assert_eq!(peer.count("Cancel-Session"), 1, "{packets:?}");
            assert_eq!((peer.count("Close-Session"), peer.files().len()), (0, 0), "{what}");
        }
    }
}

#[test]
fn a_chmod_while_a_source_is_sent_is_no_change() {
    let _rule = bitsup_server::rule!("RES-03");
    let alterations: [Alteration; 2] = [
        ("mode", |place| {
            fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).expect("mode");
        }),
        ("links", |place| fs::hard_link(place.file(), place.path("link")).expect("link")),
    ];
    for (what, alter) in alterations {
        for keeps in [true, false] {
            let (_, peer, result) = altered_while_sent(alter, keeps);
            result.expect(what);
            assert_eq!(peer.files(), [payload(SIZE)], "{what}, {keeps}");
        }
    }
}

#[test]
fn where_all_is_hashed_the_bytes_decide_what_a_change_time_means() {
    let _rule = bitsup_server::rule!("RES-03");
    let alterations: [(Alteration, bool); 3] = [
        (("change time", |place| touch(&place.file())), true),
        (("overwritten", |place| overwrite(&place.file(), 500)), false),
        (
            ("overwritten and chmod", |place| {
                overwrite(&place.file(), 500);
                fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).expect("mode");
            }),
            false,
        ),
    ];
    let places = Place::settled(alterations.len());
    for (place, ((what, alter), is_same)) in places.into_iter().zip(alterations) {
        let latch = Latch::new();
        let held = latch.clone();
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 2) => Turn::After(received(2000).held(&held)),
            _ => Turn::Serve,
        });
        let client = place.client();
        let source = Source::path(place.file()).expect("source");
        let upload = client.upload(source, &peer.url()).options(options()).start();
        let upload = upload.expect("started");
        peer.wait_for("Fragment", 2);
        upload.suspend();
        latch.open();
        wait_until("the Ack", || upload.progress().acknowledged >= 2000);
        wait_for_state(&upload, UploadState::Suspended);
        // The pause may have come after the next part.
        place.wait_for_hashes(upload.progress().acknowledged);
        alter(&place);
        upload.resume();
        let result = ended(&upload);
        if is_same {
            result.expect(what);
            assert_eq!(peer.files(), [payload(SIZE)], "{what}");
        } else {
            let error = result.expect_err(what);
            assert_eq!(error.kind(), ErrorKind::SourceChanged, "{what}: {error}");
            assert_eq!(peer.count("Close-Session"), 0, "{what}");
            assert_eq!(peer.count("Cancel-Session"), 1, "{what}");
        }
    }
}

#[test]
fn a_source_touched_before_its_first_byte_is_sent_is_what_it_is() {
    let place = Place::new();
    let peer = Peer::plain();
    let client = place.client();
    let source = Source::path(place.file()).expect("source");
    touch(&place.file());
    let upload = client.upload(source, &peer.url()).options(options()).start().expect("started");
    ended(&upload).expect("uploaded");
    assert_eq!(peer.files(), [payload(SIZE)]);
    // The log of this process is removed with its last client.
    drop((upload, client));
    assert_eq!(place.listing().into_keys().collect::<Vec<_>>(), [place.lock()]);
}
