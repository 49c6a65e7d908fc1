//! The session on the server: what is known of it, and what goes with it when it is lost.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use super::OffsetHandling;
use crate::checkpoint::Checkpoint;
use crate::hresult::Hresult;
use crate::packet::{ContentRange, SessionId};
use crate::reply;

/// A session that the server has opened.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: SessionId,
    /// When it was made, and whether the server's own clock said so.
    pub(super) created: u64,
    pub(super) created_by_server: bool,
    /// An earlier process made it, and may have sent more than its checkpoint tells.
    pub(super) continued: bool,
    /// The offset that the server acknowledged last, and the highest one.
    pub(super) offset: u64,
    pub(super) highest: u64,
    /// The end of the bytes that have gone out in this session.
    pub(super) sent: u64,
    pub(super) doubt: Doubt,
    pub(super) proof: Proof,
    /// Echoes that were followed although they prove nothing.
    pub(super) resends: u32,
    /// Acks in a row that left the offset where it was, and steps back without a new highest one.
    pub(super) stuck: u32,
    pub(super) rewinds: u32,
    pub(super) refusals: Option<Refusals>,
    pub(super) pings: Pings,
    /// Its Acks to Ping or Create-Session carry an offset.
    pub(super) tells_offsets: bool,
    /// Where the reply is, as the server wrote it, and what of it has been fetched.
    pub(super) reply_url: Option<String>,
    pub(super) reply: Option<Box<reply::Fetch>>,
}

/// What the server may hold or have done that no Ack has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing.
    None,
    /// Which bytes it holds: a probe goes out first (rules OFF-12 and TRU-05).
    Bytes(Probing),
    /// The last Fragment is stored, and is to be sent once more: for the application behind the
    /// server (ERR-16), or since its Ack names the reply (RPL-14).
    LastFragment(ContentRange),
    /// Whether it closed the session: Close-Session was sent and not acknowledged.
    Close,
    /// Whether the file is right: the session is over, and only a HEAD can follow.
    File {
        /// Whether Close-Session was acknowledged.
        closed: bool,
        /// HEADs that met no answer.
        heads: u32,
    },
}

/// How far the question for the server's offset has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probing {
    /// A 200 beyond the probe at a server that is not known to check offsets: asked once more.
    pub(super) first_answer: Option<u64>,
    /// Answers that were of no use.
    pub(super) useless: u32,
    /// The last Fragment, if its application failed (ERR-16).
    pub(super) rerun: Option<ContentRange>,
    /// A connection ended unannounced: the server may have lost bytes that it had acknowledged.
    pub(super) may_have_lost: bool,
}

/// What the Acks of this session prove of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// Each byte was acknowledged where it belongs.
    Bytes,
    /// The same, and a connection ended before Close-Session at a server that ends each. A HEAD may prove the file;
    /// that it finds none says nothing.
    RoutineDisconnect,
    /// The same, and the server may have lost some before Close-Session: the cause that ended that
    /// exchange may have ended the server too.
    End,
    /// An echo was followed; the file's size would prove that it is written by offsets.
    Size,
    /// The connection ended before Close-Session at a server that echoes: a HEAD must find the file.
    File,
    /// The offset jumped over bytes; not even the size would prove them.
    Nothing,
}

/// Fragments refused in a row with the same BITS error (GIV-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusals {
    pub(super) code: Hresult,
    pub(super) count: u32,
    pub(super) since: Duration,
}

/// Whether the server answers Ping (FSM-04).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pings {
    /// The host spoken to has acknowledged a packet of this session.
    pub(super) acknowledged: bool,
    /// Pings that it refused as unknown.
    pub(super) refused: u32,
}

impl Pings {
    /// Refusals after which no Ping is sent any more.
    const MOST_REFUSALS: u32 = 2;

    pub(super) fn are_skipped(self) -> bool {
        self.refused >= Self::MOST_REFUSALS
    }
}

impl Open {
    pub(super) fn new(id: SessionId, created: u64, created_by_server: bool) -> Self {
        Self {
            id,
            created,
            created_by_server,
            continued: false,
            offset: 0,
            highest: 0,
            sent: 0,
            doubt: Doubt::None,
            proof: Proof::Bytes,
            resends: 0,
            stuck: 0,
            rewinds: 0,
            refusals: None,
            pings: Pings { acknowledged: true, refused: 0 },
            tells_offsets: false,
            reply_url: None,
            reply: None,
        }
    }

    /// The session that an earlier process left.
    pub(super) fn restore(checkpoint: &Checkpoint, size: u64) -> Self {
        let offset = checkpoint.offset.min(size);
        // The process that left the session may have had a request under way.
        let doubt = if checkpoint.closing {
            Doubt::Close
        } else if offset == size && checkpoint.reply_url.is_some() {
            Doubt::None
        } else {
            Doubt::Bytes(Probing::default())
        };
        // The cause that ended that process may have ended the server: see `limit_proof`.
        let proof = if checkpoint.offset_jumped || checkpoint.unconfirmed_resends > 0 {
            Proof::Nothing
        } else if checkpoint.closing || doubt == Doubt::None {
            Proof::End
        } else {
            Proof::Bytes
        };
        Self {
            continued: true,
            offset,
            highest: offset,
            sent: offset,
            doubt,
            proof,
            resends: checkpoint.unconfirmed_resends,
            pings: Pings { acknowledged: !checkpoint.fallen_back, refused: 0 },
            reply_url: checkpoint.reply_url.clone(),
            ..Self::new(
                checkpoint.session_id.clone(),
                checkpoint.created,
                checkpoint.created_by_server,
            )
        }
    }

    /// The highest offset that the server can truthfully acknowledge (OFF-02, OFF-03, TRU-04).
    pub(super) fn limit(&self, size: u64) -> u64 {
        if self.continued { size } else { self.sent }
    }

    /// The byte to ask with for the server's offset; `None` if there is none to ask with (OFF-12).
    pub(super) fn probe(&self, size: u64) -> Option<ContentRange> {
        let first = match self.offset {
            0 if size >= 3 => 1,
            offset => offset.checked_sub(2)?,
        };
        ContentRange::new(first, 1, size)
    }

    /// Bytes may have been stored that no Ack tells of.
    pub(super) fn doubt_bytes(&mut self) {
        self.doubt = match self.doubt {
            Doubt::Bytes(probing) => Doubt::Bytes(Probing { first_answer: None, ..probing }),
            Doubt::LastFragment(last) => {
                Doubt::Bytes(Probing { rerun: Some(last), ..Probing::default() })
            }
            Doubt::None => Doubt::Bytes(Probing::default()),
            doubt @ (Doubt::Close | Doubt::File { .. }) => doubt,
        };
    }

    /// The server may have lost bytes since: that much is proven at most. Where an echo was followed, a
    /// size proves nothing any more, since what it lost may make up for what stands twice.
    pub(super) fn limit_proof(&mut self, most: Proof) {
        self.proof = if self.proof == Proof::Size { Proof::Nothing } else { self.proof.max(most) };
    }

    /// With all bytes acknowledged, the connection ended: the server may have ended too (TRU-05). `closes`: while a
    /// Close-Session was under way.
    pub(super) fn doubt_end(&mut self, size: u64, closes: bool) {
        if size == 0 || self.offset < size {
            return;
        }
        match self.doubt {
            Doubt::None if self.reply_url.is_none() && !closes => self.doubt_bytes(),
            Doubt::None | Doubt::Close => self.limit_proof(Proof::End),
            Doubt::Bytes(_) | Doubt::LastFragment(_) | Doubt::File { .. } => {}
        }
    }

    /// The same before all bytes are acknowledged. What a server that checks offsets has lost, its next answer tells;
    /// another one would store what follows in the wrong place, or leave a hole.
    pub(super) fn doubt_middle(&mut self, size: u64, offsets: OffsetHandling) {
        if self.offset == 0 || self.offset == size {
            return;
        }
        match offsets {
            OffsetHandling::Checks => {}
            OffsetHandling::Unknown => {
                self.doubt_bytes();
                if let Doubt::Bytes(probing) = &mut self.doubt {
                    probing.may_have_lost = true;
                }
            }
            // A probe would prove nothing, and a hole has the right size.
            OffsetHandling::Echoes | OffsetHandling::Seeks => self.limit_proof(Proof::Nothing),
        }
    }
}
