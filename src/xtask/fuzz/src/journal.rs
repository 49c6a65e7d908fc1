//! A journal or a log of notes from an untrusted source, read through the list of kept sessions.
#![no_main]
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bitsup::{Client, OptionSet};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

const ID: &str = "0123456789abcdef";

struct State {
    client: Client,
    file: PathBuf,
    log: PathBuf,
    _folder: TempDir,
}

static STATE: LazyLock<State> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = Client::builder()
        .options(&OptionSet::new().state_dir(folder.path()))
        .build()
        .expect("a client");
    let sessions = folder.path().join("sessions");
    fs::create_dir_all(&sessions).expect("a folder");
    let [file, log] = ["json", "log"].map(|kind| sessions.join(format!("{ID}.{kind}")));
    State { client, file, log, _folder: folder }
});

fn write(path: &Path, bytes: &[u8]) {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(bytes)).expect("it is written");
}

/// Each line of the body is noted with a right checksum.
fn read_log(body: &[u8]) {
    let mut log = Vec::new();
    for json in body.split(|byte| *byte == b'\n') {
        let line = [ID.as_bytes(), b" ", json].concat();
        log.extend_from_slice(&line);
        log.extend_from_slice(format!(" {:016x}\n", xxh3_64(&line)).as_bytes());
    }
    let _ = fs::remove_file(&STATE.file);
    write(&STATE.log, &log);
    let sessions = STATE.client.sessions().expect("the folder is read");
    assert!(sessions.len() <= 1);
    for session in sessions.into_iter().flatten() {
        assert!(session.acknowledged <= session.size);
        drop(STATE.client.resume(&session.id));
    }
    fs::remove_file(&STATE.log).expect("it is removed");
}

// The first byte says whether a right checksum follows the rest: else few inputs would be read further.
fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    if *kind == b'?' {
        return read_log(body);
    }
    let mut text = body.to_vec();
    if *kind != b'!' {
        text.extend_from_slice(format!("\n{:016x}\n", xxh3_64(body)).as_bytes());
    }
    write(&STATE.file, &text);
    let sessions = STATE.client.sessions().expect("the folder is read");
    assert_eq!(sessions.len(), 1);
    if let Some(Ok(session)) = sessions.first() {
        assert!(session.acknowledged <= session.size);
        drop(STATE.client.resume(&session.id));
        let token = STATE.client.export(&session.id).expect("what was read can be exported");
        let source = bitsup::Source::bytes(Vec::new());
        drop(STATE.client.import(&token, source));
    }
});
