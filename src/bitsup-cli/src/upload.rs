//! `bitsup upload`.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use bitsup::{Client, OptionSet, Source, UploadOptions};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::batch::{Batch, Job, Mailbox};
use crate::failure::CommandFailure;
use crate::inputs::{self, Input};
use crate::report::{OutputArgs, Report};
use crate::standard_input::{self, StandardInput};
use crate::state::{self, StateArgs};
use crate::transfer::KeptArgs;
use crate::values;
use crate::{format, signals};

const EXAMPLES: &str = "\
Examples:
  bitsup upload disk.img https://server/incoming/
  bitsup upload disk.img https://server/incoming/other-name.img
  bitsup upload --limit-rate 2M -u 'CORP\\backup' *.vhdx https://server/incoming/
  tar cz /etc | bitsup upload - https://server/incoming/etc.tar.gz
  find /cases -name '*.e01' | bitsup upload --files-from - https://server/cases/

An upload that was interrupted continues when the same command runs again, or with `bitsup resume`.";

/// The number of files that wait in the client for their turn, which begins them without asking here first.
const AHEAD: usize = 2;

/// The client chooses how many files it uploads at a time,
pub(crate) const AUTOMATIC: u16 = 0;
/// and these are the most that it does.
const MOST_AUTOMATIC: usize = 8;

/// Upload files to a BITS server; a URL that ends in / gets their names appended
#[derive(Debug, Args)]
#[command(override_usage = "bitsup upload [OPTIONS] FILE... URL", after_help = EXAMPLES)]
pub(crate) struct UploadArgs {
    /// The files, - for standard input, and at last the URL
    #[arg(value_name = "FILE... URL", required = true, num_args = 1.., value_hint = clap::ValueHint::FilePath)]
    arguments: Vec<OsString>,
    #[command(flatten)]
    kept: KeptArgs,
    /// Upload N files at a time [default: 2, raised to at most 8 for small files over a link with delay]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), hide_short_help = true, help_heading = "Transfer")]
    parallel: Option<u16>,
    /// Upload the files named in FILE too, one a line or NUL-separated; - is standard input
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Transfer")]
    files_from: Option<PathBuf>,
    /// Allow names that differ only in case or trailing dots: the server distinguishes them
    #[arg(long, hide_short_help = true, help_heading = "Transfer")]
    case_sensitive: bool,
    /// First wait for a random time up to TIME, so that many machines do not start at once
    #[arg(long, value_name = "TIME", value_parser = values::time, hide_short_help = true, help_heading = "Transfer")]
    splay: Option<Duration>,
    /// Discard the interrupted upload and restart
    #[arg(long, hide_short_help = true, help_heading = "Continuing")]
    fresh: bool,
    /// Do not store resume state
    #[arg(
        long,
        hide_short_help = true,
        conflicts_with = "require_resume",
        help_heading = "Continuing"
    )]
    no_resume: bool,
    /// Fail if resume state cannot be stored
    #[arg(long, hide_short_help = true, help_heading = "Continuing")]
    require_resume: bool,
    #[command(flatten, next_help_heading = "Continuing")]
    state: StateArgs,
    #[command(flatten)]
    tell: OutputArgs,
}

/// Uploads.
pub(crate) fn run(args: &UploadArgs) -> Result<u8, CommandFailure> {
    let (inputs, url) =
        inputs::split(&args.arguments, args.files_from.as_deref(), args.case_sensitive)?;
    if inputs.len() > 1 && args.kept.wants_reply() {
        return Err(CommandFailure::usage(
            "--reply takes the reply to one file: upload the files one by one",
        ));
    }
    let folder = if args.no_resume { None } else { args.state.folder() };
    if folder.is_none() && args.require_resume {
        return Err(CommandFailure::usage(
            "there is no home folder to store resume state in: give --state-dir",
        ));
    }
    let resume = OptionSet::new()
        .fresh(args.fresh)
        .no_resume(folder.is_none())
        .require_resume(args.require_resume || args.state.is_named());
    let mut options = args.kept.options_with(resume)?;
    options.note = Some(args.kept.note());
    options.transcript = args.tell.record.is_some();

    args.tell.check(args.kept.replies_to_stdout())?;
    let mut report = Report::new(&args.tell, inputs.len())?;
    let mailbox = Mailbox::open()?;
    if let Some(signal) = args.splay.and_then(|time| mailbox.sleep(random_part(time))) {
        format::say(&format!("bitsup: stopped by {}", signals::name(signal)));
        return Ok(signals::exit_code(signal));
    }
    let parallel = args.parallel.map_or(AUTOMATIC, parallel);
    let mut limits = args.kept.limit().uploads_per_host(parallel.into());
    if let Some(folder) = &folder {
        limits = limits.state_dir(folder);
    }
    let mut builder = Client::builder().options(&limits);
    if state::hashes_from_first_byte() {
        builder = builder.hash_from_first_byte();
    }
    let client = builder.build()?;
    let jobs = inputs.into_iter().map(|input| match input {
        Input::File(path) => file(path, &url, &options, folder.is_some()),
        Input::StandardInput => standard_input(&mailbox, folder.clone(), &url, &options),
    });
    let jobs = jobs.collect();
    let again = |id: Option<&str>| command_to_continue(id, &args.state, &args.kept);
    Ok(Batch::new(client, &mut report, mailbox, again).run(jobs, begun_at_once(parallel)))
}

/// How many files are with the client at a time, those included that wait there for their turn.
pub(crate) fn begun_at_once(parallel: u16) -> usize {
    AHEAD + if parallel == AUTOMATIC { MOST_AUTOMATIC } else { usize::from(parallel) }
}

/// As many files at a time as wished, or as the system lets this process have open.
fn parallel(wish: u16) -> u16 {
    let most = || u16::try_from(Client::most_active()).unwrap_or(u16::MAX);
    if wish > most() {
        // The soft limit is often 1024 for the sake of programs that use select(2).
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        // Refused, it is as it was.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    wish.min(most())
}

/// The command that goes on with a session, or with all of them; without secrets.
pub(crate) fn command_to_continue(id: Option<&str>, state: &StateArgs, kept: &KeptArgs) -> String {
    let mut command = String::from("bitsup resume");
    for header in kept.connection.secret_headers() {
        command.push_str(" -H ");
        command.push_str(&format::shell_quoted(&format!("{header}: ...")));
    }
    if let Some(folder) = state.given() {
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        command.push_str(" --state-dir ");
        command.push_str(&format::shell_quoted(&folder.to_string_lossy()));
    }
    if let Some(id) = id {
        command.push(' ');
        command.push_str(&format::shell_quoted(id));
    }
    command
}

fn file(path: PathBuf, url: &str, options: &UploadOptions, keep: bool) -> Job {
    let (url, options) = (url.to_owned(), options.clone());
    Job {
        name: inputs::name(&path),
        size: std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|data| data.len()),
        session: None,
        keep,
        begin: Box::new(move |client| {
            let source = Source::path(path)?;
            Ok(client.upload(source, &url).options(options))
        }),
    }
}

fn standard_input(
    mailbox: &Mailbox,
    folder: Option<PathBuf>,
    url: &str,
    options: &UploadOptions,
) -> Job {
    // The spooled copy goes with this process, so the upload cannot be resumed.
    let (url, options) = (url.to_owned(), options.clone().without_resume());
    let stream = StandardInput::new(mailbox.stop_flag());
    Job {
        name: "-".into(),
        size: None,
        session: None,
        keep: false,
        begin: Box::new(move |client| {
            standard_input::check()
                .map_err(|error| CommandFailure::local("cannot read standard input", &error))?;
            let folder = state::spool(folder);
            let source = Source::spooled(stream, folder.as_deref())?;
            Ok(client.upload(source, &url).options(options))
        }),
    }
}

/// A part of a time, by chance.
fn random_part(time: Duration) -> Duration {
    let chance = RandomState::new().build_hasher().finish();
    time.mul_f64(chance as f64 / u64::MAX as f64)
}
