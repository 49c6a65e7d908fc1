//! Close-Session, the doubt that a lost answer leaves, and a session that is gone.

use alloc::format;

use super::super::{
    Doubt, MAX_HEADS, MAX_RESTARTS, MAX_RESTARTS_IN_ALL, Moment, Notice, OffsetHandling, Outcome,
    Proof, Request, Session, State, Summary,
};
use crate::ack::{Ack, Offset};
use crate::classify::invalid_answer;
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::packet::PacketType;
use crate::reply::ReplyMode;
use crate::verify::{Evidence, LostAckPolicy, Predecessor, VerifyPolicy};

impl Session {
    pub(super) fn closed(&mut self, now: Moment, ack: &Ack<'_>) {
        let Some(open) = &mut self.open else { return };
        // An offset belongs to a Fragment: this may be the second copy of the last one's Ack (TRU-02).
        let is_of_fragment = ack.offset != Offset::Absent && !open.tells_offsets;
        if is_of_fragment && open.doubt != Doubt::Close {
            open.doubt = Doubt::Close;
            let error = invalid_answer(
                PacketType::CloseSession,
                ack,
                "the answer to Close-Session carries an offset, like one to a Fragment",
            );
            return self.invalid(now, error);
        }
        let is_empty = self.config.size == 0;
        let ask = match self.config.verify {
            VerifyPolicy::Never => false,
            VerifyPolicy::Always => true,
            VerifyPolicy::Auto => {
                // Some servers make no file of a session without a Fragment (TRU-07).
                open.proof != Proof::Bytes || !self.predecessor.is_none() || is_empty
            }
        };
        open.doubt = Doubt::File { closed: true };
        if ask && (self.config.reply == ReplyMode::None || is_empty) {
            self.verify();
        } else {
            self.unproven();
        }
    }

    /// Nothing but a HEAD of the destination can follow: the session is closed or gone.
    fn verify(&mut self) {
        self.heads = 0;
        self.checkpoint_due = true;
        self.state = State::Verify;
    }

    /// Done, as far as the Acks alone prove it.
    fn unproven(&mut self) {
        let proof = self.open.as_ref().map_or(Proof::Bytes, |open| open.proof);
        let verified = proof == Proof::Bytes && self.predecessor != Predecessor::Lingering;
        if !verified {
            self.notice(Notice::NotVerified);
        }
        self.done(Summary { close_confirmed: true, verified });
    }

    pub(super) fn on_verify_result(&mut self, evidence: Evidence) {
        let Some(open) = &self.open else { return };
        let proof = open.proof;
        if open.doubt == (Doubt::File { closed: false }) {
            return self.on_close_result(evidence, proof);
        }
        match evidence {
            // A size does not prove bytes that were never sent, or that stand twice for others.
            Evidence::Same if proof != Proof::Nothing => {
                if proof == Proof::Size {
                    self.offsets = OffsetHandling::Seeks;
                }
                self.done(Summary { close_confirmed: true, verified: true });
            }
            Evidence::Different => self.fail_for_good(another_size()),
            Evidence::Missing
                if self.config.size == 0 || matches!(proof, Proof::End | Proof::File) =>
            {
                self.fail_for_good(no_file());
            }
            Evidence::Same | Evidence::Missing | Evidence::Unknown
                if self.config.verify == VerifyPolicy::Always =>
            {
                self.fail_for_good(Error::new(
                    ErrorKind::VerifyFailed,
                    "all was sent and closed, but the server does not prove that the file is right",
                ));
            }
            Evidence::Same | Evidence::Missing | Evidence::Unknown => self.unproven(),
        }
    }

    /// Close-Session was sent, its Ack lost, and the session is gone or refuses the next one (SES-05).
    fn on_close_result(&mut self, evidence: Evidence, proof: Proof) {
        match (evidence, self.config.on_lost_ack) {
            (Evidence::Same, _) => {
                self.notice(Notice::CloseUnconfirmed);
                let verified = proof != Proof::Nothing;
                self.done(Summary { close_confirmed: false, verified });
            }
            (_, LostAckPolicy::Restart) => {
                self.orphaned = true;
                self.restart();
            }
            (Evidence::Different, _) => self.fail_unclosed(another_size()),
            (Evidence::Missing, _) => self.fail_unclosed(no_file()),
            (Evidence::Unknown, LostAckPolicy::Accept) => {
                self.notice(Notice::CloseUnconfirmed);
                self.done(Summary { close_confirmed: false, verified: false });
            }
            (Evidence::Unknown, LostAckPolicy::Auto | LostAckPolicy::Resend) => {
                self.fail_unclosed(Error::new(
                    ErrorKind::VerifyFailed,
                    "the answer to Close-Session was lost and the session is gone: the file has probably arrived, but the server does not prove it",
                ));
            }
        }
    }

    /// The upload's end, and nobody knows whether the server closed the session.
    fn fail_unclosed(&mut self, error: Error) {
        self.orphaned = true;
        self.fail_for_good(error);
    }

    pub(super) fn head_failed(&mut self, now: Moment, cause: Error) {
        self.heads += 1;
        if self.heads >= MAX_HEADS {
            self.on_verify_result(Evidence::Unknown);
        } else {
            let delay = self.config.retry.delay(self.heads + 1, now.random);
            self.wait(now, cause, delay, State::Verify);
        }
    }

    fn done(&mut self, summary: Summary) {
        self.end_pause();
        self.state = State::Done;
        self.outcome = Some(Outcome::Done(summary));
        self.checkpoint_due = true;
        self.open = None;
    }

    // ---- a session that is gone -------------------------------------------

    pub(super) fn session_lost(&mut self, now: Moment, ack: &Ack<'_>, request: Request) {
        let error = explain::refusal(request.packet, ack);
        let Some(open) = self.open.as_ref().filter(|_| request.packet != PacketType::CreateSession)
        else {
            // There is no session that could be lost: the answer makes no sense yet.
            return self.invalid(now, error);
        };
        let complete = open.offset == self.config.size;
        // An earlier process may have closed it without a note (TRU-05).
        let perhaps_closed = open.continued
            && complete
            && matches!(open.doubt, Doubt::Bytes(_))
            && self.config.reply != ReplyMode::Required;
        if open.doubt == Doubt::Close || perhaps_closed {
            return self.decide_close();
        }
        if self.may_restart() {
            let lost = open.offset;
            if self.lost_bytes(lost) {
                return;
            }
            self.notice(Notice::SessionLost);
            self.restart();
        } else {
            let sessions = self.restarts_in_row + 1;
            self.forget_session();
            self.fail(error.with_message(format!(
                "the server forgot the session again and again ({sessions} sessions in a row)"
            )));
        }
    }

    /// Close-Session was sent and not acknowledged, and no other one will be: a HEAD decides.
    pub(super) fn decide_close(&mut self) {
        if let Some(open) = &mut self.open {
            open.doubt = Doubt::File { closed: false };
        }
        self.verify();
        // A reply's upload has no destination to look at, and some callers want no look.
        if self.config.reply != ReplyMode::None || self.config.verify == VerifyPolicy::Never {
            self.on_verify_result(Evidence::Unknown);
        }
    }

    /// Starts over from byte 0 with a new session, at the host the old one had.
    pub(super) fn restart(&mut self) {
        let allowed = self.may_restart();
        self.forget_session();
        if !allowed {
            return self.fail(Error::new(
                ErrorKind::Refused,
                "the upload had to be started over again and again without getting further",
            ));
        }
        self.restarts_in_row += 1;
        self.counters.restarts = self.counters.restarts.saturating_add(1);
        self.state = State::CreateSession;
    }

    pub(super) fn may_restart(&self) -> bool {
        self.restarts_in_row < MAX_RESTARTS && self.counters.restarts < MAX_RESTARTS_IN_ALL
    }

    /// Whatever follows begins with a new session and at byte 0.
    pub(super) fn forget_session(&mut self) {
        self.open = None;
        self.acknowledged = 0;
        self.reply_url = None;
        self.checkpoint_due = true;
    }
}

fn another_size() -> Error {
    Error::new(
        ErrorKind::VerifyFailed,
        "the file on the server has another size than the one that was sent: a part was stored twice or not at all",
    )
}

fn no_file() -> Error {
    Error::new(
        ErrorKind::VerifyFailed,
        "the server has no file at this URL after the upload; one that does not serve what is uploaded answers so too",
    )
    .with_advice("Look at the server; if it keeps uploads elsewhere, do not ask for the file ({verify=never}).")
}
