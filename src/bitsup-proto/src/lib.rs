//! The client's side of the BITS Upload Protocol ([MC-BUP]) as data.
//!
//! No socket, no clock, no file and no randomness: a [`Session`] takes events
//! (`handle_*`, with the time and a random number as arguments) and answers
//! [`Session::poll_action`] with what to do next. The whole behaviour of an
//! upload can so be tested without a network.
//!
//! Where to start reading: [`session`], whose head states the driving contract;
//! then [`packet`] and [`ack`], the two directions of the wire; then
//! [`classify`], the one place that says what an answer means.
//!
//! Section numbers are those of [MC-BUP] revision 16.0.
//!
//! [MC-BUP]: https://learn.microsoft.com/openspecs/windows_protocols/mc-bup
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod ack;
pub mod checkpoint;
pub mod classify;
pub mod error;
pub mod explain;
pub mod fragment_size;
pub mod host;
pub mod hresult;
pub mod packet;
pub mod polite;
pub mod reply;
pub mod retry;
pub mod session;
pub mod text;
pub mod verify;

pub use ack::Ack;
pub use checkpoint::Checkpoint;
pub use error::{Error, ErrorKind, Remark};
pub use hresult::Hresult;
pub use packet::{ContentRange, PacketType, SessionId};
pub use session::{Action, Config, Moment, Request, Session, State};
