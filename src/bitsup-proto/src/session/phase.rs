//! Where an upload stands, with all that only this phase has.

use alloc::string::String;
use core::time::Duration;

use super::{Outcome, Request};
use crate::error::Error;
use crate::packet::ContentRange;
use crate::session::open::Open;

/// The phase of an upload; a transition takes one and gives one.
#[derive(Clone, Debug, Default)]
pub(super) enum Phase {
    /// Ping goes first: in a session, or without one for a handshake.
    Pinging(Option<Open>),
    /// Create-Session.
    #[default]
    Creating,
    /// What the session needs next: see [`Step`].
    Uploading(Open),
    /// Cancel-Session, and what follows it.
    Cancelling(Cancelling),
    /// Given up; the caller may resume it, in the session if one is held.
    Failed { error: Error, open: Option<Open> },
    /// Cancelled by the caller, who keeps the session for later.
    Kept(Open),
    /// Over for good, and no session is held.
    Ended(Ended),
}

/// A Cancel-Session under way or to be sent.
#[derive(Clone, Debug)]
pub(super) struct Cancelling {
    pub(super) open: Open,
    pub(super) deadline: Duration,
    pub(super) after: AfterCancel,
}

/// What follows a Cancel-Session.
#[derive(Clone, Debug)]
pub(super) enum AfterCancel {
    Finish,
    /// A new session; after the pause of a retry if there is a cause for one.
    Restart {
        pause: Option<Error>,
    },
    Fail(Error),
}

/// What is left of an upload that is over.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// Those of the last session.
    pub(super) offset: u64,
    pub(super) reply_url: Option<String>,
}

/// What a session needs next, derived from what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A byte that the server has, to learn its offset.
    Probe,
    /// The last Fragment once more.
    LastFragment(ContentRange),
    Fragment,
    Reply,
    Close,
    Verify,
}

/// The one exchange that a session has under way, or the wait for it.
#[derive(Clone, Debug)]
pub(super) enum Io {
    Idle,
    InFlight(Outstanding),
    /// The phase's packet goes out then.
    Backoff {
        at: Duration,
        cause: Error,
    },
    /// The driver is to end the exchange; its further reports of it are refused.
    Aborting,
}

/// The exchange under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outstanding {
    Packet(Request),
    Head,
    Reply,
}

impl Phase {
    /// The session that is held.
    pub(super) fn open(&self) -> Option<&Open> {
        match self {
            Self::Uploading(open) | Self::Kept(open) => Some(open),
            Self::Cancelling(cancelling) => Some(&cancelling.open),
            Self::Pinging(open) | Self::Failed { open, .. } => open.as_ref(),
            Self::Creating | Self::Ended(_) => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Uploading(open) | Self::Kept(open) => Some(open),
            Self::Cancelling(cancelling) => Some(&mut cancelling.open),
            Self::Pinging(open) | Self::Failed { open, .. } => open.as_mut(),
            Self::Creating | Self::Ended(_) => None,
        }
    }

    /// The session that is held, else the phase.
    #[expect(clippy::result_large_err, reason = "the other case is as large")]
    pub(super) fn held(self) -> Result<Open, Self> {
        match self {
            Self::Uploading(open)
            | Self::Kept(open)
            | Self::Cancelling(Cancelling { open, .. })
            | Self::Pinging(Some(open))
            | Self::Failed { open: Some(open), .. } => Ok(open),
            phase => Err(phase),
        }
    }

    pub(super) fn into_open(self) -> Option<Open> {
        self.held().ok()
    }

    /// Ends the upload, and with it what it held.
    pub(super) fn end(self, outcome: Outcome) -> Self {
        let (offset, reply_url) = match self.held() {
            Ok(open) => (open.offset, open.reply_url),
            Err(Self::Ended(ended)) => (ended.offset, ended.reply_url),
            Err(_) => (0, None),
        };
        Self::Ended(Ended { outcome, offset, reply_url })
    }

    /// Whether nothing more happens by itself.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Kept(_) | Self::Ended(_))
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Failed { error, .. } => Some(Outcome::Failed(error.clone())),
            Self::Kept(_) => Some(Outcome::Cancelled { confirmed: false, kept: true }),
            Self::Ended(ended) => Some(ended.outcome.clone()),
            Self::Pinging(_) | Self::Creating | Self::Uploading(_) | Self::Cancelling(_) => None,
        }
    }
}
