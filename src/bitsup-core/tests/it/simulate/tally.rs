//! What many uploads came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bitsup_proto::session::Outcome;

use super::run::Report;

/// Counts over all runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    outcomes: BTreeMap<String, u64>,
    packets: u64,
    crashes: u64,
    unreadable: u64,
    left_behind: u64,
    /// The run of most packets, most polls and most time, with its seed.
    most_packets: (u32, u64),
    most_polls: (u32, u64),
    longest: (Duration, u64),
}

impl Tally {
    /// Counts one run.
    pub(crate) fn add(&mut self, seed: u64, report: &Report) {
        let file = if report.exact { "file exact" } else { "no or another file" };
        let name = match &report.outcome {
            Outcome::Done(summary) => {
                let confirmed = if summary.close_confirmed { "" } else { ", Close unconfirmed" };
                let verified = if summary.verified { "verified" } else { "not verified" };
                format!("done, {verified}{confirmed}, {file}")
            }
            Outcome::Failed(error) => format!("failed, {}", error.kind()),
            Outcome::Cancelled { confirmed, kept } => match (kept, confirmed) {
                (true, _) => "cancelled, session kept".to_owned(),
                (_, true) => "cancelled, confirmed".to_owned(),
                _ => "cancelled, not confirmed".to_owned(),
            },
        };
        *self.outcomes.entry(name).or_default() += 1;
        self.packets += u64::from(report.packets);
        self.crashes += u64::from(report.crashes);
        self.unreadable += u64::from(report.unreadable);
        self.left_behind += u64::from(report.left_behind);
        self.most_packets = self.most_packets.max((report.packets, seed));
        self.most_polls = self.most_polls.max((report.polls, seed));
        self.longest = self.longest.max((report.time, seed));
    }

    /// Adds another tally.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, count) in other.outcomes {
            *self.outcomes.entry(name).or_default() += count;
        }
        self.packets += other.packets;
        self.crashes += other.crashes;
        self.unreadable += other.unreadable;
        self.left_behind += other.left_behind;
        self.most_packets = self.most_packets.max(other.most_packets);
        self.most_polls = self.most_polls.max(other.most_polls);
        self.longest = self.longest.max(other.longest);
    }

    /// How many uploads there were.
    pub(crate) fn uploads(&self) -> u64 {
        self.outcomes.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.outcomes {
            writeln!(f, "{count:>10}  {name}")?;
        }
        let (packets, polls) = (self.most_packets, self.most_polls);
        writeln!(
            f,
            "{:>10}  uploads, {} requests, {} crashes; {} unusable journals and {} sessions left behind, all told of",
            self.uploads(),
            self.packets,
            self.crashes,
            self.unreadable,
            self.left_behind
        )?;
        write!(
            f,
            "most requests {} (seed {}), most polls {} (seed {}), longest {:.1} days (seed {})",
            packets.0,
            packets.1,
            polls.0,
            polls.1,
            self.longest.0.as_secs_f64() / 86_400.0,
            self.longest.1
        )
    }
}

impl Tally {
    /// The share of outcomes whose name begins so.
    pub(crate) fn share_of(&self, name: &str) -> f64 {
        let found = self.outcomes.iter().filter(|(known, _)| known.starts_with(name));
        found.map(|(_, count)| *count).sum::<u64>() as f64 / self.uploads().max(1) as f64
    }
}
