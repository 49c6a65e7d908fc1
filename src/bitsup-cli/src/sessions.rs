//! `bitsup list`, `resume` and `cancel`: sessions that were kept.

use std::time::{SystemTime, UNIX_EPOCH};

use bitsup::{Client, Flow, LimitRate, OptionSet, SessionInfo};
use clap::Args;

use crate::batch::{Batch, Job, Mailbox};
use crate::connection::ConnectionArgs;
use crate::failure::CommandFailure;
use crate::inputs;
use crate::report::{OutputArgs, Report};
use crate::state::StateArgs;
use crate::transfer::KeptArgs;
use crate::upload::{AUTOMATIC, begun_at_once, command_to_continue};
use crate::{format, json, packets};

/// List interrupted uploads
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Resume interrupted uploads: those named, or all
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The uploads, as `bitsup list` names them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Resume all, as without an ID
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    own: KeptArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    tell: OutputArgs,
}

/// Cancel interrupted uploads, and delete the partial uploads on the server
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The uploads, as `bitsup list` names them
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// Cancel all
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Remove their resume state only; the server deletes them when they expire
    #[arg(long)]
    local: bool,
    /// Show each packet
    #[arg(short, long, conflicts_with = "local")]
    verbose: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// Lists.
pub(crate) fn list(args: &ListArgs) -> Result<u8, CommandFailure> {
    let client = client(&args.state)?;
    let (sessions, exit_code) = readable(&client)?;
    if sessions.is_empty() && !args.json && exit_code == 0 {
        format::say("no interrupted uploads");
    }
    for session in &sessions {
        let line = if args.json { json::session(session) } else { line(session) };
        if !format::print(&line) {
            break;
        }
    }
    Ok(exit_code)
}

/// Continues.
pub(crate) fn resume(args: &ResumeArgs) -> Result<u8, CommandFailure> {
    let client = client(&args.state)?;
    limit(&client, args.own.limit_rate());
    let (sessions, unreadable) = readable(&client)?;
    let sessions = chosen(sessions, &args.ids)?;
    if sessions.is_empty() {
        format::say("no interrupted uploads");
        return Ok(unreadable);
    }
    let record = args.tell.record.is_some();
    let jobs = sessions.into_iter().map(|session| job(session, &args.own, record));
    let jobs: Vec<Job> = jobs.collect();
    args.tell.check(args.own.replies_to_stdout())?;
    let mut report = Report::new(&args.tell, jobs.len())?;
    let again = |id: Option<&str>| command_to_continue(id, &args.state, &args.own);
    let exit_code = Batch::new(client, &mut report, Mailbox::open()?, again)
        .run(jobs, begun_at_once(AUTOMATIC));
    Ok(if exit_code == 0 { unreadable } else { exit_code })
}

/// Cancels.
pub(crate) fn cancel(args: &CancelArgs) -> Result<u8, CommandFailure> {
    let client = client(&args.state)?;
    let (sessions, mut exit_code) = readable(&client)?;
    for session in chosen(sessions, &args.ids)? {
        match cancel_one(&client, &session, args) {
            Ok(()) if args.local => format::say(&format!("{} forgotten", session.id)),
            Ok(()) => format::say(&format!("{} cancelled", session.id)),
            Err(failure) => {
                format::say(&format!("bitsup: {}: {failure}", session.id));
                if !failure.advice().is_empty() {
                    format::say(failure.advice());
                }
                exit_code = match exit_code {
                    0 => failure.exit_code(),
                    other if other == failure.exit_code() => other,
                    _ => 1,
                };
            }
        }
    }
    Ok(exit_code)
}

/// Sets the rate limit, if one was named.
fn limit(client: &Client, rate: Option<LimitRate>) {
    match rate {
        Some(LimitRate::Always(limit)) => client.set_rate_limit(Some(limit)),
        Some(LimitRate::Timetable(timetable)) => client.set_rate_timetable(timetable),
        _ => {}
    }
}

fn client(state: &StateArgs) -> Result<Client, CommandFailure> {
    let folder = state.folder().ok_or_else(|| {
        CommandFailure::usage(
            "there is no home folder, and so no state directory: give --state-dir",
        )
    })?;
    let options = OptionSet::new().state_dir(folder).uploads_per_host(AUTOMATIC.into());
    Ok(Client::builder().options(&options).build()?)
}

/// The sessions that can be read, and the exit code for those that cannot.
fn readable(client: &Client) -> Result<(Vec<SessionInfo>, u8), CommandFailure> {
    let mut exit_code = 0;
    let mut readable = Vec::new();
    for session in client.sessions()? {
        match session {
            Ok(session) => readable.push(session),
            Err(error) => {
                format::say(&format!("bitsup: {error}"));
                exit_code = error.kind().exit_code();
            }
        }
    }
    Ok((readable, exit_code))
}

/// Those named by their ids or by the unmistakable beginning of one; all, if none is named.
fn chosen(sessions: Vec<SessionInfo>, ids: &[String]) -> Result<Vec<SessionInfo>, CommandFailure> {
    if ids.is_empty() {
        return Ok(sessions);
    }
    let mut chosen: Vec<SessionInfo> = Vec::new();
    for id in ids {
        let mut fitting = sessions.iter().filter(|session| session.id.starts_with(id.as_str()));
        let exact = sessions.iter().find(|session| session.id == *id);
        let session = match (exact, fitting.next(), fitting.next()) {
            (Some(session), ..) | (None, Some(session), None) => session,
            (None, Some(_), Some(_)) => {
                return Err(CommandFailure::usage(format!(
                    "several interrupted uploads have IDs that begin with {id:?}"
                )));
            }
            (None, None, _) => {
                return Err(CommandFailure::usage(format!(
                    "no interrupted upload has the ID {id:?}: see bitsup list"
                )));
            }
        };
        if !chosen.iter().any(|other| other.id == session.id) {
            chosen.push(session.clone());
        }
    }
    Ok(chosen)
}

fn job(session: SessionInfo, own: &KeptArgs, record: bool) -> Job {
    let own = own.clone();
    Job {
        name: inputs::name(&session.path),
        size: Some(session.size),
        session: Some(session.id.clone()),
        keep: true,
        begin: Box::new(move |client| {
            let kept = KeptArgs::from_note(session.note.as_deref(), &own)?;
            let mut options = kept.options()?;
            options.note = Some(kept.note());
            options.transcript = record;
            if own.limit_rate().is_none() {
                limit(client, kept.limit_rate());
            }
            Ok(client.resume(&session.id)?.options(options))
        }),
    }
}

fn cancel_one(
    client: &Client,
    session: &SessionInfo,
    args: &CancelArgs,
) -> Result<(), CommandFailure> {
    if args.local {
        return Ok(client.forget_session(&session.id)?);
    }
    let own = KeptArgs { connection: args.connection.clone(), ..KeptArgs::default() };
    let kept = KeptArgs::from_note(session.note.as_deref(), &own)?;
    let options = kept.connection.options()?;
    if args.verbose {
        return Ok(client.cancel_session_on_event(&session.id, &options, |event| {
            if let Some(line) = packets::line(event) {
                format::say(&line);
            }
            Flow::Continue
        })?);
    }
    Ok(client.cancel_session(&session.id, &options)?)
}

fn line(session: &SessionInfo) -> String {
    let percent = session.acknowledged.saturating_mul(100) / session.size.max(1);
    let running = if session.in_use { ", running" } else { "" };
    let left = if session.may_be_left { ", a session may exist on the server" } else { "" };
    format!(
        "{}  {percent:>3}% of {}, {}{}{running}{left}  {} -> {}",
        session.id,
        format::size(session.size),
        format::date(session.updated),
        age(session.updated, SystemTime::now()),
        inputs::name(&session.path),
        session.url
    )
}

/// How long ago a session got further, from a day on. Whether it is too old is for the server to
/// say; a clock that was wrong says nothing.
fn age(updated: u64, now: SystemTime) -> String {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match now.saturating_sub(updated) / (24 * 3600) {
        0 => String::new(),
        1 => " (1 day ago)".into(),
        days => format!(" ({days} days ago)"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_age_of_a_session_is_told_in_days_and_a_wrong_clock_is_no_age() {
        let _rule = bitsup_server::rule!("JRN-02");
        let day = 24 * 3600;
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(age(20 * day, at(35 * day)), " (15 days ago)");
        assert_eq!(age(20 * day, at(21 * day)), " (1 day ago)");
        assert_eq!(age(20 * day, at(20 * day + 5)), "");
        assert_eq!(age(20 * day, at(0)), "");
    }
}
