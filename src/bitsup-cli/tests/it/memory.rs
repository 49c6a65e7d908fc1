//! Memory does not grow with the file.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::common::{GENEROUS, Place, peak, wait};

const SMALL: u64 = 64 << 20;
const LARGE: u64 = 5 << 30;
/// What may be between the two. How much a build without optimisation holds in all says little.
const MOST_MORE: u64 = 2 << 20;

/// Five gibibytes, most of them a hole, into a server that compares and throws away.
#[test]
fn five_gibibytes_take_little_memory() {
    let (small, large) = (peak_with(SMALL), peak_with(LARGE));
    assert!(small > 0 && large <= small + MOST_MORE, "{small} bytes, then {large}");
}

/// The most memory held until Close-Session, when the whole file has gone out: the last moment of a process is over
/// before one can look at it.
fn peak_with(size: u64) -> u64 {
    let place = Place::new();
    let file = std::fs::File::create(place.path("large.img")).expect("made");
    file.set_len(size).expect("a sparse file");
    let sink = Sink::start();
    let args = ["upload", "-q", "large.img", &format!("http://127.0.0.1:{}/large.img", sink.port)];
    let child = place.command(args).spawn().expect("started");
    let closing = sink.closing.recv_timeout(10 * GENEROUS);
    let most = peak(&child);
    drop(sink.may_close);
    wait(child).ok();
    assert_eq!(*sink.problem.lock().expect("lock"), None);
    closing.expect("Close-Session came");
    assert_eq!(sink.received.load(Ordering::Relaxed), size);
    most
}

/// Takes one upload of zero bytes in the right order, and keeps nothing. Close-Session waits until it may go on.
struct Sink {
    port: u16,
    received: Arc<AtomicU64>,
    problem: Arc<Mutex<Option<String>>>,
    closing: mpsc::Receiver<()>,
    may_close: mpsc::Sender<()>,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (received, problem) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let (count, report) = (Arc::clone(&received), Arc::clone(&problem));
        let ((close, closing), (may_close, wait)) = (mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = serve(stream, &count, &close, &wait) {
                    *report.lock().expect("lock") = Some(error);
                    // Who waits for Close-Session is told that it will not come.
                    break;
                }
            }
        });
        Self { port, received, problem, closing, may_close }
    }
}

fn serve(
    mut stream: TcpStream,
    received: &AtomicU64,
    close: &mpsc::Sender<()>,
    may_close: &mpsc::Receiver<()>,
) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let (mut buffer, zeros) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).map_err(text)? == 0 {
                return Ok(());
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(|error| error.to_string())?;
        let value = |name: &str| {
            head.lines()
                .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name))
                .map(|(_, value)| value)
        };
        let mut left: u64 =
            value("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let first = value("Content-Range").and_then(|range| range.strip_prefix("bytes "));
        let first: Option<u64> = first.and_then(|range| range.split('-').next()?.parse().ok());
        let at = received.load(Ordering::Relaxed);
        if first.is_some_and(|first| first != at) {
            return Err(format!("{first:?} instead of {at}"));
        }
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = stream.read(&mut buffer[..most]).map_err(text)?;
            if read == 0 || buffer[..read] != zeros[..read] {
                return Err(format!(
                    "wrong or missing bytes near {}",
                    received.load(Ordering::Relaxed)
                ));
            }
            received.fetch_add(read as u64, Ordering::Relaxed);
            left -= read as u64;
        }
        if value("BITS-Packet-Type") == Some("Close-Session") {
            // An error is the end of the one who waits, or its word to go on.
            let _ = close.send(()).map(|()| may_close.recv());
        }
        let offset = received.load(Ordering::Relaxed);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Session-Id: {{1}}\r\nBITS-Protocol: {{7df0354d-249b-430f-820d-3d2a9bef4931}}\r\n\
             BITS-Received-Content-Range: {offset}\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).map_err(text)?;
    }
}
