//! The content of a journal.

use std::path::PathBuf;

use bitsup_proto::Checkpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Difference, Identity, Prefix};

/// The format this version writes and reads.
const VERSION: u32 = 1;
/// The content of a journal. It holds no password; of the server it holds URL and session id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    version: u32,
    /// The whole destination.
    pub url: String,
    /// The source.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// What the source was when it held the bytes that were sent.
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

/// An upload whose Create-Session went out, and whose session is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    version: u32,
    /// The whole destination.
    pub url: String,
    /// The source.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// When the request went out: seconds since 1970.
    pub begun: u64,
    /// The caller's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a kept session stands to an upload that is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeDecision {
    /// It is to be cancelled, and the upload begins anew: the caller wants it, or the source may be another
    /// one and nothing of it was acknowledged. Hashes of nothing prove nothing, and what a dead process
    /// sent of the earlier source may still be on its way to this session.
    Replaced,
    /// The source is another one now, in words: the session is cancelled and the upload fails.
    Changed(&'static str),
    /// The source may be another one, and what was sent of it is not known to the last byte: the
    /// session is cancelled, and the upload begins anew.
    Unproven,
    /// The source may be another one: all that was sent is compared before the upload is completed.
    Unclear,
    /// It is continued if the source still ends with the same bytes where the sending ended.
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

    /// What becomes of the session when an upload of a source with that identity begins. No clock
    /// is asked: whether a session is too old is for its server to say.
    #[must_use]
    pub fn standing(&self, fresh: bool, source: Option<Identity>) -> ResumeDecision {
        if fresh {
            return ResumeDecision::Replaced;
        }
        match source.map(|now| self.identity.compare(&now)) {
            Some(Difference::Content(difference)) => ResumeDecision::Changed(difference),
            Some(Difference::Unclear { .. }) if self.checkpoint.offset == 0 => {
                ResumeDecision::Replaced
            }
            Some(Difference::Unclear { .. }) if self.is_hashed() => ResumeDecision::Unclear,
            Some(Difference::Unclear { .. }) => ResumeDecision::Unproven,
            Some(Difference::None) | None => ResumeDecision::Continued,
        }
    }

    /// Whether the hashes stand for all that was acknowledged.
    fn is_hashed(&self) -> bool {
        self.prefix.length() >= self.checkpoint.offset
    }

    /// The entry as it is in a file.
    pub fn encode(&self) -> std::io::Result<String> {
        sealed(self)
    }

    /// The content of a file, which any program may have written; the error is why it cannot be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let entry: Self = unsealed(bytes)?;
        entry.check()?;
        Ok(entry)
    }

    /// Whether its numbers fit together; a checksum does not prove who wrote it.
    fn check(&self) -> Result<(), String> {
        check_version(self.version)?;
        let sizes = self.checkpoint.offset <= self.checkpoint.size
            && self.checkpoint.size == self.identity.size
            && self.prefix.length() <= self.checkpoint.offset
            && self.prefix.is_whole();
        if sizes { Ok(()) } else { Err("its offsets do not fit together".into()) }
    }
}

impl Intent {
    /// An intent to upload `path`, of that size, at `unix`.
    #[must_use]
    pub fn new(url: String, path: PathBuf, size: u64, note: Option<String>, unix: u64) -> Self {
        Self { version: VERSION, url, path, size, begun: unix, note }
    }

    /// The intent as it is in a file.
    pub fn encode(&self) -> std::io::Result<String> {
        sealed(self)
    }

    /// The content of a file, which any program may have written; the error is why it cannot be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let intent: Self = unsealed(bytes)?;
        check_version(intent.version)?;
        Ok(intent)
    }
}

/// A line of JSON, and one with its checksum.
fn sealed(content: &impl Serialize) -> std::io::Result<String> {
    Ok(seal(&serde_json::to_string(content)?))
}

/// A line with its checksum.
pub(super) fn seal(line: &str) -> String {
    format!("{line}\n{:016x}\n", xxh3_64(line.as_bytes()))
}

fn unsealed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
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
    serde_json::from_str(line).map_err(|error| format!("it is not understood ({error})"))
}

fn check_version(version: u32) -> Result<(), String> {
    if version == VERSION {
        return Ok(());
    }
    Err(format!("it has version {version}, and this program reads version {VERSION}"))
}

/// A path in JSON: text, or its bytes where they are none.
mod path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Encoded {
        Text(String),
        Bytes { bytes: Vec<u8> },
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let encoded = match path.to_str() {
            Some(text) => Encoded::Text(text.to_owned()),
            None => Encoded::Bytes { bytes: path.as_os_str().as_bytes().to_vec() },
        };
        encoded.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Encoded::deserialize(from)? {
            Encoded::Text(text) => text.into(),
            Encoded::Bytes { bytes } => OsString::from_vec(bytes).into(),
        })
    }
}
