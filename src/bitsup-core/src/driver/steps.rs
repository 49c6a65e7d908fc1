//! What an upload does next, and whether it can.

use std::time::Duration;

use bitsup_proto::session::{Action, Failure, FailureClass, Outcome, Sent};
use bitsup_proto::{Checkpoint, Error, ErrorKind, Moment, PacketType, SessionId};

use super::{
    Current, Ending, ExchangeId, Intent, MAX_LOGIN_REQUESTS, MAX_REQUESTS, PendingRequest,
    Readiness, Stage, Step, UploadDriver,
};
use crate::{ClientState, CredentialId, Ready};

impl UploadDriver {
    /// Steps 2 and 5: what to do now.
    pub fn poll(&mut self, now: Moment) -> Step {
        if let Some(since) = self.blocked_since.take() {
            self.session.exclude(since, now);
        }
        let step = self.next(now);
        if let Step::Wait(until) = step {
            // A pause is left out by itself.
            if (self.deferred.is_some() || self.is_asking) && !self.paused {
                self.blocked_since = Some(now.monotonic);
            }
            let pauses = self.exchange.is_none() && until.is_some();
            if pauses && self.session.waiting_for().is_some() {
                self.requests = 0;
            }
        }
        step
    }

    pub(super) fn next(&mut self, now: Moment) -> Step {
        if self.is_over() {
            return Step::Wait(None);
        }
        if let Some(packets) = &mut self.packets {
            return match packets.next.take() {
                Some(request) => Step::Begin(PendingRequest::Packet(request)),
                None => self.retry_deferred(None),
            };
        }
        if self.abandoned.is_some_and(|at| now.monotonic >= at) && self.ends_with.is_none() {
            // An upload that failed before its session was cancelled ends as it failed.
            let error = self.error_after_cancel.take();
            let abandoned = || Error::new(ErrorKind::Cancelled, "the upload was abandoned");
            self.ends_with = Some(error.unwrap_or_else(abandoned));
        }
        if let Some(error) = &self.ends_with {
            if let Some(current) = self.exchange.take() {
                return Step::Abort(Some(current.request));
            }
            return Step::Finish(Ending::Error(error.clone()));
        }
        if self.stage() == Stage::Precheck
            && self.exchange.is_none()
            && self.session.state().is_terminal()
        {
            // The source failed before there was an answer.
            self.end_precheck();
        }
        match self.stage() {
            Stage::Precheck if self.exchange.is_none() => {
                self.deferred = Some(PendingRequest::Precheck);
                return self.retry_deferred(None);
            }
            // The limit on its time holds here too, once it runs: the state machine says so next.
            Stage::Precheck if self.session.deadline().is_some_and(|at| now.monotonic >= at) => {
                self.end_precheck();
                return Step::Abort(self.exchange.take().map(|current| current.request));
            }
            Stage::Running => {}
            _ => return Step::Wait(None),
        }
        loop {
            // Told first, since the caller may want something else next.
            if let Some(notice) = self.session.poll_notice() {
                return Step::Tell(notice);
            }
            // An earlier process sent these bytes, and their hashes are not known. A pause comes first.
            let is_proven = self.is_certain || self.session.offset() <= self.own_end;
            if !is_proven && !self.paused && self.restart(now) {
                return Step::TellUnproven;
            }
            if let Some(checkpoint) = self.checkpoint_due().filter(|_| is_proven) {
                return Step::Store(checkpoint);
            }
            return match self.action.take() {
                None => {
                    self.action = Some(self.session.poll_action(now));
                    continue;
                }
                Some(Action::Send(request)) => Step::Begin(PendingRequest::Packet(request)),
                Some(Action::GetReply(get)) => Step::Begin(PendingRequest::Reply(get)),
                Some(Action::Head) => Step::Begin(PendingRequest::Head),
                Some(Action::Abort) => {
                    self.deferred = None;
                    Step::Abort(self.exchange.take().map(|current| current.request))
                }
                Some(Action::Wait(until)) => self.retry_deferred(Some(until)),
                Some(Action::Idle) => self.retry_deferred(None),
                Some(Action::Finished) => self.finish(),
            };
        }
    }

    /// What is to be stored, if anything is. While a kept session is cancelled nothing is: the journal
    /// tells of that until it is over.
    pub(super) fn checkpoint_due(&mut self) -> Option<Checkpoint> {
        let is_due = !self.cancels_first() && self.session.take_checkpoint_due();
        if is_due { self.session.checkpoint() } else { None }
    }

    /// Offers what is deferred, since the state machine has not called it back; in a pause only what cancels a
    /// kept session, which the pause is not about.
    pub(super) fn retry_deferred(&mut self, until: Option<Duration>) -> Step {
        let was_deferred = std::mem::take(&mut self.was_deferred);
        if was_deferred || (self.paused && !self.cancels_first()) {
            return Step::Wait(until);
        }
        self.deferred.take().map_or(Step::Wait(until), Step::Begin)
    }

    pub(super) fn finish(&mut self) -> Step {
        if self.cancels_first == Some(true) {
            return Step::StartUpload;
        }
        self.cancels_first = None;
        if let Some(error) = &self.error_after_cancel {
            return Step::Finish(Ending::Error(error.clone()));
        }
        let outcome = self.session.outcome().unwrap_or_else(|| {
            Outcome::Failed(Error::new(ErrorKind::Internal, "the upload ended without a result"))
        });
        Step::Finish(Ending::Session(outcome))
    }

    /// Whether a request has to wait for a comparison, or for the journal.
    pub fn check(&mut self, request: &PendingRequest) -> Readiness {
        if request.completes() && self.is_comparing() {
            return Readiness::Wait;
        }
        self.check_intent(request).unwrap_or(Readiness::Now)
    }

    /// Whether a request may show the credentials that it would show. Where the site has refused them, what it
    /// would answer is known: [`Self::start_unsent`].
    pub fn authorize(&mut self, request: &PendingRequest, client: &mut ClientState) -> Ready {
        match self.credentials {
            Some(own) if request.shows_credentials() => {
                client.credentials.offer(&self.peer, own, self.id)
            }
            _ => Ready::Now,
        }
    }

    pub(super) fn check_intent(&mut self, request: &PendingRequest) -> Option<Readiness> {
        let PendingRequest::Packet(request) = request else { return None };
        if request.packet != PacketType::CloseSession || !self.stores_intent {
            return None;
        }
        let checkpoint = self.session.checkpoint()?;
        match &self.intent {
            Intent::Stored(id) if *id == checkpoint.session_id => None,
            Intent::Storing(id) if *id == checkpoint.session_id => Some(Readiness::Wait),
            _ => {
                self.intent = Intent::Storing(checkpoint.session_id.clone());
                Some(Readiness::StoreIntent(checkpoint))
            }
        }
    }

    /// The journal says that Close-Session of that session goes out, or could not be written.
    pub fn intent_stored(&mut self, session: SessionId) {
        self.intent = Intent::Stored(session);
    }

    /// Whether a HEAD that is only evidence may show the credentials.
    pub fn may_show(&mut self, client: &mut ClientState) -> bool {
        self.credentials
            .is_none_or(|own| client.credentials.offer(&self.peer, own, self.id) == Ready::Now)
    }

    /// A request must not go out now; it is offered again when something has happened.
    pub fn defer(&mut self, request: PendingRequest) {
        self.deferred = Some(request);
        self.was_deferred = true;
    }

    /// Before a packet is started: the connection that it was to take has ended unannounced. `false`: the
    /// packet does not go out, and another one is first.
    pub fn connection_ended(&mut self) -> bool {
        let goes_out = self.session.handle_connection_ended() != Ok(false);
        if !goes_out {
            self.intent = Intent::None;
        }
        goes_out
    }

    /// A request goes out, and shows these credentials. `None`: there were too many, and the state machine
    /// knows.
    pub fn start(
        &mut self,
        request: PendingRequest,
        shown: Option<CredentialId>,
        now: Moment,
    ) -> Option<ExchangeId> {
        if self.packets.is_none() && self.requests + MAX_LOGIN_REQUESTS > MAX_REQUESTS {
            self.pause(&request, now);
            return None;
        }
        if let PendingRequest::Packet(packet) = &request {
            if let Some(range) = packet.range {
                self.sent_end = self.sent_end.max(range.end());
            }
            if packet.packet == PacketType::CreateSession {
                // Bytes of an earlier session are of no interest any more.
                (self.sent_end, self.own_end, self.is_certain, self.comparisons) = (0, 0, true, 0);
            }
        }
        Some(self.number(request, shown))
    }

    /// Whether any request was made.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.exchanges > 0
    }

    /// A request stays here, since its answer is known: the site has refused its credentials.
    pub fn start_unsent(&mut self, request: PendingRequest) -> ExchangeId {
        self.number(request, None)
    }

    pub(super) fn number(
        &mut self,
        request: PendingRequest,
        shown: Option<CredentialId>,
    ) -> ExchangeId {
        self.exchanges += 1;
        let id = ExchangeId(self.exchanges);
        self.exchange = Some(Current { id, request, shown });
        id
    }

    /// A retry that would be made at once waits as one that would not.
    pub(super) fn pause(&mut self, request: &PendingRequest, now: Moment) {
        self.requests = 0;
        if *request == PendingRequest::Precheck {
            return self.end_precheck();
        }
        let text = "the server answers without making progress";
        let failure = Failure::new(FailureClass::Transport, Sent::Nothing, text);
        let _ = self.session.handle_failure(now, &failure);
        if self.session.waiting_for().is_some_and(|(_, at)| at <= now.monotonic) {
            let _ = self.session.defer_retry(now, self.session.config().retry.first_delay);
        }
    }
}
