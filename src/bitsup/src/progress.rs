//! What an upload tells while it runs, and when it is done.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bitsup_proto::{Hresult, PacketType};

use crate::error::Error;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UploadState {
    /// Waits for its turn, without a session and with no clock running.
    #[default]
    Queued,
    /// Connects and opens a session, or asks whether the server answers.
    Connecting,
    /// Shows its credentials.
    Authenticating,
    /// Sends a part of the file.
    Sending,
    /// Has sent a part and waits for the Ack.
    WaitingAck,
    /// Waits for the next try; the reason and the time are in the progress.
    WaitingRetry,
    /// Paused.
    Suspended,
    /// Compares the source with what was sent before, or asks what the server has.
    Checking,
    /// Fetches the reply.
    Reply,
    /// Closes or cancels the session.
    Closing,
    /// Complete.
    Done,
    /// Given up.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl UploadState {
    /// The state's name in all languages, e.g. `waiting_ack`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Connecting => "connecting",
            Self::Authenticating => "authenticating",
            Self::Sending => "sending",
            Self::WaitingAck => "waiting_ack",
            Self::WaitingRetry => "waiting_retry",
            Self::Suspended => "suspended",
            Self::Checking => "checking",
            Self::Reply => "reply",
            Self::Closing => "closing",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A snapshot of an upload.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Size of the file in bytes.
    pub total: u64,
    /// Bytes that the server acknowledged: they are safe. May go back if the server does.
    pub acknowledged: u64,
    /// Bytes handed to the network, of the part under way too; at least `acknowledged`.
    pub sent: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// How long it will take at this rate, if that can be told.
    pub eta: Option<Duration>,
    /// Where it stands.
    pub state: UploadState,
    /// Tries since the last progress.
    pub attempt: u32,
    /// Why it waits, and for how long still, while it does.
    pub waiting: Option<Waiting>,
}

/// Why an upload waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// What went wrong, in one line.
    pub reason: String,
    /// How long until the next try. Zero where that is unknown, as for a turn at the host.
    pub remaining: Duration,
}

/// The proof of a complete upload: there is one only after the Ack of Close-Session, or
/// where the destination was seen to hold the file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Receipt {
    /// The destination, without its query.
    pub url: String,
    /// Size in bytes.
    pub size: u64,
    /// The session's id.
    pub session_id: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// Fragments acknowledged.
    pub fragments: u64,
    /// Sessions that had to be replaced.
    pub restarts: u32,
    /// Tries after a failure.
    pub retries: u64,
    /// Parts sent again where the server may have stored them before.
    pub unconfirmed_resends: u32,
    /// Whether Close-Session was acknowledged.
    pub close_confirmed: bool,
    /// Whether no doubt about the file on the server is left.
    pub verified: bool,
    /// Whether nothing was sent because the destination existed.
    pub skipped: bool,
    /// SHA-256 of what was sent, as hexadecimal digits, if it was asked for.
    pub sha256: Option<String>,
    /// The file with the reply.
    pub reply_path: Option<PathBuf>,
    /// The reply, if it was asked for in memory.
    pub reply: Option<Vec<u8>>,
    /// The URL of a reply that the server offered.
    pub reply_url: Option<String>,
    /// Things that a person should know.
    pub warnings: Vec<String>,
}

/// Something that happened to an upload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// At most ten times a second, and when the state changes. One that still waits for a slow listener
    /// gives way to the next, so that states which pass quickly may not be seen; the last one is.
    Progress(Progress),
    /// A packet is about to be sent.
    Packet(PacketEvent),
    /// A packet was answered.
    Ack(AckEvent),
    /// Something worth telling, in one line.
    Notice(String),
    /// A connection was lost, or something else went wrong, and is tried again.
    Retry {
        /// What went wrong.
        cause: Error,
        /// How long until the next try.
        delay: Duration,
        /// How many tries there have been since the last progress.
        attempt: u32,
    },
    /// An exchange as an entry of a transcript, without secrets; only with
    /// [`UploadOptions::transcript`](crate::UploadOptions::transcript). A transcript is
    /// [`TRANSCRIPT_HEAD`](crate::TRANSCRIPT_HEAD), a line end, and the entries in order.
    Recorded(String),
    /// The upload has ended; nothing follows.
    Finished(Result<Box<Receipt>, Error>),
}

/// Which events a caller wants besides those that there are few of. What it does not want costs
/// nothing: no copy, and no thread that is woken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFilter {
    /// [`Event::Progress`]. [`Upload::progress`](crate::Upload::progress) tells it at any time.
    pub progress: bool,
    /// [`Event::Packet`] and [`Event::Ack`].
    pub packets: bool,
    /// [`Event::Notice`].
    pub notices: bool,
}

impl Default for EventFilter {
    /// All of them.
    fn default() -> Self {
        Self { progress: true, packets: true, notices: true }
    }
}

impl EventFilter {
    /// With or without [`Event::Progress`].
    #[must_use]
    pub fn progress(self, progress: bool) -> Self {
        Self { progress, ..self }
    }

    /// With or without [`Event::Packet`] and [`Event::Ack`].
    #[must_use]
    pub fn packets(self, packets: bool) -> Self {
        Self { packets, ..self }
    }

    /// With or without [`Event::Notice`].
    #[must_use]
    pub fn notices(self, notices: bool) -> Self {
        Self { notices, ..self }
    }

    pub(crate) fn lets_through(self, event: &Event) -> bool {
        match event {
            Event::Progress(_) => self.progress,
            Event::Packet(_) | Event::Ack(_) => self.packets,
            Event::Notice(_) => self.notices,
            _ => true,
        }
    }
}

/// A packet that is about to be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PacketEvent {
    /// Which packet.
    pub packet: PacketType,
    /// First byte and number of bytes of a Fragment.
    pub range: Option<(u64, u64)>,
    /// The host it goes to.
    pub host: String,
}

/// A packet that was answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AckEvent {
    /// Which packet.
    pub packet: PacketType,
    /// First byte and number of bytes of the Fragment.
    pub range: Option<(u64, u64)>,
    /// The HTTP status.
    pub status: u16,
    /// The offset at which the server wants to continue, after a Fragment.
    pub offset: Option<u64>,
    /// The BITS error of the answer, for diagnostics: some servers send one with a success.
    pub hresult: Option<Hresult>,
    /// How long the exchange took.
    pub duration: Duration,
    /// Whether the server opened a session with this Ack.
    pub session_created: bool,
    /// Whether the packet went over a new connection.
    pub new_connection: bool,
    /// The server's address, or the proxy's.
    pub peer: Option<SocketAddr>,
    /// How long it took until the packet could go out: next to nothing on a kept connection.
    pub connect_time: Duration,
}

/// What a callback wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    #[default]
    Continue,
    /// Stop, and keep the session so that the upload can be continued.
    Stop,
}
