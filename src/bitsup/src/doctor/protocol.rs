//! Packets, as an upload would send them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Check, Finding, PATIENCE, good, of_error, problem, skipped, warning};
use crate::client::ClientInner;
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::options::UploadOptions;
use crate::packets::{self, Deadline, PacketSession, Probe};

/// Kerberos allows five minutes; a certificate may have been issued just now.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// To delete a session there is at least so much time: it would stay on the server.
pub(super) const CLEANUP: Duration = Duration::from_secs(3);
/// The name of the file in sessions that are deleted again.
const FILE_NAME: &str = "bitsup-doctor.tmp";

/// Pings, and creates a session if that went well.
pub(super) fn examine(
    client: &Arc<ClientInner>,
    destination: &Destination,
    options: &UploadOptions,
    deadline: &Deadline,
    findings: &mut Vec<Finding>,
) {
    let mut url = destination.full();
    if destination.target.split('?').next().is_some_and(|path| path.ends_with('/')) {
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        url = format!("{path}{FILE_NAME}{query}");
    }
    let probe = packets::probe(client, &url, options, deadline);
    let through = match &probe {
        Ok(probe) => {
            let through = verb_and_login(probe, options, deadline, findings);
            findings.extend(clock(probe));
            through
        }
        Err(error) => {
            findings.push(in_time(Check::Verb, error, deadline));
            false
        }
    };
    if through && deadline.is_over() {
        findings.push(skipped(Check::Session, "not looked at: the time of this report is over"));
        return;
    }
    if !through {
        findings.push(skipped(Check::Session, "no packet gets through"));
        return;
    }
    match PacketSession::create(client, &url, 1, FILE_NAME, options, Some(deadline.clone())) {
        Ok(session) => created(session, deadline, findings),
        Err(error) if error.kind() == ErrorKind::HostIdUntrusted => {
            findings.push(good(Check::Session, "can be created"));
            findings.push(of_error(Check::HostId, &error));
        }
        Err(error) => findings.push(in_time(Check::Session, &error, deadline)),
    }
}

/// A problem in the words of an error; if it came of this report's haste, that is said.
fn in_time(check: Check, error: &Error, deadline: &Deadline) -> Finding {
    let mut finding = of_error(check, error);
    if deadline.is_over() {
        finding.detail = format!(
            "{} (this report takes {} s at most; an upload waits as long as its time-outs say)",
            finding.detail,
            PATIENCE.as_secs()
        );
    }
    finding
}

/// Whether a Ping came through, with the login if one is wanted.
fn verb_and_login(
    probe: &Probe,
    options: &UploadOptions,
    deadline: &Deadline,
    findings: &mut Vec<Finding>,
) -> bool {
    let server = probe.server.as_ref().map_or(String::new(), |server| format!(" ({server})"));
    let offered = probe.schemes.join(", ");
    match &probe.result {
        Ok(()) => {
            let answers = format!("a BITS server answers{server}");
            findings.push(good(Check::Verb, answers));
            findings.push(if offered.is_empty() {
                good(Check::Authentication, "the server asks for none")
            } else {
                good(Check::Authentication, format!("the server offers {offered}; logged in"))
            });
            true
        }
        Err(error) if error.kind() == ErrorKind::Auth => {
            // Who asks for a login has not necessarily looked at the verb.
            findings.push(good(Check::Verb, format!("something answers BITS_POST{server}")));
            let detail = format!("the server offers {offered}; {error}");
            let fix = if options.credentials.is_none() {
                "Give user and password (--user, --password-file), or a token (--token-file)."
            } else {
                error.advice()
            };
            findings.push(problem(Check::Authentication, ErrorKind::Auth, detail, fix));
            false
        }
        Err(error) => {
            findings.push(in_time(Check::Verb, error, deadline));
            false
        }
    }
}

fn clock(probe: &Probe) -> Option<Finding> {
    let theirs = httpdate::parse_http_date(probe.date.as_deref()?).ok()?;
    let ours = SystemTime::now();
    let (difference, word) = match theirs.duration_since(ours) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    let seconds = difference.as_secs();
    Some(if difference > CLOCK_TOLERANCE {
        warning(
            Check::Clock,
            format!("the server's clock is {seconds} s {word} this machine's"),
            "Let both machines take their time from the network (Windows: w32tm /resync; Linux: timedatectl set-ntp true): Kerberos refuses more than 5 minutes, and certificates seem expired or not yet valid.",
        )
    } else {
        good(Check::Clock, "the clocks differ by less than a minute")
    })
}

/// The session is there; whether its host is too, and it can be deleted.
fn created(mut session: PacketSession, deadline: &Deadline, findings: &mut Vec<Finding>) {
    let host = session.host();
    let reached = if host.is_none() { Ok(()) } else { session.ping() };
    deadline.leave(CLEANUP);
    let cancelled = session.cancel();
    findings.push(match (&reached, cancelled) {
        (_, Ok(())) => good(Check::Session, "was created and deleted again"),
        (Ok(()), Err(error)) => in_time(Check::Session, &error, deadline),
        (Err(_), Err(_)) => good(
            Check::Session,
            "was created; the server lets it go by itself, since its host cannot be reached to delete it",
        ),
    });
    let Some(host) = host else {
        findings.push(skipped(Check::HostId, "the server names no other host"));
        return;
    };
    findings.push(match reached {
        Ok(()) => good(Check::HostId, format!("uploads go to {host}, which answers")),
        Err(error) => problem(
            Check::HostId,
            error.kind(),
            format!("uploads go to {host}, which cannot be reached: {error}"),
            "Correct the name (IIS: BITSHostId of the virtual directory), give it to this machine's DNS and open the way to it; or set BITSHostIdFallbackTimeout, so that clients go back. `--host-id ignore` stays with the URL's host, where the server allows that.",
        ),
    });
}
