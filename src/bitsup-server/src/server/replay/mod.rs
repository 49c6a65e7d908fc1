//! Plays a recorded upload back: each request gets the answer that the recorded one got.
//!
//! It plays answers, not a server: nothing is stored, and a client that asks for
//! something else than the recorded one did is told so and the play ends there.

mod serve;
mod transcript;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use transcript::{Transcript, TranscriptError};

use transcript::{Asked, Entry, Fate};

/// How often threads that wait look whether the play is over.
const LOOK: Duration = Duration::from_millis(50);
/// A client that has got its last answer closes its connection sooner.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// A transcript that is being played; dropping it closes the port and all connections.
#[derive(Debug)]
pub struct Replay {
    address: SocketAddr,
    stage: Arc<Stage>,
    acceptor: Option<JoinHandle<()>>,
}

/// How far a play has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Exchanges played.
    pub exchanges: usize,
    /// Exchanges that are still to come.
    pub left: usize,
    /// Where the client went another way than the recorded one, in one line.
    pub diverged: Option<String>,
}

/// What all connections share.
#[derive(Debug)]
struct Stage {
    play: Mutex<Play>,
    over: Condvar,
    stopping: AtomicBool,
    connections: AtomicUsize,
    address: SocketAddr,
}

#[derive(Debug)]
struct Play {
    entries: VecDeque<Entry>,
    played: Played,
}

impl Replay {
    /// Listens on `address` and plays.
    pub fn start(transcript: Transcript, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let played = Played { left: transcript.entries.len(), ..Played::default() };
        let play = Mutex::new(Play { entries: transcript.entries.into(), played });
        let (over, stopping) = (Condvar::new(), AtomicBool::new(false));
        let stage =
            Arc::new(Stage { play, over, stopping, connections: AtomicUsize::new(0), address });
        let acceptor = std::thread::Builder::new().name("replay".into()).spawn({
            let stage = Arc::clone(&stage);
            move || accept(&listener, &stage)
        })?;
        Ok(Self { address, stage, acceptor: Some(acceptor) })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far the play has come.
    #[must_use]
    pub fn played(&self) -> Played {
        self.stage.lock().played.clone()
    }

    /// Waits until all is played, the client went another way, or `stop` says so.
    pub fn wait(&self, stop: impl Fn() -> bool) -> Played {
        let mut play = self.stage.lock();
        while play.played.left > 0 && play.played.diverged.is_none() && !stop() {
            let (next, _) =
                self.stage.over.wait_timeout(play, LOOK).unwrap_or_else(PoisonError::into_inner);
            play = next;
        }
        play.played.clone()
    }
}

impl Replay {
    /// Waits for the connections to end, for a short time, and says how far the play has come:
    /// a client that is not content with the last answer asks for more.
    #[must_use]
    pub fn finish(mut self) -> Played {
        self.end(Some(SHUTDOWN_GRACE));
        self.played()
    }

    fn end(&mut self, patience: Option<Duration>) {
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        while until.is_some_and(|until| Instant::now() < until) && self.stage.is_busy() {
            std::thread::sleep(LOOK);
        }
        self.stage.stopping.store(true, Ordering::SeqCst);
        // Ends the wait for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        if self.acceptor.is_some() {
            self.end(None);
        }
    }
}

impl Stage {
    fn is_busy(&self) -> bool {
        self.connections.load(Ordering::SeqCst) > 0
    }

    fn lock(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fate of a request; `None` if the recorded client did not make it.
    fn fate(&self, asked: &Asked) -> Option<Fate> {
        let mut play = self.lock();
        if play.played.diverged.is_some() {
            return None;
        }
        let number = play.played.exchanges + 1;
        if play.entries.front().is_some_and(|entry| entry.asked == *asked) {
            let entry = play.entries.pop_front()?;
            play.played.exchanges = number;
            play.played.left = play.entries.len();
            self.over.notify_all();
            return Some(entry.fate);
        }
        let recorded = play.entries.front().map_or("the end".into(), |e| e.asked.to_string());
        play.played.diverged =
            Some(format!("exchange {number} was {recorded}, and now {asked} came"));
        self.over.notify_all();
        None
    }
}

fn accept(listener: &TcpListener, stage: &Arc<Stage>) {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        if stage.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let stage = Arc::clone(stage);
        stage.connections.fetch_add(1, Ordering::SeqCst);
        threads.push(std::thread::spawn(move || {
            serve::connection(&stream, &stage);
            stage.connections.fetch_sub(1, Ordering::SeqCst);
        }));
        threads.retain(|thread: &JoinHandle<()>| !thread.is_finished());
    }
    for thread in threads {
        drop(thread.join());
    }
}
