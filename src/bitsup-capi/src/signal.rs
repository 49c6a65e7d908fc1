//! The file descriptor that becomes readable when callbacks wait.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Two connected sockets: one is written when an event waits, the caller polls the other.
pub(crate) struct Signal {
    poll: UnixStream,
    raise: UnixStream,
}

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        let (poll, raise) = UnixStream::pair()?;
        poll.set_nonblocking(true)?;
        raise.set_nonblocking(true)?;
        Ok(Self { poll, raise })
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Never waits: where the buffer is full, the descriptor is readable already.
    pub(crate) fn raise(&self) {
        let _ = (&self.raise).write(&[1]);
    }

    pub(crate) fn clear(&self) {
        let mut bytes = [0; 1024];
        while (&self.poll).read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_signals_is_cleared_at_once() {
        let signal = Signal::new().expect("two sockets");
        for _ in 0..1_000_000 {
            signal.raise();
        }
        signal.clear();
        let mut byte = [0];
        let empty = (&signal.poll).read(&mut byte).expect_err("nothing is left");
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        signal.raise();
        assert_eq!((&signal.poll).read(&mut byte).expect("one is there"), 1);
    }
}
