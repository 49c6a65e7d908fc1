//! Bytes of a file on their way to a connection without a copy of ours: Linux only so far.

use std::fs::File;
use std::io;

#[cfg(target_os = "linux")]
use rustix::io::Errno;
use socket2::Socket;

use crate::transport::BodyPass;

/// Whether [`from_file`] can be used here.
pub(crate) const IS_KNOWN: bool = cfg!(target_os = "linux");

/// Sends up to `most` bytes of a file that are in memory; `Wait` where somebody who may wait has to read them.
#[cfg(target_os = "linux")]
pub(crate) fn from_file(
    connection: &Socket,
    file: &File,
    mut offset: u64,
    most: usize,
) -> BodyPass {
    loop {
        return match rustix::fs::sendfile(connection, file, Some(&mut offset), most) {
            // The file ends here.
            Ok(0) => BodyPass::Failed(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => BodyPass::Bytes(count),
            Err(Errno::INTR) => continue,
            Err(error) => refused(error),
        };
    }
}

/// What an error of `sendfile` means: of the connection, or that the file is to be read, which
/// tells what is wrong with it if anything is.
#[cfg(target_os = "linux")]
pub(crate) fn refused(error: Errno) -> BodyPass {
    match error {
        Errno::AGAIN => BodyPass::Full,
        Errno::PIPE
        | Errno::CONNRESET
        | Errno::CONNABORTED
        | Errno::CONNREFUSED
        | Errno::NOTCONN
        | Errno::SHUTDOWN
        | Errno::TIMEDOUT
        | Errno::HOSTUNREACH
        | Errno::HOSTDOWN
        | Errno::NETUNREACH
        | Errno::NETDOWN
        | Errno::NETRESET
        | Errno::NOTSOCK => BodyPass::Lost,
        _ => BodyPass::Wait,
    }
}

/// Sends some of these bytes.
#[cfg(target_os = "linux")]
pub(crate) fn send(connection: &Socket, bytes: &[u8]) -> BodyPass {
    loop {
        return match connection.send_with_flags(bytes, libc::MSG_NOSIGNAL) {
            Ok(count) => BodyPass::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => BodyPass::Full,
            Err(_) => BodyPass::Lost,
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn from_file(_: &Socket, _: &File, _: u64, _: usize) -> BodyPass {
    BodyPass::Wait
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn send(_: &Socket, _: &[u8]) -> BodyPass {
    BodyPass::Lost
}
