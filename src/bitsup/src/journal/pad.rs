//! The lock file as a scratch pad: what must be on disk sooner than a file can be replaced.
//!
//! MC-BUP has no way to find a session whose id is not known. Between the server's making of a
//! session and the moment its id is on disk, the end of the process loses it, and the server
//! holds it for days. So what follows the answer is one write to a file that is open already,
//! and nothing else. What cannot be helped (the answer never arrived, or not a single
//! instruction was left to read it) is said by the next run: a mark is on the pad from before
//! the request goes out.
//!
//! The pad is valid until the journal is written the next time. It may be lost in a power
//! cut: then there is no session known, as without it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A Create-Session is on its way.
const CREATING: &[u8] = b"creating\n";

/// The pad of a journal that this process holds the lock of.
#[derive(Debug)]
pub(super) struct Pad {
    file: File,
    used: AtomicBool,
}

impl Pad {
    pub(super) fn new(lock: File) -> Self {
        let used = lock.metadata().is_ok_and(|metadata| metadata.len() > 0);
        Self { file: lock, used: AtomicBool::new(used) }
    }

    pub(super) fn creating(&self) -> io::Result<()> {
        self.clear()?;
        self.used.store(true, Ordering::Relaxed);
        self.file.write_all_at(CREATING, 0)
    }

    /// Longer than the mark, which it covers with the same write.
    pub(super) fn created(&self, journal: &str) -> io::Result<()> {
        self.used.store(true, Ordering::Relaxed);
        self.file.write_all_at(journal.as_bytes(), 0)
    }

    pub(super) fn clear(&self) -> io::Result<()> {
        if self.used.swap(false, Ordering::Relaxed) {
            self.file.set_len(0)?;
        }
        Ok(())
    }
}

/// A journal on the pad; whether it is whole is for the reader to see.
pub(super) fn noted(path: &Path) -> Option<Vec<u8>> {
    let bytes = super::read_own(path).ok()??;
    (!bytes.is_empty() && bytes != CREATING).then_some(bytes)
}

/// Whether a Create-Session was on its way when the process ended.
pub(super) fn lost_a_session(path: &Path) -> bool {
    super::read_own(path).is_ok_and(|bytes| bytes.is_some_and(|bytes| bytes == CREATING))
}
