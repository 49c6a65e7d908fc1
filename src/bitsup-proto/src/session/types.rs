//! What goes into the state machine and what comes out of it.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::fragment_size;
use crate::host::HostPolicy;
use crate::hresult::Hresult;
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::retry::RetryPolicy;
use crate::verify::{LostAckPolicy, VerifyPolicy};

/// The time and a random number, given with every event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Time since a fixed point of the process; never goes back.
    pub monotonic: Duration,
    /// Seconds since 1970.
    pub unix: u64,
    /// 64 random bits, for the jitter of retries.
    pub random: u64,
}

/// What the caller wants of an upload.
#[derive(Clone, Debug)]
pub struct Config {
    /// The source's size in bytes.
    pub size: u64,
    /// The `Content-Name`, already cleaned by [`crate::packet::content_name`].
    pub content_name: Option<String>,
    /// The URL's host name or address, without port and brackets.
    pub origin: String,
    /// Whether to open with a Ping: when credentials or a proxy are set, so that a handshake costs no body.
    pub opening_ping: bool,
    /// Whether there are credentials for the server.
    pub credentials: bool,
    /// Whether there are credentials for the proxy.
    pub proxy_credentials: bool,
    /// Which `BITS-Host-Id` to follow.
    pub host_policy: HostPolicy,
    /// Hosts to follow whatever the policy; a leading dot allows all names below.
    pub trusted_hosts: Vec<String>,
    /// Whether a reply is wanted.
    pub reply: ReplyMode,
    /// The budgets for retries.
    pub retry: RetryPolicy,
    /// Whether no-progress may last until the host-fallback timer has run out.
    pub wait_out_fallback: bool,
    /// The bounds of fragment sizes.
    pub fragment: fragment_size::Limits,
    /// The largest size known to pass this endpoint, where a larger one did not.
    pub learned_size: Option<u64>,
    /// How long an Ack may take.
    pub answer_limit: Duration,
    /// How long the Ack of the last Fragment, and that of Close-Session, may take.
    pub last_answer_limit: Duration,
    /// How long Cancel-Session is tried.
    pub cancel_limit: Duration,
    /// How long the whole upload may take.
    pub max_time: Option<Duration>,
    /// How many body bytes may be sent in all, repetitions included.
    pub max_bytes: Option<u64>,
    /// Whether an empty file is refused instead of being sent as Create and Close.
    pub refuse_empty: bool,
    /// Whether a 200 without `BITS-Received-Content-Range` is taken for "all received".
    pub lenient_offset: bool,
    /// When to ask for the destination's size.
    pub verify: VerifyPolicy,
    /// What to do when an Ack is lost.
    pub on_lost_ack: LostAckPolicy,
    /// What is known of how the endpoint treats offsets.
    pub offsets: OffsetHandling,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            size: 0,
            content_name: None,
            origin: String::new(),
            opening_ping: false,
            credentials: false,
            proxy_credentials: false,
            host_policy: HostPolicy::default(),
            trusted_hosts: Vec::new(),
            reply: ReplyMode::default(),
            retry: RetryPolicy::default(),
            wait_out_fallback: false,
            fragment: fragment_size::Limits::default(),
            learned_size: None,
            answer_limit: Duration::from_mins(5),
            last_answer_limit: Duration::from_mins(15),
            cancel_limit: Duration::from_mins(1),
            max_time: None,
            max_bytes: None,
            refuse_empty: false,
            lenient_offset: false,
            verify: VerifyPolicy::default(),
            on_lost_ack: LostAckPolicy::default(),
            offsets: OffsetHandling::default(),
        }
    }
}

/// Where an upload stands. The names are those of MC-BUP §3.1.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// Nothing was sent yet.
    Init,
    /// A session is being opened.
    CreateSession,
    /// The host is asked whether it answers.
    Ping,
    /// The file is being sent.
    Fragment,
    /// The reply is being fetched.
    GetReply,
    /// The session is being closed.
    Complete,
    /// The destination is asked what it holds.
    Verify,
    /// The session is being cancelled.
    Cancel,
    /// Paused by the caller.
    Suspend,
    /// Waiting for the next try.
    Error,
    /// Complete, and confirmed.
    Done,
    /// Given up; [`super::Session::resume`] tries again where that can help.
    Failed,
    /// Cancelled by the caller.
    Cancelled,
}

impl State {
    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Which connection a packet is to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The session's own, if it is still good.
    Keep,
    /// A new one.
    Fresh,
}

/// One packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which packet.
    pub packet: PacketType,
    /// The bytes it carries, if it is a Fragment.
    pub range: Option<ContentRange>,
    /// Which connection to take.
    pub connection: Connection,
    /// Whether credentials go with it, since the server asked for them.
    pub authorize: bool,
    /// Whether credentials for the proxy go with it.
    pub authorize_proxy: bool,
    /// How long the Ack may take, from the last byte sent.
    pub answer_limit: Duration,
    /// Whether this is a probe: a byte the server has acknowledged, sent to learn its offset.
    pub probe: bool,
}

impl Request {
    /// Whether credentials for the server, or for the proxy, go with it.
    pub(super) fn carries_login(&self, proxy: bool) -> bool {
        if proxy { self.authorize_proxy } else { self.authorize }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this packet to [`super::Session::host`].
    Send(Request),
    /// Fetch (a part of) the reply.
    GetReply(reply::Get),
    /// Send a HEAD for the destination to [`super::Session::host`].
    Head,
    /// End the running exchange and close its connection.
    Abort,
    /// Call again at that time.
    Wait(Duration),
    /// Call again after the next event.
    Idle,
    /// Nothing more will happen.
    Finished,
}

/// How an exchange went on the wire, as far as the protocol minds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Time from the first to the last body byte.
    pub sending: Duration,
    /// Time from the last body byte to the Ack.
    pub waiting: Duration,
    /// How much of the packet was handed to the network; [`Sent::Nothing`] where a request that went before it was
    /// answered in its place, such as that of a login.
    pub sent: Sent,
}

/// How much of a request went out before it failed or was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// Nothing: the server cannot have seen it.
    Nothing,
    /// The request's head, perhaps in part, and no byte of its body.
    #[default]
    Head,
    /// Bytes of the body too; if it has fewer, all of it.
    Body(u64),
}

impl Sent {
    /// How many bytes of the body went out; `None` if not even the head did.
    #[must_use]
    pub fn body(self) -> Option<u64> {
        match self {
            Self::Nothing => None,
            Self::Head => Some(0),
            Self::Body(bytes) => Some(bytes),
        }
    }
}

/// Why an exchange met no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class, which decides about retries.
    pub class: FailureClass,
    /// How much went out.
    pub sent: Sent,
    /// How long no byte of the body had moved.
    pub idle: Duration,
    /// What is reported where it ends the upload or is waited for.
    pub error: Error,
}

impl Failure {
    /// A failure of that class, of which no more is known than one line.
    #[must_use]
    pub fn new(class: FailureClass, sent: Sent, message: impl Into<Cow<'static, str>>) -> Self {
        let error = match class {
            FailureClass::Timeout => Error::new(ErrorKind::Timeout, message),
            FailureClass::BadAnswer => {
                Error::new(ErrorKind::Protocol, message).with_code(Hresult::INVALID_SERVER_RESPONSE)
            }
            FailureClass::Offline | FailureClass::Transport | FailureClass::Stale => {
                Error::new(ErrorKind::Network, message)
            }
            FailureClass::Fatal => Error::new(ErrorKind::Internal, message),
        };
        Self { class, sent, idle: Duration::ZERO, error }
    }

    /// A failure that ends the upload with that error, before anything was sent.
    #[must_use]
    pub fn fatal(error: Error) -> Self {
        Self { class: FailureClass::Fatal, sent: Sent::Nothing, idle: Duration::ZERO, error }
    }
}

/// The classes of failure below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// No route, or the name is not resolved: we seem to be offline.
    Offline,
    /// Refused, reset or cut: `ERROR_TRANSPORT` of MC-BUP.
    Transport,
    /// The same on a connection that had served an exchange before, and no byte of an answer came.
    Stale,
    /// No byte or no Ack in time: `ERROR_TIMEOUT` of MC-BUP.
    Timeout,
    /// What came is no HTTP answer.
    BadAnswer,
    /// Trying again cannot help.
    Fatal,
}

/// Something worth telling a person, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The server opened a session.
    SessionCreated,
    /// The server forgot the session: starting from 0 with a new one.
    SessionLost,
    /// The session cannot be trusted or continued: starting from 0 with a new one.
    SessionReplaced {
        /// Why.
        reason: &'static str,
    },
    /// Packets go to another host from now on.
    HostChanged(String),
    /// The other host did not come back in time: packets go to the URL's host again.
    FellBack,
    /// The server wants an earlier or later byte than the one we would have sent next.
    Moved {
        /// Where we would have gone on.
        from: u64,
        /// Where the server wants us to go on.
        to: u64,
    },
    /// Parts of that size are refused; the next ones are smaller.
    Shrunk {
        /// The size that was refused, in bytes.
        refused: u64,
        /// The next size, in bytes.
        next: u64,
    },
    /// Something went wrong and is tried again.
    Retrying {
        /// What went wrong.
        cause: Error,
        /// How long until the next try.
        delay: Duration,
        /// How many tries there have been since the last progress.
        attempt: u32,
    },
    /// The server offers a reply that was not asked for.
    ReplyOffered(String),
    /// A part may have been stored twice, or bytes that were never sent were taken for
    /// received, and the server does not prove the file right.
    NotVerified,
    /// The Ack of Close-Session was lost; the destination has the file.
    CloseUnconfirmed,
}

/// How an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is on the server.
    Done(Summary),
    /// Given up.
    Failed(Error),
    /// Cancelled.
    Cancelled {
        /// Whether the server confirmed that it deleted the session, or had none.
        confirmed: bool,
        /// Whether the session was kept on purpose.
        kept: bool,
    },
}

/// The facts of a complete upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whether Close-Session was acknowledged.
    pub close_confirmed: bool,
    /// Whether no doubt about the file is left.
    pub verified: bool,
}

/// Counts of what happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Fragments acknowledged.
    pub fragments: u64,
    /// Sessions that had to be replaced.
    pub restarts: u32,
    /// Fragments sent again where the server may have stored them before.
    pub unconfirmed_resends: u32,
    /// Tries after a failure.
    pub retries: u64,
}

/// An event that the state does not allow; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidState;

/// How to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelMode {
    /// Tell the server to delete the session.
    Delete,
    /// Stop, and leave the session on the server so that it can be continued.
    Keep,
}

/// What an upload learned about its endpoint, for the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The largest fragment size that may pass, if a larger one was refused.
    pub size: Option<u64>,
    /// How the endpoint treats offsets.
    pub offsets: OffsetHandling,
}

/// How an endpoint treats the offset of a Fragment, as its answers to probes have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffsetHandling {
    /// No probe has shown it.
    #[default]
    Unknown,
    /// It compares offsets: a 416, or a 200 beyond the probe, tells the truth.
    Checks,
    /// It stores a Fragment where its range says, and acknowledges the range's end.
    Seeks,
    /// It acknowledges the end of any range, whatever it does with the bytes.
    Echoes,
}
