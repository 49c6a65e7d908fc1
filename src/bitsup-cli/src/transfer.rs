//! Options of a transfer, shared by `upload` and `resume`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bitsup::{
    HostPolicy, IfExists, LostAckPolicy, ReplyTo, ResumeCheck, UploadOptions, VerifyPolicy,
};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum};

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::values::{self, Rate};
use crate::words::Words;

/// The tool runs unattended: a line that is down over night is no reason to give up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How a file is transferred.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferArgs {
    /// Bytes a second for all files together, e.g. 2M, or by the local time: "08:00-18:00=1M 18:00-08:00=off"
    #[arg(long, value_name = "SIZE|TIMETABLE", value_parser = values::rate)]
    pub(crate) limit_rate: Option<Rate>,
    /// Let others on the same link go first: slow down as soon as they want it
    #[arg(long, hide_short_help = true)]
    polite: bool,
    /// Bytes in each Fragment [default: auto]
    #[arg(long, value_name = "auto|SIZE", value_parser = fragment_size, hide_short_help = true)]
    fragment_size: Option<FragmentSize>,
    /// The most bytes in a Fragment of automatic size [default: 28M]
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size, hide_short_help = true)]
    max_fragment: Option<u64>,
    /// Give up after N tries without progress [default: unlimited]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    max_attempts: Option<u32>,
    /// Give up after TIME without progress, once the server has answered [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    give_up_after: Option<Duration>,
    /// How long to wait for a server that never answered [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    wait_for_server: Option<Duration>,
    /// The longest time a file may take
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    max_time: Option<Duration>,
    /// The most bytes to send for a file, repetitions included
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size, hide_short_help = true)]
    max_bytes: Option<u64>,
    /// Which hosts to accept in BITS-Host-Id [default: same-site]; any shows none of them a login that the URL's domain would not see
    #[arg(long, value_enum, value_name = "WHICH", hide_short_help = true)]
    host_id: Option<HostId>,
    /// Accept HOST in BITS-Host-Id, and show it logins, tokens, cookies and secret headers as the URL's host; .example.com means all below it
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    trusted_host: Vec<String>,
    /// Ask for the server's reply and write it to FILE, - for standard output
    #[arg(short = 'o', long, value_name = "FILE", value_parser = PathBufValueParser::new().map(reply_file))]
    pub(crate) reply: Option<PathBuf>,
    /// Take it that the server may have no reply
    #[arg(long, requires = "reply", hide_short_help = true)]
    reply_optional: bool,
    /// Abort if the reply is larger than SIZE [default: 1G]
    #[arg(long, value_name = "SIZE", requires = "reply", value_parser = values::positive_size, hide_short_help = true)]
    reply_max_size: Option<u64>,
    /// What to do about a file that is there already [default: try]
    #[arg(long, value_enum, value_name = "WHAT")]
    if_exists: Option<Exists>,
    /// When to compare the size of the file on the server afterwards [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", hide_short_help = true)]
    verify: Option<Verify>,
    /// What to do when the answer to a fragment or to Close-Session is lost [default: auto]
    #[arg(long, value_enum, value_name = "WHAT", hide_short_help = true)]
    on_lost_ack: Option<LostAck>,
    /// How much of a file is compared before an upload is continued [default: full]
    #[arg(long, value_enum, value_name = "HOW", hide_short_help = true)]
    resume_check: Option<Check>,
    /// Compute the SHA-256 of what is sent
    #[arg(long)]
    sha256: bool,
}

/// What is kept in the journal for `resume`, as the words of a command line.
#[derive(Clone, Debug, Default, Parser)]
#[command(no_binary_name = true, args_override_self = true)]
pub(crate) struct KeptArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

#[derive(Clone, Copy, Debug)]
enum FragmentSize {
    Auto,
    Bytes(u64),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HostId {
    /// Hosts of the URL's site
    SameSite,
    /// Any host
    Any,
    /// None
    Ignore,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Exists {
    /// Upload, and let the server decide
    Try,
    /// Ask first, and upload nothing if it exists
    Skip,
    /// Ask first, and fail if it exists
    Fail,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verify {
    /// If a part had to be sent twice to a server that does not check offsets
    Auto,
    /// Always, and a server that does not tell is an error
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LostAck {
    /// Ask the server; start over in a new session if it does not prove its offset
    Auto,
    /// As auto, and start over too if a lost answer to Close-Session cannot be decided
    Restart,
    /// Ask the server; continue where it says even if that proves nothing (not verified)
    Resend,
    /// As auto, but take an undecided Close-Session as acknowledged
    Accept,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Check {
    /// All that was sent, beside the sending
    Full,
    /// The last block
    Tail,
}

impl TransferArgs {
    /// Puts the choices into `options`.
    pub(crate) fn apply(&self, options: &mut UploadOptions) {
        options.fragment_size = match self.fragment_size {
            Some(FragmentSize::Bytes(bytes)) => Some(bytes),
            Some(FragmentSize::Auto) | None => None,
        };
        if let Some(bytes) = self.max_fragment {
            options.max_fragment = bytes;
        }
        options.max_attempts = self.max_attempts;
        options.give_up_after = self.give_up_after.unwrap_or(GIVE_UP_AFTER);
        if let Some(time) = self.wait_for_server {
            options.wait_for_server = time;
        }
        options.max_time = self.max_time;
        options.max_bytes = self.max_bytes;
        options.host_id = match self.host_id {
            Some(HostId::Any) => HostPolicy::Any,
            Some(HostId::Ignore) => HostPolicy::Ignore,
            Some(HostId::SameSite) | None => HostPolicy::SameSite,
        };
        options.trusted_hosts.clone_from(&self.trusted_host);
        if let Some(file) = &self.reply {
            options.reply_to = ReplyTo::File(file.clone());
            options.reply_optional = self.reply_optional;
        }
        if let Some(size) = self.reply_max_size {
            options.reply_max_size = size;
        }
        options.if_exists = match self.if_exists {
            Some(Exists::Skip) => IfExists::Skip,
            Some(Exists::Fail) => IfExists::Fail,
            Some(Exists::Try) | None => IfExists::Try,
        };
        options.verify = match self.verify {
            Some(Verify::Always) => VerifyPolicy::Always,
            Some(Verify::Never) => VerifyPolicy::Never,
            Some(Verify::Auto) | None => VerifyPolicy::Auto,
        };
        options.on_lost_ack = match self.on_lost_ack {
            Some(LostAck::Restart) => LostAckPolicy::Restart,
            Some(LostAck::Resend) => LostAckPolicy::Resend,
            Some(LostAck::Accept) => LostAckPolicy::Accept,
            Some(LostAck::Auto) | None => LostAckPolicy::Auto,
        };
        options.resume_check = match self.resume_check {
            Some(Check::Tail) => ResumeCheck::Tail,
            Some(Check::Full) | None => ResumeCheck::Full,
        };
        options.sha256 = self.sha256;
        options.polite = self.polite;
    }

    /// Whether standard output gets the reply.
    pub(crate) fn replies_to_stdout(&self) -> bool {
        self.reply.as_deref() == Some(Path::new(STDOUT))
    }

    fn words(&self, words: &mut Words) {
        match &self.limit_rate {
            Some(Rate::Always(limit)) => words.number("--limit-rate", Some(*limit)),
            Some(Rate::ByHour(timetable)) => {
                words.text("--limit-rate", Some(timetable.to_string()));
            }
            None => {}
        }
        match self.fragment_size {
            Some(FragmentSize::Auto) => words.text("--fragment-size", Some("auto")),
            Some(FragmentSize::Bytes(bytes)) => words.number("--fragment-size", Some(bytes)),
            None => {}
        }
        words.number("--max-fragment", self.max_fragment);
        words.number("--max-attempts", self.max_attempts.map(u64::from));
        words.time("--give-up-after", self.give_up_after);
        words.time("--wait-for-server", self.wait_for_server);
        words.time("--max-time", self.max_time);
        words.number("--max-bytes", self.max_bytes);
        words.choice("--host-id", self.host_id.as_ref());
        for host in &self.trusted_host {
            words.text("--trusted-host", Some(host));
        }
        words.path("--reply", self.reply.as_deref());
        words.flag("--reply-optional", self.reply_optional);
        words.number("--reply-max-size", self.reply_max_size);
        words.choice("--if-exists", self.if_exists.as_ref());
        words.choice("--verify", self.verify.as_ref());
        words.choice("--on-lost-ack", self.on_lost_ack.as_ref());
        words.choice("--resume-check", self.resume_check.as_ref());
        words.flag("--sha256", self.sha256);
        words.flag("--polite", self.polite);
    }
}

impl KeptArgs {
    /// As one line that a shell would read; without secrets.
    pub(crate) fn note(&self) -> String {
        let mut words = Words::default();
        self.connection.words(false, &mut words);
        self.transfer.words(&mut words);
        words.joined()
    }

    /// What `note` says, where `own` does not say otherwise.
    pub(crate) fn from_note(note: Option<&str>, own: &Self) -> Result<Self, Failure> {
        let broken = || {
            Failure::usage(
                "the options kept with the session cannot be read: start the upload itself again",
            )
        };
        let kept = shlex::split(note.unwrap_or_default()).ok_or_else(broken)?;
        let mut kept = Self::try_parse_from(kept).map_err(|_| broken())?;
        if !own.connection.headers.is_empty() {
            kept.connection.headers.clear();
        }
        let mut words = Words::default();
        for args in [&kept, own] {
            args.connection.words(true, &mut words);
            args.transfer.words(&mut words);
        }
        Self::try_parse_from(words.into_inner()).map_err(|_| broken())
    }
}

/// A reply to `-` goes where this leads, also when the journal's options are used again.
const STDOUT: &str = "/dev/stdout";

fn reply_file(path: PathBuf) -> PathBuf {
    if crate::output::is_stdout(&path) { STDOUT.into() } else { path }
}

fn fragment_size(text: &str) -> Result<FragmentSize, String> {
    if text == "auto" {
        return Ok(FragmentSize::Auto);
    }
    values::positive_size(text).map(FragmentSize::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> KeptArgs {
        KeptArgs::try_parse_from(words).expect("legal")
    }

    #[test]
    fn options_survive_the_journal_and_the_command_line_wins() {
        let first = parse(&[
            "-HX-Case: it's",
            "--limit-rate=2M",
            "-k",
            "--verify=always",
            "--max-time=1.5h",
            "--trusted-host=a",
            "-o/tmp/a b",
            "--fragment-size=auto",
            "--polite",
        ]);
        let own = parse(&["--limit-rate=5", "--verify", "never"]);
        let merged = KeptArgs::from_note(Some(&first.note()), &own).expect("readable");
        assert_eq!(merged.transfer.limit_rate, Some(Rate::Always(5)));
        let mut options = UploadOptions::default();
        merged.transfer.apply(&mut options);
        assert_eq!(options.verify, VerifyPolicy::Never);
        assert!(options.polite);
        assert_eq!(options.max_time, Some(Duration::from_secs(5400)));
        assert_eq!(options.reply_to, ReplyTo::File("/tmp/a b".into()));
        assert_eq!(merged.connection.headers, ["X-Case: it's"]);
    }

    #[test]
    fn a_timetable_survives_the_journal() {
        let first = parse(&["--limit-rate", "08:00-18:00=1M 18:00-08:00=off"]);
        let merged = KeptArgs::from_note(Some(&first.note()), &KeptArgs::default());
        assert_eq!(merged.expect("readable").transfer.limit_rate, first.transfer.limit_rate);
        assert!(matches!(first.transfer.limit_rate, Some(Rate::ByHour(_))));
    }

    #[test]
    fn a_note_that_is_none_is_refused() {
        for note in ["'", "--no-such-option", "stray"] {
            assert!(KeptArgs::from_note(Some(note), &KeptArgs::default()).is_err(), "{note}");
        }
    }
}
