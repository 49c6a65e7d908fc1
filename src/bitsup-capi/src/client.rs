//! The client.

use std::ffi::{c_char, c_int};
use std::sync::{Arc, Mutex, TryLockError};

use bitsup::Client;

use crate::callbacks::LogCallback;
use crate::choices::{Changes, Choices};
use crate::config::{Settings, bitsup_config};
use crate::error::{Failure, bitsup_error};
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::bitsup_upload_options;
use crate::signal::Signal;
use crate::status::bitsup_status;
use crate::{credential, structure, text};

/// Uploads files: any number at a time, on one thread of its own.
pub struct bitsup_client {
    pub(crate) life: Arc<Life>,
    pub(crate) client: Client,
    pub(crate) log: Option<LogCallback>,
    /// Which questions for logins are under way.
    pub(crate) questions: Arc<Life>,
    defaults: Changes,
    /// There if callbacks run in `bitsup_client_dispatch`.
    signal: Option<Arc<Signal>>,
    /// Held by the thread that dispatches.
    turn: Mutex<()>,
}

impl Handle for bitsup_client {
    type Ownership = Owned;

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_client {
    fn new(settings: Settings) -> Result<Self, Failure> {
        let mut builder = Client::builder().rate_limit(settings.rate_limit);
        if let Some(agent) = settings.user_agent {
            builder = builder.user_agent(agent);
        }
        if let Some(limit) = settings.uploads_per_host {
            builder = builder.uploads_per_host(limit);
        }
        if let Some(folder) = settings.state_dir {
            builder = builder.state_directory(folder);
        }
        if let Some(timetable) = settings.rate_timetable {
            builder = builder.rate_timetable(timetable);
        }
        let mut signal = None;
        if settings.dispatch {
            let made =
                Signal::new().map_err(|error| Failure::system("make two sockets", &error))?;
            let made = Arc::new(made);
            signal = Some(Arc::clone(&made));
            builder = builder.dispatch_on_demand(move || made.raise());
        }
        Ok(Self {
            life: Arc::new(Life::new()),
            client: builder.build()?,
            log: settings.log,
            questions: Arc::new(Life::new()),
            defaults: settings.defaults,
            signal,
            turn: Mutex::new(()),
        })
    }

    /// The client's options with those of one upload over them.
    pub(crate) fn choices(
        &self,
        options: Option<&bitsup_upload_options>,
    ) -> Result<Choices, Failure> {
        let mut choices = Choices::default();
        self.defaults.apply(&mut choices);
        if let Some(options) = options {
            options.changes().apply(&mut choices);
        }
        let mut choices = choices.complete()?;
        let asked = &mut choices.options.credential_callback;
        *asked = asked.as_ref().map(|asked| credential::for_client(asked, &self.questions));
        Ok(choices)
    }

    pub(crate) fn dispatches(&self) -> bool {
        self.signal.is_some()
    }
}

/// Makes a client and starts its thread. config may be NULL, for the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_new(
    config: *const bitsup_config,
    client: *mut *mut bitsup_client,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [], or_null [config], {
        // SAFETY: the caller gives NULL or a place for a pointer.
        let place = unsafe { structure::out(client, "client") }?;
        let settings = config.map(bitsup_config::settings).unwrap_or_default();
        *place = handle::give(bitsup_client::new(settings)?);
        Ok(bitsup_status::Ok)
    })
}

/// Changes the limit that all uploads of the client share, in bytes a second; 0
/// is unlimited. It acts at once, and takes the place of a timetable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_set_rate_limit(
    client: *mut bitsup_client,
    bytes_per_second: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], {
        client.client.set_rate_limit(Some(bytes_per_second).filter(|limit| *limit > 0));
        Ok(bitsup_status::Ok)
    })
}

/// From now on the limit that all uploads of the client share follows the
/// local time of day: a timetable as for bitsup_config_set_rate_timetable. A
/// change of hour acts within a second.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_set_rate_timetable(
    client: *mut bitsup_client,
    timetable: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], {
        // SAFETY: the caller gives NULL or text.
        let timetable = unsafe { text::text(timetable, "timetable") }?.parse()?;
        client.client.set_rate_timetable(timetable);
        Ok(bitsup_status::Ok)
    })
}

/// A file descriptor that is readable when callbacks wait or an upload has
/// ended, to be polled and nothing else; it belongs to the client. -1 if the
/// client does not dispatch (bitsup_config_set_dispatch).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_event_fd(client: *const bitsup_client) -> c_int {
    boundary!(value: -1, [client], {
        client.signal.as_ref().map_or(-1, |signal| signal.descriptor())
    })
}

/// Runs callbacks that wait, at most max_events of them (0: all), on this
/// thread, and never waits. BITSUP_STATUS_PENDING: more wait, or another call
/// dispatches just now; the descriptor stays readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_client_dispatch(
    client: *mut bitsup_client,
    max_events: u32,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], {
        let signal = client.signal.as_ref().ok_or_else(|| {
            Failure::invalid("the client does not dispatch: see bitsup_config_set_dispatch")
        })?;
        let _turn = match client.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(bitsup_status::Pending),
        };
        // First, so that what comes from now on raises it again.
        signal.clear();
        let max = if max_events == 0 { usize::MAX } else { max_events as usize };
        let (_, more) = client.client.dispatch(max)?;
        if !more {
            return Ok(bitsup_status::Ok);
        }
        signal.raise();
        Ok(bitsup_status::Pending)
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
