//! How an upload puts packets, questions and requests for replies on the wire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bitsup_core::Wish;
use bitsup_proto::PacketType;
use bitsup_proto::session::{self, Failure, FailureClass, Request};

use super::super::Core;
use super::super::auth;
use super::super::body::FragmentBody;
use super::super::proxy_auth;
use super::super::reply::ReplyFetch;
use super::{Running, Task, lane_options, own_headers};
use crate::error::{Error, ErrorKind};
use crate::progress::{Event, PacketEvent};
use crate::transport::{self, Answer, ConnectionUse, Exchange, Limits, Method, Scheme};

impl Task {
    /// Step 2: sends a packet. Where it cannot be begun, the state machine knows.
    pub(super) fn send(&mut self, request: Request, core: &mut Core) {
        // What the server acknowledged may be lost with the connection: it is asked first.
        if self.lane.is_some_and(|lane| core.transport.has_ended(lane))
            && self.session.handle_connection_ended() == Ok(false)
        {
            return;
        }
        let now = core.now();
        let body = match self.open_source(request, core) {
            Ok(body) => body,
            Err(error) => {
                let protocol = error.protocol().clone();
                self.local_error = Some(error);
                let _ = self.session.fail_source(now, protocol);
                return;
            }
        };
        if self.checking.is_some() && Wish::Packet(request).completes() {
            // The source may have changed just now.
            self.life.hold(Wish::Packet(request));
            return;
        }
        if let Err(error) = self.note_sending(&request) {
            let protocol = error.protocol().clone();
            self.local_error = Some(error);
            let _ = self.session.fail_source(now, protocol);
            return;
        }
        let mut exchange = self.exchange(Method::BitsPost, core);
        self.session.headers(&request, |name, value| {
            exchange.headers.push((name.to_owned(), value.to_string().into()));
        });
        exchange.length = request.range.map_or(0, bitsup_proto::ContentRange::length);
        exchange.body = body.map(|body| Box::new(body) as Box<dyn transport::Body>);
        if request.connection == session::Connection::Fresh {
            exchange.connection = ConnectionUse::Fresh;
        }
        exchange.limits.answer = request.answer_limit;
        exchange.auth = self.authorization(request.authorize);
        exchange.proxy_asked = request.authorize_proxy;
        self.shared.fragment_under_way(exchange.length);
        let range = request.range.map(|range| (range.first(), range.length()));
        let event = PacketEvent { packet: request.packet, range, host: exchange.host.clone() };
        core.dispatcher.push(&self.shared.ear, Event::Packet(event));
        self.begin_exchange(Running::Packet(request, Instant::now()), exchange, core);
    }

    pub(super) fn open_source(
        &mut self,
        request: Request,
        core: &Core,
    ) -> Result<Option<FragmentBody>, Error> {
        match (request.packet, request.range) {
            (PacketType::Fragment, Some(range)) => {
                let opened = self.source.open()?;
                self.look_at(&opened, core)?;
                let sent = Arc::clone(&self.shared.sent);
                Ok(Some(FragmentBody::new(opened, range, sent, self.id, &core.around())))
            }
            // What was sent must still be what the file holds; a file that is gone is no change.
            (PacketType::CloseSession, _) => match self.source.open() {
                Err(error) if error.kind() == ErrorKind::SourceChanged => Err(error),
                Ok(opened) => self.look_at(&opened, core).map(|()| None),
                Err(_) => Ok(None),
            },
            _ => Ok(None),
        }
    }

    pub(super) fn start_head(&mut self, running: Running, authorize: bool, core: &mut Core) {
        let mut exchange = self.exchange(Method::Head, core);
        exchange.auth = self.authorization(authorize);
        exchange.proxy_asked = self.proxy_scheme.is_some();
        self.begin_exchange(running, exchange, core);
    }

    pub(super) fn start_reply(&mut self, get: &bitsup_proto::reply::Get, core: &mut Core) {
        let exchange = self.exchange(Method::Get, core);
        let new = || ReplyFetch::new(&self.options, self.reply_place.clone());
        let fetch = self.reply.take().map_or_else(new, Ok);
        let prepared = fetch.and_then(|mut fetch| {
            let host = self.session.host();
            let prepared = fetch.prepare(get, &self.destination, host, exchange)?;
            Ok((fetch, prepared))
        });
        match prepared {
            Ok((fetch, mut exchange)) => {
                let same_site = fetch.is_at_destination();
                exchange.auth = self.authorization(get.authorize && same_site);
                // One timer for the whole download, started anew by each byte (MC-BUP §3.6.2).
                exchange.limits.stall = exchange.limits.answer;
                self.reply = Some(fetch);
                exchange.proxy_asked = get.authorize_proxy;
                let running = Running::Reply { at_proxy: get.authorize_proxy };
                self.begin_exchange(running, exchange, core);
            }
            Err(error) => {
                let failure = Failure {
                    class: FailureClass::Fatal(error.kind()),
                    sent: session::Sent::Nothing,
                    idle: Duration::ZERO,
                    message: error.message().to_owned(),
                };
                self.local_error = Some(error);
                let now = core.now();
                let _ = self.session.handle_failure(now, &failure);
            }
        }
    }

    /// An exchange with what all have in common.
    pub(super) fn exchange(&self, method: Method, core: &Core) -> Exchange {
        let (host, zone, port) = match self.session.host() {
            Some(host) => {
                (host.host().to_owned(), None, host.port().unwrap_or(self.destination.port))
            }
            None => (
                self.destination.host.clone(),
                self.destination.zone.clone(),
                self.destination.port,
            ),
        };
        let https = self.destination.https;
        Exchange {
            method,
            scheme: if https { Scheme::Https } else { Scheme::Http },
            host,
            zone,
            port,
            target: self.destination.target.clone(),
            headers: own_headers(&self.options),
            body: None,
            length: 0,
            sink: None,
            connection: ConnectionUse::Reuse,
            limits: Limits {
                connect: self.options.connect_timeout,
                stall: self.options.stall_timeout,
                answer: self.options.ack_timeout,
            },
            auth: None,
            proxy_auth: proxy_auth::login(&self.options, self.proxy_scheme, &core.logins),
            proxy_asked: false,
        }
    }

    /// The credentials, once the server has asked for them.
    pub(super) fn authorization(&self, wanted: bool) -> Option<Arc<transport::Credentials>> {
        let credentials = self.options.credentials.as_ref().filter(|_| wanted)?;
        Some(auth::for_transport(credentials, self.login.scheme?))
    }

    /// The proxy asks for credentials: whether there are any that it has not refused.
    pub(super) fn challenged_by_proxy(&mut self, answer: &Answer, shown: bool, core: &mut Core) {
        if shown {
            proxy_auth::refuse(&self.options, &mut core.logins);
            return;
        }
        self.proxy_scheme = proxy_auth::choose(answer, &self.options, &core.logins);
        if self.proxy_scheme.is_none() {
            self.session.set_proxy_credentials(false);
        }
    }

    pub(super) fn begin_exchange(&mut self, running: Running, exchange: Exchange, core: &mut Core) {
        self.shared.waits_no_more();
        let lane = self.lane.unwrap_or_else(|| {
            let lane =
                core.transport.open_lane_to(&exchange.host, lane_options(&self.options, core));
            core.lanes.insert(lane, self.id);
            lane
        });
        self.lane = Some(lane);
        self.note_carried(&exchange);
        self.running = Some(running);
        if let Err(failure) = core.start(lane, exchange) {
            self.failed(failure, core);
        }
    }

    pub(super) fn abort_exchange(&mut self, core: &mut Core) {
        self.login.forget_question();
        self.record_abort(core);
        if let Some(lane) = self.lane.filter(|_| self.running.is_some()) {
            core.abort(lane);
        }
        self.running = None;
        self.sent_nothing();
    }
}
