//! What is to be written, until a worker writes it.

use bitsup_proto::Checkpoint;

/// The work for one journal. While it is done, newer updates replace those that still wait, so
/// that a slow disk costs neither memory nor a queue.
#[derive(Debug)]
pub struct Pending<D> {
    busy: bool,
    update: Option<(u64, Option<Checkpoint>)>,
    finish: Option<D>,
}

/// The next thing to do.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
#[derive(Debug)]
pub enum Work<D> {
    /// The server has acknowledged this offset; where the session stands, if there is one.
    Update(u64, Option<Checkpoint>),
    /// The last thing.
    Finish(D),
}

impl<D> Default for Pending<D> {
    fn default() -> Self {
        Self { busy: false, update: None, finish: None }
    }
}

impl<D> Pending<D> {
    /// The offset was acknowledged. `true`: no worker is busy, and one must begin.
    #[must_use]
    pub fn update(&mut self, offset: u64, checkpoint: Option<Checkpoint>) -> bool {
        self.update = Some((offset, checkpoint));
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

    /// Drops the waiting update, which a newer one has replaced.
    pub fn forget_update(&mut self) {
        self.update = None;
    }

    /// Returns the next work; after `None` the worker stops.
    pub fn take(&mut self) -> Option<Work<D>> {
        if let Some((offset, checkpoint)) = self.update.take() {
            return Some(Work::Update(offset, checkpoint));
        }
        let finish = self.finish.take().map(Work::Finish);
        self.busy = finish.is_some();
        finish
    }
}
