//! What the client decides beside the protocol: without socket, file, thread or clock.
//!
//! Files are behind [`journal::Files`], the source's bytes behind [`journal::Bytes`], and time
//! is an argument. So all of it can be driven against a simulated world, and
//! `cargo xtask simulate` does. The crate `bitsup` drives it in the real one.
#![forbid(unsafe_code)]

mod hosts;
pub mod journal;
mod life;
mod logins;
mod random;
mod rate;
mod refused;
mod steps;
mod trials;

pub use hosts::Hosts;
pub use life::{Cancelling, Life, Phase, Then};
pub use logins::{Logins, Ready, Verdict};
pub use random::Random;
pub use rate::Bucket;
use refused::Refused;
pub use steps::{Step, Wish};
use trials::Trials;

/// Names an upload, or a packet-by-packet session, of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);
