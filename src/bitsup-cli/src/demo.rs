//! `bitsup demo`: a server, an upload, a lost connection, and a file that arrives all the same.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use bitsup::{
    AckEvent, CancelMode, Client, ErrorKind, Event, Flow, OptionSet, PacketEvent, PacketType,
    ReadAt, Receipt, Source,
};
use bitsup_server::{Config, Server};
use clap::Args;

use crate::failure::CommandFailure;
use crate::format;
use crate::signals::{self, Listener};

/// What is uploaded where no file is named.
const GENERATED: u64 = 64 << 20;
/// Long enough to watch, short enough to wait for.
const SECONDS: u64 = 6;
/// The number of parts that are shown, as long as they are not larger than BITS servers take.
const PARTS: u64 = 16;
const LARGEST_PART: u64 = 28 << 20;
const SMALLEST_PART: u64 = 64 << 10;

/// Show an upload that survives a lost connection, on this machine alone
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The file to upload; 64 MiB of generated data without one
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Run at full speed, instead of a pace to watch
    #[arg(long)]
    fast: bool,
}

enum Message {
    Event(Box<Event>),
    Signal(i32),
}

/// Demonstrates. Exit code 0 means that the file arrived byte by byte.
pub(crate) fn run(args: &DemoArgs) -> Result<u8, CommandFailure> {
    let source = match &args.file {
        Some(file) => Source::path(file)?,
        None => Source::read_at(Pattern, GENERATED).named("demo.bin"),
    };
    let plan = Plan::new(source.size());
    let root = tempfile::Builder::new()
        .prefix("bitsup-demo-")
        .tempdir()
        .map_err(|error| CommandFailure::local("cannot make a temporary folder", &error))?;
    let server = start_server(root.path(), &plan)?;
    let name = source.name().unwrap_or("demo.bin").to_owned();
    say(&format!(
        "Uploading {} to a BITS server at {} that will lose the connection once.\n",
        match &args.file {
            Some(_) => format!("{} ({})", format::printable(&name), format::size(plan.size)),
            None => format!("{} of generated data", format::round_size(plan.size)),
        },
        server.url("/").trim_end_matches('/')
    ));
    let (sender, receiver) = mpsc::channel();
    let signal_sender = sender.clone();
    let _listener = Listener::start(move |signal| {
        let _ = signal_sender.send(Message::Signal(signal));
    })
    .map_err(|error| {
        CommandFailure::new(ErrorKind::Internal, format!("cannot listen for signals: {error}"))
    })?;

    let pace = (!args.fast).then(|| (plan.size / SECONDS).max(1));
    let mut limit = OptionSet::new();
    if let Some(pace) = pace {
        limit = limit.limit_rate(&pace.to_string());
    }
    let client = Client::builder().options(&limit).build()?;
    let part = i64::try_from(plan.part).unwrap_or(i64::MAX);
    let options = OptionSet::new().fragment_size(part).no_resume(true).upload_options(None)?;
    let url = server.url("/upload");
    let upload = client.upload(source, &url).options(options).on_event(move |event| {
        if !matches!(event, Event::Progress(_)) {
            let _ = sender.send(Message::Event(Box::new(event.clone())));
        }
        Flow::Continue
    });
    let upload = upload.start()?;
    let mut teller = Teller { plan: &plan, server: &server, lost: 0 };
    let receipt = loop {
        match receiver.recv_timeout(Duration::from_mins(1)) {
            Ok(Message::Event(event)) => match *event {
                Event::Finished(result) => break *result?,
                event => teller.tell(&event),
            },
            Ok(Message::Signal(signal)) => {
                upload.cancel(CancelMode::Keep);
                say(&format!("stopped by {}", signals::name(signal)));
                return Ok(signals::exit_code(signal));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(CommandFailure::new(
                    ErrorKind::Internal,
                    "the upload ended without a result",
                ));
            }
        }
    };
    compare(args.file.as_deref(), &root.path().join("upload"), plan.size)?;
    summary(&receipt, teller.lost);
    Ok(0)
}

/// Where the connection is lost.
struct Plan {
    size: u64,
    part: u64,
    /// The fragment, counted from 1, and the bytes of it that arrive.
    cut: Option<(u64, u64)>,
}

impl Plan {
    fn new(size: u64) -> Self {
        let part = size.div_ceil(PARTS).clamp(SMALLEST_PART, LARGEST_PART);
        let fragment = (size.div_ceil(part)).div_ceil(3);
        let first = fragment.saturating_sub(1) * part;
        let length = part.min(size.saturating_sub(first));
        let cut = (fragment > 0).then_some((fragment, length / 8 * 3));
        Self { size, part, cut }
    }

    fn script(&self) -> String {
        match self.cut {
            Some((fragment, bytes)) => format!("fragment {fragment}: drop after {bytes} keep"),
            // An empty file has no fragments.
            None => "create 1: drop".into(),
        }
    }

    fn lost_at(&self) -> u64 {
        self.cut.map_or(0, |(fragment, bytes)| (fragment - 1) * self.part + bytes)
    }
}

fn start_server(root: &Path, plan: &Plan) -> Result<Server, CommandFailure> {
    let internal = |what: String| CommandFailure::new(ErrorKind::Internal, what);
    let script = plan.script().parse();
    let fault = script.map_err(|error| internal(format!("the demonstration's script: {error}")))?;
    let config = Config { root: root.to_owned(), fault: Some(fault), ..Config::default() };
    Server::start(config).map_err(|error| internal(error.to_string()))
}

/// Tells one line a packet.
struct Teller<'a> {
    plan: &'a Plan,
    server: &'a Server,
    lost: u32,
}

impl Teller<'_> {
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Packet(packet) if packet.packet == PacketType::Fragment => {
                say(&fragment(packet));
            }
            Event::Ack(ack) => self.ack(ack),
            Event::Retry { cause, .. } => {
                self.lost += 1;
                match cause.kind() {
                    ErrorKind::Network if self.lost == 1 => {
                        say(&format!("  connection lost at {}", format::size(self.plan.lost_at())));
                    }
                    _ => say(&format!("  {cause}: trying again")),
                }
            }
            _ => {}
        }
    }

    fn ack(&self, ack: &AckEvent) {
        let expected = ack.range.map(|(first, length)| first + length);
        match (ack.packet, ack.offset) {
            (PacketType::Fragment, Some(offset)) if Some(offset) != expected => {
                let then =
                    if offset < self.plan.size { "continuing there" } else { "nothing is missing" };
                say(&format!("  server has {}: {then}", format::size(offset)));
            }
            (PacketType::Fragment, _) => {}
            (PacketType::CreateSession, _) if ack.status == 200 => {
                let requests = self.server.requests();
                let id = requests.iter().rev().find_map(|request| request.session.clone());
                let id = id.unwrap_or_else(|| "a session".into());
                say(&format!("  Create-Session → {id}"));
            }
            (packet, _) if ack.status == 200 => say(&format!("  {packet}")),
            (packet, _) => say(&format!("  {packet}: HTTP {}", ack.status)),
        }
    }
}

fn fragment(packet: &PacketEvent) -> String {
    let (first, length) = packet.range.unwrap_or_default();
    let (from, to) = (format::round_size(first), format::round_size(first + length));
    if length == 1 && first > 0 {
        return "  Fragment of 1 byte, to learn the server's offset".into();
    }
    if length < SMALLEST_PART {
        return format!("  Fragment {from} + {}", format::round_size(length));
    }
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => {
            format!("  Fragment {number}–{to}")
        }
        _ if first == 0 => format!("  Fragment 0–{to}"),
        _ => format!("  Fragment {from}–{to}"),
    }
}

/// Compares what arrived with what was sent, byte by byte.
fn compare(file: Option<&Path>, arrived: &Path, size: u64) -> Result<(), CommandFailure> {
    let unreadable = |error: io::Error| CommandFailure::local("cannot compare the files", &error);
    let differ = || {
        CommandFailure::new(
            ErrorKind::VerifyFailed,
            "the file on the server is not the one that was sent",
        )
    };
    let mut arrived = File::open(arrived).map_err(unreadable)?;
    if arrived.metadata().map_err(unreadable)?.len() != size {
        return Err(differ());
    }
    let mut original: Box<dyn Read> = match file {
        Some(file) => Box::new(File::open(file).map_err(unreadable)?),
        None => Box::new(PatternReader { at: 0 }),
    };
    let (mut left, mut ours, mut theirs) = (size, vec![0; 1 << 16], vec![0; 1 << 16]);
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(ours.len());
        original.read_exact(&mut ours[..length]).map_err(unreadable)?;
        arrived.read_exact(&mut theirs[..length]).map_err(unreadable)?;
        if ours[..length] != theirs[..length] {
            return Err(differ());
        }
        left -= length as u64;
    }
    Ok(())
}

fn summary(receipt: &Receipt, lost: u32) {
    let times =
        if lost == 1 { "one lost connection".into() } else { format!("{lost} interruptions") };
    say(&format!(
        "\nThe file arrived byte for byte: {} in {}, with {times} on the way.\n\n\
         Try it on your own server:\n  bitsup ping https://SERVER/FOLDER/\n  bitsup upload FILE https://SERVER/FOLDER/",
        format::size(receipt.size),
        format::time(receipt.duration),
    ));
}

fn say(line: &str) {
    // The demonstration is its output; if standard output is closed, it still ends with success.
    let _ = format::print(line);
}

/// Data that differs wherever it is spliced.
struct Pattern;

impl Pattern {
    fn byte(at: u64) -> u8 {
        let word = (at / 8).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (word >> (at % 8 * 8)) as u8
    }
}

impl ReadAt for Pattern {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = buffer
            .len()
            .min(usize::try_from(GENERATED - offset.min(GENERATED)).unwrap_or(usize::MAX));
        for (byte, at) in buffer[..length].iter_mut().zip(offset..) {
            *byte = Self::byte(at);
        }
        Ok(length)
    }

    fn may_block(&self) -> bool {
        false
    }
}

struct PatternReader {
    at: u64,
}

impl Read for PatternReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = Pattern.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_place_to_cut() {
        for size in [0, 1, 2, 65_536, 65_537, GENERATED, 10 << 30] {
            let plan = Plan::new(size);
            assert!(plan.script().parse::<bitsup_server::FaultScript>().is_ok(), "{size}");
            assert!(plan.lost_at() <= size);
        }
        assert_eq!(Plan::new(GENERATED).cut, Some((6, 1_572_864)));
    }

    #[test]
    fn a_difference_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, b"same").expect("written");
        for (content, same) in [("same", true), ("sane", false), ("sam", false), ("samee", false)] {
            std::fs::write(&b, content).expect("written");
            assert_eq!(compare(Some(&a), &b, 4).is_ok(), same, "{content}");
        }
    }
}
