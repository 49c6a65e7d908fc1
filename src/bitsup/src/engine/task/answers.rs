//! Step 3 of the driving contract: how exchanges end.

use std::io;
use std::time::Duration;

use bitsup_core::journal::{Due, Watch};
use bitsup_proto::Moment;
use bitsup_proto::session::{self, Failure, FailureClass};

use super::super::Core;
use super::super::proxy_auth;
use super::super::reply;
use super::wording::ack;
use super::{Running, Task, class, head, http_date, number};
use crate::diagnosis::Remark;
use crate::error::{Error, ErrorKind};
use crate::options::IfExists;
use crate::progress::{AckEvent, Event, Receipt};
use crate::transport::{self, Answer, FailureKind};

impl Task {
    pub(crate) fn exchange_ended(&mut self, event: transport::Event, core: &mut Core) {
        self.requests = self.requests.saturating_add(event.stats.requests);
        if event.withheld {
            // Nothing is known of a login that was not shown.
            self.note_no_verdict(core);
        }
        let Some(event) = self.proxy_challenged(event, core) else { return };
        match event.result {
            Ok(answer) if self.is_challenge(&answer) => {
                if let Some((answer, stats)) = self.challenged(answer, event.stats, core) {
                    self.answered(&answer, &stats, core);
                }
            }
            Ok(answer) => {
                self.note_taken(&answer, core);
                self.answered(&answer, &event.stats, core);
            }
            Err(failure) => self.failed(failure, core),
        }
    }

    pub(super) fn answered(&mut self, answer: &Answer, stats: &transport::Stats, core: &mut Core) {
        let Some(running) = self.running.take() else { return };
        let now = core.now();
        self.remark = Remark::of_answer(answer);
        self.record_answer(&running, answer, core);
        self.act_on(running, answer, stats, now, core);
    }

    fn act_on(
        &mut self,
        running: Running,
        answer: &Answer,
        stats: &transport::Stats,
        now: Moment,
        core: &mut Core,
    ) {
        match running {
            Running::Precheck => self.precheck_answered(answer, stats, core),
            Running::Head => {
                let _ = self.session.handle_head(&head(answer));
            }
            Running::Reply { at_proxy } => {
                if answer.status == 407 {
                    self.challenged_by_proxy(answer, stats, at_proxy, core);
                }
                if let Some(fetch) = &mut self.reply {
                    match fetch.answered(answer, &self.destination) {
                        Ok(got) => {
                            let _ = self.session.handle_reply(now, &got);
                        }
                        Err(error) => self.reply_broken(error, core),
                    }
                }
            }
            Running::Packet(request, started) => {
                let ack = ack(answer);
                if answer.status == 407 {
                    self.challenged_by_proxy(answer, stats, request.authorize_proxy, core);
                }
                let date = ack.date.and_then(http_date);
                let retry_after = match ack.retry_after {
                    Some(bitsup_proto::ack::RetryAfter::Date(text)) => http_date(text),
                    _ => None,
                };
                let exchange = session::Exchange {
                    sending: stats.sending_time,
                    waiting: stats.answer_delay,
                    body_sent: stats.sent,
                    reconnected: stats.reconnected,
                };
                if let Some(range) = request.range
                    && let Some(most) = core.limiter.acknowledged(self.id, range.length(), stats)
                {
                    self.session.hold_fragments(most);
                }
                let highest = self.session.offset();
                let (_, due) = Watch::answered(request.packet, &mut self.session, |session| {
                    session.handle_ack(now, &ack, date, retry_after, exchange)
                });
                if matches!(due, Due::Created) || self.session.offset() > highest {
                    self.requests = 0;
                }
                match (due, &self.keeper) {
                    (Due::Created, _) => {
                        if let Some(news) = self.life.news(&mut self.session) {
                            self.keep(news, core);
                        }
                    }
                    (Due::NotCreated, Some(keeper)) => keeper.not_created(),
                    _ => {}
                }
                self.sent_nothing();
                if let Some(id) = self.session.session_id() {
                    self.session_name = Some(id.as_str().to_owned());
                }
                let event = AckEvent {
                    packet: request.packet,
                    range: request.range.map(|range| (range.first(), range.length())),
                    status: answer.status,
                    offset: match ack.offset {
                        bitsup_proto::ack::Offset::At(offset) if request.range.is_some() => {
                            Some(offset)
                        }
                        _ => None,
                    },
                    hresult: ack.code,
                    duration: started.elapsed(),
                    session_created: due == Due::Created,
                    new_connection: stats.new_connection,
                    peer: stats.peer,
                    connect_time: stats.connect_time,
                };
                core.dispatcher.push(&self.shared.ear, Event::Ack(event));
            }
        }
    }

    pub(super) fn failed(&mut self, failure: transport::Failure, core: &mut Core) {
        let Some(running) = self.running.take() else { return };
        self.sent_nothing();
        self.record_failure(&running, &failure, core);
        self.note_no_verdict(core);
        if matches!(running, Running::Precheck) {
            // The upload itself will tell what is wrong.
            self.life.asked();
            return;
        }
        self.remark = Remark::of_failure(&failure);
        if matches!(failure.kind, FailureKind::ProxyFailed(Some(407))) {
            proxy_auth::refuse(&self.options, &mut core.logins);
        }
        let now = core.now();
        if let (FailureKind::Source(error), Running::Packet(..)) = (&failure.kind, running) {
            let error = self.source_failed(error);
            let protocol = error.protocol().clone();
            self.local_error = Some(error);
            // Reported first, so that the state machine knows that nothing runs any more.
            let class = FailureClass::Transport;
            let lost = Failure {
                class,
                sent: sent(failure.sent),
                idle: failure.idle,
                message: failure.message,
            };
            let _ = self.session.handle_failure(now, &lost);
            let _ = self.session.fail_source(now, protocol);
            return;
        }
        match &failure.kind {
            FailureKind::Sink(error) => self.local_error = Some(reply::not_stored(error)),
            FailureKind::Lack(error) => self.local_error = Some(error.clone()),
            _ => {}
        }
        let failure = Failure {
            class: class(&failure.kind),
            sent: sent(failure.sent),
            idle: failure.idle,
            message: failure.message,
        };
        let _ = self.session.handle_failure(now, &failure);
    }

    /// A read failed: most often because the file was cut short or replaced.
    pub(super) fn source_failed(&self, error: &io::Error) -> Error {
        if let Some(ours) = Error::within(error) {
            return ours.clone();
        }
        if !self.source.opens_slowly()
            && let Err(changed) = self.source.open()
        {
            return changed;
        }
        let name =
            self.source.file_path().map_or("the source".into(), |path| path.display().to_string());
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return crate::source::changed(&name, "it is shorter than it was");
        }
        Error::local(format_args!("cannot read {name}"), error)
    }

    pub(super) fn reply_broken(&mut self, error: Error, core: &mut Core) {
        let now = core.now();
        let class = FailureClass::Fatal(error.kind());
        let message = error.message().to_owned();
        self.local_error = Some(error);
        let failure =
            Failure { class, sent: session::Sent::Nothing, idle: Duration::ZERO, message };
        let _ = self.session.handle_failure(now, &failure);
    }

    pub(super) fn precheck_answered(
        &mut self,
        answer: &Answer,
        stats: &transport::Stats,
        core: &mut Core,
    ) {
        self.session.set_before(head(answer));
        // Asked again with the login, but not in a pause.
        if answer.status == 401 && self.login.ready {
            return;
        }
        if answer.status == 407 && self.proxy_scheme.is_none() {
            self.challenged_by_proxy(answer, stats, false, core);
            if self.proxy_scheme.is_some() {
                return;
            }
        }
        self.life.asked();
        // A sign-in page of a network and the empty leftover of a broken upload are 200 as well.
        let exists = answer.status == 200
            && number(answer, "Content-Length") == Some(self.source.size())
            && answer.headers.get_all("Content-Encoding").next().is_none();
        if !exists || self.options.if_exists == IfExists::Try {
            return;
        }
        if self.options.if_exists == IfExists::Skip {
            let receipt = Receipt {
                url: self.destination.to_string(),
                size: self.source.size(),
                skipped: true,
                ..Receipt::default()
            };
            self.end(Ok(receipt), core);
        } else {
            let message = format!("{} exists already", self.destination);
            let error = Error::new(ErrorKind::Refused, message)
                .with_advice("Choose another name, or allow it to be replaced ({if_exists=try}).");
            self.end(Err(error), core);
        }
    }
}

/// How much of a request went out, for the state machine.
fn sent(sent: transport::Sent) -> session::Sent {
    match sent {
        transport::Sent::Nothing => session::Sent::Nothing,
        transport::Sent::Part(0) => session::Sent::Head,
        transport::Sent::Part(bytes) => session::Sent::Body(bytes),
        transport::Sent::All => session::Sent::Body(u64::MAX),
    }
}
