//! The client.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bitsup::{Client, OptionSet, OptionUse, UploadOptions};

use crate::callbacks::Hooks;
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::{Chosen, bitsup_options};
use crate::signal::Signal;
use crate::status::bitsup_status;
use crate::upload::{State, bitsup_upload};
use crate::{credential, text};

/// Uploads files: any number at a time, on one thread of its own.
pub struct bitsup_client {
    pub(crate) life: Arc<Life>,
    pub(crate) client: Client,
    /// Which questions for logins are under way.
    pub(crate) questions: Arc<Life>,
    /// Uploads that are running, or of whose end the program was not told.
    pub(crate) uploads: Arc<Uploads>,
    options: Chosen,
    /// There if callbacks run in `bitsup_client_dispatch`.
    pub(crate) signal: Option<Arc<Signal>>,
    /// Held by the thread that dispatches.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Handle for bitsup_client {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_client";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

/// The options of one call, with the functions that it may call.
pub(crate) struct Choice {
    pub(crate) options: UploadOptions,
    pub(crate) hooks: Hooks,
}

/// Where the handles of uploads are, for those that ask which has ended.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<Vec<(Weak<State>, usize)>>);

impl Uploads {
    /// Takes a handle in, until its end is told or it is freed.
    pub(crate) fn insert(&self, state: &Arc<State>, handle: *mut bitsup_upload) {
        let entry = (Arc::downgrade(state), handle.expose_provenance());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    pub(crate) fn remove(&self, state: &Arc<State>) {
        let state = Arc::downgrade(state);
        let mut uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = uploads.iter().position(|(known, _)| known.ptr_eq(&state)) {
            uploads.remove(at);
        }
    }

    /// The handle of the first that has ended, if its callbacks were told where `dispatches`.
    pub(crate) fn take_ended(&self, dispatches: bool) -> Option<*mut bitsup_upload> {
        let mut uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_ended =
            |state: &Weak<State>| state.upgrade().is_some_and(|state| state.has_ended(dispatches));
        let at = uploads.iter().position(|(state, _)| has_ended(state))?;
        let (_, handle) = uploads.remove(at);
        Some(std::ptr::with_exposed_provenance_mut(handle))
    }
}

impl bitsup_client {
    fn new(chosen: Chosen) -> Result<Self, CallFailure> {
        let mut signal = None;
        let mut builder = Client::builder().options(&chosen.set);
        if chosen.set.client_options()?.dispatch {
            let made =
                Signal::new().map_err(|error| CallFailure::system("make two sockets", &error))?;
            let made = Arc::new(made);
            signal = Some(Arc::clone(&made));
            builder = builder.dispatch_on_demand(move || made.raise());
        }
        Ok(Self {
            life: Arc::new(Life::new()),
            client: builder.build()?,
            questions: Arc::new(Life::new()),
            uploads: Arc::default(),
            options: chosen,
            signal,
            turn: Arc::default(),
        })
    }

    /// The client's options with those of one call over them.
    pub(crate) fn choose(&self, options: Option<&bitsup_options>) -> Result<Choice, CallFailure> {
        let own = options.map(bitsup_options::snapshot).unwrap_or_default();
        own.set.check_use(OptionUse::Upload)?;
        if own.hooks.log.is_some() {
            return Err(CallFailure::invalid(
                "on_log is an option of the client: set it where that is made",
            ));
        }
        let mut hooks = self.options.hooks.clone();
        hooks.merge(&own.hooks);
        let asked = hooks.credentials.as_ref().and_then(|hook| hook.callback());
        let asked = asked.map(|asked| credential::for_client(asked, &self.questions));
        let all = OptionSet::for_upload(&self.options.set, &own.set);
        let mut options = all.upload_options(asked)?;
        options.transcript = crate::callbacks::calls(hooks.transcript.as_ref());
        Ok(Choice { options, hooks })
    }

    pub(crate) fn dispatches(&self) -> bool {
        self.signal.is_some()
    }
}

/// Makes *client and starts its thread. options may be NULL, for the defaults;
/// of a client's options those for uploads are the defaults of its uploads.
/// BITSUP_STATUS_INVALID_ARGUMENT: an option cannot be used, or is one of
/// uploads only; BITSUP_STATUS_UNSUPPORTED: this library or build lacks one.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_new(
    options: *const bitsup_options,
    client: *mut *mut bitsup_client,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives CLIENT, [], or_null [options], out client, {
        let chosen = options.map(bitsup_options::snapshot).unwrap_or_default();
        *client = handle::give(bitsup_client::new(chosen)?);
        Ok(bitsup_status::Ok)
    })
}

/// Changes the limit that all uploads of the client share, in bytes a second,
/// at least 1, or BITSUP_UNLIMITED. It acts at once, and replaces a timetable.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_set_limit_rate(
    client: *mut bitsup_client,
    bytes_per_second: i64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [client], {
        if bytes_per_second < 1 {
            return Err(CallFailure::invalid("bytes_per_second is less than 1: give BITSUP_UNLIMITED for no limit"));
        }
        let limit = Some(bytes_per_second).filter(|limit| *limit != bitsup::UNLIMITED);
        client.client.set_rate_limit(limit.map(i64::cast_unsigned));
        Ok(bitsup_status::Ok)
    })
}

/// Changes the limit that all uploads of the client share to one that follows
/// the local time of day: a timetable as for BITSUP_OPTION_LIMIT_RATE. A change
/// of hour acts within a second.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_set_rate_timetable(
    client: *mut bitsup_client,
    timetable: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [client], {
        // SAFETY: the caller gives NULL or text.
        let timetable = unsafe { text::text(timetable, "timetable") }?.parse()?;
        client.client.set_rate_timetable(timetable);
        Ok(bitsup_status::Ok)
    })
}

/// Ends the client, within two seconds and the time of a callback that is
/// running. Uploads that still run end with BITSUP_STATUS_CANCELLED, and their
/// sessions are cancelled on the server as far as that goes in this time.
/// Handles of uploads and sessions stay, to be asked and freed. NULL is
/// allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_free(client: *mut bitsup_client) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or a client that it owns, and this is its last use.
        let Some(client) = (unsafe { handle::take(client) }) else { return };
        client.client.shutdown();
        client.life.close();
        client.questions.close();
    });
}
