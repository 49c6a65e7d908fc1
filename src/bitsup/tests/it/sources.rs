//! Sources: those that change while they are uploaded, that wait, and that are no plain files.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use crate::common::peer::{
    PATIENCE, Peer, Turn, ended, options, range, received, upload, wait_until,
};
use crate::common::program::{installed, skipped};
use crate::common::{Setup, payload, sha256};
use bitsup::{Client, ErrorKind, OptionSet, ReadAt, Seekable, Source};
use bitsup_server::scripted::{Latch, Reply};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const SIZE: usize = 3500;

#[test]
fn a_source_that_changes_during_the_upload_ends_it_and_the_session() {
    let _rule = bitsup_server::rule!("RES-03");
    let changes: [fn(&Path); 4] = [
        |path| {
            let file = std::fs::File::options().write(true).open(path).expect("open");
            file.set_modified(SystemTime::now() - Duration::from_secs(1000)).expect("time");
        },
        |path| {
            use std::io::Write;
            let mut file = std::fs::File::options().append(true).open(path).expect("open");
            file.write_all(b"more").expect("written");
        },
        |path| {
            let file = std::fs::File::options().write(true).open(path).expect("open");
            file.set_len(2500).expect("cut");
        },
        |path| {
            let other = path.with_extension("other");
            std::fs::write(&other, payload(SIZE)).expect("written");
            std::fs::rename(other, path).expect("renamed");
        },
    ];
    // Between two Acks, and between the last Ack and the Close-Session.
    for held_fragment in [2, 4] {
        for change in changes {
            let latch = Latch::new();
            let held = latch.clone();
            let peer = Peer::start(move |call| match call {
                call if call.is("Fragment", held_fragment) => {
                    let (_, end) = range(call.request).expect("a range");
                    Turn::After(received(end).held(&held))
                }
                _ => Turn::Serve,
            });
            let folder = tempfile::tempdir().expect("folder");
            let file = folder.path().join("x.bin");
            std::fs::write(&file, payload(SIZE)).expect("written");
            let client = Client::new().expect("client");
            let source = Source::path(&file).expect("source");
            let upload = client.upload(source, &peer.url()).options(options()).start();
            let upload = upload.expect("started");
            peer.wait_for("Fragment", held_fragment);
            let whole = peer.raw.wait_until(PATIENCE, |raw| {
                raw.requests().last().is_some_and(|request| request.completed.is_some())
            });
            assert!(whole);
            change(&file);
            latch.open();
            let error = ended(&upload).expect_err("changed");
            assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
            assert_eq!(error.hresult().map(|code| code.0), Some(0x8020_001D));
            let packets = peer.packets();
            assert_eq!(packets.len(), 1 + held_fragment + 1, "{packets:?}");
            assert_eq!(packets.last().map(String::as_str), Some("Cancel-Session"));
            assert_eq!(peer.open_sessions(), 0);
        }
    }
}

#[test]
fn an_upload_from_memory_moves_by_its_token_and_the_bytes_must_match() {
    // Once, so that the session lives on after the first client's end.
    let peer = Peer::start(|call| {
        if call.is("Fragment", 3) {
            Turn::Answer(Reply::status(403, "Forbidden"))
        } else {
            Turn::Serve
        }
    });
    let error = upload(&peer.url(), &payload(4500), options()).expect_err("refused");
    let token = error.token().expect("a token").to_owned();
    let elsewhere = Client::new().expect("client");
    let mut other = payload(4500);
    other[5] ^= 1;
    let start = |bytes: Vec<u8>| {
        let import = elsewhere.import(&token, Source::bytes(bytes)).expect("same size");
        import.options(options()).start()
    };
    let refused = start(other).expect_err("other bytes");
    assert_eq!(refused.kind(), ErrorKind::SourceChanged, "{refused}");
    ended(&start(payload(4500)).expect("started")).expect("continued");
    assert_eq!((peer.files(), peer.count("Create-Session")), (vec![payload(4500)], 1));
}

/// Longer than what the system is asked to send at once.
const LONG: usize = 5_000_000;

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_not_in_memory_arrives_exact() {
    use rustix::fs::Advice;
    use rustix::io::{Errno, ReadWriteFlags};
    let setup = Setup::new(&payload(LONG));
    let file = std::fs::File::open(setup.file()).expect("open");
    file.sync_all().expect("on the disk");
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("forgotten");
    let mut byte = [0];
    let mut slices = [io::IoSliceMut::new(&mut byte)];
    let asked = rustix::io::preadv2(&file, &mut slices, LONG as u64 - 1, ReadWriteFlags::NOWAIT);
    if asked != Err(Errno::AGAIN) {
        eprintln!("skipped: this file system keeps all in memory");
        return;
    }
    let client = Client::new().expect("client");
    let source = Source::path(setup.file()).expect("source");
    let upload = client.upload(source, &setup.url("x.bin")).start().expect("started");
    ended(&upload).expect("uploaded");
    assert!(setup.published("x.bin") == payload(LONG));
}

#[test]
fn a_file_that_is_cut_in_the_middle_of_a_part_is_a_changed_source() {
    let setup = Setup::new(&payload(LONG));
    let client = Client::new().expect("client");
    client.set_rate_limit(Some(1_000_000));
    let source = Source::path(setup.file()).expect("source");
    let upload = client.upload(source, &setup.url("x.bin")).start().expect("started");
    let end = std::time::Instant::now() + PATIENCE;
    while upload.progress().sent < 1_000_000 && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let file = std::fs::File::options().write(true).open(setup.file()).expect("open");
    file.set_len(500_000).expect("cut");
    client.set_rate_limit(None);
    let error = ended(&upload).expect_err("changed");
    assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
    assert!(!setup.path("x.bin").exists());
}

#[test]
fn a_file_of_size_0_that_holds_bytes_arrives_with_them() {
    let _rule = bitsup_server::rule!("SRC-01");
    let setup = Setup::new(b"");
    let client = Client::new().expect("client");
    let source = Source::path("/proc/version").expect("procfs");
    let upload = client.upload(source, &setup.url("")).start().expect("started");
    assert!(ended(&upload).expect("uploaded").size > 0);
    assert_eq!(setup.published("version"), std::fs::read("/proc/version").expect("procfs"));
}

/// Uploads whose sources wait.
const STALLED: usize = 64; // half of what the client takes to one host

/// Reads wait until the latch is open.
struct Stalled {
    bytes: Vec<u8>,
    latch: Arc<(Mutex<bool>, Condvar)>,
    reading: Arc<AtomicUsize>,
}

impl ReadAt for Stalled {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reading.fetch_add(1, Ordering::Relaxed);
        let (is_open, opened) = &*self.latch;
        let is_open = is_open.lock().expect("lock");
        drop(opened.wait_while(is_open, |is_open| !*is_open).expect("lock"));
        let rest = self.bytes.get(usize::try_from(offset).expect("small")..);
        io::Read::read(&mut rest.unwrap_or_default(), buffer)
    }
}

#[test]
fn sources_that_wait_hold_up_no_other_upload() {
    let _rule = bitsup_server::rule!("SRC-06");
    let limits = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    let (latch, reading) =
        (Arc::<(Mutex<bool>, Condvar)>::default(), Arc::<AtomicUsize>::default());
    let peer = Peer::plain();
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("x.bin");
    std::fs::write(&file, payload(SIZE)).expect("written");
    let client = Client::builder().options(&OptionSet::new().uploads_per_host(128));
    let client = client
        .options(&OptionSet::new().state_dir(folder.path().join("state")))
        .build()
        .expect("client");
    let start = |source: Source| {
        let mut options = options();
        options.sha256 = true;
        client.upload(source, &peer.url()).options(options).start().expect("started")
    };
    let stalled: Vec<_> = (0..STALLED)
        .map(|_| {
            let (latch, reading) = (Arc::clone(&latch), Arc::clone(&reading));
            start(Source::read_at(Stalled { bytes: payload(SIZE), latch, reading }, SIZE as u64))
        })
        .collect();
    wait_until("all wait", || reading.load(Ordering::Relaxed) == STALLED);
    let others = [
        Source::path(&file).expect("a file"),
        Source::bytes(payload(SIZE)),
        Source::spooled(&*payload(SIZE), None).expect("spooled"),
        Source::read_at(Seekable::new(io::Cursor::new(payload(SIZE))), SIZE as u64),
    ];
    for upload in others.map(&start) {
        assert!(ended(&upload).expect("uploaded").sha256.is_some());
    }
    assert!(stalled.iter().all(|upload| upload.result().is_none()));
    *latch.0.lock().expect("lock") = true;
    latch.1.notify_all();
    for upload in &stalled {
        ended(upload).expect("uploaded");
    }
    assert_eq!(peer.files(), vec![payload(SIZE); STALLED + 4]);
}

/// Never has bytes, and does not tell when it will.
struct Dry {
    may_block: bool,
    reads: Arc<AtomicUsize>,
}

impl ReadAt for Dry {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn may_block(&self) -> bool {
        self.may_block
    }
}

#[test]
fn a_source_without_bytes_that_wakes_nobody_ends_its_upload() {
    let _rule = bitsup_server::rule!("SRC-06");
    let client = Client::new().expect("client");
    for may_block in [true, false] {
        let (peer, reads) = (Peer::plain(), Arc::<AtomicUsize>::default());
        let source = Source::read_at(Dry { may_block, reads: Arc::clone(&reads) }, SIZE as u64);
        let upload = client.upload(source, &peer.url()).options(options()).start();
        let error = ended(&upload.expect("started")).expect_err("no bytes");
        assert_eq!(error.kind(), ErrorKind::LocalFile, "{error}");
        assert!(error.message().contains("does not tell when"), "{error}");
        assert!(reads.load(Ordering::Relaxed) < 10);
    }
}

/// Answers otherwise at each read.
struct Fickle(AtomicU8);

impl ReadAt for Fickle {
    fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
        buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(buffer.len())
    }
}

#[test]
fn the_hash_is_that_of_the_bytes_that_were_sent_whatever_a_second_read_says() {
    let _rule = bitsup_server::rule!("TRU-08");
    let hashing = || {
        let mut options = options();
        options.sha256 = true;
        options
    };
    let client = Client::new().expect("client");
    let upload = |source: Source, peer: &Peer| {
        let upload = client.upload(source, &peer.url()).options(hashing()).start();
        ended(&upload.expect("started")).expect("uploaded")
    };
    let peer = Peer::plain();
    let receipt = upload(Source::read_at(Fickle(AtomicU8::new(1)), SIZE as u64), &peer);
    assert_eq!(receipt.sha256, Some(sha256(&peer.files()[0])));
    assert!(receipt.warnings.is_empty(), "{:?}", receipt.warnings);

    // A Fragment is sent again: its first sending does not count.
    let again = || {
        Peer::start(|call| match call {
            call if call.is("Fragment", 2) => Turn::Answer(Reply::status(503, "Later")),
            _ => Turn::Serve,
        })
    };
    let peer = again();
    let receipt = upload(Source::read_at(Fickle(AtomicU8::new(1)), SIZE as u64), &peer);
    let stored = Some(sha256(&peer.files()[0]));
    assert!(receipt.sha256 == stored || receipt.sha256.is_none(), "{receipt:?}");
    let is_told = receipt.warnings.iter().any(|warning| warning.contains("SHA-256"));
    assert_eq!(receipt.sha256.is_none(), is_told, "{receipt:?}");
    let peer = again();
    let receipt = upload(Source::bytes(payload(SIZE)), &peer);
    assert_eq!(receipt.sha256, Some(sha256(&payload(SIZE))));

    // A file that is written to in place, and whose time is put back.
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Fragment", 2) => Turn::After(received(2000).held(&held)),
        _ => Turn::Serve,
    });
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.bin");
    std::fs::write(&path, payload(SIZE)).expect("written");
    let source = Source::path(&path).expect("a file");
    let running = client.upload(source, &peer.url()).options(hashing()).start().expect("started");
    peer.wait_for("Fragment", 2);
    let file = std::fs::File::options().write(true).open(&path).expect("open");
    let time = file.metadata().and_then(|data| data.modified()).expect("a time");
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 3000], 0).expect("written");
    file.set_modified(time).expect("put back");
    latch.open();
    match ended(&running) {
        Ok(receipt) => assert_eq!(receipt.sha256, Some(sha256(&peer.files()[0]))),
        Err(error) => assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}"),
    }
}

/// Bytes of a loop device, which has whole sectors of 512.
const SECTORS: usize = 2 * 512 * 1024;

/// A free loop device of the system, through a node in a folder of the test's own.
struct Loop {
    losetup: PathBuf,
    node: PathBuf,
}

impl Loop {
    fn attach(losetup: &Path, folder: &Path, file: &Path) -> Option<Self> {
        // Those that there are without being asked for.
        (0..8).find_map(|minor| {
            let node = folder.join(format!("loop{minor}"));
            let made = rustix::fs::mknodat(
                rustix::fs::CWD,
                &node,
                rustix::fs::FileType::BlockDevice,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                rustix::fs::makedev(7, minor),
            );
            let attached = made.is_ok()
                && Command::new(losetup).args([&*node, file]).output().ok()?.status.success();
            attached.then(|| Self { losetup: losetup.to_owned(), node })
        })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let detached = Command::new(&self.losetup).arg("-d").arg(&self.node).status();
        assert!(detached.is_ok_and(|status| status.success()), "a loop device stays attached");
    }
}

#[test]
fn a_block_device_is_read_by_its_size() {
    let _rule = bitsup_server::rule!("SRC-05");
    let setup = Setup::new(&payload(SECTORS));
    let folder = tempfile::tempdir().expect("folder");
    let Some(losetup) = installed("losetup") else { return };
    let Some(device) = Loop::attach(&losetup, folder.path(), &setup.file()) else {
        skipped("no loop device can be had");
        return;
    };
    let source = Source::path(&device.node).expect("a device");
    assert_eq!(source.size(), SECTORS as u64);
    let client = Client::builder()
        .options(&OptionSet::new().state_dir(setup.state()))
        .build()
        .expect("client");
    let upload = client.upload(source, &setup.url("x.bin")).start().expect("started");
    ended(&upload).expect("uploaded");
    assert!(setup.published("x.bin") == payload(SECTORS));
}

#[test]
fn names_that_are_not_utf_8_stay_different_ones_and_can_be_continued() {
    use std::os::unix::ffi::OsStrExt;
    let _rule = bitsup_server::rule!("NAM-01");
    let folder = tempfile::tempdir().expect("folder");
    let peer = Peer::start(|call| {
        if call.is("Fragment", 2) {
            Turn::Answer(Reply::status(403, "Forbidden"))
        } else {
            Turn::Serve
        }
    });
    let client =
        Client::builder().options(&OptionSet::new().state_dir(folder.path().join("state")));
    let client = client.build().expect("client");
    let upload = |name: &[u8]| {
        let file = folder.path().join(std::ffi::OsStr::from_bytes(name));
        if !file.exists() {
            std::fs::write(&file, payload(SIZE)).expect("written");
        }
        let source = Source::path(file).expect("a file");
        ended(
            &client
                .upload(source, &peer.raw.url("/up/"))
                .options(options())
                .start()
                .expect("started"),
        )
    };
    let error = upload(b"caf\xe9").expect_err("refused");
    assert!(error.is_resumable(), "{error}");
    upload(b"caf\xe9").expect("continued");
    upload(b"caf\xe8").expect("uploaded");
    assert_eq!((peer.files(), peer.count("Create-Session")), (vec![payload(SIZE); 2], 2));
    let mut targets: Vec<_> = peer.raw.requests().iter().map(|one| one.target.clone()).collect();
    targets.dedup();
    assert_eq!(targets, ["/up/caf%E9", "/up/caf%E8"]);
    assert_eq!(peer.raw.requests()[0].header("Content-Name"), "caf%E9");
}
