//! What the tests of the program share: the program itself, a server, and files.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod asking;
pub(crate) mod held;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use bitsup_server::{Config, Server};
use socket2::{Domain, Socket, Type};

/// Longer than anything here may take on a busy machine.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// A folder to run the program in, which is also its home.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    /// The program, with nothing of the caller's surroundings.
    pub(crate) fn command<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        // A job in the background, or under nohup, hands its children signals that are ignored.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_bitsup")]);
        command.args(args).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in [
            "BITSUP_STATE_DIR",
            "STATE_DIRECTORY",
            "XDG_STATE_HOME",
            "BITSUP_USER",
            "BITSUP_PASSWORD",
            "BITSUP_TOKEN",
            "BITSUP_PROXY_PASSWORD",
            "NETRC",
            "http_proxy",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
        ] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Ended {
        Ended::from(self.command(args).output().expect("the program starts"))
    }

    /// Runs it with `input` on standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("started");
        child.stdin.take().expect("piped").write_all(input).expect("taken");
        Ended::from(child.wait_with_output().expect("ended"))
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    pub(crate) fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Waits for a child within a generous bound; one that does not end is killed.
pub(crate) fn wait(mut child: Child) -> Ended {
    let deadline = Instant::now() + GENEROUS;
    while child.try_wait().expect("our child").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("killed");
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ended::from(child.wait_with_output().expect("ended"))
}

/// The most memory that a running child has held since its program began. The figure of `wait4` begins with the memory
/// of the process that started it.
pub(crate) fn peak(child: &Child) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes << 10)
}

/// Waits for a child, and tells the most memory it was seen to hold.
pub(crate) fn end_and_peak(child: &mut Child) -> (ExitStatus, u64) {
    let mut most = 0;
    loop {
        most = most.max(peak(child));
        if let Some(status) = child.try_wait().expect("our child") {
            return (status, most);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal, as `kill` does.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status();
    assert!(sent.expect("sh runs").success());
}

/// A server on a folder of its own.
pub(crate) struct Host {
    root: tempfile::TempDir,
    pub(crate) server: Server,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with_faults(script: &str) -> Self {
        Self::with(Config { fault: Some(script.parse().expect("a script")), ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let root = tempfile::tempdir().expect("root");
        let config = Config { root: root.path().to_owned(), ..config };
        Self { server: Server::start(config).expect("server"), root }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        self.server.url(&format!("/{name}"))
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn published(&self, name: &str) -> Vec<u8> {
        let mut content = Vec::new();
        let opened = std::fs::File::open(self.root.path().join(name));
        opened.expect("published").read_to_end(&mut content).expect("read");
        content
    }

    /// Waits until the server has taken `bytes` bytes, as long as they keep coming.
    pub(crate) fn wait_for_bytes(&self, bytes: u64) {
        let (mut taken, mut moved) = (0, Instant::now());
        while taken < bytes {
            let now = self.server.requests().iter().map(|request| request.body).sum::<u64>();
            if now > taken {
                (taken, moved) = (now, Instant::now());
            }
            assert!(moved.elapsed() < GENEROUS, "only {taken} bytes came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until bytes of that number of sessions have come.
    pub(crate) fn wait_for_sessions(&self, count: usize) {
        let begun = Instant::now();
        loop {
            let requests = self.server.requests();
            let with_bytes = requests.iter().filter(|request| request.body > 0);
            let sessions: BTreeSet<_> = with_bytes.map(|request| &request.session).collect();
            if sessions.len() >= count {
                return;
            }
            assert!(begun.elapsed() < GENEROUS, "only {} sessions got bytes", sessions.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A port without a listener, as long as the socket is there.
pub(crate) fn unheard() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    let address = socket.local_addr().expect("an address").as_socket().expect("IPv4");
    (socket, address)
}

/// Bytes that differ wherever they are spliced.
pub(crate) fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}
