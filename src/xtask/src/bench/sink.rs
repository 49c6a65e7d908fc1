//! A server that reads and throws away, for benchmarks: it answers BITS packets as the model of servers does, and plain PUT,
//! on loopback, a thread a connection, and costs as little as a server can. `bitsup serve` is the real one.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;

use bitsup_server::model::{Content, Dice, Habits, HeadHabit, Model, Request, Span, Spans};

const BUFFER_BYTES: usize = 256 << 10;
/// Linux throws the bytes of a stream away uncopied: what is measured is who sends, and not this thread.
const DISCARDED: RecvFlags =
    if cfg!(target_os = "linux") { RecvFlags::TRUNC } else { RecvFlags::empty() };
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

/// A running server; it ends with the process.
#[derive(Debug)]
pub(super) struct Sink {
    address: SocketAddr,
    state: Arc<State>,
}

/// What all connections share.
#[derive(Debug)]
struct State {
    /// Body bytes that were taken.
    received: AtomicU64,
    /// Body bytes that were read after their head.
    read: AtomicU64,
    /// The sessions and their offsets, without the bytes.
    model: Mutex<Model<Spans>>,
    /// When the first byte came.
    first: Mutex<Option<Instant>>,
    /// Bytes a second.
    pace: Option<f64>,
}

impl Sink {
    /// Starts it on a free port of that address. It reads at most this number of bytes a second from each connection, and
    /// may keep what came of a Fragment that was cut.
    pub(super) fn start(address: Ipv4Addr, keeps: bool, pace: Option<f64>) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let address = listener.local_addr()?;
        let habits = Habits {
            keeps_cut_bodies: keeps,
            head: HeadHabit::Status(405),
            dated: false,
            ids_in_acks: false,
            ..Habits::conforming()
        };
        let state = Arc::new(State {
            received: AtomicU64::new(0),
            read: AtomicU64::new(0),
            model: Mutex::new(Model::with_habits(habits, Dice::seeded(0))),
            first: Mutex::new(None),
            pace,
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming().flatten()) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // A client that goes away is its own business: the benchmark looks at the count.
                    let _ = Connection::new(number, stream, shared).serve();
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
        lock(&self.state.first).take()
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
    number: u64,
    stream: BufReader<TcpStream>,
    state: Arc<State>,
    /// For what is thrown away.
    scratch: Vec<u8>,
    /// When the next byte may be read, at that pace.
    next: Instant,
}

/// Time that was not used is made up for up to here.
const MOST_BEHIND: Duration = Duration::from_millis(20);

/// What is kept of a request's head.
struct Head {
    request: Request,
    is_put: bool,
    expects_continue: bool,
}

impl Connection {
    fn new(number: u64, stream: TcpStream, state: Arc<State>) -> Self {
        let stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        Self { number, stream, state, scratch: vec![0; BUFFER_BYTES], next: Instant::now() }
    }

    fn serve(&mut self) -> io::Result<()> {
        self.stream.get_ref().set_nodelay(true)?;
        while let Some(head) = self.read_head()? {
            if head.expects_continue {
                self.stream.get_mut().write_all(CONTINUE)?;
            }
            let answer = self.take(&head)?;
            self.stream.get_mut().write_all(&answer)?;
        }
        Ok(())
    }

    /// The next request, or nothing when the client has closed.
    fn read_head(&mut self) -> io::Result<Option<Head>> {
        if self.stream.fill_buf()?.is_empty() {
            return Ok(None);
        }
        lock(&self.state.first).get_or_insert_with(Instant::now);
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let request = Request::parse(&bytes, self.number);
        let request = request.ok_or_else(|| io::Error::other("not a request"))?;
        let is_put = bytes.starts_with(b"PUT ");
        // As curl writes it.
        let expects_continue = is_put && bytes.windows(14).any(|bytes| bytes == b": 100-continue");
        Ok(Some(Head { request, is_put, expects_continue }))
    }

    /// Takes a request's body, if it is wanted; the answer.
    fn take(&mut self, Head { request, is_put, .. }: &Head) -> io::Result<Vec<u8>> {
        let (length, whole) = self.discard(request.length);
        let received = &self.state.received;
        if *is_put {
            whole?;
            received.fetch_add(length, Ordering::Relaxed);
            return Ok(CREATED.to_vec());
        }
        let from = request.range.map_or(0, |range| range.first);
        let body = Span { from, version: 0, length };
        let stored = |model: &Model<Spans>| {
            let session = request.session.as_ref().and_then(|id| model.content(id));
            session.map_or(0, Content::length)
        };
        let mut model = lock(&self.state.model);
        let before = stored(&model);
        let answer = match whole {
            Ok(()) => Ok(model.answer(request, &body).to_bytes()),
            Err(error) => {
                model.take_part(request, &body);
                Err(error)
            }
        };
        // Before the answer, so that a client that has its answer is counted. A session that was closed has no bytes.
        received.fetch_add(stored(&model).saturating_sub(before), Ordering::Relaxed);
        answer
    }

    /// Reads a body; how much of it came, and whether that is all.
    fn discard(&mut self, body_bytes: u64) -> (u64, io::Result<()>) {
        let buffered = at_most(self.stream.buffer().len(), body_bytes);
        self.stream.consume(buffered);
        let mut left = body_bytes - buffered as u64;
        while left > 0 {
            let wanted = at_most(BUFFER_BYTES, left);
            let place = self.scratch.get_mut(..wanted).unwrap_or_default();
            match rustix::net::recv(self.stream.get_ref(), place, DISCARDED) {
                Ok((_, 0)) => return (body_bytes - left, Err(io::ErrorKind::UnexpectedEof.into())),
                Ok((_, count)) => {
                    self.pause(count);
                    left -= count as u64;
                    self.state.read.fetch_add(count as u64, Ordering::Relaxed);
                }
                Err(error) => return (body_bytes - left, Err(error.into())),
            }
        }
        (body_bytes, Ok(()))
    }

    /// Waits until this number of bytes may have been read.
    fn pause(&mut self, count: usize) {
        let Some(pace) = self.state.pace else { return };
        let now = Instant::now();
        let earliest = now.checked_sub(MOST_BEHIND).unwrap_or(now);
        self.next = self.next.max(earliest) + Duration::from_secs_f64(count as f64 / pace);
        thread::sleep(self.next.saturating_duration_since(now));
    }
}

/// The smaller of both.
fn at_most(count: usize, bound: u64) -> usize {
    count.min(usize::try_from(bound).unwrap_or(usize::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

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

    /// The head of a Fragment of a new session that says it has these bytes.
    fn fragments(sink: &Sink) -> impl Fn(&str, usize) -> Vec<u8> {
        let create =
            b"BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Create-Session\r\nContent-Length: 0\r\n\r\n";
        let answer = exchange(sink, &[create]);
        let (_, id) = answer.split_once("BITS-Session-Id: ").expect("a session");
        let id = id.split("\r\n").next().expect("a line").to_owned();
        move |range, length| {
            format!("BITS_POST /a HTTP/1.1\r\nBITS-Packet-Type: Fragment\r\nBITS-Session-Id: {id}\r\nContent-Range: bytes {range}/9\r\ncontent-length: {length}\r\n\r\n").into_bytes()
        }
    }

    #[test]
    fn a_session_is_acknowledged_packet_by_packet() {
        let sink = Sink::start(Ipv4Addr::LOCALHOST, false, None).expect("loopback");
        let head = fragments(&sink);
        let answers = exchange(&sink, &[&head("0-4", 5), b"abcde", &head("5-8", 4), b"fg", b"hi"]);
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2);
        assert!(answers.contains("BITS-Received-Content-Range: 5\r\n"));
        assert!(answers.contains("BITS-Received-Content-Range: 9\r\n"));
        assert_eq!(sink.bytes_received(), 9);
    }

    #[test]
    fn a_put_is_invited_and_thrown_away() {
        let sink = Sink::start(Ipv4Addr::LOCALHOST, false, None).expect("loopback");
        let body = vec![b'x'; 3 * BUFFER_BYTES];
        let head = format!(
            "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answers = exchange(&sink, &[head.as_bytes(), &body]);
        assert_eq!(answers.as_bytes(), [CONTINUE, CREATED].concat());
        assert_eq!(sink.bytes_received(), body.len() as u64);
    }

    #[test]
    fn only_a_sink_that_keeps_parts_continues_in_the_middle() {
        for (keeps, there) in [(false, 0), (true, 3)] {
            let sink = Sink::start(Ipv4Addr::LOCALHOST, keeps, None).expect("loopback");
            let head = fragments(&sink);
            assert_eq!(exchange(&sink, &[&head("0-8", 9), b"abc"]), "");
            let answer = exchange(&sink, &[&head("7-8", 2), b"hi"]);
            assert!(answer.starts_with("HTTP/1.1 416 "), "{answer}");
            assert!(answer.contains(&format!("BITS-Received-Content-Range: {there}\r\n")));
            assert_eq!(sink.bytes_received(), there);
        }
    }

    #[test]
    fn other_methods_and_broken_heads_are_turned_away() {
        let sink = Sink::start(Ipv4Addr::LOCALHOST, false, None).expect("loopback");
        assert!(exchange(&sink, &[b"HEAD /a HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 405 "));
        assert_eq!(exchange(&sink, &[b"nonsense\r\n\r\n"]), "");
    }
}
