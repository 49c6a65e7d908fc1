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

pub mod model;
pub mod rules;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "server")]
pub use server::{
    Config, ErrorHeaders, FaultScript, FaultScriptError, Publish, Reply, Request, RequestCallback,
    Server, StartError, Stopper, TlsFiles, replay, scripted,
};
