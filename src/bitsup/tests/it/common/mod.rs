//! What the tests of whole uploads share.

pub(crate) mod cutter;
pub(crate) mod peer;
pub(crate) mod pki;
pub(crate) mod program;
pub(crate) mod wire;

use std::path::PathBuf;

use bitsup_server::{Config, Request, Server};

/// A server on a folder of its own, a source file and a state directory.
pub(crate) struct Setup {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
}

impl Setup {
    pub(crate) fn new(source: &[u8]) -> Self {
        Self::with(source, Config::default())
    }

    pub(crate) fn with_faults(source: &[u8], script: &str) -> Self {
        let fault = Some(script.parse().expect("a fault script"));
        Self::with(source, Config { fault, ..Config::default() })
    }

    pub(crate) fn with(source: &[u8], config: Config) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("root");
        std::fs::write(folder.path().join("source.bin"), source).expect("source");
        let server = Server::start(Config { root, ..config }).expect("server");
        Self { folder, server }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("source.bin")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn url(&self, name: &str) -> String {
        self.server.url(&format!("/{name}"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    pub(crate) fn published(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("published")
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Bytes that differ wherever they are spliced.
pub(crate) fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// The packet types of requests, in order; other methods by their name.
pub(crate) fn packets(requests: &[Request]) -> Vec<String> {
    let packet = |request: &Request| {
        request.header("bits-packet-type").unwrap_or_else(|| request.method.clone())
    };
    requests.iter().map(packet).collect()
}
