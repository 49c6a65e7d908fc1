//! Single packets on a lane of their own: Ping, and sessions driven packet by packet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use bitsup_core::Site;
use bitsup_proto::ContentRange;

use super::Core;
use super::auth::{choose, for_transport, offered};
use super::body::FragmentBody;
use super::challenge::Offer;
use super::command::TaskId;
use super::proxy_auth;
use super::task::{lane_options, own_headers, protocol_failure};
use crate::credentials::{Login, Role};
use crate::destination::Destination;
use crate::diagnosis::Remark;
use crate::error::Error;
use crate::options::UploadOptions;
use crate::source::Source;
use crate::transport::{
    self, Answer, AuthScheme, ConnectionUse, Exchange, LaneId, Limits, Method, Scheme,
};

/// One packet to send, and where its answer goes.
pub(crate) struct PacketJob {
    pub(crate) destination: Arc<Destination>,
    pub(crate) options: Arc<UploadOptions>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) range: Option<ContentRange>,
    pub(crate) source: Option<Source>,
    pub(crate) host: Option<(String, u16)>,
    /// The scheme to answer with, once the server has asked.
    pub(crate) auth: Option<AuthScheme>,
    /// The same for a proxy that forwards requests.
    pub(crate) at_proxy: Option<AuthScheme>,
    pub(crate) last: bool,
    pub(crate) answer: mpsc::Sender<Result<PacketAnswer, NotSent>>,
}

/// A server's answer, with its headers as they came.
pub(crate) struct PacketAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The scheme that a password can answer a challenge with.
    pub(crate) scheme: Option<AuthScheme>,
    /// What a challenge offers.
    pub(crate) offers: Vec<Offer>,
    /// Whether the password of the options was refused at this site.
    pub(crate) refused: bool,
    /// The same for the proxy's.
    pub(crate) proxy_scheme: Option<AuthScheme>,
    /// Whether a proxy forwarded the packet: else no 407 is a proxy's.
    pub(crate) forwarded: bool,
    /// How many bytes of the body had gone out when it came.
    pub(crate) body_sent: u64,
    /// What is to be said about it.
    pub(crate) remark: Option<Remark>,
}

/// Why there is no answer.
pub(crate) enum NotSent {
    Failed(Error),
    /// The login was refused at this site before, and so nothing was sent.
    RefusedBefore,
}

/// The lane of one packet-by-packet session.
pub(crate) struct PacketTask {
    id: TaskId,
    lane: LaneId,
    asked: Option<Asked>,
}

/// The packet under way.
struct Asked {
    answer: mpsc::Sender<Result<PacketAnswer, NotSent>>,
    options: Arc<UploadOptions>,
    destination: Arc<Destination>,
    /// Bytes of its body.
    length: u64,
    /// What the packet shows of us.
    carried: Option<Login>,
    /// Whether the host may see what is meant for the URL's.
    is_trusted: bool,
    at_proxy: bool,
}

impl PacketTask {
    pub(crate) fn new(id: TaskId, job: &PacketJob, core: &mut Core) -> Self {
        let lane = core.transport.open_lane(lane_options(&job.options, core));
        core.lanes.insert(lane, id);
        if job.options.polite {
            core.limiter.be_polite(id);
        }
        Self { id, lane, asked: None }
    }

    pub(crate) fn lane(&self) -> LaneId {
        self.lane
    }

    pub(crate) fn start(&mut self, job: PacketJob, core: &mut Core) {
        let PacketJob {
            destination,
            options,
            headers,
            range,
            source,
            host,
            auth,
            at_proxy,
            last,
            answer,
        } = job;
        let is_trusted =
            host.as_ref().is_none_or(|(host, _)| options.trusts(&destination.host, host));
        let auth = auth.filter(|_| is_trusted);
        let carried = carried(&options, auth).filter(|_| is_trusted);
        let site = Site::server(destination.origin());
        if carried.as_ref().is_some_and(|own| core.has_refused(&site, own)) {
            drop(answer.send(Err(NotSent::RefusedBefore)));
            return;
        }
        let body = range.zip(source).map(|(range, source)| {
            // The bytes of one packet are its own source, read from 0 on.
            let own = ContentRange::new(0, range.length(), range.length()).unwrap_or(range);
            let opened = source.open()?;
            let sent = Arc::new(AtomicU64::new(0));
            sent.store(0, Ordering::Relaxed);
            Ok(FragmentBody::new(opened, own, sent, self.id, &core.around()))
        });
        let body = match body.transpose() {
            Ok(body) => body,
            Err(error) => {
                drop(answer.send(Err(NotSent::Failed(error))));
                return;
            }
        };
        let zone = if host.is_none() { destination.zone.clone() } else { None };
        let (host, port) = host.unwrap_or_else(|| (destination.host.clone(), destination.port));
        let mut all = own_headers(&options, is_trusted);
        all.extend(headers.into_iter().map(|(name, value)| (name, value.into())));
        let exchange = Exchange {
            number: 0,
            method: Method::BitsPost,
            scheme: if destination.https { Scheme::Https } else { Scheme::Http },
            host,
            zone,
            port,
            target: destination.target.clone(),
            headers: all,
            body: body.map(|body| Box::new(body) as Box<dyn transport::Body>),
            length: range.map_or(0, ContentRange::length),
            sink: None,
            connection: ConnectionUse::Reuse,
            limits: Limits {
                connect: options.connect_timeout,
                stall: options.stall_timeout,
                answer: if last { options.last_ack_timeout } else { options.ack_timeout },
            },
            auth: auth
                .and_then(|scheme| Some(for_transport(options.credentials.as_ref()?, scheme))),
            proxy_auth: proxy_auth::login(&options, at_proxy, core),
            proxy_asked: at_proxy.is_some(),
        };
        let length = exchange.length;
        match core.start(self.lane, exchange) {
            Ok(()) => {
                let at_proxy = at_proxy.is_some();
                self.asked = Some(Asked {
                    answer,
                    options,
                    destination,
                    length,
                    carried,
                    is_trusted,
                    at_proxy,
                });
            }
            Err(failure) => drop(answer.send(Err(NotSent::Failed(error_of(failure))))),
        }
    }

    pub(crate) fn ended(&mut self, event: transport::Event, core: &mut Core) {
        let Some(mut asked) = self.asked.take() else { return };
        if event.withheld {
            asked.carried = None;
        }
        if let Err(failure) = &event.result
            && matches!(failure.kind, transport::FailureKind::ProxyFailed(Some(407)))
        {
            proxy_auth::refuse(&asked.options, core);
        }
        if event.result.is_ok() && asked.length > 0 {
            core.limiter.acknowledged(self.id, asked.length, &event.stats);
        }
        let result = event.result.map(|answer| of(&answer, &asked, &event.stats, core));
        let result = result.map_err(|failure| NotSent::Failed(error_of(failure)));
        // Whoever asked may be gone.
        drop(asked.answer.send(result));
    }

    pub(crate) fn end(self, core: &mut Core) {
        core.limiter.leave(self.id);
        core.close_lane(self.lane);
    }
}

fn of(answer: &Answer, asked: &Asked, stats: &transport::Stats, core: &mut Core) -> PacketAnswer {
    let forwarded = stats.forwarded;
    let headers = answer.headers.iter();
    let site = Site::server(asked.destination.origin());
    let asks = answer.status == 401;
    if let Some(login) = asked.carried.as_ref().filter(|_| asks) {
        core.refuse(&site, login);
    }
    let password = asked.options.credentials.clone().map(Login::Password);
    PacketAnswer {
        status: answer.status,
        headers: headers
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
            .collect(),
        scheme: (asks && asked.is_trusted)
            .then(|| choose(answer, &asked.options, asked.destination.https))
            .flatten(),
        offers: offered(answer, if answer.status == 407 { Role::Proxy } else { Role::Server }),
        refused: password.is_some_and(|own| core.has_refused(&site, &own)),
        proxy_scheme: if forwarded { scheme_for_proxy(answer, asked, core) } else { None },
        forwarded,
        body_sent: stats.sent,
        remark: Remark::of_answer(answer),
    }
}

/// What a packet shows of us.
fn carried(options: &UploadOptions, auth: Option<AuthScheme>) -> Option<Login> {
    match (auth, &options.credentials, &options.bearer_token) {
        (Some(_), Some(credentials), _) => Some(Login::Password(credentials.clone())),
        (None, _, Some(token)) => Some(Login::Token { token: token.clone(), valid_for: None }),
        _ => None,
    }
}

fn scheme_for_proxy(answer: &Answer, asked: &Asked, core: &mut Core) -> Option<AuthScheme> {
    if answer.status != 407 {
        return None;
    }
    if asked.at_proxy {
        proxy_auth::refuse(&asked.options, core);
        return None;
    }
    proxy_auth::choose(answer, &asked.options, core)
}

pub(super) fn error_of(failure: transport::Failure) -> Error {
    protocol_failure(failure).error.into()
}
