//! A journal from an untrusted source, read through the list of kept sessions.
#![no_main]
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use bitsup::{Client, OptionSet};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

struct State {
    client: Client,
    file: PathBuf,
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
    State { client, file: sessions.join("0123456789abcdef.json"), _folder: folder }
});

// The first byte says whether a right checksum follows the rest: else few inputs would be read further.
fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let mut text = body.to_vec();
    if *kind != b'!' {
        text.extend_from_slice(format!("\n{:016x}\n", xxh3_64(body)).as_bytes());
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&STATE.file).and_then(|mut file| file.write_all(&text));
    written.expect("the journal is written");
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
