//! Packets, as an upload would send them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Check, Finding, good, of_error, problem, skipped, warning};
use crate::client::ClientInner;
use crate::destination::Destination;
use crate::error::ErrorKind;
use crate::options::UploadOptions;
use crate::packets::{self, PacketSession, Probe};

/// Kerberos allows five minutes; a certificate may have been issued just now.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// The name of the file in sessions that are deleted again.
const FILE_NAME: &str = "bitsup-doctor.tmp";

/// Pings, and creates a session if that went well.
pub(super) fn examine(
    client: &Arc<ClientInner>,
    destination: &Destination,
    options: &UploadOptions,
    findings: &mut Vec<Finding>,
) {
    let mut url = destination.full();
    if destination.target.split('?').next().is_some_and(|path| path.ends_with('/')) {
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        url = format!("{path}{FILE_NAME}{query}");
    }
    let probe = packets::probe(client, &url, options);
    let through = match &probe {
        Ok(probe) => {
            let through = verb_and_login(probe, options, findings);
            findings.extend(clock(probe));
            through
        }
        Err(error) => {
            findings.push(of_error(Check::Verb, error));
            false
        }
    };
    if !through {
        findings.push(skipped(Check::Session, "no packet gets through"));
        return;
    }
    match PacketSession::create(client, &url, 1, FILE_NAME, options) {
        Ok(session) => created(session, findings),
        Err(error) if error.kind() == ErrorKind::HostIdUntrusted => {
            findings.push(good(Check::Session, "can be created"));
            findings.push(of_error(Check::HostId, &error));
        }
        Err(error) => findings.push(of_error(Check::Session, &error)),
    }
}

/// Whether a Ping came through, with the login if one is wanted.
fn verb_and_login(probe: &Probe, options: &UploadOptions, findings: &mut Vec<Finding>) -> bool {
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
            findings.push(of_error(Check::Verb, error));
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
fn created(mut session: PacketSession, findings: &mut Vec<Finding>) {
    let host = session.host();
    let reached = if host.is_none() { Ok(()) } else { session.ping() };
    let cancelled = session.cancel();
    findings.push(match (&reached, cancelled) {
        (Ok(()), Err(error)) => of_error(Check::Session, &error),
        _ => good(Check::Session, "was created and deleted again"),
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
