//! The options of an upload. Each setter stands again in `config`, for all uploads of a client:
//! those files are made from these, and a test compares them.

mod callbacks;
mod credentials;
mod limits;
mod named;
mod policies;
mod proxy;
mod reply;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::{Mutex, PoisonError};

use crate::choices::{Changes, Choices};
use crate::error::{Failure, bitsup_error};
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::status::bitsup_status;

/// What is chosen for uploads. Each call that takes options copies them.
pub struct bitsup_upload_options {
    life: Life,
    changes: Mutex<Changes>,
}

impl Handle for bitsup_upload_options {
    type Ownership = Owned;

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_upload_options {
    /// A copy of what was chosen.
    pub(crate) fn changes(&self) -> Changes {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the last expression of every setter")]
    fn choose(
        &self,
        change: impl Fn(&mut Choices) + Send + Sync + 'static,
    ) -> Result<bitsup_status, Failure> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        Ok(bitsup_status::Ok)
    }
}

/// Options with the defaults; NULL only after a fault inside bitsup.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_upload_options_new() -> *mut bitsup_upload_options {
    boundary!(value: std::ptr::null_mut(), [], {
        handle::give(bitsup_upload_options { life: Life::new(), changes: Mutex::default() })
    })
}

/// Sets all that others has set, as if by its own setters; a copy is taken. A
/// credential callback is then shared with others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_merge(
    options: *mut bitsup_upload_options,
    others: *const bitsup_upload_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options, others], {
        let others = others.changes();
        options.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(others);
        Ok(bitsup_status::Ok)
    })
}

/// Frees the options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_free(options: *mut bitsup_upload_options) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or options that it owns, and this is their last use.
        drop(unsafe { handle::take(options) });
    });
}
