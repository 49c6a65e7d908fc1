//! Exchanges of a run: what goes out, what arrives at the server and when, what the client hears of it.

use std::time::Duration;

use bitsup_core::{
    ClientState, CredentialId, ExchangeId, LoginOutcome, PendingRequest, PostAck, Readiness, Ready,
    Step, UploadDriver,
};
use bitsup_proto::ack::Offset;
use bitsup_proto::classify::{Meaning, classify};
use bitsup_proto::reply::{Get, Got};
use bitsup_proto::session::{Connection, Exchange, Request, Sent};
use bitsup_proto::{Ack, ContentRange, PacketType};

use bitsup_server::model::Answer;

use super::network::{Arrives, Circumstances, Course, End};
use super::run::Run;
use super::server::ReceivedPacket;

/// How long HEAD and GET may take to be answered.
const ANSWER_LIMIT: Duration = Duration::from_mins(5);

/// How an exchange ended for the client.
enum Heard {
    /// It did not: the client ended it, or its process did.
    Nothing,
    /// At the end of its course; the server's answer, if it acted on it.
    Course(ExchangeId, Option<Answer>),
}

impl Run {
    /// Begins an exchange, or defers it until it can go out.
    pub(super) fn offer(&mut self, request: PendingRequest) -> Result<(), String> {
        match self.driver.check(&request) {
            Readiness::Now => {}
            Readiness::Wait => {
                self.driver.defer(request);
                return Ok(());
            }
            Readiness::StoreIntent(checkpoint) => {
                self.driver.defer(request);
                return self.closing(checkpoint);
            }
        }
        let ready = self.driver.authorize(&request, &mut self.client);
        if ready != Ready::Now {
            return Err(format!("{request:?} would show credentials that are {ready:?}"));
        }
        match request {
            PendingRequest::Packet(request) => self.send(request),
            PendingRequest::Reply(get) => self.get_reply(&get),
            head => self.head(head),
        }
    }

    /// Sends a packet and reports how that ended.
    fn send(&mut self, request: Request) -> Result<(), String> {
        if !self.has_source(&request) {
            return Ok(());
        }
        self.checks.sends(&request, self.driver.session(), &self.scenario)?;
        if self.connection_has_ended(request.packet) && !self.driver.connection_ended() {
            return Ok(());
        }
        let creates = request.packet == PacketType::CreateSession;
        if creates {
            self.creating()?;
            if self.has_died()? {
                return Ok(());
            }
        }
        let fresh = request.connection == Connection::Fresh;
        let wire = self.wire(&request, fresh);
        if let Some(sent) = wire.credentials.map(handle)
            && self.client.credentials.has_refused(self.driver.peer(), sent)
        {
            return Err("credentials that were refused are sent again".into());
        }
        let length = request.range.map_or(0, ContentRange::length);
        let sent_id = self.driver.session().session_id().map(|id| id.as_str().to_owned());
        self.packets += 1;
        self.transcript
            .note(self.now, || format!("{} {}{wire:?}", request.packet, range_of(&request)));
        let mut course = self.course(length, request.answer_limit, fresh);
        if let Some(twin) = self.twin(&request) {
            course.end = End::Other(twin);
        }
        let (sending, end) = (course.sending, course.end.clone());
        let packet = PendingRequest::Packet(request);
        let Heard::Course(id, answer) = self.under_way(packet, Some(wire), &course)? else {
            return Ok(());
        };
        let now = self.moment_of_now();
        let answer = match (end, answer) {
            (End::Failure(failure), _) => {
                self.transcript.note(self.now, || format!("  failed: {failure:?}"));
                self.driver.judge(LoginOutcome::Inconclusive, &mut self.client);
                let taken = self.driver.handle_failure(id, &failure, now);
                return taken.map_err(|_| "the report of a failure was refused".into());
            }
            (End::Other(answer), _) | (End::Answer, Some(answer)) => answer,
            (End::Answer, None) => return Err("an answer to nothing".into()),
        };
        self.transcript.note(self.now, || format!("  answered: {answer:?}"));
        let is_last = request.range.is_some_and(ContentRange::is_last);
        self.last_ack = Some(answer.clone()).filter(|answer| is_last && answer.status == 200);
        let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let ack = Ack::parse(answer.status, headers);
        judge((&mut self.driver, &mut self.client), &request, &ack, self.credentials);
        if let (Offset::At(offset), Some(id), 200 | 416) = (ack.offset, sent_id, answer.status) {
            self.checks.acknowledged(id, offset);
        }
        let exchange = Exchange {
            sending,
            waiting: self.scenario.network.round_trip,
            sent: Sent::Body(u64::MAX),
        };
        let taken = self.driver.handle_ack(id, &ack, exchange, now);
        match taken.map_err(|_| "an answer was refused")? {
            PostAck::Created(checkpoint) => self.created(checkpoint)?,
            PostAck::NotCreated => self.not_created(),
            PostAck::Nothing | PostAck::Answered(_) => {}
        }
        Ok(())
    }

    /// Asks for the destination's size.
    fn head(&mut self, request: PendingRequest) -> Result<(), String> {
        self.packets += 1;
        let course = self.course(0, ANSWER_LIMIT, false);
        let end = course.end.clone();
        let is_before = request == PendingRequest::Precheck;
        let heard = self.under_way(request, None, &course)?;
        let Heard::Course(id, _) = heard else { return Ok(()) };
        let now = self.moment_of_now();
        let taken = match end {
            End::Failure(failure) => self.driver.handle_failure(id, &failure, now),
            end => {
                let mut head = self.server.head();
                if let End::Other(answer) = end {
                    // A success in the server's place has no length to compare.
                    head.status = answer.status;
                    head.content_length = None;
                }
                self.transcript.note(self.now, || format!("HEAD: {head:?}"));
                if is_before {
                    self.driver.handle_precheck(id, head, false);
                    return Ok(());
                }
                self.driver.handle_head(id, &head)
            }
        };
        taken.map_err(|_| "the answer to HEAD was refused".into())
    }

    /// Fetches (a part of) the reply.
    fn get_reply(&mut self, get: &Get) -> Result<(), String> {
        self.packets += 1;
        let course = self.course(0, ANSWER_LIMIT, false);
        let end = course.end.clone();
        let heard = self.under_way(PendingRequest::Reply(get.clone()), None, &course)?;
        let Heard::Course(id, _) = heard else { return Ok(()) };
        let cut = self.random.chance(self.scenario.network.trouble);
        let now = self.moment_of_now();
        let taken = match end {
            End::Failure(failure) => self.driver.handle_failure(id, &failure, now),
            End::Other(_) => {
                let got = Got { status: 503, ..Got::default() };
                self.driver.handle_reply(id, &got, now)
            }
            End::Answer => {
                let got = self.reply.get(get, &self.server, cut, &mut self.random);
                self.transcript.note(self.now, || format!("{get:?}: {got:?}"));
                self.driver.handle_reply(id, &got, now)
            }
        };
        taken.map_err(|_| "the answer to GET was refused".into())
    }

    fn wire(&mut self, request: &Request, fresh: bool) -> ReceivedPacket {
        let mut headers = Vec::new();
        self.driver
            .session()
            .headers(request, |name, value| headers.push((name, value.to_string())));
        ReceivedPacket {
            headers,
            credentials: self.credentials.filter(|_| request.authorize),
            connection: self.connect(fresh),
            at_node: self.driver.session().host().is_some(),
            version: self.source.version(),
        }
    }

    /// Whether the connection that the next packet was to take has ended, and with it the server.
    fn connection_has_ended(&mut self, next: PacketType) -> bool {
        let share = self.server.traits.crashes;
        let share = if next == PacketType::CloseSession { share } else { share.div_ceil(20) };
        let ends = self.connection.is_some() && self.random.chance(share);
        if ends {
            self.server.crash(&mut self.random);
            self.connection = None;
        }
        ends
    }

    /// The last Fragment's Ack once more, in place of that of Close-Session.
    fn twin(&mut self, request: &Request) -> Option<Answer> {
        let last = self.last_ack.take()?;
        let comes = request.packet == PacketType::CloseSession
            && request.connection == Connection::Keep
            && self.random.chance(self.server.traits.twins);
        comes.then_some(last)
    }

    fn connect(&mut self, fresh: bool) -> u64 {
        if let Some(connection) = self.connection.filter(|_| !fresh) {
            return connection;
        }
        self.connections += 1;
        self.connection = Some(self.connections);
        self.connections
    }

    fn course(&mut self, length: u64, answer_limit: Duration, fresh: bool) -> Course {
        let about = Circumstances {
            now: self.now,
            length,
            answer_limit,
            new_connection: fresh,
            at_node: self.driver.session().host().is_some(),
        };
        self.scenario.network.course(about, &mut self.random)
    }

    /// Lets time pass until the course ends, or the client ends it.
    fn under_way(
        &mut self,
        request: PendingRequest,
        wire: Option<ReceivedPacket>,
        course: &Course,
    ) -> Result<Heard, String> {
        let shown = wire.as_ref().and_then(|wire| wire.credentials).map(handle);
        let now = self.moment_of_now();
        let Some(id) = self.driver.start(request, shown, now) else {
            return Ok(Heard::Nothing);
        };
        // An upload that has failed has none any more.
        let deadline = self.deadline();
        match self.poll()? {
            Step::Wait(None) => {}
            // The time was over when it could begin.
            Step::Abort(_) if deadline.is_some_and(|at| at <= self.now) => {
                self.connection = None;
                return Ok(Heard::Nothing);
            }
            other => return Err(format!("{other:?} when a request has just gone out")),
        }
        if self.has_died()? {
            return Ok(Heard::Nothing);
        }
        let began = self.now;
        let ends = began.saturating_add(course.ends);
        let mut arrival = course.arrival.map(|(after, what)| (began.saturating_add(after), what));
        let mut answer = None;
        loop {
            let event = self.events.front().map(|(at, _)| *at);
            let next = [event, self.deadline()].into_iter().flatten().fold(ends, Duration::min);
            let at = next.max(self.now);
            if let (Some((when, what)), Some(wire)) = (arrival, &wire)
                && when <= at
            {
                answer = self.arrive(when, wire, what);
                arrival = None;
            }
            self.now = at;
            if next >= ends {
                break;
            }
            let event = self.events.pop_front_if(|(at, _)| *at <= self.now);
            let was_event = event.is_some();
            let replaced = event.map_or(Ok(false), |(_, event)| self.happens(event))?;
            if replaced || self.poll_aborts(was_event)? || self.has_died()? {
                self.abandon(arrival, wire);
                return Ok(Heard::Nothing);
            }
        }
        if !course.keeps_connection {
            self.connection = None;
        }
        if let (Some((when, what)), Some(wire)) = (arrival, wire) {
            self.late.push((when, wire, what));
        }
        self.driver.count_requests(1);
        Ok(Heard::Course(id, answer))
    }

    /// After an event: whether the running exchange is to be ended.
    fn poll_aborts(&mut self, was_event: bool) -> Result<bool, String> {
        match self.poll()? {
            Step::Abort(_) => Ok(true),
            Step::Wait(None) if was_event => Ok(false),
            Step::Wait(None) => Err("the upload's time is over, and its exchange goes on".into()),
            other => Err(format!("{other:?} while an exchange is under way")),
        }
    }

    /// A request that was under way when the client left may arrive all the same, or its first bytes.
    fn abandon(&mut self, arrival: Option<(Duration, Arrives)>, wire: Option<ReceivedPacket>) {
        self.connection = None;
        let (Some((when, what)), Some(wire)) = (arrival, wire) else { return };
        let what = match what {
            Arrives::All if self.random.chance(500) => Arrives::All,
            Arrives::All => Arrives::Part(0),
            Arrives::Part(length) => Arrives::Part(self.random.below(length + 1)),
        };
        self.late.push((when, wire, what));
    }

    /// A request is at the server; those that were on the way for longer come before it.
    fn arrive(&mut self, when: Duration, wire: &ReceivedPacket, what: Arrives) -> Option<Answer> {
        let mut due: Vec<_> = self.late.extract_if(.., |(at, ..)| *at <= when).collect();
        due.sort_by_key(|(at, ..)| *at);
        for (at, wire, what) in due {
            self.transcript.note(at, || format!("  late: {what:?} of {wire:?}"));
            self.take(&wire, what);
        }
        self.take(wire, what)
    }

    fn take(&mut self, wire: &ReceivedPacket, what: Arrives) -> Option<Answer> {
        let unix = self.unix();
        match what {
            Arrives::All => Some(self.server.handle(wire, unix, &mut self.random)),
            Arrives::Part(length) => {
                self.server.handle_part(wire, length);
                None
            }
        }
    }
}

/// What the engine does with an Ack before the driver gets it.
pub(super) fn judge(
    (driver, client): (&mut UploadDriver, &mut ClientState),
    request: &Request,
    ack: &Ack<'_>,
    own: Option<u32>,
) {
    let asks = classify(request.packet, ack) == Meaning::Challenge { proxy: false };
    driver.judge(LoginOutcome::of(ack.status, asks, ack.is_ack), client);
    if asks {
        use_credentials(driver, client, own);
    }
}

/// Answers the server with the caller's credentials, unless it has refused them.
pub(super) fn use_credentials(driver: &mut UploadDriver, client: &ClientState, own: Option<u32>) {
    let own = own.map(handle);
    let usable = own.filter(|own| !client.credentials.has_refused(driver.peer(), *own));
    driver.set_credentials(usable);
    driver.set_server_usable(usable.is_some());
}

/// The handle of credentials.
pub(super) fn handle(credentials: u32) -> CredentialId {
    CredentialId(credentials.into())
}

fn range_of(request: &Request) -> String {
    match (request.packet, request.range) {
        (PacketType::Fragment, Some(range)) => format!("{range} "),
        _ => String::new(),
    }
}
