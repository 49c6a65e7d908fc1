//! Standard input that can be left while it waits.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};

/// How long a stop may go unnoticed.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Reads standard input until it ends or `stop` is set: then reading fails, and what was
/// spooled so far is deleted by its owner.
pub(crate) struct StandardInput {
    stop: Arc<AtomicBool>,
}

impl StandardInput {
    pub(crate) fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop }
    }
}

/// An error if standard input was closed when the program was started. Rust's runtime (and Python's
/// launcher) then have the null device there, and have it open for writing too, as no shell does
/// with `</dev/null`.
pub(crate) fn check() -> io::Result<()> {
    let stdin = io::stdin();
    let access = fcntl_getfl(&stdin)? & OFlags::RWMODE;
    let (there, null) = (fstat(&stdin)?, stat("/dev/null"));
    let is_null = null.is_ok_and(|null| {
        FileType::from_raw_mode(there.st_mode) == FileType::CharacterDevice
            && null.st_rdev == there.st_rdev
    });
    if is_null && access == OFlags::RDWR {
        return Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "it is closed, or the null device",
        ));
    }
    Ok(())
}

impl Read for StandardInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped"));
            }
            let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut waiting, Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(&stdin, buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
