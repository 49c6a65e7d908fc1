//! Close-Session, the doubt that a lost answer leaves, and a session that is gone.

use alloc::format;

use super::super::{
    Action, Doubt, MAX_HEADS, MAX_RESTARTS, MAX_RESTARTS_IN_ALL, Moment, Notice, OffsetHandling,
    Open, Outcome, Phase, Proof, Session, Summary,
};
use super::{Answer, Polled};
use crate::classify::{OF_FRAGMENT, invalid_answer, is_of_fragment};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::packet::PacketType;
use crate::reply::ReplyMode;
use crate::verify::{Evidence, LostAckPolicy, Predecessor, VerifyPolicy};

impl Session {
    pub(super) fn poll_close(&mut self, now: Moment, open: Open) -> Polled {
        let (mut phase, action) =
            self.send(now, Phase::Uploading(open), PacketType::CloseSession, None, false);
        if let (Some(Action::Send(_)), Some(open)) = (&action, phase.open_mut())
            && matches!(open.doubt, Doubt::Bytes(_))
        {
            open.doubt = Doubt::None;
            open.limit_proof(Proof::File);
        }
        (phase, action)
    }

    pub(super) fn closed(&mut self, mut open: Open, answer: Answer<'_>) -> Phase {
        let Answer { now, ack, .. } = answer;
        if is_of_fragment(ack, open.tells_offsets) && open.doubt != Doubt::Close {
            open.doubt = Doubt::Close;
            let error = invalid_answer(PacketType::CloseSession, ack, OF_FRAGMENT);
            return self.invalid(now, Phase::Uploading(open), error);
        }
        let is_empty = self.config.size == 0;
        let ask = match self.config.verify {
            VerifyPolicy::Never => false,
            VerifyPolicy::Always => true,
            VerifyPolicy::Auto => {
                // Some servers make no file of a session without a Fragment (TRU-07).
                open.proof != Proof::Bytes || !self.traces.predecessor.is_none() || is_empty
            }
        };
        open.doubt = Doubt::File { closed: true, heads: 0 };
        if ask && (self.config.reply == ReplyMode::None || is_empty) {
            Phase::Uploading(open)
        } else {
            self.unproven(open)
        }
    }

    /// Done, as far as the Acks alone prove it.
    fn unproven(&mut self, open: Open) -> Phase {
        let verified =
            open.proof == Proof::Bytes && self.traces.predecessor != Predecessor::Lingering;
        if !verified {
            self.notice(Notice::NotVerified);
        }
        self.done(open, Summary { close_confirmed: true, verified })
    }

    pub(super) fn on_verify_result(&mut self, open: Open, evidence: Evidence) -> Phase {
        if let Doubt::File { closed: false, .. } = open.doubt {
            return self.on_close_result(open, evidence);
        }
        let proof = open.proof;
        match evidence {
            // A size does not prove bytes that were never sent, or that stand twice for others.
            Evidence::Same if proof != Proof::Nothing => {
                if proof == Proof::Size {
                    self.endpoint.offsets = OffsetHandling::Seeks;
                }
                self.done(open, Summary { close_confirmed: true, verified: true })
            }
            Evidence::Different => self.over(Phase::Uploading(open), another_size()),
            Evidence::Missing
                if self.config.size == 0 || matches!(proof, Proof::End | Proof::File) =>
            {
                self.over(Phase::Uploading(open), no_file())
            }
            Evidence::Same | Evidence::Missing | Evidence::Unknown
                if self.config.verify == VerifyPolicy::Always =>
            {
                let error = not_verified(
                    "everything was sent and closed, but the server's answers do not verify the file",
                );
                self.over(Phase::Uploading(open), Outcome::Failed(error))
            }
            Evidence::Same | Evidence::Missing | Evidence::Unknown => self.unproven(open),
        }
    }

    /// Close-Session was sent, its Ack lost, and the session is gone or refuses the next one (SES-05).
    fn on_close_result(&mut self, open: Open, evidence: Evidence) -> Phase {
        let outcome = match (evidence, self.config.on_lost_ack) {
            (Evidence::Same, _) => {
                self.notice(Notice::CloseUnconfirmed);
                let verified = open.proof != Proof::Nothing;
                return self.done(open, Summary { close_confirmed: false, verified });
            }
            (_, LostAckPolicy::Restart) => {
                self.traces.orphaned = true;
                return self.restart();
            }
            (Evidence::Unknown, LostAckPolicy::Accept) => {
                self.notice(Notice::CloseUnconfirmed);
                return self.done(open, Summary { close_confirmed: false, verified: false });
            }
            (Evidence::Different, _) => another_size(),
            (Evidence::Missing, _) => no_file(),
            (Evidence::Unknown, LostAckPolicy::Auto | LostAckPolicy::Resend) => {
                Outcome::Failed(not_verified(
                    "the answer to Close-Session was lost and the session is gone: the file has probably arrived, but the server does not prove it",
                ))
            }
        };
        // It is unknown whether the server closed the session.
        self.traces.orphaned = true;
        self.over(Phase::Uploading(open), outcome)
    }

    pub(super) fn head_failed(&mut self, now: Moment, mut open: Open, cause: Error) -> Phase {
        if let Doubt::File { heads, .. } = &mut open.doubt {
            *heads += 1;
            if *heads < MAX_HEADS {
                let delay = self.config.retry.delay(*heads + 1, now.random);
                self.back_off(now, cause, delay);
                return Phase::Uploading(open);
            }
        }
        self.on_verify_result(open, Evidence::Unknown)
    }

    fn done(&mut self, open: Open, summary: Summary) -> Phase {
        self.over(Phase::Uploading(open), Outcome::Done(summary))
    }

    // ---- a session that is gone -------------------------------------------

    pub(super) fn session_lost(&mut self, phase: Phase, answer: Answer<'_>) -> Phase {
        let error = explain::refusal(answer.request.packet, answer.ack);
        let open = match phase.held() {
            Ok(open) => open,
            // There is no session that could be lost: the answer makes no sense yet.
            Err(phase) => return self.invalid(answer.now, phase, error),
        };
        let complete = open.offset == self.config.size;
        // An earlier process may have closed it without a note (TRU-05).
        let perhaps_closed = open.continued
            && complete
            && matches!(open.doubt, Doubt::Bytes(_))
            && self.config.reply != ReplyMode::Required;
        if open.doubt == Doubt::Close || perhaps_closed {
            return self.decide_close(open);
        }
        if !self.may_restart() {
            let sessions = self.budget.restarts_in_row + 1;
            let message =
                format!("the server lost the session repeatedly ({sessions} sessions in a row)");
            return self.fail(Phase::Creating, error.with_message(message));
        }
        if let Err(error) = self.note_repeated(open.offset) {
            return self.fail(Phase::Uploading(open), error);
        }
        self.notice(Notice::SessionLost);
        self.restart()
    }

    /// Close-Session was sent and not acknowledged, and no other one will be: a HEAD decides.
    pub(super) fn decide_close(&mut self, mut open: Open) -> Phase {
        open.doubt = Doubt::File { closed: false, heads: 0 };
        // A reply's upload has no destination to look at, and some callers want no look.
        if self.config.reply != ReplyMode::None || self.config.verify == VerifyPolicy::Never {
            return self.on_verify_result(open, Evidence::Unknown);
        }
        Phase::Uploading(open)
    }

    /// Starts over from byte 0 with a new session, at the host the old one had; that one is dropped.
    pub(super) fn restart(&mut self) -> Phase {
        self.outbox.checkpoint_due = true;
        if !self.may_restart() {
            let error = Error::new(
                ErrorKind::Refused,
                "the upload was restarted repeatedly without progress",
            );
            return self.fail(Phase::Creating, error);
        }
        self.budget.restarts_in_row += 1;
        self.count_restart();
        Phase::Creating
    }

    /// Another session takes the place of this one. What stood at the destination before this one proves nothing of the
    /// next: this one, or one of an earlier process, may be closed in between (TRU-06).
    pub(super) fn count_restart(&mut self) {
        self.totals.counters.restarts = self.totals.counters.restarts.saturating_add(1);
        self.traces.before = None;
    }

    pub(super) fn may_restart(&self) -> bool {
        self.budget.restarts_in_row < MAX_RESTARTS
            && self.totals.counters.restarts < MAX_RESTARTS_IN_ALL
    }
}

fn not_verified(message: &'static str) -> Error {
    Error::new(ErrorKind::VerifyFailed, message)
}

fn another_size() -> Outcome {
    Outcome::Failed(not_verified(
        "the file on the server has another size than the one that was sent: a part was stored twice or not at all",
    ))
}

fn no_file() -> Outcome {
    Outcome::Failed(
        not_verified(
            "the server has no file at this URL after the upload; one that does not serve what is uploaded answers so too",
        )
        .with_advice("Look at the server; if it keeps uploads elsewhere, do not ask for the file ({verify=never})."),
    )
}
