//! Connections of sessions that are over, kept for a moment for the next session to the same host:
//! a series of small files needs one connection, not one each.

use std::time::{Duration, Instant};

use super::options::ConnectionOptions;
use super::pinned_connection::PinnedConnection;

/// Kept no longer: a server that closes idle connections after a few seconds must not do so
/// just when the next session begins.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// More are not kept.
const MOST: usize = 16;

/// The connections kept.
#[derive(Default)]
pub(super) struct IdlePool {
    /// With the time at which each is closed; the oldest first.
    connections: Vec<(Instant, PinnedConnection)>,
}

impl IdlePool {
    /// Keeps a connection if it can serve another session, or else closes it.
    pub(super) fn put(&mut self, mut pinned: PinnedConnection) {
        if self.connections.len() < MOST && pinned.is_reusable() {
            self.connections.push((Instant::now() + KEPT_FOR, pinned));
        } else {
            pinned.drop_connection();
        }
    }

    /// A connection with these settings that is alive and goes to `host`.
    pub(super) fn take(
        &mut self,
        options: &ConnectionOptions,
        host: &str,
    ) -> Option<PinnedConnection> {
        self.expire(Instant::now());
        let fits = |(_, pinned): &(Instant, PinnedConnection)| pinned.serves(options, host);
        let (_, pinned) = self.connections.remove(self.connections.iter().position(fits)?);
        Some(pinned)
    }

    /// Closes what was kept long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((end, pinned)) = self.connections.first_mut() {
            if *end > now {
                return;
            }
            pinned.drop_connection();
            self.connections.remove(0);
        }
    }

    /// When the next connection is closed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.connections.first().map(|(end, _)| *end)
    }
}
