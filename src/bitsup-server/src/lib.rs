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

mod ack;
mod body;
mod config;
mod download;
mod fault;
mod faulty_stream;
mod handler;
mod log;
pub mod model;
mod packet;
pub mod replay;
mod reply;
mod response;
mod rooted_fs;
pub mod rules;
pub mod scripted;
mod server;
mod session;
mod store;
mod target;
mod tls;
mod upload;

pub use config::{Config, ErrorHeaders, Publish, Reply, RequestCallback, TlsFiles};
pub use fault::{FaultScript, FaultScriptError};
pub use log::Request;
pub use server::{Server, StartError, Stopper};
