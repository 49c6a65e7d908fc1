//! The native part of the Python package `bitsup`: thin classes over the crate `bitsup`.
//!
//! What people see is written in Python, in `python/bitsup`; this part moves no bytes and takes
//! no decisions. Two rules keep it free of deadlocks: the interpreter's lock is given up before
//! anything that may wait, and threads of the client take it through the module `gate` only, which is
//! closed when the interpreter ends.
#![forbid(unsafe_code)]

mod client;
mod credentials;
mod errors;
mod events;
mod gate;
mod information;
mod options;
mod records;
mod session;
mod source;
mod upload;
mod waiting;

use pyo3::prelude::*;

/// What this library frees is overwritten: passwords go through memory of others that do not do so.
#[global_allocator]
static MEMORY: bitsup::Wiping = bitsup::Wiping;

/// The native part of bitsup. Private: use the package `bitsup`.
// Until a build without that lock has passed the tests.
#[pymodule(gil_used = true)]
mod _bitsup {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::credentials::CredentialCallback;
    #[pymodule_export]
    use crate::gate::{close_gate, reset_gate};
    #[pymodule_export]
    use crate::information::{advised, explain, features, kinds, tool, transcript_head, version};
    #[pymodule_export]
    use crate::options::options;
    #[pymodule_export]
    use crate::session::Session;
    #[pymodule_export]
    use crate::upload::Upload;
}
