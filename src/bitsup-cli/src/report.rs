//! How uploads are told: a line on a terminal, lines in a log, JSON, a trace and receipts.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bitsup::{Event, EventFilter, Progress, Receipt};
use clap::Args;

use crate::failure::CommandFailure;
use crate::json::{self, Counts};
use crate::output::{Lines, Whole, is_stdout};
use crate::progress_bar::{Screen, Snapshot};
use crate::{format, packets, prompt, values};

/// How often JSON tells progress.
const JSON_PROGRESS: Duration = Duration::from_secs(1);
/// A shorter wait is over before a person has read of it.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// What is told, and where.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print nothing unless something fails
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Show each packet
    #[arg(short, long)]
    verbose: bool,
    /// Write one JSON object a line to standard output
    #[arg(long)]
    json: bool,
    /// Print progress every TIME, for logs [default with --json: 1s]
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    progress: Option<Duration>,
    /// Write each packet and its answer to FILE, without secrets
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    trace: Option<PathBuf>,
    /// Write the packets of one file and their answers to FILE, for `bitsup serve --replay`
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) record: Option<PathBuf>,
    /// Write a receipt (JSON) of each file to FILE
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    receipt: Option<PathBuf>,
}

impl OutputArgs {
    /// Refuses two kinds of text on standard output; `reply`: whether one goes there already.
    pub(crate) fn check(&self, reply: bool) -> Result<(), CommandFailure> {
        let files = [&self.trace, &self.record, &self.receipt];
        let files = files.into_iter().flatten().filter(|path| is_stdout(path)).count();
        if files + usize::from(self.json) + usize::from(reply) > 1 {
            return Err(CommandFailure::usage(
                "standard output can have one only of --json and the outputs named -",
            ));
        }
        Ok(())
    }
}

/// Tells what happens.
pub(crate) struct Report {
    json: bool,
    quiet: bool,
    verbose: bool,
    every: Option<Duration>,
    last: Instant,
    screen: Option<Screen>,
    trace: Option<Lines>,
    record: Option<Lines>,
    receipts: Option<Whole>,
    files: usize,
    begun: Instant,
    last_reason: String,
}

impl Report {
    /// Opens what has to be written, before anything is sent.
    pub(crate) fn new(args: &OutputArgs, files: usize) -> Result<Self, CommandFailure> {
        let trace = args.trace.as_deref().map(Lines::open).transpose()?;
        let record = args.record.as_deref().map(|path| open_record(path, files)).transpose()?;
        let receipts = args.receipt.as_deref().map(|path| Whole::open(path, "receipt"));
        let bar = std::io::stderr().is_terminal() && !args.quiet && !args.json;
        Ok(Self {
            json: args.json,
            quiet: args.quiet,
            verbose: args.verbose,
            every: args.progress.or(args.json.then_some(JSON_PROGRESS)),
            last: Instant::now(),
            screen: bar.then(Screen::new),
            trace,
            record,
            receipts: receipts.transpose()?,
            files,
            begun: Instant::now(),
            last_reason: String::new(),
        })
    }

    /// An upload begins.
    pub(crate) fn started(&mut self, file: &str, size: Option<u64>) {
        self.print_json(|| json::start(file, size));
    }

    /// What it tells of an upload. Progress is looked up when it is shown.
    pub(crate) fn wants(&self) -> EventFilter {
        let all = self.json || self.verbose || self.trace.is_some();
        // In a log an answer ends a reason to wait that was told.
        let in_log = !self.quiet && self.screen.is_none();
        EventFilter::default().progress(false).packets(all || in_log).notices(all)
    }

    /// Something happened to an upload.
    pub(crate) fn event(&mut self, file: &str, event: &Event) {
        if let Some(line) = packets::line(event) {
            self.trace_line(file, &line);
            if self.verbose {
                self.say(&format!("{}{line}", self.prefix(file)));
            }
        }
        match event {
            Event::Packet(packet) => self.print_json(|| json::packet(file, packet)),
            Event::Ack(ack) => {
                self.last_reason.clear();
                self.print_json(|| json::ack(file, ack));
            }
            Event::Recorded(entry) => self.record(entry),
            Event::Notice(text) => self.print_json(|| json::notice(file, text)),
            Event::Retry { cause, delay, attempt } => {
                self.print_json(|| json::retry(file, cause, *delay, *attempt));
                self.tell_retry(file, &cause.to_string(), *delay);
            }
            _ => {}
        }
    }

    /// Some time has passed. `bytes` are those of files that ended, and of all.
    pub(crate) fn tick(&mut self, running: &[(&str, Progress)], ended: usize, bytes: (u64, u64)) {
        if prompt::is_asking() {
            if let Some(screen) = &self.screen {
                screen.make_room();
            }
            prompt::room_made();
            return;
        }
        if let Some(screen) = &mut self.screen {
            let progress: Vec<Progress> = running.iter().map(|(_, one)| one.clone()).collect();
            screen.show(&Snapshot { files: (ended, self.files), bytes, running: &progress });
        }
        let Some(every) = self.every.filter(|every| self.last.elapsed() >= *every) else { return };
        // Not now, so that late looks do not add up.
        self.last = self.last.checked_add(every).map_or_else(Instant::now, |next| {
            if next.elapsed() >= every { Instant::now() } else { next }
        });
        for (file, progress) in running {
            if self.json {
                self.print_json(|| json::progress(file, progress));
            } else if self.screen.is_none() && !self.quiet {
                format::say(&progress_line(file, progress));
            }
        }
    }

    /// A file arrived.
    pub(crate) fn done(&mut self, file: &str, receipt: &Receipt) {
        self.tell_end(|| json::receipt(file, receipt));
        let is_proven = receipt.verified || receipt.skipped;
        if self.quiet && is_proven {
            return;
        }
        if !self.quiet && (self.files == 1 || self.verbose) {
            self.say(&receipt_line(file, receipt));
            if let Some(digest) = &receipt.sha256 {
                self.say(&format!("sha256 {digest}"));
            }
        }
        for warning in &receipt.warnings {
            self.say(&format!("bitsup: warning: {}{warning}", self.prefix(file)));
        }
    }

    /// A file did not arrive. `then`: how to continue, or what is left.
    pub(crate) fn failed(&mut self, file: &str, failure: &CommandFailure, then: &str) {
        self.tell_end(|| json::error(file, failure, then));
        let message = failure.to_string();
        let named = message.contains(file);
        self.say(&if named {
            format!("bitsup: {message}")
        } else {
            format!("bitsup: {file}: {message}")
        });
        if !failure.advice().is_empty() {
            self.say(failure.advice());
        }
        if self.files == 1 {
            self.say(then);
        }
    }

    /// All is over. `then` as for one file.
    pub(crate) fn finish(&mut self, counts: Counts, exit_code: u8, then: Option<&str>) {
        if let Some(screen) = self.screen.take() {
            screen.clear();
        }
        if self.files > 1 {
            self.print_json(|| json::summary(counts, self.begun.elapsed(), exit_code));
            if !self.quiet || counts.failed + counts.not_started > 0 {
                format::say(&summary_line(counts, self.begun.elapsed()));
            }
            if let Some(then) = then {
                format::say(then);
            }
        }
        if let Some(receipts) = self.receipts.take() {
            receipts.finish();
        }
    }

    /// A line for people.
    pub(crate) fn say(&self, line: &str) {
        match &self.screen {
            Some(screen) => screen.aside(|| format::say(line)),
            None => format::say(line),
        }
    }

    /// In a log, a wait is told once a reason; a terminal shows it all the time.
    fn tell_retry(&mut self, file: &str, reason: &str, delay: Duration) {
        let silent = self.quiet || self.verbose || self.screen.is_some();
        if silent || delay < WORTH_TELLING || self.last_reason == reason {
            return;
        }
        reason.clone_into(&mut self.last_reason);
        format::say(&format!("{file}: {reason}; next try in {}", format::time_left(delay)));
    }

    fn prefix(&self, file: &str) -> String {
        if self.files == 1 { String::new() } else { format!("{file}: ") }
    }

    fn print_json(&self, line: impl FnOnce() -> String) {
        if self.json {
            // The uploads continue even if standard output is closed.
            let _ = format::print(&line());
        }
    }

    fn trace_line(&mut self, file: &str, line: &str) {
        if let Some(trace) = &mut self.trace {
            let (file, line) = (format::printable(file), format::printable(line));
            trace.write(&format!("{} {file} {line}\n", format::now()));
        }
    }

    fn record(&mut self, entry: &str) {
        if let Some(record) = &mut self.record {
            record.write(entry);
        }
    }

    /// How an upload ended, for programs.
    fn tell_end(&mut self, line: impl FnOnce() -> String) {
        if !self.json && self.receipts.is_none() {
            return;
        }
        let line = line();
        if let Some(receipts) = &mut self.receipts {
            receipts.write(&format!("{line}\n"));
        }
        self.print_json(|| line);
    }
}

/// A transcript is that of one upload.
fn open_record(path: &Path, files: usize) -> Result<Lines, CommandFailure> {
    if files > 1 {
        return Err(CommandFailure::usage(
            "--record takes one file at a time: upload the files one by one",
        ));
    }
    let mut record = Lines::open(path)?;
    record.write(&format!("{}\n", bitsup::TRANSCRIPT_HEAD));
    Ok(record)
}

fn progress_line(file: &str, progress: &Progress) -> String {
    if let Some(waiting) = &progress.waiting {
        let left = format::time_left(waiting.remaining);
        return format!("{file}: {}; next try in {left}", waiting.reason);
    }
    let percent = (progress.sent as f64 * 100.0 / progress.total.max(1) as f64) as u64;
    let left = progress.eta.map_or(String::new(), |eta| format!(", {} left", format::time(eta)));
    format!(
        "{file}: {percent}%, {} of {}, {}/s{left}, {}",
        format::size(progress.sent),
        format::size(progress.total),
        format::size(progress.rate),
        progress.state.name()
    )
}

fn receipt_line(file: &str, receipt: &Receipt) -> String {
    if receipt.skipped {
        return format!("{file}: skipped, {} exists", receipt.url);
    }
    format!(
        "{file}: {} in {} ({}) -> {}",
        format::size(receipt.size),
        format::time(receipt.duration),
        format::rate(receipt.size, receipt.duration),
        receipt.url
    )
}

fn summary_line(counts: Counts, time: Duration) -> String {
    let mut line = format!(
        "{} uploaded, {} in {}",
        format::count(counts.done, "file"),
        format::size(counts.bytes),
        format::time(time)
    );
    if counts.failed > 0 {
        let _ = write!(line, "; {} failed", counts.failed);
    }
    if counts.not_started > 0 {
        let _ = write!(line, "; {} not started", counts.not_started);
    }
    line
}
