//! What is to be written, until a worker writes it.

use bitsup_proto::Checkpoint;

/// The work for one journal. While it is done, newer updates replace those that still wait, so
/// that a slow disk costs neither memory nor a queue.
#[derive(Debug)]
pub struct Pending<D> {
    busy: bool,
    update: Option<Checkpoint>,
    /// Nothing is sent for a while: what is in memory is hashed.
    rest: bool,
    finish: Option<D>,
}

/// The next thing to do where no checkpoint waits.
#[derive(Debug)]
pub enum Work<D> {
    /// What there is to hash is hashed, and written where nothing else will be.
    Rest,
    /// Only hashing goes on.
    Hash,
    /// The last thing.
    Finish(D),
}

impl<D> Default for Pending<D> {
    fn default() -> Self {
        Self { busy: false, update: None, rest: false, finish: None }
    }
}

impl<D> Pending<D> {
    /// The session got further. `true`: no worker is busy, and one must begin.
    #[must_use]
    pub fn update(&mut self, checkpoint: Checkpoint) -> bool {
        self.update = Some(checkpoint);
        !std::mem::replace(&mut self.busy, true)
    }

    /// Nothing is sent for a while. `true`: no worker is busy, and one must begin.
    #[must_use]
    pub fn rest(&mut self) -> bool {
        self.rest = true;
        !std::mem::replace(&mut self.busy, true)
    }

    /// The upload ends; a waiting update is written first. `true`: no worker is busy, and one must begin.
    #[must_use]
    pub fn finish(&mut self, done: D) -> bool {
        self.finish = Some(done);
        !std::mem::replace(&mut self.busy, true)
    }

    /// Whether a worker is at work or was called.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Takes the waiting update: it is the first thing to do, or a newer one has replaced it.
    pub fn take_update(&mut self) -> Option<Checkpoint> {
        self.update.take()
    }

    /// What waits to be written: hashed before, so that what is written has its hashes.
    #[must_use]
    pub fn waiting(&self) -> Option<&Checkpoint> {
        self.update.as_ref()
    }

    /// Returns the next work if no update waits; `more`: hashing is to go on. After `None` the worker stops.
    pub fn take(&mut self, more: bool) -> Option<Work<D>> {
        let finish = self.finish.take().map(Work::Finish);
        let rest = || std::mem::take(&mut self.rest).then_some(Work::Rest);
        let next = finish.or_else(rest).or_else(|| more.then_some(Work::Hash));
        self.busy = next.is_some();
        next
    }
}
