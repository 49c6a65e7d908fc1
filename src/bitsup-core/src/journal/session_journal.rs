//! What is written of one upload, and when.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bitsup_proto::{Checkpoint, SessionId};

use super::hashing::{HASH_AFTER, HashStep, Hashing};
use super::{Entry, Files, Identity, Intent, Prefix};

/// A power cut costs at most so much of what was acknowledged.
pub const SYNC: Duration = Duration::from_secs(1);

/// What a new entry says of the upload.
#[derive(Clone, Debug)]
pub struct EntryKey {
    /// The whole destination.
    pub url: String,
    /// The source.
    pub path: PathBuf,
    /// The caller's own words.
    pub note: Option<String>,
}

/// What becomes of the journal at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The session is over.
    Remove,
    /// It can be continued.
    Keep,
}

/// The time.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Since some moment, never going back.
    pub monotonic: Duration,
    /// Seconds since 1970.
    pub unix: u64,
}

/// The journal of one upload while it runs. Every error says why the session cannot be kept;
/// the upload goes on.
#[derive(Debug)]
pub struct SessionJournal<F> {
    files: F,
    entry: Option<Entry>,
    place: EntryKey,
    hashing: Hashing,
    proof: Proof,
    synced: Option<Duration>,
    sessions: Sessions,
    /// See [`Entry::replaces`].
    replaces: u64,
    /// The session that the files tell of.
    kept: Option<SessionId>,
}

/// What is known of the bytes that an earlier process sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The source is what it was.
    Given,
    /// Its bytes are still being compared with the hashes of the entry, which keeps the identity
    /// that it had.
    Pending,
    /// They are being compared with those of a token: nothing is written before that is done.
    Withheld,
}

/// Which session's news are written: late news of an earlier one are not.
#[derive(Debug, PartialEq, Eq)]
enum Sessions {
    /// That of an earlier process.
    Earlier,
    /// None: the next one is being made.
    Making,
    /// This one.
    Made(SessionId),
}

impl<F: Files> SessionJournal<F> {
    /// A journal that goes on with `entry`, if an earlier run has left one, and the source as it is now.
    pub fn new(
        files: F,
        entry: Option<Entry>,
        place: EntryKey,
        source: Option<Identity>,
        proof: Proof,
    ) -> Self {
        let hashing = Hashing::new(entry.as_ref().map(|entry| &entry.prefix), source, HASH_AFTER);
        let replaces = entry.as_ref().map_or(0, |entry| entry.replaces);
        let sessions = Sessions::Earlier;
        let kept = entry.as_ref().map(|entry| entry.checkpoint.session_id.clone());
        Self { files, entry, place, hashing, proof, synced: None, sessions, replaces, kept }
    }

    /// Nothing is hashed before the upload has sent for this long.
    #[must_use]
    pub fn hashing_after(self, after: Duration) -> Self {
        Self { hashing: self.hashing.after(after), ..self }
    }

    /// All that was acknowledged is known to be what `source`, the source as it is now, holds. The entry keeps the
    /// identity that it has: what an earlier process sent may still be acknowledged, and no hash tells of that.
    pub fn prove(&mut self, source: Identity) {
        self.hashing.set_source(Some(source));
        self.proof = Proof::Given;
    }

    /// The source's bytes may not be the ones that were sent: nothing more is hashed in this
    /// session, and its entry keeps the identity that it has.
    pub fn doubt(&mut self) {
        self.hashing.set_source(None);
    }

    /// A Create-Session goes out: noted, so that a crash can be told of that leaves a session.
    pub fn creating(&mut self, now: Timestamp) -> io::Result<()> {
        if self.entry.take().is_some() {
            self.replaces += 1;
        }
        self.sessions = Sessions::Making;
        let EntryKey { url, path, note } = self.place.clone();
        let size = self.hashing.source().map_or(0, |source| source.size);
        self.files.creating(&Intent::new(url, path, size, note, now.unix))
    }

    /// No session came of it.
    pub fn not_created(&self) -> io::Result<()> {
        self.files.clear()
    }

    /// The session was just created: noted at once, so that a crash cannot lose it. The journal
    /// itself follows with the next update, and is synced by the first one that is a while later.
    pub fn created(
        &mut self,
        checkpoint: Checkpoint,
        source: Option<Identity>,
        now: Timestamp,
    ) -> io::Result<()> {
        // A new session begins at byte 0, with the source as it is now.
        self.entry = None;
        self.sessions = Sessions::Made(checkpoint.session_id.clone());
        self.hashing.restart(source);
        self.proof = Proof::Given;
        // A short upload is over before anything of it has to survive a power cut.
        self.synced = Some(now.monotonic);
        self.renew(checkpoint, now);
        let Some(entry) = &self.entry else { return Ok(()) };
        self.files.note_entry(entry)?;
        self.kept = Some(entry.checkpoint.session_id.clone());
        Ok(())
    }

    /// The session stands there, which is to be written.
    pub fn acknowledged(&mut self, checkpoint: &Checkpoint, now: Timestamp) {
        if self.is_news(&checkpoint.session_id) {
            self.hashing.acknowledged(checkpoint.offset, now);
        }
    }

    /// Nothing is sent for a while: what is in memory is hashed now.
    pub fn rest(&mut self) {
        self.hashing.rest();
    }

    /// The upload is stopped and kept: what was not hashed is hashed now, from the disk too.
    pub fn hash_rest(&mut self) {
        self.hashing.finish();
    }

    /// Whether hashing may wait for a disk, so that what is to be written is written first.
    pub fn hashing_may_wait(&self) -> bool {
        self.hashing.may_wait()
    }

    /// Returns the next part to hash, if it is time for one; [`Self::hashed`] takes it back.
    pub fn next_hash_step(&mut self, now: Timestamp) -> Option<HashStep> {
        self.hashing.next(now)
    }

    /// A part was hashed. `true`: there is more.
    pub fn hashed(&mut self, step: HashStep, now: Timestamp) -> bool {
        let more = self.hashing.took(step, now);
        self.take_hashes();
        more
    }

    /// Writes where the session stands, so that it survives a power cut if the last time is
    /// a while ago.
    pub fn write(&mut self, checkpoint: Checkpoint, now: Timestamp) -> io::Result<()> {
        if !self.is_news(&checkpoint.session_id) {
            return Ok(());
        }
        let sync = self.syncs(&checkpoint, now);
        // It may have come since the last step.
        self.hashing.acknowledged(checkpoint.offset, now);
        let closes_next = self.closes_next(&checkpoint);
        self.renew(checkpoint, now);
        let Some(entry) = self.entry.as_ref().filter(|_| self.proof != Proof::Withheld) else {
            return Ok(());
        };
        if closes_next {
            return Ok(());
        }
        self.files.write(entry, sync)?;
        self.kept = Some(entry.checkpoint.session_id.clone());
        if sync {
            self.synced = Some(now.monotonic);
        }
        Ok(())
    }

    /// Whether [`Self::write`] would wait for the disk.
    pub fn syncs(&self, checkpoint: &Checkpoint, now: Timestamp) -> bool {
        let is_late = |at| now.monotonic.saturating_sub(at) >= SYNC;
        // Else a power cut could bring back the note that Close-Session goes out.
        self.synced.is_none_or(is_late) || self.reopens(checkpoint)
    }

    /// Whether nothing is written of where the session stands, since Close-Session follows at once, with a note
    /// of its own: all of a short upload is acknowledged, and its session is noted. A process that is killed
    /// before leaves an older offset, and the next one asks the server.
    pub fn closes_next(&self, checkpoint: &Checkpoint) -> bool {
        let is_all = checkpoint.offset == checkpoint.size && checkpoint.reply_url.is_none();
        let is_noted = self.kept.as_ref() == Some(&checkpoint.session_id);
        is_all && is_noted && !self.files.has_journal() && !self.reopens(checkpoint)
    }

    /// Whether a short upload has noted that Close-Session goes out, and it did not: that is written, since a probe
    /// is next, which the server may store, and a run that resumes would take Close-Session for what was sent last.
    fn reopens(&self, checkpoint: &Checkpoint) -> bool {
        let noted = self.entry.as_ref().map(|entry| &entry.checkpoint);
        let is_noted = noted.is_some_and(|noted| noted.closing);
        is_noted && !checkpoint.closing && !self.files.has_journal()
    }

    /// Writes the same with the hashes that there are now.
    pub fn write_hashes(&self) -> io::Result<()> {
        match self.entry.as_ref().filter(|_| self.proof != Proof::Withheld) {
            Some(entry) => self.files.write(entry, false),
            None => Ok(()),
        }
    }

    /// Close-Session is about to go out (RES-06). The entry is for a run that resumes after a kill: a power
    /// cut is no reason to wait for the disk.
    pub fn closing(&mut self, checkpoint: Checkpoint, now: Timestamp) -> io::Result<()> {
        if !self.is_news(&checkpoint.session_id) {
            return Ok(());
        }
        self.renew(checkpoint, now);
        match self.entry.as_ref().filter(|_| !self.files.has_journal()) {
            Some(entry) if self.proof != Proof::Withheld => self.files.note_entry(entry),
            _ => self.write_hashes(),
        }
    }

    /// The upload has ended.
    pub fn finish(&mut self, finish: Finish) -> io::Result<()> {
        match (finish, &self.entry) {
            _ if self.proof == Proof::Withheld => Ok(()),
            (Finish::Keep, Some(entry)) => {
                self.files.write(entry, true)?;
                self.kept = Some(entry.checkpoint.session_id.clone());
                Ok(())
            }
            _ => self.files.remove(),
        }
    }

    /// Whether the next process finds the session, if perhaps not at its last offset.
    pub fn is_kept(&self) -> bool {
        let session = self.entry.as_ref().map(|entry| &entry.checkpoint.session_id);
        session.is_some() && session == self.kept.as_ref()
    }

    /// Hashes of what was acknowledged, if the session is kept.
    pub fn prefix(&self) -> Option<&Prefix> {
        self.entry.as_ref().map(|entry| &entry.prefix)
    }

    fn is_news(&self, session: &SessionId) -> bool {
        match &self.sessions {
            Sessions::Earlier => true,
            Sessions::Making => false,
            Sessions::Made(id) => id == session,
        }
    }

    fn renew(&mut self, checkpoint: Checkpoint, now: Timestamp) {
        if self.entry.is_none() {
            // Without an identity the source could not be known again.
            let Some(identity) = self.hashing.source() else { return };
            let (url, path) = (self.place.url.clone(), self.place.path.clone());
            self.entry = Some(Entry::new(url, path, identity, checkpoint.clone(), None, now.unix));
        }
        let Some(entry) = &mut self.entry else { return };
        entry.prefix.limit(checkpoint.offset);
        entry.replaces = self.replaces;
        entry.checkpoint = checkpoint;
        entry.updated = now.unix;
        entry.note.clone_from(&self.place.note);
        self.take_hashes();
    }

    /// A run that continues hashes the bytes behind the last whole block once more: until then the entry has more.
    fn take_hashes(&mut self) {
        if let (Some(entry), Some(prefix)) = (&mut self.entry, self.hashing.prefix())
            && (entry.prefix.length()..=entry.checkpoint.offset).contains(&prefix.length())
        {
            entry.prefix.clone_from(prefix);
        }
    }
}
