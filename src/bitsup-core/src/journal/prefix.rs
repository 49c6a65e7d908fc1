//! Hashes of what the server has acknowledged, to compare a source with what it was.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::Identity;

/// One hash for each block of this size: small enough that a resume reads the last block
/// at once, large enough that the hashes of a terabyte take 2 MB.
pub const BLOCK: u64 = 8 * 1024 * 1024;
/// Read at a time while hashing: what fits into a processor's cache is hashed from there.
const CHUNK: usize = 64 * 1024;

/// A source to read from.
pub trait Bytes {
    /// Reads at least one byte at `offset` into `buffer`, unless `offset` is the end: then 0.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The same of what is in memory; `WouldBlock` for what is not.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read(buffer, offset)
    }

    /// What the file system tells of it now, if there is one.
    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }
}

/// Which bytes of a source are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Those in memory.
    Cached,
    /// All, also where that waits for a disk.
    All,
}

/// Hashes of the first bytes of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// XXH3 of each whole block.
    blocks: Vec<u64>,
    /// Length and XXH3 of what follows them, less than a block.
    tail_length: u64,
    tail: u64,
}

impl Prefix {
    /// How many bytes the hashes stand for.
    #[must_use]
    pub fn length(&self) -> u64 {
        (self.blocks.len() as u64).saturating_mul(BLOCK).saturating_add(self.tail_length)
    }

    /// Forgets what is behind the first `length` bytes, down to the block that they end in.
    pub(super) fn limit(&mut self, length: u64) {
        if length < self.length() {
            self.blocks.truncate(usize::try_from(length / BLOCK).unwrap_or(usize::MAX));
            (self.tail_length, self.tail) = (0, 0);
        }
    }

    /// Whether the tail is less than a block, as in all that this program writes.
    #[must_use]
    pub(super) fn is_whole(&self) -> bool {
        self.tail_length < BLOCK && (self.tail_length > 0 || self.tail == 0)
    }

    /// One number for all whole blocks.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self.blocks.iter().flat_map(|block| block.to_le_bytes()).collect();
        xxh3_64(&bytes)
    }

    /// How many whole blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Length and hash of what follows the whole blocks.
    #[must_use]
    pub fn tail(&self) -> (u64, u64) {
        (self.tail_length, self.tail)
    }

    /// The same bytes, known by one number for the blocks and the tail.
    #[must_use]
    pub fn agrees_with(&self, blocks: usize, digest: u64, tail: (u64, u64)) -> bool {
        self.blocks.len() == blocks && self.digest() == digest && self.tail() == tail
    }

    /// Whether the source's bytes behind the last whole block are still the same; if there
    /// are none, the last whole block.
    pub fn check_end(&self, source: &impl Bytes) -> io::Result<bool> {
        let whole = self.blocks.len() as u64;
        if self.tail_length > 0 {
            return Ok(hash(source, whole * BLOCK, self.tail_length)? == Some(self.tail));
        }
        match self.blocks.last() {
            Some(last) => Ok(hash(source, (whole - 1) * BLOCK, BLOCK)? == Some(*last)),
            None => Ok(true),
        }
    }

    /// Whether all are still the same; asks `go_on` between blocks.
    pub fn check_all(&self, source: &impl Bytes, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        Ok(self.check_end(source)? && self.check_blocks(source, go_on)?)
    }

    /// Whether all whole blocks are still the same; asks `go_on` between them.
    pub fn check_blocks(&self, source: &impl Bytes, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        for (at, block) in (0..).zip(&self.blocks) {
            if !go_on() {
                return Ok(true);
            }
            if hash(source, at * BLOCK, BLOCK)? != Some(*block) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Hashes a source as the acknowledged offset moves on.
#[derive(Clone, Default)]
pub(super) struct Hasher {
    prefix: Prefix,
    tail: Xxh3Default,
}

/// Where a hasher stood.
pub(super) struct Mark {
    blocks: usize,
    rest: (u64, u64),
    tail: Xxh3Default,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Hasher {
    /// Goes on behind the whole blocks of an earlier run; the tail is read again.
    #[must_use]
    pub(super) fn continuing(prefix: &Prefix) -> Self {
        let blocks = prefix.blocks.clone();
        Self { prefix: Prefix { blocks, ..Prefix::default() }, tail: Xxh3Default::new() }
    }

    /// The hashes so far.
    #[must_use]
    pub(super) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Forgets what is behind the first `length` bytes, down to the block that they end in.
    pub(super) fn limit(&mut self, length: u64) {
        if length < self.prefix.length() {
            self.prefix.limit(length);
            self.tail.reset();
        }
    }

    /// What [`Self::go_back`] needs to undo the next step.
    pub(super) fn mark(&self) -> Mark {
        let Prefix { blocks, tail_length, tail } = &self.prefix;
        Mark { blocks: blocks.len(), rest: (*tail_length, *tail), tail: self.tail.clone() }
    }

    /// Undoes the step since that mark.
    pub(super) fn go_back(&mut self, mark: Mark) {
        self.prefix.blocks.truncate(mark.blocks);
        (self.prefix.tail_length, self.prefix.tail) = mark.rest;
        self.tail = mark.tail;
    }

    /// Covers the first `length` bytes, at most to the end of the block that the hashes end in. After an error
    /// what was read before it is covered.
    pub(super) fn advance(
        &mut self,
        source: &impl Bytes,
        length: u64,
        reads: Reads,
    ) -> io::Result<()> {
        let block_end = (self.prefix.blocks.len() as u64 + 1).saturating_mul(BLOCK);
        let read = self.read_to(source, length.min(block_end), reads);
        if self.prefix.tail_length == BLOCK {
            self.prefix.blocks.push(self.tail.digest());
            self.prefix.tail_length = 0;
            self.tail.reset();
        }
        self.prefix.tail = if self.prefix.tail_length > 0 { self.tail.digest() } else { 0 };
        read
    }

    fn read_to(&mut self, source: &impl Bytes, end: u64, reads: Reads) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        while self.prefix.length() < end {
            let at = self.prefix.length();
            let wanted = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
            let buffer = buffer.get_mut(..wanted).unwrap_or_default();
            let count = match reads {
                Reads::Cached => source.read_cached(buffer, at)?,
                Reads::All => source.read(buffer, at)?,
            };
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.tail.update(buffer.get(..count).unwrap_or_default());
            self.prefix.tail_length += count as u64;
        }
        Ok(())
    }
}

/// Whether the bytes behind the first `blocks` blocks have that hash.
pub fn check_tail(source: &impl Bytes, blocks: u64, length: u64, wanted: u64) -> io::Result<bool> {
    Ok(length == 0 || hash(source, blocks.saturating_mul(BLOCK), length)? == Some(wanted))
}

/// The hashes of a source's first bytes; `None` if `go_on` said no.
pub fn hash_prefix(
    source: &impl Bytes,
    length: u64,
    go_on: &dyn Fn() -> bool,
) -> io::Result<Option<Prefix>> {
    let mut hasher = Hasher::default();
    while hasher.prefix.length() < length {
        if !go_on() {
            return Ok(None);
        }
        hasher.advance(source, length, Reads::All)?;
    }
    Ok(Some(hasher.prefix))
}

/// The XXH3 of a range; `None` if the source ends before.
fn hash(source: &impl Bytes, from: u64, length: u64) -> io::Result<Option<u64>> {
    let mut hasher = Xxh3Default::new();
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
        let count = source.read(buffer.get_mut(..wanted).unwrap_or_default(), from + at)?;
        if count == 0 {
            return Ok(None);
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        at += count as u64;
    }
    Ok(Some(hasher.digest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Bytes for &[u8] {
        fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let mut rest = self.get(usize::try_from(offset).expect("small")..).unwrap_or_default();
            io::Read::read(&mut rest, buffer)
        }
    }

    #[test]
    fn a_prefix_is_the_same_however_it_was_reached() {
        let bytes: Vec<u8> =
            (0..20_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let source = &&bytes[..];
        let direct = hash_prefix(source, 17_000_001, &|| true).expect("read").expect("all");
        assert_eq!((direct.blocks(), direct.length()), (2, 17_000_001));
        let to = |hasher: &mut Hasher, length| {
            hasher.limit(length);
            while hasher.prefix.length() < length {
                hasher.advance(source, length, Reads::Cached).expect("read");
            }
        };
        let mut winding = Hasher::default();
        for length in [5, 9_000_000, 8_388_608, 1, 0, 16_777_216, 17_000_001] {
            to(&mut winding, length);
        }
        assert_eq!(winding.prefix, direct);
        let mut continued = Hasher::continuing(&direct);
        to(&mut continued, 17_000_001);
        assert_eq!(continued.prefix, direct);
        assert!(
            direct.check_end(source).expect("read")
                && direct.check_blocks(source, &|| true).expect("read")
        );
    }

    #[test]
    fn another_byte_anywhere_is_found() {
        let bytes = vec![7_u8; 17_000_000];
        let prefix = hash_prefix(&&bytes[..], 17_000_000, &|| true).expect("read").expect("all");
        for at in [0, 8_388_607, 8_388_608, 16_777_216, 16_999_999] {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let altered = &&altered[..];
            let end = prefix.check_end(altered).expect("read");
            let blocks = prefix.check_blocks(altered, &|| true).expect("read");
            assert!(!(end && blocks), "byte {at}");
        }
        assert!(!prefix.check_end(&&bytes[..16_999_999]).expect("read"));
    }
}
