//! Create-Session, and which host its Ack leads to, for how long.

use alloc::format;
use core::time::Duration;

use super::super::open::{Open, Pings};
use super::super::{Config, Connection, Moment, Notice, Phase, Session};
use super::Answer;
use crate::ack::{Ack, Offset};
use crate::classify::{Meaning, invalid_answer};
use crate::host::{self, HostId};
use crate::hresult::Hresult;
use crate::packet::{PacketType, SessionId};

impl Session {
    pub(super) fn created(&mut self, answer: Answer<'_>) -> Phase {
        let Answer { now, ack, date, .. } = answer;
        // Until its id is known here, the server has a session that cannot be closed.
        let orphaned = core::mem::replace(&mut self.traces.orphaned, true);
        let invalid = |session: &mut Self, what| {
            let error = invalid_answer(PacketType::CreateSession, ack, what);
            session.invalid(now, Phase::Creating, error)
        };
        let Some(id) = ack.session_id.and_then(SessionId::new) else {
            return invalid(
                self,
                "the session id is longer than 100 characters or not visible ASCII",
            );
        };
        let named = match ack.host_id.map(HostId::parse) {
            None => None,
            Some(Some(named)) => Some(named),
            Some(None) => return invalid(self, "BITS-Host-Id is not a host"),
        };
        let followed = match named.map_or(Ok(None), |named| self.decide_host(named)) {
            Ok(followed) => followed,
            // The session lives there: it is not kept, or a later try would go on with it here.
            Err(untrusted) => {
                let error = untrusted.error().during(PacketType::CreateSession);
                return self.fail(Phase::Creating, error);
            }
        };
        self.traces.orphaned = orphaned;
        let mut open = Open::new(id, date.unwrap_or(now.unix), date.is_some());
        open.tells_offsets = ack.offset != Offset::Absent;
        open.pings.acknowledged = self.host() == followed.as_ref();
        self.budget.requests_in_row = 0;
        self.outbox.checkpoint_due = true;
        self.notice(Notice::SessionCreated);
        if !open.pings.acknowledged {
            self.link.next = Connection::Fresh;
            if let Some(host) = &followed {
                self.notice(Notice::HostChanged(format!("{host}")));
            }
        }
        let moves = followed.is_some();
        self.target.follow(followed, ack.fallback_timeout.map(Duration::from_secs));
        if moves { Phase::Pinging(Some(open)) } else { Phase::Uploading(open) }
    }

    fn decide_host(&self, named: HostId) -> Result<Option<HostId>, host::Untrusted> {
        let Config { origin, host_policy, trusted_hosts, .. } = &self.config;
        host::decide(origin, named, *host_policy, trusted_hosts)
    }

    /// The caller may trust fewer hosts than when the session that is restored was made.
    pub(in super::super) fn decide_host_again(&mut self) {
        let Some(named) = &self.target.0 else { return };
        match self.decide_host(named.host.clone()) {
            Ok(Some(_)) => {}
            Ok(None) => self.target.0 = None,
            Err(untrusted) => self.change(|session, phase| session.fail(phase, untrusted.error())),
        }
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
        self.outbox.checkpoint_due |= self.target.start(now);
    }

    pub(super) fn fall_back(&mut self) {
        if let Some(open) = self.phase.open_mut() {
            open.pings = Pings::default();
        }
        self.link.next = Connection::Fresh;
        self.outbox.checkpoint_due = true;
        self.notice(Notice::FellBack);
    }
}
