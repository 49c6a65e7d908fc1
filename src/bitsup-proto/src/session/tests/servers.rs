//! Whole uploads to simulated servers that store bytes, honest ones and others.

use super::*;
use proptest::prelude::*;

/// What a server does with a Fragment that does not start at the byte it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// 416 with the wanted offset (MC-BUP §3.2.5.2.6).
    Strict,
    /// Keeps the bytes it has not got yet and answers 200; 416 only where there is a gap.
    Trims,
    /// Appends all that comes and believes the range of the request.
    AppendsAndEchoes,
    /// Appends all that comes and answers with its own count.
    AppendsAndCounts,
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The server does its work and the Ack is lost.
    AckLost,
    /// So much of the body, in 1/256, arrives before the connection is cut.
    Cut(u8),
    Unreachable,
    Busy,
    /// The server has lost its sessions.
    Forget,
    /// The client's process ends before the answer is there, and a new one goes on.
    Killed {
        done: bool,
    },
}

#[derive(Debug)]
struct Server {
    habit: Habit,
    keeps_partial: bool,
    tells_size: bool,
    sessions: u32,
    session: Option<(String, Vec<u8>)>,
    destination: Option<Vec<u8>>,
}

/// The parts of an Ack that this server fills.
#[derive(Debug, Default)]
struct Reply {
    status: u16,
    offset: Option<u64>,
    id: Option<String>,
    code: Option<Hresult>,
}

impl Server {
    fn handle(&mut self, upload: &Upload, request: &Request, source: &[u8]) -> Reply {
        let good = Reply { status: 200, ..Reply::default() };
        match request.packet {
            PacketType::Ping => return good,
            PacketType::CreateSession => {
                self.sessions += 1;
                let id = format!("{{session {}}}", self.sessions).replace(' ', "-");
                self.session = Some((id.clone(), Vec::new()));
                return Reply { id: Some(id), ..good };
            }
            _ => {}
        }
        let mut wanted = None;
        upload.session.headers(request, |name, value| {
            if name == "BITS-Session-Id" {
                wanted = Some(value.to_string());
            }
        });
        let Some((_, stored)) = self.session.as_mut().filter(|(id, _)| Some(id) == wanted.as_ref())
        else {
            let code = Some(Hresult::SESSION_NOT_FOUND);
            return Reply { status: 500, code, ..Reply::default() };
        };
        if request.packet == PacketType::CancelSession {
            self.session = None;
            return good;
        }
        if request.packet == PacketType::CloseSession {
            self.destination = self.session.take().map(|(_, stored)| stored);
            return good;
        }
        let range = request.range.expect("a Fragment has a range");
        let body = &source[range.first() as usize..range.end() as usize];
        let corrected = store(self.habit, stored, range.first(), body);
        let offset = match self.habit {
            Habit::AppendsAndEchoes => range.end(),
            _ => stored.len() as u64,
        };
        Reply { status: if corrected { 416 } else { 200 }, offset: Some(offset), ..good }
    }

    /// The beginning of a body that was cut off.
    fn take_partial(&mut self, request: &Request, source: &[u8], share: u8) {
        let (Some(range), Some((_, stored))) = (request.range, self.session.as_mut()) else {
            return;
        };
        if self.keeps_partial {
            let length = range.length() * u64::from(share) / 256;
            let body = &source[range.first() as usize..(range.first() + length) as usize];
            store(self.habit, stored, range.first(), body);
        }
    }
}

/// Stores a body by the server's habit; `true` if its start was refused.
fn store(habit: Habit, stored: &mut Vec<u8>, first: u64, body: &[u8]) -> bool {
    let next = stored.len() as u64;
    match habit {
        Habit::Strict if first != next => true,
        Habit::Trims if first > next => true,
        Habit::Trims => {
            let known = (next - first).min(body.len() as u64) as usize;
            stored.extend_from_slice(&body[known..]);
            false
        }
        Habit::Strict | Habit::AppendsAndEchoes | Habit::AppendsAndCounts => {
            stored.extend_from_slice(body);
            false
        }
    }
}

/// Bytes of which no two stretches are alike, so that a doubled part shows.
fn source(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(next).collect()
}

/// Plays an upload to its end; one fault a request, none when they are used up.
fn run(config: &Config, server: &mut Server, faults: &[Fault]) -> Outcome {
    let bytes = source(config.size as usize);
    let mut faults = faults.iter().copied();
    let mut upload = Upload::new(config.clone());
    let mut journal = None;
    for _ in 0..20_000 {
        if upload.session.take_checkpoint_due() {
            journal = upload.session.checkpoint();
        }
        let fault = match upload.exchange().as_str() {
            "Finished" => return upload.session.outcome().expect("the end has one").clone(),
            "HEAD" => {
                let size = server.destination.as_ref().map(|file| file.len() as u64);
                let head = match size {
                    Some(size) if server.tells_size => holds(size),
                    _ => Answer::Head(Head { status: 404, ..Head::default() }),
                };
                upload.answer(&head).expect("under way");
                continue;
            }
            "Create-Session" if server.sessions == 0 => Fault::None,
            _ => faults.next().unwrap_or(Fault::None),
        };
        let request = *upload.requests.last().expect("one was sent");
        let answer = match fault {
            Fault::None | Fault::Forget => {
                if fault == Fault::Forget {
                    server.session = None;
                }
                let reply = server.handle(&upload, &request, &bytes);
                let ack = Ack {
                    status: reply.status,
                    session_id: reply.id.as_deref(),
                    offset: reply.offset.map_or(Offset::Absent, Offset::At),
                    code: reply.code,
                    ..ACK
                };
                let now = upload.now;
                let exchange = Exchange { body_sent: u64::MAX, ..Exchange::default() };
                upload
                    .session
                    .handle_ack(now, &ack, Some(now.unix), None, exchange)
                    .expect("under way");
                continue;
            }
            Fault::AckLost => {
                server.handle(&upload, &request, &bytes);
                LOST
            }
            Fault::Cut(share) => {
                server.take_partial(&request, &bytes, share);
                LOST
            }
            Fault::Unreachable => UNREACHABLE,
            Fault::Busy => status(503),
            Fault::Killed { done } => {
                if done {
                    server.handle(&upload, &request, &bytes);
                } else {
                    server.take_partial(&request, &bytes, 128);
                }
                let now = upload.now;
                upload = Upload::with(match &journal {
                    Some(kept) => Session::restore(config.clone(), kept, now),
                    None => Session::new(config.clone()),
                });
                upload.now = now;
                continue;
            }
        };
        upload.answer(&answer).expect("under way");
    }
    panic!("the upload does not end");
}

fn fault(forgets: bool) -> impl Strategy<Value = Fault> {
    let forget = if forgets { Fault::Forget } else { Fault::None };
    prop_oneof![
        4 => Just(Fault::None),
        2 => Just(Fault::AckLost),
        2 => any::<u8>().prop_map(Fault::Cut),
        1 => Just(Fault::Unreachable),
        1 => Just(Fault::Busy),
        1 => Just(forget),
        1 => any::<bool>().prop_map(|done| Fault::Killed { done }),
    ]
}

/// Sizes at and around multiples of the Fragment's size.
fn sizes() -> impl Strategy<Value = (u64, u64)> {
    (1..4_u64, 0..5_u64, 0..3_u64, any::<bool>()).prop_map(|(base, times, around, small)| {
        let length = if small { 700 * base } else { 9_000 * base };
        ((length * times + around).saturating_sub(1), length)
    })
}

fn unclear() -> impl Strategy<Value = LostAckPolicy> {
    prop_oneof![
        Just(LostAckPolicy::Auto),
        Just(LostAckPolicy::Resend),
        Just(LostAckPolicy::Restart),
        Just(LostAckPolicy::Accept)
    ]
}

fn of(size: u64, length: u64, on_lost_ack: LostAckPolicy) -> Config {
    let fragment = fragment_size::Limits { fixed: Some(length), ..Default::default() };
    Config { size, fragment, on_lost_ack, ..config() }
}

fn server(habit: Habit, keeps_partial: bool, tells_size: bool) -> Server {
    Server { habit, keeps_partial, tells_size, sessions: 0, session: None, destination: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn at_an_honest_server_done_means_that_the_bytes_are_equal(
        (size, length) in sizes(),
        on_lost_ack in unclear(),
        trims in any::<bool>(),
        keeps_partial in any::<bool>(),
        tells_size in any::<bool>(),
        faults in proptest::collection::vec(fault(true), 0..40),
    ) {
        let habit = if trims { Habit::Trims } else { Habit::Strict };
        let mut server = server(habit, keeps_partial, tells_size);
        let outcome = run(&of(size, length, on_lost_ack), &mut server, &faults);
        if let Outcome::Done(summary) = outcome {
            // A client that accepts an unconfirmed end takes the risk that Close-Session never arrived.
            let accepted = on_lost_ack == LostAckPolicy::Accept && !summary.close_confirmed;
            if summary.verified || !accepted {
                prop_assert_eq!(server.destination, Some(source(size as usize)));
            }
        }
    }

    #[test]
    fn an_honest_server_and_a_few_faults_end_well(
        (size, length) in sizes(),
        trims in any::<bool>(),
        keeps_partial in any::<bool>(),
        faults in proptest::collection::vec(fault(false), 0..12),
    ) {
        let habit = if trims { Habit::Trims } else { Habit::Strict };
        let mut server = server(habit, keeps_partial, true);
        let mut config = of(size, length, LostAckPolicy::Resend);
        // A process that was killed before it kept anything starts anew, and may lose its first answers too.
        config.retry.attempts_unanswered = 12;
        config.retry.wait_for_server = Duration::from_secs(86_400);
        let outcome = run(&config, &mut server, &faults);
        prop_assert!(matches!(outcome, Outcome::Done(_)), "{:?}", outcome);
        prop_assert_eq!(server.destination, Some(source(size as usize)));
    }

    #[test]
    fn a_server_that_appends_blindly_is_never_vouched_for(
        (size, length) in sizes(),
        on_lost_ack in unclear(),
        counts in any::<bool>(),
        keeps_partial in any::<bool>(),
        tells_size in any::<bool>(),
        always in any::<bool>(),
        faults in proptest::collection::vec(fault(true), 0..30),
    ) {
        let habit = if counts { Habit::AppendsAndCounts } else { Habit::AppendsAndEchoes };
        let mut server = server(habit, keeps_partial, tells_size);
        let verify = if always { VerifyPolicy::Always } else { VerifyPolicy::Auto };
        let config = Config { verify, ..of(size, length, on_lost_ack) };
        let outcome = run(&config, &mut server, &faults);
        if let Outcome::Done(summary) = outcome {
            let right = server.destination == Some(source(size as usize));
            prop_assert!(right || !summary.verified, "{:?}", summary);
            let careful = always && summary.close_confirmed;
            prop_assert!(right || !careful && on_lost_ack != LostAckPolicy::Restart);
        }
    }
}
