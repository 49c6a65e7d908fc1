//! Fragments, the offsets that answer them, the question for the server's offset, and the reply
//! that follows the last Fragment.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;

use super::super::open::{Probing, Refusals};
use super::super::{
    Action, Connection, Doubt, Io, MAX_REPEATED_BYTES, MAX_REPEATED_SIZES, MAX_REWINDS,
    MAX_SAME_REFUSALS, MAX_STUCK, Moment, Notice, OffsetHandling, Open, Outstanding, Phase, Proof,
    Request, Reuse, SAME_REFUSALS_FOR, Session,
};
use super::cancel::Replace;
use super::{Answer, Polled};
use crate::ack::{Ack, Offset};
use crate::classify::{NoOffset, invalid_answer, next_offset};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::hresult::{CONTEXT_REMOTE_APPLICATION, Hresult};
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::verify::LostAckPolicy;

/// Useless answers to probes that replace the session (OFF-13).
const MAX_USELESS_PROBES: u32 = 2;

/// What the Fragment was that an Ack answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Part,
    Probe,
    /// The last byte once more, for what only the Ack of the last Fragment brings (RPL-14, ERR-16).
    LastAgain,
}

impl Session {
    pub(super) fn poll_probe(&mut self, now: Moment, mut open: Open) -> Polled {
        let size = self.config.size;
        match open.probe(size) {
            Some(range) => self.send_fragment(now, open, range, true),
            // One byte, acknowledged: there is no other to ask with (TRU-05).
            None if open.offset == size => {
                open.limit_proof(Proof::End);
                let lacks_reply =
                    self.config.reply == ReplyMode::Required && open.reply_url.is_none();
                let last = ContentRange::new(0, 1, size).filter(|_| lacks_reply);
                open.doubt = last.map_or(Doubt::None, Doubt::LastFragment);
                (Phase::Uploading(open), None)
            }
            None => (self.replace(now, open, Replace::Unproven), None),
        }
    }

    pub(super) fn poll_fragment(&mut self, now: Moment, open: Open) -> Polled {
        let size = self.config.size;
        let first = self.endpoint.first_fragment.filter(|_| open.highest == 0);
        let length = self.endpoint.sizes.size().min(first.unwrap_or(u64::MAX));
        match ContentRange::new(open.offset, length.min(size - open.offset), size) {
            Some(range) => self.send_fragment(now, open, range, false),
            None => {
                let error = Error::new(ErrorKind::Internal, "a fragment would be empty");
                (self.fail(Phase::Uploading(open), error), None)
            }
        }
    }

    pub(super) fn send_fragment(
        &mut self,
        now: Moment,
        open: Open,
        range: ContentRange,
        probe: bool,
    ) -> Polled {
        let phase = Phase::Uploading(open);
        let sent_bytes = self.totals.sent_bytes.saturating_add(range.length());
        if let Some(limit) = self.config.max_bytes.filter(|limit| sent_bytes > *limit) {
            let error = Error::new(
                ErrorKind::LimitReached,
                format!("the limit of {limit} bytes to send is reached"),
            );
            return (self.fail(phase, error), None);
        }
        self.totals.sent_bytes = sent_bytes;
        self.send(now, phase, PacketType::Fragment, Some(range), probe)
    }

    /// 200 or 416 to a Fragment.
    pub(super) fn fragment_answered(
        &mut self,
        mut open: Open,
        answer: Answer<'_>,
        range: ContentRange,
    ) -> Phase {
        let Answer { now, request, ack, exchange, .. } = answer;
        let size = self.config.size;
        let corrected = ack.status == 416;
        let (sent, lenient) = (exchange.sent.body(), self.config.lenient_offset);
        let offset = match next_offset(ack, range, sent.unwrap_or(0), open.limit(size), lenient) {
            Ok(offset) => offset,
            Err(NoOffset::Foreign(_)) => return self.replace(now, open, Replace::Foreign),
            Err(NoOffset::Invalid(what)) => {
                self.note_perhaps_taken(Some(&mut open), request, sent);
                let error = invalid_answer(PacketType::Fragment, ack, what);
                return self.useless_answer(open, answer, error);
            }
        };
        self.outbox.checkpoint_due |= self.target.stop();
        self.totals.counters.fragments += 1;
        if let Doubt::Bytes(probing) = open.doubt {
            return self.probe_answered(open, answer, probing, (range, offset));
        }
        let again = matches!(open.doubt, Doubt::LastFragment(_));
        open.doubt = Doubt::None;
        open.refusals = None;
        open.pings.acknowledged = true;
        if corrected {
            // To want the very byte that was sent is no check of anything.
            if offset != range.first() && !again {
                self.endpoint.offsets = OffsetHandling::Checks;
            }
        } else if offset > range.end() {
            open.proof = Proof::Nothing;
        } else if offset == range.end() && !again {
            self.endpoint.sizes.accepted(range.length(), exchange.sending, exchange.waiting);
        }
        if offset != range.end() {
            self.notice(Notice::Moved { from: range.end(), to: offset });
            if !corrected && self.misses_ends() {
                // It has left out the end of this Fragment, or lost as much of those before.
                open.limit_proof(Proof::Nothing);
            }
        }
        let mut applied = self.apply_server_offset(now, &mut open, range.first(), offset, !again);
        if offset > range.first() && offset < range.end() {
            self.endpoint.sizes.kept_part(range.length(), offset - range.first());
            applied = applied.and_then(|()| self.note_repeated(range.end() - offset));
        }
        let sent = if again { Sent::LastAgain } else { Sent::Part };
        self.after_offset(open, ack, applied, sent)
    }

    /// An answer to a Fragment that does not tell the server's offset.
    pub(super) fn useless_answer(
        &mut self,
        mut open: Open,
        answer: Answer<'_>,
        error: Error,
    ) -> Phase {
        let Answer { now, request, ack, .. } = answer;
        let no_offset = ack.status == 416 && ack.offset == Offset::Absent;
        if !request.probe && !no_offset {
            return self.invalid(now, Phase::Uploading(open), error);
        }
        // A 416 without an offset proves that the server has others than it says (OFF-05).
        open.doubt_bytes();
        let why = if no_offset { Replace::NoOffset } else { Replace::Unproven };
        self.useless_probe(now, open, why, |session, phase| session.invalid(now, phase, error))
    }

    /// A probe that brought no answer to learn from: one too many, and the session is replaced.
    pub(super) fn useless_probe(
        &mut self,
        now: Moment,
        mut open: Open,
        why: Replace,
        otherwise: impl FnOnce(&mut Self, Phase) -> Phase,
    ) -> Phase {
        if let Doubt::Bytes(probing) = &mut open.doubt {
            probing.useless += 1;
            probing.first_answer = None;
            if probing.useless >= MAX_USELESS_PROBES {
                return self.replace(now, open, why);
            }
        }
        otherwise(self, Phase::Uploading(open))
    }

    /// What the answer to a probe proves (OFF-13).
    fn probe_answered(
        &mut self,
        mut open: Open,
        answer: Answer<'_>,
        probing: Probing,
        (range, offset): (ContentRange, u64),
    ) -> Phase {
        let Answer { now, ack, .. } = answer;
        let corrected = ack.status == 416;
        let echo = !corrected && offset == range.end();
        let beyond = !corrected && offset > range.end();
        let known = self.endpoint.offsets;
        let is_truth = corrected && offset != range.first()
            || beyond && (known == OffsetHandling::Checks || probing.first_answer == Some(offset));
        if is_truth {
            self.endpoint.offsets = OffsetHandling::Checks;
            return self.offset_proven(open, answer, probing, offset);
        }
        if beyond && probing.first_answer.is_none() {
            // A server that appends moves on by the probe; one that trims says the same again.
            open.doubt = Doubt::Bytes(Probing { first_answer: Some(offset), ..probing });
            return Phase::Uploading(open);
        }
        // With all acknowledged it is a crash that is feared, and a server that lost bytes before the
        // probe and writes at its offset leaves a hole of the right size (TRU-05). The cause that ended an
        // earlier process, before it could keep what it had learned, may have ended the server too.
        let complete = open.offset == self.config.size;
        let follows = known == OffsetHandling::Seeks && !complete
            || self.config.on_lost_ack == LostAckPolicy::Resend;
        if echo && follows {
            let may_be_lost = complete || probing.may_have_lost || open.continued;
            open.proof = open.proof.max(if may_be_lost { Proof::Nothing } else { Proof::Size });
            open.doubt = Doubt::None;
            open.resends = open.resends.saturating_add(1);
            let resends = &mut self.totals.counters.unconfirmed_resends;
            *resends = resends.saturating_add(1);
            // Byte 0 was never acknowledged, and a server that seeks takes it now.
            let next = if open.offset == 0 { 0 } else { offset };
            let applied = self.apply_server_offset(now, &mut open, range.first(), next, false);
            return self.after_offset(open, ack, applied, Sent::Probe);
        }
        if echo && known != OffsetHandling::Seeks {
            self.endpoint.offsets = OffsetHandling::Echoes;
        }
        self.replace(now, open, Replace::Unproven)
    }

    fn offset_proven(
        &mut self,
        mut open: Open,
        answer: Answer<'_>,
        probing: Probing,
        offset: u64,
    ) -> Phase {
        let Answer { now, ack, .. } = answer;
        let before = open.offset;
        // The bytes are stored, and the application behind the server has not run (ERR-16).
        open.doubt = match probing.rerun {
            Some(last) if ack.status == 416 && offset == self.config.size => {
                Doubt::LastFragment(last)
            }
            _ => Doubt::None,
        };
        open.refusals = None;
        open.pings.acknowledged = true;
        self.endpoint.sizes.resumed(offset > before);
        if offset != before {
            self.notice(Notice::Moved { from: before, to: offset });
        }
        let applied = self.apply_server_offset(now, &mut open, before, offset, false);
        self.after_offset(open, ack, applied, Sent::Probe)
    }

    /// What follows an offset that was taken over.
    fn after_offset(
        &mut self,
        open: Open,
        ack: &Ack<'_>,
        applied: Result<(), Error>,
        sent: Sent,
    ) -> Phase {
        match applied {
            Err(error) => self.fail(Phase::Uploading(open), error),
            Ok(()) if open.offset < self.config.size => Phase::Uploading(open),
            Ok(()) if matches!(open.doubt, Doubt::LastFragment(_)) => Phase::Uploading(open),
            Ok(()) => self.last_byte_stored(open, ack, sent),
        }
    }

    /// The server's offset is the truth, wherever it leads; but it must lead somewhere. `counts`:
    /// whether an Ack that leaves it where it was is one of those that end the upload.
    fn apply_server_offset(
        &mut self,
        now: Moment,
        open: &mut Open,
        first: u64,
        offset: u64,
        counts: bool,
    ) -> Result<(), Error> {
        let lost = open.offset.saturating_sub(offset);
        open.offset = offset;
        self.outbox.checkpoint_due = true;
        if offset > open.highest {
            open.highest = offset;
            open.rewinds = 0;
            open.stuck = 0;
            self.endpoint.first_fragment = None;
            self.budget.reset(now);
        }
        if offset > self.totals.highest {
            self.totals.highest = offset;
            self.budget.restarts_in_row = 0;
        }
        if offset > first {
            open.stuck = 0;
        } else if counts {
            open.stuck += 1;
        }
        if offset < first {
            open.rewinds += 1;
        }
        if open.stuck >= MAX_STUCK {
            return Err(no_progress(format!(
                "the server acknowledged {MAX_STUCK} parts in a row without moving on from byte {offset}"
            )));
        }
        if open.rewinds > MAX_REWINDS {
            return Err(no_progress(format!(
                "the server's offset keeps going back, last to byte {offset}"
            )));
        }
        self.note_repeated(lost)
    }

    /// The server lost bytes that it had acknowledged, or left out of a Fragment (GIV-06): too many, and the upload
    /// fails.
    pub(super) fn note_repeated(&mut self, lost: u64) -> Result<(), Error> {
        self.totals.repeated = self.totals.repeated.saturating_add(lost);
        let most =
            self.config.size.saturating_mul(MAX_REPEATED_SIZES).saturating_add(MAX_REPEATED_BYTES);
        if self.totals.repeated <= most {
            return Ok(());
        }
        Err(no_progress(format!(
            "the server lost {} bytes that it had acknowledged or been sent, more than {MAX_REPEATED_SIZES} times the file and 64 MiB",
            self.totals.repeated
        )))
    }

    fn last_byte_stored(&mut self, mut open: Open, ack: &Ack<'_>, sent: Sent) -> Phase {
        let size = self.config.size;
        if let Some(url) = ack.reply_url {
            if url.len() > crate::ack::MAX_REPLY_URL {
                let what = "the reply's URL is longer than 2,200 characters";
                let error = invalid_answer(PacketType::Fragment, ack, what);
                return self.fail(Phase::Uploading(open), error);
            }
            open.reply_url = Some(url.to_owned());
            if self.config.reply == ReplyMode::None {
                self.notice(Notice::ReplyOffered(url.to_owned()));
            }
        }
        if self.config.reply != ReplyMode::None && open.reply_url.is_none() {
            let required = self.config.reply == ReplyMode::Required;
            // The Ack of the last Fragment names the reply, and a probe is none (RPL-14); a
            // resumed upload asks for it again.
            let last = size.checked_sub(1).and_then(|at| ContentRange::new(at, 1, size));
            if let Some(last) = last.filter(|_| sent == Sent::Probe || required) {
                open.doubt = Doubt::LastFragment(last);
            }
            if required && sent != Sent::Probe {
                let message = "the server has no reply to this upload, and one was asked for";
                let error = Error::new(ErrorKind::Refused, message).during(PacketType::Fragment);
                return self.fail(Phase::Uploading(open), error);
            }
        }
        // Where each packet takes a new connection, the end of one is never seen (TRU-05). A server that does
        // not answer a probe with the truth would do so in the next session too.
        let part = sent == Sent::Part && open.reply_url.is_none();
        let unseen = part && self.link.reuse == Reuse::No;
        if unseen && open.doubt == Doubt::None && open.proof == Proof::Bytes {
            if self.traces.predecessor.is_none() {
                open.doubt_bytes();
            } else {
                open.proof = Proof::End;
            }
        }
        Phase::Uploading(open)
    }

    /// Whether a server may have lost acknowledged bytes with a connection whose end was not seen, and say nothing of it.
    fn misses_ends(&self) -> bool {
        self.link.reuse == Reuse::No && self.endpoint.offsets != OffsetHandling::Checks
    }

    pub(super) fn too_large(&mut self, phase: Phase, answer: Answer<'_>) -> Phase {
        let refused = answer.request.range.map_or(0, ContentRange::length);
        if !self.endpoint.sizes.refused(refused) {
            return self.fail(phase, explain::refusal(answer.request.packet, answer.ack));
        }
        self.notice(Notice::Shrunk { refused, next: self.endpoint.sizes.size() });
        phase
    }

    /// The server asks for patience with a Fragment; one refusal like it too many, and the session is
    /// given up (GIV-01).
    pub(super) fn put_off(&mut self, mut open: Open, answer: Answer<'_>, error: Error) -> Phase {
        let Answer { now, request, ack, wait, .. } = answer;
        let of_application = ack.context == Some(CONTEXT_REMOTE_APPLICATION);
        // The last Fragment is stored, and the application behind the server asks for patience.
        if let (Doubt::Bytes(probing), Some(last)) = (&mut open.doubt, request.range)
            && of_application
            && !request.probe
            && last.is_last()
        {
            probing.rerun = Some(last);
        }
        let code = ack.code.filter(|code| {
            let is_5xx = (500..600).contains(&ack.status);
            is_5xx && !code.is_named_by_a_rule() && !of_application
        });
        open.refusals = code.map(|code| match open.refusals {
            Some(refusals) if refusals.code == code => {
                Refusals { count: refusals.count.saturating_add(1), ..refusals }
            }
            _ => Refusals { code, count: 1, since: now.monotonic },
        });
        if let Some(refusals) = open.refusals {
            // It may be the connection, or what stands behind it.
            self.link.next = Connection::Fresh;
            let lasts = now.monotonic.saturating_sub(refusals.since) >= SAME_REFUSALS_FOR;
            if refusals.count >= MAX_SAME_REFUSALS && lasts {
                return self.replace(now, open, Replace::Refusing);
            }
        }
        self.later(now, Phase::Uploading(open), error, wait, true)
    }

    /// A 4xx to the first Fragment of a session that an earlier process made: the server has none
    /// of that id, and no code to say so (GIV-01).
    pub(super) fn is_continued_refused(
        &self,
        open: &Open,
        request: Request,
        ack: &Ack<'_>,
    ) -> bool {
        let first = open.continued
            && request.packet == PacketType::Fragment
            && self.totals.counters.fragments == 0;
        let named = matches!(ack.status, 401 | 403 | 407 | 408 | 413 | 416 | 429)
            || matches!(ack.code, Some(Hresult::ACCESS_DENIED | Hresult::INVALID_ARGUMENT));
        first && (400..500).contains(&ack.status) && !named
    }

    // ---- GetReply --------------------------------------------------------

    pub(super) fn poll_reply(&mut self, mut open: Open) -> Polled {
        let Open { reply_url, reply, .. } = &mut open;
        let url = reply_url.as_deref().unwrap_or_default();
        let fetch = reply.get_or_insert_with(|| Box::new(reply::Fetch::new(url.to_owned())));
        let (server, proxy) = (self.logins.server.is_sent(), self.logins.proxy.is_sent());
        let get = fetch.next(server, proxy);
        self.io = Io::InFlight(Outstanding::Reply);
        (Phase::Uploading(open), Some(Action::GetReply(get)))
    }
}

/// The error of an upload that a server's answers never let end.
fn no_progress(message: alloc::string::String) -> Error {
    Error::new(ErrorKind::Protocol, message)
        .during(PacketType::Fragment)
        .with_code(Hresult::NO_PROGRESS)
}
