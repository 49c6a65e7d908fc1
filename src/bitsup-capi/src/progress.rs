//! Where an upload stands.

use std::ffi::CStr;
use std::mem::offset_of;
use std::time::Duration;

use bitsup::{Progress, UploadState};

use crate::structure::Extensible;

/// Where an upload stands.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bitsup_state {
    /// Waits for its turn, without a session and with no clock running.
    Queued = 0,
    /// Connects and opens a session, or asks whether the server answers.
    Connecting = 1,
    /// Shows its credentials.
    Authenticating = 2,
    /// Sends a part of the file.
    Sending = 3,
    /// Has sent a part and waits for the answer.
    WaitingAck = 4,
    /// Waits for the next try.
    WaitingRetry = 5,
    /// Paused.
    Suspended = 6,
    /// Compares the source with what was sent before, or asks what the server
    /// has.
    Checking = 7,
    /// Fetches the reply.
    Reply = 8,
    /// Closes or cancels the session.
    Closing = 9,
    /// Complete; nothing more happens.
    Done = 10,
    /// Given up; nothing more happens.
    Failed = 11,
    /// Cancelled; nothing more happens.
    Cancelled = 12,
}

/// A snapshot of an upload.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitsup_progress {
    /// Set it to sizeof(bitsup_progress) before the call; afterwards the bytes
    /// that were written.
    pub struct_size: usize,
    /// Size of the file in bytes.
    pub total: u64,
    /// Bytes that the server acknowledged: they are safe. May go back if the
    /// server does.
    pub acknowledged: u64,
    /// Bytes handed to the network; at least acknowledged.
    pub sent: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// Milliseconds until the end at this rate; -1 if that cannot be told.
    pub eta_ms: i64,
    /// Milliseconds until the next try; -1 if none is waited for.
    pub retry_ms: i64,
    /// Where it stands.
    pub state: bitsup_state,
    /// Tries since the last progress.
    pub attempt: u32,
}

// SAFETY: `repr(C)`, the first field is the size, and each field may be zero.
unsafe impl Extensible for bitsup_progress {
    const FIRST: usize = offset_of!(Self, attempt) + size_of::<u32>();
}

impl From<&Progress> for bitsup_progress {
    fn from(progress: &Progress) -> Self {
        let milliseconds =
            |time: Option<Duration>| time.map_or(-1, |time| milliseconds(time).cast_signed());
        Self {
            struct_size: size_of::<Self>(),
            total: progress.total,
            acknowledged: progress.acknowledged,
            sent: progress.sent,
            rate: progress.rate,
            eta_ms: milliseconds(progress.eta),
            retry_ms: milliseconds(progress.waiting.as_ref().map(|waiting| waiting.remaining)),
            state: progress.state.into(),
            attempt: progress.attempt,
        }
    }
}

/// Milliseconds, at most those that fit into a signed number.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).cast_unsigned()
}

/// Their names, by number.
pub(crate) const STATES: [&CStr; 13] = [
    c"queued",
    c"connecting",
    c"authenticating",
    c"sending",
    c"waiting_ack",
    c"waiting_retry",
    c"suspended",
    c"checking",
    c"reply",
    c"closing",
    c"done",
    c"failed",
    c"cancelled",
];

impl From<UploadState> for bitsup_state {
    fn from(state: UploadState) -> Self {
        match state {
            UploadState::Queued => Self::Queued,
            UploadState::Connecting => Self::Connecting,
            UploadState::Authenticating => Self::Authenticating,
            UploadState::Sending => Self::Sending,
            UploadState::WaitingAck => Self::WaitingAck,
            UploadState::WaitingRetry => Self::WaitingRetry,
            UploadState::Suspended => Self::Suspended,
            UploadState::Reply => Self::Reply,
            UploadState::Closing => Self::Closing,
            UploadState::Done => Self::Done,
            UploadState::Failed => Self::Failed,
            UploadState::Cancelled => Self::Cancelled,
            // A state that is new asks something of the server or the source.
            _ => Self::Checking,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_called_as_in_rust() {
        let mut state = 0;
        for rust in [
            UploadState::Queued,
            UploadState::Connecting,
            UploadState::Authenticating,
            UploadState::Sending,
            UploadState::WaitingAck,
            UploadState::WaitingRetry,
            UploadState::Suspended,
            UploadState::Checking,
            UploadState::Reply,
            UploadState::Closing,
            UploadState::Done,
            UploadState::Failed,
            UploadState::Cancelled,
        ] {
            assert_eq!(bitsup_state::from(rust) as u32, state);
            assert_eq!(STATES[state as usize].to_str(), Ok(rust.name()));
            state += 1;
        }
        assert_eq!(STATES.len(), state as usize);
    }
}
