//! The client's process: what it keeps while it runs, how it dies, and what the next one makes of that.

use std::time::Duration;

use bitsup_core::journal::{
    Entry, File, Files as _, Finish, Identity, Proof, ResumeDecision, Timestamp,
};
use bitsup_core::{AfterCancel, Opening};
use bitsup_proto::reply::ReplyMode;
use bitsup_proto::session::Request;
use bitsup_proto::{Checkpoint, Error, ErrorKind, PacketType, SessionId};

use super::journal::{Found, SimulatedJournal, Worked};
use super::replies::ReplyFile;
use super::run::{Run, begin};
use super::scenario::Loses;
use super::source::Trace;

/// After this number of crashes the world becomes a kinder one.
const MAX_CRASHES: u32 = 20;

/// What is known of the journal from outside of the client.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The session that a process which is killed now must find again.
    expected: Option<SessionId>,
    /// The one that a power cut must leave at least.
    synced: Option<SessionId>,
    /// A mark says that a Create-Session is under way.
    creating: bool,
    /// The journal may be damaged, or not written since the disk was full.
    harmed: bool,
}

/// The comparison of the source with what was sent before, beside the sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    pub(super) ends: Duration,
    same: bool,
    /// What the source is known by then.
    proves: Option<Identity>,
}

impl Run {
    /// A Create-Session has brought a session.
    pub(super) fn created(&mut self, checkpoint: Checkpoint) -> Result<(), String> {
        let id = checkpoint.session_id.clone();
        self.before_disk();
        let now = self.journal_time();
        if self.journal.created(checkpoint, (&self.source, self.opened), now) {
            self.known.expected = Some(id);
            self.known.creating = false;
        } else if !self.journal.disk.is_dead() {
            self.known.harmed = true;
        }
        self.after_disk()
    }

    /// A Create-Session goes out.
    pub(super) fn creating(&mut self) -> Result<(), String> {
        // Bytes of an earlier session are of no interest any more.
        self.comparison = None;
        self.before_disk();
        let now = self.journal_time();
        let noted = self.journal.creating(now);
        self.known = Known { creating: noted, harmed: self.known.harmed, ..Known::default() };
        self.after_disk()
    }

    /// Close-Session is about to go out.
    pub(super) fn closing(&mut self, checkpoint: Checkpoint) -> Result<(), String> {
        self.before_disk();
        let now = self.journal_time();
        let session = checkpoint.session_id.clone();
        if !self.journal.closing(checkpoint, now) && !self.journal.disk.is_dead() {
            self.known.harmed = true;
        }
        // Where it cannot be stored the upload goes on.
        self.driver.intent_stored(session);
        self.intent_stored = true;
        self.after_disk()
    }

    /// It was answered, without a session.
    pub(super) fn not_created(&mut self) {
        self.known.creating = false;
        self.journal.not_created();
    }

    /// A worker gets some time, or not.
    pub(super) fn let_work(&mut self) -> Result<(), String> {
        while self.journal.is_busy() && !self.random.chance(self.scenario.slow_disk) {
            self.work()?;
        }
        Ok(())
    }

    fn work(&mut self) -> Result<(), String> {
        self.before_disk();
        let now = self.journal_time();
        match self.journal.work((&self.source, self.opened), now) {
            Worked::Written(id) => {
                // An entry of a session that was replaced meanwhile is no news.
                if self.driver.session().session_id() == Some(&id) {
                    let is_synced = self.journal.disk.has_synced_journal();
                    let synced = self.known.synced.take().filter(|old| *old == id);
                    let synced = synced.or_else(|| is_synced.then(|| id.clone()));
                    let expected = Some(id);
                    self.known = Known { expected, synced, creating: false, harmed: false };
                }
            }
            Worked::Finished => self.known = Known::default(),
            Worked::Failed if !self.journal.disk.is_dead() => self.known.harmed = true,
            Worked::Failed | Worked::Other => {}
        }
        self.after_disk()
    }

    fn before_disk(&mut self) {
        let (now, disk) = (self.now, &self.journal.disk);
        disk.set_full(self.scenario.disk_full.is_some_and(|(from, to)| from <= now && now < to));
        if !disk.is_dead() && self.random.chance(self.scenario.kills) {
            disk.die_after(1 + self.random.below(8) as u32);
        }
    }

    /// Nothing that is written may say more than the server's Acks have.
    fn after_disk(&mut self) -> Result<(), String> {
        for bytes in self.journal.disk.look() {
            // An intent is no entry.
            let Ok(entry) = Entry::decode(&bytes) else { continue };
            self.checks.stored(&entry)?;
            self.transcript.note(self.now, || format!("  kept: {:?}", entry.checkpoint));
        }
        Ok(())
    }

    fn journal_time(&self) -> Timestamp {
        Timestamp { monotonic: self.now.saturating_sub(self.born), unix: self.client_unix() }
    }

    // ---- ends ------------------------------------------------------------

    /// Whether the process has died amid a write; then another one goes on.
    pub(super) fn has_died(&mut self) -> Result<bool, String> {
        if !self.journal.disk.is_dead() {
            return Ok(false);
        }
        self.transcript.note(self.now, || "the process dies at its journal".to_owned());
        self.crashes += 1;
        if self.crashes > MAX_CRASHES {
            // A process that is killed at every other step gets nowhere, which shows nothing.
            (self.scenario.kills, self.scenario.damage) = (0, 0);
        }
        self.now = self.now.saturating_add(Duration::from_secs(self.random.magnitude(1000)));
        self.restore(Loses::Nothing)?;
        Ok(true)
    }

    /// The upload has ended, and its process with it. `true`: it was killed before all was in order.
    pub(super) fn end_process(&mut self) -> Result<bool, String> {
        let held = self.driver.session().session_id().is_some();
        self.journal.finish(if held { Finish::Keep } else { Finish::Remove });
        if !held {
            self.known = Known { harmed: self.known.harmed, ..Known::default() };
        }
        while self.journal.is_busy() && !self.journal.disk.is_dead() {
            self.work()?;
        }
        if self.has_died()? {
            return Ok(true);
        }
        if !held && !self.known.harmed && self.journal.disk.has_journal() {
            return Err("a journal is left of a session that is over".into());
        }
        Ok(false)
    }

    /// Another process goes on from what the disk holds.
    pub(super) fn restore(&mut self, loses: Loses) -> Result<(), String> {
        self.born = self.now;
        self.connection = None;
        self.checks.restored();
        self.reply = ReplyFile::default();
        self.comparison = None;
        self.intent_stored = false;
        let learned = self.driver.session().learned();
        let config = &mut self.scenario.config;
        config.credentials = self.credentials.is_some();
        config.learned_size = learned.size.or(config.learned_size);
        let disk = self.journal.disk.clone();
        if loses == Loses::NotSynced {
            disk.lose_power(&mut self.random);
        }
        if self.random.chance(self.scenario.damage) {
            let file = if self.random.chance(700) { File::Journal } else { File::Note };
            disk.damage(file, &mut self.random);
            self.known.harmed = true;
        }
        let (journal, found) = SimulatedJournal::open(disk);
        self.journal = journal;
        self.transcript.note(self.now, || format!("found: {found:?}"));
        self.check_found(&found, loses)?;
        self.unreadable += u32::from(found.entry.is_err());
        self.left_behind += u32::from(found.lost);
        // A process whose journal cannot be used starts anew.
        self.go_on(found.entry.unwrap_or_default())
    }

    /// The next process finds what it must.
    fn check_found(&mut self, found: &Found, loses: Loses) -> Result<(), String> {
        let known = std::mem::take(&mut self.known);
        let id = |entry: &Entry| entry.checkpoint.session_id.clone();
        let entry = match &found.entry {
            Ok(entry) => entry.as_ref(),
            Err(_) if known.harmed || loses == Loses::NotSynced => {
                self.known.harmed = true;
                return Ok(());
            }
            Err(why) => return Err(format!("the journal cannot be used: {why}")),
        };
        if let Some(entry) = entry {
            let text = entry.encode().map_err(|error| error.to_string())?;
            if !self.journal.disk.has_written(text.as_bytes()) {
                return Err(format!("the journal says what was never written: {text}"));
            }
        }
        let there = entry.map(id);
        self.known.expected.clone_from(&there);
        // Data on the pad alone was never synced.
        self.known.synced = known.synced.clone().filter(|synced| there.as_ref() == Some(synced));
        if known.harmed {
            self.known.harmed = true;
            return Ok(());
        }
        // The pad may hide what a power cut has done, until it is cleared.
        self.known.harmed = self.journal.disk.has_torn_journal();
        if self.known.harmed {
            return match (loses, found.lost) {
                (Loses::Nothing, _) => Err("a kill left a torn journal below the pad".into()),
                (Loses::NotSynced, false) => {
                    Err("nothing tells that the pad may be older than the journal was".into())
                }
                (Loses::NotSynced, true) => Ok(()),
            };
        }
        if loses == Loses::NotSynced {
            let fits = there == known.synced || there == known.expected;
            let left = known.synced.is_none() || known.creating || fits;
            return if left { Ok(()) } else { Err("a synced session is gone".into()) };
        }
        if known.creating && !found.lost {
            return Err("nothing tells that a session may be left behind".into());
        }
        if known.expected.is_some() && known.expected != there {
            return Err(format!("a kill left {there:?} instead of {:?}", known.expected));
        }
        Ok(())
    }

    /// The upload begins as the client begins it with that entry.
    fn go_on(&mut self, entry: Option<Entry>) -> Result<(), String> {
        self.opened = self.source.version();
        let now = self.moment_of_now();
        let config = self.scenario.config.clone();
        let Some(entry) = entry else {
            (self.driver, self.client) = begin(&config, Opening::New, now);
            self.journal.begin(None, self.source.identity_of(self.opened), Proof::Given);
            return Ok(());
        };
        let hashed = entry.prefix.length();
        if hashed > 0 && self.random.chance(self.scenario.tampers) {
            // Bytes that were not hashed yet when the process ended cannot be known again.
            self.source.change(self.random.below(hashed), Trace::Nothing);
        }
        if self.random.chance(self.scenario.touches) {
            let size = self.source.size();
            let at = if self.random.chance(500) { self.random.below(size) } else { size };
            self.source.change(at, Trace::ChangeTime);
        }
        self.opened = self.source.version();
        let read = |error: std::io::Error| error.to_string();
        let identity = self.source.identity_of(self.opened);
        let standing = entry.standing(false, Some(identity));
        let lags = hashed < entry.checkpoint.offset;
        let checkpoint = entry.checkpoint.clone();
        let opening = match standing {
            ResumeDecision::Replaced if checkpoint.offset == 0 && identity != entry.identity => {
                Opening::CancelFirst(checkpoint, AfterCancel::Upload)
            }
            ResumeDecision::Replaced => return Err("a session is replaced that may go on".into()),
            ResumeDecision::Unproven if lags && identity != entry.identity => {
                Opening::CancelFirst(checkpoint, AfterCancel::Restart)
            }
            ResumeDecision::Unproven => return Err("what is hashed counts as unproven".into()),
            ResumeDecision::Unclear if lags => {
                return Err("hashes that lag are to decide".into());
            }
            ResumeDecision::Continued | ResumeDecision::Unclear
                if entry.prefix.check_end(&self.source).map_err(read)? =>
            {
                let unclear = standing == ResumeDecision::Unclear;
                let proof = if unclear { Proof::Pending } else { Proof::Given };
                Opening::Resume(checkpoint, proof)
            }
            _ => {
                let error = Error::new(ErrorKind::SourceChanged, "the source has changed");
                Opening::CancelFirst(checkpoint, AfterCancel::Fail(error))
            }
        };
        let (same, proof) = (matches!(opening, Opening::Resume(..)), opening.proof());
        (self.driver, self.client) = begin(&config, opening, now);
        if !same {
            self.transcript
                .note(self.now, || format!("the source is another one now: {standing:?}"));
        } else if proof == Proof::Pending || entry.prefix.blocks() > 0 {
            let same = entry.prefix.check_all(&self.source, &|| true).map_err(read)?;
            let ends = self.now + Duration::from_millis(self.random.magnitude(20_000));
            let proves = (proof == Proof::Pending).then_some(identity);
            self.comparison = Some(Comparison { ends, same, proves });
            self.driver.comparison_started();
        }
        let id = entry.checkpoint.session_id.as_str();
        // The end of a complete file is sent again to be told where the reply is.
        let keeps_all =
            self.server.traits.keeps_all() && self.scenario.config.reply == ReplyMode::None;
        let stored = self.server.stored(id).filter(|_| keeps_all);
        if let Some(stored) = stored.filter(|_| same) {
            self.checks.resumed(id.to_owned(), stored);
        }
        self.journal.begin(Some(entry), identity, proof);
        Ok(())
    }

    // ---- the source --------------------------------------------------------

    /// Before a packet goes out. `false`: the source has changed, and the state machine knows.
    pub(super) fn has_source(&mut self, request: &Request) -> bool {
        let reads = matches!(request.packet, PacketType::Fragment | PacketType::CloseSession);
        if reads && self.source.shows_change(self.opened) {
            self.source_changed();
            return false;
        }
        true
    }

    /// Takes the result of the comparison, if there is one and its time has come.
    pub(super) fn compare(&mut self) {
        let Some(Comparison { same, proves, .. }) =
            self.comparison.take_if(|it| it.ends <= self.now)
        else {
            return;
        };
        self.driver.comparison_ended();
        if !same {
            self.source_changed();
        } else if let Some(identity) = proves {
            self.journal.prove(identity);
        }
    }

    fn source_changed(&mut self) {
        let now = self.moment_of_now();
        let error = Error::new(ErrorKind::SourceChanged, "the source has changed");
        if self.driver.fail_source(error, now) {
            self.checks.suspended = false;
        }
    }
}
