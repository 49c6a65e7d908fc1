//! A server that reads and throws away, for benchmarks: it answers BITS packets and plain PUT on loopback, a
//! thread a connection, and costs as little as a server can. It checks nothing; `bitsup serve` is the real one.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Also the bound of a request's head, which fits many times.
const BUFFER_BYTES: usize = 256 << 10;
const MAX_HEADERS: usize = 64;

/// A running server; it ends with the process.
#[derive(Debug)]
pub(super) struct Sink {
    address: SocketAddr,
    received: Arc<AtomicU64>,
}

impl Sink {
    /// Starts it on a free port.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let received = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    // A client that goes away is its own business: the benchmark looks at the count.
                    let _ = Connection::new(stream, counter).serve();
                });
            }
        });
        Ok(Self { address, received })
    }

    /// The URL of a file here.
    pub(super) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Body bytes that arrived until now.
    pub(super) fn bytes_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

struct Connection {
    stream: TcpStream,
    received: Arc<AtomicU64>,
    buffer: Vec<u8>,
    /// How much of the buffer's start is read and not yet used.
    filled: usize,
}

/// What is kept of a request's head.
#[derive(Debug, Default)]
struct Head {
    length: usize,
    is_put: bool,
    is_bits: bool,
    body_bytes: u64,
    expects_continue: bool,
    creates_session: bool,
    /// The offset after the fragment.
    range_end: Option<u64>,
}

impl Connection {
    fn new(stream: TcpStream, received: Arc<AtomicU64>) -> Self {
        Self { stream, received, buffer: vec![0; BUFFER_BYTES], filled: 0 }
    }

    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.read_head()? {
            if head.expects_continue {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            self.discard(head.body_bytes)?;
            self.stream.write_all(answer(&head).as_bytes())?;
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
                count => self.filled += count,
            }
        }
    }

    fn discard(&mut self, body_bytes: u64) -> io::Result<()> {
        let buffered = self.filled.min(usize::try_from(body_bytes).unwrap_or(usize::MAX));
        self.buffer.copy_within(buffered..self.filled, 0);
        self.filled -= buffered;
        let mut left = body_bytes - buffered as u64;
        while left > 0 {
            let wanted = BUFFER_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX));
            let place = self.buffer.get_mut(..wanted).unwrap_or_default();
            match self.stream.read(place)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => left -= count as u64,
            }
        }
        // Before the answer, so that a client that has its answer is counted.
        self.received.fetch_add(body_bytes, Ordering::Relaxed);
        Ok(())
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
            "content-range" => head.range_end = range_end(value),
            _ => {}
        }
    }
    Ok(Some(head))
}

/// The offset after `bytes 0-4891/4892`: 4892.
fn range_end(range: &str) -> Option<u64> {
    let (_, rest) = range.split_once('-')?;
    let (last, _) = rest.split_once('/')?;
    last.parse::<u64>().ok()?.checked_add(1)
}

fn answer(head: &Head) -> String {
    if head.is_put {
        return "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    if !head.is_bits {
        return "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    let mut answer = "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nContent-Length: 0\r\n".to_owned();
    if head.creates_session {
        answer += "BITS-Protocol: {7df0354d-249b-430f-820d-3d2a9bef4931}\r\n\
            BITS-Session-Id: {A0FF5911-4144-45B3-BF27-27AFC8EC8A67}\r\n\
            Accept-Encoding: identity\r\n";
    }
    if let Some(offset) = head.range_end {
        let _ = write!(answer, "BITS-Received-Content-Range: {offset}\r\n");
    }
    answer + "\r\n"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let sink = Sink::start().expect("loopback");
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
        let sink = Sink::start().expect("loopback");
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
    fn other_methods_and_broken_heads_are_turned_away() {
        let sink = Sink::start().expect("loopback");
        assert!(exchange(&sink, &[b"GET /a HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 405 "));
        assert_eq!(exchange(&sink, &[b"no request\r\n\r\n"]), "");
    }
}
