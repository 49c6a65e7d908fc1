//! Why a server did not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting that cannot be.
    #[error("{0}")]
    Config(String),
    /// The root is missing or cannot be opened.
    #[error("cannot use {path} as root: {source}", path = path.display())]
    Root {
        /// The root asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state folder cannot be made, or another server uses it.
    #[error("cannot keep sessions in {path}: {source}", path = path.display())]
    State {
        /// The state folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate or key cannot be read.
    #[error("cannot use {path} for TLS: {problem}", path = path.display())]
    Tls {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No thread could be started.
    #[error("cannot start the server's threads: {0}")]
    Threads(io::Error),
}
