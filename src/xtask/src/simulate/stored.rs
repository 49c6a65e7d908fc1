//! What a server holds of a file, without the bytes: which stretch came from which offset of which version of
//! the source.

use super::source::Source;

/// A stretch of stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// Where its first byte lies in which version of the source; `None` for bytes that were never sent.
    from: Option<(u64, usize)>,
    length: u64,
}

/// The bytes of a stored file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    stretches: Vec<Stretch>,
    length: u64,
}

impl Stored {
    /// How many bytes are stored.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes that lie at `from` in that version of the source.
    pub(crate) fn append(&mut self, from: u64, version: usize, length: u64) {
        self.push(Some((from, version)), length);
    }

    /// Appends bytes that were never sent.
    pub(crate) fn append_hole(&mut self, length: u64) {
        self.push(None, length);
    }

    /// Writes bytes that lie at `from` in that version of the source where they belong; what lies
    /// between the end and there is a hole.
    pub(crate) fn write_at(&mut self, from: u64, version: usize, length: u64) {
        if from > self.length {
            self.append_hole(from - self.length);
        }
        let tail = self.split_off(from);
        self.append(from, version, length);
        let tail = tail.skip(length);
        for Stretch { from, length } in tail.stretches {
            self.push(from, length);
        }
    }

    /// Takes away what lies behind `length`.
    fn split_off(&mut self, length: u64) -> Self {
        let whole = self.clone();
        self.truncate(length);
        whole.skip(length)
    }

    /// What lies behind `length`.
    fn skip(&self, length: u64) -> Self {
        let (mut rest, mut at) = (Self::default(), 0);
        for Stretch { from, length: own } in &self.stretches {
            let passed = length.saturating_sub(at).min(*own);
            let from = from.map(|(first, version)| (first + passed, version));
            rest.push(from, own - passed);
            at += own;
        }
        rest
    }

    /// Throws away what lies behind `length`.
    pub(crate) fn truncate(&mut self, length: u64) {
        while self.length > length {
            let Some(last) = self.stretches.last_mut() else { break };
            let excess = (self.length - length).min(last.length);
            last.length -= excess;
            self.length -= excess;
            if last.length == 0 {
                self.stretches.pop();
            }
        }
    }

    /// Whether these are the bytes of that version of the source, each in its place.
    pub(crate) fn is_exact(&self, source: &Source, version: usize) -> bool {
        let mut at = 0;
        for Stretch { from, length } in &self.stretches {
            let Some((first, sent)) = *from else { return false };
            if first != at || source.differs(sent, version, at, *length) {
                return false;
            }
            at += length;
        }
        at == source.size()
    }

    fn push(&mut self, from: Option<(u64, usize)>, length: u64) {
        if length == 0 {
            return;
        }
        self.length += length;
        if let Some(last) = self.stretches.last_mut() {
            let goes_on = match (last.from, from) {
                (Some((first, one)), Some((from, other))) => {
                    first + last.length == from && one == other
                }
                (None, None) => true,
                _ => false,
            };
            if goes_on {
                last.length += length;
                return;
            }
        }
        self.stretches.push(Stretch { from, length });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_each_byte_once_in_its_place_is_exact() {
        let mut stored = Stored::default();
        assert!(stored.is_exact(&Source::new(0), 0) && !stored.is_exact(&Source::new(1), 0));
        stored.append(0, 0, 5);
        stored.append(5, 0, 5);
        assert!(stored.is_exact(&Source::new(10), 0) && stored.stretches.len() == 1);
        stored.append(9, 0, 1);
        assert!(!stored.is_exact(&Source::new(10), 0) && !stored.is_exact(&Source::new(11), 0));
        stored.truncate(7);
        assert_eq!((stored.length(), stored.is_exact(&Source::new(7), 0)), (7, true));
        stored.append_hole(1);
        stored.append(8, 0, 2);
        assert!(stored.length() == 10 && !stored.is_exact(&Source::new(10), 0));
        stored.truncate(7);
        stored.append(7, 0, 3);
        assert!(stored.is_exact(&Source::new(10), 0));
        let mut changed = Source::new(10);
        changed.change(8, super::super::source::Trace::Nothing);
        assert!(stored.is_exact(&changed, 0) && !stored.is_exact(&changed, 1));
        stored.truncate(8);
        stored.append(8, 1, 2);
        assert!(!stored.is_exact(&changed, 0) && stored.is_exact(&changed, 1));
        stored.truncate(0);
        assert_eq!(stored, Stored::default());
        stored.write_at(0, 0, 6);
        stored.write_at(4, 0, 4);
        stored.write_at(2, 0, 1);
        assert!(stored.is_exact(&Source::new(8), 0) && stored.length() == 8);
        stored.write_at(9, 0, 1);
        assert!(stored.length() == 10 && !stored.is_exact(&Source::new(10), 0));
        stored.write_at(8, 0, 1);
        assert!(stored.is_exact(&Source::new(10), 0));
    }
}
