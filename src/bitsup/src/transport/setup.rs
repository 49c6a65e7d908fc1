//! What a libcurl handle is set up for, so that the next exchange of the same kind changes only what differs:
//! forty options cost as much as all else that a Fragment needs of libcurl.

use std::time::{Duration, Instant};

use super::exchange::{ConnectionUse, Exchange, Method, Origin};

/// libcurl forgets an address after a minute, and the handle would not tell it again.
const MAX_AGE: Duration = Duration::from_secs(30);

/// The setup of a handle for a packet without a login.
pub(super) struct Setup {
    kind: Kind,
    pub(super) target: String,
    made: Instant,
}

#[derive(PartialEq, Eq)]
struct Kind {
    origin: Origin,
    /// The TCP connection.
    generation: u32,
    /// `None` where the body goes past libcurl.
    upload_buffer: Option<usize>,
    connect_timeout: Duration,
}

impl Setup {
    /// The setup that this exchange needs; `None` where the next one needs another anyway.
    pub(super) fn of(
        exchange: &Exchange,
        generation: u32,
        upload_buffer: Option<usize>,
        started: Instant,
    ) -> Option<Self> {
        let is_plain = exchange.method == Method::BitsPost
            && exchange.origin.zone.is_none()
            && exchange.auth.is_none()
            && exchange.proxy_auth.is_none()
            && exchange.connection != ConnectionUse::Fresh
            && !exchange.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Cookie"));
        let kind = Kind {
            origin: exchange.origin.clone(),
            generation,
            upload_buffer,
            connect_timeout: exchange.limits.connect,
        };
        is_plain.then(|| Self { kind, target: exchange.target.clone(), made: started })
    }

    /// Whether a handle that is set up so can be used where `next` is needed.
    pub(super) fn serves(&self, next: &Self) -> bool {
        self.kind == next.kind && next.made.saturating_duration_since(self.made) < MAX_AGE
    }

    /// The same for another target; it does not become younger.
    pub(super) fn with_target(self, next: Self) -> Self {
        Self { target: next.target, ..self }
    }
}
