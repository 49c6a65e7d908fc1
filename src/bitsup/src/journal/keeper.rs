//! Writes the journal and the hashes of one upload beside the sending, on worker threads.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bitsup_proto::Checkpoint;
use sha2::{Digest, Sha256};

use super::prefix::Hasher;
use super::{Entry, Journal, Prefix};
use crate::engine::Workers;
use crate::source::Source;

/// A power cut costs at most so much of what was acknowledged.
const SYNC: Duration = Duration::from_secs(1);

/// The keeper of one upload.
#[derive(Clone)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
}

struct Shared {
    work: Mutex<Work>,
    desk: Mutex<Desk>,
}

/// What is to be done; never held for long.
#[derive(Default)]
struct Work {
    busy: bool,
    update: Option<(u64, Option<Checkpoint>)>,
    finish: Option<(Finish, Done)>,
}

/// What takes what is left.
type Done = Box<dyn FnOnce(Kept) + Send>;

/// Who works has it.
struct Desk {
    source: Source,
    journal: Option<Journal>,
    entry: Option<Entry>,
    place: Place,
    hasher: Option<Hasher>,
    sha256: Option<(Sha256, u64)>,
    synced: Option<Instant>,
    problem: Option<String>,
}

/// What a new entry says of the upload.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) path: PathBuf,
    pub(crate) note: Option<String>,
}

/// What becomes of the journal at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The session is over.
    Remove,
    /// It can be continued.
    Keep,
}

/// What the keeper leaves.
#[derive(Default)]
pub(crate) struct Kept {
    /// SHA-256 of the whole source in hexadecimal digits, if it was asked for and all is sent.
    pub(crate) sha256: Option<String>,
    pub(crate) prefix: Option<Prefix>,
    /// Why something could not be kept, in one line.
    pub(crate) problem: Option<String>,
}

impl Keeper {
    /// A keeper for `source`; with a journal it keeps the session, with `sha256` it hashes.
    pub(crate) fn new(
        source: Source,
        journal: Option<Journal>,
        entry: Option<Entry>,
        place: Place,
        sha256: bool,
    ) -> Self {
        let hasher = journal.is_some().then(|| match &entry {
            Some(entry) => Hasher::continuing(&entry.prefix),
            None => Hasher::default(),
        });
        let desk = Desk {
            source,
            journal,
            entry,
            place,
            hasher,
            sha256: sha256.then(|| (Sha256::new(), 0)),
            synced: None,
            problem: None,
        };
        Self { shared: Arc::new(Shared { work: Mutex::default(), desk: Mutex::new(desk) }) }
    }

    /// A Create-Session goes out: noted, so that a crash can be told of that leaves a session.
    pub(crate) fn creating(&self) {
        self.on_pad(Journal::creating);
    }

    /// No session came of it.
    pub(crate) fn not_created(&self) {
        self.on_pad(Journal::not_created);
    }

    fn on_pad(&self, note: impl FnOnce(&Journal) -> io::Result<()>) {
        let mut desk = lock(&self.shared.desk);
        if let Some(Err(error)) = desk.journal.as_ref().map(note) {
            desk.note_problem(&error);
        }
    }

    /// The session was just created: noted at once, so that a crash cannot lose it. The journal
    /// itself follows with the next update, and is synced then.
    pub(crate) fn created(&self, checkpoint: Checkpoint) {
        let mut desk = lock(&self.shared.desk);
        desk.restart();
        desk.synced = None;
        desk.prepare(checkpoint);
        if let (Some(journal), Some(entry)) = (&desk.journal, &desk.entry)
            && let Err(error) = journal.created(entry)
        {
            desk.note_problem(&error);
        }
    }

    /// The server has acknowledged `offset`.
    pub(crate) fn update(&self, offset: u64, checkpoint: Option<Checkpoint>, workers: &Workers) {
        let mut work = lock(&self.shared.work);
        work.update = Some((offset, checkpoint));
        self.begin(work, workers);
    }

    /// Finishes what is to be done and calls `done` with what is left.
    pub(crate) fn finish(
        &self,
        finish: Finish,
        done: impl FnOnce(Kept) + Send + 'static,
        workers: &Workers,
    ) {
        let mut work = lock(&self.shared.work);
        work.finish = Some((finish, Box::new(done)));
        self.begin(work, workers);
    }

    fn begin(&self, mut work: MutexGuard<'_, Work>, workers: &Workers) {
        if !std::mem::replace(&mut work.busy, true) {
            let shared = Arc::clone(&self.shared);
            workers.run(move || shared.work());
        }
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let mut work = lock(&self.work);
            let update = work.update.take();
            let finish = if update.is_none() { work.finish.take() } else { None };
            if update.is_none() && finish.is_none() {
                work.busy = false;
                return;
            }
            drop(work);
            let mut desk = lock(&self.desk);
            if let Some((offset, checkpoint)) = update {
                desk.advance(offset);
                desk.write(checkpoint);
            }
            if let Some((finish, done)) = finish {
                let kept = desk.finish(&finish);
                drop(desk);
                done(kept);
            }
        }
    }
}

impl Desk {
    /// A new session begins at byte 0, with the source as it is now.
    fn restart(&mut self) {
        self.entry = None;
        if let Some(hasher) = &mut self.hasher {
            *hasher = Hasher::default();
        }
    }

    fn advance(&mut self, offset: u64) {
        let Ok(source) = self.source.open() else {
            // The engine opens the source for each part and reports what is wrong.
            return;
        };
        let sha256 = &mut self.sha256;
        let mut also = |at: u64, bytes: &[u8]| {
            if let Some((sha256, hashed)) = sha256.as_mut() {
                // After a step back the same bytes come again.
                let known = usize::try_from(hashed.saturating_sub(at)).unwrap_or(usize::MAX);
                if let Some(fresh) = bytes.get(known..).filter(|_| at <= *hashed) {
                    sha256.update(fresh);
                    *hashed += fresh.len() as u64;
                }
            }
        };
        let result = match &mut self.hasher {
            Some(hasher) => hasher.advance(&source, offset, &mut also).map(Some),
            None => Ok(None),
        };
        match result {
            Ok(Some(prefix)) => {
                if let Some(entry) = &mut self.entry {
                    entry.prefix = prefix.clone();
                }
            }
            Ok(None) => {}
            Err(error) => {
                self.problem = Some(format!("the source cannot be read for its hash: {error}"));
            }
        }
    }

    /// The rest of the SHA-256: all of it without a journal, and what was sent before a resume.
    fn complete_sha256(&mut self) -> Option<String> {
        let (sha256, hashed) = self.sha256.as_mut()?;
        let source = self.source.open().ok()?;
        let mut buffer = vec![0; 256 * 1024];
        while *hashed < self.source.size() {
            let count = source.read(&mut buffer, *hashed).ok()?;
            let bytes = buffer.get(..count).filter(|bytes| !bytes.is_empty())?;
            sha256.update(bytes);
            *hashed += count as u64;
        }
        let (sha256, _) = self.sha256.take()?;
        Some(format!("{:x}", sha256.finalize()))
    }

    fn prepare(&mut self, checkpoint: Checkpoint) {
        let Some(identity) = self.source.identity() else { return };
        let entry = self.entry.get_or_insert_with(|| {
            let Place { url, path, note } = self.place.clone();
            Entry::new(url, path, identity, checkpoint.clone(), note)
        });
        entry.checkpoint = checkpoint;
        entry.updated = super::unix_now();
        entry.note.clone_from(&self.place.note);
    }

    fn write(&mut self, checkpoint: Option<Checkpoint>) {
        let Some(checkpoint) = checkpoint else { return };
        self.prepare(checkpoint);
        let (Some(journal), Some(entry)) = (&self.journal, &self.entry) else { return };
        let sync = self.synced.is_none_or(|at| at.elapsed() >= SYNC);
        match journal.write(entry, sync) {
            Ok(()) => {
                if sync {
                    self.synced = Some(Instant::now());
                }
            }
            Err(error) => self.note_problem(&error),
        }
    }

    fn finish(&mut self, finish: &Finish) -> Kept {
        let sha256 = if *finish == Finish::Remove { self.complete_sha256() } else { None };
        if let Some(journal) = &self.journal {
            let result = match finish {
                Finish::Remove => journal.remove(),
                Finish::Keep => match &self.entry {
                    Some(entry) => journal.write(entry, true),
                    None => journal.remove(),
                },
            };
            if let Err(error) = result {
                self.note_problem(&error);
            }
        }
        // Lets the lock and the source go.
        self.journal = None;
        self.source = Source::bytes(Vec::new());
        let prefix = self.entry.as_ref().map(|entry| entry.prefix.clone());
        Kept { sha256, prefix, problem: self.problem.take() }
    }

    fn note_problem(&mut self, error: &io::Error) {
        self.problem = Some(format!(
            "the session cannot be kept, so that an interrupted upload would start anew: {error}"
        ));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
