use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use bitsup_core::journal::{Attributes, Identity, Intent, SessionJournal, Timestamp};
use bitsup_proto::{Checkpoint, SessionId};
use bitsup_server::scripted::{Reply, Scripted};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::{Client, OptionSet};

fn identity() -> Identity {
    Identity {
        size: 100,
        modified_s: 5,
        modified_ns: 6,
        device: 7,
        inode: 8,
        changed: Some((5, 7)),
        attributes: Attributes::default(),
    }
}

fn entry() -> Entry {
    let checkpoint = Checkpoint {
        session_id: SessionId::new("{C85B4E0A-9EB9-4114-BFA4-8A43B4710091}").expect("legal"),
        created: 1_700_000_000,
        size: 100,
        offset: 40,
        host_id: None,
        fallback_seconds: None,
        fallback_started: None,
        fallen_back: false,
        reply_url: None,
        restarts: 0,
        unconfirmed_resends: 1,
        offset_jumped: false,
        orphaned: false,
        checks_offsets: false,
        created_by_server: true,
        closing: false,
        predecessor: bitsup_proto::verify::Predecessor::None,
        before: None,
    };
    Entry::new(
        "http://h/d/x.bin?k=v".into(),
        "/x.bin".into(),
        identity(),
        checkpoint,
        None,
        1_700_000_000,
    )
}

fn intent() -> Intent {
    Intent::new("http://h/d/x.bin?k=v".into(), "/x.bin".into(), 100, None, 5)
}

/// A folder with one journal, and the path of its file.
fn written() -> (tempfile::TempDir, StateDirectory, String, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let destination = Destination::parse("http://h/d/x.bin?k=v").expect("URL");
    let id = StateDirectory::id(Path::new("/x.bin"), &destination);
    let journal = directory.lock(&id).expect("locked");
    journal.write(&entry(), true).expect("written");
    let path = journal.path();
    (folder, directory, id, path)
}

#[test]
fn a_journal_reads_back_and_is_for_the_user_alone() {
    let _rule = bitsup_server::rule!("SEC-10");
    let (_folder, directory, id, path) = written();
    let read = directory.read(&id).expect("readable").entry.expect("there");
    assert_eq!(read.checkpoint, entry().checkpoint);
    assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
    assert_eq!(listed(&directory), [id]);
}

#[test]
fn a_second_holder_is_refused_until_the_first_lets_go() {
    let (_folder, directory, id, _) = written();
    let first = directory.lock(&id).expect("free");
    let error = directory.lock(&id).expect_err("held");
    assert_eq!(error.kind(), ErrorKind::SessionInUse);
    first.remove().expect("removed");
    drop(first);
    let second = directory.lock(&id).expect("free again");
    assert!(load(&second).expect("readable").entry.is_none());
}

#[test]
fn a_lock_keeps_out_other_uploads_of_its_session_only() {
    let _rule = bitsup_server::rule!("RES-05");
    let (folder, directory, id, _) = written();
    let other = "ffffffffffffffff";
    let first = directory.lock(&id).expect("free");
    let second = directory.lock(other).expect("another session");
    // As another process sees it, which opens the file by itself.
    let elsewhere = StateDirectory::open(folder.path()).expect("state directory");
    for id in [&id, other] {
        assert!(directory.is_locked(id) && elsewhere.is_locked(id), "{id}");
        assert_eq!(elsewhere.lock(id).expect_err("held").kind(), ErrorKind::SessionInUse);
    }
    drop(second);
    assert!(!elsewhere.is_locked(other) && elsewhere.is_locked(&id));
    drop(elsewhere.lock(other).expect("free"));
    assert_eq!(elsewhere.lock(&id).expect_err("still held").kind(), ErrorKind::SessionInUse);
    drop(first);
    assert!(!elsewhere.is_locked(&id));
}

#[test]
fn a_journal_that_others_can_write_is_refused() {
    let (_folder, directory, id, path) = written();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("permissions");
    let error = directory.read(&id).expect_err("writable by others");
    assert!(error.to_string().contains("others"), "{error}");
    let link = path.with_file_name("0123456789abcdef.json");
    std::os::unix::fs::symlink(&path, &link).expect("link");
    assert!(directory.read("0123456789abcdef").is_err());
}

#[test]
fn a_name_cannot_lead_out_of_the_folder() {
    let (_folder, directory, ..) = written();
    for id in ["../../etc/passwd", "", "0123456789ABCDEF", "0123456789abcde/", "x"] {
        assert_eq!(directory.lock(id).expect_err(id).kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn an_unknown_version_is_refused() {
    let (_folder, directory, id, path) = written();
    let text = fs::read_to_string(&path).expect("text");
    let line = text.lines().next().expect("line").replace("\"version\":1", "\"version\":2");
    let checksum = xxh3_64(line.as_bytes());
    fs::write(&path, format!("{line}\n{checksum:016x}\n")).expect("written");
    let error = directory.read(&id).expect_err("another version");
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_journal_cut_off_anywhere_is_refused() {
    let _rule = bitsup_server::rule!("RES-07");
    let (_folder, directory, id, path) = written();
    let bytes = fs::read(&path).expect("bytes");
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).expect("written");
        assert!(directory.read(&id).is_err(), "{length} bytes");
    }
}

/// The names of all sessions.
fn listed(directory: &StateDirectory) -> Vec<String> {
    let listed = directory.list().expect("listed");
    listed.into_iter().map(|session| session.expect("readable").0).collect()
}

fn is_log(name: &String) -> bool {
    Path::new(name).extension().is_some_and(|kind| kind == "log")
}

/// The log of this process.
fn log(directory: &StateDirectory) -> PathBuf {
    let names = directory.folder.names().expect("listed");
    let name = names.iter().find(|name| is_log(name)).expect("a log");
    directory.folder.path(name)
}

/// Another session than that of [`entry`].
fn newer() -> Entry {
    let mut newer = entry();
    newer.checkpoint.session_id = SessionId::new("{newer}").expect("legal");
    newer.checkpoint.offset = 0;
    newer.replaces = 1;
    newer
}

#[test]
fn a_new_session_is_found_on_the_pad_until_the_journal_has_it() {
    let (_folder, directory, id, path) = written();
    let session =
        || directory.read(&id).expect("readable").entry.expect("there").checkpoint.session_id;
    let journal = directory.lock(&id).expect("free");
    journal.creating(&intent()).expect("noted");
    assert_eq!(session(), entry().checkpoint.session_id);
    journal.note_entry(&newer()).expect("noted");
    assert_eq!(session(), newer().checkpoint.session_id);
    fs::remove_file(&path).expect("as if it had never been written");
    drop(journal);
    assert_eq!(session(), newer().checkpoint.session_id);
    assert_eq!(listed(&directory), [id.as_str()]);
    let journal = directory.lock(&id).expect("free again");
    assert!(!load(&journal).expect("readable").lost_a_session());
    journal.write(&newer(), true).expect("written");
    assert!(!path.with_extension("intent").exists());
    journal.remove().expect("removed");
    assert!(directory.read(&id).expect("readable").entry.is_none());
}

#[test]
fn what_comes_late_of_a_replaced_session_is_not_written() {
    let (_folder, directory, id, _) = written();
    let session =
        || directory.read(&id).expect("readable").entry.expect("there").checkpoint.session_id;
    let journal = directory.lock(&id).expect("free");
    let place = EntryKey { url: "http://h/d/x.bin?k=v".into(), path: "/x.bin".into(), note: None };
    let mut journal =
        SessionJournal::new(journal, Some(entry()), place, Some(identity()), Proof::Given);
    let now = Timestamp { monotonic: Duration::ZERO, unix: 1 };
    let late = |journal: &mut SessionJournal<Disk>| {
        journal.write(entry().checkpoint, now).expect("passed over");
        journal.closing(entry().checkpoint, now).expect("passed over");
    };
    journal.creating(now).expect("noted");
    late(&mut journal);
    let intent = directory.read(&id).expect("readable").intent;
    assert!(intent.is_some(), "a crash now leaves a session");
    journal.created(newer().checkpoint, Some(entry().identity), now).expect("noted");
    late(&mut journal);
    assert_eq!(session(), newer().checkpoint.session_id);
    journal.write(newer().checkpoint, now).expect("written");
    late(&mut journal);
    assert_eq!(session(), newer().checkpoint.session_id);
}

#[test]
fn a_close_session_that_was_noted_and_not_sent_is_taken_back() {
    let (_folder, directory, id, _) = written();
    directory.lock(&id).expect("free").remove().expect("removed");
    let journal = directory.lock(&id).expect("free");
    load(&journal).expect("nothing");
    let place = EntryKey { url: "http://h/d/x.bin?k=v".into(), path: "/x.bin".into(), note: None };
    let mut journal = SessionJournal::new(journal, None, place, Some(identity()), Proof::Given);
    let now = Timestamp { monotonic: Duration::ZERO, unix: 1 };
    let all = |closing| Checkpoint { offset: 100, closing, ..entry().checkpoint };
    let noted = || directory.read(&id).expect("readable").entry.expect("there").checkpoint;
    journal.creating(now).expect("noted");
    journal.created(entry().checkpoint, Some(identity()), now).expect("noted");
    journal.write(all(false), now).expect("passed over");
    assert_eq!((noted().offset, noted().closing), (40, false));
    journal.closing(all(true), now).expect("noted");
    assert_eq!((noted().offset, noted().closing), (100, true));
    // A probe goes out first.
    journal.write(all(false), now).expect("noted");
    assert_eq!((noted().offset, noted().closing), (100, false));
}

#[test]
fn a_session_that_has_the_id_of_a_lost_one_is_kept_too() {
    let (_folder, directory, id, _) = written();
    let journal = directory.lock(&id).expect("free");
    let place = EntryKey { url: "http://h/d/x.bin?k=v".into(), path: "/x.bin".into(), note: None };
    let mut journal =
        SessionJournal::new(journal, Some(entry()), place, Some(identity()), Proof::Given);
    let now = Timestamp { monotonic: Duration::ZERO, unix: 1 };
    let at = |offset| Checkpoint { offset, ..entry().checkpoint };
    journal.creating(now).expect("noted");
    journal.created(at(0), Some(identity()), now).expect("noted");
    journal.write(at(20), now).expect("written");
    let read = directory.read(&id).expect("readable").entry.expect("there");
    assert_eq!((read.checkpoint.offset, read.replaces), (20, 1));
}

#[test]
fn what_is_written_is_hashed_at_the_end_though_no_step_was_told_of_it() {
    let (folder, directory, id, _) = written();
    let path = folder.path().join("x.bin");
    fs::write(&path, [7; 100]).expect("written");
    let source = Source::path(&path).expect("source");
    let place = EntryKey { url: "http://h/d/x.bin".into(), path, note: None };
    let journal = directory.lock(&id).expect("free");
    let mut journal = SessionJournal::new(journal, None, place, source.identity(), Proof::Given);
    // Long after the source was changed.
    let now = Timestamp { monotonic: Duration::ZERO, unix: unix_now() + 10 };
    let at = |offset| Checkpoint { offset, ..entry().checkpoint };
    journal.created(at(0), source.identity(), now).expect("noted");
    journal.write(at(60), now).expect("written");
    journal.hash_rest();
    while let Some(mut step) = journal.next_hash_step(now) {
        step.run(&source.open().expect("open"), &|| true).expect("read");
        journal.hashed(step, now);
    }
    assert_eq!(journal.prefix().map(Prefix::length), Some(60));
}

#[test]
fn the_entry_of_a_session_keeps_the_identity_that_it_had() {
    let _rule = bitsup_server::rule!("RES-02");
    let (_folder, directory, id, _) = written();
    let kept = || directory.read(&id).expect("readable").entry.map(|entry| entry.identity);
    let place =
        || EntryKey { url: "http://h/d/x.bin?k=v".into(), path: "/x.bin".into(), note: None };
    let copy = Identity { inode: 9, ..identity() };
    let now = Timestamp { monotonic: Duration::ZERO, unix: 1 };
    // A process that is killed leaves the next one the comparison, also after its own: bytes that an earlier one sent
    // may be acknowledged yet. A token's session has no entry before.
    for (proof, proven) in [(Proof::Pending, identity()), (Proof::Withheld, copy)] {
        let journal = directory.lock(&id).expect("free");
        journal.write(&entry(), true).expect("written");
        let earlier = Some(entry()).filter(|_| proof == Proof::Pending);
        let mut journal = SessionJournal::new(journal, earlier, place(), Some(copy), proof);
        journal.write(entry().checkpoint, now).expect("written or withheld");
        assert_eq!(kept(), Some(identity()), "{proof:?}");
        journal.prove(copy);
        journal.write(entry().checkpoint, now).expect("written");
        assert_eq!(kept(), Some(proven), "{proof:?}");
    }
}

#[test]
fn the_journal_is_newer_than_a_pad_about_the_same_session() {
    let (_folder, directory, id, path) = written();
    let mut earlier = entry();
    earlier.checkpoint.offset = 0;
    let pad = path.with_extension("intent");
    fs::write(&pad, earlier.encode().expect("text")).expect("written");
    let read = directory.read(&id).expect("readable").entry.expect("there");
    assert_eq!(read.checkpoint.offset, entry().checkpoint.offset);
}

#[test]
fn what_a_power_cut_brings_back_to_the_pad_is_older_than_the_journal() {
    let (_folder, directory, id, path) = written();
    directory.lock(&id).expect("free").write(&newer(), true).expect("written");
    fs::write(path.with_extension("intent"), entry().encode().expect("text")).expect("written");
    let read = directory.read(&id).expect("readable").entry.expect("there");
    assert_eq!(read.checkpoint.session_id, newer().checkpoint.session_id);
}

#[test]
fn a_session_that_was_asked_for_and_never_named_is_known_to_be_lost() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let id = "0123456789abcdef";
    let journal = directory.lock(id).expect("free");
    assert!(!load(&journal).expect("readable").lost_a_session());
    journal.creating(&intent()).expect("noted");
    let killed = fs::read(log(&directory)).expect("the intent");
    journal.clear().expect("cleared");
    assert!(!load(&journal).expect("readable").lost_a_session());
    drop(journal);
    // A killed process cleans nothing up.
    fs::write(directory.folder.path("fedcba9876543210.log"), killed).expect("written");
    let journal = directory.lock(id).expect("free");
    let contents = load(&journal).expect("readable");
    assert!(contents.lost_a_session() && contents.entry.is_none());
    assert_eq!(contents.intent, Some(intent()));
}

/// A line of a log in which the session is asked for.
fn asked_for(id: &str) -> String {
    let record = intent().encode().expect("text");
    bitsup_core::journal::log_line(id, Some(&record)).expect("short")
}

#[test]
fn what_another_process_has_noted_of_a_session_that_it_let_go_of_is_known() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let [id, log] = ["0123456789abcdef", "fedcba9876543210"];
    let other = Arc::new(Locks::new(Arc::clone(&directory.folder)));
    let lives = other.try_lock(log).expect("asked").expect("free");
    fs::write(directory.folder.path(&format!("{log}.log")), asked_for(id)).expect("written");
    assert!(load(&directory.lock(id).expect("free")).expect("readable").lost_a_session());
    let another = directory.lock("1123456789abcdef").expect("free");
    assert!(!load(&another).expect("readable").lost_a_session());
    drop(lives);
}

#[test]
fn what_an_upload_of_this_process_could_make_no_file_of_is_known() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let id = "0123456789abcdef";
    assert!(directory.log.note(id, &intent().encode().expect("text")).expect("noted"));
    assert!(load(&directory.lock(id).expect("free")).expect("readable").lost_a_session());
}

#[test]
fn a_dead_log_that_cannot_be_taken_over_is_no_reason_to_lose_a_session() {
    let (_folder, directory, id, _) = written();
    fs::write(directory.folder.path("fedcba9876543210.log"), asked_for("1123456789abcdef"))
        .expect("written");
    // What takes over takes this lock, and waits for it no longer than a moment.
    let locks = Arc::new(Locks::new(Arc::clone(&directory.folder)));
    let _taken = locks.try_lock(intent_log::FOLDING).expect("asked").expect("free");
    assert!(load(&directory.lock(&id).expect("free")).expect("readable").entry.is_some());
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_lock_file_that_was_removed_locks_nobody_in_and_nobody_out() {
    let folder = tempfile::tempdir().expect("folder");
    let open = || StateDirectory::open(folder.path()).expect("state directory");
    let (first, second) = (open(), open());
    let [id, other] = ["0123456789abcdef", "1123456789abcdef"];
    let running = first.lock(other).expect("free");
    fs::remove_file(first.folder.path("lock")).expect("removed");
    let held = second.lock(id).expect("free");
    assert_eq!(first.lock(id).expect_err("the second has it").kind(), ErrorKind::SessionInUse);
    drop(held);
    let again = first.lock(id).expect("free");
    assert_eq!(second.lock(id).expect_err("the first has it").kind(), ErrorKind::SessionInUse);
    drop((running, again));
}

/// A child that was forked while an upload ran has its lock, and not those of later ones.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn the_lock_file_is_opened_anew_when_nothing_is_locked() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let opened = || {
        fs::read_dir("/proc/self/fd")
            .expect("listed")
            .filter_map(Result::ok)
            .filter(|entry| {
                fs::read_link(entry.path()).is_ok_and(|to| to == directory.folder.path("lock"))
            })
            .count()
    };
    let journal = directory.lock("0123456789abcdef").expect("free");
    assert_eq!(opened(), 1);
    drop(journal);
    assert_eq!(opened(), 0);
}

#[test]
fn what_the_pad_says_below_a_torn_journal_may_be_old_and_that_is_told() {
    let (_folder, directory, id, path) = written();
    fs::write(path.with_extension("intent"), newer().encode().expect("text")).expect("written");
    assert!(!load(&directory.lock(&id).expect("free")).expect("readable").lost_a_session());
    let bytes = fs::read(&path).expect("bytes");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("torn");
    let journal = directory.lock(&id).expect("free");
    let read = load(&journal).expect("readable");
    assert!(read.lost_a_session());
    let read = read.entry.expect("there");
    assert_eq!(read.checkpoint.session_id, newer().checkpoint.session_id);
}

#[test]
fn a_pad_cut_off_anywhere_counts_for_nothing_and_one_written_by_others_is_refused() {
    let (_folder, directory, id, path) = written();
    let (pad, bytes) = (path.with_extension("intent"), newer().encode().expect("text"));
    let old = || directory.read(&id).expect("readable").entry.expect("there").checkpoint.offset;
    for length in 0..bytes.len() {
        fs::write(&pad, &bytes.as_bytes()[..length]).expect("written");
        assert_eq!(old(), entry().checkpoint.offset, "{length} bytes");
    }
    fs::write(&pad, &bytes).expect("written");
    assert_eq!(old(), 0);
    fs::set_permissions(&pad, fs::Permissions::from_mode(0o666)).expect("permissions");
    let error = directory.read(&id).expect_err("written by others");
    assert!(is_environment(&error) && error.to_string().contains("others"), "{error}");
}

#[test]
fn what_dead_processes_have_noted_becomes_files_and_logs_of_the_living_stay() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let ids = ["0123456789abcdef", "1123456789abcdef", "2123456789abcdef"];
    let journals = ids.map(|id| directory.lock(id).expect("free"));
    journals[0].creating(&intent()).expect("noted");
    journals[1].creating(&intent()).expect("noted");
    journals[1].note_entry(&entry()).expect("noted");
    journals[2].creating(&intent()).expect("noted");
    journals[2].clear().expect("ended");
    let killed = fs::read(log(&directory)).expect("the log");
    let names = || {
        let mut names = directory.folder.names().expect("listed");
        names.retain(|name| !name.starts_with('.') && name != "lock");
        names.sort();
        names
    };
    let elsewhere = StateDirectory::open(folder.path()).expect("state directory");
    drop(elsewhere.lock("3123456789abcdef").expect("free"));
    assert_eq!(
        (names().len(), listed(&elsewhere)),
        (1, ids[..2].iter().map(|id| (*id).to_owned()).collect())
    );
    for journal in journals {
        journal.remove().expect("removed");
    }
    assert!(listed(&directory).is_empty());
    // Its last line, the end of the third, is torn.
    let dead = directory.folder.path("fedcba9876543210.log");
    fs::write(&dead, &killed[..killed.len() - 3]).expect("written");
    assert_eq!(listed(&directory), ids);
    drop(elsewhere.lock("3123456789abcdef").expect("free"));
    assert!(!dead.exists());
    let files = ids.map(disk::intent);
    let mut left = names();
    left.retain(|name| !is_log(name));
    assert_eq!(left, files);
    let read = |id| directory.read(id).expect("readable");
    assert_eq!(read(ids[0]).intent, Some(intent()));
    assert_eq!(read(ids[1]).entry, Some(entry()));
    assert_eq!(read(ids[2]).intent, Some(intent()));
}

#[test]
fn a_long_log_is_followed_by_a_new_one_and_removed_with_its_last_upload() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let logs = || {
        let mut names = directory.folder.names().expect("listed");
        names.retain(is_log);
        names
    };
    let open = directory.lock("0123456789abcdef").expect("free");
    open.creating(&intent()).expect("noted");
    let mut seen: HashSet<String> = logs().into_iter().collect();
    let mut fill = |count: usize| {
        while seen.len() < count {
            let journal = directory.lock("1123456789abcdef").expect("free");
            journal.creating(&intent()).expect("noted");
            journal.note_entry(&newer()).expect("noted");
            journal.remove().expect("removed");
            seen.extend(logs());
        }
        logs().len()
    };
    // The second one is removed, since all in it has ended, and what is open stays where it is.
    assert_eq!(fill(3), 2);
    open.note_entry(&entry()).expect("noted");
    assert_eq!(directory.read("0123456789abcdef").expect("readable").entry, Some(entry()));
    for name in logs() {
        let length = fs::metadata(directory.folder.path(&name)).expect("there").len();
        assert!(length < 1024 * 1024 + 2000, "{length}");
    }
    open.remove().expect("removed");
    assert_eq!(fill(4), 1);
    assert!(listed(&directory).is_empty());
}

#[test]
fn what_is_too_long_for_a_log_or_let_go_of_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let id = "0123456789abcdef";
    let path = directory.folder.path(&disk::intent(id));
    let journal = directory.lock(id).expect("free");
    journal.creating(&intent()).expect("noted");
    assert!(!path.exists());
    let mut long = newer();
    long.note = Some("x".repeat(70_000));
    journal.note_entry(&long).expect("noted");
    assert!(path.exists());
    assert_eq!(directory.read(id).expect("readable").entry, Some(long));
    // What is noted after that is newer.
    journal.note_entry(&newer()).expect("noted");
    assert_eq!(directory.read(id).expect("readable").entry, Some(newer()));
    drop(journal);
    assert_eq!(Entry::decode(&fs::read(&path).expect("a file")), Ok(newer()));
    let journal = directory.lock(id).expect("free");
    assert_eq!(load(&journal).expect("readable").entry, Some(newer()));
    journal.note_entry(&newer()).expect("noted");
    journal.remove().expect("removed");
    assert!(!path.exists() && listed(&directory).is_empty());
}

#[test]
fn a_log_full_of_rubbish_is_removed_and_one_that_others_can_write_refused() {
    let _rule = bitsup_server::rule!("RES-07");
    let folder = tempfile::tempdir().expect("folder");
    let directory = StateDirectory::open(folder.path()).expect("state directory");
    let path = directory.folder.path("fedcba9876543210.log");
    let lock = || directory.lock("0123456789abcdef").map(drop);
    let long = vec![b'a'; 300_000];
    let rubbish: [&[u8]; 5] = [b"", &[0; 5000], b"x\n\n \n  \n", &long, b"\xff\xfe\n"];
    for bytes in rubbish {
        fs::write(&path, bytes).expect("written");
        lock().expect("free");
        assert!(!path.exists() && listed(&directory).is_empty(), "{:?}", bytes.first());
    }
    fs::write(&path, b"").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("permissions");
    let error = lock().expect_err("written by others");
    assert!(is_environment(&error) && error.to_string().contains("others"), "{error}");
    assert!(directory.list().expect("listed").iter().all(Result::is_err) && path.exists());
}

proptest! {
    #[test]
    fn a_journal_with_any_byte_altered_is_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (_folder, directory, id, path) = written();
        let mut bytes = fs::read(&path).expect("bytes");
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        fs::write(&path, &bytes).expect("written");
        prop_assert!(directory.read(&id).is_err());
    }

    #[test]
    fn any_bytes_as_a_journal_are_refused(bytes in any::<Vec<u8>>()) {
        let (_folder, directory, id, path) = written();
        fs::write(&path, &bytes).expect("written");
        prop_assert!(directory.read(&id).is_err());
    }
}

#[test]
fn what_is_noted_is_synced_while_a_server_does_not_answer() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    fs::write(&file, "short").expect("written");
    let peer = Scripted::start(|_, _, _| Reply::hang());
    let client =
        Client::builder().options(&OptionSet::new().state_dir(folder.path().join("state")));
    let client = client.build().expect("client");
    let upload = client.upload(Source::path(file).expect("a file"), &peer.url("/x"));
    let upload = upload.start().expect("started");
    let patience = Duration::from_secs(60);
    assert!(peer.wait_for_requests(1, patience));
    let directory = client.inner().state().expect("state directory");
    let begun = std::time::Instant::now();
    while !directory.log.is_synced() {
        assert!(begun.elapsed() < patience, "it is not synced");
        std::thread::sleep(PAUSE);
    }
    assert!(directory.read(upload.resume_id().expect("kept")).expect("read").intent.is_some());
    // What comes later is not synced by that.
    directory.log.note(intent_log::FOLDING, &intent().encode().expect("text")).expect("noted");
    assert!(!directory.log.is_synced());
    directory.log.sync().expect("synced");
    assert!(directory.log.is_synced());
}
