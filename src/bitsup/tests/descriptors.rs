//! In a program that holds many files open: `select` cannot wait for a descriptor of 1024 and above, `poll` can.

mod common;

use std::fs::File;

use bitsup::{Client, Source};
use common::{Setup, payload};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Above what `select` can wait for, as C libraries define `FD_SETSIZE`.
const OPEN_FILES: usize = 1100;

#[test]
fn an_upload_works_above_descriptor_1024() {
    let limits = getrlimit(Resource::Nofile);
    let wanted = 4 * OPEN_FILES as u64;
    assert!(
        limits.maximum.is_none_or(|maximum| maximum >= wanted),
        "{limits:?} is too low to tell"
    );
    let current = Some(limits.current.map_or(wanted, |current| current.max(wanted)));
    setrlimit(Resource::Nofile, Rlimit { current, ..limits }).expect("more files may be open");
    let held: Vec<File> =
        (0..OPEN_FILES).map(|_| File::open("/dev/null").expect("it opens")).collect();

    let content = payload(3 << 20);
    let setup = Setup::new(&content);
    let client = Client::builder().build().expect("built");
    let source = Source::path(setup.file()).expect("it is there");
    let upload = client.upload(source, &setup.url("file")).start().expect("started");
    upload.wait().expect("uploaded");
    assert_eq!(setup.published("file"), content);
    assert_eq!(held.len(), OPEN_FILES);
}
