//! What the caller wants, and the end.

use bitsup_proto::session::{CancelMode, Outcome, Session};
use bitsup_proto::{Config, Error, ErrorKind, Moment};

use super::{ABANDON_LIMIT, Slot, Stage, UploadDriver};
use crate::ClientState;

impl UploadDriver {
    /// A slot is free for this upload. `false`: it waits for none.
    pub fn admit(&mut self, client: &mut ClientState, now: Moment) -> bool {
        if self.stage() != Stage::Queued {
            return false;
        }
        self.slot = Slot::Held;
        self.choose_stage();
        if self.paused {
            self.yield_slot(client);
        } else if !self.session.state().is_terminal() {
            // Also while the request is under way that the pause let end.
            let _ = self.session.resume(now);
        }
        true
    }

    /// The caller wants a pause. `false`: there is nothing to pause.
    pub fn suspend(&mut self, client: &mut ClientState, now: Moment) -> bool {
        if self.is_over() {
            return false;
        }
        self.paused = true;
        // Credentials that are on their way have their verdict still to come.
        if !self.shows_credentials() {
            client.credentials.leave(self.id);
        }
        // Refused only where there is nothing to pause, or a kept session is cancelled first.
        let pauses = self.session.suspend(now).is_ok();
        if pauses {
            self.yield_slot(client);
        }
        pauses
    }

    /// The pause is over, or an upload that failed is tried again. An upload that has given its slot up may
    /// have to wait for another. `false`: there is nothing to go on with.
    pub fn resume(&mut self, client: &mut ClientState, now: Moment) -> bool {
        if self.is_over() {
            // A slot that is taken now would never be given back.
            return false;
        }
        self.paused = false;
        if self.slot == Slot::Yielded {
            if !client.hosts.acquire(&self.origin, self.id) {
                self.slot = Slot::Queued { again: true };
                return true;
            }
            self.slot = Slot::Held;
        }
        self.session.resume(now).is_ok()
    }

    /// The caller wants no more of it. `false`: it ends already.
    pub fn cancel(&mut self, mode: CancelMode, client: &mut ClientState, now: Moment) -> bool {
        let before =
            || Error::new(ErrorKind::Cancelled, "the upload was cancelled before it began");
        match (self.stage(), self.slot) {
            (Stage::Finishing | Stage::Ended, _) => return false,
            (Stage::Running, Slot::Yielded) if mode == CancelMode::Delete => {
                client.hosts.acquire_now(&self.origin, self.id);
                self.slot = Slot::Held;
            }
            (Stage::Running, _) => {}
            (Stage::Queued, Slot::Queued { again: true }) if mode == CancelMode::Keep => {
                client.hosts.dequeue(&self.origin, self.id);
                self.slot = Slot::Yielded;
                self.stage = Stage::Running;
            }
            (Stage::Queued, _)
                if mode == CancelMode::Delete && self.session.session_id().is_some() =>
            {
                // One packet to delete a session needs no slot.
                client.hosts.acquire_now(&self.origin, self.id);
                self.slot = Slot::Held;
                self.stage = Stage::Running;
            }
            (Stage::Queued | Stage::Precheck, _) => {
                self.ends_with = Some(before());
                return true;
            }
        }
        match (self.cancels_first, mode) {
            (Some(_), CancelMode::Keep) => self.ends_with = Some(before()),
            (Some(true), CancelMode::Delete) => {
                self.cancels_first = Some(false);
                self.error_after_cancel = Some(before());
            }
            (Some(false), CancelMode::Delete) => {}
            (None, mode) => return self.session.cancel(now, mode).is_ok(),
        }
        true
    }

    /// The upload's handle is gone. A kept session is cancelled all the same, and nothing follows; else the
    /// upload is cancelled, within a short time. `keeps`: the session can be found again.
    pub fn abandon(&mut self, keeps: bool, client: &mut ClientState, now: Moment) {
        if self.cancels_first.is_some() {
            self.cancels_first = Some(false);
            return;
        }
        let mode = if keeps { CancelMode::Keep } else { CancelMode::Delete };
        self.cancel(mode, client, now);
        self.abandoned = Some(now.monotonic.saturating_add(ABANDON_LIMIT));
    }

    /// The upload ends with this error when its session is cancelled. `false`: there is nothing to cancel.
    pub fn fail_and_cancel(&mut self, error: Error, now: Moment) -> bool {
        let cancels = self.session.cancel(now, CancelMode::Delete).is_ok();
        if cancels {
            self.error_after_cancel = Some(error);
        }
        cancels
    }

    /// The same for a session that must not be found again: it is cancelled within a short time, or left.
    pub fn fail_and_abandon(&mut self, error: Error, now: Moment) -> bool {
        let cancels = self.fail_and_cancel(error, now);
        if cancels {
            self.abandoned = Some(now.monotonic.saturating_add(ABANDON_LIMIT));
        }
        cancels
    }

    /// The kept session is cancelled, and the upload begins ([`super::Step::StartUpload`]).
    pub fn start_upload(&mut self, config: Config, client: &mut ClientState, now: Moment) {
        self.cancels_first = None;
        self.session = Session::new(config);
        self.choose_stage();
        if self.paused {
            let _ = self.session.suspend(now);
            self.yield_slot(client);
        }
    }

    /// The result stands. `false`: it did already.
    pub fn end(&mut self, client: &mut ClientState) -> bool {
        if self.is_over() {
            return false;
        }
        client.credentials.leave(self.id);
        match self.slot {
            Slot::Queued { .. } => client.hosts.dequeue(&self.origin, self.id),
            Slot::Held => {
                if matches!(self.session.outcome(), Some(Outcome::Done(_))) {
                    client.hosts.succeeded(&self.origin, &self.pace);
                }
                client.hosts.release(&self.origin);
            }
            Slot::Yielded | Slot::Released => {}
        }
        self.slot = Slot::Released;
        self.stage = Stage::Finishing;
        self.exchange = None;
        self.is_asking = false;
        true
    }

    /// Nothing is left to be done.
    pub fn ended(&mut self) {
        self.stage = Stage::Ended;
    }

    pub(super) fn choose_stage(&mut self) {
        let asks = self.prechecks && self.session.session_id().is_none();
        self.stage = if asks { Stage::Precheck } else { Stage::Running };
    }

    /// Gives the slot up: no upload waits for one that waits for a person. While a kept session is cancelled
    /// there is something to do, in a pause as well.
    pub(super) fn yield_slot(&mut self, client: &mut ClientState) {
        if self.has_slot() && !self.cancels_first() {
            self.slot = Slot::Yielded;
            client.hosts.release(&self.origin);
        }
    }
}
