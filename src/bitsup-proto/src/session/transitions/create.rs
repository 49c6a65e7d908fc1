//! Create-Session, and where its Ack leads.

use alloc::format;
use core::time::Duration;

use super::super::{Config, Connection, Moment, Notice, Session, State};
use crate::ack::Ack;
use crate::classify::{Meaning, invalid_answer};
use crate::error::{Error, ErrorKind};
use crate::host::{self, HostId};
use crate::packet::{PacketType, SessionId};

impl Session {
    pub(super) fn created(&mut self, now: Moment, ack: &Ack<'_>, date: Option<u64>) {
        let invalid = |what| invalid_answer(PacketType::CreateSession, ack, what);
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
        self.session_id = Some(id);
        self.created = date.unwrap_or(now.unix);
        self.checkpoint_due = true;
        self.notice(Notice::SessionCreated);
        let Config { origin, host_policy, trusted_hosts, .. } = &self.config;
        let followed = match named {
            None => None,
            Some(named) => match host::decide(origin, named, *host_policy, trusted_hosts) {
                Ok(followed) => followed,
                Err(host::Untrusted(host)) => {
                    let message = format!(
                        "the server wants the upload to go to {host}, which is not a trusted host (to allow it: --trusted-host {})",
                        host.host()
                    );
                    return self.fail(
                        Error::new(ErrorKind::HostIdUntrusted, message)
                            .during(PacketType::CreateSession),
                    );
                }
            },
        };
        self.stop_fallback();
        self.fallen_back = false;
        match followed {
            Some(host) => {
                if self.host_id.as_ref() != Some(&host) {
                    self.notice(Notice::HostChanged(format!("{host}")));
                    self.connection = Connection::Fresh;
                }
                self.host_id = Some(host);
                self.fallback = ack.fallback_timeout.map(Duration::from_secs);
                self.state = State::Ping;
            }
            None => {
                if self.host_id.take().is_some() {
                    self.connection = Connection::Fresh;
                }
                self.fallback = None;
                self.state = self.pending();
            }
        }
    }

    /// An Ack may leave the session id out, but not name another session.
    pub(super) fn check_session(&self, packet: PacketType, ack: &Ack<'_>) -> Option<Meaning> {
        let (ours, theirs) = (self.session_id.as_ref()?, ack.session_id?);
        let may_differ = matches!(packet, PacketType::CreateSession | PacketType::Ping);
        (!may_differ && !ours.matches(theirs)).then(|| {
            Meaning::Invalid(invalid_answer(packet, ack, "the answer belongs to another session"))
        })
    }
}
