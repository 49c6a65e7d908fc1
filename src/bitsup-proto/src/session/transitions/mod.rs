//! Every transition of the client: the driver's calls are here, the parts of an
//! upload in the files below, in the order in which an upload meets them.
//!
//! A transition takes the phase and gives the next one; its other effects are on the parts of
//! the session that outlive a phase.

use alloc::format;
use core::time::Duration;

use super::logins::unauthorized;
use super::phase::{AfterCancel, Ended};
use super::{
    Action, CancelMode, Connection, Doubt, Exchange, Failure, FailureClass, InvalidState, Io,
    Login, MAX_REQUESTS_WITHOUT_PAUSE, Moment, OffsetHandling, Open, Outcome, Outstanding, Phase,
    Request, Reuse, Sent, Session, Step,
};
use crate::ack::{Ack, Offset};
use crate::classify::{Meaning, classify};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::verify::{Expected, Head, weigh};

mod cancel;
mod close;
mod create;
mod failure;
mod fragment;

use cancel::Replace;
use failure::retry_after_of;

/// An exchange that is begun gets at least so long for its answer.
const LEAST_LIMIT: Duration = Duration::from_secs(1);

/// The answer to a packet.
#[derive(Clone, Copy)]
struct Answer<'a> {
    now: Moment,
    request: Request,
    ack: &'a Ack<'a>,
    /// `Date`, and `Retry-After` as a time from now.
    date: Option<u64>,
    wait: Option<Duration>,
    exchange: Exchange,
}

/// What a poll leads to; without an action there is more to do at once.
type Polled = (Phase, Option<Action>);

impl Session {
    /// What to do now (step 2 of the driving contract).
    pub fn poll_action(&mut self, now: Moment) -> Action {
        self.budget.start(now);
        loop {
            if matches!(self.io, Io::Aborting) {
                self.io = Io::Idle;
                return Action::Abort;
            }
            if self.phase.is_terminal() {
                return Action::Finished;
            }
            if let Some(error) = self.forbidden(now) {
                self.abort_running();
                self.change(|session, phase| session.fail(phase, error));
                continue;
            }
            match &self.io {
                Io::InFlight(_) => return Action::Idle,
                _ if self.pause.is_some() => return Action::Idle,
                Io::Idle | Io::Backoff { .. } | Io::Aborting => {}
            }
            if self.target.expire(now) {
                self.fall_back();
            }
            if let Io::Backoff { at, .. } = self.io {
                if now.monotonic < at {
                    return Action::Wait(at);
                }
                self.io = Io::Idle;
                self.totals.counters.retries += 1;
            }
            let (phase, action) = match core::mem::take(&mut self.phase) {
                phase @ Phase::Pinging(_) => self.send(now, phase, PacketType::Ping, None, false),
                phase @ Phase::Creating => {
                    self.send(now, phase, PacketType::CreateSession, None, false)
                }
                phase @ Phase::Cancelling(_) => {
                    self.send(now, phase, PacketType::CancelSession, None, false)
                }
                Phase::Uploading(open) => match self.step(&open) {
                    Step::Probe => self.poll_probe(now, open),
                    Step::LastFragment(range) => self.send_fragment(now, open, range, false),
                    Step::Fragment => self.poll_fragment(now, open),
                    Step::Reply => self.poll_reply(open),
                    Step::Close => self.poll_close(now, open),
                    Step::Verify => {
                        self.io = Io::InFlight(Outstanding::Head);
                        (Phase::Uploading(open), Some(Action::Head))
                    }
                },
                phase @ (Phase::Failed { .. } | Phase::Kept(_) | Phase::Ended(_)) => {
                    (phase, Some(Action::Finished))
                }
            };
            self.phase = phase;
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// Why the upload cannot go on, whatever the server says.
    fn forbidden(&self, now: Moment) -> Option<Error> {
        if self.deadline().is_some_and(|deadline| now.monotonic >= deadline) {
            let limit = self.config.max_time.unwrap_or_default();
            return Some(Error::new(
                ErrorKind::LimitReached,
                format!("the upload took longer than the {} s allowed", limit.as_secs()),
            ));
        }
        let starts = self.pause.is_none() && !matches!(self.io, Io::InFlight(_));
        if self.config.size > 0 || !starts {
            return None;
        }
        let message = if self.config.refuse_empty && self.phase.open().is_none() {
            "the file is empty, and empty files are to be refused"
        } else if self.config.reply == ReplyMode::Required {
            // The Ack of the last Fragment names the reply, and an empty file has none.
            "an empty file brings no reply, and one was asked for"
        } else {
            return None;
        };
        Some(Error::new(ErrorKind::InvalidArgument, message))
    }

    /// When to call [`Session::poll_action`] although nothing happened: the limit on the
    /// whole upload's time. There is none while paused, while the session is cancelled and
    /// at the end.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let cancels = matches!(self.phase, Phase::Cancelling(_));
        if self.pause.is_some() || cancels || self.phase.is_terminal() {
            return None;
        }
        Some(self.budget.started?.saturating_add(self.config.max_time?))
    }

    fn change(&mut self, transition: impl FnOnce(&mut Self, Phase) -> Phase) {
        let phase = core::mem::take(&mut self.phase);
        self.phase = transition(self, phase);
    }

    /// The answer to the packet under way.
    pub fn handle_ack(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        date: Option<u64>,
        retry_after: Option<u64>,
        exchange: Exchange,
    ) -> Result<(), InvalidState> {
        let Io::InFlight(Outstanding::Packet(request)) = self.io else { return Err(InvalidState) };
        self.io = Io::Idle;
        self.budget.answered = true;
        self.link.next = Connection::Keep;
        let packet = request.packet;
        let meaning = self.check_session(packet, ack).unwrap_or_else(|| classify(packet, ack));
        let wait = retry_after_of(ack, date, retry_after, now);
        let answer = Answer { now, request, ack, date, wait, exchange };
        self.change(|session, phase| match phase {
            Phase::Cancelling(cancelling) => session.cancel_answered(cancelling, answer, meaning),
            phase => session.answered(phase, answer, meaning),
        });
        Ok(())
    }

    fn answered(&mut self, mut phase: Phase, answer: Answer<'_>, meaning: Meaning) -> Phase {
        let Answer { now, request, ack, exchange, .. } = answer;
        let packet = request.packet;
        self.note_sent(phase.open_mut(), request, exchange.sent.body().unwrap_or(0));
        let closes_again = packet == PacketType::CloseSession
            && exchange.sent != Sent::Nothing
            && phase.open().is_some_and(|open| open.doubt == Doubt::Close);
        let not_created = packet == PacketType::CreateSession && (400..500).contains(&ack.status);
        if let Meaning::Invalid(_) | Meaning::Later(_) | Meaning::Fatal(_) = meaning {
            self.start_fallback(now);
            if !not_created || !matches!(meaning, Meaning::Fatal(_)) {
                self.note_perhaps_taken(phase.open_mut(), request, exchange.sent.body());
            }
        }
        match (meaning, phase) {
            (Meaning::Success | Meaning::ContinueAt { .. }, phase) => self.accepted(phase, answer),
            (Meaning::SessionLost, phase) => self.session_lost(phase, answer),
            (Meaning::Challenge { proxy }, phase) => self.challenged(phase, answer, proxy),
            // No smaller one than a probe can be asked for.
            (Meaning::TooLarge | Meaning::NotFoundMaybeTooLarge, phase) if request.probe => {
                self.refused(phase, answer, explain::refusal(packet, ack))
            }
            (Meaning::TooLarge, phase) => self.too_large(phase, answer),
            (Meaning::NotFoundMaybeTooLarge, mut phase) => {
                let length = request.range.map_or(0, ContentRange::length);
                let passed = self.endpoint.sizes.largest_accepted();
                if length > passed.max(self.config.fragment.floor) {
                    return self.too_large(phase, answer);
                }
                self.note_perhaps_taken(phase.open_mut(), request, exchange.sent.body());
                self.refused(phase, answer, explain::refusal(packet, ack))
            }
            (Meaning::Invalid(error), Phase::Uploading(open)) if request.range.is_some() => {
                self.useless_answer(open, answer, error)
            }
            (Meaning::Invalid(error), Phase::Pinging(open)) => {
                self.ping_refused(now, open, error, Self::invalid)
            }
            (Meaning::Invalid(error), phase) => self.invalid(now, phase, error),
            (Meaning::Later(_) | Meaning::Fatal(_), Phase::Uploading(open))
                if closes_again && !is_sent_again(ack) =>
            {
                self.decide_close(open)
            }
            (Meaning::Later(error), Phase::Uploading(open)) if request.range.is_some() => {
                self.put_off(open, answer, error)
            }
            (Meaning::Later(error), phase) => self.later(now, phase, error, answer.wait, true),
            (Meaning::Fatal(error), Phase::Pinging(open))
                if matches!(ack.status, 400 | 404 | 405 | 501) && ack.code.is_none() =>
            {
                self.ping_refused(now, open, error, |session, _, phase, error| {
                    session.refused(phase, answer, error)
                })
            }
            (Meaning::Fatal(error), phase) => self.refused(phase, answer, error),
        }
    }

    /// The packet was carried out, or its answer says where to continue.
    fn accepted(&mut self, phase: Phase, answer: Answer<'_>) -> Phase {
        if answer.request.range.is_none() {
            self.endpoint.sizes.answered(answer.exchange.waiting);
        }
        match (phase, answer.request.range) {
            (Phase::Pinging(None), _) => Phase::Creating,
            (Phase::Pinging(Some(mut open)), _) => {
                open.tells_offsets |= answer.ack.offset != Offset::Absent;
                open.pings.acknowledged = true;
                Phase::Uploading(open)
            }
            (Phase::Uploading(open), Some(range)) => self.fragment_answered(open, answer, range),
            (Phase::Uploading(open), None) => self.closed(open, answer),
            _ => self.created(answer),
        }
    }

    /// A refusal that no other try can change: the upload's end, or that of its session only.
    fn refused(&mut self, phase: Phase, answer: Answer<'_>, error: Error) -> Phase {
        let Answer { now, request, ack, .. } = answer;
        match phase {
            Phase::Uploading(open) if self.is_continued_refused(&open, request, ack) => {
                self.replace(now, open, Replace::Refusing)
            }
            // Not even a refusal tells where the server stands; one that stays is reported by
            // the new session.
            Phase::Uploading(open) if request.probe => {
                self.useless_probe(now, open, Replace::Unproven, |session, phase| {
                    session.later(now, phase, error, None, true)
                })
            }
            phase => {
                let empty = self.config.size == 0 && request.packet == PacketType::CloseSession;
                let error = if empty && matches!(error.http_status(), Some(400 | 416)) {
                    error.with_message("the server does not support empty files")
                } else {
                    error
                };
                self.fail(phase, error)
            }
        }
    }

    /// The host that has acknowledged other packets of this session does not know Ping (FSM-04): it is
    /// asked once more, or not any more. `otherwise`: what its answer means from another host.
    fn ping_refused(
        &mut self,
        now: Moment,
        mut open: Option<Open>,
        error: Error,
        otherwise: impl FnOnce(&mut Self, Moment, Phase, Error) -> Phase,
    ) -> Phase {
        let Some(known) = open.as_mut().filter(|open| open.pings.acknowledged) else {
            return otherwise(self, now, Phase::Pinging(open), error);
        };
        known.pings.refused = known.pings.refused.saturating_add(1);
        if known.pings.are_skipped() {
            return self.first_step(open);
        }
        self.link.next = Connection::Fresh;
        self.later(now, Phase::Pinging(open), error, None, true)
    }

    /// The exchange under way met no answer.
    pub fn handle_failure(&mut self, now: Moment, failure: &Failure) -> Result<(), InvalidState> {
        let Io::InFlight(outstanding) = self.io else { return Err(InvalidState) };
        self.io = Io::Idle;
        self.link.next = Connection::Fresh;
        let error = failure.error.clone();
        self.change(|session, phase| match (outstanding, phase) {
            (Outstanding::Head, Phase::Uploading(open)) => session.head_failed(now, open, error),
            (Outstanding::Head | Outstanding::Reply, mut phase) => {
                let open = phase.open_mut();
                if let Some(fetch) = open.and_then(|open| open.reply.as_mut()) {
                    fetch.failed();
                }
                session.unanswered(now, phase, failure.class, error)
            }
            (Outstanding::Packet(request), mut phase) => {
                session.packet_failed(now, phase.open_mut(), request, failure);
                let error = error.during(request.packet);
                match (failure.class, phase) {
                    (FailureClass::BadAnswer, Phase::Uploading(open)) if request.probe => session
                        .useless_probe(now, open, Replace::Unproven, |session, phase| {
                            session.invalid(now, phase, error)
                        }),
                    (FailureClass::BadAnswer, Phase::Pinging(open)) => {
                        session.ping_refused(now, open, error, Self::invalid)
                    }
                    (class, phase) => session.unanswered(now, phase, class, error),
                }
            }
        });
        Ok(())
    }

    fn unanswered(
        &mut self,
        now: Moment,
        phase: Phase,
        class: FailureClass,
        error: Error,
    ) -> Phase {
        match class {
            FailureClass::Fatal => self.give_up(now, phase, error),
            FailureClass::BadAnswer => self.invalid(now, phase, error),
            FailureClass::Offline => self.later(now, phase, error, None, !self.budget.answered),
            FailureClass::Transport | FailureClass::Stale | FailureClass::Timeout => {
                self.later(now, phase, error, None, true)
            }
        }
    }

    /// Since then nothing could be done for a reason of the caller's own, such as a question to a
    /// person: that is no lack of progress (GIV-04).
    pub fn exclude(&mut self, since: Duration, now: Moment) {
        self.budget.exclude(since, now);
    }

    /// The connection ended unannounced before the packet under way went out: what the server
    /// acknowledged before may be lost with it (TRU-05). To be told once of each end. `false`: the packet is not to go
    /// out, and another one is first; else it goes out over a new connection.
    pub fn handle_connection_ended(&mut self) -> Result<bool, InvalidState> {
        let Io::InFlight(Outstanding::Packet(request)) = self.io else { return Err(InvalidState) };
        let (size, offsets) = (self.config.size, self.endpoint.offsets);
        let closes = request.packet == PacketType::CloseSession;
        // A server that closes after each answer would bring a doubt before each Close-Session, for ever. So after the
        // second end, and for an empty file, each packet takes a new connection (GIV-07).
        match self.link.reuse {
            Reuse::Yes | Reuse::Cleared if size > 0 => self.link.reuse = Reuse::Doubtful,
            Reuse::Yes | Reuse::Cleared | Reuse::Doubtful => self.link.reuse = Reuse::No,
            // The packet takes a new one anyway, and the last Fragment has brought the doubt. What the server lost
            // since, the destination may tell.
            Reuse::No => {
                match self.phase.open_mut().filter(|_| size > 0) {
                    Some(open) if open.offset == size && closes => {
                        open.limit_proof(super::open::Proof::RoutineDisconnect);
                    }
                    // No probe would tell what was lost between Fragments.
                    Some(open) if offsets != OffsetHandling::Unknown => {
                        open.doubt_middle(size, offsets);
                    }
                    _ => {}
                }
                return Ok(true);
            }
        }
        let mut asks_first = closes;
        if let Some(open) = self.phase.open_mut() {
            open.doubt_end(size, false);
            open.doubt_middle(size, offsets);
            asks_first |=
                request.range.is_some() && !request.probe && matches!(open.doubt, Doubt::Bytes(_));
        }
        if asks_first {
            let length = request.range.map_or(0, ContentRange::length);
            self.totals.sent_bytes = self.totals.sent_bytes.saturating_sub(length);
            self.io = Io::Idle;
            self.link.next = Connection::Fresh;
            self.change(|session, phase| session.first_step(phase.into_open()));
        }
        Ok(!asks_first)
    }

    /// Sends again what is under way: it ended before anything of it was sent, for a reason that
    /// is gone.
    pub fn retry_unsent(&mut self) -> Result<(), InvalidState> {
        let Io::InFlight(_) = self.io else { return Err(InvalidState) };
        self.io = Io::Idle;
        self.link.next = Connection::Fresh;
        Ok(())
    }

    /// The answer to the HEAD under way.
    pub fn handle_head(&mut self, head: &Head) -> Result<(), InvalidState> {
        let Io::InFlight(Outstanding::Head) = self.io else { return Err(InvalidState) };
        let open = match core::mem::take(&mut self.phase) {
            Phase::Uploading(open) => open,
            phase => {
                self.phase = phase;
                return Err(InvalidState);
            }
        };
        self.io = Io::Idle;
        let expected = Expected {
            size: self.config.size,
            created: open.created_by_server.then_some(open.created),
            before: self.traces.before.as_ref(),
        };
        self.phase = self.on_verify_result(open, weigh(head, &expected));
        Ok(())
    }

    /// What became of the GET under way, and of its bytes.
    pub fn handle_reply(&mut self, now: Moment, got: &reply::Got) -> Result<(), InvalidState> {
        let Io::InFlight(Outstanding::Reply) = self.io else { return Err(InvalidState) };
        let open = self.phase.open_mut();
        let Some(fetch) = open.and_then(|open| open.reply.as_mut()) else {
            return Err(InvalidState);
        };
        self.io = Io::Idle;
        self.link.next = Connection::Keep;
        let progress = fetch.handle(got);
        if fetch.take_progress() || progress == reply::Progress::Complete {
            self.budget.reset(now);
        }
        self.change(|session, phase| match progress {
            reply::Progress::More | reply::Progress::Complete => phase,
            reply::Progress::Again(error) => session.later(now, phase, error, None, true),
            reply::Progress::Failed(error) => session.fail(phase, error),
            reply::Progress::Challenge { proxy } => match session.logins.of(proxy) {
                login @ Login::Ready => {
                    *login = Login::Asked;
                    phase
                }
                login => {
                    let refused = login.is_sent();
                    session.fail(phase, unauthorized(proxy, refused).with_remark(got.remark))
                }
            },
        });
        Ok(())
    }

    /// Pauses: the running exchange ends, nothing follows until [`Session::resume`].
    pub fn suspend(&mut self, now: Moment) -> Result<(), InvalidState> {
        if self.phase.is_terminal() || self.is_ending() || self.pause.is_some() {
            return Err(InvalidState);
        }
        self.pause = Some(now.monotonic);
        Ok(())
    }

    /// Goes on after a pause, or after a failure: in a session with a Ping, then with what
    /// is pending (MC-BUP §3.1.4.3), else with a new session. Not after a failure that is
    /// the upload's end: the file is on the server in a wrong or unknown state, or the
    /// source has changed.
    pub fn resume(&mut self, now: Moment) -> Result<(), InvalidState> {
        if let Some(since) = self.pause.take() {
            self.budget.leave_out(since, now);
        } else if let Phase::Failed { .. } = self.phase {
            self.logins.server.rewind();
            self.logins.proxy.rewind();
            self.budget.started = Some(now.monotonic);
            self.budget.reset(now);
        } else {
            return Err(InvalidState);
        }
        match self.io {
            Io::InFlight(_) => return Ok(()),
            Io::Backoff { .. } => self.io = Io::Idle,
            Io::Idle | Io::Aborting => {}
        }
        // A cancel may have failed, or be that of a session to be replaced.
        self.change(|session, phase| session.first_step(phase.into_open()));
        Ok(())
    }

    /// Notes that the packet under way, if there is one, carried credentials that were replaced
    /// since. Called before its Ack is handed over, so that the new ones answer a challenge in it.
    pub fn mark_request_unauthenticated(&mut self) {
        if let Io::InFlight(Outstanding::Packet(request)) = &mut self.io {
            request.authorize = false;
            request.authorize_proxy = false;
        }
    }

    /// New credentials replace those that were refused, or that were missing.
    pub fn set_credentials(&mut self, server: bool, proxy: bool) {
        self.set_server_credentials(server);
        self.set_proxy_credentials(proxy);
    }

    /// [`set_credentials`](Self::set_credentials) for the server alone.
    pub fn set_server_credentials(&mut self, usable: bool) {
        self.logins.server = Login::new(usable);
    }

    /// [`set_credentials`](Self::set_credentials) for the proxy alone.
    pub fn set_proxy_credentials(&mut self, usable: bool) {
        self.logins.proxy = Login::new(usable);
    }

    /// Gives the upload up. A running request is aborted first; the session on the server is
    /// deleted, or left to be continued.
    pub fn cancel(&mut self, now: Moment, mode: CancelMode) -> Result<(), InvalidState> {
        let is_over = match &self.phase {
            Phase::Ended(Ended { outcome, .. }) => !matches!(outcome, Outcome::Failed(_)),
            Phase::Kept(_) => true,
            _ => self.is_ending(),
        };
        if is_over {
            return Err(InvalidState);
        }
        self.pause = None;
        self.abort_running();
        self.change(|session, phase| match (phase.held(), mode) {
            (Err(phase), _) => {
                let confirmed = !session.traces.orphaned;
                session.over(phase, Outcome::Cancelled { confirmed, kept: false })
            }
            (Ok(open), CancelMode::Keep) => {
                session.outbox.checkpoint_due = true;
                Phase::Kept(open)
            }
            (Ok(open), CancelMode::Delete) => session.begin_cancel(now, open, AfterCancel::Finish),
        });
        Ok(())
    }

    /// The source cannot be read any more, or has changed: the session cannot be finished.
    /// It is deleted on the server if the source has changed.
    pub fn fail_source(&mut self, now: Moment, error: Error) -> Result<(), InvalidState> {
        if self.phase.is_terminal() || self.is_ending() {
            return Err(InvalidState);
        }
        self.pause = None;
        self.abort_running();
        self.change(|session, phase| {
            if error.kind() != ErrorKind::SourceChanged {
                return session.fail(phase, error);
            }
            match phase.held() {
                Ok(open) => session.begin_cancel(now, open, AfterCancel::Fail(error)),
                Err(phase) => session.over(phase, Outcome::Failed(error)),
            }
        });
        Ok(())
    }

    // ---- what comes next -------------------------------------------------

    /// The first packet of an upload, and of every new try: Ping in a session.
    fn first_step(&self, open: Option<Open>) -> Phase {
        match open {
            Some(open) if open.pings.are_skipped() || matches!(open.doubt, Doubt::File { .. }) => {
                Phase::Uploading(open)
            }
            None if !self.config.opening_ping => Phase::Creating,
            open => Phase::Pinging(open),
        }
    }

    /// What a Ping opens the way for.
    pub(super) fn step(&self, open: &Open) -> Step {
        match open.doubt {
            Doubt::LastFragment(range) => Step::LastFragment(range),
            // Where an echo is remembered a probe would prove nothing (TRU-05).
            Doubt::Bytes(_)
                if open.offset < self.config.size
                    || self.endpoint.offsets != OffsetHandling::Echoes
                    || self.config.reply == ReplyMode::Required && open.reply_url.is_none() =>
            {
                Step::Probe
            }
            Doubt::None if open.offset < self.config.size => Step::Fragment,
            Doubt::None | Doubt::Bytes(_) | Doubt::Close => {
                let fetched = open.reply.as_ref().is_some_and(|fetch| fetch.is_complete());
                let wanted = self.config.reply != ReplyMode::None && open.reply_url.is_some();
                if wanted && !fetched { Step::Reply } else { Step::Close }
            }
            Doubt::File { .. } => Step::Verify,
        }
    }

    fn send(
        &mut self,
        now: Moment,
        phase: Phase,
        packet: PacketType,
        range: Option<ContentRange>,
        probe: bool,
    ) -> Polled {
        self.budget.requests_in_row = self.budget.requests_in_row.saturating_add(1);
        let cancels = packet == PacketType::CancelSession;
        if self.budget.requests_in_row > MAX_REQUESTS_WITHOUT_PAUSE && !cancels {
            let error = Error::new(
                ErrorKind::Protocol,
                format!("{MAX_REQUESTS_WITHOUT_PAUSE} requests in a row made no progress"),
            );
            let pause = self.config.retry.first_delay;
            return (self.later(now, phase, error.during(packet), Some(pause), true), None);
        }
        let renews = self.link.reuse == Reuse::No;
        let request = Request {
            packet,
            range,
            connection: if renews { Connection::Fresh } else { self.link.next },
            authorize: self.logins.server.is_sent(),
            authorize_proxy: self.logins.proxy.is_sent(),
            answer_limit: self.answer_limit(now, &phase, packet, range),
            probe,
        };
        self.io = Io::InFlight(Outstanding::Packet(request));
        (phase, Some(Action::Send(request)))
    }

    /// How long the Ack may take: no longer than a lack of progress is borne, but for the last
    /// Fragment's, behind which an application may work (GIV-04).
    fn answer_limit(
        &self,
        now: Moment,
        phase: &Phase,
        packet: PacketType,
        range: Option<ContentRange>,
    ) -> Duration {
        let config = &self.config;
        if range.is_some_and(ContentRange::is_last) || packet == PacketType::CloseSession {
            return config.last_answer_limit;
        }
        // A body that moves is progress, so that the clock begins anew with its last byte.
        let since = if range.is_some() { now.monotonic } else { self.budget.progress_at };
        let left = match phase {
            Phase::Cancelling(cancelling) => cancelling.deadline.saturating_sub(now.monotonic),
            _ => self.patience().saturating_sub(now.monotonic.saturating_sub(since)),
        };
        config.answer_limit.min(left.max(LEAST_LIMIT))
    }
}

/// Whether a refused Close-Session is sent once more; else, if one was sent before and not acknowledged,
/// a HEAD decides (SES-05, ERR-12).
fn is_sent_again(ack: &Ack<'_>) -> bool {
    matches!(ack.status, 500 | 502 | 503) && ack.code.is_none()
        || matches!(ack.status, 408 | 429 | 504)
}
