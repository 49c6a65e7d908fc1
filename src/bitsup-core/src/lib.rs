//! What the client decides beside the protocol: without socket, file, thread or clock.
//!
//! Files are behind [`journal::Files`], the source's bytes behind [`journal::Bytes`], and time
//! is an argument. So all of it can be driven against a simulated world, and
//! `cargo xtask simulate` does. The crate `bitsup` drives it in the real one.
#![forbid(unsafe_code)]

pub mod journal;
mod random;

pub use random::Random;
