//! A server that reads and throws away, for benchmarks: it answers BITS packets and plain PUT on loopback, a
//! thread a connection, and costs as little as a server can. It checks nothing; `bitsup serve` is the real one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Also the bound of a request's head, which fits many times.
const BUFFER_BYTES: usize = 256 << 10;
const MAX_HEADERS: usize = 64;

/// A running server; it ends with the process.
#[derive(Debug)]
pub(super) struct Sink {
    address: SocketAddr,
    state: Arc<State>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct State {
    /// Body bytes that were taken.
    received: AtomicU64,
    /// Body bytes that were read after their head.
    read: AtomicU64,
    /// What is there of each file; a session has none of its own.
    offsets: Mutex<HashMap<String, u64>>,
    /// When the first byte came.
    first: Mutex<Option<Instant>>,
    /// Whether what came of a Fragment that was cut is taken.
    keeps: bool,
    /// Bytes a second.
    pace: Option<f64>,
}

impl Sink {
    /// Starts it on a free port of loopback.
    pub(super) fn start(keeps: bool, pace: Option<f64>) -> io::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, keeps, pace)
    }

    /// Starts it on a free port of that address; it reads at most `pace` bytes a second from each connection.
    pub(super) fn start_at(address: Ipv4Addr, keeps: bool, pace: Option<f64>) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { keeps, pace, ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // A client that goes away is its own business: the benchmark looks at the count.
                    let _ = Connection::new(stream, shared).serve();
                });
            }
        });
        Ok(Self { address, state })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the first byte came since this was asked last.
    pub(super) fn take_first_byte(&self) -> Option<Instant> {
        self.state.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Body bytes that were read until now, wanted or not, whole packets or not.
    pub(super) fn bytes_read(&self) -> u64 {
        self.state.read.load(Ordering::Relaxed)
    }

    /// Waits until nothing more comes from a client that was killed.
    pub(super) fn drain(&self) {
        let mut before = None;
        while before.replace(self.bytes_read()) != Some(self.bytes_read()) {
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Body bytes that arrived until now.
    pub(super) fn bytes_received(&self) -> u64 {
        self.state.received.load(Ordering::Relaxed)
    }
}

struct Connection {
    stream: TcpStream,
    state: Arc<State>,
    buffer: Vec<u8>,
    /// How much of the buffer's start is read and not yet used.
    filled: usize,
    /// When the next byte may be read, at that pace.
    next: Instant,
}

/// Time that was not used is made up for up to here.
const MOST_BEHIND: Duration = Duration::from_millis(20);

/// What is kept of a request's head.
#[derive(Debug, Default)]
struct Head {
    length: usize,
    is_put: bool,
    is_bits: bool,
    path: String,
    body_bytes: u64,
    expects_continue: bool,
    creates_session: bool,
    /// The offset of the fragment.
    range_start: Option<u64>,
}

impl Connection {
    fn new(stream: TcpStream, state: Arc<State>) -> Self {
        Self { stream, state, buffer: vec![0; BUFFER_BYTES], filled: 0, next: Instant::now() }
    }

    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.read_head()? {
            if head.expects_continue {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let answer = self.take(&head)?;
            self.stream.write_all(answer.as_bytes())?;
        }
        Ok(())
    }

    /// The next request, or nothing when the client has closed.
    fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(head) = parse_head(filled)? {
                let length = head.length;
                self.buffer.copy_within(length..self.filled, 0);
                self.filled -= length;
                return Ok(Some(head));
            }
            let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
            if free.is_empty() {
                return Err(io::Error::other("the head is too long"));
            }
            match self.stream.read(free)? {
                0 => return Ok(None),
                count => {
                    let mut first = self.state.first.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert_with(Instant::now);
                    self.filled += count;
                }
            }
        }
    }

    /// Takes a request's body, if it is wanted, and says what to answer.
    fn take(&mut self, head: &Head) -> io::Result<String> {
        let offset = |state: &State| {
            let offsets = state.offsets.lock().unwrap_or_else(PoisonError::into_inner);
            offsets.get(&head.path).copied().unwrap_or(0)
        };
        let at = if head.creates_session { 0 } else { offset(&self.state) };
        let wanted = head.range_start.is_none_or(|start| start == at);
        let (taken, whole) = self.discard(head.body_bytes);
        let counts = wanted && (whole.is_ok() || (self.state.keeps && head.range_start.is_some()));
        // Another connection may have gone on meanwhile.
        let counts = counts && (head.creates_session || offset(&self.state) == at);
        let next = if counts { at + taken } else { at };
        // Before the answer, so that a client that has its answer is counted.
        self.state.received.fetch_add(next - at, Ordering::Relaxed);
        if head.is_bits && counts {
            let mut offsets = self.state.offsets.lock().unwrap_or_else(PoisonError::into_inner);
            offsets.insert(head.path.clone(), next);
        }
        whole?;
        Ok(answer(head, wanted, next))
    }

    /// Reads a body; how much of it came, and whether that is all.
    fn discard(&mut self, body_bytes: u64) -> (u64, io::Result<()>) {
        let buffered = self.filled.min(usize::try_from(body_bytes).unwrap_or(usize::MAX));
        self.buffer.copy_within(buffered..self.filled, 0);
        self.filled -= buffered;
        let mut left = body_bytes - buffered as u64;
        while left > 0 {
            let wanted = BUFFER_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX));
            let place = self.buffer.get_mut(..wanted).unwrap_or_default();
            match self.stream.read(place) {
                Ok(0) => return (body_bytes - left, Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.pause(count);
                    left -= count as u64;
                    self.state.read.fetch_add(count as u64, Ordering::Relaxed);
                }
                Err(error) => return (body_bytes - left, Err(error)),
            }
        }
        (body_bytes, Ok(()))
    }

    /// Waits until that number of bytes may have been read.
    fn pause(&mut self, count: usize) {
        let Some(pace) = self.state.pace else { return };
        let now = Instant::now();
        let earliest = now.checked_sub(MOST_BEHIND).unwrap_or(now);
        self.next = self.next.max(earliest) + Duration::from_secs_f64(count as f64 / pace);
        thread::sleep(self.next.saturating_duration_since(now));
    }
}

/// Reads the head when all of it is there.
fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let mut head = Head {
        length,
        path: request.path.unwrap_or_default().to_owned(),
        is_put: request.method == Some("PUT"),
        is_bits: request.method == Some("BITS_POST"),
        ..Head::default()
    };
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(io::Error::other)?.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => head.body_bytes = value.parse().map_err(io::Error::other)?,
            "expect" => head.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "bits-packet-type" => {
                head.creates_session = value.eq_ignore_ascii_case("create-session");
            }
            "content-range" => head.range_start = range_start(value),
            _ => {}
        }
    }
    Ok(Some(head))
}

/// The offset of `bytes 4096-4891/4892`: 4096.
fn range_start(range: &str) -> Option<u64> {
    let (_, positions) = range.split_once(' ')?;
    positions.split_once('-')?.0.parse().ok()
}

fn answer(head: &Head, wanted: bool, next: u64) -> String {
    if head.is_put {
        return "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    if !head.is_bits {
        return "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    let status = if wanted { "200 OK" } else { "416 Range Not Satisfiable" };
    let mut answer = format!("HTTP/1.1 {status}\r\nBITS-Packet-Type: Ack\r\nContent-Length: 0\r\n");
    if head.creates_session {
        answer += "BITS-Protocol: {7df0354d-249b-430f-820d-3d2a9bef4931}\r\n\
            BITS-Session-Id: {A0FF5911-4144-45B3-BF27-27AFC8EC8A67}\r\n\
            Accept-Encoding: identity\r\n";
    }
    if head.range_start.is_some() {
        let _ = write!(answer, "BITS-Received-Content-Range: {next}\r\n");
    }
    answer + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the requests over one connection, then closes it for writing, and returns all that comes back.
    fn exchange(sink: &Sink, requests: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(sink.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a valid time");
        for request in requests {
            stream.write_all(request).expect("it reads");
        }
        stream.shutdown(std::net::Shutdown::Write).expect("open");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).expect("it answers");
        answers
    }

    #[test]
    fn a_session_is_acknowledged_packet_by_packet() {
        let sink = Sink::start(false, None).expect("loopback");
        let answers = exchange(
            &sink,
            &[
                b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Create-Session\r\nContent-Length: 0\r\n\r\n",
                b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Fragment\r\nContent-Range: bytes 0-4/9\r\ncontent-length: 5\r\n\r\nabcde",
                b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Fragment\r\nContent-Range: bytes 5-8/9\r\nContent-Length: 4\r\n\r\nfg",
                b"hi",
                b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Close-Session\r\nContent-Length: 0\r\n\r\n",
            ],
        );
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 4);
        assert_eq!(answers.matches("BITS-Session-Id: {").count(), 1);
        assert!(answers.contains("BITS-Received-Content-Range: 5\r\n"));
        assert!(answers.contains("BITS-Received-Content-Range: 9\r\n"));
        assert_eq!(sink.bytes_received(), 9);
    }

    #[test]
    fn a_put_is_invited_and_thrown_away() {
        let sink = Sink::start(false, None).expect("loopback");
        let body = vec![b'x'; 3 * BUFFER_BYTES];
        let head = format!(
            "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answers = exchange(&sink, &[head.as_bytes(), &body]);
        assert_eq!(
            answers,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(sink.bytes_received(), body.len() as u64);
    }

    #[test]
    fn only_a_sink_that_keeps_parts_continues_in_the_middle() {
        for (keeps, there) in [(false, 0), (true, 3)] {
            let sink = Sink::start(keeps, None).expect("loopback");
            let fragment: &[u8] =
                b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Fragment\r\nContent-Range: bytes 0-8/9\r\nContent-Length: 9\r\n\r\nabc";
            assert_eq!(exchange(&sink, &[fragment]), "");
            let next: &[u8] =
                b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Fragment\r\nContent-Range: bytes 7-8/9\r\nContent-Length: 2\r\n\r\nhi";
            let answer = exchange(&sink, &[next]);
            assert!(answer.starts_with("HTTP/1.1 416 "), "{answer}");
            assert!(answer.contains(&format!("BITS-Received-Content-Range: {there}\r\n")));
            assert_eq!(sink.bytes_received(), there);
        }
    }

    #[test]
    fn other_methods_and_broken_heads_are_turned_away() {
        let sink = Sink::start(false, None).expect("loopback");
        assert!(exchange(&sink, &[b"GET /a HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 405 "));
        assert_eq!(exchange(&sink, &[b"no request\r\n\r\n"]), "");
    }
}
