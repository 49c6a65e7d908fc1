//! Whole uploads to simulated servers that store bytes, honest ones and others.

use super::*;
use bitsup_server::model::{self, Dice, Habits, Incomplete, Model, Offsets};
use proptest::prelude::*;

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

/// A server, and whether HEAD tells of the file.
#[derive(Debug)]
struct Server {
    model: Model,
    tells_size: bool,
}

impl Server {
    fn handle(&mut self, upload: &Upload, request: &Request, source: &[u8]) -> model::Answer {
        let (request, body) = arrives(upload, request, source);
        self.model.answer(&request, body)
    }

    /// The beginning of a body that was cut off; `share` is in 1/256.
    fn take_partial(&mut self, upload: &Upload, request: &Request, source: &[u8], share: u8) {
        let (request, body) = arrives(upload, request, source);
        self.model.take_part(&request, &body[..body.len() * usize::from(share) / 256]);
    }

    fn destination(&self) -> Option<&[u8]> {
        self.model.published().map(Vec::as_slice)
    }
}

/// A packet as its server sees it, and its body.
fn arrives<'a>(upload: &Upload, request: &Request, source: &'a [u8]) -> (model::Request, &'a [u8]) {
    let mut headers = Vec::new();
    upload.session.headers(request, |name, value| headers.push((name, value.to_string())));
    let arrived = model::Request::new("BITS_POST", 0, |name| {
        headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
    });
    let range = arrived.range.map_or(0..0, |range| range.first as usize..range.last as usize + 1);
    (arrived, &source[range])
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
                let size = server.destination().map(|file| file.len() as u64);
                let head = match size {
                    Some(size) if server.tells_size => holds(size),
                    _ => Answer::Head(Head { status: 404, ..Head::default() }),
                };
                upload.answer(&head).expect("under way");
                continue;
            }
            "Create-Session" if server.model.session_ids().is_empty() => Fault::None,
            _ => faults.next().unwrap_or(Fault::None),
        };
        let request = *upload.requests.last().expect("one was sent");
        let answer = match fault {
            Fault::None | Fault::Forget => {
                if fault == Fault::Forget {
                    server.model.forget();
                }
                let answer = server.handle(&upload, &request, &bytes);
                let headers = answer.headers.iter();
                let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
                let ack = Ack::parse(answer.status, headers);
                let now = upload.now;
                let exchange = Exchange { sent: Sent::Body(u64::MAX), ..Exchange::default() };
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
                server.take_partial(&upload, &request, &bytes, share);
                LOST
            }
            Fault::Unreachable => UNREACHABLE,
            Fault::Busy => status(503),
            Fault::Killed { done } => {
                if done {
                    server.handle(&upload, &request, &bytes);
                } else {
                    server.take_partial(&upload, &request, &bytes, 128);
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

fn server(offsets: Offsets, keeps_cut_bodies: bool, tells_size: bool) -> Server {
    let incomplete = Incomplete::Publish;
    let habits = Habits { offsets, keeps_cut_bodies, incomplete, ..Habits::conforming() };
    Server { model: Model::with_habits(habits, Dice::seeded(0)), tells_size }
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
        let offsets = if trims { Offsets::Trim } else { Offsets::Strict };
        let mut server = server(offsets, keeps_partial, tells_size);
        let outcome = run(&of(size, length, on_lost_ack), &mut server, &faults);
        if let Outcome::Done(summary) = outcome {
            // A client that accepts an unconfirmed end takes the risk that Close-Session never arrived.
            let accepted = on_lost_ack == LostAckPolicy::Accept && !summary.close_confirmed;
            if summary.verified || !accepted {
                prop_assert_eq!(server.destination(), Some(&*source(size as usize)));
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
        let offsets = if trims { Offsets::Trim } else { Offsets::Strict };
        let mut server = server(offsets, keeps_partial, true);
        let mut config = of(size, length, LostAckPolicy::Resend);
        // A process that was killed before it kept anything starts anew, and may lose its first answers too.
        config.retry.attempts_unanswered = 12;
        config.retry.wait_for_server = Duration::from_secs(86_400);
        let outcome = run(&config, &mut server, &faults);
        prop_assert!(matches!(outcome, Outcome::Done(_)), "{:?}", outcome);
        prop_assert_eq!(server.destination(), Some(&*source(size as usize)));
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
        let offsets = if counts { Offsets::AppendCount } else { Offsets::AppendEcho };
        let mut server = server(offsets, keeps_partial, tells_size);
        let verify = if always { VerifyPolicy::Always } else { VerifyPolicy::Auto };
        let config = Config { verify, ..of(size, length, on_lost_ack) };
        let outcome = run(&config, &mut server, &faults);
        if let Outcome::Done(summary) = outcome {
            let right = server.destination() == Some(&*source(size as usize));
            prop_assert!(right || !summary.verified, "{:?}", summary);
            let careful = always && summary.close_confirmed;
            prop_assert!(right || !careful && on_lost_ack != LostAckPolicy::Restart);
        }
    }
}
