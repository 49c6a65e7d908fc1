//! A model behind sockets: one thread a connection, nothing else.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{End, Model, Pace, Reaction, Reading, Request};

/// After this time a connection is closed that is to be closed soon: a client that answers at once has used
/// it again.
const SOON: Duration = Duration::from_millis(5);

/// The pause between two bytes that trickle.
const TRICKLE: Duration = Duration::from_micros(300);

/// The pause between two halves.
const HALVES: Duration = Duration::from_millis(5);

/// How long a closed connection is still read, so that the client gets the answer and no reset.
const LINGER: Duration = Duration::from_millis(100);

/// No head of ours is longer.
const LONGEST_HEAD: usize = 64 * 1024;

/// A listening model; dropping it closes all connections and ends its threads.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    model: Mutex<Model>,
    stopping: AtomicBool,
    streams: Mutex<BTreeMap<u64, TcpStream>>,
}

impl Front {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(model: Model) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            model: Mutex::new(model),
            stopping: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The model, which answers nothing while it is held.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.shared.model)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The acceptor is waiting: one more connection lets it see the flag.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for (number, stream) in (0..).zip(listener.incoming()) {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else { continue };
        lock(&shared.streams).insert(number, handle);
        let shared = Arc::clone(shared);
        threads.push(std::thread::spawn(move || {
            let end = serve(&stream, number, &shared).unwrap_or(End::Close);
            lock(&shared.streams).remove(&number);
            match end {
                End::Reset => {
                    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                }
                _ => close(&stream),
            }
        }));
    }
    for stream in lock(&shared.streams).values() {
        drop(stream.shutdown(Shutdown::Both));
    }
    for thread in threads {
        drop(thread.join());
    }
}

/// Serves a connection until it ends, and says how.
fn serve(mut stream: &TcpStream, connection: u64, shared: &Shared) -> io::Result<End> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    loop {
        let Some(head) = read_head(stream, &mut unread)? else { return Ok(End::Close) };
        let Some(request) = Request::parse(&head, connection) else { return Ok(End::Reset) };
        let exchange = lock(&shared.model).begin(&request);
        let wanted = match exchange.reading {
            Reading::All => request.length,
            Reading::First(count) => count.min(request.length),
        };
        let body = read_body(stream, &mut unread, wanted);
        let reaction = lock(&shared.model).finish(&request, &exchange, &body);
        send(stream, &reaction)?;
        match reaction.end {
            End::Keep => {
                let rest = request.length - body.len() as u64;
                read_body(stream, &mut unread, rest);
            }
            End::CloseSoon => {
                std::thread::sleep(SOON);
                return Ok(End::Close);
            }
            End::Hang => {
                let mut ignored = [0; 16 * 1024];
                while stream.read(&mut ignored)? > 0 {}
                return Ok(End::Close);
            }
            end => return Ok(end),
        }
    }
}

fn close(mut stream: &TcpStream) {
    drop(stream.shutdown(Shutdown::Write));
    drop(stream.set_read_timeout(Some(LINGER)));
    let mut ignored = [0; 16 * 1024];
    while stream.read(&mut ignored).is_ok_and(|count| count > 0) {}
}

fn send(mut stream: &TcpStream, reaction: &Reaction) -> io::Result<()> {
    match reaction.pace {
        Pace::AtOnce => stream.write_all(&reaction.bytes),
        Pace::Halves => {
            let (first, second) = reaction.bytes.split_at(reaction.bytes.len() / 2);
            stream.write_all(first)?;
            std::thread::sleep(HALVES);
            stream.write_all(second)
        }
        Pace::Trickle => reaction.bytes.iter().try_for_each(|byte| {
            stream.write_all(std::slice::from_ref(byte))?;
            std::thread::sleep(TRICKLE);
            Ok(())
        }),
    }
}

/// Reads up to the empty line; `None` at the end of the connection.
fn read_head(mut stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(Some(unread.drain(..at + 4).collect()));
        }
        let count = stream.read(&mut piece)?;
        if count == 0 || unread.len() > LONGEST_HEAD {
            return Ok(None);
        }
        unread.extend(&piece[..count]);
    }
}

/// Reads `wanted` bytes, or those that come.
fn read_body(mut stream: &TcpStream, unread: &mut Vec<u8>, wanted: u64) -> Vec<u8> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let mut body: Vec<u8> = unread.drain(..unread.len().min(wanted)).collect();
    let mut piece = vec![0; 64 * 1024];
    while body.len() < wanted {
        let limit = piece.len().min(wanted - body.len());
        match stream.read(&mut piece[..limit]) {
            Ok(count) if count > 0 => body.extend(&piece[..count]),
            _ => break,
        }
    }
    body
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
