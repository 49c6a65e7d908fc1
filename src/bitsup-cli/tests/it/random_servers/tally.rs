//! What all uploads came to.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::judge::{self, Problem};
use super::plan::By;
use super::run::Done;

/// Failures of one kind that are printed whole.
const WHOLE: usize = 2;

/// Entries of a transcript that are printed, from its end.
const LAST: usize = 60;

/// Counts by how it ended.
#[derive(Debug, Default)]
struct Ends {
    uploads: u64,
    done: u64,
    verified: u64,
    /// By exit code; 255 is a hang.
    codes: BTreeMap<u8, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    all: BTreeMap<&'static str, Ends>,
    quirks: BTreeMap<&'static str, Ends>,
    faults: BTreeMap<&'static str, Ends>,
    requests: usize,
    most_requests: usize,
    longest: Duration,
    pub(crate) failures: Vec<Failure>,
}

/// An upload that is not as it must be.
#[derive(Debug)]
pub(crate) struct Failure {
    kinds: String,
    line: String,
    whole: String,
}

impl Tally {
    pub(crate) fn add(&mut self, done: &Done, problems: &[Problem]) {
        let by = match done.plan.by {
            By::Tool => "by the tool",
            By::Library => "by the library",
        };
        let last = done.runs.last().expect("one run");
        let count = |ends: &mut Ends| {
            ends.uploads += 1;
            ends.done += u64::from(last.code == Some(0));
            ends.verified += u64::from(last.receipt.is_some_and(|receipt| receipt.verified));
            *ends.codes.entry(last.code.unwrap_or(255)).or_default() += 1;
        };
        count(self.all.entry(by).or_default());
        for name in &done.plan.habits.names {
            count(self.quirks.entry(name).or_default());
        }
        let mut faults: Vec<_> =
            done.runs.iter().flat_map(|run| &run.log).filter_map(|entry| entry.fault).collect();
        faults.sort_unstable();
        faults.dedup();
        for name in faults {
            count(self.faults.entry(name).or_default());
        }
        for run in &done.runs {
            self.requests += run.log.len();
            self.most_requests = self.most_requests.max(run.log.len());
            self.longest = self.longest.max(run.elapsed);
        }
        if !problems.is_empty() {
            self.failures.push(Failure::new(done, problems));
        }
    }

    /// All failures: the first ones with their transcripts.
    pub(crate) fn report(&self) -> String {
        let mut report = String::new();
        let mut kinds = BTreeMap::<_, usize>::new();
        for failure in &self.failures {
            let seen = kinds.entry(failure.kinds.as_str()).or_default();
            *seen += 1;
            if *seen <= WHOLE {
                report += &failure.whole;
            }
        }
        report += "\nall failures:\n";
        for failure in &self.failures {
            report += &failure.line;
        }
        report
    }
}

impl Failure {
    fn new(done: &Done, problems: &[Problem]) -> Self {
        let plan = &done.plan;
        let mut kinds: Vec<_> = problems.iter().map(|(kind, _)| *kind).collect();
        kinds.dedup();
        let kinds = kinds.join(", ");
        let line = format!("seed {} [{kinds}] {:?}\n", plan.seed, plan.habits.names);
        let mut whole = format!("\n===== seed {}: {}\n", plan.seed, judge::repeat(plan));
        for (kind, text) in problems {
            let _ = writeln!(whole, "{kind}: {text}");
        }
        let faults: Vec<_> = plan.faults.menu.iter().map(|fault| fault.name).collect();
        let _ = writeln!(
            whole,
            "{} bytes, fragment {:?}, on-lost-ack {}, verify {}, if-exists {}, reply {:?}, login {} {}\n\
             {:?}\nfaults {faults:?}, {} in a thousand, {} at most",
            plan.source.len(),
            plan.fragment,
            plan.on_lost_ack,
            plan.verify,
            plan.if_exists,
            plan.reply,
            plan.login,
            plan.cleartext,
            plan.habits,
            plan.faults.share,
            plan.faults.most,
        );
        for (number, run) in done.runs.iter().enumerate() {
            let _ = writeln!(
                whole,
                "run {number}: {:?} in {:?}, {:?}",
                run.code, run.elapsed, run.receipt
            );
            let skipped = run.log.len().saturating_sub(LAST);
            for entry in run.log.iter().skip(skipped) {
                let _ = writeln!(whole, "    {entry}");
            }
            for (place, text) in run.shown.iter().filter(|(place, _)| *place != "trace") {
                let end: Vec<_> = text.lines().rev().take(4).collect();
                for line in end.iter().rev() {
                    let _ = writeln!(whole, "  {place}: {line}");
                }
            }
        }
        Self { kinds, line, whole }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uploads: u64 = self.all.values().map(|ends| ends.uploads).sum();
        let done: u64 = self.all.values().map(|ends| ends.done).sum();
        writeln!(
            f,
            "{uploads} uploads to random servers: {done} done, {} failures of the test; {} requests, at most {} \
             in a run, longest run {:.1} s",
            self.failures.len(),
            self.requests,
            self.most_requests,
            self.longest.as_secs_f64(),
        )?;
        for (title, table) in
            [("all", &self.all), ("quirks", &self.quirks), ("faults", &self.faults)]
        {
            writeln!(f, "{title:34}  uploads   done  verified  by exit code (255: hangs)")?;
            for (name, ends) in table {
                let Ends { uploads, done, verified, codes } = ends;
                write!(f, "  {name:32} {uploads:7} {done:7} {verified:9} ")?;
                for (code, count) in codes {
                    write!(f, " {code}:{count}")?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
