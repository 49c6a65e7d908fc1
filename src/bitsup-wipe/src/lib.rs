//! Memory that is overwritten before it is freed, so that no password is left in it.
//!
//! - [`init`] gives libcurl memory functions that overwrite each block which it frees: header lines
//!   with logins go through buffers of its own.
//! - [`append`] and [`set`] hand secrets to libcurl. The functions of the curl crate copy each text into
//!   memory of Rust first, and free that as it is.
//! - [`Wiping`] does for Rust's memory what [`init`] does for libcurl's. A library cannot choose the
//!   allocator of the program that it becomes part of; the tool, the C library and the Python module can.

mod allocator;
mod curl_secret;
mod libcurl;
mod os;

pub use allocator::Wiping;
pub use curl_secret::{Text, append, set};
pub use libcurl::{init, is_active};
