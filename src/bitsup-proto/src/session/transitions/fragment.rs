//! Fragments, the offsets that answer them, and the reply that follows the last one.

use alloc::borrow::ToOwned;
use alloc::format;

use super::super::{
    Action, AfterCancel, Exchange, MAX_REWINDS, MAX_STUCK, Moment, Notice, Request, Running,
    Session, State,
};
use crate::ack::Ack;
use crate::classify::invalid_answer;
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::fragment_size;
use crate::hresult::Hresult;
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::verify::LostAckPolicy;

impl Session {
    pub(super) fn poll_fragment(&mut self, now: Moment) -> Action {
        if self.unclear && self.config.on_lost_ack == LostAckPolicy::Restart {
            self.begin_cancel(now, AfterCancel::Restart);
            return self.send(PacketType::CancelSession, None);
        }
        let left = self.config.size - self.offset;
        let mut length = self.sizes.size().min(left);
        if self.unclear {
            length = length.min(fragment_size::PROBE);
        }
        let Some(range) = ContentRange::new(self.offset, length, self.config.size) else {
            self.fail(Error::new(ErrorKind::Internal, "a fragment would be empty"));
            return Action::Finished;
        };
        let sent_bytes = self.sent_bytes.saturating_add(length);
        if let Some(limit) = self.config.max_bytes.filter(|limit| sent_bytes > *limit) {
            self.fail(Error::new(
                ErrorKind::LimitReached,
                format!("the limit of {limit} bytes to send is reached"),
            ));
            return Action::Finished;
        }
        self.sent_bytes = sent_bytes;
        if self.unclear {
            self.counters.unconfirmed_resends = self.counters.unconfirmed_resends.saturating_add(1);
            self.doubts = self.doubts.saturating_add(1);
            self.checkpoint_due = true;
        }
        self.send(PacketType::Fragment, Some(range))
    }

    pub(super) fn fragment_answered(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        request: Request,
        offset: Option<u64>,
        corrected: bool,
        exchange: Exchange,
    ) {
        let Some(range) = request.range else { return };
        let invalid = |what| invalid_answer(PacketType::Fragment, ack, what);
        let offset = match offset {
            Some(offset) if offset > self.config.size => {
                self.note_unclear(request);
                return self
                    .invalid(now, invalid("the server wants to continue beyond the file's end"));
            }
            Some(offset) => offset,
            None if self.config.lenient_offset => range.end(),
            None => {
                self.note_unclear(request);
                return self.invalid(now, invalid("the answer does not say where to continue"));
            }
        };
        self.stop_fallback();
        if self.unclear {
            self.sizes.resumed(corrected && offset > range.first());
        }
        self.unclear = false;
        self.counters.fragments += 1;
        if corrected {
            // To want the very byte that was sent is no check of anything.
            self.checks_offsets |= offset != range.first();
        } else if offset > range.end() {
            // Whether these bytes came from us only their sender's memory could tell; a
            // server that appends whatever comes answers so too.
            self.skipped = true;
        } else if offset == range.end() {
            self.sizes.accepted(range.length(), exchange.sending, exchange.waiting);
        }
        if offset != range.end() {
            self.notice(Notice::Moved { from: range.end(), to: offset });
        }
        self.adopt(now, range.first(), offset);
        if self.state.is_final() {
            return;
        }
        if offset < self.config.size {
            self.state = State::Fragment;
        } else {
            self.last_byte_stored(ack);
        }
    }

    /// The server's offset is the truth, wherever it leads; but it must lead somewhere.
    pub(super) fn adopt(&mut self, now: Moment, first: u64, offset: u64) {
        self.offset = offset;
        self.checkpoint_due = true;
        if offset > self.highest {
            self.highest = offset;
            self.refill(now);
        }
        if offset > self.highest_ever {
            self.highest_ever = offset;
            self.restarts_in_row = 0;
        }
        if offset > first {
            self.stuck = 0;
        } else {
            self.stuck += 1;
        }
        if offset < first {
            self.rewinds += 1;
        }
        let message = if self.stuck >= MAX_STUCK {
            format!(
                "the server acknowledged {MAX_STUCK} parts in a row without moving on from byte {offset}"
            )
        } else if self.rewinds > MAX_REWINDS {
            format!("the server goes back again and again, last to byte {offset}")
        } else {
            return;
        };
        self.fail(
            Error::new(ErrorKind::Protocol, message)
                .during(PacketType::Fragment)
                .with_code(Hresult::NO_PROGRESS),
        );
    }

    pub(super) fn last_byte_stored(&mut self, ack: &Ack<'_>) {
        if let Some(url) = ack.reply_url {
            if url.len() > crate::ack::MAX_REPLY_URL {
                return self.fail(invalid_answer(
                    PacketType::Fragment,
                    ack,
                    "the reply's URL is longer than 2,200 characters",
                ));
            }
            self.reply_url = Some(url.to_owned());
            if self.config.reply == ReplyMode::None {
                self.notice(Notice::ReplyOffered(url.to_owned()));
            }
        }
        if self.config.reply == ReplyMode::Required && self.reply_url.is_none() {
            return self.fail(
                Error::new(
                    ErrorKind::Refused,
                    "the server has no reply to this upload, and one was asked for",
                )
                .during(PacketType::Fragment),
            );
        }
        self.state = self.after_last_byte();
    }

    pub(super) fn too_large(&mut self, ack: &Ack<'_>, request: Request) {
        let refused = request.range.map_or(0, ContentRange::length);
        if self.sizes.refused(refused) {
            self.notice(Notice::Shrunk { refused, next: self.sizes.size() });
            self.state = State::Fragment;
        } else {
            self.fail(explain::refusal(request.packet, ack));
        }
    }

    /// All bytes are acknowledged and the reply's URL is not known: an Ack of the last
    /// Fragment carries it, so the end is sent again.
    pub(in crate::session) fn ask_again_for_reply(&mut self) {
        let complete = self.offset == self.config.size && self.session_id.is_some();
        if complete && self.config.reply == ReplyMode::Required && self.reply_url.is_none() {
            self.offset -= self.config.size.min(fragment_size::PROBE);
            self.unclear = true;
            self.close_unclear = false;
        }
    }

    // ---- GetReply --------------------------------------------------------

    pub(super) fn poll_reply(&mut self) -> Action {
        let Some(url) = &self.reply_url else {
            self.state = State::Complete;
            return self.send(PacketType::CloseSession, None);
        };
        let fetch = self.reply.get_or_insert_with(|| reply::Fetch::new(url.clone()));
        self.running = Some(Running::Reply);
        Action::GetReply(fetch.next(self.authorize, self.authorize_proxy))
    }
}
