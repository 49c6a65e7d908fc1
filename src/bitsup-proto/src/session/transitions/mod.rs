//! Every transition of the client: what the driver calls stands here, the parts of an
//! upload in the files below, in the order in which an upload meets them.

use alloc::format;
use core::time::Duration;

use super::{
    Action, AfterCancel, CancelMode, Connection, Doubt, Exchange, Failure, FailureClass,
    MAX_REQUESTS_WITHOUT_PAUSE, Moment, NotNow, OffsetHandling, Proof, Request, Reuse, Running,
    Sent, Session, State,
};
use crate::ack::{Ack, Offset};
use crate::classify::{Meaning, classify};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::hresult::CONTEXT_REMOTE_APPLICATION;
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::verify::{Expected, Head, weigh};

mod cancel;
mod close;
mod create;
mod failure;
mod fragment;

use cancel::Replace;
use failure::{retry_after_of, unauthorized};

/// An exchange that is begun gets at least so long for its answer.
const LEAST_LIMIT: Duration = Duration::from_secs(1);

impl Session {
    /// What to do now (step 2 of the driving contract).
    pub fn poll_action(&mut self, now: Moment) -> Action {
        if self.started.is_none() {
            self.started = Some(now.monotonic);
            self.progress_at = now.monotonic;
        }
        if self.abort {
            self.abort = false;
            self.running = None;
            return Action::Abort;
        }
        if self.state.is_final() {
            return Action::Finished;
        }
        if self.is_over_time(now) {
            let limit = self.config.max_time.unwrap_or_default();
            self.fail(Error::new(
                ErrorKind::LimitReached,
                format!("the upload took longer than the {} s allowed", limit.as_secs()),
            ));
            return self.poll_action(now);
        }
        if self.running.is_some() {
            return Action::Idle;
        }
        if self.suspended {
            self.state = State::Suspend;
            return Action::Idle;
        }
        if self.config.size == 0 && self.config.refuse_empty && self.open.is_none() {
            self.fail(Error::new(
                ErrorKind::InvalidArgument,
                "the file is empty, and empty files are to be refused",
            ));
            return Action::Finished;
        }
        if self.config.size == 0 && self.config.reply == ReplyMode::Required {
            // The Ack of the last Fragment names the reply, and an empty file has none.
            self.fail(Error::new(
                ErrorKind::InvalidArgument,
                "an empty file brings no reply, and one was asked for",
            ));
            return Action::Finished;
        }
        self.expire_fallback(now);
        match self.state {
            State::Init => {
                self.state = self.first_step();
                self.poll_action(now)
            }
            State::Error => self.poll_retry(now),
            State::CreateSession => self.send(now, PacketType::CreateSession, None, false),
            State::Ping => self.send(now, PacketType::Ping, None, false),
            State::Fragment => self.poll_fragment(now),
            State::GetReply => self.poll_reply(now),
            State::Complete => self.send(now, PacketType::CloseSession, None, false),
            State::Cancel => self.send(now, PacketType::CancelSession, None, false),
            State::Verify => {
                self.running = Some(Running::Head);
                Action::Head
            }
            State::Suspend | State::Done | State::Failed | State::Cancelled => Action::Idle,
        }
    }

    /// When to call [`Session::poll_action`] although nothing happened: the limit on the
    /// whole upload's time. There is none while paused, while the session is cancelled and
    /// at the end.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.suspended || self.is_cancelling() || self.state.is_final() {
            return None;
        }
        Some(self.started?.saturating_add(self.config.max_time?))
    }

    /// The answer to the packet under way.
    pub fn handle_ack(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        date: Option<u64>,
        retry_after: Option<u64>,
        exchange: Exchange,
    ) -> Result<(), NotNow> {
        let Some(Running::Packet(request)) = self.running else {
            return Err(NotNow);
        };
        self.running = None;
        self.answered = true;
        self.connection = Connection::Keep;
        let packet = request.packet;
        let meaning = self.check_session(packet, ack).unwrap_or_else(|| classify(packet, ack));
        if packet == PacketType::CancelSession {
            let wait = retry_after_of(ack, date, retry_after, now);
            self.cancel_answered(now, ack, meaning, request, wait);
            return Ok(());
        }
        self.note_sent(request, exchange.body_sent);
        if exchange.reconnected {
            self.doubt_end(packet);
        }
        let taken = || Some(exchange.body_sent);
        let closes_again = packet == PacketType::CloseSession
            && self.open.as_ref().is_some_and(|open| open.doubt == Doubt::Close);
        match meaning {
            Meaning::Success => {
                self.sizes.answered(exchange.waiting);
                match packet {
                    PacketType::Ping => self.ping_answered(ack),
                    PacketType::CreateSession => self.created(now, ack, date),
                    PacketType::CloseSession => self.closed(now, ack),
                    PacketType::Fragment | PacketType::CancelSession => {}
                }
            }
            Meaning::ContinueAt { offset, corrected } => {
                self.fragment_answered(now, ack, request, offset, corrected, exchange);
            }
            Meaning::SessionLost => self.session_lost(now, ack, request),
            Meaning::Challenge { proxy } => self.challenged(ack, request, proxy),
            // No smaller one than a probe can be asked for.
            Meaning::TooLarge | Meaning::NotFoundMaybeTooLarge if request.probe => {
                self.refused(now, ack, request, explain::refusal(packet, ack));
            }
            Meaning::TooLarge => self.too_large(ack, request),
            Meaning::NotFoundMaybeTooLarge => {
                let length = request.range.map_or(0, ContentRange::length);
                if length > self.sizes.largest_accepted() && length > self.config.fragment.floor {
                    self.too_large(ack, request);
                } else {
                    self.note_perhaps_taken(request, taken());
                    self.refused(now, ack, request, explain::refusal(packet, ack));
                }
            }
            Meaning::Invalid(error) => {
                self.start_fallback(now);
                if packet == PacketType::Fragment {
                    self.useless_answer(now, ack, request, exchange.body_sent, error);
                    return Ok(());
                }
                self.note_perhaps_taken(request, taken());
                if packet == PacketType::Ping && self.ping_refused(now, &error) {
                    return Ok(());
                }
                self.invalid(now, error);
            }
            Meaning::Later(error) => {
                self.note_perhaps_taken(request, taken());
                self.start_fallback(now);
                if closes_again && self.close_refused_again(ack) {
                    return Ok(());
                }
                if packet == PacketType::Fragment {
                    self.note_rerun(ack, request);
                    if self.refused_again(now, ack) {
                        return Ok(());
                    }
                }
                let wait = retry_after_of(ack, date, retry_after, now);
                self.later(now, error, wait, true);
            }
            Meaning::Fatal(error) => {
                self.start_fallback(now);
                let unknown = matches!(ack.status, 400 | 404 | 405 | 501) && ack.code.is_none();
                if packet == PacketType::Ping && unknown && self.ping_refused(now, &error) {
                    return Ok(());
                }
                if closes_again && self.close_refused_again(ack) {
                    return Ok(());
                }
                if packet != PacketType::CreateSession || !(400..500).contains(&ack.status) {
                    self.note_perhaps_taken(request, taken());
                }
                self.refused(now, ack, request, error);
            }
        }
        Ok(())
    }

    /// A refusal that no other try can change: the upload's end, or that of its session only.
    fn refused(&mut self, now: Moment, ack: &Ack<'_>, request: Request, error: Error) {
        if self.continued_refused(now, ack, request) {
            return;
        }
        if request.probe {
            // Not even a refusal tells where the server stands; one that stays is reported by
            // the new session.
            if !self.useless_probe(now, Replace::Unproven) {
                self.later(now, error, None, true);
            }
            return;
        }
        self.fail(self.name_likely_cause(request.packet, error));
    }

    fn ping_answered(&mut self, ack: &Ack<'_>) {
        if let Some(open) = &mut self.open {
            open.tells_offsets |= ack.offset != Offset::Absent;
            open.pings.acknowledged = true;
        }
        self.state = self.pending();
    }

    /// The host that has acknowledged other packets of this session does not know Ping (FSM-04).
    /// `true`: it is asked once more, or not any more.
    fn ping_refused(&mut self, now: Moment, error: &Error) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| open.pings.acknowledged) else {
            return false;
        };
        open.pings.refused = open.pings.refused.saturating_add(1);
        if open.pings.are_skipped() {
            self.state = self.pending();
        } else {
            self.connection = Connection::Fresh;
            self.later(now, error.clone(), None, true);
        }
        true
    }

    /// Close-Session was sent before and not acknowledged, and this one is refused in a way that
    /// is not tried again (SES-05, ERR-12). `true`: a HEAD decides.
    fn close_refused_again(&mut self, ack: &Ack<'_>) -> bool {
        let sent_again = matches!(ack.status, 500 | 502 | 503) && ack.code.is_none()
            || matches!(ack.status, 408 | 429 | 504);
        if !sent_again {
            self.decide_close();
        }
        !sent_again
    }

    /// The last Fragment is stored, and the application behind the server asks for patience.
    fn note_rerun(&mut self, ack: &Ack<'_>, request: Request) {
        let last = request.range.filter(|range| range.is_last());
        if ack.context != Some(CONTEXT_REMOTE_APPLICATION) || request.probe {
            return;
        }
        if let (Some(open), Some(last)) = (&mut self.open, last)
            && let Doubt::Bytes(probing) = &mut open.doubt
        {
            probing.rerun = Some(last);
        }
    }

    /// The exchange under way met no answer.
    pub fn handle_failure(&mut self, now: Moment, failure: &Failure) -> Result<(), NotNow> {
        let running = self.running.take().ok_or(NotNow)?;
        let reused = self.reuse != Reuse::No;
        self.connection = Connection::Fresh;
        let mut error = failure.error.clone();
        match running {
            Running::Head => {
                self.head_failed(now, error);
                return Ok(());
            }
            Running::Reply => {
                if let Some(fetch) = self.open.as_mut().and_then(|open| open.reply.as_mut()) {
                    fetch.failed();
                }
            }
            Running::Packet(request) => {
                error = error.during(request.packet);
                let body = match failure.sent {
                    Sent::Nothing => None,
                    Sent::Head => Some(0),
                    Sent::Body(bytes) => Some(bytes),
                };
                self.note_moved(now, request, body, failure.idle);
                self.note_perhaps_taken(request, body);
                if body.is_some() && request.packet != PacketType::CancelSession {
                    self.doubt_end(request.packet);
                }
                let cut = request.packet == PacketType::Fragment && failure.sent != Sent::Nothing;
                match (failure.class, self.reuse) {
                    // The server may close what is idle; that says nothing about sizes (GIV-07).
                    (FailureClass::Stale, Reuse::Yes) => self.reuse = Reuse::No,
                    (FailureClass::Offline, _) => {}
                    _ if cut && !request.probe => {
                        if !reused {
                            self.reuse = Reuse::Cleared;
                        }
                        self.sizes.lost();
                    }
                    _ => {}
                }
                self.start_fallback(now);
            }
        }
        match failure.class {
            FailureClass::Fatal if self.state == State::Cancel => self.cancel_failed(now, error),
            FailureClass::Fatal => self.fail(error),
            FailureClass::BadAnswer => match running {
                Running::Packet(request)
                    if request.probe && self.useless_probe(now, Replace::Unproven) => {}
                Running::Packet(Request { packet: PacketType::Ping, .. })
                    if self.ping_refused(now, &error) => {}
                _ => self.invalid(now, error),
            },
            FailureClass::Offline => {
                let counts = !self.answered;
                self.later(now, error, None, counts);
            }
            FailureClass::Transport | FailureClass::Stale | FailureClass::Timeout => {
                self.later(now, error, None, true);
            }
        }
        Ok(())
    }

    /// Bytes that have moved are progress for the clock, where they had not moved before (GIV-04):
    /// else a server that loses every connection could keep us for ever.
    fn note_moved(&mut self, now: Moment, request: Request, body: Option<u64>, idle: Duration) {
        if let (Some(range), Some(body)) = (request.range, body)
            && range.first() + body.min(range.length()) > self.sent_ever
        {
            let moved = now.monotonic.saturating_sub(idle);
            self.progress_at = self.progress_at.max(moved);
        }
    }

    /// So long nothing could be done for a reason of the caller's own, such as a question to a
    /// person: that is no lack of progress (GIV-04).
    pub fn exclude(&mut self, time: Duration) {
        self.progress_at = self.progress_at.saturating_add(time);
    }

    /// The connection ended unannounced before the packet under way went out: what the server
    /// acknowledged before may be lost with it (TRU-05). `false`: the packet is not to go out, and
    /// another one is first; else it goes out over a new connection.
    pub fn handle_connection_ended(&mut self) -> Result<bool, NotNow> {
        let Some(Running::Packet(request)) = self.running else { return Err(NotNow) };
        if request.packet != PacketType::CloseSession {
            self.doubt_end(request.packet);
            return Ok(true);
        }
        self.doubt_end(PacketType::Ping);
        self.running = None;
        // That it was about to go out is not true any more.
        self.checkpoint_due = true;
        self.connection = Connection::Fresh;
        self.state = self.first_step();
        Ok(false)
    }

    /// With all bytes acknowledged, the connection ended before this packet was answered: the server
    /// may have ended too (TRU-05).
    fn doubt_end(&mut self, packet: PacketType) {
        let size = self.config.size;
        let Some(open) = self.open.as_mut().filter(|open| size > 0 && open.offset == size) else {
            return;
        };
        match open.doubt {
            Doubt::None if self.reply_url.is_none() && packet != PacketType::CloseSession => {
                open.doubt_bytes();
            }
            Doubt::None | Doubt::Close => open.limit_proof(Proof::End),
            Doubt::Bytes(_) | Doubt::LastFragment(_) | Doubt::File { .. } => {}
        }
    }

    /// The exchange under way ended before anything of it was sent, for a reason that is gone:
    /// it is begun again.
    pub fn begin_again(&mut self) {
        self.running = None;
        self.connection = Connection::Fresh;
    }

    /// The answer to the HEAD under way.
    pub fn handle_head(&mut self, head: &Head) -> Result<(), NotNow> {
        if self.running != Some(Running::Head) {
            return Err(NotNow);
        }
        self.running = None;
        let created = self.open.as_ref().filter(|open| open.created_by_server);
        let expected = Expected {
            size: self.config.size,
            created: created.map(|open| open.created),
            before: self.before.as_ref(),
        };
        let evidence = weigh(head, &expected);
        self.on_verify_result(evidence);
        Ok(())
    }

    /// What became of the GET under way, and of its bytes.
    pub fn handle_reply(&mut self, now: Moment, got: &reply::Got) -> Result<(), NotNow> {
        if self.running != Some(Running::Reply) {
            return Err(NotNow);
        }
        let Some(fetch) = self.open.as_mut().and_then(|open| open.reply.as_mut()) else {
            return Err(NotNow);
        };
        self.running = None;
        self.connection = Connection::Keep;
        let progress = fetch.handle(got);
        if fetch.take_progress() || progress == reply::Progress::Complete {
            self.reset_retry_budget(now);
        }
        match progress {
            reply::Progress::More => {}
            reply::Progress::Complete => self.state = State::Complete,
            reply::Progress::Again(error) => self.later(now, error, None, true),
            reply::Progress::Failed(error) => self.fail(error),
            reply::Progress::Challenge { proxy } => {
                let usable = self.has_credentials(proxy);
                let answered = if proxy { &mut self.authorize_proxy } else { &mut self.authorize };
                if usable && !*answered {
                    *answered = true;
                } else {
                    self.fail(unauthorized(proxy, usable));
                }
            }
        }
        Ok(())
    }

    /// Pauses: the running exchange ends, nothing follows until [`Session::resume`].
    pub fn suspend(&mut self, now: Moment) -> Result<(), NotNow> {
        if self.state.is_final() || self.is_ending() || self.suspended {
            return Err(NotNow);
        }
        self.suspended = true;
        self.suspended_at = Some(now.monotonic);
        if self.running.is_none() {
            self.state = State::Suspend;
        }
        Ok(())
    }

    /// Goes on after a pause, or after a failure: in a session with a Ping, then with what
    /// is pending (MC-BUP §3.1.4.3), else with a new session. Not after a failure that is
    /// the upload's end: the file is on the server in a wrong or unknown state, or the
    /// source has changed.
    pub fn resume(&mut self, now: Moment) -> Result<(), NotNow> {
        let failed = self.state == State::Failed && !self.ended;
        if !self.suspended && !failed {
            return Err(NotNow);
        }
        self.suspended = false;
        if let Some(at) = self.suspended_at.take() {
            // A pause is no lack of progress.
            let pause = now.monotonic.saturating_sub(at);
            self.progress_at = self.progress_at.saturating_add(pause);
            self.started = self.started.map(|started| started.saturating_add(pause));
        }
        if failed {
            self.outcome = None;
            self.authorize = false;
            self.authorize_proxy = false;
            self.started = Some(now.monotonic);
            self.reset_retry_budget(now);
        }
        if self.running.is_none() {
            // A cancel may have failed, or be that of a session to be replaced.
            self.cancel_deadline = None;
            self.retry = None;
            self.state = self.first_step();
        }
        Ok(())
    }

    /// The packet under way carried credentials that were replaced since. Said before its Ack
    /// is handed over, this makes a challenge in it one that the new ones answer.
    pub fn outdate_running(&mut self) {
        if let Some(Running::Packet(request)) = &mut self.running {
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
        self.config.credentials = usable;
        self.authorize = false;
        self.refused = false;
    }

    /// [`set_credentials`](Self::set_credentials) for the proxy alone.
    pub fn set_proxy_credentials(&mut self, usable: bool) {
        self.config.proxy_credentials = usable;
        self.authorize_proxy = false;
        self.refused_proxy = false;
    }

    /// Gives the upload up. A running request is aborted first; what the server holds is
    /// deleted, or left to be continued.
    pub fn cancel(&mut self, now: Moment, mode: CancelMode) -> Result<(), NotNow> {
        if matches!(self.state, State::Done | State::Cancelled) || self.is_ending() {
            return Err(NotNow);
        }
        self.end_pause();
        self.outcome = None;
        self.abort_running();
        match mode {
            _ if self.open.is_none() => self.end_cancelled(!self.orphaned, false),
            CancelMode::Keep => self.end_cancelled(false, true),
            CancelMode::Delete => self.begin_cancel(now, AfterCancel::Finish),
        }
        Ok(())
    }

    /// The source cannot be read any more, or has changed: the session cannot be finished.
    /// It is deleted on the server if the source has changed.
    pub fn fail_source(&mut self, now: Moment, error: Error) -> Result<(), NotNow> {
        if self.state.is_final() || self.is_ending() {
            return Err(NotNow);
        }
        self.end_pause();
        self.abort_running();
        match error.kind() {
            ErrorKind::SourceChanged if self.open.is_some() => {
                self.begin_cancel(now, AfterCancel::Fail(error));
            }
            ErrorKind::SourceChanged => self.fail_for_good(error),
            _ => self.fail(error),
        }
        Ok(())
    }

    // ---- what comes next -------------------------------------------------

    /// The first packet of an upload, and of every new try: Ping in a session.
    fn first_step(&self) -> State {
        match &self.open {
            Some(open) if matches!(open.doubt, Doubt::File { .. }) => State::Verify,
            Some(open) if open.pings.are_skipped() => self.pending(),
            Some(_) => State::Ping,
            None if self.config.opening_ping => State::Ping,
            None => State::CreateSession,
        }
    }

    /// What a Ping opens the way for.
    fn pending(&self) -> State {
        let Some(open) = &self.open else { return State::CreateSession };
        match open.doubt {
            Doubt::LastFragment(_) => State::Fragment,
            // Where an echo is remembered a probe would prove nothing (TRU-05).
            Doubt::Bytes(_)
                if open.offset < self.config.size
                    || self.offsets != OffsetHandling::Echoes
                    || self.config.reply == ReplyMode::Required && self.reply_url.is_none() =>
            {
                State::Fragment
            }
            Doubt::None if open.offset < self.config.size => State::Fragment,
            Doubt::None | Doubt::Bytes(_) | Doubt::Close => self.after_last_byte(),
            Doubt::File { .. } => State::Verify,
        }
    }

    fn after_last_byte(&self) -> State {
        let fetch = self.open.as_ref().and_then(|open| open.reply.as_ref());
        let fetched = fetch.is_some_and(reply::Fetch::is_complete);
        if self.config.reply != ReplyMode::None && self.reply_url.is_some() && !fetched {
            State::GetReply
        } else {
            State::Complete
        }
    }

    fn send(
        &mut self,
        now: Moment,
        packet: PacketType,
        range: Option<ContentRange>,
        probe: bool,
    ) -> Action {
        self.requests_in_row = self.requests_in_row.saturating_add(1);
        if self.requests_in_row > MAX_REQUESTS_WITHOUT_PAUSE && packet != PacketType::CancelSession
        {
            let error = Error::new(
                ErrorKind::Protocol,
                format!("{MAX_REQUESTS_WITHOUT_PAUSE} requests in a row made no progress"),
            );
            let pause = self.config.retry.first_delay;
            self.later(now, error.during(packet), Some(pause), true);
            return self.poll_action(now);
        }
        if packet == PacketType::CloseSession
            && let Some(open) = &mut self.open
            && matches!(open.doubt, Doubt::Bytes(_))
        {
            open.doubt = Doubt::None;
            open.limit_proof(Proof::File);
        }
        let connection = if self.reuse == Reuse::No { Connection::Fresh } else { self.connection };
        let request = Request {
            packet,
            range,
            connection,
            authorize: self.authorize,
            authorize_proxy: self.authorize_proxy,
            answer_limit: self.answer_limit(now, packet, range),
            probe,
        };
        self.running = Some(Running::Packet(request));
        // Kept before it goes out: whoever continues must know that it may have been sent (RES-06).
        self.checkpoint_due |= packet == PacketType::CloseSession;
        Action::Send(request)
    }

    /// How long the Ack may take: no longer than a lack of progress is borne, but for the last
    /// Fragment's, behind which an application may work (GIV-04).
    fn answer_limit(
        &self,
        now: Moment,
        packet: PacketType,
        range: Option<ContentRange>,
    ) -> Duration {
        let config = &self.config;
        if let (PacketType::CancelSession, Some(deadline)) = (packet, self.cancel_deadline) {
            let left = deadline.saturating_sub(now.monotonic);
            return config.answer_limit.min(left.max(LEAST_LIMIT));
        }
        if range.is_some_and(ContentRange::is_last) || packet == PacketType::CloseSession {
            return config.last_answer_limit;
        }
        // A body that moves is progress, so that the clock begins anew with its last byte.
        let since = if range.is_some() { now.monotonic } else { self.progress_at };
        let left = self.patience().saturating_sub(now.monotonic.saturating_sub(since));
        config.answer_limit.min(left.max(LEAST_LIMIT))
    }
}
