//! The server, and all else with sockets. Here is its life: start, accept, stop.

mod ack;
mod body;
mod config;
mod download;
mod error;
mod exchange;
mod fault;
mod faulty_stream;
mod handler;
mod log;
mod packet;
pub mod replay;
mod reply;
mod response;
mod rooted_fs;
pub mod scripted;
mod session;
mod store;
mod target;
mod tls;
mod upload;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use self::exchange::Shared;
use self::fault::Stage;
use self::faulty_stream::{Control, FaultyStream};
use self::log::Log;
use self::rooted_fs::Root;
use self::store::{Store, lock_state};

pub use self::{
    ack::ErrorHeaders,
    config::{Config, Publish, Reply, RequestCallback, TlsFiles},
    error::StartError,
    fault::{FaultScript, FaultScriptError},
    log::Request,
};

/// Connections at a time: each may hold two pieces of a body.
const MAX_CONNECTIONS: usize = 4096;
/// Bytes that the HTTP library holds a connection, and so the longest head of a request.
const MAX_BUFFER: usize = 256 * 1024;
/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Longest time between two looks for idle sessions.
const CLEANUP: Duration = Duration::from_mins(1);
/// Time that writes to the disk get when the server stops.
const STOP: Duration = Duration::from_secs(5);

/// A running server, on threads of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
    address: SocketAddr,
    stopper: Stopper,
    /// Held until all else is gone: then the state folder is free.
    _lock: File,
}

/// Stops a server from another thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<watch::Sender<bool>>);

impl Server {
    /// Starts a server; it listens when this returns.
    pub fn start(config: Config) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let root_error = |source| StartError::Root { path: config.root.clone(), source };
        let root = config.root.canonicalize().map_err(root_error)?;
        let state = config.state_dir.clone().unwrap_or_else(|| root.join(".bitsup-server"));
        let state_error = |source| StartError::State { path: state.clone(), source };
        let lock = lock_state(&state).map_err(state_error)?;
        let store = Store::open(&state, config.max_sessions, config.session_timeout, config.sync)
            .map_err(state_error)?;
        let root = Root::open(&root, &state).map_err(root_error)?;

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("bitsup-server")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let listen_error = |source| StartError::Listen { address: config.listen, source };
        let listener = runtime.block_on(TcpListener::bind(config.listen)).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;

        let faults = Stage::new(config.fault.clone());
        let store = Arc::new(store);
        let shared = Arc::new(Shared {
            config,
            root,
            store,
            faults,
            log: Log::default(),
            started: Instant::now(),
            connections: AtomicU64::new(0),
        });
        let stopper = Stopper(Arc::new(watch::Sender::new(false)));
        runtime.spawn(accept(listener, acceptor, Arc::clone(&shared)));
        runtime.spawn(clean_up(Arc::clone(&shared)));
        Ok(Self { runtime: Some(runtime), shared, address, stopper, _lock: lock })
    }

    /// Address that the server listens on, with the port it really took.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Absolute URL of a path such as `/up/a.bin`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.shared.config.tls.is_some() { "https" } else { "http" };
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let ip = if address.is_ipv4() {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            } else {
                IpAddr::V6(Ipv6Addr::LOCALHOST)
            };
            address.set_ip(ip);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{scheme}://{address}{slash}{path}")
    }

    /// The latest requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.all()
    }

    /// Number of sessions that are neither closed nor cancelled.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.shared.store.len()
    }

    /// A handle that stops this server from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Blocks until a [`Stopper`] stops the server.
    pub fn wait(&self) {
        if let Some(runtime) = &self.runtime {
            let mut stopped = self.stopper.0.subscribe();
            // An error would mean that the sender is gone, and it is in `self`.
            let _ = runtime.block_on(stopped.wait_for(|stopped| *stopped));
        }
    }

    /// Drops all connections and stops. Sessions stay on disk for the next server.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP);
        }
    }
}

impl Stopper {
    /// Makes [`Server::wait`] return; the server ends when it is dropped.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                // Out of file descriptors, most likely: some connection has to end first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let _place = place;
            serve_stream(stream, acceptor, shared).await;
        });
    }
}

async fn serve_stream(stream: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // An Ack is one small packet and must not wait for another.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("connection gone before its first byte: {error}");
        return;
    }
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    match acceptor {
        None => serve_connection(stream, number, shared).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => serve_connection(stream, number, shared).await,
            Ok(Err(error)) => tracing::debug!("TLS handshake failed: {error}"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

async fn serve_connection<S>(stream: S, number: u64, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let control = Arc::new(Control::new(number));
    let wire = TokioIo::new(FaultyStream::new(stream, Arc::clone(&control)));
    let service =
        service_fn(|request| handler::serve(Arc::clone(&shared), Arc::clone(&control), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.idle_timeout)
        .max_buf_size(MAX_BUFFER)
        .title_case_headers(true)
        .serve_connection(wire, service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!("connection {number} ended: {error}");
        },
        () = control.closed() => {}
    }
    if let Some(session) = control.ended() {
        handler::forget_unknown(&shared, session).await;
    }
}

async fn clean_up(shared: Arc<Shared>) {
    let pause = (shared.config.session_timeout / 2).clamp(Duration::from_millis(100), CLEANUP);
    loop {
        tokio::time::sleep(pause).await;
        let store = Arc::clone(&shared.store);
        if tokio::task::spawn_blocking(move || store.remove_idle()).await.is_err() {
            tracing::warn!("the look for idle sessions failed");
        }
    }
}
