//! The reply of an upload-reply session: where it is, and fetching it in pieces.
//!
//! MC-BUP §3.6: plain GETs with byte ranges; a changed `Last-Modified` means starting
//! over, a wrong length is an error, and Close-Session waits until the reply is here.

use alloc::string::String;
use core::fmt::Write as _;

use crate::error::{Error, ErrorKind, Remark};

/// Whether a reply is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// None is; one that is offered is named in the receipt.
    #[default]
    None,
    /// One is; without it the upload is not closed.
    Required,
    /// One is if the server has it.
    Optional,
}

/// The most redirects that are followed for one reply.
pub const MAX_REDIRECTS: u32 = 10;
/// The reply may change so often while it is fetched.
const MAX_CHANGES: u32 = 3;
/// Up to this number, replies whose end is not marked are taken for lost connections; then for the server's way.
const MAX_UNMARKED: u32 = 3;
/// Fewer new bytes are no progress: a server that sends one at a time would hold an upload for ever.
pub const PROGRESS: u64 = 64 * 1024;

/// One GET to perform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// The reply's URL as the server wrote it.
    pub url: String,
    /// The first byte wanted; without a `Range` header if 0.
    pub from: u64,
    /// The last byte wanted, if it is known.
    pub last: Option<u64>,
    /// Whether what was received before has to be thrown away.
    pub restart: bool,
    /// Whether to try the other host (the URL's instead of the Host-Id's).
    pub other_host: bool,
    /// Whether credentials go with it, if it goes to the same site.
    pub authorize: bool,
    /// Whether credentials for the proxy go with it.
    pub authorize_proxy: bool,
}

/// What a GET brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// The HTTP status.
    pub status: u16,
    /// Body bytes stored.
    pub length: u64,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Content-Range`: first byte, last byte, total.
    pub range: Option<(u64, u64, u64)>,
    /// `Last-Modified` as text.
    pub last_modified: Option<String>,
    /// Whether the body ended before it was complete.
    pub cut: bool,
    /// Whether it ended with the connection, with neither `Content-Length` nor chunks nor a range
    /// to tell that this was its end (RFC 9112 §8).
    pub unmarked: bool,
    /// See [`Ack::remark`](crate::Ack::remark).
    pub remark: Option<&'static Remark>,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next piece can be fetched.
    More,
    /// The reply is complete.
    Complete,
    /// It did not work, and may work later.
    Again(Error),
    /// It will not work.
    Failed(Error),
    /// Credentials are wanted.
    Challenge {
        /// By the proxy.
        proxy: bool,
    },
}

/// The state of fetching one reply.
#[derive(Clone, Debug)]
pub struct Fetch {
    url: String,
    received: u64,
    highest: u64,
    /// The part of `highest` that counted as progress.
    counted: u64,
    total: Option<u64>,
    last_modified: Option<String>,
    changes: u32,
    unmarked: u32,
    host: Host,
    complete: bool,
}

/// Which of two hosts is asked: the Host-Id's, else the URL's, and the other one, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    First,
    Other {
        /// Whether the first one does not have the reply, rather than being out of reach.
        missing: bool,
    },
    FirstAgain,
}

impl Fetch {
    /// Nothing fetched yet.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            url,
            received: 0,
            highest: 0,
            counted: 0,
            total: None,
            last_modified: None,
            changes: 0,
            unmarked: 0,
            host: Host::First,
            complete: false,
        }
    }

    /// Whether all of it is here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether [`PROGRESS`] more bytes are here than when this was last true.
    pub fn take_progress(&mut self) -> bool {
        let enough = self.highest.saturating_sub(self.counted) >= PROGRESS;
        if enough {
            self.counted = self.highest;
        }
        enough
    }

    /// The next GET.
    #[must_use]
    pub fn next(&self, authorize: bool, authorize_proxy: bool) -> Get {
        Get {
            url: self.url.clone(),
            from: self.received,
            last: self.total.and_then(|total| total.checked_sub(1)),
            restart: self.received == 0,
            other_host: matches!(self.host, Host::Other { .. }),
            authorize,
            authorize_proxy,
        }
    }

    /// A GET met no answer: the other host may have the reply, and is tried once.
    pub fn failed(&mut self) {
        if !self.try_other_host(false) {
            self.host = Host::FirstAgain;
        }
    }

    /// Takes what a GET brought.
    pub fn handle(&mut self, got: &Got) -> Progress {
        let progress = self.read(got);
        if matches!(progress, Progress::Failed(_)) {
            // A further try begins at the beginning.
            *self = Self {
                highest: self.highest,
                counted: self.counted,
                ..Self::new(core::mem::take(&mut self.url))
            };
        }
        progress
    }

    fn read(&mut self, got: &Got) -> Progress {
        match got.status {
            200 if self.received > 0 => Progress::Failed(reply_error(
                got,
                "the server sent the whole reply where a part of it was asked for",
            )),
            200 => self.take(got, 0, got.content_length),
            206 => match got.range {
                Some((first, last, total))
                    if first == self.received && last >= first && last < total =>
                {
                    // A range cannot span all 2^64 bytes, since its end lies below the total.
                    let announced = last - first + 1;
                    if got.length > announced || got.length < announced && !got.cut {
                        return Progress::Failed(reply_error(
                            got,
                            "the part of the reply has not the length that was announced",
                        ));
                    }
                    self.take(got, first, Some(total))
                }
                _ => Progress::Failed(reply_error(
                    got,
                    "the part of the reply is not the one asked for",
                )),
            },
            401 => Progress::Challenge { proxy: false },
            407 => Progress::Challenge { proxy: true },
            // The driver has followed the redirect, and bounds their number.
            301 | 302 | 303 | 307 | 308 => Progress::More,
            404 if self.host == (Host::Other { missing: false }) => {
                self.host = Host::FirstAgain;
                Progress::Again(reply_error(got, "the reply is not on the other host"))
            }
            404 if self.try_other_host(true) => Progress::More,
            408 | 429 | 500 | 502..=504 => {
                Progress::Again(reply_error(got, "the server does not serve the reply"))
            }
            _ => Progress::Failed(reply_error(got, "the server does not serve the reply")),
        }
    }

    fn take(&mut self, got: &Got, first: u64, total: Option<u64>) -> Progress {
        let changed = first > 0 && got.last_modified != self.last_modified;
        if changed || (first > 0 && total != self.total) {
            self.changes += 1;
            self.received = 0;
            self.total = None;
            return if self.changes > MAX_CHANGES {
                Progress::Failed(reply_error(got, "the reply keeps changing while it is fetched"))
            } else {
                Progress::More
            };
        }
        self.last_modified.clone_from(&got.last_modified);
        self.total = total;
        if got.unmarked && total.is_none() {
            self.received = 0;
            self.unmarked += 1;
            return if self.unmarked > MAX_UNMARKED {
                Progress::Failed(reply_error(
                    got,
                    "the server does not mark the end of the reply (no Content-Length, no chunks): whether it is complete cannot be told",
                ))
            } else {
                Progress::Again(reply_error(
                    got,
                    "the reply ended with the connection: it may be incomplete",
                ))
            };
        }
        self.received = first.saturating_add(got.length);
        self.highest = self.highest.max(self.received);
        match total {
            Some(total) if self.received == total => {
                self.complete = true;
                Progress::Complete
            }
            Some(total) if self.received > total => {
                Progress::Failed(reply_error(got, "the reply is longer than announced"))
            }
            _ if got.cut => {
                // Without Last-Modified nothing says that the rest would belong to it.
                if self.last_modified.is_none() || total.is_none() {
                    self.received = 0;
                }
                Progress::Again(reply_error(got, "the reply was cut off"))
            }
            Some(_) if got.status == 206 => Progress::More,
            Some(_) => Progress::Failed(reply_error(got, "the reply is shorter than announced")),
            None => {
                self.complete = true;
                Progress::Complete
            }
        }
    }

    fn try_other_host(&mut self, missing: bool) -> bool {
        let untried = self.host == Host::First;
        if untried {
            self.host = Host::Other { missing };
        }
        untried
    }
}

fn reply_error(got: &Got, what: &'static str) -> Error {
    Error::new(ErrorKind::Refused, what).with_status(got.status).with_remark(got.remark)
}

/// The reply's URL, relative to the upload's, made legal: `\` becomes `/`, and what no URL
/// may hold is percent-encoded. MC-BUP §4.2 has such a value on the wire.
#[must_use]
pub fn escape(url: &str) -> String {
    let mut escaped = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '\\' => escaped.push('/'),
            c if c.is_ascii_graphic() && !r#"{}"<>^`|"#.contains(c) => escaped.push(c),
            c => {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(escaped, "%{byte:02X}");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transcripts_url_is_made_legal() {
        assert_eq!(
            escape(r"BITS-Sessions\Replies\{C85B}\responsefile.bin"),
            "BITS-Sessions/Replies/%7BC85B%7D/responsefile.bin"
        );
    }

    #[test]
    fn pieces_add_up_to_the_total_of_the_range() {
        let mut fetch = Fetch::new("r".into());
        let piece = |first: u64, last: u64| Got {
            status: 206,
            length: last - first + 1,
            content_length: Some(last - first + 1),
            range: Some((first, last, 10240)),
            last_modified: Some("x".into()),
            ..Got::default()
        };
        assert_eq!(fetch.handle(&piece(0, 9976)), Progress::More);
        assert_eq!(fetch.next(false, false).from, 9977);
        assert_eq!(fetch.handle(&piece(9977, 10239)), Progress::Complete);
    }

    #[test]
    fn a_reply_that_changes_is_fetched_again_from_the_start() {
        let mut fetch = Fetch::new("r".into());
        let piece = |first: u64, modified: &str| Got {
            status: 206,
            length: 5,
            content_length: Some(5),
            range: Some((first, first + 4, 10)),
            last_modified: Some(modified.into()),
            ..Got::default()
        };
        assert_eq!(fetch.handle(&piece(0, "a")), Progress::More);
        assert_eq!(fetch.handle(&piece(5, "b")), Progress::More);
        let next = fetch.next(false, false);
        assert!(next.restart && next.from == 0);
    }

    #[test]
    fn the_whole_instead_of_a_part_is_an_error() {
        let mut fetch = Fetch::new("r".into());
        let first = Got {
            status: 206,
            length: 5,
            range: Some((0, 4, 10)),
            last_modified: Some("a".into()),
            ..Got::default()
        };
        assert_eq!(fetch.handle(&first), Progress::More);
        let whole = Got { status: 200, length: 10, content_length: Some(10), ..Got::default() };
        assert!(matches!(fetch.handle(&whole), Progress::Failed(_)));
    }

    #[test]
    fn bytes_that_trickle_are_no_progress() {
        let _rule = bitsup_server::rule!("GIV-05");
        let mut fetch = Fetch::new("r".into());
        let cut = |first: u64, length: u64| Got {
            status: 206,
            length,
            range: Some((first, 999_999, 1_000_000)),
            last_modified: Some("x".into()),
            cut: true,
            ..Got::default()
        };
        for at in 0..100 {
            assert!(matches!(fetch.handle(&cut(at, 1)), Progress::Again(_)));
            assert!(!fetch.take_progress());
        }
        assert!(matches!(fetch.handle(&cut(100, PROGRESS - 100)), Progress::Again(_)));
        assert!(fetch.take_progress());
        assert!(!fetch.take_progress());
    }

    #[test]
    fn a_reply_without_a_marked_end_is_never_complete() {
        let _rule = bitsup_server::rule!("GIV-05");
        let mut fetch = Fetch::new("r".into());
        let got = Got { status: 200, length: 3, unmarked: true, ..Got::default() };
        for _ in 0..MAX_UNMARKED {
            assert!(matches!(fetch.handle(&got), Progress::Again(_)));
            assert!(fetch.next(false, false).restart);
        }
        assert!(matches!(fetch.handle(&got), Progress::Failed(_)));
        assert!(!fetch.is_complete());
    }
}
