//! Any events in any order: no panic, no step outside of the file, and always an end.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Answer(Answer),
    /// The answer that an untroubled server gives.
    Good,
    Suspend,
    Resume,
    Cancel(CancelMode),
    Source(ErrorKind),
    Credentials(bool, bool),
    Pass(u64),
    Restore,
}

/// Numbers at the edges: of nothing, of Fragments and of 64 bits.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..6_u64, 0..3_u64).prop_map(|(times, around)| (1000 * times + around).saturating_sub(1)),
        1 => Just(1 << 63),
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ]
}

fn code() -> impl Strategy<Value = Option<Hresult>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Hresult::SESSION_NOT_FOUND)),
        1 => Just(Some(Hresult::TOO_LARGE)),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let statuses = vec![
        200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 407, 408, 413, 416, 416, 500, 501, 503,
    ];
    let ids = vec![None, None, Some("{one}"), Some("{ONE}"), Some("x"), Some("")];
    let hosts =
        vec![None, None, None, Some("b.example.com"), Some("b"), Some("evil.net"), Some("a/b")];
    let ack = (
        prop::sample::select(statuses),
        prop::sample::select(ids),
        prop::sample::select(hosts),
        (prop::option::of(number()), number(), prop::option::of(number())),
        (any::<bool>(), code(), prop::option::of(Just("r")), 0..10_u8),
    );
    let ack = ack.prop_map(
        |(
            status,
            session_id,
            host_id,
            (timeout, offset, later),
            (is_ack, code, reply_url, odd),
        )| {
            Answer::Ack(Ack {
                status,
                session_id,
                host_id,
                fallback_timeout: timeout,
                offset: if odd == 0 { Offset::Unreadable } else { Offset::At(offset) },
                retry_after: later.map(RetryAfter::Seconds),
                is_ack: is_ack || odd > 5,
                code,
                reply_url,
                context: (odd == 1).then_some(7),
                ..ACK
            })
        },
    );
    let classes = vec![
        FailureClass::Offline,
        FailureClass::Transport,
        FailureClass::Stale,
        FailureClass::Timeout,
        FailureClass::BadAnswer,
        FailureClass::Fatal,
    ];
    let failure = (prop::sample::select(classes), any::<bool>()).prop_map(|(class, sent)| {
        Fails(class, if sent { Sent::Body(u64::MAX) } else { Sent::Nothing })
    });
    let head = (prop::option::of(number()), prop::sample::select(vec![200, 404])).prop_map(
        |(content_length, status)| Answer::Head(Head { status, content_length, ..Head::default() }),
    );
    let got = (
        prop::sample::select(vec![200, 206, 206, 401, 404, 500]),
        number(),
        number(),
        number(),
        any::<bool>(),
    )
        .prop_map(|(status, first, last, total, cut)| {
            let length = if cut { total } else { last.wrapping_sub(first).wrapping_add(1) };
            let range = Some((first, last, total));
            Answer::Got(Got {
                status,
                length,
                content_length: Some(total),
                range,
                cut,
                ..Got::default()
            })
        });
    prop_oneof![6 => ack, 2 => failure, 1 => head, 1 => got]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => answer().prop_map(Event::Answer),
        10 => Just(Event::Good),
        1 => Just(Event::Suspend),
        2 => Just(Event::Resume),
        1 => prop::sample::select(vec![CancelMode::Delete, CancelMode::Keep]).prop_map(Event::Cancel),
        1 => prop::sample::select(vec![ErrorKind::SourceChanged, ErrorKind::LocalFile]).prop_map(Event::Source),
        1 => any::<(bool, bool)>().prop_map(|(server, proxy)| Event::Credentials(server, proxy)),
        2 => (0..100_000_u64).prop_map(Event::Pass),
        1 => Just(Event::Restore),
    ]
}

fn any_config() -> impl Strategy<Value = Config> {
    (
        number(),
        prop::option::of(number()),
        any::<(bool, bool, bool, bool, bool)>(),
        prop::sample::select(vec![
            ReplyMode::None,
            ReplyMode::None,
            ReplyMode::Required,
            ReplyMode::Optional,
        ]),
        prop::sample::select(vec![VerifyPolicy::Auto, VerifyPolicy::Always, VerifyPolicy::Never]),
        prop::sample::select(vec![
            LostAckPolicy::Auto,
            LostAckPolicy::Resend,
            LostAckPolicy::Restart,
            LostAckPolicy::Accept,
        ]),
        prop::option::of(number()),
    )
        .prop_map(
            |(
                size,
                fixed,
                (credentials, ping, wait, lenient, checks),
                reply,
                verify,
                on_lost_ack,
                bytes,
            )| Config {
                size,
                fragment: fragment_size::Limits { fixed, ..Default::default() },
                credentials,
                opening_ping: ping,
                wait_out_fallback: wait,
                lenient_offset: lenient,
                offsets: if checks { OffsetHandling::Checks } else { OffsetHandling::Unknown },
                reply,
                verify,
                on_lost_ack,
                max_bytes: bytes,
                ..config()
            },
        )
}

/// What the answers given so far allow the upload to say at its end.
#[derive(Debug, Default)]
struct Seen {
    closed: bool,
    same_size: bool,
}

/// The untroubled answer to what is under way.
fn good(upload: &Upload) -> Option<Answer> {
    match under_way(upload)? {
        Outstanding::Packet(Request { range: Some(range), .. }) => Some(received(range.end())),
        Outstanding::Packet(Request { packet: PacketType::CreateSession, .. }) => Some(created()),
        Outstanding::Packet(_) => Some(ok()),
        Outstanding::Head => Some(holds(upload.session.config().size)),
        Outstanding::Reply => Some(Answer::Got(Got {
            status: 200,
            length: 3,
            content_length: Some(3),
            ..Got::default()
        })),
    }
}

fn under_way(upload: &Upload) -> Option<Outstanding> {
    match upload.session.io {
        Io::InFlight(outstanding) => Some(outstanding),
        Io::Idle | Io::Backoff { .. } | Io::Aborting => None,
    }
}

/// Gives an answer and notes what it proves.
fn give(upload: &mut Upload, answer: &Answer, seen: &mut Seen) {
    let running = under_way(upload);
    if upload.answer(answer).is_err() {
        return;
    }
    match (running, answer) {
        (Some(Outstanding::Packet(request)), Answer::Ack(ack)) => {
            let good =
                ack.status == 200 && ack.is_ack && ack.code != Some(Hresult::SESSION_NOT_FOUND);
            seen.closed |= good && request.packet == PacketType::CloseSession;
            if request.packet == PacketType::CreateSession {
                seen.closed = false;
            }
        }
        (_, Answer::Head(head)) => {
            seen.same_size =
                head.status == 200 && head.content_length == Some(upload.session.config().size);
        }
        _ => {}
    }
}

/// One poll, and all that must hold after it.
fn step(upload: &mut Upload, seen: &Seen) -> Action {
    let action = upload.poll();
    let size = upload.session.config().size;
    let offset = upload.session.offset();
    assert!(offset <= size);
    assert!(upload.session.outbox.notices.len() <= MAX_NOTICES);
    match &action {
        Action::Send(request) => {
            if let Some(range) = request.range {
                let first = if request.probe {
                    offset.saturating_sub(2).max(u64::from(offset == 0))
                } else {
                    offset
                };
                let again = range.is_last() && offset == size;
                assert!(again || range.first() == first, "{range:?} at {offset}");
                assert_eq!(range.total(), size);
                assert!(range.length() > 0 && range.end() <= size);
            }
            let needs_session =
                !matches!(request.packet, PacketType::Ping | PacketType::CreateSession);
            assert!(!needs_session || upload.session.session_id().is_some());
            if request.packet == PacketType::CloseSession {
                assert_eq!(offset, size, "never closed before the last byte");
            }
        }
        Action::Wait(until) => assert!(*until > upload.now.monotonic),
        Action::Finished => {
            let end = upload.session.outcome().expect("the end has an outcome");
            if let Outcome::Done(summary) = end {
                let accepts = upload.session.config().on_lost_ack == LostAckPolicy::Accept;
                if summary.close_confirmed {
                    assert!(seen.closed);
                } else {
                    assert!(seen.same_size || accepts && !summary.verified);
                }
            }
        }
        _ => {}
    }
    if matches!(action, Action::Send(_) | Action::Head | Action::GetReply(_)) {
        assert_eq!(upload.session.poll_action(upload.now), Action::Idle, "one exchange at a time");
    }
    action
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_events_in_any_order(
        config in any_config(),
        events in proptest::collection::vec((event(), any::<u64>()), 0..60),
        stubborn in proptest::collection::vec(answer(), 1..4),
    ) {
        let mut upload = Upload::new(config.clone());
        let mut seen = Seen::default();
        for (event, random) in events {
            upload.now.random = random;
            step(&mut upload, &seen);
            let now = upload.now;
            match event {
                Event::Answer(answer) => give(&mut upload, &answer, &mut seen),
                Event::Good => {
                    if let Some(answer) = good(&upload) {
                        give(&mut upload, &answer, &mut seen);
                    }
                }
                Event::Suspend => drop(upload.session.suspend(now)),
                Event::Resume => drop(upload.session.resume(now)),
                Event::Cancel(mode) => drop(upload.session.cancel(now, mode)),
                Event::Source(kind) => drop(upload.session.fail_source(now, Error::new(kind, "gone"))),
                Event::Credentials(server, proxy) => upload.session.set_credentials(server, proxy),
                Event::Pass(seconds) => upload.pass(seconds),
                Event::Restore => {
                    if let Some(kept) = upload.session.checkpoint() {
                        upload.session = Session::restore(config.clone(), &kept, now);
                        seen = Seen::default();
                    }
                }
            }
        }
        end(&mut upload, &stubborn, &mut seen);
    }
}

/// A server that never lets the upload get on must not hold it for ever.
fn end(upload: &mut Upload, stubborn: &[Answer], seen: &mut Seen) {
    if upload.session.pause.is_some() {
        upload.session.resume(upload.now).expect("it is paused");
    }
    let mut answers = stubborn.iter().cycle();
    upload.now.random = u64::MAX;
    for _ in 0..100_000 {
        match step(upload, seen) {
            Action::Finished => return,
            Action::Wait(until) => {
                upload.now.unix += until.saturating_sub(upload.now.monotonic).as_secs();
                upload.now.monotonic = until;
            }
            Action::Send(_) | Action::Head | Action::GetReply(_) | Action::Idle => {
                upload.pass(1);
                let answer = answers.next().expect("there is one");
                let fits = match (under_way(upload), answer) {
                    (Some(Outstanding::Packet(request)), Answer::Ack(ack)) => {
                        // Progress is what this server does not allow.
                        let moves = matches!(ack.offset, Offset::At(offset) if upload.session.phase.open().is_some_and(|open| offset > open.highest));
                        request.packet != PacketType::Fragment || !moves
                    }
                    (Some(Outstanding::Head), Answer::Head(_))
                    | (Some(Outstanding::Reply), Answer::Got(_)) => true,
                    (_, answer) => matches!(answer, Answer::Failure(..)),
                };
                let answer = if fits { answer.clone() } else { LOST };
                give(upload, &answer, seen);
            }
            Action::Abort => {}
        }
    }
    panic!("no end in state {:?} at {:?}", upload.session.state(), upload.now);
}
