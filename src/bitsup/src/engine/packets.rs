//! Single packets on a lane of their own: Ping, and sessions driven packet by packet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use bitsup_proto::session::FailureClass;
use bitsup_proto::{ContentRange, Hresult};

use super::Core;
use super::body::FragmentBody;
use super::command::TaskId;
use super::task::{class, lane_options};
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::options::UploadOptions;
use crate::source::Source;
use crate::transport::{
    self, Answer, AuthScheme, ConnectionUse, Credentials, Exchange, LaneId, Limits, Method, Scheme,
};

/// One packet to send, and where its answer goes.
pub(crate) struct PacketJob {
    pub(crate) destination: Arc<Destination>,
    pub(crate) options: Arc<UploadOptions>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) range: Option<ContentRange>,
    pub(crate) source: Option<Source>,
    pub(crate) host: Option<(String, u16)>,
    pub(crate) authorize: bool,
    pub(crate) last: bool,
    pub(crate) answer: mpsc::Sender<Result<PacketAnswer, Error>>,
}

/// A server's answer, with its headers as they came.
pub(crate) struct PacketAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// The lane of one packet-by-packet session.
pub(crate) struct PacketTask {
    id: TaskId,
    lane: LaneId,
    answer: Option<mpsc::Sender<Result<PacketAnswer, Error>>>,
}

impl PacketTask {
    pub(crate) fn new(id: TaskId, job: &PacketJob, core: &mut Core) -> Self {
        let lane = core.transport.open_lane(lane_options(&job.options, core));
        core.lanes.insert(lane, id);
        Self { id, lane, answer: None }
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
            authorize,
            last,
            answer,
        } = job;
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
                drop(answer.send(Err(error)));
                return;
            }
        };
        let (host, port) = host.unwrap_or_else(|| (destination.host.clone(), destination.port));
        let own = options.headers.iter().map(|h| (h.name().to_owned(), h.value().to_owned()));
        let exchange = Exchange {
            method: Method::BitsPost,
            scheme: if destination.https { Scheme::Https } else { Scheme::Http },
            host,
            port,
            target: destination.target.clone(),
            headers: own.chain(headers).collect(),
            body: body.map(|body| Box::new(body) as Box<dyn transport::Body>),
            length: range.map_or(0, ContentRange::length),
            sink: None,
            connection: ConnectionUse::Reuse,
            limits: Limits {
                connect: options.connect_timeout,
                stall: options.stall_timeout,
                answer: if last { options.last_ack_timeout } else { options.ack_timeout },
            },
            auth: options.credentials.as_ref().filter(|_| authorize).map(|credentials| {
                Arc::new(Credentials {
                    scheme: AuthScheme::Basic,
                    user: credentials.user.clone(),
                    password: credentials.password.reveal().to_owned().into(),
                })
            }),
        };
        match core.transport.start(self.lane, exchange) {
            Ok(()) => self.answer = Some(answer),
            Err(failure) => drop(answer.send(Err(error_of(failure)))),
        }
    }

    pub(crate) fn ended(&mut self, event: transport::Event) {
        if let Some(answer) = self.answer.take() {
            let result = event.result.map(|answer| of(&answer)).map_err(error_of);
            // Whoever asked may be gone.
            drop(answer.send(result));
        }
    }

    pub(crate) fn end(self, core: &mut Core) {
        core.transport.close_lane(self.lane);
        core.lanes.remove(&self.lane);
    }
}

fn of(answer: &Answer) -> PacketAnswer {
    let headers = answer.headers.iter();
    PacketAnswer {
        status: answer.status,
        headers: headers
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
            .collect(),
    }
}

fn error_of(failure: transport::Failure) -> Error {
    let (kind, code) = match class(&failure.kind) {
        FailureClass::Offline | FailureClass::Transport => (ErrorKind::Network, None),
        FailureClass::Timeout => (ErrorKind::Timeout, None),
        FailureClass::BadAnswer => (ErrorKind::Protocol, Some(Hresult::INVALID_SERVER_RESPONSE)),
        FailureClass::Fatal(kind) => (kind, None),
    };
    let error = bitsup_proto::Error::new(kind, failure.message);
    match code {
        Some(code) => error.with_code(code).into(),
        None => error.into(),
    }
}
