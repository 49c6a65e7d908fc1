//! The file that is uploaded: never in memory, and changed between reads.

use std::io;

use bitsup_core::journal::{Attributes, Bytes, Identity};
use bitsup_server::model::Spans;

/// What every byte is at first.
const PLAIN: u8 = 7;

/// A file that changes from one version to the next, a byte each time.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    size: u64,
    /// Where each version after the first one differs from that before (behind the end: nowhere), and what a
    /// look at the file tells of it.
    changes: Vec<(u64, Trace)>,
}

/// What a change of a file leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Nothing,
    /// Another change time, as after a chmod or where the time stamp was set back.
    ChangeTime,
    TimeStamp,
}

impl Source {
    /// A file of that size.
    pub(crate) fn new(size: u64) -> Self {
        Self { size, changes: Vec::new() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The version that it has now.
    pub(crate) fn version(&self) -> usize {
        self.changes.len()
    }

    /// Changes the byte at `at`.
    pub(crate) fn change(&mut self, at: u64, trace: Trace) {
        self.changes.push((at, trace));
    }

    /// Whether two versions differ in that range.
    pub(crate) fn differs(&self, one: usize, other: usize, from: u64, length: u64) -> bool {
        let (first, last) = (one.min(other), one.max(other));
        let between = self.changes.get(first..last).unwrap_or_default();
        between.iter().any(|(at, _)| (from..from + length).contains(at))
    }

    /// Whether a server holds the bytes of that version.
    pub(crate) fn is_stored(&self, stored: &Spans, version: usize) -> bool {
        stored.is_exact(self.size, |span| {
            !self.differs(span.version, version, span.from, span.length)
        })
    }

    /// Whether a look at the file tells that it is not that version any more.
    pub(crate) fn shows_change(&self, since: usize) -> bool {
        self.identity_of(since) != self.identity_of(self.version())
    }

    /// What the file system told of that version.
    pub(crate) fn identity_of(&self, version: usize) -> Identity {
        let count = |leaves: fn(Trace) -> bool| {
            let changes = self.changes.iter().take(version);
            let count = changes.filter(|(_, trace)| leaves(*trace)).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        let modified_s = count(|trace| trace == Trace::TimeStamp);
        let changed_s = count(|trace| trace != Trace::Nothing);
        Identity {
            size: self.size,
            modified_s,
            modified_ns: 0,
            device: 1,
            inode: 1,
            changed: Some((changed_s, 0)),
            attributes: Attributes::default(),
        }
    }
}

impl Bytes for Source {
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        buffer.fill(PLAIN);
        for (version, (at, _)) in (1..).zip(&self.changes) {
            let place = at.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
            if let Some(byte) = place.and_then(|at| buffer.get_mut(at)) {
                *byte = PLAIN.wrapping_add(version);
            }
        }
        Ok(count)
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(Some(self.identity_of(self.version())))
    }
}

#[cfg(test)]
mod tests {
    use bitsup_core::journal::Difference;

    use super::*;

    #[test]
    fn a_version_differs_from_the_next_in_its_byte() {
        let mut source = Source::new(10);
        source.change(4, Trace::Nothing);
        assert!(!source.shows_change(0));
        source.change(6, Trace::TimeStamp);
        assert!(source.shows_change(0) && source.shows_change(1) && !source.shows_change(2));
        let mut buffer = [0; 8];
        assert_eq!(source.read(&mut buffer, 3).expect("read"), 7);
        assert_eq!(buffer, [7, 8, 7, 9, 7, 7, 7, 0]);
        assert!(source.differs(0, 1, 4, 1) && source.differs(2, 0, 0, 5));
        assert!(!source.differs(1, 2, 0, 6) && !source.differs(0, 2, 5, 1));
        source.change(10, Trace::ChangeTime);
        assert!(source.shows_change(2) && !source.differs(2, 3, 0, 10));
        let difference = source.identity_of(2).compare(&source.identity_of(3));
        assert_eq!(difference, Difference::Unclear { is_explained: false });
    }
}
