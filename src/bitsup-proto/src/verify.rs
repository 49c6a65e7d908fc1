//! What a HEAD of the destination proves about an upload.
//!
//! MC-BUP has no way to ask whether a file arrived. Where an answer was lost, a HEAD of
//! the destination may tell; most often it tells nothing, and that must not be taken for
//! a yes or a no.

/// Whether to ask for the destination's size after the upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyPolicy {
    /// Only if a Fragment had to be sent twice to a server that is not known to check offsets.
    #[default]
    Auto,
    /// Always, and an answer that tells nothing is an error.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// Whether there is a `Content-Encoding`: then the length is not the file's.
    pub encoded: bool,
    /// `Last-Modified` in seconds since 1970.
    pub last_modified: Option<u64>,
}

/// What it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A file of the right size, not older than the session.
    Same,
    /// A file of another size, not older than the session.
    Different,
    /// Nothing.
    Unknown,
}

/// Weighs the answer for a file of `size` bytes whose session was created at `created`
/// (seconds since 1970 by the server's clock).
#[must_use]
pub fn weigh(head: &Head, size: u64, created: u64) -> Evidence {
    let older = head.last_modified.is_some_and(|modified| modified < created);
    match head.content_length {
        Some(length) if head.status == 200 && !head.encoded && !older => {
            if length == size {
                Evidence::Same
            } else {
                Evidence::Different
            }
        }
        _ => Evidence::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_200_that_is_not_too_old_proves_anything() {
        let good = Head {
            status: 200,
            content_length: Some(10),
            encoded: false,
            last_modified: Some(100),
        };
        assert_eq!(weigh(&good, 10, 100), Evidence::Same);
        assert_eq!(weigh(&good, 11, 100), Evidence::Different);
        assert_eq!(weigh(&Head { last_modified: None, ..good }, 11, 100), Evidence::Different);
        for tells_nothing in [
            Head { status: 206, ..good },
            Head { status: 405, ..good },
            Head { status: 401, ..good },
            Head { content_length: None, ..good },
            Head { encoded: true, ..good },
            Head { last_modified: Some(99), ..good },
        ] {
            assert_eq!(weigh(&tells_nothing, 11, 100), Evidence::Unknown);
        }
    }
}
