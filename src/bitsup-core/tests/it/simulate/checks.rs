//! Invariants of every run.

use std::collections::BTreeMap;

use bitsup_core::journal::Entry;
use bitsup_proto::host::HostPolicy;
use bitsup_proto::reply::ReplyMode;
use bitsup_proto::session::{Outcome, Request, Session, Summary};
use bitsup_proto::verify::{LostAckPolicy, VerifyPolicy};
use bitsup_proto::{ContentRange, ErrorKind, PacketType};

use super::replies::ReplyFile;
use super::scenario::Scenario;
use super::server::Server;
use super::source::Source;

/// What an end is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World<'a> {
    pub(crate) session: &'a Session,
    pub(crate) scenario: &'a Scenario,
    pub(crate) server: &'a Server,
    pub(crate) reply: &'a ReplyFile,
    pub(crate) source: &'a Source,
    /// The version of the source that the upload began with.
    pub(crate) opened: usize,
}

/// What the checks remember of a run.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    /// The upload is paused.
    pub(crate) suspended: bool,
    /// The highest offset that reached the client, by session.
    acknowledged: BTreeMap<String, u64>,
    /// The session that the last Cancel-Session was about.
    to_delete: Option<String>,
    resumed: Option<Resumed>,
}

/// A session that a new process goes on in.
#[derive(Debug)]
struct Resumed {
    session: String,
    /// What the server held of it.
    stored: u64,
    /// The server has told its offset.
    heard: bool,
}

impl Checks {
    /// An Ack with this offset has reached the client.
    pub(crate) fn acknowledged(&mut self, session: String, offset: u64) {
        if let Some(resumed) = self.resumed.as_mut().filter(|resumed| resumed.session == session) {
            resumed.heard = true;
        }
        let highest = self.acknowledged.entry(session).or_default();
        *highest = offset.max(*highest);
    }

    /// Another process goes on.
    pub(crate) fn restored(&mut self) {
        self.suspended = false;
        self.to_delete = None;
        self.resumed = None;
    }

    /// A packet goes out.
    pub(crate) fn sends(
        &mut self,
        request: &Request,
        session: &Session,
        scenario: &Scenario,
    ) -> Result<(), String> {
        let config = &scenario.config;
        let size = config.size;
        let offset = session.offset();
        if self.suspended {
            return Err(format!("{} is sent although the upload is paused", request.packet));
        }
        let opens = matches!(request.packet, PacketType::Ping | PacketType::CreateSession);
        let id = session.session_id().map(|id| id.as_str().to_owned());
        if id.is_none() && !opens {
            return Err(format!("{} is sent without a session", request.packet));
        }
        if request.range.is_some() != (request.packet == PacketType::Fragment) {
            return Err(format!("{} with the range {:?}", request.packet, request.range));
        }
        // A probe is a byte that was acknowledged, or the second one; the last byte is sent again for
        // the application or the reply.
        if let Some(range) = request.range
            && (range.first() != offset && !request.probe && !(offset == size && range.is_last())
                || request.probe && (range.length() != 1 || range.is_last())
                || range.total() != size
                || range.end() > size)
        {
            return Err(format!("the Fragment {range} at offset {offset} of {size}"));
        }
        // A client that continues without proof may begin at byte 0 again, where none was acknowledged.
        let unproven = config.on_lost_ack == LostAckPolicy::Resend && offset == 0;
        if let (Some(range), Some(id), false) = (request.range, &id, request.probe || unproven) {
            self.sends_again(range, id)?;
        }
        let deletes = request.packet == PacketType::CancelSession;
        self.to_delete = id.clone().filter(|_| deletes);
        if request.packet == PacketType::CloseSession {
            let known = id.and_then(|id| self.acknowledged.get(&id).copied()).unwrap_or(0);
            if offset != size || known < size {
                return Err(format!("Close-Session at {offset} of {size}, Acks told of {known}"));
            }
        }
        let Some(host) = session.host() else { return Ok(()) };
        let config = &scenario.config;
        let trusted = match config.host_policy {
            HostPolicy::Ignore => false,
            HostPolicy::Any => true,
            HostPolicy::SameSite => {
                host.host().ends_with(".example.com") || !config.trusted_hosts.is_empty()
            }
        };
        if trusted { Ok(()) } else { Err(format!("a packet goes to {host}")) }
    }

    /// An entry goes to disk.
    pub(crate) fn stored(&self, entry: &Entry) -> Result<(), String> {
        let checkpoint = &entry.checkpoint;
        let known = self.acknowledged.get(checkpoint.session_id.as_str()).copied().unwrap_or(0);
        let says = checkpoint.offset.max(entry.prefix.length());
        if says > known {
            return Err(format!("the journal says {says}, and the server's Acks told of {known}"));
        }
        Ok(())
    }

    /// A killed upload goes on in a session of which the server, which forgets nothing, holds so much.
    pub(crate) fn resumed(&mut self, session: String, stored: u64) {
        self.resumed = Some(Resumed { session, stored, heard: false });
    }

    /// Bytes sent before a kill are not sent again, but for one byte that asks.
    fn sends_again(&self, range: ContentRange, id: &str) -> Result<(), String> {
        let Some(resumed) = self.resumed.as_ref().filter(|resumed| resumed.session == id) else {
            return Ok(());
        };
        if range.first() < resumed.stored {
            return Err(format!("after a kill {range} is sent again of {}", resumed.stored));
        }
        Ok(())
    }

    /// The upload has ended.
    pub(crate) fn end(&mut self, outcome: &Outcome, run: &World<'_>) -> Result<(), String> {
        let World { session, server, .. } = run;
        match outcome {
            Outcome::Done(summary) => done(*summary, run),
            // Only what no later try can mend ends a pause.
            Outcome::Failed(error) if self.suspended && !is_final(error.kind()) => {
                Err(format!("it failed although it is paused: {error}"))
            }
            Outcome::Failed(_) => {
                // Whether an abandoned session was deleted is no matter of what follows.
                self.to_delete = None;
                Ok(())
            }
            Outcome::Cancelled { confirmed, kept } => {
                if *kept && session.session_id().is_none() {
                    return Err("a session was kept that there is not".into());
                }
                // The URL's host cannot speak for a node whose sessions it does not know.
                let speaks = server.traits.knows_all_sessions();
                let left = self.to_delete.as_ref().is_some_and(|id| server.has_session(id));
                if *confirmed && left && speaks {
                    return Err("the server holds the session that it deleted".into());
                }
                Ok(())
            }
        }
    }
}

fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::VerifyFailed | ErrorKind::SourceChanged)
}

/// The heart of it: never a false success.
fn done(summary: Summary, world: &World<'_>) -> Result<(), String> {
    let World { scenario, server, reply, source, opened, .. } = *world;
    let config = &scenario.config;
    let destination = server.destination();
    let is_exact = destination.is_some_and(|stored| source.is_stored(stored, opened));
    if config.reply == ReplyMode::Required && !reply.is_whole(server) {
        return Err(format!("done without a whole reply: {reply:?}"));
    }
    if is_exact {
        return Ok(());
    }
    let wrong = |why: &str| Err(format!("{why}, and the file is wrong: {destination:?}"));
    if summary.verified {
        return wrong("done and verified");
    }
    // A client that accepts an unconfirmed end takes the risk that Close-Session never arrived.
    let accepted = config.on_lost_ack == LostAckPolicy::Accept && !summary.close_confirmed;
    if server.traits.is_honest() {
        // One that crashed while nothing was under way, and takes what is not complete, may have
        // been beyond proof: nothing more can be asked of the client than to say so.
        let beyond = server.traits.crashes > 0 && server.traits.closes_incomplete();
        let allowed = accepted || beyond;
        return if allowed { Ok(()) } else { wrong("done at a server that checks offsets") };
    }
    let looks = config.verify == VerifyPolicy::Always && config.reply == ReplyMode::None;
    if looks && summary.close_confirmed {
        return wrong("done by a client that always verifies");
    }
    // Only a client that asked for it continues without proof, and a server that loses bytes in a crash
    // may have shown nothing of it before.
    let asked = config.on_lost_ack == LostAckPolicy::Resend || server.traits.crashes > 0;
    if !asked && !accepted && server.traits.holes == 0 {
        return wrong("done without proof by a client that asks for it");
    }
    Ok(())
}
