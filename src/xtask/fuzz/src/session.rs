//! The state machine under any events: no panic, no step outside of the file, no endless loop.
#![no_main]
#![forbid(unsafe_code)]

use std::time::Duration;

use bitsup_proto::fragment_size::Limits;
use bitsup_proto::reply::{Got, ReplyMode};
use bitsup_proto::session::{
    Action, CancelMode, Config, Exchange, Failure, FailureClass, OffsetHandling, Sent, Session,
};
use bitsup_proto::verify::{Head, LostAckPolicy, VerifyPolicy};
use bitsup_proto::{Ack, Error, ErrorKind, Moment, PacketType, Request};
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

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let config = config(&mut input);
    let mut session = Session::new(config.clone());
    let mut now = Moment { unix: 1_700_000_000, ..Moment::default() };
    while !input.0.is_empty() {
        now.random = u64::from(input.byte()) << 56;
        let action = step(&mut session, now);
        match input.byte() % 16 {
            0 => {
                let _ = session.suspend(now);
            }
            1 => {
                let _ = session.resume(now);
            }
            2 => {
                let _ = session.cancel(now, input.pick([CancelMode::Delete, CancelMode::Keep]));
            }
            3 => {
                let kind = input.pick([ErrorKind::SourceChanged, ErrorKind::LocalFile]);
                let _ = session.fail_source(now, Error::new(kind, "gone"));
            }
            4 => session.set_credentials(input.flag(), input.flag()),
            5 => pass(&mut now, Duration::from_secs(input.number(1000) % 1_000_000)),
            6 => {
                if let Some(kept) = session.checkpoint() {
                    session = Session::restore(config.clone(), &kept, now);
                }
            }
            7 => {
                let _ = session.handle_failure(now, &failure(&mut input));
            }
            _ => answer(&mut session, now, action, &mut input, config.size),
        }
    }
    end(&mut session, now);
});

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

/// One poll and what must hold after it.
fn step(session: &mut Session, now: Moment) -> Action {
    let action = session.poll_action(now);
    let (offset, size) = (session.offset(), session.config().size);
    assert!(offset <= size);
    if let Some(kept) = session.checkpoint() {
        assert!(kept.offset <= size);
    }
    while session.poll_notice().is_some() {}
    session.take_checkpoint_due();
    match &action {
        Action::Send(request) => {
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
        Action::Wait(until) => assert!(*until > now.monotonic),
        Action::Finished => assert!(session.outcome().is_some()),
        _ => {}
    }
    if matches!(action, Action::Send(_) | Action::Head | Action::GetReply(_)) {
        assert_eq!(session.poll_action(now), Action::Idle, "one exchange at a time");
    }
    action
}

/// An answer of the kind that fits what is under way, or of any other.
fn answer(session: &mut Session, now: Moment, action: Action, input: &mut Input<'_>, size: u64) {
    match action {
        Action::Head => {
            let head = Head {
                status: input.pick([200, 404]),
                content_length: input.flag().then(|| input.number(size)),
                encoded: input.flag(),
                last_modified: input.flag().then(|| input.number(1_700_000_000)),
                etag: input.flag().then(|| input.byte().to_string()),
            };
            let _ = session.handle_head(&head);
        }
        Action::GetReply(_) => {
            let range = (input.number(size), input.number(size), input.number(size));
            let got = Got {
                status: input.pick([200, 206, 206, 302, 401, 404, 407, 416, 500]),
                length: input.number(size),
                content_length: input.flag().then(|| input.number(size)),
                range: input.flag().then_some(range),
                last_modified: input.flag().then(|| input.byte().to_string()),
                cut: input.flag(),
                unmarked: input.flag(),
            };
            let _ = session.handle_reply(now, &got);
        }
        Action::Send(request) => ack(session, now, Some(request), input, size),
        _ => ack(session, now, None, input, size),
    }
}

fn ack(session: &mut Session, now: Moment, to: Option<Request>, input: &mut Input<'_>, size: u64) {
    let good = input.flag();
    let status = if good {
        200
    } else {
        input.pick([200, 201, 301, 400, 401, 403, 404, 407, 408, 413, 416, 416, 429, 500, 501, 503])
    };
    let offset = match to.and_then(|request| request.range) {
        Some(range) if good => range.end(),
        _ => input.number(size),
    };
    let mut headers = vec![
        ("BITS-Packet-Type", "Ack".to_owned()),
        ("BITS-Received-Content-Range", offset.to_string()),
    ];
    if to.is_some_and(|request| request.packet == PacketType::CreateSession) {
        headers.push(("BITS-Session-Id", input.pick(["{one}", "{two}", "{ }", ""]).to_owned()));
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
    let date = input.flag().then(|| input.number(now.unix));
    let exchange = Exchange {
        sending: Duration::from_millis(input.number(size)),
        waiting: Duration::from_millis(input.number(size)),
        body_sent: if input.flag() { u64::MAX } else { input.number(size) },
        reconnected: input.flag(),
    };
    let _ = session.handle_ack(now, &ack, date, None, exchange);
}

fn failure(input: &mut Input<'_>) -> Failure {
    Failure {
        class: input.pick([
            FailureClass::Offline,
            FailureClass::Transport,
            FailureClass::Stale,
            FailureClass::Timeout,
            FailureClass::BadAnswer,
            FailureClass::Fatal(ErrorKind::Tls),
        ]),
        sent: input.pick([Sent::Nothing, Sent::Head, Sent::Body(1), Sent::Body(u64::MAX)]),
        idle: Duration::from_millis(input.number(1_000_000)),
        message: String::new(),
    }
}

/// Whoever meets nothing but lost connections gives up.
fn end(session: &mut Session, mut now: Moment) {
    let _ = session.resume(now);
    now.random = u64::MAX;
    let lost =
        Failure {
            class: FailureClass::Transport,
            sent: Sent::Body(u64::MAX),
            idle: Duration::ZERO,
            message: String::new(),
        };
    for _ in 0..MAX_POLLS {
        match step(session, now) {
            Action::Finished => return,
            Action::Abort => {}
            Action::Wait(until) => {
                let time = until.saturating_sub(now.monotonic);
                pass(&mut now, time);
            }
            _ => {
                pass(&mut now, Duration::from_secs(1));
                assert!(session.handle_failure(now, &lost).is_ok(), "idle for ever");
            }
        }
    }
    panic!("no end in {:?}", session.state());
}
