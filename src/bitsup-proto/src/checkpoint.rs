//! What must be kept so that a session can be continued elsewhere or later.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::host::HostId;
use crate::packet::SessionId;
use crate::verify::{Head, Predecessor};

/// The state of a session between two requests. It holds no secret but the session id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The session's id.
    pub session_id: SessionId,
    /// When the session was created: seconds since 1970, by the server's clock if it tells the time.
    pub created: u64,
    /// Whether that is the server's own time, which alone can be compared with the age of its files.
    #[serde(default)]
    pub created_by_server: bool,
    /// The source's size in bytes.
    pub size: u64,
    /// The last acknowledged offset.
    pub offset: u64,
    /// The host that the session lives on, if it is not the URL's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<HostId>,
    /// The time in seconds after which to go back to the URL's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_seconds: Option<u64>,
    /// When the host was first found not to answer: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_started: Option<u64>,
    /// Whether packets go to the URL's host again.
    #[serde(default)]
    pub fallen_back: bool,
    /// The reply's URL as the server wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_url: Option<String>,
    /// Sessions that this one replaces.
    #[serde(default)]
    pub restarts: u32,
    /// Fragments sent again in this session where the server may have stored them before.
    #[serde(default, alias = "unclear_resends")]
    pub unconfirmed_resends: u32,
    /// Whether the server went on at a byte behind the last one that was sent to it.
    #[serde(default, alias = "skipped")]
    pub offset_jumped: bool,
    /// Whether the server has answered 416 with the right offset.
    #[serde(default)]
    pub checks_offsets: bool,
    /// Whether Close-Session was about to go out.
    #[serde(default)]
    pub closing: bool,
    /// Whether the server may hold another session of this upload, whose id was never told.
    #[serde(default)]
    pub orphaned: bool,
    /// What an earlier session of this upload may have left at the destination.
    #[serde(default, skip_serializing_if = "Predecessor::is_none")]
    pub predecessor: Predecessor,
    /// What stood at the destination before the session was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Head>,
}
