//! Whole uploads in virtual time, each with a server, a network, a disk, a clock and a caller that its seed decides.
//! `cargo xtask simulate` is the long form.
//!
//! It runs the client's own code: the state machine, and from bitsup-core the journal, the lives of
//! uploads with their turns at hosts and the order of their steps, the logins and the rate limit. Written
//! again here is what the engine does with files, callbacks and libcurl: how a kept upload is opened, how
//! an exchange goes, which login answers which challenge, and proxies. A violation ends the command
//! with the seed, which plays the same upload again.

mod audit;
mod checks;
mod crowd;
mod disk;
mod exchanges;
mod journal;
mod network;
mod process;
mod random;
mod replies;
mod run;
mod scenario;
mod server;
mod source;
mod tally;
mod traits;
mod transcript;

use std::any::Any;
use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

pub(crate) use random::Random;

use crowd::Crowd;
use run::{Report, Run};
use tally::Tally;
use transcript::Transcript;

/// Seeds that a thread takes at a time.
const BATCH: u64 = 64;
/// One seed in this number is many uploads of one client instead of one.
const CROWDS: u64 = 20;
/// The number of lines before a failure that are printed.
const LAST_LINES: usize = 40;
/// Fewer uploads may all end alike.
const MANY: u64 = 10_000;

/// A seed whose upload did what must never happen.
#[derive(Debug)]
struct Failure {
    seed: u64,
    what: String,
}

/// Plays the uploads of `BITSUP_SIMULATE` seeds from `BITSUP_SEED` on; where `BITSUP_TRANSCRIPT` names a file, one after
/// the other, and what happens is written there.
#[test]
fn uploads_end_as_they_must() {
    let number = |name, default: u64| match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    };
    let (count, from) = (number("BITSUP_SIMULATE", 20_000), number("BITSUP_SEED", 0));
    let seeds = from..from.saturating_add(count);
    if let Some(file) = env::var_os("BITSUP_TRANSCRIPT") {
        tell(seeds, file.as_ref()).unwrap_or_else(|error| panic!("{error}"));
        return;
    }
    let start = Instant::now();
    let tally = play_all(seeds).unwrap_or_else(|Failure { seed, what }| {
        let (_, transcript) = play(seed, Transcript::kept());
        for line in transcript.last(LAST_LINES) {
            println!("{line}");
        }
        panic!("seed {seed}: {what} (again: cargo xtask simulate --seeds 1 --from {seed} -v)")
    });
    println!(
        "{tally}\n{:.0} uploads a second",
        tally.uploads() as f64 / start.elapsed().as_secs_f64()
    );
    // A world in which nearly nothing succeeds, or nothing fails, would show little.
    let varied = tally.share_of("done") > 0.4 && tally.share_of("failed") > 0.1;
    assert!(tally.uploads() >= count && (varied || count < MANY), "{tally}");
}

/// Plays them one after the other and tells what happens.
fn tell(seeds: Range<u64>, file: &Path) -> Result<(), String> {
    let problem = |error: io::Error| format!("{}: {error}", file.display());
    let mut out = File::create(file).map_err(problem)?;
    for seed in seeds {
        let (result, transcript) = play(seed, Transcript::kept());
        for line in transcript.lines() {
            writeln!(out, "{line}").map_err(problem)?;
        }
        result.map_err(|what| format!("seed {seed}: {what}"))?;
    }
    Ok(())
}

/// Plays them on all processors; the failure is that of the lowest seed that was met.
fn play_all(seeds: Range<u64>) -> Result<Tally, Failure> {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let work = || {
        let mut tally = Tally::default();
        while !stop.load(Ordering::Relaxed) {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= seeds.end {
                break;
            }
            for seed in first..seeds.end.min(first + BATCH) {
                match play(seed, Transcript::default()).0 {
                    Ok(reports) => reports.iter().for_each(|report| tally.add(seed, report)),
                    Err(what) => {
                        stop.store(true, Ordering::Relaxed);
                        return Err(Failure { seed, what });
                    }
                }
            }
        }
        Ok(tally)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(ScopedJoinHandle::join).collect()
    });
    let mut total = Tally::default();
    let mut failure: Option<Failure> = None;
    for result in results {
        match result {
            Ok(Ok(tally)) => total.merge(tally),
            Ok(Err(other)) => {
                if failure.as_ref().is_none_or(|known| other.seed < known.seed) {
                    failure = Some(other);
                }
            }
            Err(panic) => {
                failure = Some(Failure { seed: seeds.start, what: panic_text(panic.as_ref()) });
            }
        }
    }
    failure.map_or(Ok(total), Err)
}

/// Plays one upload, or those of a crowd. A panic is a failure like others.
fn play(seed: u64, transcript: Transcript) -> (Result<Vec<Report>, String>, Transcript) {
    let caught = |panic: Box<dyn Any + Send>| Err(panic_text(panic.as_ref()));
    if seed % CROWDS == CROWDS - 1 {
        let mut crowd = Crowd::new(seed, transcript);
        let result = catch_unwind(AssertUnwindSafe(|| crowd.play())).unwrap_or_else(caught);
        return (result, crowd.transcript);
    }
    let mut run = Run::new(seed, transcript);
    let result = catch_unwind(AssertUnwindSafe(|| run.play().map(|report| vec![report])));
    (result.unwrap_or_else(caught), run.into_transcript())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without words"))
}

#[test]
fn a_seed_repeats_its_upload() {
    for seed in 0..50 {
        let (first, second) = (play(seed, Transcript::kept()), play(seed, Transcript::kept()));
        assert_eq!(first.1.lines(), second.1.lines());
        let (first, quiet) = (first.0.expect("it ends"), play(seed, Transcript::default()).0);
        let packets =
            |reports: Vec<Report>| reports.iter().map(|report| report.packets).sum::<u32>();
        assert_eq!(packets(first), packets(quiet.expect("it ends")));
    }
}
