//! Packets that the caller sends one by one: no probe, restart, HEAD, journal and retry. Challenges are answered
//! as those of an upload are.

use std::fmt::Arguments;
use std::time::Duration;

use bitsup_proto::Ack;
use bitsup_proto::classify::{Meaning, classify};
use bitsup_proto::host::HostId;
use bitsup_proto::packet::{Packet, PacketType};
use bitsup_proto::session::{Connection, Request};
use bitsup_proto::{ContentRange, SessionId};

/// A packet goes out no more often: once without credentials, and with each that there are or were asked for, at
/// server and proxy.
const MAX_ROUNDS: u32 = 10;

/// A packet as the caller wants it.
#[derive(Clone, Debug)]
pub struct SinglePacket {
    /// Which packet.
    pub packet: PacketType,
    /// The session that it is about.
    pub session: Option<SessionId>,
    /// Its `Content-Name`.
    pub name: Option<String>,
    /// The bytes that it carries.
    pub range: Option<ContentRange>,
    /// The host that it goes to, if that is not the URL's.
    pub host: Option<HostId>,
    /// How long its Ack may take.
    pub answer_limit: Duration,
}

/// The packets of one caller.
#[derive(Debug)]
pub(super) struct Packets {
    packet: Option<SinglePacket>,
    /// What goes out next.
    pub(super) next: Option<Request>,
    rounds: u32,
    pub(super) server: Credentials,
    pub(super) proxy: Credentials,
}

/// Whether there are credentials, and whether packets show them.
#[derive(Debug)]
pub(super) struct Credentials {
    usable: bool,
    shown: bool,
}

impl Credentials {
    /// Credentials that were not asked for yet.
    pub(super) fn new(usable: bool) -> Self {
        Self { usable, shown: false }
    }

    /// A challenge is answered once with them.
    fn answer(&mut self, carried: bool) -> bool {
        self.shown = self.usable && !carried;
        self.shown
    }
}

impl Packets {
    pub(super) fn new((server, proxy): (bool, bool)) -> Self {
        let (server, proxy) = (Credentials::new(server), Credentials::new(proxy));
        Self { packet: None, next: None, rounds: 0, server, proxy }
    }

    pub(super) fn send(&mut self, packet: SinglePacket) {
        self.rounds = 0;
        self.next = Some(self.request(&packet));
        self.packet = Some(packet);
    }

    fn request(&self, packet: &SinglePacket) -> Request {
        Request {
            packet: packet.packet,
            range: packet.range,
            connection: Connection::Keep,
            authorize: self.server.shown,
            authorize_proxy: self.proxy.shown,
            answer_limit: packet.answer_limit,
            probe: false,
        }
    }

    pub(super) fn host(&self) -> Option<&HostId> {
        self.packet.as_ref()?.host.as_ref()
    }

    pub(super) fn headers(&self, request: &Request, emit: impl FnMut(&'static str, Arguments<'_>)) {
        let packet = Packet {
            packet_type: request.packet,
            session_id: self.packet.as_ref().and_then(|own| own.session.as_ref()),
            content_name: self.packet.as_ref().and_then(|own| own.name.as_deref()),
            range: request.range,
        };
        packet.for_each_header(emit);
    }

    /// What an answer means; `None` where the packet goes out again with credentials.
    pub(super) fn answered(&mut self, request: &Request, ack: &Ack<'_>) -> Option<Meaning> {
        let meaning = classify(request.packet, ack);
        let answers = match meaning {
            Meaning::Challenge { proxy: false } => self.server.answer(request.authorize),
            Meaning::Challenge { proxy: true } => self.proxy.answer(request.authorize_proxy),
            _ => return Some(meaning),
        };
        self.rounds += 1;
        if !answers || self.rounds >= MAX_ROUNDS {
            return Some(meaning);
        }
        self.send_again();
        None
    }

    pub(super) fn send_again(&mut self) {
        self.next = self.packet.as_ref().map(|packet| self.request(packet));
    }

    /// The packet is given up.
    pub(super) fn abort(&mut self) {
        self.next = None;
        self.packet = None;
    }
}
