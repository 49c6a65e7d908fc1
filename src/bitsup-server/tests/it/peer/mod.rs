//! A hand-written HTTP peer: it sends what the test says, byte by byte, and reads plainly.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use bitsup_server::{Config, Server};

pub(crate) const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
/// Header line of a Create-Session.
pub(crate) const SUPPORTED: &str =
    "BITS-Supported-Protocols: {7df0354d-249b-430f-820d-3d2a9bef4931}";

/// A server over a temporary root.
pub(crate) struct Bench {
    pub(crate) server: Server,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn scripted(script: &str) -> Self {
        Self::with(Config {
            fault: Some(script.parse().expect("fault script")),
            ..Config::default()
        })
    }

    pub(crate) fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let server =
            Server::start(Config { root: folder.path().into(), ..config }).expect("server");
        Self { server, folder }
    }

    pub(crate) fn restart(self, config: Config) -> Self {
        self.server.stop();
        let server =
            Server::start(Config { root: self.folder.path().into(), ..config }).expect("server");
        Self { server, folder: self.folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root().join(path)).ok()
    }

    pub(crate) fn connect(&self) -> Peer<TcpStream> {
        let stream = TcpStream::connect(self.server.address()).expect("connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("time-out");
        Peer::new(stream)
    }
}

pub(crate) struct Peer<S> {
    pub(crate) stream: S,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        Some(self.head.lines().skip(1).find(named)?.split_once(':')?.1.trim())
    }

    pub(crate) fn offset(&self) -> Option<u64> {
        self.header("BITS-Received-Content-Range")?.parse().ok()
    }

    pub(crate) fn session(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.head);
        self.header("BITS-Session-Id").expect("session id").to_owned()
    }

    /// Status, code and context.
    pub(crate) fn error(&self) -> (u16, Option<&str>, Option<&str>) {
        (self.status, self.header("BITS-Error-Code"), self.header("BITS-Error-Context"))
    }
}

impl<S: Read + Write> Peer<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// A request with these header lines and `Host`; `Content-Length` only if they have it.
    pub(crate) fn ask(&mut self, request: &str, lines: &[&str], body: &[u8]) -> Answer {
        self.send_request(request, lines, body);
        self.read().expect("an answer")
    }

    pub(crate) fn send_request(&mut self, request: &str, lines: &[&str], body: &[u8]) {
        let mut bytes = format!("{request} HTTP/1.1\r\nHost: frankcao8\r\n").into_bytes();
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.send(&bytes);
    }

    pub(crate) fn packet(&mut self, kind: &str, path: &str, lines: &[&str]) -> Answer {
        self.send_packet(kind, path, lines);
        self.read().expect("an answer")
    }

    pub(crate) fn send_packet(&mut self, kind: &str, path: &str, lines: &[&str]) {
        let kind = format!("BITS-Packet-Type: {kind}");
        let lines = [&[kind.as_str(), "Content-Length: 0"], lines].concat();
        self.send_request(&format!("BITS_POST {path}"), &lines, b"");
    }

    pub(crate) fn create(&mut self, path: &str) -> Answer {
        self.packet("Create-Session", path, &[SUPPORTED])
    }

    pub(crate) fn fragment(
        &mut self,
        path: &str,
        id: &str,
        first: u64,
        total: u64,
        body: &[u8],
    ) -> Answer {
        self.send_fragment(path, id, first, total, body.len() as u64, body);
        self.read().expect("an answer")
    }

    /// `sent` may be shorter than `length`: a body that is cut.
    pub(crate) fn send_fragment(
        &mut self,
        path: &str,
        id: &str,
        first: u64,
        total: u64,
        length: u64,
        sent: &[u8],
    ) {
        let lines = [
            "BITS-Packet-Type: Fragment".to_owned(),
            format!("BITS-Session-Id: {id}"),
            format!("Content-Range: bytes {first}-{}/{total}", first + length - 1),
            format!("Content-Length: {length}"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.send_request(&format!("BITS_POST {path}"), &lines, sent);
    }

    pub(crate) fn close(&mut self, path: &str, id: &str) -> Answer {
        self.packet("Close-Session", path, &[&format!("BITS-Session-Id: {id}")])
    }

    pub(crate) fn cancel(&mut self, path: &str, id: &str) -> Answer {
        self.packet("Cancel-Session", path, &[&format!("BITS-Session-Id: {id}")])
    }

    /// Reads one answer; an error if the connection ends first.
    pub(crate) fn read(&mut self) -> io::Result<Answer> {
        self.read_head_of("GET")
    }

    pub(crate) fn read_head_of(&mut self, method: &str) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("status line");
        let mut answer = Answer { head, status, body: Vec::new() };
        let length =
            answer.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if method != "HEAD" {
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    /// All bytes until the server closes; a reset counts as a close.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut bytes) {
            assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::ConnectionAborted
                ),
                "the connection stays open: {error}"
            );
        }
        bytes
    }
}

/// Bytes that differ at each place.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Waits until something becomes true, within a generous bound.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}
