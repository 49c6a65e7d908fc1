//! Writes the journal and the hashes of one upload beside the sending, on worker threads.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use bitsup_core::journal::{
    EntryKey, Finish, Identity, Pending, Prefix, Proof, SessionJournal, Timestamp, Work,
};
use bitsup_proto::Checkpoint;

use super::{Disk, Entry, IntentLog};
use crate::engine::{Check, Workers};
use crate::error::Error;
use crate::source::Source;

/// An upload that is stopped and kept waits at most this long for its hashes.
const LAST_HASHES: Duration = Duration::from_secs(1);
/// An upload that takes no longer is over before a change of its source is of interest.
const SHORT: Duration = Duration::from_secs(1);

/// The writer of one upload. An Ack comes as a [`Checkpoint`] from the driver and goes by [`Pending`],
/// [`SessionJournal`] and [`Entry`] to the [`Disk`], which renames it into place. What is durable when:
///
/// | before | survives a kill | survives a power cut |
/// |---|---|---|
/// | Create-Session goes out | that a session is asked for | the same, a second later, where there is a log |
/// | the first Fragment goes out | the session | the same |
/// | an Ack is a while ago | its offset, once a worker has written it | the session, and an offset at most a second older |
/// | Close-Session goes out | that it goes out | as before |
/// | the result of an upload that is kept | all, with the hashes that there was time for | the same |
pub(crate) struct JournalWriter {
    /// Never held for long.
    pending: Mutex<Pending<(Finish, Done)>>,
    state: Mutex<WriterState>,
    /// Where a short upload notes what it does; synced by the engine, and held by others.
    log: Weak<IntentLog>,
    /// Whether the source holds up who reads it.
    may_wait: bool,
    /// The upload has ended: hashes are of use where it is kept, and not for long.
    ends: AtomicBool,
}

/// Is told why nothing can be kept, where that ends the upload.
pub(crate) type OnFailure = Box<dyn FnOnce(Error) + Send>;

/// What takes what is left.
type Done = Box<dyn FnOnce(FinalReport) + Send>;

/// Who works has it.
struct WriterState {
    source: Source,
    journal: Option<SessionJournal<Disk>>,
    begun: Instant,
    /// When its last session was asked for: before, it may have waited for long.
    asked: Instant,
    problem: Option<String>,
    /// Until the session is in the journal, if the upload must not go on without.
    on_failure: Option<OnFailure>,
}

/// What the writer leaves.
#[derive(Default)]
pub(crate) struct FinalReport {
    pub(crate) prefix: Option<Prefix>,
    /// Whether the next process finds the session.
    pub(crate) is_kept: bool,
    /// Why something could not be kept, in one line.
    pub(crate) problem: Option<String>,
}

impl JournalWriter {
    /// A writer for `source`.
    pub(crate) fn new(
        source: Source,
        disk: Disk,
        (entry, proof): (Option<Entry>, Proof),
        place: EntryKey,
        hashing_after: Duration,
        on_failure: Option<OnFailure>,
    ) -> Arc<Self> {
        let identity = source.identity();
        let may_wait = source.may_wait();
        let log = disk.log().map(Arc::downgrade).unwrap_or_default();
        let journal = SessionJournal::new(disk, entry, place, identity, proof);
        let state = WriterState {
            source,
            journal: Some(journal.hashing_after(hashing_after)),
            begun: Instant::now(),
            asked: Instant::now(),
            problem: None,
            on_failure,
        };
        let (pending, state) = (Mutex::default(), Mutex::new(state));
        let ends = AtomicBool::new(false);
        Arc::new(Self { pending, state, log, may_wait, ends })
    }

    /// Where what [`Self::creating`], [`Self::created`] and [`Self::closing`] say is noted: to be synced
    /// within a second.
    pub(crate) fn log(&self) -> Weak<IntentLog> {
        Weak::clone(&self.log)
    }

    /// A Create-Session goes out: noted, so that a crash can be told of that leaves a session. The
    /// error is why it must not go out.
    pub(crate) fn creating(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        // What waits is of a session that is over, which the next one may have the id of.
        lock(&self.pending).take_update();
        state.asked = Instant::now();
        let on_failure = state.on_failure.take();
        let Err(error) = state.in_journal(SessionJournal::creating) else {
            state.on_failure = on_failure;
            return Ok(());
        };
        if on_failure.is_some() { Err(error) } else { Ok(()) }
    }

    /// No session came of it.
    pub(crate) fn not_created(&self) {
        let _ = lock(&self.state).in_journal(|journal, _| journal.not_created());
    }

    /// The session was just created, with the source as it is now: noted at once, so that a crash
    /// cannot lose it. The journal itself follows with the next update.
    pub(crate) fn created(&self, checkpoint: Checkpoint, source: Option<Identity>) {
        let _ =
            lock(&self.state).in_journal(|journal, now| journal.created(checkpoint, source, now));
    }

    /// Close-Session is about to go out.
    pub(crate) fn closing(&self, checkpoint: Checkpoint) {
        let mut state = lock(&self.state);
        // Updates that still wait to be written are older.
        lock(&self.pending).take_update();
        let _ = state.in_journal(|journal, now| journal.closing(checkpoint, now));
    }

    /// The same at once for a short upload, if no worker is writing. `false`: nothing was done. The hashes
    /// of a longer one are completed first, since they decide what a change of the source means.
    pub(crate) fn try_closing(&self, checkpoint: &Checkpoint) -> bool {
        let Some(mut state) = self.try_state() else { return false };
        if state.asked.elapsed() >= SHORT {
            return false;
        }
        lock(&self.pending).take_update();
        // Where it cannot be written the upload goes on, as with any other entry.
        let _ = state.in_journal(|journal, now| journal.closing(checkpoint.clone(), now));
        true
    }

    /// All that was sent is known to be what the source holds now.
    pub(crate) fn prove(&self, source: Identity) {
        if let Some(journal) = &mut lock(&self.state).journal {
            journal.prove(source);
        }
    }

    /// The source may have changed: a comparison of the `sent` bytes with their hashes. Bytes that were not
    /// hashed must have another explanation.
    pub(crate) fn compare(self: &Arc<Self>, now: Identity, sent: u64, is_explained: bool) -> Check {
        let writer = Arc::clone(self);
        Box::new(move |source, go_on| {
            // Not under the lock, since it may take long.
            let journal = |act: &mut dyn FnMut(&mut SessionJournal<Disk>)| {
                lock(&writer.state).journal.iter_mut().for_each(act);
            };
            let mut prefix = Prefix::default();
            journal(&mut |journal| prefix = journal.prefix().cloned().unwrap_or_default());
            if !prefix.check_all(source, go_on)? {
                return Ok(false);
            }
            let is_proven = prefix.length() >= sent;
            if go_on() {
                journal(&mut |journal| {
                    if is_proven { journal.prove(now) } else { journal.doubt() }
                });
            }
            Ok(is_proven || is_explained)
        })
    }

    /// The session got further.
    pub(crate) fn update(self: &Arc<Self>, checkpoint: Checkpoint, workers: &Workers) {
        if !self.try_at_once(&checkpoint) && lock(&self.pending).update(checkpoint) {
            self.begin(workers);
        }
    }

    /// Tells a short upload's journal of the offset at once, if no worker has anything to do: where nothing of it is
    /// written, and where the upload must not go on without the first write.
    fn try_at_once(&self, now: &Checkpoint) -> bool {
        let Some(mut state) = self.try_state() else { return false };
        let is_short = state.asked.elapsed() < SHORT && !lock(&self.pending).is_busy();
        let is_passed_over = state.journal.as_ref().is_some_and(|journal| journal.closes_next(now));
        let is_first = state.on_failure.is_some();
        let syncs = state.journal.as_ref().is_some_and(|journal| journal.syncs(now, state.now()));
        if !is_short || !(is_passed_over || is_first && !syncs) {
            return false;
        }
        let is_kept = state.in_journal(|journal, time| journal.write(now.clone(), time)).is_ok();
        if is_kept && !is_passed_over {
            state.on_failure = None;
        }
        true
    }

    /// Nothing is sent for a while: what was sent is hashed meanwhile.
    pub(crate) fn rest(self: &Arc<Self>, workers: &Workers) {
        if lock(&self.pending).rest() {
            self.begin(workers);
        }
    }

    /// Finishes what is to be done and calls `done` with what is left.
    pub(crate) fn finish(
        self: &Arc<Self>,
        finish: Finish,
        done: impl FnOnce(FinalReport) + Send + 'static,
        workers: &Workers,
    ) {
        self.ends.store(true, Ordering::Relaxed);
        if lock(&self.pending).finish((finish, Box::new(done))) {
            self.begin(workers);
        }
    }

    /// Removes the journal at once, if no worker has anything to do.
    pub(crate) fn try_remove(&self) -> Option<FinalReport> {
        let mut state = self.try_state()?;
        let is_busy = lock(&self.pending).is_busy();
        (!is_busy).then(|| state.finish(Finish::Remove))
    }

    fn begin(self: &Arc<Self>, workers: &Workers) {
        let writer = Arc::clone(self);
        workers.run_reading(self.may_wait, move || writer.work());
    }

    /// The state, if no worker has it. Without a sync no write takes long.
    fn try_state(&self) -> Option<MutexGuard<'_, WriterState>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn work(&self) {
        // Whether hashes are to be written that no later update may write.
        let (mut rests, mut is_newer, mut has_written) = (false, false, false);
        let goes_on = || !self.ends.load(Ordering::Relaxed);
        loop {
            let has_update = self.accept_update();
            let more = match self.hash_step(has_update && !has_written, &goes_on) {
                None => false,
                Some(more) => {
                    is_newer = true;
                    more
                }
            };
            // In this order, so that nothing newer is written between the two.
            let mut state = lock(&self.state);
            if rests && !more {
                if is_newer {
                    let _ = state.in_journal(|journal, _| journal.write_hashes());
                }
                (rests, is_newer) = (false, false);
            }
            let mut pending = lock(&self.pending);
            let update = pending.take_update();
            has_written = update.is_some();
            if let Some(checkpoint) = update {
                drop(pending);
                is_newer = false;
                if state.in_journal(|journal, now| journal.write(checkpoint, now)).is_ok() {
                    state.on_failure = None;
                }
                continue;
            }
            let work = pending.take(more);
            drop(pending);
            match work {
                None => return,
                Some(Work::Hash) => {}
                Some(Work::Rest) => {
                    state.rest();
                    rests = true;
                }
                Some(Work::Finish((finish, done))) => {
                    if finish == Finish::Keep {
                        state.journal.iter_mut().for_each(SessionJournal::hash_rest);
                        drop(state);
                        let begun = Instant::now();
                        let goes_on = || begun.elapsed() < LAST_HASHES;
                        while self.hash_step(false, &goes_on) == Some(true) {}
                        state = lock(&self.state);
                    }
                    let kept = state.finish(finish);
                    drop(state);
                    done(kept);
                }
            }
        }
    }

    /// Tells the journal of what waits to be written, if there is one.
    fn accept_update(&self) -> bool {
        let mut state = lock(&self.state);
        let now = state.now();
        let pending = lock(&self.pending);
        let (Some(checkpoint), Some(journal)) = (pending.waiting(), &mut state.journal) else {
            return false;
        };
        journal.acknowledged(checkpoint, now);
        true
    }

    /// Hashes a part, if it is time for one. Not under the lock, since it may take long; and what may wait for a
    /// disk not before the writing that is to be done. Says whether there is more.
    fn hash_step(&self, writes_first: bool, goes_on: &dyn Fn() -> bool) -> Option<bool> {
        let (mut step, source) = {
            let mut state = lock(&self.state);
            let (now, source) = (state.now(), state.source.clone());
            let journal = state.journal.as_mut()?;
            if writes_first && journal.hashing_may_wait() {
                return Some(true);
            }
            (journal.next_hash_step(now)?, source)
        };
        // The engine opens the source for each part and reports what is wrong.
        let read = source.open().map(|opened| step.run(&opened, goes_on));
        drop(source);
        let mut state = lock(&self.state);
        let now = state.now();
        if let Ok(Err(error)) = &read {
            state.problem = Some(format!("the source cannot be read for its hash: {error}"));
        }
        state.journal.as_mut().map(|journal| journal.hashed(step, now))
    }
}

impl WriterState {
    /// Does something with the journal, if there is one.
    fn in_journal(
        &mut self,
        act: impl FnOnce(&mut SessionJournal<Disk>, Timestamp) -> io::Result<()>,
    ) -> Result<(), Error> {
        let now = self.now();
        let Some(Err(error)) = self.journal.as_mut().map(|journal| act(journal, now)) else {
            return Ok(());
        };
        let error = Error::local("cannot store resume state", &error);
        self.problem = Some(format!(
            "resume state cannot be stored, so an interrupted upload would restart: {error}"
        ));
        if let Some(on_failure) = self.on_failure.take() {
            on_failure(error.clone());
        }
        Err(error)
    }

    fn rest(&mut self) {
        self.journal.iter_mut().for_each(SessionJournal::rest);
    }

    fn now(&self) -> Timestamp {
        Timestamp { monotonic: self.begun.elapsed(), unix: super::unix_now() }
    }

    fn finish(&mut self, finish: Finish) -> FinalReport {
        self.on_failure = None;
        let _ = self.in_journal(|journal, _| journal.finish(finish));
        // Lets the lock and the source go.
        let journal = self.journal.take();
        self.source = Source::bytes(Vec::new());
        let is_kept =
            finish == Finish::Keep && journal.as_ref().is_some_and(SessionJournal::is_kept);
        let prefix = journal.and_then(|journal| journal.prefix().cloned());
        FinalReport { prefix, is_kept, problem: self.problem.take() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
