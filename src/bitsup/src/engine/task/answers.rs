//! Step 3 of the driving contract: how exchanges end.

use std::io;

use bitsup_core::{ExchangeId, LoginOutcome, PendingRequest, PostAck};
use bitsup_proto::Ack;
use bitsup_proto::session::{self, Failure, FailureClass, Request};

use super::super::Core;
use super::convert::{ack, sent};
use super::{PacketEvent, Task, head, protocol_failure};
use crate::error::{Error, ErrorKind};
use crate::options::IfExists;
use crate::progress::{AckEvent, Event, Receipt};
use crate::transcript;
use crate::transport::{self, Answer, FailureKind, Stats};

impl Task {
    pub(crate) fn exchange_ended(&mut self, event: transport::Event, core: &mut Core) {
        self.driver.count_requests(event.stats.requests);
        if event.withheld {
            // Nothing is known of a login that was not shown.
            self.driver.judge(LoginOutcome::Inconclusive, &mut core.client);
        }
        let Some(event) = self.proxy_challenged(event, core) else { return };
        match event.result {
            Ok(answer) if self.is_challenge(&answer) => {
                if let Some((answer, stats)) = self.challenged(answer, event.stats, core) {
                    self.answered(&answer, &stats, core);
                }
            }
            Ok(answer) => {
                self.note_accepted(&answer, core);
                self.answered(&answer, &event.stats, core);
            }
            Err(failure) => self.failed(ExchangeId(event.number), failure, core),
        }
    }

    /// Hands the answer to the exchange under way to the driver.
    pub(super) fn answered(&mut self, answer: &Answer, stats: &Stats, core: &mut Core) {
        let Some((id, request)) = self.driver.exchange().map(|(id, own)| (id, own.clone())) else {
            return;
        };
        let now = core.now();
        self.record(&request, core, |recorder, asked| {
            recorder.answer(asked, answer.status, &answer.headers)
        });
        match request {
            PendingRequest::Precheck => self.precheck_answered(id, answer, stats, core),
            PendingRequest::Head => {
                let _ = self.driver.handle_head(id, &head(answer));
            }
            PendingRequest::Reply(get) => {
                if answer.status == 407 {
                    self.challenged_by_proxy(answer, stats, get.authorize_proxy, core);
                }
                let remark = self.remark(answer);
                let Some(fetch) = &mut self.reply else { return };
                let _ = match fetch.answered(answer, remark, &self.destination) {
                    Ok(got) => self.driver.handle_reply(id, &got, now),
                    Err(error) => {
                        let failure = Failure::fatal(error.into_protocol());
                        self.driver.handle_failure(id, &failure, now)
                    }
                };
            }
            PendingRequest::Packet(request) => {
                self.packet_answered(id, request, answer, stats, core);
            }
        }
    }

    fn packet_answered(
        &mut self,
        id: ExchangeId,
        request: Request,
        answer: &Answer,
        stats: &Stats,
        core: &mut Core,
    ) {
        let ack = Ack { remark: self.remark(answer), ..ack(answer) };
        if answer.status == 407 {
            self.challenged_by_proxy(answer, stats, request.authorize_proxy, core);
        }
        let exchange = session::Exchange {
            sending: stats.sending_time,
            waiting: stats.answer_delay,
            sent: sent(stats),
        };
        if let Some(range) = request.range
            && let Some(most) = core.limiter.acknowledged(self.id(), range.length(), stats)
        {
            self.driver.hold_fragments(most);
        }
        self.tell_answer(answer, ack.remark, stats);
        if answer.status == 503 && self.driver.has_slot() {
            self.tell_overload(core);
        }
        let now = core.now();
        let post = self.driver.handle_ack(id, &ack, exchange, now);
        if let Ok(PostAck::Answered(meaning)) = post {
            return self.tell_caller(PacketEvent::Done(Ok(meaning)));
        }
        let session_created = matches!(post, Ok(PostAck::Created(_)));
        match (post, &self.writer) {
            (Ok(PostAck::Created(checkpoint)), Some(writer)) => {
                writer.created(checkpoint, self.source_sent);
                core.noted(writer);
            }
            (Ok(PostAck::NotCreated), Some(writer)) => writer.not_created(),
            _ => {}
        }
        self.sent_nothing();
        if let Some(id) = self.driver.session().session_id() {
            self.session_name = Some(id.as_str().to_owned());
        }
        let event = AckEvent {
            packet: request.packet,
            range: request.range.map(|range| (range.first(), range.length())),
            status: answer.status,
            offset: match ack.offset {
                bitsup_proto::ack::Offset::At(offset) if request.range.is_some() => Some(offset),
                _ => None,
            },
            hresult: ack.code,
            duration: self.exchange_begun.elapsed(),
            session_created,
            new_connection: stats.new_connection,
            peer: stats.peer,
            connect_time: stats.connect_time,
        };
        self.tell_event(Event::Ack(event), core);
    }

    pub(super) fn failed(
        &mut self,
        id: ExchangeId,
        failure: transport::ExchangeFailure,
        core: &mut Core,
    ) {
        let Some(request) = self.driver.exchange().map(|(_, request)| request.clone()) else {
            return;
        };
        self.sent_nothing();
        self.record(&request, core, |_, asked| transcript::failure(asked, &failure));
        let is_retried = match request {
            // The state machine of an upload has its own way, and a login that a server cuts off has no end.
            PendingRequest::Packet(_) => self.is_packets() && !self.driver.shows_credentials(),
            PendingRequest::Precheck | PendingRequest::Head | PendingRequest::Reply(_) => true,
        };
        self.driver.judge(LoginOutcome::Inconclusive, &mut core.client);
        if request != PendingRequest::Precheck
            && matches!(failure.kind, FailureKind::ProxyFailed(Some(407)))
        {
            self.refused_by_proxy(core);
        }
        if is_retried
            && matches!(failure.kind, FailureKind::StaleConnection)
            && failure.sent == transport::Sent::Nothing
        {
            // Nothing of it went out, and the next try goes over a new connection.
            return self.retry_unsent();
        }
        let now = core.now();
        if self.is_packets() {
            let failure = protocol_failure(failure);
            let _ = self.driver.handle_failure(id, &failure, now);
            return self.tell_caller(PacketEvent::Done(Err(failure.into())));
        }
        if let (FailureKind::Source(error), PendingRequest::Packet(_)) = (&failure.kind, &request) {
            let error = self.source_failed(error);
            let lost = Failure { class: FailureClass::Transport, ..protocol_failure(failure) };
            return self.driver.fail_reading(id, &lost, error.into_protocol(), now);
        }
        let _ = self.driver.handle_failure(id, &protocol_failure(failure), now);
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

    fn precheck_answered(
        &mut self,
        id: ExchangeId,
        answer: &Answer,
        stats: &Stats,
        core: &mut Core,
    ) {
        // Asked again with the login, but not in a pause.
        let mut again = answer.status == 401 && self.login.ready;
        if answer.status == 407 && self.proxy.scheme.is_none() {
            self.challenged_by_proxy(answer, stats, false, core);
            again = self.proxy.scheme.is_some();
        }
        let exists = self.driver.handle_precheck(id, head(answer), again);
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
