//! Uploads whose file behaves as no file system here does.

use std::time::Duration;

use bitsup_server::{Config, Server};
#[cfg(target_os = "linux")]
use rustix::io::Errno;

use crate::source::Source;
use crate::{Client, Error, ErrorKind, Receipt, UploadOptions};

/// Longer than what goes out with a head, and than what `sendfile` is asked for at once.
const LONG: usize = 3_000_000;
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// A folder with a file in it and a server beneath it.
struct Bench {
    folder: tempfile::TempDir,
    server: Server,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("root");
        std::fs::write(folder.path().join("file"), payload(LONG)).expect("written");
        let server = Server::start(Config { root, overwrite: true, ..Config::default() });
        Self { folder, server: server.expect("server") }
    }

    fn source(&self) -> Source {
        Source::path(self.folder.path().join("file")).expect("a file")
    }

    fn upload(&self, source: Source, options: UploadOptions) -> Result<Receipt, Error> {
        let client = Client::new().expect("client");
        let upload = client.upload(source, &self.server.url("/x")).options(options);
        let upload = upload.start().expect("started");
        upload.wait_for(PATIENCE).expect("it ends")
    }

    fn stored(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("root/x")).expect("published")
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_sendfile_refuses_is_read() {
    let _rule = bitsup_server::rule!("SRC-04");
    let bench = Bench::new();
    for errno in [
        Errno::PERM,
        Errno::ACCESS,
        Errno::NODATA,
        Errno::NOMEM,
        Errno::INVAL,
        Errno::NOSYS,
        Errno::IO,
        Errno::OVERFLOW,
    ] {
        let source = bench.source().refused_by_sendfile(errno.raw_os_error());
        let receipt = bench.upload(source, UploadOptions::default());
        let receipt = receipt.unwrap_or_else(|error| panic!("{errno}: {error}"));
        assert_eq!(receipt.retries, 0, "{errno}");
        assert!(bench.stored() == payload(LONG), "{errno}");
    }
}

#[test]
fn a_file_that_is_slow_to_open_and_to_read_arrives_and_its_change_is_noticed() {
    let _rule = bitsup_server::rule!("SRC-06");
    let bench = Bench::new();
    let options = UploadOptions { sha256: true, ..UploadOptions::default() };
    bench.upload(bench.source().slow(), options).expect("uploaded");
    assert!(bench.stored() == payload(LONG));

    let source = bench.source().slow();
    std::fs::write(bench.folder.path().join("file"), b"other").expect("written");
    let error = bench.upload(source, UploadOptions::default()).expect_err("changed");
    assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");

    let source = bench.source().slow();
    std::fs::remove_file(bench.folder.path().join("file")).expect("removed");
    let error = bench.upload(source, UploadOptions::default()).expect_err("gone");
    assert_eq!(error.os_error(), Some(libc::ENOENT), "{error}");
}
