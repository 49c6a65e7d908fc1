//! Real server programs: each with a configuration of its own in a temporary folder, in the
//! foreground, on free ports of the loopback interface, ended with the value.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a program may take until it answers, or until it has ended after SIGTERM.
const START_PATIENCE: Duration = Duration::from_secs(30);
const END_PATIENCE: Duration = Duration::from_secs(5);
/// Another process may take a port between our look and the program's start.
const TRIES: usize = 3;
/// Not even a test that was killed leaves a program longer than that; in seconds.
const LIFETIME: &str = "300";

/// Where a program's configuration goes, and its ports.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    ports: Vec<u16>,
}

impl Place {
    /// The folder, which any user may enter and write: some servers take another user than root.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path of a file in the folder, as text for a configuration.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes a file into the folder and gives its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path().join(name), text).expect("written");
        self.file(name)
    }

    /// One of the ports.
    pub(crate) fn port(&self, number: usize) -> u16 {
        self.ports[number]
    }
}

/// A program that runs until the value is dropped.
pub(crate) struct Program {
    name: &'static str,
    place: Place,
    child: Child,
}

impl Program {
    /// Starts the program with that many free ports and waits until all of them accept connections.
    /// `configure` writes its configuration and gives its arguments.
    ///
    /// `None`, and a note for `cargo xtask test`, if the program is not installed.
    pub(crate) fn start(
        name: &'static str,
        ports: usize,
        configure: impl Fn(&Place) -> Vec<String>,
    ) -> Option<Self> {
        let path = installed(name)?;
        let mut logs = String::new();
        for _ in 0..TRIES {
            let folder = tempfile::tempdir().expect("folder");
            fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("changed");
            let place = Place { folder, ports: (0..ports).map(|_| free_port()).collect() };
            let mut command = Command::new("timeout");
            command.args(["--kill-after=5", LIFETIME]).arg(&path).args(configure(&place));
            let mut program = Self { name, child: spawn(&mut command, &place), place };
            if program.wait_until_it_answers() {
                return Some(program);
            }
            logs.push_str(&program.logs());
        }
        panic!("{name} does not start:\n{logs}");
    }

    /// One of its ports on 127.0.0.1.
    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.place.port(number)))
    }

    /// Its folder.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// What it wrote: standard output and error, and all files of the folder named `….log`.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.place.path()).expect("the folder").flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let content = fs::read(&path).unwrap_or_default();
                let from = content.len().saturating_sub(8000);
                let content = String::from_utf8_lossy(&content[from..]);
                let heading = format!("---- {} of {}\n", path.display(), self.name);
                text.extend([heading.as_str(), &content, "\n"]);
            }
        }
        text
    }

    /// Whether all ports accept connections; false if it ended first.
    fn wait_until_it_answers(&mut self) -> bool {
        let begun = Instant::now();
        for number in 0..self.place.ports.len() {
            while TcpStream::connect(self.address(number)).is_err() {
                if self.child.try_wait().expect("a child").is_some()
                    || begun.elapsed() > START_PATIENCE
                {
                    return false;
                }
                sleep(Duration::from_millis(5));
            }
        }
        // Another program may have answered.
        self.child.try_wait().expect("a child").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        let group = Pid::from_raw(self.child.id().cast_signed());
        let begun = Instant::now();
        // The group is there as long as the child was not waited for.
        let mut signal = Signal::SIGTERM;
        while let Ok(None) = self.child.try_wait() {
            killpg(group, signal).ok();
            sleep(Duration::from_millis(5));
            if begun.elapsed() > END_PATIENCE {
                signal = Signal::SIGKILL;
            }
        }
    }
}

fn spawn(command: &mut Command, place: &Place) -> Child {
    let log = File::create(place.path().join("output.log")).expect("a log");
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log again"))
        .stderr(log)
        .current_dir(place.path())
        // Its child processes end with it.
        .process_group(0);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Where a program lies, also outside of the search path of people who are not root. A program
/// that is missing is noted for `cargo xtask test`: the test is skipped.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&search_path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{name} is missing"));
    }
    found
}

/// Notes for `cargo xtask test` that this test could not run.
pub(crate) fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
    eprintln!("{test}: skipped: {reason}");
    let Some(folder) = std::env::var_os("BITSUP_SKIPS_DIR") else { return };
    let file = Path::new(&folder).join(format!("bitsup-{}", std::process::id()));
    let file = OpenOptions::new().append(true).create(true).open(file);
    file.and_then(|mut file| writeln!(file, "bitsup::{test}\t{reason}"))
        .expect("the note can be written");
}

/// A port below those that the system gives to clients, so that no connection of a test takes it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    // Programs of two test processes start far from each other.
    let start = std::process::id().wrapping_mul(131);
    loop {
        let offset = start.wrapping_add(u32::from(NEXT.fetch_add(1, Ordering::Relaxed)));
        let port = (FIRST + offset % COUNT) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A configuration as the guides show it, with the places of a test: each pair is a text that
/// must be in it, and what stands there in the test.
pub(crate) fn adapted(text: &str, places: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in places {
        assert!(text.contains(from), "the configuration has no {from:?}");
        text = text.replace(from, to);
    }
    text
}
