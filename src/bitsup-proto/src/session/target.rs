//! The host that packets go to, and the host-fallback timer (MC-BUP §3.1.2.3).

use core::time::Duration;

use super::Moment;
use crate::checkpoint::Checkpoint;
use crate::host::HostId;
use crate::retry::MAX_FALLBACK;

/// The host that `BITS-Host-Id` named, if one did.
#[derive(Clone, Debug, Default)]
pub(super) struct Target(pub(super) Option<Named>);

#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) host: HostId,
    /// How long it may be away before packets go to the URL's host again.
    pub(super) limit: Option<Duration>,
    pub(super) fallback: Fallback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    Stopped,
    /// It does not answer: since then by the wall clock, until then by the monotonic one.
    Running {
        since: u64,
        at: Duration,
    },
    /// It did not come back in time.
    Expired,
}

impl Target {
    pub(super) fn restore(checkpoint: &Checkpoint, now: Moment) -> Self {
        let limit = checkpoint.fallback_seconds.map(Duration::from_secs);
        let fallback = match (checkpoint.fallback_started, limit) {
            _ if checkpoint.fallen_back => Fallback::Expired,
            (Some(since), Some(limit)) => {
                // A wall clock that was set back must not make the timer run longer than asked for.
                let elapsed = Duration::from_secs(now.unix.saturating_sub(since));
                let left = limit.saturating_sub(elapsed);
                Fallback::Running { since, at: now.monotonic.saturating_add(left) }
            }
            _ => Fallback::Stopped,
        };
        Self(checkpoint.host_id.clone().map(|host| Named { host, limit, fallback }))
    }

    /// The host, unless it is the URL's.
    pub(super) fn host(&self) -> Option<&HostId> {
        let named = self.0.as_ref()?;
        (named.fallback != Fallback::Expired).then_some(&named.host)
    }

    /// Follows the host that a new session's Ack names; the timer of the same host goes on.
    pub(super) fn follow(&mut self, host: Option<HostId>, limit: Option<Duration>) {
        let running = self.0.take().filter(|old| Some(&old.host) == host.as_ref());
        let fallback = match running.map(|old| old.fallback) {
            Some(running @ Fallback::Running { .. }) => running,
            _ => Fallback::Stopped,
        };
        self.0 = host.map(|host| Named { host, limit, fallback });
    }

    /// The host does not answer as it should. `true`: the timer was started.
    pub(super) fn start(&mut self, now: Moment) -> bool {
        if let Some(Named { limit: Some(limit), fallback, .. }) = &mut self.0
            && *fallback == Fallback::Stopped
        {
            let at = now.monotonic.saturating_add(*limit);
            *fallback = Fallback::Running { since: now.unix, at };
            return true;
        }
        false
    }

    /// The host answers. `true`: the timer was stopped.
    pub(super) fn stop(&mut self) -> bool {
        self.replace_running(Fallback::Stopped)
    }

    /// `true`: the timer has run out, and packets go to the URL's host from now on.
    pub(super) fn expire(&mut self, now: Moment) -> bool {
        self.expires_at().is_some_and(|at| now.monotonic >= at)
            && self.replace_running(Fallback::Expired)
    }

    fn replace_running(&mut self, by: Fallback) -> bool {
        if let Some(Named { fallback: fallback @ Fallback::Running { .. }, .. }) = &mut self.0 {
            *fallback = by;
            return true;
        }
        false
    }

    pub(super) fn expires_at(&self) -> Option<Duration> {
        match self.0.as_ref()?.fallback {
            Fallback::Running { at, .. } => Some(at),
            Fallback::Stopped | Fallback::Expired => None,
        }
    }

    /// How long no progress is borne if the timer is to be waited out, and an hour more, which is for the
    /// URL's host.
    pub(super) fn patience(&self) -> Duration {
        let limit = self.0.as_ref().and_then(|named| named.limit);
        limit.map_or(Duration::ZERO, |limit| limit.min(MAX_FALLBACK) + Duration::from_hours(1))
    }
}
