//! Sources that change while they are uploaded.

mod common;

use std::path::Path;
use std::time::{Duration, SystemTime};

use bitsup::{Client, ErrorKind, Source};
use bitsup_server::scripted::{Gate, Reply};
use common::payload;
use common::peer::{PATIENCE, Peer, Turn, ended, options, range, received, upload};

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
