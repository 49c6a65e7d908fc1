//! A BITS server with scripted faults, for development, demonstration and tests.
//!
//! It follows [MC-BUP] by itself and shares no code with the client, so that neither can hide a
//! misreading of the other.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! let server = bitsup_server::Server::start(bitsup_server::Config {
//!     root: folder.path().into(),
//!     fault: Some("fragment 3: drop after 70000".parse()?),
//!     ..Default::default()
//! })?;
//! println!("upload to {}", server.url("/file.bin"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [MC-BUP]: https://learn.microsoft.com/openspecs/windows_protocols/mc-bup
#![forbid(unsafe_code)]

#[cfg(feature = "server")]
mod ack;
#[cfg(feature = "server")]
mod body;
#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod download;
#[cfg(feature = "server")]
mod error;
#[cfg(feature = "server")]
mod exchange;
#[cfg(feature = "server")]
mod fault;
#[cfg(feature = "server")]
mod faulty_stream;
#[cfg(feature = "server")]
mod handler;
#[cfg(feature = "server")]
mod log;
pub mod model;
#[cfg(feature = "server")]
mod packet;
#[cfg(feature = "server")]
pub mod replay;
#[cfg(feature = "server")]
mod reply;
#[cfg(feature = "server")]
mod response;
#[cfg(feature = "server")]
mod rooted_fs;
pub mod rules;
#[cfg(feature = "server")]
pub mod scripted;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod session;
#[cfg(feature = "server")]
mod store;
#[cfg(feature = "server")]
mod target;
#[cfg(feature = "server")]
mod tls;
#[cfg(feature = "server")]
mod upload;

#[cfg(feature = "server")]
pub use {
    ack::ErrorHeaders,
    config::{Config, Publish, Reply, RequestCallback, TlsFiles},
    error::StartError,
    fault::{FaultScript, FaultScriptError},
    log::Request,
    server::{Server, Stopper},
};
