//! Every transition of the client: what the driver calls stands here, the parts of an
//! upload in the files below, in the order in which an upload meets them.

use alloc::format;
use core::time::Duration;

use super::{
    Action, AfterCancel, CancelMode, Connection, Exchange, Failure, FailureClass, Moment, NotNow,
    Request, Running, Sent, Session, State,
};
use crate::ack::Ack;
use crate::classify::{Meaning, classify};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::hresult::Hresult;
use crate::packet::{ContentRange, PacketType};
use crate::reply::{self, ReplyMode};
use crate::verify::{Head, weigh};

mod cancel;
mod close;
mod create;
mod failure;
mod fragment;

use failure::{retry_after_of, unauthorized};

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
        if self.config.size == 0 && self.config.refuse_empty && self.session_id.is_none() {
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
                self.state = self.entrance();
                self.poll_action(now)
            }
            State::Error => self.poll_retry(now),
            State::CreateSession => self.send(PacketType::CreateSession, None),
            State::Ping => self.send(PacketType::Ping, None),
            State::Fragment => self.poll_fragment(now),
            State::GetReply => self.poll_reply(),
            State::Complete => self.send(PacketType::CloseSession, None),
            State::Cancel => self.send(PacketType::CancelSession, None),
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
        match meaning {
            Meaning::Success => {
                self.sizes.answered(exchange.waiting);
                match packet {
                    PacketType::Ping => self.state = self.pending(),
                    PacketType::CreateSession => self.created(now, ack, date),
                    PacketType::CloseSession => self.closed(),
                    PacketType::Fragment | PacketType::CancelSession => {}
                }
            }
            Meaning::ContinueAt { offset, corrected } => {
                self.fragment_answered(now, ack, request, offset, corrected, exchange);
            }
            Meaning::SessionLost => self.session_lost(now, ack, request),
            Meaning::Challenge { proxy } => self.challenged(ack, request, proxy),
            Meaning::TooLarge => self.too_large(ack, request),
            Meaning::NotFoundMaybeTooLarge => {
                let length = request.range.map_or(0, ContentRange::length);
                if length > self.sizes.largest_accepted() && length > self.config.fragment.floor {
                    self.too_large(ack, request);
                } else {
                    self.fail(explain::refusal(packet, ack));
                }
            }
            Meaning::Invalid(error) => {
                self.note_unclear(request);
                self.start_fallback(now);
                self.invalid(now, error);
            }
            Meaning::Later(error) => {
                // A gateway may answer for a server that has stored the part all the same.
                if !ack.is_ack && ack.code.is_none() {
                    self.note_unclear(request);
                }
                self.start_fallback(now);
                let wait = retry_after_of(ack, date, retry_after, now);
                self.later(now, error, wait, true);
            }
            Meaning::Fatal(error) => {
                // So may whoever sends the client elsewhere.
                if !ack.is_ack && ack.code.is_none() {
                    self.note_unclear(request);
                }
                self.start_fallback(now);
                self.fail(self.name_likely_cause(packet, error));
            }
        }
        Ok(())
    }

    /// The exchange under way met no answer.
    pub fn handle_failure(&mut self, now: Moment, failure: &Failure) -> Result<(), NotNow> {
        let running = self.running.take().ok_or(NotNow)?;
        self.connection = Connection::Fresh;
        let (kind, code) = match failure.class {
            FailureClass::Offline | FailureClass::Transport | FailureClass::Stale => {
                (ErrorKind::Network, None)
            }
            FailureClass::Timeout => (ErrorKind::Timeout, None),
            FailureClass::BadAnswer => {
                (ErrorKind::Protocol, Some(Hresult::INVALID_SERVER_RESPONSE))
            }
            FailureClass::Fatal(kind) => (kind, None),
        };
        let mut error = Error::new(kind, failure.message.clone());
        if let Some(code) = code {
            error = error.with_code(code);
        }
        match running {
            Running::Head => {
                self.head_failed(now, error);
                return Ok(());
            }
            Running::Reply => {
                if let Some(fetch) = &mut self.reply {
                    fetch.failed();
                }
            }
            Running::Packet(request) => {
                error = error.during(request.packet);
                if failure.sent != Sent::Nothing {
                    self.note_unclear(request);
                }
                if request.packet == PacketType::Fragment && failure.sent == Sent::Body {
                    self.sizes.lost();
                }
                self.start_fallback(now);
            }
        }
        match failure.class {
            FailureClass::Fatal(_) if self.state == State::Cancel => self.cancel_failed(error),
            FailureClass::Fatal(_) => self.fail(error),
            FailureClass::BadAnswer => self.invalid(now, error),
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
        self.weighed(weigh(head, self.config.size, self.created));
        Ok(())
    }

    /// What became of the GET under way, and of its bytes.
    pub fn handle_reply(&mut self, now: Moment, got: &reply::Got) -> Result<(), NotNow> {
        if self.running != Some(Running::Reply) {
            return Err(NotNow);
        }
        let Some(fetch) = &mut self.reply else {
            return Err(NotNow);
        };
        self.running = None;
        self.connection = Connection::Keep;
        let progress = fetch.handle(got);
        if fetch.take_progress() || progress == reply::Progress::Complete {
            self.refill(now);
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
            self.refill(now);
        }
        if self.running.is_none() {
            self.ask_again_for_reply();
            // A cancel may have failed, or be that of a session to be replaced.
            self.cancel_deadline = None;
            self.retry = None;
            self.state = self.entrance();
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
            _ if self.session_id.is_none() => self.end_cancelled(true, false),
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
            ErrorKind::SourceChanged if self.session_id.is_some() => {
                self.begin_cancel(now, AfterCancel::Fail(error));
            }
            ErrorKind::SourceChanged => self.fail_for_good(error),
            _ => self.fail(error),
        }
        Ok(())
    }

    // ---- what comes next -------------------------------------------------

    /// The first packet of an upload, and of every new try: Ping in a session.
    fn entrance(&self) -> State {
        if self.closed {
            State::Verify
        } else if self.session_id.is_some() || self.config.opening_ping {
            State::Ping
        } else {
            State::CreateSession
        }
    }

    /// What a Ping opens the way for.
    fn pending(&self) -> State {
        if self.session_id.is_none() {
            State::CreateSession
        } else if self.offset < self.config.size {
            State::Fragment
        } else {
            self.after_last_byte()
        }
    }

    fn after_last_byte(&self) -> State {
        let fetched = self.reply.as_ref().is_some_and(reply::Fetch::is_complete);
        if self.config.reply != ReplyMode::None && self.reply_url.is_some() && !fetched {
            State::GetReply
        } else {
            State::Complete
        }
    }

    fn send(&mut self, packet: PacketType, range: Option<ContentRange>) -> Action {
        let last = range.is_some_and(ContentRange::is_last) || packet == PacketType::CloseSession;
        let request = Request {
            packet,
            range,
            connection: self.connection,
            authorize: self.authorize,
            authorize_proxy: self.authorize_proxy,
            answer_limit: match packet {
                PacketType::CancelSession => self.config.answer_limit.min(self.config.cancel_limit),
                _ if last => self.config.last_answer_limit,
                _ => self.config.answer_limit,
            },
            repeats: range.is_some() && self.unclear,
        };
        self.running = Some(Running::Packet(request));
        Action::Send(request)
    }
}
