//! A buffer that is used again and again.

use std::io;
use std::ops::Deref;

/// The bytes of the last read. The room for them is filled with zeros once, not before each read: a source may give a few
/// bytes at a time.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    room: Vec<u8>,
    length: usize,
}

impl Chunk {
    /// Reads at most this number of bytes; there are none after an error.
    pub(crate) fn read(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.length = 0;
        self.length = read(self.make_room(most))?.min(most);
        Ok(())
    }

    /// Holds these bytes.
    pub(crate) fn copy_from(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len()).copy_from_slice(bytes);
        self.length = bytes.len();
    }

    /// Whether it has never held anything.
    pub(crate) fn is_new(&self) -> bool {
        self.room.is_empty()
    }

    fn make_room(&mut self, length: usize) -> &mut [u8] {
        if self.room.len() < length {
            self.room.resize(length, 0);
        }
        self.room.split_at_mut(length).0
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_once_and_old_bytes_are_not_shown() {
        let mut chunk = Chunk::default();
        assert!(chunk.is_new() && chunk.is_empty());
        chunk.copy_from(b"abcdef");
        assert_eq!(&*chunk, b"abcdef");
        let read = chunk.read(4, |room| {
            assert_eq!(room, b"abcd", "what is there is not cleared");
            room[..2].copy_from_slice(b"xy");
            Ok(2)
        });
        assert!(read.is_ok() && &*chunk == b"xy");
        chunk.copy_from(b"123");
        assert_eq!(&*chunk, b"123");
        let read = chunk.read(9, |room| {
            assert_eq!(room.len(), 9);
            Err(io::ErrorKind::WouldBlock.into())
        });
        assert!(read.is_err() && chunk.is_empty() && !chunk.is_new());
        assert!(chunk.read(2, |_| Ok(usize::MAX)).is_ok() && chunk.len() == 2);
    }
}
