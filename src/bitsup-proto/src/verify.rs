//! What a HEAD of the destination proves about an upload.
//!
//! MC-BUP has no way to ask whether a file arrived. Where an answer was lost, a HEAD of
//! the destination may tell; most often it tells nothing, and that must not be taken for
//! a yes or a no.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// Whether to ask for the destination's size after the upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyPolicy {
    /// Only if the acknowledgements alone do not prove the upload.
    #[default]
    Auto,
    /// Always, before the upload too, and an answer that proves nothing is an error.
    Always,
    /// Never.
    Never,
}

/// What to do when the Ack of a Fragment or of Close-Session is lost.
///
/// Every policy first asks the server for its offset with a probe of one byte that the server has
/// already acknowledged. They differ in what follows where the answer proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostAckPolicy {
    /// Replaces a session whose offset cannot be proven by a new one that begins at byte 0. A lost
    /// Ack of Close-Session that a HEAD cannot decide is `VerifyFailed`.
    #[default]
    Auto,
    /// As `Auto`, and an upload whose Close-Session cannot be decided starts over too.
    Restart,
    /// Continues where an answer that proves nothing says. Such an upload is not `verified`.
    Resend,
    /// As `Auto`, but a Close-Session that cannot be decided counts as acknowledged.
    Accept,
}

/// The answer to a HEAD of the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// Whether there is a `Content-Encoding`: then the length is not the file's.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub encoded: bool,
    /// `Last-Modified` in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<u64>,
    /// `ETag` as the server wrote it, at most [`MAX_ETAG`] characters of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// The most characters of an `ETag` that are compared: those of common servers have fewer than 50.
pub const MAX_ETAG: usize = 256;

/// What an earlier session of an upload may have left at the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predecessor {
    /// No session had to be replaced.
    #[default]
    None,
    /// One was replaced, and its Cancel-Session acknowledged.
    Cancelled,
    /// One was replaced, and the server did not confirm that it is gone.
    Lingering,
}

impl Predecessor {
    /// Whether no session had to be replaced.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What a HEAD after the upload proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A file of the right size that this session made.
    Same,
    /// A file of another size that is not older than the session.
    Different,
    /// No file.
    Missing,
    /// Nothing.
    Unknown,
}

/// What is known of the destination and the session, to weigh a HEAD against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// The size of the file that was sent.
    pub size: u64,
    /// `Date` of the Create-Session Ack, in seconds since 1970: the server's own clock.
    pub created: Option<u64>,
    /// The answer to a HEAD before Create-Session, if one was sent.
    pub before: Option<&'a Head>,
}

/// Weighs the answer to a HEAD after the upload (rule TRU-06).
///
/// A header that is missing proves nothing: a file counts as this session's only if it is younger
/// than the session by the server's own clock, or differs from what stood there before.
#[must_use]
pub fn weigh(head: &Head, expected: &Expected<'_>) -> Evidence {
    let Expected { size, created, before } = *expected;
    if matches!(head.status, 404 | 410) {
        return Evidence::Missing;
    }
    let Some(length) = head.content_length.filter(|_| head.status == 200 && !head.encoded) else {
        return Evidence::Unknown;
    };
    let unchanged = before == Some(head);
    let older =
        matches!((head.last_modified, created), (Some(file), Some(session)) if file < session);
    if length != size {
        return if unchanged || older { Evidence::Unknown } else { Evidence::Different };
    }
    // Times have whole seconds: the same second may still be before the session.
    let younger =
        matches!((head.last_modified, created), (Some(file), Some(session)) if file > session);
    if younger || before.is_some_and(|before| differs(before, head)) {
        Evidence::Same
    } else {
        Evidence::Unknown
    }
}

/// Whether the destination was another one before, or none.
fn differs(before: &Head, after: &Head) -> bool {
    let changed = |was: bool, is: bool, same: bool| was && is && !same;
    matches!(before.status, 404 | 410)
        || before.status == 200
            && !before.encoded
            && (changed(
                before.content_length.is_some(),
                after.content_length.is_some(),
                before.content_length == after.content_length,
            ) || changed(
                before.etag.is_some(),
                after.etag.is_some(),
                before.etag == after.etag,
            ) || changed(
                before.last_modified.is_some(),
                after.last_modified.is_some(),
                before.last_modified == after.last_modified,
            ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    const EXPECTED: Expected<'static> = Expected { size: 10, created: Some(100), before: None };

    fn good() -> Head {
        Head {
            status: 200,
            content_length: Some(10),
            encoded: false,
            last_modified: Some(101),
            etag: None,
        }
    }

    #[test]
    fn only_a_plain_200_that_is_younger_than_the_session_proves_a_file() {
        let _rule = bitsup_server::rule!("TRU-06");
        assert_eq!(weigh(&good(), &EXPECTED), Evidence::Same);
        for tells_nothing in [
            Head { status: 206, ..good() },
            Head { status: 405, ..good() },
            Head { status: 401, ..good() },
            Head { content_length: None, ..good() },
            Head { encoded: true, ..good() },
            Head { last_modified: None, ..good() },
            Head { last_modified: Some(100), ..good() },
            Head { last_modified: Some(99), ..good() },
        ] {
            assert_eq!(weigh(&tells_nothing, &EXPECTED), Evidence::Unknown, "{tells_nothing:?}");
        }
        let no_date = Expected { created: None, ..EXPECTED };
        assert_eq!(weigh(&good(), &no_date), Evidence::Unknown);
        for status in [404, 410] {
            assert_eq!(weigh(&Head { status, ..good() }, &EXPECTED), Evidence::Missing);
        }
    }

    #[test]
    fn another_size_is_one_unless_the_file_is_older_or_stood_there_before() {
        let _rule = bitsup_server::rule!("TRU-06");
        let longer = Head { content_length: Some(11), ..good() };
        assert_eq!(weigh(&longer, &EXPECTED), Evidence::Different);
        let undated = Head { last_modified: None, ..longer.clone() };
        assert_eq!(weigh(&undated, &EXPECTED), Evidence::Different);
        let older = Head { last_modified: Some(99), ..longer.clone() };
        assert_eq!(weigh(&older, &EXPECTED), Evidence::Unknown);
        let before = Expected { before: Some(&longer), ..EXPECTED };
        assert_eq!(weigh(&longer, &before), Evidence::Unknown);
    }

    #[test]
    fn what_stood_there_before_proves_a_file_that_differs() {
        let _rule = bitsup_server::rule!("TRU-06");
        let undated = Head { last_modified: None, ..good() };
        let proves = |before: &Head, after: &Head| {
            weigh(after, &Expected { created: None, before: Some(before), size: 10 })
                == Evidence::Same
        };
        let tagged = |tag: &str| Head { etag: Some(tag.to_owned()), ..undated.clone() };
        assert!(proves(&Head { status: 404, ..Head::default() }, &undated));
        assert!(proves(&Head { status: 410, ..Head::default() }, &undated));
        assert!(proves(&Head { content_length: Some(9), ..undated.clone() }, &undated));
        assert!(proves(&tagged("a"), &tagged("b")));
        assert!(proves(&Head { last_modified: Some(5), ..good() }, &good()));
        for proves_nothing in [
            undated.clone(),
            Head { content_length: None, ..undated.clone() },
            Head { status: 403, ..Head::default() },
            Head { status: 200, encoded: true, content_length: Some(9), ..Head::default() },
            tagged("a"),
        ] {
            assert!(!proves(&proves_nothing, &undated), "{proves_nothing:?}");
        }
        assert!(!proves(&tagged("a"), &tagged("a")));
    }
}
