//! The content of a journal.

use std::path::PathBuf;
use std::time::Duration;

use bitsup_proto::Checkpoint;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Prefix;

/// The format this version writes and reads.
const VERSION: u32 = 1;
/// IIS forgets a session after 14 days; so do we.
pub const MAX_AGE: Duration = Duration::from_secs(14 * 24 * 3600);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Size in bytes.
    pub size: u64,
    /// When it was modified: whole seconds since 1970.
    pub modified_s: i64,
    /// The rest of that time in nanoseconds.
    pub modified_ns: i64,
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl Identity {
    /// What differs, in words.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.size != other.size {
            Some("its size changed")
        } else if (self.modified_s, self.modified_ns) != (other.modified_s, other.modified_ns) {
            Some("its time stamp changed")
        } else if (self.device, self.inode) != (other.device, other.inode) {
            Some("it was replaced by another file")
        } else {
            None
        }
    }
}

/// The content of a journal. It holds no password; of the server it holds URL and session id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    version: u32,
    /// The whole destination.
    pub url: String,
    /// The source.
    #[serde(with = "super::path")]
    pub path: PathBuf,
    /// What the source was when the upload began.
    pub identity: Identity,
    /// When the upload began: seconds since 1970.
    pub begun: u64,
    /// When it last got further: seconds since 1970.
    pub updated: u64,
    /// Where the session stands.
    pub checkpoint: Checkpoint,
    /// Hashes of what was acknowledged.
    pub prefix: Prefix,
    /// How many sessions the upload had before this one: of two entries the one with more counts.
    #[serde(default)]
    pub replaces: u64,
    /// The caller's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a kept session stands to an upload that is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is to be cancelled, and the upload begins anew: the caller wants it, or it is too old.
    Replaced,
    /// The source is another one now, in words: the session is cancelled and the upload fails.
    Changed(&'static str),
    /// It is continued if the source still begins with the same bytes.
    Continued,
}

impl Entry {
    /// An entry of a session that begins at `unix`, with nothing acknowledged yet.
    #[must_use]
    pub fn new(
        url: String,
        path: PathBuf,
        identity: Identity,
        checkpoint: Checkpoint,
        note: Option<String>,
        unix: u64,
    ) -> Self {
        Self {
            version: VERSION,
            url,
            path,
            identity,
            begun: unix,
            updated: unix,
            checkpoint,
            prefix: Prefix::default(),
            replaces: 0,
            note,
        }
    }

    /// Whether no server holds the session any more.
    #[must_use]
    pub fn is_expired(&self, unix: u64) -> bool {
        unix.saturating_sub(self.updated) > MAX_AGE.as_secs()
    }

    /// What becomes of the session when an upload of a source with that identity begins.
    #[must_use]
    pub fn standing(&self, fresh: bool, source: Option<Identity>, unix: u64) -> Standing {
        if fresh || self.is_expired(unix) {
            return Standing::Replaced;
        }
        match source.and_then(|now| self.identity.difference(&now)) {
            Some(difference) => Standing::Changed(difference),
            None => Standing::Continued,
        }
    }

    /// The entry as it is in a file.
    pub fn encode(&self) -> std::io::Result<String> {
        let line = serde_json::to_string(self)?;
        let checksum = xxh3_64(line.as_bytes());
        Ok(format!("{line}\n{checksum:016x}\n"))
    }

    /// The content of a file, which anybody may have written; the error is why it cannot be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let mut lines = text.split('\n');
        let (Some(line), Some(checksum), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err("it is cut off".into());
        };
        if format!("{:016x}", xxh3_64(line.as_bytes())) != checksum {
            return Err("its checksum is wrong".into());
        }
        let entry: Self = serde_json::from_str(line)
            .map_err(|error| format!("it is not understood ({error})"))?;
        entry.check()?;
        Ok(entry)
    }

    /// Whether its numbers fit together; a checksum does not prove who wrote it.
    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "it has version {}, and this program reads version {VERSION}",
                self.version
            ));
        }
        let sizes = self.checkpoint.offset <= self.checkpoint.size
            && self.checkpoint.size == self.identity.size
            && self.prefix.length() <= self.checkpoint.size;
        if sizes { Ok(()) } else { Err("its offsets do not fit together".into()) }
    }
}
