//! How an upload puts packets, questions and requests for replies on the wire.

use std::sync::Arc;
use std::time::Instant;

use bitsup_core::PendingRequest;
use bitsup_proto::reply::Get;
use bitsup_proto::session::{self, Request};
use bitsup_proto::{ContentRange, PacketType};

use super::super::Core;
use super::super::auth;
use super::super::body::FragmentBody;
use super::super::reply::ReplyFetch;
use super::{Task, connection_options, own_headers};
use crate::error::{Error, ErrorKind};
use crate::progress::{Event, PacketEvent};
use crate::source::{Opened, Source};
use crate::transcript;
use crate::transport::{self, Answer, ConnectionUse, Exchange, Limits, Method};

/// What a packet needs the source for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// To send a part of it.
    Part,
    /// To see that it is what was sent.
    End,
}

/// The source of an upload before a packet goes out.
pub(super) enum SourceState {
    Closed,
    /// A worker opens it.
    Opening(Need),
    Open(Need, Result<Opened, Error>),
}

impl Need {
    fn of(request: &Request) -> Option<Self> {
        match request.packet {
            PacketType::Fragment if request.range.is_some() => Some(Self::Part),
            PacketType::CloseSession => Some(Self::End),
            _ => None,
        }
    }

    fn open(self, source: &Source) -> Result<Opened, Error> {
        match self {
            Self::Part => source.open(),
            Self::End => source.open_at_end(),
        }
    }
}

impl Task {
    /// Step 2: sends a packet. Where it cannot be begun, the state machine knows.
    pub(super) fn send(&mut self, request: Request, core: &mut Core) {
        // Acknowledged bytes may be lost with the connection: the server is asked first.
        if self.pinned.is_some_and(|pinned| core.transport.take_ended(pinned))
            && !self.driver.connection_ended()
        {
            return;
        }
        let body = match self.open_source(request, core) {
            Ok(body) => body,
            Err(error) => return self.fail_source(error, core),
        };
        let pending = PendingRequest::Packet(request);
        if self.driver.is_comparing() && pending.completes() {
            // The source may have changed just now.
            return self.driver.defer(pending);
        }
        if let Err(error) = self.prepare_journal(&request, core) {
            return self.fail_source(error, core);
        }
        let mut exchange = self.exchange(Method::BitsPost);
        self.driver.headers(&request, |name, value| {
            exchange.headers.push((name.to_owned(), value.to_string().into()));
        });
        exchange.length = request.range.map_or(0, ContentRange::length);
        exchange.body = body.map(|body| Box::new(body) as Box<dyn transport::Body>);
        if request.connection == session::Connection::Fresh {
            exchange.connection = ConnectionUse::Fresh;
        }
        exchange.limits.answer = request.answer_limit;
        exchange.auth = self.authorization(request.authorize);
        exchange.proxy_asked = request.authorize_proxy;
        self.shared.fragment_under_way(exchange.length);
        let range = request.range.map(|range| (range.first(), range.length()));
        let event =
            PacketEvent { packet: request.packet, range, host: exchange.origin.host.clone() };
        self.tell_event(Event::Packet(event), core);
        self.begin_exchange(pending, exchange, core);
    }

    fn open_source(
        &mut self,
        request: Request,
        core: &Core,
    ) -> Result<Option<FragmentBody>, Error> {
        let Some(need) = Need::of(&request) else { return Ok(None) };
        let opened = match std::mem::replace(&mut self.opened, SourceState::Closed) {
            SourceState::Open(for_what, opened) if for_what == need => opened,
            _ => need.open(&self.source),
        };
        match (need, request.range) {
            (Need::Part, Some(range)) => {
                let opened = opened?;
                self.look_at(&opened, core)?;
                // The bytes of a single packet are its own source, read from 0 on.
                let own = ContentRange::new(0, range.length(), range.length());
                let range = own.filter(|_| self.is_packets()).unwrap_or(range);
                let sent = Arc::clone(&self.shared.sent);
                // A probe repeats bytes that the server has.
                let hash =
                    self.hash.clone().filter(|_| range.end() > self.driver.session().offset());
                Ok(Some(FragmentBody::new(opened, range, sent, self.id(), hash, core)))
            }
            // The file must still hold the bytes that were sent; a file that is gone is no change.
            _ => match opened {
                Err(error) if error.kind() == ErrorKind::SourceChanged => Err(error),
                Ok(opened) => self.look_at(&opened, core).map(|()| None),
                Err(_) => Ok(None),
            },
        }
    }

    /// Whether a packet can have the source that it needs; one that is slow to open is opened
    /// by a worker first.
    pub(super) fn has_source_for(&mut self, request: &PendingRequest, core: &Core) -> bool {
        let PendingRequest::Packet(request) = request else { return true };
        let Some(need) = Need::of(request).filter(|_| self.source.opens_slowly()) else {
            return true;
        };
        match &self.opened {
            SourceState::Open(for_what, _) if *for_what == need => return true,
            SourceState::Opening(for_what) if *for_what == need => return false,
            _ => self.opened = SourceState::Opening(need),
        }
        let (source, upload) = (self.source.clone(), self.reporter(core));
        let started = core.workers.run_waiting(move || {
            let opened = need.open(&source);
            drop(source);
            upload.report(move |task, _| {
                if matches!(task.opened, SourceState::Opening(for_what) if for_what == need) {
                    task.opened = SourceState::Open(need, opened);
                }
            });
        });
        if let Err(error) = started {
            self.opened = SourceState::Open(need, Err(error));
            return true;
        }
        false
    }

    pub(super) fn start_head(&mut self, request: PendingRequest, authorize: bool, core: &mut Core) {
        let mut exchange = self.exchange(Method::Head);
        exchange.auth = self.authorization(authorize);
        exchange.proxy_asked = self.proxy.scheme.is_some();
        self.begin_exchange(request, exchange, core);
    }

    pub(super) fn start_reply(&mut self, get: Get, core: &mut Core) {
        let mut exchange = self.exchange(Method::Get);
        // `prepare` removes the headers that must not reach the host of the reply.
        exchange.headers = own_headers(&self.options, true);
        let new = || ReplyFetch::new(&self.options, self.reply_place.clone());
        let fetch = self.reply.take().map_or_else(new, Ok);
        let prepared = fetch.and_then(|mut fetch| {
            let host = self.driver.session().host();
            let prepared = fetch.prepare(&get, &self.destination, host, &self.options, exchange)?;
            Ok((fetch, prepared))
        });
        match prepared {
            Ok((fetch, mut exchange)) => {
                let there = exchange.origin.to_string();
                let is_given_elsewhere = self.login.is_given_elsewhere(&there);
                if is_given_elsewhere {
                    // The token is that of the host the upload went to.
                    exchange.headers.retain(|(name, _)| name != "Authorization");
                }
                let may = get.authorize && fetch.is_at_destination() && !is_given_elsewhere;
                let own = self.options.credentials.as_ref().filter(|_| may);
                exchange.auth = own
                    .zip(self.login.scheme)
                    .map(|(own, scheme)| auth::for_transport(own, scheme));
                // One timer for the whole download, started anew by each byte (MC-BUP §3.6.2).
                exchange.limits.stall = exchange.limits.answer;
                self.reply = Some(fetch);
                exchange.proxy_asked = get.authorize_proxy;
                self.begin_exchange(PendingRequest::Reply(get), exchange, core);
            }
            Err(error) => {
                let now = core.now();
                self.driver.fail_request(error.into_protocol(), now);
            }
        }
    }

    /// An exchange with what all have in common.
    pub(super) fn exchange(&self, method: Method) -> Exchange {
        Exchange {
            number: 0,
            method,
            origin: self.destination.origin_at(self.driver.host()),
            target: self.destination.target.clone(),
            headers: own_headers(&self.options, self.is_trusted()),
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
            proxy_auth: None,
            proxy_asked: false,
        }
    }

    /// The credentials, once the server has asked for them and if it may see them.
    pub(super) fn authorization(&self, wanted: bool) -> Option<Arc<transport::Credentials>> {
        let may = wanted && self.is_trusted();
        let credentials = self.options.credentials.as_ref().filter(|_| may)?;
        Some(auth::for_transport(credentials, self.login.scheme?))
    }

    /// The proxy asks for credentials: whether there are any that it has not refused.
    pub(super) fn challenged_by_proxy(
        &mut self,
        answer: &Answer,
        stats: &transport::Stats,
        shown: bool,
        core: &mut Core,
    ) {
        if !stats.forwarded {
            // No proxy says so: it is behind a tunnel, or there is none.
            self.driver.set_proxy_usable(false);
            return;
        }
        if shown {
            self.refused_by_proxy(core);
            return;
        }
        self.proxy.scheme = self.scheme_for_proxy(answer, core);
        if self.proxy.scheme.is_none() {
            self.driver.set_proxy_usable(false);
        }
    }

    pub(super) fn begin_exchange(
        &mut self,
        request: PendingRequest,
        mut exchange: Exchange,
        core: &mut Core,
    ) {
        self.shared.waits_no_more();
        let pinned = self.pinned.unwrap_or_else(|| {
            let options = connection_options(&self.options, core);
            let pinned = if self.is_packets() {
                core.transport.open_connection(options)
            } else {
                core.transport.open_connection_to(&exchange.origin.host, options)
            };
            core.connections.insert(pinned, self.id());
            pinned
        });
        self.pinned = Some(pinned);
        self.log_in_at_proxy(&mut exchange, core);
        let shown = self.shown_by(&exchange).map(|login| core.handle(&login));
        let now = core.now();
        let Some(id) = self.driver.start(request, shown, now) else {
            return self.sent_nothing();
        };
        self.exchange_begun = Instant::now();
        exchange.number = id.0;
        if let Err(failure) = core.start(pinned, exchange) {
            self.failed(id, failure, core);
        }
    }

    /// Ends the exchange under way, if there is one.
    pub(super) fn abort_exchange(&mut self, request: Option<&PendingRequest>, core: &mut Core) {
        self.login.forget_question();
        if let Some(request) = request {
            self.record(request, core, |_, asked| transcript::aborted(asked));
            if let Some(pinned) = self.pinned {
                core.abort(pinned);
            }
        }
        self.sent_nothing();
    }
}
