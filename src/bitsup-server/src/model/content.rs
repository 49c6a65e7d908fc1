//! What a server holds of a file.

use std::fmt;

/// The bytes of a file, or what stands for them.
pub trait Content: Clone + Default + fmt::Debug {
    /// The body of a Fragment.
    type Body: ?Sized;

    /// How many bytes a body has.
    fn body_length(body: &Self::Body) -> u64;

    /// How many bytes are stored.
    fn length(&self) -> u64;

    /// Writes a body at `at`, without its first `skipped` bytes. Bytes that were never sent fill a gap.
    fn write(&mut self, at: u64, body: &Self::Body, skipped: u64);

    /// Removes all bytes from `length` on.
    fn truncate(&mut self, length: u64);

    /// Appends bytes that are not the file's; `salt` tells one such file from another.
    fn append_foreign(&mut self, length: u64, salt: u8);

    /// As many bytes that are not the file's.
    #[must_use]
    fn foreign(length: u64, salt: u8) -> Self {
        let mut content = Self::default();
        content.append_foreign(length, salt);
        content
    }
}

impl Content for Vec<u8> {
    type Body = [u8];

    fn body_length(body: &[u8]) -> u64 {
        body.len() as u64
    }

    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn write(&mut self, at: u64, body: &[u8], skipped: u64) {
        let at = at as usize;
        let body = body.get(skipped as usize..).unwrap_or_default();
        self.resize(self.len().max(at + body.len()), 0);
        self[at..at + body.len()].copy_from_slice(body);
    }

    fn truncate(&mut self, length: u64) {
        self.truncate(length as usize);
    }

    fn append_foreign(&mut self, length: u64, salt: u8) {
        // None of them is like the bytes of any other file.
        self.extend((0..length).map(|at| (at as u8).wrapping_mul(31) ^ salt));
    }
}

/// Bytes of a file that is not kept in memory, as the body of a Fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where the first one lies in the file.
    pub from: u64,
    /// Which version of the file they are of.
    pub version: usize,
    /// How many they are.
    pub length: u64,
}

/// A stored file without its bytes: which part is from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    parts: Vec<Part>,
    length: u64,
}

/// Stored bytes in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    /// Where the first one lies in which version of the file; `None` for bytes that are not the file's.
    from: Option<(u64, usize)>,
    length: u64,
}

impl Spans {
    /// Whether each byte is in its place, none is missing of `size`, and `same` says of each part that it is right.
    pub fn is_exact(&self, size: u64, mut same: impl FnMut(Span) -> bool) -> bool {
        let mut at = 0;
        for Part { from, length } in self.parts.iter().copied() {
            let Some((from, version)) = from.filter(|(from, _)| *from == at) else { return false };
            if !same(Span { from, version, length }) {
                return false;
            }
            at += length;
        }
        at == size
    }

    /// The stored bytes in order; `None` stands for those that are not the file's.
    pub fn parts(&self) -> impl Iterator<Item = Option<Span>> {
        self.parts.iter().map(|&Part { from, length }| {
            from.map(|(from, version)| Span { from, version, length })
        })
    }

    /// What lies behind `length`.
    fn skip(&self, length: u64) -> Self {
        let (mut rest, mut at) = (Self::default(), 0);
        for Part { from, length: own } in &self.parts {
            let passed = length.saturating_sub(at).min(*own);
            let from = from.map(|(first, version)| (first + passed, version));
            rest.push(from, own - passed);
            at += own;
        }
        rest
    }

    /// Appends; a file ends at the last byte that a `u64` counts, as on a disk that is full.
    fn push(&mut self, from: Option<(u64, usize)>, length: u64) {
        let length = length.min(u64::MAX - self.length);
        if length == 0 {
            return;
        }
        self.length += length;
        if let Some(last) = self.parts.last_mut() {
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
        self.parts.push(Part { from, length });
    }
}

impl Content for Spans {
    type Body = Span;

    fn body_length(body: &Span) -> u64 {
        body.length
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn write(&mut self, at: u64, body: &Span, skipped: u64) {
        let skipped = skipped.min(body.length);
        let (from, length) = (body.from + skipped, body.length - skipped);
        self.push(None, at.saturating_sub(self.length));
        let tail = self.skip(at.saturating_add(length));
        self.truncate(at);
        self.push(Some((from, body.version)), length);
        for part in tail.parts {
            self.push(part.from, part.length);
        }
    }

    fn truncate(&mut self, length: u64) {
        while self.length > length {
            let Some(last) = self.parts.last_mut() else { break };
            let excess = (self.length - length).min(last.length);
            last.length -= excess;
            self.length -= excess;
            if last.length == 0 {
                self.parts.pop();
            }
        }
    }

    fn append_foreign(&mut self, length: u64, _: u8) {
        self.push(None, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(spans: &mut Spans, at: u64, from: u64, version: usize, length: u64) {
        spans.write(at, &Span { from, version, length }, 0);
    }

    fn is_exact(spans: &Spans, size: u64, version: usize) -> bool {
        // Of two versions, byte 8 differs.
        spans.is_exact(size, |span| {
            span.version == version || !(span.from..span.from + span.length).contains(&8)
        })
    }

    #[test]
    fn a_file_ends_at_the_last_byte_that_is_counted() {
        let mut spans = Spans::default();
        write(&mut spans, 0, 0, 0, u64::MAX - 2);
        write(&mut spans, u64::MAX - 2, 0, 0, 9);
        spans.append_foreign(4, 0);
        assert_eq!(spans.length(), u64::MAX);
        assert!(!is_exact(&spans, u64::MAX, 0));
    }

    #[test]
    fn only_each_byte_once_in_its_place_is_exact() {
        let mut spans = Spans::default();
        assert!(is_exact(&spans, 0, 0) && !is_exact(&spans, 1, 0));
        write(&mut spans, 0, 0, 0, 5);
        write(&mut spans, 5, 5, 0, 5);
        assert!(is_exact(&spans, 10, 0) && spans.parts.len() == 1);
        write(&mut spans, 10, 9, 0, 1);
        assert!(!is_exact(&spans, 10, 0) && !is_exact(&spans, 11, 0));
        spans.truncate(7);
        assert_eq!((spans.length(), is_exact(&spans, 7, 0)), (7, true));
        spans.append_foreign(1, 0);
        write(&mut spans, 8, 8, 0, 2);
        assert!(spans.length() == 10 && !is_exact(&spans, 10, 0));
        spans.truncate(7);
        write(&mut spans, 7, 7, 0, 3);
        assert!(is_exact(&spans, 10, 0) && !is_exact(&spans, 10, 1));
        spans.truncate(8);
        write(&mut spans, 8, 8, 1, 2);
        assert!(!is_exact(&spans, 10, 0) && is_exact(&spans, 10, 1));
        spans.truncate(0);
        assert_eq!(spans, Spans::default());
    }

    /// Both kinds do the same: each byte that was written is where it was written, and gaps are filled.
    #[test]
    fn bytes_are_written_over_others_and_beyond_the_end() {
        let (mut bytes, mut spans) = (Vec::new(), Spans::default());
        for (at, from, length, skipped) in
            [(0, 0, 6, 0), (4, 4, 4, 0), (2, 2, 1, 0), (6, 4, 6, 2), (12, 12, 3, 0), (11, 11, 1, 9)]
        {
            let body: Vec<u8> = (from..from + length).map(|at| at as u8 + 1).collect();
            Content::write(&mut bytes, at, &body, skipped);
            spans.write(at, &Span { from, version: 0, length }, skipped);
            assert_eq!(bytes.length(), spans.length());
            let same = bytes.iter().zip(1..).all(|(byte, place)| *byte == place);
            assert_eq!(same, is_exact(&spans, spans.length(), 0), "{bytes:?} {spans:?}");
        }
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 13, 14, 15]);
    }
}
