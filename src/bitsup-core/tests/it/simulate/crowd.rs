//! Many uploads of one client at once: whose turn it is at a host, who may show a password, and what the shared
//! rate limit lets through. The client's own code decides; this drives it as the engine does, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use bitsup_core::{
    AfterCancel, Bucket, ClientState, Ending, ExchangeId, Hosts, LoginOutcome, Opening,
    Parallelism, PendingRequest, Ready, Stage, Step, TaskId, UploadDriver,
};
use bitsup_proto::session::{
    CancelMode, Config, Connection, Exchange, Notice, Outcome, Sent, State,
};
use bitsup_proto::verify::Head;
use bitsup_proto::{
    Ack, Checkpoint, ContentRange, Error, ErrorKind, Moment, PacketType, fragment_size,
};

use super::audit::Audit;
use super::exchanges::{handle, judge};
use super::network::{Arrives, Circumstances, Course, End};
use super::random::Random;
use super::run::Report;
use super::scenario::{BEGUN, Network};
use super::server::{ReceivedPacket, Server};
use super::source::Source;
use super::traits::Traits;
use super::transcript::Transcript;

/// More steps than any crowd needs.
const MAX_STEPS: u32 = 400_000;
/// The credentials that every site wants.
const RIGHT: u32 = 1;

/// A client and its uploads.
pub(crate) struct Crowd {
    random: Random,
    pub(crate) transcript: Transcript,
    now: Duration,
    client: ClientState,
    bucket: Bucket,
    network: Network,
    members: Vec<Member>,
    /// What happens when; the number keeps what is due at the same time in order.
    agenda: BTreeMap<(Duration, u64), (TaskId, Event)>,
    numbers: u64,
    audit: Audit,
}

struct Member {
    id: TaskId,
    site: String,
    config: Config,
    server: Server,
    source: Source,
    credentials: Option<u32>,
    /// Whether it asks first if the destination exists, and whether the upload follows a kept session.
    opening: (bool, Option<bool>),
    /// `None`: it has not begun.
    driver: Option<UploadDriver>,
    running: Option<Running>,
    /// Whether the question if the destination exists has been answered.
    has_asked: bool,
    outcome: Option<Outcome>,
    connections: u64,
    packets: u32,
}

/// The exchange under way.
struct Running {
    id: ExchangeId,
    request: PendingRequest,
    wire: ReceivedPacket,
    course: Course,
    /// Body bytes that the rate limit has not let through yet.
    left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begin,
    /// The state machine wants to be called.
    Wake,
    /// The exchange of that number is over.
    Ends(ExchangeId),
    Suspend(Duration),
    Resume,
    Cancel(CancelMode),
    /// The caller has dropped the handle; whether there is a journal.
    Abandon(bool),
    /// The stored entry is in order.
    Finished,
    /// The limit of all, in bytes a second.
    Limit(Option<u64>),
}

/// Where an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has a slot at its host.
    Slot,
    /// It waits for one.
    Queue,
    /// It pauses, or is over.
    Elsewhere,
}

fn place(driver: &UploadDriver) -> Place {
    match driver.stage() {
        Stage::Queued => Place::Queue,
        _ if driver.has_slot() => Place::Slot,
        _ => Place::Elsewhere,
    }
}

fn member(members: &mut [Member], id: TaskId) -> Result<&mut Member, String> {
    let at = usize::try_from(id.0).map_err(|error| error.to_string())?;
    members.get_mut(at).ok_or_else(|| format!("there is no {id:?}"))
}

impl Crowd {
    /// The crowd of this seed.
    pub(crate) fn new(seed: u64, transcript: Transcript) -> Self {
        let mut random = Random::new(seed);
        let per_host = 1 + random.below(4) as usize;
        let most = if random.chance(300) { 2 + random.below(5) as usize } else { usize::MAX };
        let limit = random.chance(500).then(|| 20_000 + random.magnitude(5_000_000));
        let count = 2 + random.magnitude(20);
        let sites = 1 + random.below(3);
        let mut crowd = Self {
            network: Network {
                round_trip: Duration::from_micros(200 + random.magnitude(500_000)),
                rate: 100_000 + random.magnitude(100_000_000),
                trouble: if random.chance(500) { random.below(200) } else { 0 },
                gateway: if random.chance(200) { random.below(100) } else { 0 },
                offline: Vec::new(),
                node_down: None,
            },
            transcript,
            now: Duration::ZERO,
            client: ClientState::new(Hosts::new(Parallelism::fixed(per_host), most)),
            bucket: Bucket::new(limit, Duration::ZERO),
            members: Vec::new(),
            agenda: BTreeMap::new(),
            numbers: 0,
            audit: Audit::new(per_host, most, limit),
            random,
        };
        let guarded: Vec<bool> = (0..sites).map(|_| crowd.random.chance(500)).collect();
        for number in 0..count {
            let site = crowd.random.below(sites);
            let wants_login = guarded.get(site as usize).copied().unwrap_or(false);
            crowd.add(TaskId(number), format!("https://site{site}"), wants_login);
        }
        if crowd.random.chance(300) {
            let limit =
                crowd.random.chance(700).then(|| 20_000 + crowd.random.magnitude(5_000_000));
            let at = crowd.random.time(Duration::from_secs(20));
            crowd.plan(at, TaskId(0), Event::Limit(limit));
        }
        crowd.transcript.note(crowd.now, || {
            format!("seed {seed}: {count} uploads, {per_host} a host, {most} in all, {limit:?} bytes a second")
        });
        crowd
    }

    fn add(&mut self, id: TaskId, site: String, wants_login: bool) {
        let random = &mut self.random;
        let size = random.magnitude(200_000);
        let mut traits = Traits::conforming(size);
        traits.busy = if random.chance(300) { random.below(200) } else { 0 };
        traits.forgets = if random.chance(200) { random.below(100) } else { 0 };
        if wants_login {
            traits.want_credentials(RIGHT);
        }
        let credentials = wants_login
            .then(|| if random.chance(600) { RIGHT } else { RIGHT + 1 + random.below(2) as u32 });
        let fixed = Some(4_000 + random.magnitude(100_000));
        let config = Config {
            size,
            fragment: fragment_size::Limits { fixed, ..fragment_size::Limits::default() },
            origin: "site.example.com".to_owned(),
            opening_ping: credentials.is_some(),
            credentials: credentials.is_some(),
            ..Config::default()
        };
        let begins =
            if random.chance(700) { Duration::ZERO } else { random.time(Duration::from_secs(10)) };
        let mut events = vec![(begins, Event::Begin)];
        if random.chance(200) {
            let pause = Duration::from_millis(random.magnitude(60_000));
            events.push((begins + random.time(Duration::from_secs(20)), Event::Suspend(pause)));
        }
        if random.chance(100) {
            let mode = if random.chance(500) { CancelMode::Delete } else { CancelMode::Keep };
            events.push((begins + random.time(Duration::from_secs(20)), Event::Cancel(mode)));
        }
        if random.chance(50) {
            let at = begins + random.time(Duration::from_secs(20));
            events.push((at, Event::Abandon(random.chance(500))));
        }
        let asks = random.chance(300);
        if asks && random.chance(200) {
            traits.file_before = Some((random.magnitude(size), BEGUN.saturating_sub(1_000_000)));
        }
        let follows = random.chance(150).then(|| random.chance(500));
        for (at, event) in events {
            self.plan(at, id, event);
        }
        self.members.push(Member {
            id,
            site,
            config,
            server: Server::new(traits),
            source: Source::new(size),
            credentials,
            opening: (asks, follows),
            driver: None,
            running: None,
            has_asked: false,
            outcome: None,
            connections: 0,
            packets: 0,
        });
    }

    /// Plays it. The error is what must never happen.
    pub(crate) fn play(&mut self) -> Result<Vec<Report>, String> {
        for _ in 0..MAX_STEPS {
            let turn = self.bucket.next_turn(self.now).map(|wait| self.now + wait);
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            match (turn, next) {
                (None, None) => return self.reports(),
                (Some(turn), next) if next.is_none_or(|next| turn < next) => {
                    self.pass(turn);
                    for id in self.bucket.call(self.now) {
                        self.pump(id)?;
                    }
                }
                _ => {
                    let Some(((at, _), (id, event))) = self.agenda.pop_first() else { continue };
                    self.pass(at);
                    self.happens(id, event)?;
                }
            }
        }
        Err("the crowd comes to no end".into())
    }

    fn reports(&mut self) -> Result<Vec<Report>, String> {
        let report = |member: &Member| {
            let Some(outcome) = member.outcome.clone() else {
                return Err(format!("{:?} waits for ever in {:?}", member.id, member.driver));
            };
            let destination = member.server.destination();
            let exact = destination.is_some_and(|stored| member.source.is_stored(stored, 0));
            if matches!(outcome, Outcome::Done(_)) && !exact {
                return Err(format!("{:?} is done, and the file is wrong", member.id));
            }
            Ok(Report { packets: member.packets, time: self.now, ..Report::of(outcome, exact) })
        };
        let reports = self.members.iter().map(report).collect::<Result<_, _>>()?;
        self.audit.ended(&mut self.client.hosts).map(|()| reports)
    }

    fn pass(&mut self, to: Duration) {
        let to = to.max(self.now);
        self.audit.passes(to.saturating_sub(self.now));
        self.now = to;
    }

    fn plan(&mut self, at: Duration, id: TaskId, event: Event) {
        self.numbers += 1;
        self.agenda.insert((at, self.numbers), (id, event));
    }

    fn member(&mut self, id: TaskId) -> Result<&mut Member, String> {
        member(&mut self.members, id)
    }

    fn moment(&mut self) -> Moment {
        let unix = BEGUN + self.now.as_secs();
        Moment { monotonic: self.now, unix, random: self.random.bits() }
    }

    // ---- what the engine does --------------------------------------------------

    fn happens(&mut self, id: TaskId, event: Event) -> Result<(), String> {
        let now = self.moment();
        if event != Event::Wake {
            self.transcript.note(self.now, || format!("{id:?}: {event:?}"));
        }
        let begun = self.member(id)?.driver.is_some();
        match event {
            Event::Limit(limit) => {
                self.bucket.set_limit(limit, self.now);
                self.audit.set_limit(limit);
                for id in self.bucket.call(self.now) {
                    self.pump(id)?;
                }
                return Ok(());
            }
            Event::Begin if !begun => self.enters(id)?,
            Event::Ends(number) => self.ends(id, number)?,
            Event::Suspend(pause) if begun => {
                self.plan(self.now + pause, id, Event::Resume);
                self.drive(id, false, |driver, client| driver.suspend(client, now))?;
            }
            Event::Resume => {
                self.drive(id, false, |driver, client| driver.resume(client, now))?;
            }
            Event::Cancel(mode) if begun => {
                self.drive(id, true, |driver, client| driver.cancel(mode, client, now))?;
            }
            Event::Abandon(has_journal) if begun => {
                self.drive(id, true, |driver, client| driver.abandon(has_journal, client, now))?;
            }
            Event::Finished => self.drive(id, false, |driver, _| driver.ended())?,
            Event::Begin
            | Event::Suspend(_)
            | Event::Cancel(_)
            | Event::Abandon(_)
            | Event::Wake => {}
        }
        self.step(id)?;
        self.check_pause(id)?;
        // A step of one upload may let others go on, and these others again.
        loop {
            if let Some(next) = self.client.hosts.next_admitted() {
                self.admit(next)?;
                self.step(next)?;
            } else if let Some(next) = self.client.credentials.next_woken() {
                self.step(next)?;
            } else {
                return Ok(());
            }
        }
    }

    /// An upload that pauses keeps no slot.
    fn check_pause(&mut self, id: TaskId) -> Result<(), String> {
        let member = self.member(id)?;
        let keeps = |driver: &UploadDriver| {
            driver.session().state() == State::Suspend && driver.is_paused() && driver.has_slot()
        };
        if member.driver.as_ref().is_some_and(keeps) {
            return Err(format!("{id:?} pauses and keeps its slot"));
        }
        Ok(())
    }

    fn enters(&mut self, id: TaskId) -> Result<(), String> {
        let now = self.moment();
        let member = member(&mut self.members, id)?;
        let opening = match member.opening.1 {
            None => Opening::New,
            Some(follows) => {
                let kept = serde_json::json!({
                    "session_id": "{kept}", "created": BEGUN, "size": member.config.size, "offset": 0,
                });
                let kept: Checkpoint =
                    serde_json::from_value(kept).map_err(|error| error.to_string())?;
                let then = if follows { AfterCancel::Upload } else { AfterCancel::End };
                Opening::CancelFirst(kept, then)
            }
        };
        let (site, config) = (member.site.clone(), member.config.clone());
        let driver = UploadDriver::new(id, site.clone(), config, opening, &mut self.client, now)
            .with_precheck(member.opening.0);
        let has_slot = driver.has_slot();
        member.driver = Some(driver);
        self.audit.entered(&site, id, has_slot)
    }

    fn admit(&mut self, id: TaskId) -> Result<(), String> {
        let (site, now) = (self.member(id)?.site.clone(), self.moment());
        self.audit.admitted(&site, id)?;
        let member = member(&mut self.members, id)?;
        let driver = member.driver.as_mut().ok_or("it has not begun")?;
        if !driver.admit(&mut self.client, now) {
            return Err(format!("{id:?} is admitted, and waits for nothing"));
        }
        if !driver.has_slot() {
            self.audit.left(&site);
        }
        Ok(())
    }

    /// Lets something happen to an upload that is not its admission, and sees what becomes of its slot;
    /// `pushes`: for what does not wait for one.
    fn drive<R>(
        &mut self,
        id: TaskId,
        pushes: bool,
        happens: impl FnOnce(&mut UploadDriver, &mut ClientState) -> R,
    ) -> Result<R, String> {
        let member = member(&mut self.members, id)?;
        let driver = member.driver.as_mut().ok_or("it has not begun")?;
        let before = place(driver);
        let result = happens(driver, &mut self.client);
        let (site, after) = (&member.site, place(driver));
        match (before, after) {
            (Place::Elsewhere, Place::Queue) => self.audit.entered(site, id, false)?,
            (Place::Elsewhere | Place::Queue, Place::Slot) if pushes => {
                self.audit.pushed_in(site, id);
            }
            (Place::Elsewhere, Place::Slot) => self.audit.entered(site, id, true)?,
            (Place::Queue, Place::Slot) => return Err(format!("{id:?} takes a slot")),
            (Place::Queue, Place::Elsewhere) => self.audit.gave_up(site, id),
            (Place::Slot, Place::Elsewhere) => self.audit.left(site),
            (Place::Slot, Place::Queue) => return Err(format!("{id:?} queues for its slot")),
            _ => {}
        }
        Ok(result)
    }

    fn end(&mut self, id: TaskId, outcome: Outcome) -> Result<(), String> {
        self.drive(id, false, UploadDriver::end)?;
        self.member(id)?.outcome = Some(outcome);
        let order = Duration::from_millis(self.random.magnitude(30_000));
        self.plan(self.now + order, id, Event::Finished);
        Ok(())
    }

    fn step(&mut self, id: TaskId) -> Result<(), String> {
        loop {
            let now = self.moment();
            let member = self.member(id)?;
            let Some(driver) = &mut member.driver else { return Ok(()) };
            match driver.poll(now) {
                Step::Tell(Notice::SessionLost) => {
                    let site = member.site.clone();
                    if let Some(limit) = self.client.hosts.session_lost(&site) {
                        self.audit.limited(&site, limit);
                    }
                }
                Step::Tell(_) | Step::TellUnproven | Step::Store(_) => {}
                Step::Begin(PendingRequest::Reply(_)) => {
                    return Err("a reply is fetched that was not asked for".into());
                }
                Step::Begin(request) => self.offer(id, request)?,
                Step::Abort(_) => self.abort(id)?,
                Step::Wait(until) => {
                    if let Some(until) = until {
                        self.plan(until, id, Event::Wake);
                    }
                    return Ok(());
                }
                Step::StartUpload => {
                    let config = member.config.clone();
                    self.drive(id, false, |driver, client| {
                        driver.start_upload(config, client, now);
                    })?;
                }
                Step::Finish(Ending::Session(outcome)) => self.end(id, outcome)?,
                Step::Finish(Ending::Error(_)) => {
                    self.end(id, Outcome::Cancelled { confirmed: true, kept: false })?;
                }
            }
        }
    }

    /// Sends it, or holds it until it can go out; or neither, and the state machine knows.
    fn offer(&mut self, id: TaskId, request: PendingRequest) -> Result<(), String> {
        let member = member(&mut self.members, id)?;
        let driver = member.driver.as_mut().ok_or("it has not begun")?;
        match driver.authorize(&request, &mut self.client) {
            Ready::Now => self.begin(id, request),
            Ready::Wait => {
                driver.defer(request);
                Ok(())
            }
            Ready::Refused if request == PendingRequest::Precheck => {
                driver.end_precheck();
                Ok(())
            }
            Ready::Refused => {
                let number = driver.start_unsent(request);
                driver.set_server_usable(false);
                let now = self.moment();
                let ack = Ack::parse(401, std::iter::empty());
                let driver = self.member(id)?.driver.as_mut().ok_or("it has not begun")?;
                let taken = driver.handle_ack(number, &ack, Exchange::default(), now);
                taken.map(drop).map_err(|_| "a refusal was refused".into())
            }
        }
    }

    fn begin(&mut self, id: TaskId, request: PendingRequest) -> Result<(), String> {
        let now = self.moment();
        let packet = match &request {
            PendingRequest::Packet(packet) => Some(*packet),
            _ => None,
        };
        let fresh = packet.is_some_and(|packet| packet.connection == Connection::Fresh);
        let length = packet.and_then(|packet| packet.range).map_or(0, ContentRange::length);
        let about = Circumstances {
            now: now.monotonic,
            length: 0,
            answer_limit: Duration::from_mins(5),
            new_connection: fresh,
            at_node: false,
        };
        let course = self.network.course(about, &mut self.random);
        let member = self.member(id)?;
        let site = member.site.clone();
        if member.running.is_some() {
            return Err(format!("{id:?} has two requests under way"));
        }
        member.connections += u64::from(fresh || member.connections == 0);
        member.packets += 1;
        let connection = member.connections;
        let driver = member.driver.as_mut().ok_or("it has not begun")?;
        let mut headers = Vec::new();
        if let Some(packet) = &packet {
            driver.session().headers(packet, |name, value| headers.push((name, value.to_string())));
        }
        let deletes = packet.is_some_and(|it| it.packet == PacketType::CancelSession);
        // One packet to delete a session needs no slot.
        if !driver.has_slot() && !deletes {
            return Err(format!("{id:?} sends something without having a slot: {driver:?}"));
        }
        if request == PendingRequest::Precheck && member.has_asked {
            return Err(format!("{id:?} asks again whether the destination exists"));
        }
        let credentials = member.credentials.filter(|_| packet.is_some_and(|it| it.authorize));
        let number = driver.start(request.clone(), credentials.map(handle), now);
        let Some(number) = number else { return Ok(()) };
        let wire = ReceivedPacket { headers, credentials, connection, at_node: false, version: 0 };
        let left = usize::try_from(length).map_err(|error| error.to_string())?;
        member.running = Some(Running { id: number, request, wire, course, left });
        if let Some(shown) = credentials {
            self.audit.shows(&site, shown, id)?;
        }
        self.pump(id)
    }

    /// Lets as many bytes of the body out as the limit allows; then the exchange takes its course.
    fn pump(&mut self, id: TaskId) -> Result<(), String> {
        let now = self.now;
        loop {
            let Some(left) = self.member(id)?.running.as_ref().map(|running| running.left) else {
                return Ok(());
            };
            if left == 0 {
                break;
            }
            let granted = self.bucket.take(id, left, now);
            if granted == 0 {
                return Ok(());
            }
            self.audit.granted(granted as u64)?;
            if let Some(running) = &mut self.member(id)?.running {
                running.left =
                    left.checked_sub(granted).ok_or("more is granted than was wanted")?;
            }
        }
        self.bucket.forget(id);
        if let Some(Running { id: number, course, .. }) = &self.member(id)?.running {
            let (at, number) = (now.saturating_add(course.ends), *number);
            self.plan(at, id, Event::Ends(number));
        }
        Ok(())
    }

    fn abort(&mut self, id: TaskId) -> Result<(), String> {
        self.bucket.forget(id);
        let member = self.member(id)?;
        member.connections += 1;
        member.running = None;
        self.audit.over(id);
        Ok(())
    }

    /// Step 3: how the exchange ended.
    fn ends(&mut self, id: TaskId, number: ExchangeId) -> Result<(), String> {
        let now = self.moment();
        let random = &mut self.random;
        let member = member(&mut self.members, id)?;
        let Some(Running { request, wire, course, .. }) =
            member.running.take_if(|running| running.id == number)
        else {
            return Ok(());
        };
        self.audit.over(id);
        let is_packet = matches!(request, PendingRequest::Packet(_));
        let in_time = course.arrival.filter(|(after, _)| *after <= course.ends);
        let own = match in_time.filter(|_| is_packet) {
            Some((_, Arrives::All)) => Some(member.server.handle(&wire, now.unix, random)),
            Some((_, Arrives::Part(length))) => {
                member.server.handle_part(&wire, length);
                None
            }
            None => None,
        };
        let driver = member.driver.as_mut().ok_or("it has not begun")?;
        driver.count_requests(1);
        if request == PendingRequest::Precheck {
            member.has_asked = true;
            let mut head = member.server.head();
            if !matches!(course.end, End::Answer) {
                head = Head::default();
            }
            if driver.handle_precheck(number, head, false) && !driver.is_over() {
                let error = Error::new(ErrorKind::Refused, "it exists");
                return self.end(id, Outcome::Failed(error));
            }
            return Ok(());
        }
        let site = member.site.clone();
        let shown = wire.credentials;
        let answer = match (course.end, own) {
            (End::Failure(failure), _) => {
                self.transcript.note(self.now, || format!("{id:?}: {failure:?}"));
                driver.judge(LoginOutcome::Inconclusive, &mut self.client);
                let taken = driver.handle_failure(number, &failure, now);
                return taken.map_err(|_| "the report of a failure was refused".into());
            }
            (End::Answer, _) if !is_packet => {
                let taken = driver.handle_head(number, &member.server.head());
                return taken.map_err(|_| "the answer to HEAD was refused".into());
            }
            (End::Other(answer), _) | (End::Answer, Some(answer)) => answer,
            (End::Answer, None) => return Err("an answer to nothing".into()),
        };
        let PendingRequest::Packet(packet) = request else {
            let head = Head { status: answer.status, ..Head::default() };
            return driver.handle_head(number, &head).map_err(|_| "HEAD was refused".into());
        };
        self.transcript.note(self.now, || format!("{id:?}: {wire:?} {answer:?}"));
        let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let ack = Ack::parse(answer.status, headers);
        judge((&mut *driver, &mut self.client), &packet, &ack, member.credentials);
        if let Some(shown) = shown {
            self.audit.answered((&site, shown), answer.status, ack.is_ack)?;
        }
        let exchange = Exchange {
            sending: course.sending,
            waiting: self.network.round_trip,
            sent: Sent::Body(u64::MAX),
        };
        let taken = driver.handle_ack(number, &ack, exchange, now);
        taken.map(drop).map_err(|_| "an answer was refused".into())
    }
}
