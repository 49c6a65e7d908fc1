//! Packets that the caller sends one by one: Ping, and sessions driven packet by packet.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use bitsup_core::{SinglePacket, UploadDriver};
use bitsup_proto::classify::Meaning;
use bitsup_proto::session::{self, Sent};
use bitsup_proto::{Ack, Remark};

use super::super::Core;
use super::super::command::TaskId;
use super::convert::{ack, sent};
use super::{Task, protocol_failure};
use crate::callbacks::Subscriber;
use crate::destination::Destination;
use crate::error::Error;
use crate::options::UploadOptions;
use crate::progress::EventFilter;
use crate::source::Source;
use crate::transport::{Answer, ExchangeFailure, Stats};
use crate::upload::Shared;

/// One packet to send.
pub(crate) struct PacketJob {
    pub(crate) destination: Arc<Destination>,
    pub(crate) options: Arc<UploadOptions>,
    pub(crate) packet: SinglePacket,
    /// The bytes of a Fragment, from its first on.
    pub(crate) source: Option<Source>,
    /// No phase of the exchange takes longer.
    pub(crate) limit: Option<Duration>,
    pub(crate) caller: mpsc::Sender<PacketEvent>,
}

/// What the thread that sends a packet is told.
pub(crate) enum PacketEvent {
    /// An answer has come; the packet may go out again with a login.
    Answered(PacketAnswer),
    /// Put this question to the caller.
    Ask(Box<dyn FnOnce() + Send>),
    /// It is over; the last answer means this.
    Done(Result<Meaning, PacketFailure>),
}

/// Why a packet met no answer.
pub(crate) struct PacketFailure {
    pub(crate) error: Error,
    /// How much of it may have gone out.
    pub(crate) sent: Sent,
}

impl PacketFailure {
    /// Nothing went out.
    pub(crate) fn unsent(error: Error) -> Self {
        Self { error, sent: Sent::Nothing }
    }

    /// It may have gone out.
    pub(crate) fn abandoned(error: Error) -> Self {
        Self { error, sent: Sent::Body(u64::MAX) }
    }
}

impl From<PacketFailure> for Error {
    fn from(failure: PacketFailure) -> Self {
        failure.error
    }
}

impl From<session::Failure> for PacketFailure {
    fn from(failure: session::Failure) -> Self {
        Self { sent: failure.sent, error: failure.error.into() }
    }
}

/// A server's answer to a packet.
pub(crate) struct PacketAnswer {
    pub(crate) answer: Answer,
    /// How much of the packet had gone out when it came.
    pub(crate) sent: Sent,
    /// Whether the server has asked for a password, and there is one.
    pub(crate) has_login: bool,
    /// What is known of it.
    pub(crate) remark: Option<&'static Remark>,
}

impl PacketAnswer {
    pub(crate) fn ack(&self) -> Ack<'_> {
        Ack { remark: self.remark, ..ack(&self.answer) }
    }
}

impl Task {
    /// The task of a caller that sends packets.
    pub(crate) fn for_packets(id: TaskId, job: &PacketJob, core: &mut Core) -> Self {
        let (destination, options) = (&*job.destination, &*job.options);
        let usable = (options.credentials.is_some(), options.proxy_credentials.is_some());
        let driver = UploadDriver::for_packets(id, destination.origin.to_string(), usable);
        if options.polite {
            core.limiter.be_polite(id);
        }
        let shared = Shared::new(id, Subscriber::new(id, None, EventFilter::default()), 0);
        let (shared, source) = (Arc::new(shared), Source::bytes(Vec::new()));
        Self::new(shared, source, destination.clone(), options.clone(), driver)
    }

    /// Takes a packet over.
    pub(crate) fn send_packet(&mut self, job: PacketJob) {
        self.caller = Some(job.caller);
        self.source = job.source.unwrap_or_else(|| Source::bytes(Vec::new()));
        let (own, limit) = (&job.options, job.limit.unwrap_or(Duration::MAX));
        self.options.connect_timeout = own.connect_timeout.min(limit);
        self.options.stall_timeout = own.stall_timeout.min(limit);
        self.login.questions = 0;
        self.driver.send_packet(job.packet);
    }

    /// The caller waits for the packet no longer.
    pub(crate) fn abort_packet(&mut self, core: &mut Core) {
        let request = self.driver.exchange().map(|(_, request)| request.clone());
        self.driver.abort_packet();
        self.abort_exchange(request.as_ref(), core);
        if let Some(pinned) = self.pinned.take() {
            core.close_connection(pinned);
        }
    }

    /// The caller is gone.
    pub(crate) fn end_packets(mut self, core: &mut Core) {
        self.driver.end(&mut core.client);
        core.limiter.leave(self.id());
        if let Some(pinned) = self.pinned {
            core.close_connection(pinned);
        }
    }

    /// Whether packets are sent one by one.
    pub(crate) fn is_packets(&self) -> bool {
        self.caller.is_some()
    }

    pub(super) fn tell_caller(&self, event: PacketEvent) {
        if let Some(caller) = &self.caller {
            // It may be gone.
            drop(caller.send(event));
        }
    }

    pub(super) fn tell_answer(
        &self,
        answer: &Answer,
        remark: Option<&'static Remark>,
        stats: &Stats,
    ) {
        if self.is_packets() {
            self.tell_caller(PacketEvent::Answered(PacketAnswer {
                answer: answer.clone(),
                sent: sent(stats),
                has_login: self.login.scheme.is_some(),
                remark,
            }));
        }
    }
}

pub(crate) fn error_of(failure: ExchangeFailure) -> Error {
    protocol_failure(failure).error.into()
}
