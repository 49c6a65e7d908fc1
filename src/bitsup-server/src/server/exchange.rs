//! One exchange with all that its answer depends on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use hyper::http::request::Parts;

use crate::server::ack::Refusal;
use crate::server::body::{Cut, RequestBody};
use crate::server::config::Config;
use crate::server::fault::{Fault, Stage};
use crate::server::log::Log;
use crate::server::rooted_fs::Root;
use crate::server::session::Session;
use crate::server::store::Store;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) root: Root,
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Stage,
    pub(crate) log: Log,
    pub(crate) started: Instant,
    pub(crate) connections: AtomicU64,
}

/// One request and all that its answer depends on.
pub(crate) struct Exchange {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: u64,
    pub(crate) parts: Parts,
    pub(crate) body: RequestBody,
    pub(crate) fault: Fault,
    /// Session that it is about, for the log.
    pub(crate) session: Option<String>,
    /// Session that it made.
    pub(crate) made: Option<Arc<Session>>,
}

/// Why work ended without its usual answer.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Cut(Cut),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Refused(Refusal::from_io(&error))
    }
}

impl From<Cut> for Stop {
    fn from(cut: Cut) -> Self {
        Self::Cut(cut)
    }
}

/// Runs disk work off the event loop.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
