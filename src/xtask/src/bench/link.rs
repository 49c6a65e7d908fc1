//! A way through user space with a round trip, a rate and lost connections: the kernels that this
//! runs on often have no `netem`.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What is handed on at once.
const CHUNK: usize = 16 << 10;

/// What the way is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) round_trip: Duration,
    /// Bytes a second from the client to the server.
    pub(super) rate: f64,
    /// Mean time between two losses of the connection.
    pub(super) between_cuts: Option<Duration>,
}

/// Begins to listen, and hands everything on to `server`. It ends with the process.
pub(super) fn start(link: Link, server: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        // Random, and the same in every run.
        let mut hasher = DefaultHasher::new();
        for client in listener.incoming().flatten() {
            let lives = link.between_cuts.map(|mean| {
                hasher.write_u8(7);
                let share = ((hasher.finish() >> 34) + 1) as f64 / (1_u64 << 30) as f64;
                mean.mul_f64(-share.ln())
            });
            // A server that is gone shows as a lost connection.
            let _ = connect(link, client, server, lives);
        }
    });
    Ok(address)
}

fn connect(
    link: Link,
    client: TcpStream,
    server: SocketAddr,
    lives: Option<Duration>,
) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let half = link.round_trip / 2;
    // As much is under way as the link holds in a round trip, and a little in its queue.
    let room = (link.rate * (link.round_trip.as_secs_f64() * 2.0 + 0.02)) as usize / CHUNK + 2;
    one_way(client.try_clone()?, server.try_clone()?, half, Some(link.rate), room);
    one_way(server.try_clone()?, client.try_clone()?, half, None, 64);
    if let Some(lives) = lives {
        thread::spawn(move || {
            thread::sleep(lives);
            for stream in [client, server] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
    Ok(())
}

fn one_way(from: TcpStream, to: TcpStream, delay: Duration, rate: Option<f64>, room: usize) {
    let (sender, receiver) = sync_channel(room);
    thread::spawn(move || read(from, &sender, delay, rate));
    thread::spawn(move || write(to, &receiver));
}

/// Takes bytes at the link's rate; each chunk arrives a while later.
fn read(
    mut from: TcpStream,
    sender: &SyncSender<(Instant, Vec<u8>)>,
    delay: Duration,
    rate: Option<f64>,
) {
    let mut free = Instant::now();
    loop {
        let mut chunk = vec![0; CHUNK];
        let Ok(count @ 1..) = from.read(&mut chunk) else { return };
        chunk.truncate(count);
        let now = Instant::now();
        free = free.max(now);
        if let Some(rate) = rate {
            free += Duration::from_secs_f64(count as f64 / rate);
        }
        if sender.send((free + delay, chunk)).is_err() {
            return;
        }
        // Not more than a queue of some milliseconds ahead of the link.
        thread::sleep((free - now).saturating_sub(Duration::from_millis(5)));
    }
}

fn write(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    for (at, chunk) in receiver {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&chunk).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that reads to the end and says how much it got.
    fn counting() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut body = Vec::new();
                if stream.read_to_end(&mut body).is_ok() {
                    let _ = stream.write_all(body.len().to_string().as_bytes());
                }
            }
        });
        address
    }

    #[test]
    fn the_way_takes_its_time_and_loses_nothing() {
        let link = Link { round_trip: Duration::from_millis(60), rate: 4e6, between_cuts: None };
        let mut stream = TcpStream::connect(start(link, counting()).expect("begun")).expect("open");
        let begun = Instant::now();
        stream.write_all(&vec![1; 1_000_000]).expect("taken");
        stream.shutdown(Shutdown::Write).expect("open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        assert_eq!(answer, "1000000");
        // 60 ms and 1,000,000 bytes at 4 MB/s: it cannot be faster.
        assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    }

    #[test]
    fn connections_are_lost() {
        let between_cuts = Some(Duration::from_millis(50));
        let link = Link { round_trip: Duration::ZERO, rate: 1e6, between_cuts };
        let mut stream = TcpStream::connect(start(link, counting()).expect("begun")).expect("open");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("valid");
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
        let error = stream.write_all(&vec![0; 64 << 20]).expect_err("it is cut");
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
