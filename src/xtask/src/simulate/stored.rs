//! What a server holds of a file, without the bytes: which stretch came from which offset of the source.

/// A stretch of stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// Where its first byte lies in the source; `None` for bytes that nobody sent.
    from: Option<u64>,
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

    /// Appends bytes that lie at `from` in the source.
    pub(crate) fn append(&mut self, from: u64, length: u64) {
        self.push(Some(from), length);
    }

    /// Appends bytes that nobody sent.
    pub(crate) fn append_hole(&mut self, length: u64) {
        self.push(None, length);
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

    /// Whether these are the source's `size` bytes, each in its place.
    pub(crate) fn is_exact(&self, size: u64) -> bool {
        let mut at = 0;
        for stretch in &self.stretches {
            if stretch.from != Some(at) {
                return false;
            }
            at += stretch.length;
        }
        at == size
    }

    fn push(&mut self, from: Option<u64>, length: u64) {
        if length == 0 {
            return;
        }
        self.length += length;
        if let Some(last) = self.stretches.last_mut() {
            let goes_on = match (last.from, from) {
                (Some(first), Some(from)) => first + last.length == from,
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
        assert!(stored.is_exact(0) && !stored.is_exact(1));
        stored.append(0, 5);
        stored.append(5, 5);
        assert!(stored.is_exact(10) && stored.stretches.len() == 1);
        stored.append(9, 1);
        assert!(!stored.is_exact(10) && !stored.is_exact(11));
        stored.truncate(7);
        assert_eq!((stored.length(), stored.is_exact(7)), (7, true));
        stored.append_hole(1);
        stored.append(8, 2);
        assert!(stored.length() == 10 && !stored.is_exact(10));
        stored.truncate(7);
        stored.append(7, 3);
        assert!(stored.is_exact(10));
        stored.truncate(0);
        assert_eq!(stored, Stored::default());
    }
}
