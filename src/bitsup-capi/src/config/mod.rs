//! The configuration of a client.

mod callbacks;
mod credentials;
mod limits;
mod policies;
mod proxy;
mod reply;
mod tls;

use std::ffi::{c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitsup::RateTimetable;

use crate::callbacks::{LogCallback, Userdata, bitsup_log_callback};
use crate::choices::{Changes, Choices};
use crate::error::{Failure, bitsup_error};
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::bitsup_upload_options;
use crate::status::bitsup_status;
use crate::text;

/// What a client is made with. A client takes a copy.
pub struct bitsup_config {
    life: Life,
    settings: Mutex<Settings>,
}

/// The values of a configuration.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) user_agent: Option<String>,
    pub(crate) rate_limit: Option<u64>,
    pub(crate) rate_timetable: Option<RateTimetable>,
    pub(crate) uploads_per_host: Option<usize>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) dispatch: bool,
    pub(crate) log: Option<LogCallback>,
    pub(crate) defaults: Changes,
}

impl Handle for bitsup_config {
    type Ownership = Owned;

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_config {
    pub(crate) fn settings(&self) -> Settings {
        self.lock().clone()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the last expression of every setter")]
    fn change(&self, change: impl FnOnce(&mut Settings)) -> Result<bitsup_status, Failure> {
        change(&mut self.lock());
        Ok(bitsup_status::Ok)
    }

    /// A choice for all uploads.
    fn choose(
        &self,
        change: impl Fn(&mut Choices) + Send + Sync + 'static,
    ) -> Result<bitsup_status, Failure> {
        self.change(|settings| settings.defaults.push(change))
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A configuration with the defaults; NULL only after a fault inside bitsup.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_config_new() -> *mut bitsup_config {
    boundary!(value: std::ptr::null_mut(), [], {
        handle::give(bitsup_config { life: Life::new(), settings: Mutex::default() })
    })
}

/// The User-Agent of all requests; default "bitsup/VERSION".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_user_agent(
    config: *mut bitsup_config,
    user_agent: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let user_agent = unsafe { text::text(user_agent, "user_agent") }?;
        config.change(|settings| settings.user_agent = Some(user_agent.to_owned()))
    })
}

/// Bytes a second for all uploads of the client together; 0 is unlimited, which
/// is the default. It takes the place of a timetable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_rate_limit(
    config: *mut bitsup_config,
    bytes_per_second: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let limit = Some(bytes_per_second).filter(|limit| *limit > 0);
        config.change(|settings| {
            settings.rate_limit = limit;
            settings.rate_timetable = None;
        })
    })
}

/// A limit for all uploads of the client together that follows the local time
/// of day, such as "08:00-18:00=1M 18:00-08:00=off": spans with blanks or
/// commas between them, which may go over midnight and do not overlap. A rate
/// is bytes a second, with K, M, G or T behind it for powers of 1024; off is
/// unlimited, and so are the hours that no span names. It takes the place of a
/// limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_rate_timetable(
    config: *mut bitsup_config,
    timetable: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let timetable = unsafe { text::text(timetable, "timetable") }?.parse()?;
        config.change(|settings| settings.rate_timetable = Some(timetable))
    })
}

/// How many uploads to one host hold a session at a time, at least 1; the
/// others wait as queued. Default 16: IIS deletes the newest of more than 50
/// sessions a user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_uploads_per_host(
    config: *mut bitsup_config,
    uploads: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if uploads == 0 {
            return Err(Failure::invalid("uploads is 0: give at least 1"));
        }
        config.change(|settings| settings.uploads_per_host = Some(uploads))
    })
}

/// A folder for what lets uploads continue after a restart; it is made when it
/// is needed. With it, starting an upload again goes on where it was left.
/// Default: nothing is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_state_dir(
    config: *mut bitsup_config,
    path: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or text.
        let path = unsafe { text::path(path, "path") }?;
        config.change(|settings| settings.state_dir = Some(path))
    })
}

/// The same with a path of length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_state_dir_bytes(
    config: *mut bitsup_config,
    path: *const c_char,
    length: usize,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        // SAFETY: the caller gives NULL or as many bytes as it says.
        let path = unsafe { text::path_bytes(path, length, "path") }?;
        config.change(|settings| settings.state_dir = Some(path))
    })
}

/// Whether callbacks run in bitsup_client_dispatch only (not 0), or on a thread
/// of the client (0, the default).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_dispatch(
    config: *mut bitsup_config,
    on: c_int,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        config.change(|settings| settings.dispatch = on != 0)
    })
}

/// Calls the function with each line of the client's log; NULL for none, which
/// is the default. userdata goes to it as it is, and must be good until
/// bitsup_client_free returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_on_log(
    config: *mut bitsup_config,
    callback: bitsup_log_callback,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let log = callback.map(|function| LogCallback(function, Userdata(userdata)));
        config.change(|settings| settings.log = log)
    })
}

/// Sets all that these options have set, for all uploads and sessions of the
/// client, as if by its own setters. A copy is taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_upload_options(
    config: *mut bitsup_config,
    options: *const bitsup_upload_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config, options], {
        let defaults = options.changes();
        config.change(|settings| settings.defaults.extend(defaults))
    })
}

/// Frees the configuration. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_free(config: *mut bitsup_config) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or a configuration that it owns, and this is its last use.
        drop(unsafe { handle::take(config) });
    });
}
