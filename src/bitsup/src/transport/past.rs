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

use curl::multi::WaitFd;
use socket2::Socket;

use super::exchange::LaneId;
use super::lane::{Lane, State};
use super::wire::{Past, Wire};

/// A body has its turn so often before those of other lanes have theirs.
const TURNS: usize = 4;

/// What became of a lane's body.
pub(super) enum Passed {
    /// There is none, or it waits for something.
    Nothing,
    /// There is more to send at once.
    More,
    /// The exchange has to end.
    Stopped,
}

/// Sends what the lane's connection takes of its body.
pub(super) fn pass(lane: &mut Lane) -> Passed {
    for _ in 0..TURNS {
        if wire_of(lane).is_none_or(|wire| wire.past() != Past::Room) {
            return Passed::Nothing;
        }
        lane.pass_body();
        if wire_of(lane).is_some_and(Wire::has_stopped) {
            return Passed::Stopped;
        }
    }
    Passed::More
}

fn wire_of(lane: &Lane) -> Option<&Wire> {
    match &lane.state {
        State::Running(running) => Some(running.handle.get_ref()),
        _ => None,
    }
}

/// The connections that take no more for now, for the wait that notices when they do.
pub(super) fn full_connections(lanes: &BTreeMap<LaneId, Lane>) -> (Vec<LaneId>, Vec<WaitFd>) {
    let full = lanes.iter().filter_map(|(id, lane)| Some((*id, raw(lane.full_connection()?))));
    full.map(|(id, socket)| {
        let mut wait = WaitFd::new();
        wait.set_fd(socket);
        wait.poll_on_write(true);
        (id, wait)
    })
    .unzip()
}

/// Notes which of them do.
pub(super) fn note_room(lanes: &mut BTreeMap<LaneId, Lane>, waited: &[LaneId], full: &[WaitFd]) {
    for (id, wait) in waited.iter().zip(full) {
        if wait.received_write()
            && let Some(Lane { state: State::Running(running), .. }) = lanes.get_mut(id)
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
