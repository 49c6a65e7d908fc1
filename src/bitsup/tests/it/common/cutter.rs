//! A proxy that cuts connections at random byte positions, the same ones for the same seed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bitsup_core::Random;

/// Enough for the handshakes and logins before the first answer.
const FIRST_ANSWERS: u64 = 30_000;

/// The proxy; it ends with the value.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    pub(crate) cuts: Arc<AtomicU64>,
    pub(crate) forwarded: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Cutter {
    /// Forwards to `server`, and cuts each connection after at most `most` bytes in one direction.
    pub(crate) fn start(server: SocketAddr, seed: u64, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cuts, forwarded) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let stop = Arc::<AtomicBool>::default();
        let cutter = Self { address, cuts, forwarded, stop };
        let (cuts, forwarded) = (Arc::clone(&cutter.cuts), Arc::clone(&cutter.forwarded));
        let stop = Arc::clone(&cutter.stop);
        std::thread::spawn(move || {
            let mut random = Random::new(seed);
            let mut is_early = false;
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
                    continue;
                };
                // Most positions lie within a body, some within the first requests and answers.
                let up = random.below(most);
                let down = if random.below(2) == 0 { random.below(2000) } else { u64::MAX };
                // An upload that no server has ever answered gives up after three tries: no two in a row end before
                // an answer.
                let (up, down) =
                    if is_early { (up.max(FIRST_ANSWERS), u64::MAX) } else { (up, down) };
                is_early = up < FIRST_ANSWERS || down != u64::MAX;
                for (from, to, budget) in [(&client, &server, up), (&server, &client, down)] {
                    let (from, to) =
                        (from.try_clone().expect("clone"), to.try_clone().expect("clone"));
                    let (cuts, forwarded) = (Arc::clone(&cuts), Arc::clone(&forwarded));
                    std::thread::spawn(move || pump(from, to, budget, &cuts, &forwarded));
                }
            }
        });
        cutter
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    mut budget: u64,
    cuts: &AtomicU64,
    forwarded: &AtomicU64,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let wanted =
            usize::try_from(budget).map_or(buffer.len(), |budget| budget.min(buffer.len()));
        if wanted == 0 {
            cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
        let count = from.read(&mut buffer[..wanted]).unwrap_or(0);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        forwarded.fetch_add(count as u64, Ordering::Relaxed);
        budget -= count as u64;
    }
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
