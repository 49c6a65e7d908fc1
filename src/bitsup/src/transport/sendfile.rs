//! Long bodies from a file, which go past libcurl.
//!
//! libcurl copies each byte of a body to its buffer and from there to the connection; the system
//! can send pages of a file without either copy. So libcurl gets a request without a body, with a
//! `Content-Length` among its header lines. When it has sent the last of them, the body is put on the
//! connection here, while libcurl waits for the answer on it.
//!
//! Not where something stands between the bytes and the connection, or libcurl may have to send
//! them again: TLS, and the logins that it drives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use curl::multi::WaitFd;
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use socket2::Socket;

use super::curl_handler::{DirectBody, ExchangeHandler};
use super::exchange::{ConnectionId, SendResult};
use super::pinned_connection::{PinnedConnection, State};

/// A body has its turn so often before those of other connections have theirs.
const TURNS: usize = 4;

/// What became of a connection's body.
pub(super) enum SendProgress {
    /// There is none, or it waits for something.
    Nothing,
    /// There is more to send at once.
    More,
    /// The exchange has to end.
    Stopped,
}

/// Sends what the TCP connection takes of its body.
pub(super) fn pass(pinned: &mut PinnedConnection) -> SendProgress {
    for _ in 0..TURNS {
        if handler_of(pinned).is_none_or(|handler| handler.direct_body() != DirectBody::Writable) {
            return SendProgress::Nothing;
        }
        pinned.pass_body();
        if handler_of(pinned).is_some_and(ExchangeHandler::has_stopped) {
            return SendProgress::Stopped;
        }
    }
    SendProgress::More
}

fn handler_of(pinned: &PinnedConnection) -> Option<&ExchangeHandler> {
    match &pinned.state {
        State::Running(running) => Some(running.handle.get_ref()),
        _ => None,
    }
}

/// The connections that take no more for now, for the wait that notices when they do.
pub(super) fn full_connections(
    connections: &BTreeMap<ConnectionId, PinnedConnection>,
) -> (Vec<ConnectionId>, Vec<WaitFd>) {
    let full =
        connections.iter().filter_map(|(id, pinned)| Some((*id, raw(pinned.full_connection()?))));
    full.map(|(id, socket)| {
        let mut wait = WaitFd::new();
        wait.set_fd(socket);
        wait.poll_on_write(true);
        (id, wait)
    })
    .unzip()
}

/// Notes which of them do.
pub(super) fn note_room(
    connections: &mut BTreeMap<ConnectionId, PinnedConnection>,
    waited: &[ConnectionId],
    full: &[WaitFd],
) {
    for (id, wait) in waited.iter().zip(full) {
        if wait.received_write()
            && let Some(PinnedConnection { state: State::Running(running), .. }) =
                connections.get_mut(id)
        {
            running.handle.get_mut().has_room();
        }
    }
}

#[cfg(unix)]
fn raw(socket: &Socket) -> curl::multi::Socket {
    std::os::fd::AsRawFd::as_raw_fd(socket)
}

#[cfg(windows)]
fn raw(socket: &Socket) -> curl::multi::Socket {
    std::os::windows::io::AsRawSocket::as_raw_socket(socket)
}

/// Whether [`from_file`] can be used here.
pub(crate) const IS_KNOWN: bool = cfg!(target_os = "linux");

/// Sends up to `most` bytes of a file that are in memory; `Wait` where a worker, which may block, has to read them.
#[cfg(target_os = "linux")]
pub(crate) fn from_file(
    connection: &Socket,
    file: &File,
    mut offset: u64,
    most: usize,
) -> SendResult {
    loop {
        return match rustix::fs::sendfile(connection, file, Some(&mut offset), most) {
            // The file ends here.
            Ok(0) => SendResult::Failed(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => SendResult::Bytes(count),
            Err(Errno::INTR) => continue,
            Err(error) => refused(error),
        };
    }
}

/// What an error of `sendfile` means: of the connection, or that the file is to be read, which
/// tells what is wrong with it if anything is.
#[cfg(target_os = "linux")]
pub(crate) fn refused(error: Errno) -> SendResult {
    match error {
        Errno::AGAIN => SendResult::Full,
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
        | Errno::NOTSOCK => SendResult::Lost,
        _ => SendResult::Wait,
    }
}

/// Sends some of these bytes.
#[cfg(target_os = "linux")]
pub(crate) fn send(connection: &Socket, bytes: &[u8]) -> SendResult {
    loop {
        return match connection.send_with_flags(bytes, libc::MSG_NOSIGNAL) {
            Ok(count) => SendResult::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => SendResult::Full,
            Err(_) => SendResult::Lost,
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn from_file(_: &Socket, _: &File, _: u64, _: usize) -> SendResult {
    SendResult::Wait
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn send(_: &Socket, _: &[u8]) -> SendResult {
    SendResult::Lost
}
