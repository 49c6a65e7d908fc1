//! Connections of sessions that are over, kept for a moment for the next session to the same host:
//! a series of small files needs one connection, not one each.

use std::time::{Duration, Instant};

use super::options::LaneOptions;
use super::pinned_connection::PinnedConnection;

/// Kept no longer: a server that closes idle connections after a few seconds must not do so
/// just when the next session begins.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// More are not kept.
const MOST: usize = 16;

/// The lanes kept.
#[derive(Default)]
pub(super) struct IdlePool {
    /// With the time at which each is closed; the oldest first.
    lanes: Vec<(Instant, PinnedConnection)>,
}

impl IdlePool {
    /// Keeps a lane if its connection can serve another session, or else closes it.
    pub(super) fn put(&mut self, mut lane: PinnedConnection) {
        if self.lanes.len() < MOST && lane.is_reusable() {
            self.lanes.push((Instant::now() + KEPT_FOR, lane));
        } else {
            lane.drop_connection();
        }
    }

    /// A lane with these settings whose connection is alive and goes to `host`.
    pub(super) fn take(&mut self, options: &LaneOptions, host: &str) -> Option<PinnedConnection> {
        self.expire(Instant::now());
        let fits = |(_, lane): &(Instant, PinnedConnection)| lane.serves(options, host);
        let (_, lane) = self.lanes.remove(self.lanes.iter().position(fits)?);
        Some(lane)
    }

    /// Closes what was kept long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((end, lane)) = self.lanes.first_mut() {
            if *end > now {
                return;
            }
            lane.drop_connection();
            self.lanes.remove(0);
        }
    }

    /// When the next lane is closed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lanes.first().map(|(end, _)| *end)
    }
}
