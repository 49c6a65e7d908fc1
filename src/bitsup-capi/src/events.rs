//! Events, for programs with a loop of their own.

use std::ffi::c_int;
use std::sync::{Arc, TryLockError};

use crate::client::bitsup_client;
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::status::bitsup_status;
use crate::upload::bitsup_upload;

/// What a program's loop can poll: a file descriptor, on Windows a SOCKET.
pub type bitsup_event_source = c_int;

/// Gives what is readable when callbacks wait or an upload has ended, to be
/// polled and nothing else; it belongs to the client. BITSUP_EVENT_SOURCE_NONE
/// without BITSUP_OPTION_DISPATCH, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_event_fd(
    client: *const bitsup_client,
) -> bitsup_event_source {
    boundary!(value: -1, [client], {
        client.signal.as_ref().map_or(-1, |signal| signal.descriptor())
    })
}

/// Gives in *upload one that has ended and was not given so before; the handle
/// stays the program's. BITSUP_STATUS_PENDING: there is none now, and *upload
/// is NULL. Where the client dispatches, the last callbacks of the upload have
/// run.
/// Statuses: OK, PENDING, INVALID_ARGUMENT.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_next_ended(
    client: *mut bitsup_client,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives TURN, [client], out upload, {
        match client.uploads.take_ended(client.dispatches()) {
            Some(ended) => {
                *upload = ended;
                Ok(bitsup_status::Ok)
            }
            None => Ok(bitsup_status::Pending),
        }
    })
}

/// Runs callbacks that wait, at most max_events of them (0: all), on this
/// thread, and never waits. BITSUP_STATUS_PENDING: more wait, or another call
/// dispatches just now; the event source stays readable.
/// Statuses: OK, PENDING, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_dispatch(
    client: *mut bitsup_client,
    max_events: u32,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives TURN, [client], {
        let signal = client.signal.clone().ok_or_else(|| {
            CallFailure::invalid("the client does not dispatch: see BITSUP_OPTION_DISPATCH")
        })?;
        // A callback may free the client.
        let (turn, client) = (Arc::clone(&client.turn), client.client.clone());
        let _turn = match turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(bitsup_status::Pending),
        };
        // First, so that what comes from now on raises it again.
        signal.clear();
        let max = if max_events == 0 { usize::MAX } else { max_events as usize };
        let (_, more) = client.dispatch(max)?;
        if !more {
            return Ok(bitsup_status::Ok);
        }
        signal.raise();
        Ok(bitsup_status::Pending)
    })
}
