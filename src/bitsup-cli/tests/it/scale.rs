//! Many files: at once, and more than there may be files open.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use crate::common::{GENEROUS, Place, end_and_peak, wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Peak memory of as many uploads at once as below.
const MOST_BYTES: u64 = 120 << 20;
const AT_ONCE: usize = 1000;

/// All files are under way at the same time: the server answers no Create-Session before
/// it has all of them.
#[test]
fn a_thousand_uploads_run_at_once_on_one_thread_in_little_memory() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("may be raised");
    let count = AT_ONCE.min(bitsup::Client::most_active());
    assert!(count >= 100, "a hard limit of {:?} open files is too low", limit.maximum);
    let place = Place::new();
    let list = files(&place, count, 300 << 10);
    let sink = Sink::start(count);

    let mut command = place.command(["upload", "-q", "--no-resume", "--parallel", "1000"]);
    let mut child = command.arg("--files-from").arg(list).arg(sink.url()).spawn().expect("started");
    let threads = format!("/proc/{}/task", child.id());
    sink.wait_for_all();
    let names = || -> Vec<String> {
        let tasks = std::fs::read_dir(&threads).expect("it runs").flatten();
        let comm = |path: PathBuf| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        tasks.map(|task| comm(task.path()).trim().to_owned()).collect()
    };
    // The main thread has the program's name, which is also the engine's. One that has just begun has still that of
    // the thread that made it.
    let engines = |names: &[String]| names.iter().filter(|name| *name == "bitsup").count();
    let begun = Instant::now();
    let names = loop {
        let names = names();
        if engines(&names) == 2 {
            break names;
        }
        assert!(begun.elapsed() < GENEROUS, "{names:?}");
        thread::yield_now();
    };
    assert!(names.len() <= 12, "{names:?}");
    sink.go_on();

    let (status, peak) = end_and_peak(&mut child);
    assert!(status.success(), "{status:?}");
    sink.check(count as u64 * (300 << 10));
    assert!(peak > 0, "the system tells no peak");
    assert!(peak <= MOST_BYTES, "{peak} bytes");
}

/// As in a shell with a low limit: connections and journals of files that are done must be gone.
#[test]
fn thousands_of_small_files_need_few_open_files() {
    for options in ["--no-resume", "--parallel=200"] {
        let place = Place::new();
        let list = files(&place, 1500, 4 << 10);
        let sink = Sink::start(0);
        let line = format!(
            "ulimit -n 256; exec '{}' upload -q {options} --files-from '{}' '{}'",
            env!("CARGO_BIN_EXE_bitsup"),
            list.display(),
            sink.url()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &line]).env_clear().env("HOME", place.path(""));
        command.current_dir(place.path(""));
        command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        wait(command.spawn().expect("sh runs")).ok();
        sink.check(1500 * (4 << 10));
        let connections = sink.connections.load(Ordering::Relaxed);
        assert!(connections < 400, "{connections} connections, though they can be used again");
    }
}

/// Files named by their number, each filled with one byte of its own; the list of them.
fn files(place: &Place, count: usize, size: usize) -> PathBuf {
    let list: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    for number in 0..count {
        place.write(&number.to_string(), &vec![(number % 251) as u8; size]);
    }
    place.write("list", list.join("\n").as_bytes())
}

/// Takes uploads of such files, a thread a connection, and looks at every byte.
struct Sink {
    port: u16,
    received: Arc<AtomicU64>,
    connections: Arc<AtomicUsize>,
    problem: Arc<Mutex<Option<String>>>,
    latch: Arc<Latch>,
}

/// Holds all Create-Sessions back until `wait_for` have come and the test lets them go.
struct Latch {
    missing: Mutex<usize>,
    open: Mutex<bool>,
    changed: Condvar,
}

impl Sink {
    fn start(wait_for: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let latch = Arc::new(Latch {
            missing: Mutex::new(wait_for),
            open: Mutex::new(wait_for == 0),
            changed: Condvar::new(),
        });
        let sink = Self {
            port,
            received: Arc::default(),
            connections: Arc::default(),
            problem: Arc::default(),
            latch,
        };
        let (received, connections, problem, latch) = (
            Arc::clone(&sink.received),
            Arc::clone(&sink.connections),
            Arc::clone(&sink.problem),
            Arc::clone(&sink.latch),
        );
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (received, problem, latch) =
                    (Arc::clone(&received), Arc::clone(&problem), Arc::clone(&latch));
                let serve = move || {
                    if let Err(error) = serve(stream, &received, &latch) {
                        *problem.lock().expect("lock") = Some(error);
                    }
                };
                thread::Builder::new().stack_size(128 << 10).spawn(serve).expect("a thread");
            }
        });
        sink
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn wait_for_all(&self) {
        let missing = self.latch.missing.lock().expect("lock");
        let waited = self.latch.changed.wait_timeout_while(missing, GENEROUS, |left| *left > 0);
        let (missing, _) = waited.expect("lock");
        assert_eq!(*missing, 0, "uploads are not under way");
    }

    fn go_on(&self) {
        *self.latch.open.lock().expect("lock") = true;
        self.latch.changed.notify_all();
    }

    fn check(&self, bytes: u64) {
        assert_eq!(*self.problem.lock().expect("lock"), None);
        assert_eq!(self.received.load(Ordering::Relaxed), bytes);
    }
}

impl Latch {
    fn pass(&self) {
        let mut missing = self.missing.lock().expect("lock");
        *missing = missing.saturating_sub(1);
        drop(missing);
        self.changed.notify_all();
        let open = self.open.lock().expect("lock");
        drop(self.changed.wait_timeout_while(open, GENEROUS, |open| !*open));
    }
}

fn serve(mut stream: TcpStream, received: &AtomicU64, latch: &Latch) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(GENEROUS)).map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    let mut buffer = vec![0; 16 << 10];
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let read = match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                // The client drops connections that it does not need.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            held.extend_from_slice(&buffer[..read]);
        };
        let rest = held.split_off(end);
        let head = String::from_utf8(std::mem::replace(&mut held, rest)).expect("text");
        let value = |name: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
        };
        let path = head.split(' ').nth(1).unwrap_or_default();
        let number: usize = path[1..].parse().map_err(|_| format!("{path} is no file"))?;
        let length: usize = value("Content-Length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let mut left = length;
        let wrong = |bytes: &[u8]| bytes.iter().any(|byte| usize::from(*byte) != number % 251);
        let early = left.min(held.len());
        let body: Vec<u8> = held.drain(..early).collect();
        let mut is_wrong = wrong(&body);
        left -= early;
        while left > 0 {
            let most = left.min(buffer.len());
            let read = stream.read(&mut buffer[..most]).map_err(text)?;
            is_wrong |= read == 0 || wrong(&buffer[..read]);
            if is_wrong {
                break;
            }
            left -= read;
        }
        if is_wrong {
            return Err(format!("{path} has bytes of another file, or too few"));
        }
        received.fetch_add(length as u64, Ordering::Relaxed);
        let create = value("BITS-Packet-Type") == Some("Create-Session");
        if create {
            latch.pass();
        }
        let range = value("Content-Range").and_then(|range| range.split('/').next());
        let last = range.and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        let mut answer = "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\n".to_owned();
        if create {
            answer += "BITS-Protocol: {7df0354d-249b-430f-820d-3d2a9bef4931}\r\n";
            answer += "BITS-Session-Id: {one}\r\n";
        }
        if let Some(last) = last {
            let _ = write!(answer, "BITS-Received-Content-Range: {}\r\n", last + 1);
        }
        answer += "Content-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).map_err(text)?;
    }
}
