//! The host-fallback timer of MC-BUP §3.1.2.3.

use super::super::{Connection, Moment, Notice, Session};

impl Session {
    pub(super) fn start_fallback(&mut self, now: Moment) {
        if let (Some(limit), true, None) = (self.fallback, self.host().is_some(), self.fallback_at)
        {
            self.fallback_at = Some(now.monotonic + limit);
            self.fallback_since = Some(now.unix);
            self.checkpoint_due = true;
        }
    }

    pub(super) fn stop_fallback(&mut self) {
        if self.fallback_at.take().is_some() {
            self.fallback_since = None;
            self.checkpoint_due = true;
        }
    }

    pub(super) fn expire_fallback(&mut self, now: Moment) {
        let due = self.fallback_at.is_some_and(|at| now.monotonic >= at);
        if due && self.host().is_some() {
            self.fallen_back = true;
            self.fallback_at = None;
            self.fallback_since = None;
            self.connection = Connection::Fresh;
            self.checkpoint_due = true;
            self.notice(Notice::FellBack);
        }
    }
}
