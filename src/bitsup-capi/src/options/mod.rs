//! The options of a client or of uploads. What there is to set stands in the table of `bitsup`.

mod callbacks;
mod constants;
mod info;
mod setters;
#[cfg(test)]
mod tests;

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitsup::{OptionSet, option_by_id, unknown_option};

use crate::callbacks::Hooks;
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::status::bitsup_status;

/// Options of a client or of uploads. Each call that takes options copies them.
pub struct bitsup_options {
    life: Life,
    chosen: Mutex<Chosen>,
}

/// What is set.
#[derive(Clone, Default)]
pub(crate) struct Chosen {
    pub(crate) set: OptionSet,
    pub(crate) hooks: Hooks,
}

impl Handle for bitsup_options {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_options";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_options {
    fn new(chosen: Chosen) -> Self {
        Self { life: Life::new(), chosen: Mutex::new(chosen) }
    }

    /// A copy of what was set.
    pub(crate) fn snapshot(&self) -> Chosen {
        self.lock().clone()
    }

    /// Changes the caller's functions too: the one for the end of an earlier one runs without the lock.
    fn change(&self, set: impl FnOnce(&mut Chosen)) {
        let mut chosen = self.lock();
        let before = chosen.hooks.clone();
        set(&mut chosen);
        drop(chosen);
        drop(before);
    }

    fn lock(&self) -> MutexGuard<'_, Chosen> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes options of which none is set. NULL only after a fault inside bitsup.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_options_new() -> *mut bitsup_options {
    boundary!(value: std::ptr::null_mut(), [], {
        handle::give(bitsup_options::new(Chosen::default()))
    })
}

/// Makes *copy of options, with the callbacks, which both then share, and with
/// the errors that are kept.
/// Statuses: OK, INVALID_ARGUMENT.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_copy(
    options: *const bitsup_options,
    copy: *mut *mut bitsup_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options], out copy, {
        *copy = handle::give(bitsup_options::new(options.snapshot()));
        Ok(bitsup_status::Ok)
    })
}

/// Sets in options all that from has set, lists as a whole, and takes over the
/// errors that are kept in it.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_merge(
    options: *mut bitsup_options,
    from: *const bitsup_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [options, from], {
        let from = from.snapshot();
        options.change(|chosen| {
            chosen.set.merge(&from.set);
            chosen.hooks.merge(&from.hooks);
        });
        Ok(bitsup_status::Ok)
    })
}

/// Unsets an option, a BITSUP_OPTION_…: a client's value or the default holds
/// again. An error that is kept for it is dropped.
/// BITSUP_STATUS_UNSUPPORTED: this library has no such option; an error that
/// is kept for the number is dropped too.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_reset(
    options: *mut bitsup_options,
    option: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        let set = &mut options.lock().set;
        set.reset_id(option);
        match option_by_id(option) {
            Some(_) => Ok(bitsup_status::Ok),
            None => Err(unknown_option(&option.to_string()).into()),
        }
    })
}

/// Gives the first error that a setter has kept, as the call that takes the
/// options will. What can be told only with all options at hand, such as a key
/// without a certificate or a file that does not exist, is looked at there.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_check(
    options: *const bitsup_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [options], {
        options.lock().set.check()?;
        Ok(bitsup_status::Ok)
    })
}

/// Frees the options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_options_free(options: *mut bitsup_options) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or options that it owns, and this is their last use.
        drop(unsafe { handle::take(options) });
    });
}

/// The failure of a value that the options keep.
pub(crate) fn kept(error: bitsup::Error) -> CallFailure {
    error.into()
}
