//! Sources that change while they are uploaded.

mod common;

use std::path::Path;
use std::time::{Duration, SystemTime};

use bitsup::{Client, ErrorKind, Source};
use bitsup_server::scripted::{Gate, Reply};
use common::peer::{PATIENCE, Peer, Turn, ended, options, range, received, upload};
use common::{Setup, payload};

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
            let gate = Gate::new();
            let held = gate.clone();
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
            gate.open();
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
    let mut slices = [std::io::IoSliceMut::new(&mut byte)];
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
