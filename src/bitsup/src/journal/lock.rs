//! How a session is locked against a second process and a second upload of this one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

use super::folder::Folder;
pub(super) use system::{IS_SHARED, is_held, name};

/// The locks of this process in one folder.
#[derive(Debug)]
pub(super) struct Locks {
    folder: Arc<Folder>,
    process: u32,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Open while something is locked, where it is one file for all. A child that was forked keeps the open file, and
    /// with it what is locked later too, so no upload finds it open when none runs.
    file: Option<Arc<File>>,
    ids: HashSet<String>,
}

/// A lock that is held until this is dropped, by the process that took it.
#[derive(Debug)]
pub(super) struct Lock {
    locks: Arc<Locks>,
    id: String,
    file: Arc<File>,
}

impl Locks {
    pub(super) fn new(folder: Arc<Folder>) -> Self {
        Self { folder, process: std::process::id(), held: Mutex::default() }
    }

    /// Whether this is not a child that was forked, in which a mutex may be locked for ever.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Takes a lock. `None`: another process or upload has it.
    pub(super) fn try_lock(self: &Arc<Self>, id: &str) -> io::Result<Option<Lock>> {
        let mut held = self.held();
        if held.ids.contains(id) {
            return Ok(None);
        }
        loop {
            // One that was removed is no lock.
            let opened = held.file.take().filter(|file| self.folder.is_at(&name(id), file));
            let is_new = opened.is_none();
            let file = opened.map_or_else(|| self.open(id), Ok)?;
            if !system::try_acquire(&file, id)? {
                held.file = IS_SHARED.then_some(file);
                return Ok(None);
            }
            // It may have been removed before it was locked: then ours is no lock.
            if is_new && !self.folder.is_at(&name(id), &file) {
                continue;
            }
            held.file = IS_SHARED.then(|| Arc::clone(&file));
            held.ids.insert(id.to_owned());
            return Ok(Some(Lock { locks: Arc::clone(self), id: id.to_owned(), file }));
        }
    }

    /// Writable, since some network file systems lock nothing else for one process alone.
    fn open(&self, id: &str) -> io::Result<Arc<File>> {
        let file = self.folder.open_file(&name(id), OFlags::RDWR | OFlags::CREATE)?;
        file.map(Arc::new).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.locks.is_ours() {
            let mut held = self.locks.held();
            held.ids.remove(&self.id);
            if held.ids.is_empty() {
                held.file = None;
            }
            // At worst it is held as long as the process lives.
            let _ = system::release(&self.file, &self.id);
        }
    }
}

/// One file for all sessions: a session's lock is the byte at its number. It belongs to the open file, so that a
/// second upload of the same process conflicts too and a child that was forked keeps it.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};

    use super::{Cow, File, io};

    /// Whether other sessions' locks are in the same file, which then stays.
    pub(crate) const IS_SHARED: bool = true;

    /// The name of the file with a session's lock.
    pub(crate) fn name(_: &str) -> Cow<'static, str> {
        "lock".into()
    }

    /// Locks a session as long as the file is open. `false`: another open file has the lock.
    pub(crate) fn try_acquire(file: &File, id: &str) -> io::Result<bool> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&byte(id, libc::F_WRLCK)?)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Frees a lock of that open file.
    pub(crate) fn release(file: &File, id: &str) -> io::Result<()> {
        fcntl(file, FcntlArg::F_OFD_SETLK(&byte(id, libc::F_UNLCK)?))?;
        Ok(())
    }

    /// Whether an open file has the lock; takes none.
    pub(crate) fn is_held(file: &File, id: &str) -> io::Result<bool> {
        let mut lock = byte(id, libc::F_WRLCK)?;
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(libc::c_int::from(lock.l_type) != libc::F_UNLCK)
    }

    /// A lock of the byte at the session's number, without the bits that an offset cannot hold.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the type's size differs by target"
    )]
    fn byte(id: &str, kind: libc::c_int) -> io::Result<libc::flock> {
        let number = u64::from_str_radix(id, 16).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: number as libc::off_t & libc::off_t::MAX,
            l_len: 1,
            l_pid: 0,
        })
    }
}

/// A file a session, since other systems lock whole files only.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    use super::{Cow, File, io};

    /// Whether other sessions' locks are in the same file, which then stays.
    pub(crate) const IS_SHARED: bool = false;

    /// The name of the file with a session's lock.
    pub(crate) fn name(id: &str) -> Cow<'static, str> {
        format!("{id}.lock").into()
    }

    /// Locks a session as long as the file is open. `false`: another open file has the lock.
    pub(crate) fn try_acquire(file: &File, _: &str) -> io::Result<bool> {
        is_free(file, FlockOperation::NonBlockingLockExclusive)
    }

    /// Frees the lock, of which the file is closed.
    pub(crate) fn release(file: &File, _: &str) -> io::Result<()> {
        Ok(flock(file, FlockOperation::Unlock)?)
    }

    /// Whether an open file has the lock, which is taken for a moment.
    pub(crate) fn is_held(file: &File, _: &str) -> io::Result<bool> {
        Ok(!is_free(file, FlockOperation::NonBlockingLockShared)?)
    }

    fn is_free(file: &File, operation: FlockOperation) -> io::Result<bool> {
        match flock(file, operation) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
