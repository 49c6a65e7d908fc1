//! The driver of an upload under any events: no panic, no step outside of the file, no endless loop.
//!
//! Half of the inputs make up each answer. In the others a model of servers answers, with habits and losses that the
//! input decides, and an upload that is done and verified has left the whole file there.
#![no_main]
#![forbid(unsafe_code)]

use std::time::Duration;

use bitsup_core::{
    AfterCancel, ClientState, CredentialId, Ending, ExchangeId, Hosts, LoginOutcome, Opening,
    Parallelism, PendingRequest, Readiness, Ready, Step, TaskId, UploadDriver,
};
use bitsup_core::journal::Proof;
use bitsup_proto::classify::{Meaning, classify};
use bitsup_proto::fragment_size::Limits;
use bitsup_proto::reply::{Got, ReplyMode};
use bitsup_proto::session::{
    CancelMode, Config, Connection, Exchange, Failure, FailureClass, OffsetHandling, Outcome,
    Request, Sent,
};
use bitsup_proto::verify::{Head, LostAckPolicy, VerifyPolicy};
use bitsup_proto::{Ack, Checkpoint, Error, ErrorKind, Moment, PacketType};
use bitsup_server::model::{self, Dice, Habits, Model, Span, Spans};
use libfuzzer_sys::fuzz_target;

/// Polls after which an upload that meets nothing but failures must have ended: the longest fallback
/// timer, two weeks, is waited out with three polls a minute.
const MAX_POLLS: u32 = 100_000;

/// The input, byte by byte; zeros behind its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Small numbers, numbers near the file's size, and any.
    fn number(&mut self, size: u64) -> u64 {
        match self.byte() % 4 {
            0 => u64::from(self.byte()),
            1 => size.wrapping_add(u64::from(self.byte())).wrapping_sub(128),
            2 => u64::from(u16::from_le_bytes([self.byte(), self.byte()])) << 4,
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[usize::from(self.byte()) % N]
    }
}

/// The credentials of the caller.
const OWN: CredentialId = CredentialId(1);

/// A server that stores what it is sent.
struct Server {
    model: Model<Spans>,
    connection: u64,
}

/// An upload, the only one of its client.
struct Upload {
    driver: UploadDriver,
    client: ClientState,
    /// Answers, unless the input makes the answers up.
    server: Option<Server>,
}

impl Upload {
    fn new(
        config: Config,
        opening: Opening,
        prechecks: bool,
        now: Moment,
        server: Option<Server>,
    ) -> Self {
        let mut client = ClientState::new(Hosts::new(Parallelism::fixed(1), 1));
        let host = "https://a.example.com".into();
        let driver = UploadDriver::new(TaskId(1), host, config, opening, &mut client, now)
            .with_precheck(prechecks)
            .with_intent();
        Self { driver, client, server }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut config = config(&mut input);
    let mut now = Moment { unix: 1_700_000_000, ..Moment::default() };
    let server = input.flag().then(|| server(&mut input));
    if server.is_some() {
        // What is remembered of a server is true, and a caller who waives offsets risks what they would tell.
        (config.offsets, config.lenient_offset) = (OffsetHandling::Unknown, false);
    }
    let mut upload = Upload::new(config.clone(), Opening::New, input.flag(), now, server);
    while !input.0.is_empty() {
        now.random = u64::from(input.byte()) << 56;
        let _ = run(&mut upload, now);
        let Upload { driver, client, server } = &mut upload;
        match input.byte() % 16 {
            0 => {
                driver.suspend(client, now);
            }
            1 => {
                driver.resume(client, now);
            }
            2 => {
                driver.cancel(input.pick([CancelMode::Delete, CancelMode::Keep]), client, now);
            }
            3 => {
                let kind = input.pick([ErrorKind::SourceChanged, ErrorKind::LocalFile]);
                driver.fail_source(Error::new(kind, "gone"), now);
            }
            4 => {
                driver.set_credentials(input.flag().then_some(OWN));
                driver.set_server_usable(input.flag());
                driver.set_proxy_usable(input.flag());
            }
            5 => pass(&mut now, Duration::from_secs(input.number(1000) % 1_000_000)),
            6 => {
                if let Some(kept) = driver.session().checkpoint() {
                    let opening = opening(&mut input, kept);
                    let server = server.take();
                    upload = Upload::new(config.clone(), opening, input.flag(), now, server);
                }
            }
            7 if server.is_none() => {
                let failure = failure(&mut input);
                if let Some((id, _)) = driver.exchange() {
                    let _ = driver.handle_failure(id, &failure, now);
                }
            }
            8 if input.flag() => driver.abandon(input.flag(), client, now),
            9 if input.flag() => driver.comparison_started(),
            9 => driver.comparison_ended(),
            _ if server.is_some() => exchange(&mut upload, now, &mut input),
            _ => answer(&mut upload, now, &mut input, config.size),
        }
    }
    end(&mut upload, now);
});

fn opening(input: &mut Input<'_>, kept: Checkpoint) -> Opening {
    let error = Error::new(ErrorKind::SourceChanged, "other bytes");
    match input.byte() % 8 {
        0 => Opening::CancelFirst(kept, AfterCancel::Upload),
        1 => Opening::CancelFirst(kept, AfterCancel::Fail(error)),
        2 => Opening::CancelFirst(kept, AfterCancel::End),
        _ => Opening::Resume(kept, input.pick([Proof::Given, Proof::Pending])),
    }
}

fn config(input: &mut Input<'_>) -> Config {
    let size = input.number(10_000);
    Config {
        size,
        origin: "a.example.com".into(),
        opening_ping: input.flag(),
        credentials: input.flag(),
        proxy_credentials: input.flag(),
        reply: input.pick([ReplyMode::None, ReplyMode::Required, ReplyMode::Optional]),
        fragment: Limits {
            fixed: input.flag().then(|| input.number(size)),
            floor: if input.flag() { input.number(size) } else { 5120 },
            ..Limits::default()
        },
        learned_size: input.flag().then(|| input.number(size)),
        max_time: input.flag().then(|| Duration::from_secs(input.number(100))),
        max_bytes: input.flag().then(|| input.number(size)),
        wait_out_fallback: input.flag(),
        lenient_offset: input.flag(),
        verify: input.pick([VerifyPolicy::Auto, VerifyPolicy::Always, VerifyPolicy::Never]),
        on_lost_ack: input.pick([
            LostAckPolicy::Auto,
            LostAckPolicy::Resend,
            LostAckPolicy::Restart,
            LostAckPolicy::Accept,
        ]),
        offsets: input.pick([
            OffsetHandling::Unknown,
            OffsetHandling::Checks,
            OffsetHandling::Seeks,
            OffsetHandling::Echoes,
        ]),
        ..Config::default()
    }
}

fn pass(now: &mut Moment, time: Duration) {
    now.monotonic = now.monotonic.saturating_add(time);
    now.unix = now.unix.saturating_add(time.as_secs());
}

/// All steps until it waits, and what must hold after each. Gives the time it waits for, or `Err` at the end.
fn run(upload: &mut Upload, now: Moment) -> Result<Option<Duration>, ()> {
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < MAX_POLLS, "no wait in {:?}", upload.driver);
        let step = upload.driver.poll(now);
        let session = upload.driver.session();
        let (offset, size) = (session.offset(), session.config().size);
        assert!(offset <= size);
        assert!(session.checkpoint().is_none_or(|kept| kept.offset <= size));
        match step {
            Step::Begin(request) => begin(upload, request, now),
            Step::Wait(until) => {
                assert!(until.is_none_or(|until| until > now.monotonic));
                return Ok(until);
            }
            Step::StartUpload => {
                let config = session.config().clone();
                upload.driver.start_upload(config, &mut upload.client, now);
            }
            Step::Finish(ending) => {
                if let (Ending::Session(Outcome::Done(done)), Some(server)) =
                    (ending, &upload.server)
                {
                    let is_exact =
                        server.model.published().is_some_and(|file| file.is_exact(size, |_| true));
                    // Of an empty file only a HEAD tells, which may be waived (TRU-07).
                    let is_known = size > 0 && done.verified;
                    assert!(is_exact || !is_known, "{done:?} {:?}", server.model);
                }
                return Err(());
            }
            Step::Tell(_) | Step::TellUnproven | Step::Store(_) | Step::Abort(_) => {}
        }
    }
}

fn begin(upload: &mut Upload, request: PendingRequest, now: Moment) {
    let Upload { driver, client, .. } = upload;
    assert!(driver.exchange().is_none(), "one exchange at a time");
    match driver.check(&request) {
        Readiness::Now => {}
        Readiness::Wait => return driver.defer(request),
        Readiness::StoreIntent(checkpoint) => {
            driver.defer(request);
            return driver.intent_stored(checkpoint.session_id);
        }
    }
    if driver.authorize(&request, client) == Ready::Refused {
        driver.set_credentials(None);
        driver.set_server_usable(false);
        return driver.defer(request);
    }
    if let PendingRequest::Packet(request) = &request {
        let session = driver.session();
        let (offset, size) = (session.offset(), session.config().size);
        if let Some(range) = request.range {
            assert!(range.end() <= size && range.length() > 0);
            let again = request.probe || offset == size;
            assert!(again || range.first() == offset);
            assert!(!request.probe || range.length() == 1 && !range.is_last());
        }
        assert!(request.packet != PacketType::CloseSession || offset == size);
        session.headers(request, |_, value| {
            assert!(!value.to_string().contains(['\r', '\n']));
        });
    }
    driver.start(request, Some(OWN), now);
    driver.count_requests(1);
}

/// A server with habits as there are in the field.
fn server(input: &mut Input<'_>) -> Server {
    let mut dice = Dice::seeded(input.number(0));
    let mut habits = Habits::draw(&mut dice);
    // Whether the offset is told, and what is done with a Fragment, are worth more than one chance in fifty.
    if input.flag() {
        habits.offsets = input.pick([
            model::Offsets::Trim,
            model::Offsets::AppendEcho,
            model::Offsets::AppendCount,
            model::Offsets::SeekEcho,
        ]);
    }
    habits.reply = None;
    Server { model: Model::with_habits(habits, dice), connection: 0 }
}

/// What is under way arrives at the server, or a part of it, or nothing; and the answer may be lost.
fn exchange(upload: &mut Upload, now: Moment, input: &mut Input<'_>) {
    let Upload { driver, client, server: Some(server) } = upload else { return };
    let Some((id, request)) = driver.exchange().map(|(id, own)| (id, own.clone())) else { return };
    server.model.set_time(now.unix);
    let PendingRequest::Packet(packet) = request else {
        let answer = server.model.head();
        let head = Head {
            status: answer.status,
            content_length: answer.told_length(),
            encoded: answer.header("Content-Encoding").is_some(),
            last_modified: answer.last_modified(),
            ..Head::default()
        };
        match request {
            PendingRequest::Head => {
                let _ = driver.handle_head(id, &head);
            }
            PendingRequest::Precheck => {
                driver.handle_precheck(id, head, input.flag());
            }
            _ => {
                let _ = driver.handle_reply(id, &Got { status: 404, ..Got::default() }, now);
            }
        }
        return;
    };
    if packet.connection == Connection::Fresh {
        server.connection += 1;
    }
    let (arrived, body) = arrives(driver, &packet, server.connection);
    let fate = input.byte() % 8;
    let (classes, sent) = match fate {
        0 => ([FailureClass::Offline, FailureClass::Stale], Sent::Nothing),
        1 => {
            let length = input.number(body.length).min(body.length);
            server.model.take_part(&arrived, &Span { length, ..body });
            ([FailureClass::Transport, FailureClass::Timeout], Sent::Body(length))
        }
        _ => {
            if fate == 2 {
                server.model.forget();
            }
            let answer = server.model.answer(&arrived, &body);
            if fate != 3 {
                return heard(driver, client, (id, &packet), &answer, now);
            }
            ([FailureClass::Transport, FailureClass::BadAnswer], Sent::Body(u64::MAX))
        }
    };
    server.connection += 1;
    driver.judge(LoginOutcome::Inconclusive, client);
    let _ = driver.handle_failure(id, &Failure::new(input.pick(classes), sent, ""), now);
}

fn arrives(driver: &UploadDriver, packet: &Request, connection: u64) -> (model::Request, Span) {
    let mut headers = Vec::new();
    driver.session().headers(packet, |name, value| headers.push((name, value.to_string())));
    let mut arrived = model::Request::new("BITS_POST", connection, |name| {
        headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
    });
    arrived.authorization = packet.authorize.then(|| "Basic eA==".to_owned());
    let (from, length) = arrived.range.map_or((0, 0), |range| (range.first, range.length()));
    arrived.length = length;
    (arrived, Span { from, version: 0, length })
}

fn heard(
    driver: &mut UploadDriver,
    client: &mut ClientState,
    (id, packet): (ExchangeId, &Request),
    answer: &model::Answer,
    now: Moment,
) {
    let headers = answer.headers.iter();
    let ack =
        Ack::parse(answer.status, headers.map(|(name, value)| (name.as_str(), value.as_bytes())));
    let asks = classify(packet.packet, &ack) == Meaning::Challenge { proxy: false };
    driver.judge(LoginOutcome::of(ack.status, asks, ack.is_ack), client);
    let exchange = Exchange { sent: Sent::Body(u64::MAX), ..Exchange::default() };
    let _ = driver.handle_ack(id, &ack, exchange, now);
}

/// An answer of the kind that fits what is under way.
fn answer(upload: &mut Upload, now: Moment, input: &mut Input<'_>, size: u64) {
    let Upload { driver, client, .. } = upload;
    let Some((id, request)) = driver.exchange().map(|(id, own)| (id, own.clone())) else { return };
    let verdict = [LoginOutcome::Accepted, LoginOutcome::Refused, LoginOutcome::Inconclusive];
    driver.judge(input.pick(verdict), client);
    // The end of an exchange that is no longer current is dropped.
    let id = if input.byte() == 0 { ExchangeId(id.0.wrapping_sub(1)) } else { id };
    match request {
        PendingRequest::Precheck | PendingRequest::Head => {
            let head = Head {
                status: input.pick([200, 404]),
                content_length: input.flag().then(|| input.number(size)),
                encoded: input.flag(),
                last_modified: input.flag().then(|| input.number(1_700_000_000)),
                etag: input.flag().then(|| input.byte().to_string()),
            };
            if request == PendingRequest::Head {
                let _ = driver.handle_head(id, &head);
            } else {
                driver.handle_precheck(id, head, input.flag());
            }
        }
        PendingRequest::Reply(_) => {
            let range = (input.number(size), input.number(size), input.number(size));
            let got = Got {
                status: input.pick([200, 206, 206, 302, 401, 404, 407, 416, 500]),
                length: input.number(size),
                content_length: input.flag().then(|| input.number(size)),
                range: input.flag().then_some(range),
                last_modified: input.flag().then(|| input.byte().to_string()),
                cut: input.flag(),
                unmarked: input.flag(),
                remark: None,
            };
            let _ = driver.handle_reply(id, &got, now);
        }
        PendingRequest::Packet(request) => {
            let (is_create, end) = (
                request.packet == PacketType::CreateSession,
                request.range.map(|range| range.end()),
            );
            ack(driver, (id, is_create, end), now, input, size);
        }
    }
}

fn ack(
    driver: &mut UploadDriver,
    (id, is_create, end): (ExchangeId, bool, Option<u64>),
    now: Moment,
    input: &mut Input<'_>,
    size: u64,
) {
    let good = input.flag();
    let status = if good {
        200
    } else {
        input.pick([200, 201, 301, 400, 401, 403, 404, 407, 408, 413, 416, 416, 429, 500, 501, 503])
    };
    let offset = match end {
        Some(end) if good => end,
        _ => input.number(size),
    };
    let mut headers = vec![
        ("BITS-Packet-Type", "Ack".to_owned()),
        ("BITS-Received-Content-Range", offset.to_string()),
    ];
    if is_create {
        headers.push(("BITS-Session-Id", input.pick(["{one}", "{two}", "{ }", ""]).to_owned()));
    }
    if input.flag() {
        headers.push(("Date", "Tue, 14 Nov 2023 22:13:20 GMT".to_owned()));
    }
    let extra = if good { 0 } else { input.byte() % 4 };
    for _ in 0..extra {
        let number = input.number(size);
        headers.push(match input.byte() % 8 {
            0 => ("BITS-Host-Id", input.pick(["b.example.com", "b", "evil.net", "/"]).to_owned()),
            1 => ("BITS-Host-Id-Fallback-Timeout", number.to_string()),
            2 => ("BITS-Error-Code", "0x8020001F".to_owned()),
            3 => ("BITS-Error", format!("{:#x}", number as u32)),
            4 => ("BITS-Error-Context", input.pick(["0x5", "0x7", "x"]).to_owned()),
            5 => ("BITS-Reply-URL", "r".repeat(usize::from(input.byte()) * 10)),
            6 => ("Retry-After", number.to_string()),
            _ => ("BITS-Session-Id", "{three}".to_owned()),
        });
    }
    let list = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let ack = Ack::parse(status, list);
    let exchange = Exchange {
        sending: Duration::from_millis(input.number(size)),
        waiting: Duration::from_millis(input.number(size)),
        sent: match input.byte() % 3 {
            0 => Sent::Nothing,
            1 => Sent::Body(u64::MAX),
            _ => Sent::Body(input.number(size)),
        },
    };
    let _ = driver.handle_ack(id, &ack, exchange, now);
}

fn failure(input: &mut Input<'_>) -> Failure {
    let class = input.pick([
        FailureClass::Offline,
        FailureClass::Transport,
        FailureClass::Stale,
        FailureClass::Timeout,
        FailureClass::BadAnswer,
        FailureClass::Fatal,
    ]);
    let sent = input.pick([Sent::Nothing, Sent::Head, Sent::Body(1), Sent::Body(u64::MAX)]);
    let idle = Duration::from_millis(input.number(1_000_000));
    Failure { idle, ..Failure::new(class, sent, "") }
}

/// An upload that meets nothing but lost connections gives up.
fn end(upload: &mut Upload, mut now: Moment) {
    upload.driver.resume(&mut upload.client, now);
    while upload.driver.is_comparing() {
        upload.driver.comparison_ended();
    }
    now.random = u64::MAX;
    let lost = Failure::new(FailureClass::Transport, Sent::Body(u64::MAX), "");
    for _ in 0..MAX_POLLS {
        let Ok(until) = run(upload, now) else { return };
        let driver = &mut upload.driver;
        if let Some((id, _)) = driver.exchange() {
            pass(&mut now, Duration::from_secs(1));
            driver.judge(LoginOutcome::Inconclusive, &mut upload.client);
            let _ = driver.handle_failure(id, &lost, now);
        } else if let Some(until) = [until, driver.deadline()].into_iter().flatten().min() {
            let time = until.saturating_sub(now.monotonic);
            pass(&mut now, time);
        } else {
            // Deferred requests are offered again.
            assert!(driver.is_deferring(), "idle for ever");
        }
    }
    panic!("no end in {:?}", upload.driver);
}
