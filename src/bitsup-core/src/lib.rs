//! What the client decides beside the protocol: without socket, file, thread or clock.
//!
//! Files are behind [`journal::Files`], the source's bytes behind [`journal::Bytes`], and time
//! is an argument. So all of it can be driven against a simulated world, and
//! `cargo xtask simulate` does. The crate `bitsup` drives it in the real one.
#![forbid(unsafe_code)]

mod credentials;
mod driver;
mod hosts;
pub mod journal;
mod parallelism;
mod random;
mod rate;

pub use credentials::{CredentialCache, CredentialId, LoginOutcome, Ready, Role, Site};
pub use driver::{
    AfterCancel, Ending, ExchangeId, MAX_LOGIN_REQUESTS, Opening, PendingRequest, PostAck,
    Readiness, SinglePacket, Stage, Step, UploadDriver, http_date,
};
pub use hosts::Hosts;
pub use parallelism::{Pace, Parallelism};
pub use random::Random;
pub use rate::Bucket;

/// Names an upload, or a packet-by-packet session, of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// What the uploads of a client share.
#[derive(Debug)]
pub struct ClientState {
    /// The slots at hosts.
    pub hosts: Hosts,
    /// What is known of credentials.
    pub credentials: CredentialCache,
}

impl ClientState {
    /// The state of a client that has no uploads yet.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts, credentials: CredentialCache::default() }
    }
}
