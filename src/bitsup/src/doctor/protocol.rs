//! Packets, as an upload would send them.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Examination, Found, PATIENCE, good, problem, skipped, unknown, warning};
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::packets::{PacketClient, PacketSession, Seen};

/// Kerberos allows five minutes; a certificate may have been issued just now.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// To cancel a session there is at least so much time: it would stay on the server.
pub(super) const CLEANUP: Duration = Duration::from_secs(3);
/// A server answers a Ping at once, or has none; Create-Session must be left some time.
const PING: Duration = Duration::from_secs(5);
/// The file of which [`BYTE`] is sent.
const SIZE: u64 = 2;
/// Half of a file: no server takes it for complete.
const BYTE: &[u8] = b"b";

/// Why a packet did not do what it should.
struct Failed {
    error: Error,
    /// The time of this report was over.
    hurried: bool,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)?;
        if !self.hurried {
            return Ok(());
        }
        let seconds = PATIENCE.as_secs();
        write!(
            f,
            " (this report takes {seconds} s at most; an upload waits as long as its time-outs say)"
        )
    }
}

/// What became of the packets.
pub(super) struct Packets {
    /// The file that they name.
    name: String,
    seen: Seen,
    ping: Result<(), Failed>,
    /// `None`: not sent.
    created: Option<Result<Created, Failed>>,
}

struct Created {
    /// The host that the server sent the session to.
    host: Option<String>,
    /// The offset that the server named.
    sent: Result<u64, Failed>,
    cancelled: Result<(), Failed>,
}

impl Packets {
    /// The server answered a packet as a BITS server does.
    fn got_through(&self) -> bool {
        self.ping.is_ok() || self.session().is_some() || self.untrusted().is_some()
    }

    fn session(&self) -> Option<&Created> {
        self.created.as_ref().and_then(|created| created.as_ref().ok())
    }

    fn create_failed(&self) -> Option<&Failed> {
        self.created.as_ref().and_then(|created| created.as_ref().err())
    }

    /// The server sends the session to a host that is not trusted.
    fn untrusted(&self) -> Option<&Failed> {
        self.create_failed().filter(|failed| failed.error.kind() == ErrorKind::HostIdUntrusted)
    }

    /// The server wants another login, or one at all.
    fn login_failed(&self) -> Option<&Failed> {
        let sent = self.session().and_then(|created| created.sent.as_ref().err());
        let mut all = [self.ping.as_ref().err(), self.create_failed(), sent].into_iter().flatten();
        all.find(|failed| failed.error.kind() == ErrorKind::Auth)
    }
}

impl Examination {
    /// What became of the packets, which are sent the first time it is asked for; `None`
    /// without a connection.
    fn packets(&mut self) -> Option<&Packets> {
        if self.packets.is_none() && self.address.is_some() {
            self.packets = Some(self.send_packets());
        }
        self.packets.as_ref()
    }

    fn send_packets(&self) -> Packets {
        let name = format!("bitsup-doctor-{}", uuid::Uuid::new_v4());
        let url = beside(&self.destination, &name);
        let deadline = Some(self.deadline.clone());
        let mut client = match PacketClient::new(&self.client, &url, &self.options, deadline) {
            Ok(client) => client,
            Err(error) => {
                let ping = self.failed(Err(error));
                return Packets { name, seen: Seen::default(), ping, created: None };
            }
        };
        client.set_ack_timeout(self.options.ack_timeout.min(PING));
        let ping = self.failed(client.ping().map(drop));
        client.set_ack_timeout(self.options.ack_timeout);
        let goes_on = ping.as_ref().err().is_none_or(|failed| may_lack_ping(&failed.error));
        let new = (goes_on && !self.deadline.is_over()).then(|| client.create(SIZE, &name));
        let seen = client.seen().clone();
        let created = new.map(|new| {
            let new = self.failed(new)?;
            Ok(self.send_byte(PacketSession::new(client, new)))
        });
        Packets { name, seen, ping, created }
    }

    fn send_byte(&self, mut session: PacketSession) -> Created {
        let host = session.host();
        // Whatever became of it is cancelled.
        let sent = session.send_part(BYTE.into());
        let sent = self.failed(sent.or_else(|failure| failure.foreign.ok_or(failure.error)));
        self.deadline.leave(CLEANUP);
        let cancelled = self.failed(session.delete());
        Created { host, sent, cancelled }
    }

    fn failed<T>(&self, result: Result<T, Error>) -> Result<T, Failed> {
        result.map_err(|error| Failed { error, hurried: self.deadline.is_over() })
    }

    pub(super) fn verb(&mut self) -> Found {
        let Some(packets) = self.packets() else { return skipped("no connection") };
        let server = packets.seen.server.as_ref();
        let server = server.map_or(String::new(), |server| format!(" ({server})"));
        match &packets.ping {
            Ok(()) => good(format!("a BITS server answers{server}")),
            Err(ping) if packets.got_through() => {
                good(format!("a BITS server answers{server}, though no Ping: {ping}"))
            }
            // A server that asks for a login has not necessarily looked at the verb.
            Err(_) if packets.login_failed().is_some() => {
                good(format!("something answers BITS_POST{server}"))
            }
            Err(ping) => of_packet(packets.create_failed().unwrap_or(ping)),
        }
    }

    pub(super) fn authentication(&mut self) -> Found {
        let has_login = self.options.credentials.is_some();
        let Some(packets) = self.packets() else { return skipped("no connection") };
        let offered = packets.seen.schemes.join(", ");
        if let Some(failed) = packets.login_failed() {
            let fix = if has_login {
                failed.error.advice_by_id()
            } else {
                "Give user and password ({user}), or a token ({token_file})."
            };
            let offered = if offered.is_empty() { "no login that is known" } else { &offered };
            return problem(ErrorKind::Auth, format!("the server offers {offered}; {failed}"), fix);
        }
        match (packets.got_through(), offered.is_empty()) {
            (false, _) => skipped("no packet gets through"),
            (true, true) => good("the server asks for none"),
            (true, false) => good(format!("the server offers {offered}; logged in")),
        }
    }

    pub(super) fn clock(&mut self) -> Found {
        let Some(packets) = self.packets() else { return skipped("no connection") };
        let date = packets.seen.date.as_deref();
        let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
            return skipped("no answer carries the server's time");
        };
        let (difference, word) = match theirs.duration_since(SystemTime::now()) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(error) => (error.duration(), "behind"),
        };
        let seconds = difference.as_secs();
        if difference <= CLOCK_TOLERANCE {
            return good("the clocks differ by less than a minute");
        }
        warning(
            format!("the server's clock is {seconds} s {word} this machine's"),
            "Let both machines take their time from the network (Windows: w32tm /resync; Linux: timedatectl set-ntp true): Kerberos refuses more than 5 minutes, and certificates seem expired or not yet valid.",
        )
    }

    pub(super) fn session(&mut self) -> Found {
        let Some(packets) = self.packets() else { return skipped("no connection") };
        match &packets.created {
            Some(Ok(_)) => good("can be created"),
            Some(Err(_)) if packets.untrusted().is_some() => good("can be created"),
            Some(Err(failed)) if failed.error.kind() == ErrorKind::Auth => {
                skipped("not without the login")
            }
            Some(Err(failed)) if packets.ping.is_ok() => of_packet(failed),
            None if packets.ping.is_ok() => {
                skipped("not checked: the time limit of this report is reached")
            }
            Some(Err(_)) | None => skipped("no packet gets through"),
        }
    }

    pub(super) fn host_id(&mut self) -> Found {
        let Some(packets) = self.packets() else { return skipped("no connection") };
        if let Some(failed) = packets.untrusted() {
            return of_failed(failed);
        }
        let Some(created) = packets.session() else { return skipped("no session") };
        let Some(host) = &created.host else { return skipped("the server names no other host") };
        match created.unreachable() {
            Some(failed) => problem(
                failed.error.kind(),
                format!("uploads go to {host}, which cannot be reached: {failed}"),
                "Correct the name (IIS: BITSHostId of the virtual directory), give it to this machine's DNS and open the way to it; or set BITSHostIdFallbackTimeout, so that clients go back. {host_id=ignore} stays with the URL's host, where the server allows that.",
            ),
            None => good(format!("uploads go to {host}, which answers")),
        }
    }

    pub(super) fn fragment(&mut self) -> Found {
        let Some(packets) = self.packets() else { return skipped("no connection") };
        let Some(created) = packets.session() else { return skipped("no session") };
        match &created.sent {
            _ if created.unreachable().is_some() => skipped("the session's host cannot be reached"),
            Ok(1) => good("a body gets through: the server acknowledged the byte that was sent"),
            Ok(0) => problem(
                ErrorKind::Protocol,
                "the body is lost: one byte was sent, and the server acknowledged none",
                "Look for what drops the body of a BITS_POST: the server's log first, then each proxy, firewall and login module before it. {post_override} sends POST instead, to a server that takes that.",
            ),
            Ok(offset) => problem(
                ErrorKind::Protocol,
                format!("one byte was sent, and the server acknowledged {offset}"),
                "The server acknowledges what it did not get: do not upload there before its administrator knows why.",
            ),
            Err(failed) => of_failed(failed),
        }
    }

    pub(super) fn cleanup(&mut self) -> Found {
        let Some(packets) = self.packets() else { return skipped("nothing was created") };
        let name = &packets.name;
        let (detail, failed) = match &packets.created {
            None => return skipped("nothing was created"),
            Some(Err(failed)) if failed.error.http_status().is_some_and(is_refusal) => {
                return skipped("nothing was created");
            }
            Some(Err(failed)) => ("Create-Session may have created a session", failed),
            Some(Ok(Created { cancelled: Err(failed), .. })) => {
                ("the session was not cancelled", failed)
            }
            Some(Ok(_)) => {
                return good(format!(
                    "the session was cancelled; a server that writes in place may keep a file {name} of at most one byte in the same folder"
                ));
            }
        };
        warning(
            format!(
                "{detail}: a partial upload of {name} may remain on the server until it expires (IIS: 14 days): {failed}"
            ),
            "If it is in the way, delete it on the server.",
        )
    }
}

impl Created {
    /// The server sent the session to a host that does not answer.
    fn unreachable(&self) -> Option<&Failed> {
        self.host.as_ref()?;
        self.sent.as_ref().err().filter(|failed| failed.error.http_status().is_none())
    }
}

/// The URL of `name` in the folder that the URL names something in.
fn beside(destination: &Destination, name: &str) -> String {
    let path = destination.target.split('?').next().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let query = &destination.target[path.len()..];
    let target = format!("{folder}/{name}{query}");
    Destination { target, ..destination.clone() }.full()
}

/// An error of a packet that names the doctor's own file.
fn of_packet(failed: &Failed) -> Found {
    if !may_be_about_the_name(&failed.error) {
        return of_failed(failed);
    }
    let advice = failed.error.advice_by_id();
    unknown(
        format!("this name is refused, and others may be taken: {failed}"),
        format!("{advice} If the server takes some names only, upload a small file to find out."),
    )
}

/// A problem in the words of an error.
fn of_failed(failed: &Failed) -> Found {
    problem(failed.error.kind(), failed.to_string(), failed.error.advice_by_id())
}

/// Whether a server that answers a Ping so may take uploads all the same.
fn may_lack_ping(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Protocol | ErrorKind::Refused
    )
}

/// Whether a refusal may be one of this name or folder, and not of uploads: a server may know
/// the names that it takes, or who may write which.
fn may_be_about_the_name(error: &Error) -> bool {
    let about_the_request = |status| matches!(status, 405 | 408 | 411 | 413 | 414 | 429 | 431);
    match error.kind() {
        // The URL is too long with it.
        ErrorKind::InvalidArgument => true,
        ErrorKind::Refused => {
            error.http_status().is_some_and(|s| is_refusal(s) && !about_the_request(s))
        }
        _ => false,
    }
}

fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status)
}
