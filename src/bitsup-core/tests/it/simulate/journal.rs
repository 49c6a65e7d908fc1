//! The client's journal: the code that the client has, on a simulated disk.

use bitsup_core::journal::{
    Contents, Entry, EntryKey, Files as _, Finish, HashStep, Identity, Pending, Proof,
    SessionJournal, Timestamp, Unusable, Work,
};
use bitsup_proto::{Checkpoint, SessionId};

use super::disk::Disk;
use super::source::Source;

/// Keeps one upload, as the engine lets it: some things at once, others when a worker has time.
#[derive(Debug)]
pub(crate) struct SimulatedJournal {
    pub(crate) disk: Disk,
    book: Option<SessionJournal<Disk>>,
    pending: Pending<Finish>,
    /// Whether a worker has been called, and what it has taken in hand.
    busy: bool,
    taken: Option<Work<Finish>>,
    step: Option<HashStep>,
    /// Hashes are to be written that no later update may write.
    rests: bool,
}

/// What a new process finds.
#[derive(Debug)]
pub(crate) struct Found {
    /// What is kept, or why it cannot be used.
    pub(crate) entry: Result<Option<Entry>, String>,
    /// Whether the process before may have left an orphaned session.
    pub(crate) lost: bool,
}

/// What a worker did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Worked {
    /// Nothing that is of interest.
    Other,
    /// This session is in the journal.
    Written(SessionId),
    /// The journal is as it shall be left.
    Finished,
    /// The disk refused.
    Failed,
}

impl SimulatedJournal {
    /// A process opens the journal of the upload, and reads it.
    pub(crate) fn open(disk: Disk) -> (Self, Found) {
        disk.open();
        let read = disk.contents().map_err(words);
        let lost = read.as_ref().is_ok_and(Contents::lost_a_session);
        let found = Found { entry: read.map(|contents| contents.entry), lost };
        let journal = Self {
            disk,
            book: None,
            pending: Pending::default(),
            busy: false,
            taken: None,
            step: None,
            rests: false,
        };
        (journal, found)
    }

    /// The upload begins, in the session of that entry or a new one.
    pub(crate) fn begin(&mut self, entry: Option<Entry>, source: Identity, proof: Proof) {
        let url = "http://upload.example.com/file.bin".to_owned();
        let place = EntryKey { url, path: "/file.bin".into(), note: None };
        self.book = Some(SessionJournal::new(self.disk.clone(), entry, place, Some(source), proof));
    }

    /// All that was sent is known to be what the source holds now.
    pub(crate) fn prove(&mut self, source: Identity) {
        self.book.iter_mut().for_each(|book| book.prove(source));
    }

    /// Nothing is sent for a while.
    pub(crate) fn rest(&mut self) {
        self.busy |= self.pending.rest();
    }

    /// A Create-Session goes out. `false`: the disk refused.
    pub(crate) fn creating(&mut self, now: Timestamp) -> bool {
        // What waits is of a session that is over.
        self.pending.take_update();
        self.book.as_mut().is_some_and(|book| book.creating(now).is_ok())
    }

    /// Close-Session is about to go out. `false`: the disk refused.
    pub(crate) fn closing(&mut self, checkpoint: Checkpoint, now: Timestamp) -> bool {
        // Updates that still wait to be written are older.
        self.pending.take_update();
        self.book.as_mut().is_some_and(|book| book.closing(checkpoint, now).is_ok())
    }

    /// A Create-Session was answered without a session.
    pub(crate) fn not_created(&self) {
        // The upload goes on without; so does the client, which then says so.
        let _ = self.book.as_ref().map(SessionJournal::not_created);
    }

    /// There is a session. `false`: it could not be noted.
    pub(crate) fn created(
        &mut self,
        checkpoint: Checkpoint,
        (source, opened): (&Source, usize),
        now: Timestamp,
    ) -> bool {
        let identity = Some(source.identity_of(opened));
        self.book.as_mut().is_some_and(|book| book.created(checkpoint, identity, now).is_ok())
    }

    /// Step 5 of the driving contract.
    pub(crate) fn update(&mut self, checkpoint: Checkpoint) {
        self.busy |= self.pending.update(checkpoint);
    }

    /// The upload has ended.
    pub(crate) fn finish(&mut self, finish: Finish) {
        self.busy |= self.pending.finish(finish);
    }

    /// Whether a worker has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// A worker hashes, takes what waits, or does what it has taken.
    pub(crate) fn work(&mut self, (source, opened): (&Source, usize), now: Timestamp) -> Worked {
        let Some(book) = &mut self.book else {
            self.busy = false;
            return Worked::Other;
        };
        let Some(work) = self.taken.take() else {
            let mut more = false;
            if let Some(mut step) = self.step.take() {
                // A source that has visibly changed cannot be opened any more.
                if !source.shows_change(opened) && step.run(source, &|| true).is_err() {
                    return Worked::Failed;
                }
                more = book.hashed(step, now);
            } else {
                if let Some(checkpoint) = self.pending.waiting() {
                    book.acknowledged(checkpoint, now);
                }
                self.step = book.next_hash_step(now);
                if self.step.is_some() {
                    return Worked::Other;
                }
            }
            if self.rests && !more {
                self.rests = false;
                return if book.write_hashes().is_ok() { Worked::Other } else { Worked::Failed };
            }
            if let Some(checkpoint) = self.pending.take_update() {
                let written = Worked::Written(checkpoint.session_id.clone());
                return if book.write(checkpoint, now).is_ok() { written } else { Worked::Failed };
            }
            self.taken = self.pending.take(more);
            self.busy = self.taken.is_some();
            return Worked::Other;
        };
        let (done, worked) = match work {
            Work::Hash => return Worked::Other,
            Work::Rest => {
                book.rest();
                self.rests = true;
                return Worked::Other;
            }
            Work::Finish(finish) => {
                book.hash_rest();
                while let Some(mut step) = book.next_hash_step(now) {
                    if source.shows_change(opened) || step.run(source, &|| true).is_err() {
                        break;
                    }
                    if !book.hashed(step, now) {
                        break;
                    }
                }
                let done = book.finish(finish);
                self.book = None;
                (done, Worked::Finished)
            }
        };
        if done.is_ok() { worked } else { Worked::Failed }
    }
}

fn words(why: Unusable) -> String {
    match why {
        Unusable::Damaged(why) => why,
        Unusable::Unreadable(error) => error.to_string(),
    }
}
