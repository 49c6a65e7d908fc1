//! Every transition of the client, in the order in which an upload meets them.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::format;
use core::time::Duration;

use super::{
    Action, AfterCancel, CancelMode, Config, Connection, Exchange, Failure, FailureClass,
    MAX_HEADS, MAX_RESTARTS, MAX_RESTARTS_IN_ALL, MAX_REWINDS, MAX_STUCK, Moment, NotNow, Notice,
    Outcome, Request, Retry, Running, Sent, Session, State, Summary,
};
use crate::ack::{Ack, RetryAfter};
use crate::classify::{Meaning, classify, invalid_answer};
use crate::error::{Error, ErrorKind};
use crate::explain;
use crate::fragment_size;
use crate::host::{self, HostId};
use crate::hresult::Hresult;
use crate::packet::{ContentRange, PacketType, SessionId};
use crate::reply::{self, ReplyMode};
use crate::retry::{MAX_RETRY_AFTER, WAIT_FOR_SERVER};
use crate::verify::{Evidence, Head, UnclearPolicy, VerifyPolicy, weigh};

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
    /// whole upload's time.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        Some(self.started? + self.config.max_time?)
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
            self.cancel_answered(now, ack, meaning, request);
            return Ok(());
        }
        match meaning {
            Meaning::Success => match packet {
                PacketType::Ping => self.state = self.pending(),
                PacketType::CreateSession => self.created(now, ack, date),
                PacketType::CloseSession => self.closed(),
                PacketType::Fragment | PacketType::CancelSession => {}
            },
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
            Meaning::Fatal(error) => self.fail(self.name_likely_cause(packet, error)),
        }
        Ok(())
    }

    /// The exchange under way met no answer.
    pub fn handle_failure(&mut self, now: Moment, failure: &Failure) -> Result<(), NotNow> {
        let running = self.running.take().ok_or(NotNow)?;
        self.connection = Connection::Fresh;
        let (kind, code) = match failure.class {
            FailureClass::Offline | FailureClass::Transport => (ErrorKind::Network, None),
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
                if failure.sent == Sent::Perhaps {
                    self.note_unclear(request);
                }
                if request.packet == PacketType::Fragment && failure.sent == Sent::Perhaps {
                    self.sizes.lost();
                }
            }
        }
        self.start_fallback(now);
        match failure.class {
            FailureClass::Fatal(_) if self.state == State::Cancel => self.cancel_failed(error),
            FailureClass::Fatal(_) => self.fail(error),
            FailureClass::BadAnswer => self.invalid(now, error),
            FailureClass::Offline => {
                let counts = !self.answered;
                self.later(now, error, None, counts);
            }
            FailureClass::Transport | FailureClass::Timeout => self.later(now, error, None, true),
        }
        Ok(())
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
        match fetch.handle(got) {
            reply::Progress::More => {
                self.progress_at = now.monotonic;
                self.attempts = 0;
                self.retries_in_row = 0;
            }
            reply::Progress::Complete => self.state = State::Complete,
            reply::Progress::Again(error) => self.later(now, error, None, true),
            reply::Progress::Failed(error) => self.fail(error),
            reply::Progress::Challenge { proxy } => {
                let answered = if proxy { &mut self.authorize_proxy } else { &mut self.authorize };
                let usable =
                    if proxy { self.config.proxy_credentials } else { self.config.credentials };
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
        if self.state.is_final() || self.is_cancelling() || self.suspended {
            return Err(NotNow);
        }
        self.suspended = true;
        self.suspended_at = Some(now.monotonic);
        if self.running.is_none() {
            self.state = State::Suspend;
        }
        Ok(())
    }

    /// Goes on after a pause, or after a failure that left a session: with a Ping, then with
    /// what is pending (MC-BUP §3.1.4.3).
    pub fn resume(&mut self, now: Moment) -> Result<(), NotNow> {
        let paused = self.suspended;
        let failed = self.state == State::Failed && self.session_id.is_some();
        if !paused && !failed {
            return Err(NotNow);
        }
        self.suspended = false;
        if let Some(at) = self.suspended_at.take() {
            // A pause is no lack of progress.
            let pause = now.monotonic.saturating_sub(at);
            self.progress_at += pause;
            self.started = self.started.map(|started| started + pause);
        }
        if failed {
            self.outcome = None;
            self.authorize = false;
            self.authorize_proxy = false;
            self.started = Some(now.monotonic);
            self.refill(now);
        }
        self.ask_again_for_reply();
        if self.running.is_none() {
            self.retry = None;
            self.state = self.entrance();
        }
        Ok(())
    }

    /// New credentials replace those that were refused, or that were missing.
    pub fn set_credentials(&mut self, server: bool, proxy: bool) {
        self.config.credentials = server;
        self.config.proxy_credentials = proxy;
        self.authorize = false;
        self.authorize_proxy = false;
    }

    /// Gives the upload up. A running request is aborted first; what the server holds is
    /// deleted, or left to be continued.
    pub fn cancel(&mut self, now: Moment, mode: CancelMode) -> Result<(), NotNow> {
        if matches!(self.state, State::Done | State::Cancelled) || self.is_cancelling() {
            return Err(NotNow);
        }
        self.suspended = false;
        self.outcome = None;
        self.abort_running();
        match mode {
            CancelMode::Keep => self.end_cancelled(false, true),
            CancelMode::Delete if self.session_id.is_none() => self.end_cancelled(true, false),
            CancelMode::Delete => self.begin_cancel(now, AfterCancel::Finish),
        }
        Ok(())
    }

    /// The source cannot be read any more, or has changed: the session cannot be finished.
    /// It is deleted on the server if the source has changed.
    pub fn fail_source(&mut self, now: Moment, error: Error) -> Result<(), NotNow> {
        if self.state.is_final() || self.is_cancelling() {
            return Err(NotNow);
        }
        self.suspended = false;
        self.abort_running();
        if self.session_id.is_some() && error.kind() == ErrorKind::SourceChanged {
            self.begin_cancel(now, AfterCancel::Fail(error));
        } else {
            self.fail(error);
        }
        Ok(())
    }

    // ---- what comes next -------------------------------------------------

    /// The first packet of an upload, and of every new try: Ping in a session.
    fn entrance(&self) -> State {
        if self.session_id.is_some() || self.config.opening_ping {
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
            answer_limit: if last {
                self.config.last_answer_limit
            } else {
                self.config.answer_limit
            },
            repeats: range.is_some() && self.unclear,
        };
        self.running = Some(Running::Packet(request));
        Action::Send(request)
    }

    fn poll_retry(&mut self, now: Moment) -> Action {
        match &self.retry {
            Some(retry) if now.monotonic < retry.at => Action::Wait(retry.at),
            Some(retry) => {
                self.state = retry.state;
                self.retry = None;
                self.counters.retries += 1;
                self.poll_action(now)
            }
            None => {
                self.state = self.entrance();
                self.poll_action(now)
            }
        }
    }

    // ---- Create-Session --------------------------------------------------

    fn created(&mut self, now: Moment, ack: &Ack<'_>, date: Option<u64>) {
        let invalid = |what| invalid_answer(PacketType::CreateSession, ack, what);
        let Some(id) = ack.session_id.and_then(SessionId::new) else {
            return self.invalid(
                now,
                invalid("the session id is longer than 100 characters or not visible ASCII"),
            );
        };
        let named = match ack.host_id.map(HostId::parse) {
            None => None,
            Some(Some(named)) => Some(named),
            Some(None) => return self.invalid(now, invalid("BITS-Host-Id is not a host")),
        };
        self.session_id = Some(id);
        self.created = date.unwrap_or(now.unix);
        self.checkpoint_due = true;
        self.notice(Notice::SessionCreated);
        let Config { origin, host_policy, trusted_hosts, .. } = &self.config;
        let followed = match named {
            None => None,
            Some(named) => match host::decide(origin, named, *host_policy, trusted_hosts) {
                Ok(followed) => followed,
                Err(host::Untrusted(host)) => {
                    let message = format!(
                        "the server wants the upload to go to {host}, which is not a trusted host (to allow it: --trusted-host {})",
                        host.host()
                    );
                    return self.fail(
                        Error::new(ErrorKind::HostIdUntrusted, message)
                            .during(PacketType::CreateSession),
                    );
                }
            },
        };
        self.stop_fallback();
        self.fallen_back = false;
        match followed {
            Some(host) => {
                if self.host_id.as_ref() != Some(&host) {
                    self.notice(Notice::HostChanged(format!("{host}")));
                    self.connection = Connection::Fresh;
                }
                self.host_id = Some(host);
                self.fallback = ack.fallback_timeout.map(Duration::from_secs);
                self.state = State::Ping;
            }
            None => {
                if self.host_id.take().is_some() {
                    self.connection = Connection::Fresh;
                }
                self.fallback = None;
                self.state = self.pending();
            }
        }
    }

    /// An Ack may leave the session id out, but not name another session.
    fn check_session(&self, packet: PacketType, ack: &Ack<'_>) -> Option<Meaning> {
        let (ours, theirs) = (self.session_id.as_ref()?, ack.session_id?);
        let may_differ = matches!(packet, PacketType::CreateSession | PacketType::Ping);
        (!may_differ && !ours.matches(theirs)).then(|| {
            Meaning::Invalid(invalid_answer(packet, ack, "the answer belongs to another session"))
        })
    }

    // ---- Fragment --------------------------------------------------------

    fn poll_fragment(&mut self, now: Moment) -> Action {
        if self.unclear && self.config.on_unclear == UnclearPolicy::Restart {
            self.begin_cancel(now, AfterCancel::Restart);
            return self.send(PacketType::CancelSession, None);
        }
        let left = self.config.size - self.offset;
        let mut length = self.sizes.size().min(left);
        if self.unclear {
            length = length.min(fragment_size::PROBE);
        }
        let Some(range) = ContentRange::new(self.offset, length, self.config.size) else {
            self.fail(Error::new(ErrorKind::Internal, "a fragment would be empty"));
            return Action::Finished;
        };
        self.sent_bytes = self.sent_bytes.saturating_add(length);
        if let Some(limit) = self.config.max_bytes.filter(|limit| self.sent_bytes > *limit) {
            self.sent_bytes -= length;
            self.fail(Error::new(
                ErrorKind::LimitReached,
                format!("the limit of {limit} bytes to send is reached"),
            ));
            return Action::Finished;
        }
        if self.unclear {
            self.counters.unclear_resends += 1;
            self.checkpoint_due = true;
        }
        self.send(PacketType::Fragment, Some(range))
    }

    fn fragment_answered(
        &mut self,
        now: Moment,
        ack: &Ack<'_>,
        request: Request,
        offset: Option<u64>,
        corrected: bool,
        exchange: Exchange,
    ) {
        let Some(range) = request.range else { return };
        let invalid = |what| invalid_answer(PacketType::Fragment, ack, what);
        let offset = match offset {
            Some(offset) if offset > self.config.size => {
                self.note_unclear(request);
                return self
                    .invalid(now, invalid("the server wants to continue beyond the file's end"));
            }
            Some(offset) => offset,
            None if self.config.lenient_offset => range.end(),
            None => {
                self.note_unclear(request);
                return self.invalid(now, invalid("the answer does not say where to continue"));
            }
        };
        self.stop_fallback();
        self.unclear = false;
        self.counters.fragments += 1;
        if corrected {
            self.checks_offsets = true;
        } else if offset == range.end() {
            self.sizes.accepted(range.length(), exchange.sending, exchange.waiting);
        }
        if offset != range.end() {
            self.notice(Notice::Moved { from: range.end(), to: offset });
        }
        self.adopt(now, range.first(), offset);
        if self.state.is_final() {
            return;
        }
        if offset < self.config.size {
            self.state = State::Fragment;
        } else {
            self.last_byte_stored(ack);
        }
    }

    /// The server's offset is the truth, wherever it leads; but it must lead somewhere.
    fn adopt(&mut self, now: Moment, first: u64, offset: u64) {
        self.offset = offset;
        self.checkpoint_due = true;
        if offset > self.highest {
            self.highest = offset;
            self.refill(now);
        }
        if offset > self.highest_ever {
            self.highest_ever = offset;
            self.restarts_in_row = 0;
        }
        if offset > first {
            self.stuck = 0;
        } else {
            self.stuck += 1;
        }
        if offset < first {
            self.rewinds += 1;
        }
        let message = if self.stuck >= MAX_STUCK {
            format!(
                "the server acknowledged {MAX_STUCK} parts in a row without moving on from byte {offset}"
            )
        } else if self.rewinds > MAX_REWINDS {
            format!("the server goes back again and again, last to byte {offset}")
        } else {
            return;
        };
        self.fail(
            Error::new(ErrorKind::Protocol, message)
                .during(PacketType::Fragment)
                .with_code(Hresult::NO_PROGRESS),
        );
    }

    fn last_byte_stored(&mut self, ack: &Ack<'_>) {
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
        if self.config.reply == ReplyMode::Required && self.reply_url.is_none() {
            return self.fail(
                Error::new(
                    ErrorKind::Refused,
                    "the server has no reply to this upload, and one was asked for",
                )
                .during(PacketType::Fragment),
            );
        }
        self.state = self.after_last_byte();
    }

    fn too_large(&mut self, ack: &Ack<'_>, request: Request) {
        let refused = request.range.map_or(0, ContentRange::length);
        if self.sizes.refused(refused) {
            self.notice(Notice::Shrunk { refused, next: self.sizes.size() });
            self.state = State::Fragment;
        } else {
            self.fail(explain::refusal(request.packet, ack));
        }
    }

    /// All bytes are acknowledged and the reply's URL is not known: an Ack of the last
    /// Fragment carries it, so the end is sent again.
    pub(super) fn ask_again_for_reply(&mut self) {
        let complete = self.offset == self.config.size && self.session_id.is_some();
        if complete && self.config.reply == ReplyMode::Required && self.reply_url.is_none() {
            self.offset -= self.config.size.min(fragment_size::PROBE);
            self.unclear = true;
            self.close_unclear = false;
        }
    }

    // ---- GetReply --------------------------------------------------------

    fn poll_reply(&mut self) -> Action {
        let Some(url) = &self.reply_url else {
            self.state = State::Complete;
            return self.send(PacketType::CloseSession, None);
        };
        let fetch = self.reply.get_or_insert_with(|| reply::Fetch::new(url.clone()));
        self.running = Some(Running::Reply);
        Action::GetReply(fetch.next(self.authorize, self.authorize_proxy))
    }

    // ---- Close-Session and after ------------------------------------------

    fn closed(&mut self) {
        let doubt = self.counters.unclear_resends > 0 && !self.checks_offsets;
        let ask = match self.config.verify {
            VerifyPolicy::Never => false,
            VerifyPolicy::Always => true,
            VerifyPolicy::Auto => doubt,
        };
        self.close_unclear = false;
        if ask && self.config.reply == ReplyMode::None {
            self.heads = 0;
            self.state = State::Verify;
        } else {
            self.done(Summary { close_confirmed: true, verified: !doubt });
        }
    }

    fn weighed(&mut self, evidence: Evidence) {
        if self.close_unclear {
            return self.close_weighed(evidence);
        }
        let failed = |message: &'static str| Error::new(ErrorKind::VerifyFailed, message);
        match evidence {
            Evidence::Same => self.done(Summary { close_confirmed: true, verified: true }),
            Evidence::Different => {
                self.appends = self.counters.unclear_resends > 0;
                self.fail_closed(failed(
                    "the file on the server has another size than the one that was sent: a part was stored twice or not at all",
                ));
            }
            Evidence::Unknown if self.config.verify == VerifyPolicy::Always => {
                self.fail_closed(failed(
                    "all was sent and closed, but the server does not tell the file's size",
                ));
            }
            Evidence::Unknown => {
                self.notice(Notice::NotVerified);
                self.done(Summary { close_confirmed: true, verified: false });
            }
        }
    }

    /// Close-Session was sent twice, and the second one met a session that is gone.
    fn close_weighed(&mut self, evidence: Evidence) {
        match (evidence, self.config.on_unclear) {
            (Evidence::Same, _) => {
                self.notice(Notice::CloseUnconfirmed);
                self.done(Summary { close_confirmed: false, verified: true });
            }
            (_, UnclearPolicy::Accept) => {
                self.notice(Notice::CloseUnconfirmed);
                self.done(Summary { close_confirmed: false, verified: false });
            }
            (_, UnclearPolicy::Restart) => self.restart(),
            (Evidence::Different | Evidence::Unknown, UnclearPolicy::Resend) => {
                self.fail_closed(Error::new(
                    ErrorKind::VerifyFailed,
                    "the answer to Close-Session was lost and the session is gone: the file has probably arrived, but the server does not prove it",
                ));
            }
        }
    }

    fn head_failed(&mut self, now: Moment, cause: Error) {
        self.heads += 1;
        if self.heads >= MAX_HEADS {
            self.weighed(Evidence::Unknown);
        } else {
            let delay = self.config.retry.delay(self.heads + 1, now.random);
            self.wait(now, cause, delay, State::Verify);
        }
    }

    fn done(&mut self, summary: Summary) {
        self.state = State::Done;
        self.outcome = Some(Outcome::Done(summary));
        self.checkpoint_due = true;
        self.session_id = None;
    }

    // ---- a session that is gone -------------------------------------------

    fn session_lost(&mut self, now: Moment, ack: &Ack<'_>, request: Request) {
        let error = explain::refusal(request.packet, ack);
        if request.packet == PacketType::CloseSession && self.close_unclear {
            self.heads = 0;
            self.state = State::Verify;
            return;
        }
        if request.packet == PacketType::CreateSession {
            // There is no session that could be lost: the answer makes no sense yet.
            return self.invalid(now, error);
        }
        if self.restarts_in_row >= MAX_RESTARTS || self.counters.restarts >= MAX_RESTARTS_IN_ALL {
            let sessions = self.restarts_in_row + 1;
            return self.fail(error.with_message(format!(
                "the server forgot the session again and again ({sessions} sessions in a row)"
            )));
        }
        self.notice(Notice::SessionLost);
        self.restart();
    }

    /// Starts over from byte 0 with a new session, at the host the old one had.
    fn restart(&mut self) {
        if self.restarts_in_row >= MAX_RESTARTS || self.counters.restarts >= MAX_RESTARTS_IN_ALL {
            return self.fail(Error::new(
                ErrorKind::Refused,
                "the upload had to be started over again and again without getting further",
            ));
        }
        self.restarts_in_row += 1;
        self.counters.restarts += 1;
        self.session_id = None;
        self.offset = 0;
        self.highest = 0;
        self.unclear = false;
        self.close_unclear = false;
        self.stuck = 0;
        self.reply = None;
        self.reply_url = None;
        self.checkpoint_due = true;
        self.state = State::CreateSession;
    }

    // ---- credentials ------------------------------------------------------

    /// MC-BUP §3.1.5.1.7: credentials that were not sent yet go with the same packet;
    /// those that were are refused, and are not sent again.
    fn challenged(&mut self, ack: &Ack<'_>, request: Request, proxy: bool) {
        let carried = if proxy { request.authorize_proxy } else { request.authorize };
        let usable = if proxy { self.config.proxy_credentials } else { self.config.credentials };
        if usable && !carried {
            if proxy {
                self.authorize_proxy = true;
            } else {
                self.authorize = true;
            }
            return;
        }
        let mut error = unauthorized(proxy, usable)
            .during(request.packet)
            .with_status(ack.status)
            .with_context(ack.context);
        if let Some(code) = ack.code {
            error = error.with_code(code);
        }
        self.fail(error);
    }

    // ---- Cancel-Session ---------------------------------------------------

    fn begin_cancel(&mut self, now: Moment, after: AfterCancel) {
        self.after_cancel = after;
        self.connection = Connection::Fresh;
        self.retry = None;
        self.attempts = 0;
        self.retries_in_row = 0;
        self.invalid_in_row = 0;
        self.cancel_deadline = Some(now.monotonic + self.config.cancel_limit);
        self.state = State::Cancel;
    }

    /// Cancel-Session is under way, or waits for its next try.
    fn is_cancelling(&self) -> bool {
        self.state == State::Cancel
            || self.retry.as_ref().is_some_and(|retry| retry.state == State::Cancel)
    }

    fn cancel_answered(&mut self, now: Moment, ack: &Ack<'_>, meaning: Meaning, request: Request) {
        match meaning {
            Meaning::Success | Meaning::SessionLost => self.cancel_done(true),
            Meaning::Challenge { proxy: false }
                if self.config.credentials && !request.authorize =>
            {
                self.authorize = true;
            }
            Meaning::Challenge { proxy: true }
                if self.config.proxy_credentials && !request.authorize_proxy =>
            {
                self.authorize_proxy = true;
            }
            Meaning::Later(error) if ack.status >= 500 => self.later(now, error, None, true),
            Meaning::Invalid(error) => self.invalid(now, error),
            // A 4xx says that there is nothing to cancel, or that we may not: no retry helps.
            _ if (400..500).contains(&ack.status) => self.cancel_done(true),
            _ => self.cancel_failed(explain::refusal(request.packet, ack)),
        }
    }

    fn cancel_done(&mut self, confirmed: bool) {
        self.session_id = None;
        self.checkpoint_due = true;
        self.cancel_deadline = None;
        match core::mem::replace(&mut self.after_cancel, AfterCancel::Finish) {
            AfterCancel::Finish => self.end_cancelled(confirmed, false),
            AfterCancel::Restart => self.restart(),
            AfterCancel::Fail(error) => self.fail(error),
        }
    }

    /// The server could not be told. What was to follow does so all the same.
    fn cancel_failed(&mut self, error: Error) {
        match self.after_cancel {
            AfterCancel::Finish => {
                let message = format!(
                    "the session could not be cancelled on the server: {}",
                    error.message()
                );
                self.fail(error.with_message(message));
            }
            AfterCancel::Restart | AfterCancel::Fail(_) => self.cancel_done(false),
        }
    }

    fn end_cancelled(&mut self, confirmed: bool, kept: bool) {
        self.retry = None;
        self.checkpoint_due = true;
        self.state = State::Cancelled;
        self.outcome = Some(Outcome::Cancelled { confirmed, kept });
    }

    fn abort_running(&mut self) {
        if let Some(running) = self.running {
            self.abort = true;
            if let Running::Packet(request) = running {
                self.note_unclear(request);
            }
        }
    }

    // ---- failures ---------------------------------------------------------

    /// The server may have acted on this request although its Ack is missing.
    fn note_unclear(&mut self, request: Request) {
        match request.packet {
            PacketType::Fragment => self.unclear = true,
            PacketType::CloseSession => self.close_unclear = true,
            PacketType::Ping | PacketType::CreateSession | PacketType::CancelSession => {}
        }
    }

    /// An answer that BITS does not know: a few more tries on new connections, then an error.
    fn invalid(&mut self, now: Moment, error: Error) {
        self.invalid_in_row += 1;
        self.connection = Connection::Fresh;
        if self.invalid_in_row > self.config.retry.max_invalid {
            if self.state == State::Cancel {
                self.cancel_failed(error);
            } else {
                self.fail(error);
            }
        } else {
            self.later(now, error, None, true);
        }
    }

    /// Tries again later, or gives up if a budget is used up.
    fn later(&mut self, now: Moment, cause: Error, wait: Option<Duration>, counts: bool) {
        if counts {
            self.attempts += 1;
        }
        self.retries_in_row = self.retries_in_row.saturating_add(1);
        let own = self.config.retry.delay(self.retries_in_row, now.random);
        let delay = own.max(wait.unwrap_or_default());
        if let Some(error) = self.exhausted(now, &cause, delay, wait) {
            if self.state == State::Cancel {
                self.cancel_failed(error);
            } else {
                self.fail(error);
            }
            return;
        }
        let state = if self.state == State::Cancel { State::Cancel } else { self.entrance() };
        self.wait(now, cause, delay, state);
    }

    fn wait(&mut self, now: Moment, cause: Error, delay: Duration, state: State) {
        let mut at = now.monotonic + delay;
        if let Some(fallback) = self.fallback_at.filter(|_| self.host().is_some()) {
            at = at.min(fallback.max(now.monotonic));
        }
        self.notice(Notice::Retrying {
            cause: cause.clone(),
            delay: at.saturating_sub(now.monotonic),
            attempt: self.attempts,
        });
        self.retry = Some(Retry { at, state, cause });
        self.state = State::Error;
    }

    /// Whether a budget forbids another try after `delay`; then the error to end with.
    fn exhausted(
        &self,
        now: Moment,
        cause: &Error,
        delay: Duration,
        asked: Option<Duration>,
    ) -> Option<Error> {
        let policy = &self.config.retry;
        let next = now.monotonic + delay;
        let end = |reason: Cow<'static, str>| {
            let kind = match cause.kind() {
                // The server kept answering "later".
                ErrorKind::Refused => ErrorKind::Timeout,
                kind => kind,
            };
            Some(
                cause
                    .clone()
                    .with_kind(kind)
                    .with_message(format!("{}; {reason}", cause.message())),
            )
        };
        if let Some(deadline) = self.cancel_deadline {
            return if next > deadline { end("given up".into()) } else { None };
        }
        if let Some(asked) = asked.filter(|asked| *asked > MAX_RETRY_AFTER) {
            return end(format!(
                "the server asks to wait {} s, which is too long",
                asked.as_secs()
            )
            .into());
        }
        if !self.answered {
            let waited = next.saturating_sub(self.progress_at);
            let patient = policy.wait_for_server > WAIT_FOR_SERVER;
            let tried = self.attempts >= policy.attempts_unanswered && !patient;
            return if tried || waited > policy.wait_for_server {
                end(format!("given up after {} tries, no server has answered", self.attempts)
                    .into())
            } else {
                None
            };
        }
        if let Some(max) = policy.max_attempts.filter(|max| self.attempts >= *max) {
            return end(format!("given up after {max} tries without progress").into());
        }
        let mut limit = policy.give_up_after;
        if self.config.wait_out_fallback && self.host().is_some() {
            if let Some(fallback) = self.fallback {
                limit = limit.max(fallback.saturating_add(Duration::from_secs(3600)));
            }
        }
        if next.saturating_sub(self.progress_at) > limit {
            let seconds = limit.as_secs();
            return end(format!(
                "given up after {seconds} s without progress ({} tries)",
                self.attempts
            )
            .into());
        }
        None
    }

    /// Gives up. The session stays where it is, so that the upload can be continued.
    fn fail(&mut self, error: Error) {
        self.abort_running();
        self.retry = None;
        self.checkpoint_due = true;
        self.state = State::Failed;
        self.outcome = Some(Outcome::Failed(error));
    }

    /// Gives up after the session was closed: there is nothing to continue.
    fn fail_closed(&mut self, error: Error) {
        self.session_id = None;
        self.fail(error);
    }

    /// Progress fills every budget.
    fn refill(&mut self, now: Moment) {
        self.progress_at = now.monotonic;
        self.attempts = 0;
        self.retries_in_row = 0;
        self.invalid_in_row = 0;
        self.rewinds = 0;
        self.stuck = 0;
    }

    fn is_over_time(&self, now: Moment) -> bool {
        !self.is_cancelling()
            && !self.suspended
            && self.deadline().is_some_and(|deadline| now.monotonic >= deadline)
    }

    fn name_likely_cause(&self, packet: PacketType, error: Error) -> Error {
        let empty = self.config.size == 0 && packet == PacketType::CloseSession;
        if empty && matches!(error.http_status(), Some(400 | 416)) {
            return error.with_message("the server does not support empty files");
        }
        error
    }

    // ---- host fallback (MC-BUP §3.1.2.3) -----------------------------------

    fn start_fallback(&mut self, now: Moment) {
        if let (Some(limit), true, None) = (self.fallback, self.host().is_some(), self.fallback_at)
        {
            self.fallback_at = Some(now.monotonic + limit);
            self.fallback_since = Some(now.unix);
            self.checkpoint_due = true;
        }
    }

    fn stop_fallback(&mut self) {
        if self.fallback_at.take().is_some() {
            self.fallback_since = None;
            self.checkpoint_due = true;
        }
    }

    fn expire_fallback(&mut self, now: Moment) {
        let due = self.fallback_at.is_some_and(|at| now.monotonic >= at);
        if due && self.host().is_some() {
            self.fallen_back = true;
            self.fallback_at = None;
            self.fallback_since = None;
            self.connection = Connection::Fresh;
            self.checkpoint_due = true;
            self.notice(Notice::FellBack);
        }
    }
}

fn unauthorized(proxy: bool, refused: bool) -> Error {
    match (proxy, refused) {
        (false, false) => Error::new(ErrorKind::Auth, "the server wants credentials"),
        (false, true) => Error::new(ErrorKind::Auth, "the server refused the credentials"),
        (true, false) => Error::new(ErrorKind::ProxyAuth, "the proxy wants credentials"),
        (true, true) => Error::new(ErrorKind::ProxyAuth, "the proxy refused the credentials"),
    }
}

/// `Retry-After` in seconds, or as a date by the server's clock.
fn retry_after_of(
    ack: &Ack<'_>,
    date: Option<u64>,
    retry_after_date: Option<u64>,
    now: Moment,
) -> Option<Duration> {
    match ack.retry_after? {
        RetryAfter::Seconds(seconds) => Some(Duration::from_secs(seconds)),
        RetryAfter::Date(_) => {
            let then = retry_after_date?;
            Some(Duration::from_secs(then.saturating_sub(date.unwrap_or(now.unix))))
        }
    }
}
