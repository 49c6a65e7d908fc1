//! Bytes of a file on their way to a connection without a copy of ours: Linux only so far.

use std::fs::File;
use std::io;

use socket2::Socket;

/// What became of them.
#[derive(Debug)]
pub(crate) enum Passed {
    /// The system took so many; 0: the file ends here.
    Bytes(usize),
    /// They have to be read from the disk first, by somebody who may wait.
    NotInMemory,
    /// The connection takes no byte now.
    Full,
    /// The connection takes no byte any more.
    Lost,
    Failed(io::Error),
}

/// Whether [`from_file`] can be used here.
pub(crate) const IS_KNOWN: bool = cfg!(target_os = "linux");

/// Sends up to `most` bytes of a file that are in memory.
#[cfg(target_os = "linux")]
pub(crate) fn from_file(connection: &Socket, file: &File, mut offset: u64, most: usize) -> Passed {
    use rustix::io::Errno;
    loop {
        return match rustix::fs::sendfile(connection, file, Some(&mut offset), most) {
            Ok(count) => Passed::Bytes(count),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Passed::Full,
            // Of the file; what else can go wrong is of the connection.
            Err(error @ (Errno::IO | Errno::STALE | Errno::BADMSG)) => Passed::Failed(error.into()),
            // A file system that cannot.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Passed::NotInMemory,
            Err(_) => Passed::Lost,
        };
    }
}

/// Sends some of these bytes.
#[cfg(target_os = "linux")]
pub(crate) fn send(connection: &Socket, bytes: &[u8]) -> Passed {
    loop {
        return match connection.send_with_flags(bytes, libc::MSG_NOSIGNAL) {
            Ok(count) => Passed::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Passed::Full,
            Err(_) => Passed::Lost,
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn from_file(_: &Socket, _: &File, _: u64, _: usize) -> Passed {
    Passed::NotInMemory
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn send(_: &Socket, _: &[u8]) -> Passed {
    Passed::Lost
}
