//! How exchanges end, and what is known of the server and the source.

use std::time::Duration;

use bitsup_proto::ack::RetryAfter;
use bitsup_proto::reply::Got;
use bitsup_proto::session::{CancelMode, Exchange, Failure, InvalidState, Learned};
use bitsup_proto::verify::Head;
use bitsup_proto::{Ack, Error, Moment, PacketType};

use super::{
    Current, ExchangeId, PendingRequest, PostAck, Stage, UploadDriver, http_date, packets,
};
use crate::{ClientState, CredentialId, LoginOutcome, Site};

impl UploadDriver {
    /// Says what an answer, or the lack of one, says of the credentials that the exchange showed; gives them.
    pub fn judge(
        &mut self,
        verdict: LoginOutcome,
        client: &mut ClientState,
    ) -> Option<CredentialId> {
        let shown = self.exchange.as_mut()?.shown.take()?;
        client.credentials.judge(verdict, &self.peer, shown, self.id);
        Some(shown)
    }

    /// Whether the exchange under way shows credentials.
    #[must_use]
    pub fn shows_credentials(&self) -> bool {
        self.exchange.as_ref().is_some_and(|current| current.shown.is_some())
    }

    /// Counts the requests of the exchange, login rounds included.
    pub fn count_requests(&mut self, requests: u32) {
        self.requests = self.requests.saturating_add(requests);
    }

    /// The answer to a packet.
    pub fn handle_ack(
        &mut self,
        id: ExchangeId,
        ack: &Ack<'_>,
        exchange: Exchange,
        now: Moment,
    ) -> Result<PostAck, InvalidState> {
        let Some(taken) = self.take(id) else { return Ok(PostAck::Nothing) };
        let PendingRequest::Packet(request) = taken else { return Err(InvalidState) };
        if let Some(packets) = &mut self.packets {
            return Ok(packets.answered(&request, ack).map_or(PostAck::Nothing, PostAck::Answered));
        }
        self.pace.add(exchange.sending, exchange.waiting);
        let date = ack.date.and_then(http_date);
        let retry_after = match ack.retry_after {
            Some(RetryAfter::Date(text)) => http_date(text),
            _ => None,
        };
        let (had_session, highest) = (self.session.session_id().is_some(), self.session.offset());
        self.session.handle_ack(now, ack, date, retry_after, exchange)?;
        let reached = self.session.offset();
        if request.range.is_some_and(|range| ack.status == 200 && range.end() == reached) {
            self.own_end = self.own_end.max(reached);
        }
        let created = !had_session && self.session.session_id().is_some();
        if created || self.session.offset() > highest {
            self.requests = 0;
        }
        Ok(match request.packet {
            _ if created => self.checkpoint_due().map_or(PostAck::Nothing, PostAck::Created),
            PacketType::CreateSession if !had_session => PostAck::NotCreated,
            _ => PostAck::Nothing,
        })
    }

    /// The answer to the HEAD after the upload.
    pub fn handle_head(&mut self, id: ExchangeId, head: &Head) -> Result<(), InvalidState> {
        self.take(id).map_or(Ok(()), |_| self.session.handle_head(head))
    }

    /// The answer to the HEAD before the upload; `again`: it is asked again with credentials. Gives whether
    /// the destination exists with the size of the source.
    pub fn handle_precheck(&mut self, id: ExchangeId, head: Head, again: bool) -> bool {
        if self.take(id).is_none() {
            return false;
        }
        // A sign-in page of a network and the empty leftover of a broken upload are 200 as well.
        let exists = head.status == 200
            && head.content_length == Some(self.session.config().size)
            && !head.encoded;
        self.session.set_before(head);
        if !again {
            self.end_precheck();
        }
        exists && !again
    }

    /// What became of a GET, and of its bytes.
    pub fn handle_reply(
        &mut self,
        id: ExchangeId,
        got: &Got,
        now: Moment,
    ) -> Result<(), InvalidState> {
        self.take(id).map_or(Ok(()), |_| self.session.handle_reply(now, got))
    }

    /// An exchange met no answer.
    pub fn handle_failure(
        &mut self,
        id: ExchangeId,
        failure: &Failure,
        now: Moment,
    ) -> Result<(), InvalidState> {
        match self.take(id) {
            None => Ok(()),
            Some(PendingRequest::Precheck) => {
                // The upload itself tells what is wrong.
                self.end_precheck();
                Ok(())
            }
            Some(_) if self.packets.is_some() => Ok(()),
            Some(_) => self.session.handle_failure(now, failure),
        }
    }

    /// A request cannot be made, and that ends the upload.
    pub fn fail_request(&mut self, error: Error, now: Moment) {
        let _ = self.session.handle_failure(now, &Failure::fatal(error));
    }

    /// The exchange ended before anything of it was sent, for a reason that is gone: it is made again.
    pub fn retry_unsent(&mut self) {
        self.exchange = None;
        match &mut self.packets {
            Some(packets) => packets.send_again(),
            // A cancel in between has ended it.
            None => {
                let _ = self.session.retry_unsent();
            }
        }
    }

    pub(super) fn take(&mut self, id: ExchangeId) -> Option<PendingRequest> {
        self.exchange.take_if(|current| current.id == id).map(|current| current.request)
    }

    /// The HEAD before the upload has an answer, or will get none.
    pub fn end_precheck(&mut self) {
        self.prechecks = false;
        self.deferred.take_if(|request| *request == PendingRequest::Precheck);
        if self.stage == Stage::Precheck {
            self.stage = Stage::Running;
        }
    }

    /// The server that is spoken to.
    #[must_use]
    pub fn peer(&self) -> &Site {
        &self.peer
    }

    /// From now on that server is spoken to.
    pub fn set_peer(&mut self, peer: Site) {
        self.peer = peer;
    }

    /// These credentials answer the server; `None` while it has not asked for any, or a token does.
    pub fn set_credentials(&mut self, credentials: Option<CredentialId>) {
        self.credentials = credentials;
    }

    /// Whether there are credentials that the server has not refused.
    pub fn set_server_usable(&mut self, usable: bool) {
        match &mut self.packets {
            Some(packets) => packets.server = packets::Credentials::new(usable),
            None => self.session.set_server_credentials(usable),
        }
    }

    /// The same for the proxy.
    pub fn set_proxy_usable(&mut self, usable: bool) {
        match &mut self.packets {
            Some(packets) => packets.proxy = packets::Credentials::new(usable),
            None => self.session.set_proxy_credentials(usable),
        }
    }

    /// The exchange under way did not show what there is now: a challenge to it says nothing of that.
    pub fn mark_request_unauthenticated(&mut self) {
        self.session.mark_request_unauthenticated();
        if let Some(Current { request, .. }) = &mut self.exchange {
            match request {
                PendingRequest::Packet(packet) => {
                    packet.authorize = false;
                    packet.authorize_proxy = false;
                }
                PendingRequest::Reply(get) => get.authorize_proxy = false,
                PendingRequest::Precheck | PendingRequest::Head => {}
            }
        }
    }

    /// The caller is asked for credentials, or has answered.
    pub fn set_asking(&mut self, is_asking: bool) {
        self.is_asking = is_asking;
    }

    /// See [`bitsup_proto::session::Session::set_learned`].
    pub fn set_learned(&mut self, learned: Learned) {
        self.session.set_learned(learned);
    }

    /// See [`bitsup_proto::session::Session::hold_fragments`].
    pub fn hold_fragments(&mut self, bytes: u64) {
        self.session.hold_fragments(bytes);
    }

    /// A comparison of the source with what was sent begins.
    pub fn comparison_started(&mut self) {
        self.comparisons += 1;
    }

    /// A comparison has ended.
    pub fn comparison_ended(&mut self) {
        self.comparisons = self.comparisons.saturating_sub(1);
    }

    /// The source cannot be read any more, or has changed. `false`: the upload ends already.
    pub fn fail_source(&mut self, error: Error, now: Moment) -> bool {
        self.session.fail_source(now, error).is_ok()
    }

    /// The same, found by the exchange under way.
    pub fn fail_reading(&mut self, id: ExchangeId, lost: &Failure, error: Error, now: Moment) {
        // Reported first, so that the state machine knows that nothing runs any more.
        if self.take(id).is_some() {
            let _ = self.session.handle_failure(now, lost);
            self.fail_source(error, now);
        }
    }

    /// The session's bytes cannot be proven: it is cancelled, and the upload restarts. `false`: it
    /// ends already.
    pub(super) fn restart(&mut self, now: Moment) -> bool {
        let begins =
            self.cancels_first.is_none() && self.session.cancel(now, CancelMode::Delete).is_ok();
        if begins {
            self.cancels_first = Some(true);
            self.restarts += 1;
        }
        begins
    }

    /// See [`bitsup_proto::session::Session::defer_retry`].
    pub fn defer_retry(&mut self, delay: Duration, now: Moment) {
        let _ = self.session.defer_retry(now, delay);
    }

    /// See [`bitsup_proto::session::Session::refuse_retry`].
    pub fn refuse_retry(&mut self) {
        let _ = self.session.refuse_retry();
    }
}
