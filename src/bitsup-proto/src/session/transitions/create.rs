//! Create-Session, and which host its Ack leads to, for how long.

use alloc::format;
use core::time::Duration;

use super::super::{Config, Connection, Moment, Notice, Open, Pings, Session, State};
use crate::ack::{Ack, Offset};
use crate::classify::{Meaning, invalid_answer};
use crate::host::{self, HostId};
use crate::hresult::Hresult;
use crate::packet::{PacketType, SessionId};

impl Session {
    pub(super) fn created(&mut self, now: Moment, ack: &Ack<'_>, date: Option<u64>) {
        let invalid = |what| invalid_answer(PacketType::CreateSession, ack, what);
        // Until the session is ours to name, the server has one that nobody can close.
        let orphaned = core::mem::replace(&mut self.orphaned, true);
        let Some(id) = ack.session_id.and_then(SessionId::new) else {
            return self.invalid(
                now,
                invalid("the session id is longer than 100 characters or not visible ASCII"),
            );
        };
        let named = match ack.host_id.map(HostId::parse) {
            None => None,
            Some(Some(named)) => Some(named),
            Some(None) => return self.invalid(now, invalid("BITS-Host-Id is not a host")),
        };
        let Config { origin, host_policy, trusted_hosts, .. } = &self.config;
        let followed = match named {
            None => None,
            Some(named) => match host::decide(origin, named, *host_policy, trusted_hosts) {
                Ok(followed) => followed,
                // The session lives there: it is not kept, or a later try would go on with it here.
                Err(untrusted) => {
                    return self.fail(untrusted.error().during(PacketType::CreateSession));
                }
            },
        };
        self.orphaned = orphaned;
        let mut open = Open::new(id, date.unwrap_or(now.unix), date.is_some());
        open.tells_offsets = ack.offset != Offset::Absent;
        open.pings.acknowledged = self.host() == followed.as_ref();
        self.open = Some(open);
        self.requests_in_row = 0;
        self.checkpoint_due = true;
        self.notice(Notice::SessionCreated);
        if self.host_id != followed {
            self.stop_fallback();
        }
        if self.host() != followed.as_ref() {
            self.connection = Connection::Fresh;
            if let Some(host) = &followed {
                self.notice(Notice::HostChanged(format!("{host}")));
            }
        }
        self.fallen_back = false;
        self.fallback = followed.as_ref().and(ack.fallback_timeout).map(Duration::from_secs);
        self.state = if followed.is_some() { State::Ping } else { self.pending() };
        self.host_id = followed;
    }

    /// An Ack may leave the session id out, but not name another session.
    pub(super) fn check_session(&self, packet: PacketType, ack: &Ack<'_>) -> Option<Meaning> {
        if ack.code == Some(Hresult::SESSION_NOT_FOUND) {
            return None;
        }
        let (ours, theirs) = (self.session_id()?, ack.session_id?);
        let may_differ = matches!(packet, PacketType::CreateSession | PacketType::Ping);
        (!may_differ && !ours.matches(theirs)).then(|| {
            Meaning::Invalid(invalid_answer(packet, ack, "the answer belongs to another session"))
        })
    }

    // ---- the host-fallback timer (MC-BUP §3.1.2.3) -------------------------

    pub(super) fn start_fallback(&mut self, now: Moment) {
        if let (Some(limit), true, None) = (self.fallback, self.host().is_some(), self.fallback_at)
        {
            self.fallback_at = Some(now.monotonic.saturating_add(limit));
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
            if let Some(open) = &mut self.open {
                open.pings = Pings::default();
            }
            self.fallback_at = None;
            self.fallback_since = None;
            self.connection = Connection::Fresh;
            self.checkpoint_due = true;
            self.notice(Notice::FellBack);
        }
    }
}
