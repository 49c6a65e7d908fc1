//! How a session is locked against a second process and a second upload of this one.

use std::borrow::Cow;
use std::fs::File;
use std::io;

pub(super) use system::{IS_SHARED, is_held, name, try_acquire};

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
        match fcntl(file, FcntlArg::F_OFD_SETLK(&byte(id)?)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an open file has the lock; takes none.
    pub(crate) fn is_held(file: &File, id: &str) -> io::Result<bool> {
        let mut lock = byte(id)?;
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(libc::c_int::from(lock.l_type) != libc::F_UNLCK)
    }

    /// A write lock of the byte at the session's number, without the bits that an offset cannot hold.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the type's size differs by target"
    )]
    fn byte(id: &str) -> io::Result<libc::flock> {
        let number = u64::from_str_radix(id, 16).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
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
