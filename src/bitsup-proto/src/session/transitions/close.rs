//! Close-Session, the doubt that a lost answer leaves, and a session that is gone.

use alloc::format;

use super::super::{
    MAX_HEADS, MAX_RESTARTS, MAX_RESTARTS_IN_ALL, Moment, Notice, Outcome, Request, Session, State,
    Summary,
};
use crate::ack::Ack;
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::packet::PacketType;
use crate::reply::ReplyMode;
use crate::verify::{Evidence, LostAckPolicy, VerifyPolicy};

impl Session {
    pub(super) fn closed(&mut self) {
        let ask = match self.config.verify {
            VerifyPolicy::Never => false,
            VerifyPolicy::Always => true,
            VerifyPolicy::Auto => self.doubts > 0 && !self.checks_offsets,
        };
        self.close_unclear = false;
        if ask && self.config.reply == ReplyMode::None {
            self.verify();
        } else {
            let verified = self.is_certain();
            if !verified {
                self.notice(Notice::NotVerified);
            }
            self.done(Summary { close_confirmed: true, verified });
        }
    }

    /// Nothing but a HEAD of the destination can follow: the session is closed or gone.
    fn verify(&mut self) {
        self.closed = true;
        self.heads = 0;
        self.state = State::Verify;
    }

    /// Whether every byte is known to have been stored once, where it belongs, without a
    /// look at the destination.
    fn is_certain(&self) -> bool {
        self.checks_offsets || self.doubts == 0 && !self.skipped
    }

    pub(super) fn weighed(&mut self, evidence: Evidence) {
        // A size does not prove bytes that were never sent, or that stand twice for others.
        let proves = self.checks_offsets || !self.skipped;
        if self.close_unclear {
            return self.close_weighed(evidence, proves);
        }
        match evidence {
            Evidence::Same if proves => {
                self.done(Summary { close_confirmed: true, verified: true });
            }
            Evidence::Different => {
                self.appends = self.doubts > 0;
                self.fail_for_good(another_size());
            }
            Evidence::Same | Evidence::Unknown if self.config.verify == VerifyPolicy::Always => {
                self.fail_for_good(Error::new(
                    ErrorKind::VerifyFailed,
                    "all was sent and closed, but the server does not prove that the file is right",
                ));
            }
            Evidence::Same | Evidence::Unknown => {
                self.notice(Notice::NotVerified);
                self.done(Summary { close_confirmed: true, verified: false });
            }
        }
    }

    /// Close-Session was sent twice, and the second one met a session that is gone.
    fn close_weighed(&mut self, evidence: Evidence, proves: bool) {
        match (evidence, self.config.on_lost_ack) {
            (Evidence::Same, _) => {
                self.notice(Notice::CloseUnconfirmed);
                self.done(Summary { close_confirmed: false, verified: proves });
            }
            (_, LostAckPolicy::Restart) => self.restart(),
            (Evidence::Different, _) => self.fail_for_good(another_size()),
            (Evidence::Unknown, LostAckPolicy::Accept) => {
                self.notice(Notice::CloseUnconfirmed);
                self.done(Summary { close_confirmed: false, verified: false });
            }
            (Evidence::Unknown, LostAckPolicy::Auto | LostAckPolicy::Resend) => {
                self.fail_for_good(Error::new(
                    ErrorKind::VerifyFailed,
                    "the answer to Close-Session was lost and the session is gone: the file has probably arrived, but the server does not prove it",
                ));
            }
        }
    }

    pub(super) fn head_failed(&mut self, now: Moment, cause: Error) {
        self.heads += 1;
        if self.heads >= MAX_HEADS {
            self.weighed(Evidence::Unknown);
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
        self.session_id = None;
    }

    // ---- a session that is gone -------------------------------------------

    pub(super) fn session_lost(&mut self, now: Moment, ack: &Ack<'_>, request: Request) {
        let error = explain::refusal(request.packet, ack);
        if request.packet == PacketType::CreateSession {
            // There is no session that could be lost: the answer makes no sense yet.
            return self.invalid(now, error);
        }
        if self.close_unclear {
            // A reply's upload has no destination to look at, and some callers want no look.
            let ask =
                self.config.reply == ReplyMode::None && self.config.verify != VerifyPolicy::Never;
            self.verify();
            if !ask {
                self.weighed(Evidence::Unknown);
            }
            return;
        }
        if self.may_restart() {
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
        self.counters.restarts += 1;
        self.state = State::CreateSession;
    }

    fn may_restart(&self) -> bool {
        self.restarts_in_row < MAX_RESTARTS && self.counters.restarts < MAX_RESTARTS_IN_ALL
    }

    /// Whatever follows begins with a new session and at byte 0.
    fn forget_session(&mut self) {
        self.session_id = None;
        self.offset = 0;
        self.highest = 0;
        self.unclear = false;
        self.close_unclear = false;
        self.skipped = false;
        self.doubts = 0;
        self.closed = false;
        self.stuck = 0;
        self.reply = None;
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
