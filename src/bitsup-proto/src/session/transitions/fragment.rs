//! Fragments, the offsets that answer them, the question for the server's offset, and the reply
//! that follows the last Fragment.

use alloc::borrow::ToOwned;
use alloc::format;

use super::super::{
    Action, Connection, Doubt, Exchange, MAX_REPEATED_BYTES, MAX_REPEATED_SIZES, MAX_REWINDS,
    MAX_SAME_REFUSALS, MAX_STUCK, Moment, Notice, OffsetHandling, Probing, Proof, Request, Reuse,
    Running, SAME_REFUSALS_FOR, Session, State,
};
use super::cancel::Replace;
use crate::ack::{Ack, Offset};
use crate::classify::invalid_answer;
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::hresult::{CONTEXT_REMOTE_APPLICATION, Hresult};
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::session::open::Refusals;
use crate::verify::LostAckPolicy;

/// A probe is of no use so often before the session is replaced (OFF-13).
const MAX_USELESS_PROBES: u32 = 2;

impl Session {
    pub(super) fn poll_fragment(&mut self, now: Moment) -> Action {
        let size = self.config.size;
        let Some(open) = &mut self.open else {
            self.state = State::CreateSession;
            return self.poll_action(now);
        };
        let range = match open.doubt {
            Doubt::Bytes(_) => match open.probe(size) {
                Some(range) => Some(range),
                // One byte, acknowledged: there is no other to ask with (TRU-05).
                None if open.offset == size => {
                    open.limit_proof(Proof::End);
                    let lacks_reply =
                        self.config.reply == ReplyMode::Required && self.reply_url.is_none();
                    let last = ContentRange::new(0, 1, size).filter(|_| lacks_reply);
                    open.doubt = last.map_or(Doubt::None, Doubt::LastFragment);
                    self.state = self.pending();
                    return self.poll_action(now);
                }
                None => {
                    self.replace(now, Replace::Unproven);
                    return self.poll_action(now);
                }
            },
            Doubt::LastFragment(range) => Some(range),
            Doubt::None | Doubt::Close | Doubt::File { .. } => {
                let most = if open.highest == 0 { self.first_fragment } else { None };
                let length = self.sizes.size().min(most.unwrap_or(u64::MAX));
                ContentRange::new(open.offset, length.min(size - open.offset), size)
            }
        };
        let probe = matches!(open.doubt, Doubt::Bytes(_));
        let Some(range) = range else {
            self.fail(Error::new(ErrorKind::Internal, "a fragment would be empty"));
            return Action::Finished;
        };
        let sent_bytes = self.sent_bytes.saturating_add(range.length());
        if let Some(limit) = self.config.max_bytes.filter(|limit| sent_bytes > *limit) {
            self.fail(Error::new(
                ErrorKind::LimitReached,
                format!("the limit of {limit} bytes to send is reached"),
            ));
            return Action::Finished;
        }
        self.sent_bytes = sent_bytes;
        self.send(now, PacketType::Fragment, Some(range), probe)
    }

    /// 200 or 416 to a Fragment.
    pub(super) fn fragment_answered(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        request: Request,
        offset: Option<u64>,
        corrected: bool,
        exchange: Exchange,
    ) {
        let (Some(range), Some(open)) = (request.range, &self.open) else { return };
        let size = self.config.size;
        let refused = match offset {
            // Whoever answered cannot have read what had not gone out (TRU-01).
            _ if !corrected && exchange.body_sent < range.length() => {
                Err("the answer came before the whole part was sent")
            }
            Some(offset) if offset > size => {
                Err("the server wants to continue beyond the file's end")
            }
            Some(offset) => Ok(offset),
            None if self.config.lenient_offset && !corrected => Ok(range.end()),
            None => Err("the answer does not say where to continue"),
        };
        let offset = match refused {
            Ok(offset) => offset,
            Err(what) => {
                let error = invalid_answer(PacketType::Fragment, ack, what);
                return self.useless_answer(now, ack, request, exchange.body_sent, error);
            }
        };
        // Nobody but a server that an earlier process spoke to can have more than was sent.
        if offset > open.limit(size) {
            return self.replace(now, Replace::Foreign);
        }
        self.stop_fallback();
        self.counters.fragments += 1;
        if request.probe {
            return self.probe_answered(now, ack, range, offset, corrected);
        }
        let Some(open) = &mut self.open else { return };
        let rerun = matches!(open.doubt, Doubt::LastFragment(_));
        open.doubt = Doubt::None;
        open.refusals = None;
        open.pings.acknowledged = true;
        if corrected {
            // To want the very byte that was sent is no check of anything.
            if offset != range.first() && !rerun {
                self.offsets = OffsetHandling::Checks;
            }
        } else if offset > range.end() {
            open.proof = Proof::Nothing;
        } else if offset == range.end() && !rerun {
            self.sizes.accepted(range.length(), exchange.sending, exchange.waiting);
        }
        if offset != range.end() {
            self.notice(Notice::Moved { from: range.end(), to: offset });
        }
        self.apply_server_offset(now, range.first(), offset, !rerun);
        self.after_fragment(ack, false);
    }

    /// An answer to a Fragment that does not tell the server's offset.
    pub(super) fn useless_answer(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        request: Request,
        body_sent: u64,
        error: Error,
    ) {
        self.note_perhaps_taken(request, Some(body_sent));
        let untold = ack.status == 416 && ack.offset == Offset::Absent;
        if request.probe || untold {
            // A 416 without an offset proves that the server has others than it says (OFF-05).
            if let Some(open) = &mut self.open {
                open.doubt_bytes();
            }
            let why = if untold { Replace::Untold } else { Replace::Unproven };
            if self.useless_probe(now, why) {
                return;
            }
        }
        self.invalid(now, error);
    }

    /// A probe that brought no answer to learn from. `true`: one too many, and the session is replaced.
    pub(super) fn useless_probe(&mut self, now: Moment, why: Replace) -> bool {
        let Some(open) = &mut self.open else { return false };
        let Doubt::Bytes(probing) = &mut open.doubt else { return false };
        probing.useless += 1;
        probing.first_answer = None;
        if probing.useless < MAX_USELESS_PROBES {
            return false;
        }
        self.replace(now, why);
        true
    }

    /// What the answer to a probe proves (OFF-13).
    fn probe_answered(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        range: ContentRange,
        offset: u64,
        corrected: bool,
    ) {
        let Some(open) = &mut self.open else { return };
        let Some(probing) = open.probing() else { return };
        let echo = !corrected && offset == range.end();
        let beyond = !corrected && offset > range.end();
        let is_truth = corrected && offset != range.first()
            || beyond
                && (self.offsets == OffsetHandling::Checks || probing.first_answer == Some(offset));
        if is_truth {
            self.offsets = OffsetHandling::Checks;
            return self.offset_proven(now, ack, probing, offset, corrected);
        }
        if beyond && probing.first_answer.is_none() {
            // A server that appends moves on by the probe; one that trims says the same again.
            open.doubt = Doubt::Bytes(Probing { first_answer: Some(offset), ..probing });
            self.state = State::Fragment;
            return;
        }
        // With all acknowledged it is a crash that is feared, and a server that lost bytes before the
        // probe and writes at its offset leaves a hole of the right size (TRU-05). What ended an
        // earlier process, before it could keep what it had learned, may have ended the server too.
        let complete = open.offset == self.config.size;
        let follows = self.offsets == OffsetHandling::Seeks && !complete
            || self.config.on_lost_ack == LostAckPolicy::Resend;
        if echo && follows {
            let may_be_lost = complete || open.continued;
            open.proof = open.proof.max(if may_be_lost { Proof::Nothing } else { Proof::Size });
            open.doubt = Doubt::None;
            open.resends = open.resends.saturating_add(1);
            self.counters.unconfirmed_resends = self.counters.unconfirmed_resends.saturating_add(1);
            // Byte 0 was never acknowledged, and a server that seeks takes it now.
            let next = if open.offset == 0 { 0 } else { offset };
            self.apply_server_offset(now, range.first(), next, false);
            return self.after_fragment(ack, true);
        }
        if echo && self.offsets != OffsetHandling::Seeks {
            self.offsets = OffsetHandling::Echoes;
        }
        self.replace(now, Replace::Unproven);
    }

    fn offset_proven(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        probing: Probing,
        offset: u64,
        corrected: bool,
    ) {
        let Some(open) = &mut self.open else { return };
        let before = open.offset;
        // The bytes are stored, and the application behind the server has not run (ERR-16).
        open.doubt = match probing.rerun {
            Some(last) if corrected && offset == self.config.size => Doubt::LastFragment(last),
            _ => Doubt::None,
        };
        open.refusals = None;
        open.pings.acknowledged = true;
        self.sizes.resumed(offset > before);
        if offset != before {
            self.notice(Notice::Moved { from: before, to: offset });
        }
        self.apply_server_offset(now, before, offset, false);
        self.after_fragment(ack, true);
    }

    /// What follows an offset that was taken over.
    fn after_fragment(&mut self, ack: &Ack<'_>, probe: bool) {
        let Some(open) = self.open.as_ref().filter(|_| !self.state.is_final()) else { return };
        if open.offset < self.config.size || matches!(open.doubt, Doubt::LastFragment(_)) {
            self.state = State::Fragment;
        } else {
            self.last_byte_stored(ack, probe);
        }
    }

    /// The server's offset is the truth, wherever it leads; but it must lead somewhere. `counts`:
    /// whether an Ack that leaves it where it was is one of those that end the upload.
    pub(super) fn apply_server_offset(
        &mut self,
        now: Moment,
        first: u64,
        offset: u64,
        counts: bool,
    ) {
        let Some(open) = &mut self.open else { return };
        let lost = open.offset.saturating_sub(offset);
        open.offset = offset;
        self.acknowledged = offset;
        self.checkpoint_due = true;
        if offset > open.highest {
            open.highest = offset;
            open.rewinds = 0;
            open.stuck = 0;
            self.first_fragment = None;
            self.reset_retry_budget(now);
        }
        if offset > self.highest_ever {
            self.highest_ever = offset;
            self.restarts_in_row = 0;
        }
        let Some(open) = &mut self.open else { return };
        if offset > first {
            open.stuck = 0;
        } else if counts {
            open.stuck += 1;
        }
        if offset < first {
            open.rewinds += 1;
        }
        let message = if open.stuck >= MAX_STUCK {
            format!(
                "the server acknowledged {MAX_STUCK} parts in a row without moving on from byte {offset}"
            )
        } else if open.rewinds > MAX_REWINDS {
            format!("the server goes back again and again, last to byte {offset}")
        } else {
            self.lost_bytes(lost);
            return;
        };
        self.fail(
            Error::new(ErrorKind::Protocol, message)
                .during(PacketType::Fragment)
                .with_code(Hresult::NO_PROGRESS),
        );
    }

    /// The server lost bytes that it had acknowledged (GIV-06). `true`: too many, and the upload fails.
    pub(super) fn lost_bytes(&mut self, lost: u64) -> bool {
        self.repeated = self.repeated.saturating_add(lost);
        let most =
            self.config.size.saturating_mul(MAX_REPEATED_SIZES).saturating_add(MAX_REPEATED_BYTES);
        if self.repeated <= most {
            return false;
        }
        self.fail(
            Error::new(
                ErrorKind::Protocol,
                format!(
                    "the server lost {} bytes that it had acknowledged, more than {MAX_REPEATED_SIZES} times the file and 64 MiB",
                    self.repeated
                ),
            )
            .during(PacketType::Fragment)
            .with_code(Hresult::NO_PROGRESS),
        );
        true
    }

    fn last_byte_stored(&mut self, ack: &Ack<'_>, probe: bool) {
        let size = self.config.size;
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
        if self.config.reply != ReplyMode::None && self.reply_url.is_none() {
            // The Ack of the last Fragment names the reply, and a probe is none (RPL-14).
            let last = size.checked_sub(1).and_then(|at| ContentRange::new(at, 1, size));
            if let (true, Some(last), Some(open)) = (probe, last, &mut self.open) {
                open.doubt = Doubt::LastFragment(last);
                self.state = State::Fragment;
                return;
            }
            if self.config.reply == ReplyMode::Required {
                // Whoever resumes asks for it again.
                if let (Some(last), Some(open)) = (last, &mut self.open) {
                    open.doubt = Doubt::LastFragment(last);
                }
                return self.fail(
                    Error::new(
                        ErrorKind::Refused,
                        "the server has no reply to this upload, and one was asked for",
                    )
                    .during(PacketType::Fragment),
                );
            }
        }
        // Where each packet takes a new connection, the end of one is never seen (TRU-05). Who does
        // not answer a probe with the truth would do so in the next session too.
        if let (Some(open), false, Reuse::No, None) =
            (&mut self.open, probe, self.reuse, &self.reply_url)
            && open.doubt == Doubt::None
            && open.proof == Proof::Bytes
        {
            if self.predecessor.is_none() {
                open.doubt_bytes();
            } else {
                open.proof = Proof::End;
            }
        }
        self.state = self.pending();
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

    /// A 5xx to a Fragment. `true`: one like it too many, and the session is given up (GIV-01).
    pub(super) fn refused_again(&mut self, now: Moment, ack: &Ack<'_>) -> bool {
        let Some(open) = &mut self.open else { return false };
        let code = ack.code.filter(|code| {
            !code.is_named_by_a_rule() && ack.context != Some(CONTEXT_REMOTE_APPLICATION)
        });
        let Some(code) = code.filter(|_| (500..600).contains(&ack.status)) else {
            open.refusals = None;
            return false;
        };
        let refusals = match open.refusals {
            Some(refusals) if refusals.code == code => {
                Refusals { count: refusals.count.saturating_add(1), ..refusals }
            }
            _ => Refusals { code, count: 1, since: now.monotonic },
        };
        open.refusals = Some(refusals);
        // It may be the connection, or what stands behind it.
        self.connection = Connection::Fresh;
        let lasts = now.monotonic.saturating_sub(refusals.since) >= SAME_REFUSALS_FOR;
        if refusals.count >= MAX_SAME_REFUSALS && lasts {
            self.replace(now, Replace::Refusing);
            return true;
        }
        false
    }

    /// A 4xx to the first Fragment of a session that an earlier process made: the server has none
    /// of that id, and no code to say so (GIV-01). `true`: the session is given up.
    pub(super) fn continued_refused(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        request: Request,
    ) -> bool {
        let first = self.open.as_ref().is_some_and(|open| open.continued)
            && request.packet == PacketType::Fragment
            && self.counters.fragments == 0;
        let named = matches!(ack.status, 401 | 403 | 407 | 408 | 413 | 416 | 429)
            || matches!(ack.code, Some(Hresult::ACCESS_DENIED | Hresult::INVALID_ARGUMENT));
        let refused = first && (400..500).contains(&ack.status) && !named;
        if refused {
            self.replace(now, Replace::Refusing);
        }
        refused
    }

    // ---- GetReply --------------------------------------------------------

    pub(super) fn poll_reply(&mut self, now: Moment) -> Action {
        let (Some(url), Some(open)) = (&self.reply_url, &mut self.open) else {
            self.state = State::Complete;
            return self.poll_action(now);
        };
        let fetch = open.reply.get_or_insert_with(|| reply::Fetch::new(url.clone()));
        self.running = Some(Running::Reply);
        Action::GetReply(fetch.next(self.authorize, self.authorize_proxy))
    }
}
