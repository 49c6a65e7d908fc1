//! Writes the journal and the hashes of one upload beside the sending, on worker threads.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bitsup_core::journal::{Book, Finish, Now, Pending, Place, Prefix, Work};
use bitsup_proto::{Checkpoint, SessionId};

use super::{Disk, Entry, Journal};
use crate::engine::Workers;
use crate::source::Source;

/// The keeper of one upload.
#[derive(Clone)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
}

struct Shared {
    /// Never held for long.
    pending: Mutex<Pending<(Finish, Done)>>,
    desk: Mutex<Desk>,
    /// Whether the source holds up who reads it.
    may_wait: bool,
}

/// What takes what is left.
type Done = Box<dyn FnOnce(Kept) + Send>;

/// Who works has it.
struct Desk {
    source: Source,
    book: Option<Book<Disk>>,
    begun: Instant,
    problem: Option<String>,
}

/// What the keeper leaves.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) prefix: Option<Prefix>,
    /// Why something could not be kept, in one line.
    pub(crate) problem: Option<String>,
}

impl Keeper {
    /// A keeper for `source`.
    pub(crate) fn new(
        source: Source,
        journal: Journal,
        entry: Option<Entry>,
        place: Place,
    ) -> Self {
        let may_wait = source.may_wait();
        let desk = Desk {
            source,
            book: Some(Book::new(journal, entry, place)),
            begun: Instant::now(),
            problem: None,
        };
        let (pending, desk) = (Mutex::default(), Mutex::new(desk));
        Self { shared: Arc::new(Shared { pending, desk, may_wait }) }
    }

    /// A Create-Session goes out: noted, so that a crash can be told of that leaves a session.
    pub(crate) fn creating(&self) {
        lock(&self.shared.desk).in_book(|book, _, _| book.creating());
    }

    /// No session came of it.
    pub(crate) fn not_created(&self) {
        lock(&self.shared.desk).in_book(|book, _, _| book.not_created());
    }

    /// The session was just created: noted at once, so that a crash cannot lose it. The journal
    /// itself follows with the next update.
    pub(crate) fn created(&self, checkpoint: Checkpoint) {
        lock(&self.shared.desk)
            .in_book(|book, source, now| book.created(checkpoint, source.identity(), now));
    }

    /// The server has acknowledged `offset`.
    pub(crate) fn update(&self, offset: u64, checkpoint: Option<Checkpoint>, workers: &Workers) {
        if lock(&self.shared.pending).update(offset, checkpoint) {
            self.begin(workers);
        }
    }

    /// Finishes what is to be done and calls `done` with what is left.
    pub(crate) fn finish(
        &self,
        finish: Finish,
        done: impl FnOnce(Kept) + Send + 'static,
        workers: &Workers,
    ) {
        if lock(&self.shared.pending).finish((finish, Box::new(done))) {
            self.begin(workers);
        }
    }

    fn begin(&self, workers: &Workers) {
        let shared = Arc::clone(&self.shared);
        workers.run_reading(self.shared.may_wait, move || shared.work());
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let Some(work) = lock(&self.pending).take() else { return };
            let mut desk = lock(&self.desk);
            match work {
                Work::Update(offset, checkpoint) => {
                    let session = checkpoint.as_ref().map(|checkpoint| &checkpoint.session_id);
                    desk.advance(offset, session);
                    if let Some(checkpoint) = checkpoint {
                        desk.in_book(|book, source, now| {
                            book.write(checkpoint, source.identity(), now)
                        });
                    }
                }
                Work::Finish((finish, done)) => {
                    let kept = desk.finish(finish);
                    drop(desk);
                    done(kept);
                }
            }
        }
    }
}

impl Desk {
    /// Does something with the journal, if there is one.
    fn in_book(&mut self, act: impl FnOnce(&mut Book<Disk>, &Source, Now) -> io::Result<()>) {
        let now = Now { monotonic: self.begun.elapsed(), unix: super::unix_now() };
        if let Some(book) = &mut self.book
            && let Err(error) = act(book, &self.source, now)
        {
            self.problem = Some(format!(
                "the session cannot be kept, so that an interrupted upload would start anew: {error}"
            ));
        }
    }

    fn advance(&mut self, offset: u64, session: Option<&SessionId>) {
        let Some(book) = &mut self.book else { return };
        // The engine opens the source for each part and reports what is wrong.
        let Ok(source) = self.source.open() else { return };
        if let Err(error) = book.advance(&source, offset, session, |_, _| {}) {
            self.problem = Some(format!("the source cannot be read for its hash: {error}"));
        }
    }

    fn finish(&mut self, finish: Finish) -> Kept {
        self.in_book(|book, _, _| book.finish(finish));
        // Lets the lock and the source go.
        let book = self.book.take();
        self.source = Source::bytes(Vec::new());
        let prefix = book.and_then(|book| book.prefix().cloned());
        Kept { prefix, problem: self.problem.take() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
