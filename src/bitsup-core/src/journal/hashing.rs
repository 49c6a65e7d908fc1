//! When the bytes that the server has acknowledged are hashed.
//!
//! Most uploads end well and need no hash. So hashing begins late, takes what is in memory, and is done in
//! steps that nothing waits for; a journal that is written meanwhile has the hashes that there are.

use std::io;
use std::time::Duration;

use super::prefix::{BLOCK, Bytes, Hasher, Prefix, Reads};
use super::{Difference, Identity, Timestamp};

/// Nothing is hashed before an upload has sent for this long.
pub const HASH_AFTER: Duration = Duration::from_secs(2);
/// For this long bytes that are not in memory are not read: the upload may end before.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes hashed in a step, of those in memory: so short that an upload that waits for it is not held up.
const CACHED_STEP: u64 = 4 * BLOCK;
/// Bytes of a step between two looks at the source and at whether they are still wanted.
const PIECE: u64 = 1024 * 1024;
/// File systems may count change times in whole seconds: a later change has another one if this is over.
const SETTLED_SECONDS: u64 = 2;

/// The hashes of one session, and when the next step is due.
#[derive(Debug)]
pub(super) struct Hashing {
    after: Duration,
    /// When this process began to send.
    begun: Option<Duration>,
    /// `None` while a step is under way.
    hasher: Option<Hasher>,
    /// What the server has acknowledged, and the least of it since the step began.
    offset: u64,
    least: u64,
    /// Hashes count while the source is so: the bytes that are read then are those that were sent.
    source: Option<Identity>,
    /// Since when bytes that were not in memory are waited for.
    missed: Option<Duration>,
    /// All is read until the hashes have caught up.
    reads_all: bool,
    /// Nothing is being sent: no reason to wait.
    rests: bool,
    /// Steps of an earlier session do not count.
    session: u32,
}

/// A part to hash, under no lock.
#[derive(Debug)]
pub struct HashStep {
    hasher: Hasher,
    source: Identity,
    end: u64,
    reads: Reads,
    /// Seconds since 1970.
    unix: u64,
    session: u32,
    outcome: StepOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepOutcome {
    Done,
    /// The next bytes are not in memory.
    Missed,
    /// The source is not what it was, or was changed a moment ago; or the step was stopped.
    Refused,
}

impl Hashing {
    /// Goes on from the hashes of an earlier run.
    pub(super) fn new(prefix: Option<&Prefix>, source: Option<Identity>, after: Duration) -> Self {
        Self {
            after,
            begun: None,
            hasher: Some(prefix.map_or_else(Hasher::default, Hasher::continuing)),
            offset: prefix.map_or(0, Prefix::length),
            least: 0,
            source,
            missed: None,
            reads_all: false,
            rests: false,
            session: 0,
        }
    }

    pub(super) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// A session begins at byte 0 of a source that is so.
    pub(super) fn restart(&mut self, source: Option<Identity>) {
        let session = self.session.wrapping_add(1);
        *self = Self { begun: self.begun, session, ..Self::new(None, source, self.after) };
    }

    /// The hashes so far, unless a step is under way.
    pub(super) fn prefix(&self) -> Option<&Prefix> {
        self.hasher.as_ref().map(Hasher::prefix)
    }

    pub(super) fn source(&self) -> Option<Identity> {
        self.source
    }

    /// What the source is known by from now on; `None`: nothing more is hashed in this session.
    pub(super) fn set_source(&mut self, source: Option<Identity>) {
        self.source = source;
    }

    /// The server has acknowledged the bytes before `offset`.
    pub(super) fn acknowledged(&mut self, offset: u64, now: Timestamp) {
        self.begun.get_or_insert(now.monotonic);
        self.rests &= offset == self.offset;
        self.offset = offset;
        self.least = self.least.min(offset);
        if let Some(hasher) = &mut self.hasher {
            hasher.limit(offset);
        }
    }

    /// Nothing is sent for a while.
    pub(super) fn rest(&mut self) {
        self.rests = true;
    }

    /// The upload is stopped and kept: the rest is hashed now, wherever it has to be read from.
    pub(super) fn finish(&mut self) {
        (self.rests, self.missed, self.reads_all) = (true, None, true);
    }

    /// Returns the next step if one is due; [`Self::took`] takes it back.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<HashStep> {
        let source = self.source?;
        let hashed = self.hasher.as_ref()?.prefix().length();
        let begun = self.begun?;
        if hashed >= self.offset {
            (self.missed, self.reads_all) = (None, false);
            return None;
        }
        if !self.rests && now.monotonic.saturating_sub(begun) < self.after {
            return None;
        }
        if let Some(missed) = self.missed {
            if now.monotonic.saturating_sub(missed) < PATIENCE {
                return None;
            }
            self.reads_all = true;
        }
        let (reads, most) =
            if self.reads_all { (Reads::All, BLOCK) } else { (Reads::Cached, CACHED_STEP) };
        self.least = self.offset;
        Some(HashStep {
            hasher: self.hasher.take()?,
            source,
            end: self.offset.min(hashed.saturating_add(most)),
            reads,
            unix: now.unix,
            session: self.session,
            // Also where the source cannot be opened.
            outcome: StepOutcome::Refused,
        })
    }

    /// Whether the next step may wait for a disk, so that what is to be written is written first.
    pub(super) fn may_wait(&self) -> bool {
        self.missed.is_some()
    }

    /// Takes a step back. `true`: there is more to hash.
    pub(super) fn took(&mut self, step: HashStep, now: Timestamp) -> bool {
        if step.session != self.session {
            return false;
        }
        let goes_on = match step.outcome {
            StepOutcome::Done => true,
            StepOutcome::Missed => {
                self.missed.get_or_insert(now.monotonic);
                false
            }
            StepOutcome::Refused => false,
        };
        let hasher = self.hasher.insert(step.hasher);
        hasher.limit(self.least);
        goes_on && hasher.prefix().length() < self.offset
    }
}

impl HashStep {
    /// Reads and hashes, piece by piece, while `go_on` says so. The bytes of a piece count only if the source was
    /// what it is to be before and after they were read.
    pub fn run(&mut self, source: &impl Bytes, go_on: &dyn Fn() -> bool) -> io::Result<()> {
        while self.hasher.prefix().length() < self.end {
            if !go_on() || !self.is_as_sent(source)? {
                return Ok(());
            }
            let mark = self.hasher.mark();
            let end = self.end.min(self.hasher.prefix().length().saturating_add(PIECE));
            let read = self.hasher.advance(source, end, self.reads);
            let is_as_sent = self.is_as_sent(source);
            if !matches!(is_as_sent, Ok(true)) {
                self.hasher.go_back(mark);
                return is_as_sent.map(drop);
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.outcome = StepOutcome::Missed;
                    return Ok(());
                }
                read => read?,
            }
        }
        self.outcome = StepOutcome::Done;
        Ok(())
    }

    /// Whether the source is what it was when its bytes were sent, as far as the file system tells.
    fn is_as_sent(&self, source: &impl Bytes) -> io::Result<bool> {
        Ok(source.identity()?.is_none_or(|now| {
            let changed = now.changed.and_then(|(seconds, _)| u64::try_from(seconds).ok());
            let is_settled =
                changed.is_some_and(|seconds| seconds.saturating_add(SETTLED_SECONDS) <= self.unix);
            is_settled && self.source.compare(&now) == Difference::None
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::Attributes;
    use super::*;

    const LENGTH: u64 = 10 * BLOCK;

    /// A file of sevens.
    struct Sevens {
        /// In memory from the first byte to here.
        cached: Cell<u64>,
        /// Seconds and nanoseconds.
        changed: Cell<(i64, i64)>,
        /// What reading adds to the nanoseconds.
        moves: i64,
        reads_of_all: Cell<u32>,
    }

    impl Default for Sevens {
        fn default() -> Self {
            let (cached, changed) = (u64::MAX.into(), (5, 0).into());
            Self { cached, changed, moves: 0, reads_of_all: 0.into() }
        }
    }

    impl Bytes for Sevens {
        fn read(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
            self.reads_of_all.set(self.reads_of_all.get() + 1);
            let (seconds, rest) = self.changed.get();
            self.changed.set((seconds, rest + self.moves));
            buffer.fill(7);
            Ok(buffer.len())
        }

        fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let left = self.cached.get().saturating_sub(offset);
            if left == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let count = self.read(&mut buffer[..most], offset)?;
            self.reads_of_all.set(self.reads_of_all.get() - 1);
            Ok(count)
        }

        fn identity(&self) -> io::Result<Option<Identity>> {
            Ok(Some(identity(self.changed.get())))
        }
    }

    fn identity(changed: (i64, i64)) -> Identity {
        Identity {
            size: LENGTH,
            modified_s: 5,
            modified_ns: 0,
            device: 1,
            inode: 2,
            changed: Some(changed),
            attributes: Attributes::default(),
        }
    }

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp { monotonic: Duration::from_millis(milliseconds), unix: 1000 }
    }

    fn begun() -> Hashing {
        let mut hashing = Hashing::new(None, Some(identity((5, 0))), HASH_AFTER);
        hashing.acknowledged(0, at(100));
        hashing
    }

    /// Takes all steps that are due; how far the hashes reach then.
    fn work(hashing: &mut Hashing, source: &Sevens, now: Timestamp) -> u64 {
        while let Some(mut step) = hashing.next(now) {
            step.run(source, &|| true).expect("read");
            if !hashing.took(step, now) {
                break;
            }
        }
        hashing.prefix().expect("no step is under way").length()
    }

    #[test]
    fn nothing_is_hashed_before_its_time_and_then_all_from_the_first_byte_on() {
        let (mut hashing, source) = (begun(), Sevens::default());
        hashing.acknowledged(3 * BLOCK, at(1000));
        assert!(hashing.next(at(2099)).is_none());
        hashing.acknowledged(9 * BLOCK + 5, at(2099));
        assert!(hashing.next(at(2099)).is_none());
        assert_eq!(work(&mut hashing, &source, at(2100)), 9 * BLOCK + 5);
        hashing.acknowledged(LENGTH, at(2200));
        assert_eq!(work(&mut hashing, &source, at(2200)), LENGTH);
        let prefix = super::super::hash_prefix(&source, LENGTH, &|| true).expect("read");
        assert_eq!(hashing.prefix(), prefix.as_ref());
    }

    #[test]
    fn a_pause_is_used_from_the_beginning_and_ends_with_the_next_ack() {
        let (mut hashing, source) = (begun(), Sevens::default());
        hashing.acknowledged(BLOCK, at(200));
        hashing.rest();
        assert_eq!(work(&mut hashing, &source, at(200)), BLOCK);
        hashing.acknowledged(2 * BLOCK, at(300));
        assert_eq!(work(&mut hashing, &source, at(300)), BLOCK);
    }

    #[test]
    fn what_is_not_in_memory_is_read_only_when_the_hashes_lag() {
        let (mut hashing, source) = (begun(), Sevens::default());
        source.cached.set(BLOCK + 10);
        hashing.acknowledged(5 * BLOCK, at(3000));
        assert_eq!(work(&mut hashing, &source, at(3000)), BLOCK + 10);
        hashing.acknowledged(6 * BLOCK, at(3999));
        assert!(hashing.may_wait());
        assert_eq!(work(&mut hashing, &source, at(3999)), BLOCK + 10);
        assert_eq!(source.reads_of_all.get(), 0);
        hashing.acknowledged(7 * BLOCK, at(4000));
        assert_eq!(work(&mut hashing, &source, at(4000)), 7 * BLOCK);
        // Once it has caught up it is patient again.
        assert!(hashing.next(at(4001)).is_none() && !hashing.may_wait());
        let reads = source.reads_of_all.get();
        hashing.acknowledged(8 * BLOCK, at(4002));
        assert_eq!(work(&mut hashing, &source, at(4002)), 7 * BLOCK);
        assert_eq!(source.reads_of_all.get(), reads);
    }

    #[test]
    fn an_upload_that_is_kept_reads_the_rest_at_once() {
        let (mut hashing, source) = (begun(), Sevens::default());
        source.cached.set(5);
        hashing.acknowledged(3 * BLOCK, at(200));
        hashing.finish();
        assert_eq!(work(&mut hashing, &source, at(200)), 3 * BLOCK);
    }

    #[test]
    fn a_step_goes_on_while_the_offset_goes_back_or_the_session_is_replaced() {
        let (mut hashing, source) = (begun(), Sevens::default());
        hashing.acknowledged(3 * BLOCK, at(3000));
        let mut step = hashing.next(at(3000)).expect("due");
        hashing.acknowledged(BLOCK + 5, at(3001));
        hashing.acknowledged(2 * BLOCK + 5, at(3002));
        assert!(hashing.next(at(3002)).is_none(), "one step at a time");
        step.run(&source, &|| true).expect("read");
        assert!(hashing.took(step, at(3003)));
        assert_eq!(hashing.prefix().expect("taken back").length(), BLOCK);
        let mut step = hashing.next(at(3003)).expect("due");
        hashing.restart(Some(identity((5, 0))));
        step.run(&source, &|| true).expect("read");
        assert!(!hashing.took(step, at(3004)));
        assert_eq!(hashing.prefix().expect("new").length(), 0);
    }

    #[test]
    fn a_hash_counts_only_if_the_source_was_the_same_before_and_after_it_was_read() {
        let _rule = bitsup_server::rule!("RES-03");
        let mut hashing = begun();
        hashing.acknowledged(40, at(3000));
        let moving = Sevens { moves: 1, ..Sevens::default() };
        assert_eq!(work(&mut hashing, &moving, at(3000)), 0);
        assert_eq!(work(&mut hashing, &moving, at(3000)), 0, "it is another one now");
        let calm = Sevens::default();
        assert_eq!(work(&mut hashing, &calm, at(3000)), 40);
        hashing.acknowledged(60, at(3000));
        assert_eq!(work(&mut hashing, &moving, at(3000)), 40, "what was hashed is kept");
        hashing.set_source(None);
        assert_eq!(work(&mut hashing, &calm, at(3000)), 40);
    }

    #[test]
    fn a_change_time_must_have_settled() {
        let _rule = bitsup_server::rule!("RES-03");
        let source = Sevens::default();
        for (unix, hashed) in [(4, 0), (5, 0), (6, 0), (7, 40)] {
            let mut hashing = begun();
            let now = Timestamp { unix, ..at(3000) };
            hashing.acknowledged(40, now);
            assert_eq!(work(&mut hashing, &source, now), hashed, "{unix}");
        }
    }
}
