//! Whole uploads.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bitsup::{CancelMode, Receipt, Source, Upload, UploadBuilder};

use crate::callbacks::{self, Borrowed, Callbacks, Hooks};
use crate::client::{Choice, Uploads, bitsup_client};
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::handle::{self, Handle, Look, Owned};
use crate::life::Life;
use crate::options::bitsup_options;
use crate::progress::bitsup_progress;
use crate::receipt::{OwnedReceipt, bitsup_receipt};
use crate::source::{self, ReadHook, bitsup_source};
use crate::status::bitsup_status;
use crate::{credential, structure, text};

/// An upload under way, or one that has ended.
pub struct bitsup_upload {
    life: Arc<Life>,
    /// Questions of the client: the upload may need an answer.
    questions: Arc<Life>,
    state: Arc<State>,
    receipt: OnceLock<OwnedReceipt>,
    userdata: AtomicPtr<c_void>,
    uploads: Arc<Uploads>,
    /// The caller's functions, which end with the handle.
    hooks: Arc<Hooks>,
    source: Option<Arc<ReadHook>>,
}

/// What handle and client know of an upload.
#[derive(Default)]
pub(crate) struct State {
    /// Set once it has started. A callback may be earlier.
    upload: OnceLock<Upload>,
    /// Whether the callbacks were told of the end.
    told: Arc<AtomicBool>,
}

impl State {
    /// Whether it has ended; where callbacks are dispatched, when they know.
    pub(crate) fn has_ended(&self, dispatches: bool) -> bool {
        let ended = || self.upload.get().is_some_and(|upload| upload.result().is_some());
        if dispatches { self.told.load(Ordering::Acquire) } else { ended() }
    }
}

impl Handle for bitsup_upload {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_upload";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

/// What an upload is started with.
pub(crate) struct Start<'a> {
    pub(crate) client: &'a bitsup_client,
    pub(crate) options: Option<&'a bitsup_options>,
    pub(crate) life: Arc<Life>,
    pub(crate) source: Option<Arc<ReadHook>>,
}

impl<'a> Start<'a> {
    pub(crate) fn new(client: &'a bitsup_client, options: Option<&'a bitsup_options>) -> Self {
        Self { client, options, life: Arc::new(Life::new()), source: None }
    }

    /// Starts, and gives the handle; callbacks are shown it from the first on.
    pub(crate) fn start(self, builder: UploadBuilder) -> Result<*mut bitsup_upload, CallFailure> {
        let Self { client, options, life, source } = self;
        let Choice { mut options, hooks } = client.choose(options)?;
        let (state, hooks) = (Arc::new(State::default()), Arc::new(hooks));
        let handle = handle::give(bitsup_upload {
            life: Arc::clone(&life),
            questions: Arc::clone(&client.questions),
            state: Arc::clone(&state),
            receipt: OnceLock::new(),
            userdata: AtomicPtr::new(ptr::null_mut()),
            uploads: Arc::clone(&client.uploads),
            hooks: Arc::clone(&hooks),
            source,
        });
        let upload = Borrowed(handle);
        let asked = options.credential_callback.take();
        options.credential_callback =
            asked.map(|asked| credential::for_upload(&asked, &life, upload));
        let mut builder = builder.options(options);
        let wants = callbacks::wanted(&hooks);
        let listens = wants != callbacks::wanted(&Hooks::default())
            || callbacks::calls(hooks.transcript.as_ref());
        // Where the program's loop asks for events, the end of an upload is one too.
        if listens || client.dispatches() {
            let mut callbacks = Callbacks {
                client: Arc::clone(&client.life),
                life: Arc::clone(&life),
                upload,
                hooks: Arc::downgrade(&hooks),
                told: Arc::clone(&state.told),
                last_state: None,
            };
            builder = builder.event_filter(wants).on_event(move |event| callbacks.deliver(event));
        }
        if callbacks::calls(hooks.retry.as_ref()) {
            let lives = (Arc::clone(&client.life), Arc::clone(&life));
            let hooks = Arc::downgrade(&hooks);
            builder = builder.on_retry(move |error, attempts| {
                callbacks::decide((&lives.0, &lives.1), upload, &hooks, error, attempts)
            });
        }
        drop(hooks);
        match builder.start() {
            Ok(upload) => {
                // It is empty: this is the only place that sets it.
                let _ = state.upload.set(upload);
                client.uploads.insert(&state, handle);
                Ok(handle)
            }
            Err(error) => {
                // SAFETY: it was given above, and nothing has it.
                if let Some(upload) = unsafe { handle::take(handle) } {
                    upload.life.close();
                }
                Err(error.into())
            }
        }
    }
}

impl bitsup_upload {
    /// The upload; a callback that is earlier than the end of the starting waits for that.
    fn upload(&self) -> &Upload {
        self.state.upload.wait()
    }

    fn wait(&self, limit: Option<Duration>) -> Result<Option<Receipt>, CallFailure> {
        if self.life.is_calling_here() {
            return Err(CallFailure::invalid(
                "a callback of an upload cannot wait for that upload",
            ));
        }
        if self.questions.is_calling_here() {
            return Err(CallFailure::invalid(
                "a credential callback cannot wait for an upload of its client, which may need its answer",
            ));
        }
        let result = match limit {
            None => Some(self.upload().wait()),
            Some(limit) => self.upload().wait_for(limit),
        };
        self.check()?;
        Ok(result.transpose()?)
    }

    /// A fault around a callback ends the upload, and is what became of it.
    fn check(&self) -> Result<(), CallFailure> {
        if self.life.is_spoiled() {
            return Err(CallFailure::spoiled("upload"));
        }
        Ok(())
    }

    fn end(self) {
        let Self { life, state, uploads, receipt, hooks, source, .. } = self;
        uploads.remove(&state);
        // The last one: the client looks at it only while it is among its uploads.
        drop(state);
        life.close();
        drop((receipt, hooks, source));
    }
}

/// Uploads a file and waits for the end, with the options of the client:
/// bitsup_upload_start, _wait and _free in one.
/// Statuses: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_file(
    client: *mut bitsup_client,
    path: *const c_char,
    url: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives END, [client], {
        // SAFETY: the caller gives NULL or text, twice.
        let (path, url) = unsafe { (text::path(path, "path")?, text::text(url, "url")?) };
        let builder = client.client.upload(Source::path(path)?, url);
        let handle = Start::new(client, None).start(builder)?;
        // SAFETY: it was given just now. Callbacks may look at it and not free it.
        let Look::Is(upload) = (unsafe { handle::look(handle) }) else {
            return Err(CallFailure::invalid("upload is gone"));
        };
        let result = upload.wait(None);
        // SAFETY: as above, and nothing has it any more.
        if let Some(upload) = unsafe { handle::take(handle) } {
            upload.end();
        }
        result.map(|_| bitsup_status::Ok)
    })
}

/// Starts to upload a file, which must stay as it is until the end. url is of
/// http or https, without a login in it; one that ends in a slash gets the
/// file's name appended. options may be NULL. *upload is the new upload, which
/// runs.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start(
    client: *mut bitsup_client,
    path: *const c_char,
    url: *const c_char,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, {
        // SAFETY: the caller gives NULL or text, twice.
        let (path, url) = unsafe { (text::path(path, "path")?, text::text(url, "url")?) };
        let builder = client.client.upload(Source::path(path)?, url);
        *upload = Start::new(client, options).start(builder)?;
        Ok(bitsup_status::Ok)
    })
}

/// Starts to upload as bitsup_upload_start does, with a path of path_length
/// bytes, in any encoding.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start_bytes(
    client: *mut bitsup_client,
    path: *const c_char,
    path_length: usize,
    url: *const c_char,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, {
        // SAFETY: the caller gives NULL or as many bytes as it says, and NULL or text.
        let (path, url) = unsafe {
            (text::path_bytes(path, path_length, "path")?, text::text(url, "url")?)
        };
        let builder = client.client.upload(Source::path(path)?, url);
        *upload = Start::new(client, options).start(builder)?;
        Ok(bitsup_status::Ok)
    })
}

/// Starts to upload length bytes in memory, which is not copied: it must stay
/// as it is until bitsup_upload_free returned. data may be NULL if length is 0;
/// options may be NULL.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start_memory(
    client: *mut bitsup_client,
    data: *const c_void,
    length: usize,
    url: *const c_char,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, text [url], {
        let start = Start::new(client, options);
        // SAFETY: the caller gives NULL or as many bytes as it says, until the upload is freed,
        // which closes the start's life.
        let source = unsafe { source::memory(data, length, &start.life) }?;
        *upload = start.start(client.client.upload(source, url))?;
        Ok(bitsup_status::Ok)
    })
}

/// Starts to upload what a function of the program reads: source->size bytes.
/// The structure is copied; options may be NULL. Set source->struct_size first.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start_callbacks(
    client: *mut bitsup_client,
    source: *const bitsup_source,
    url: *const c_char,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    // SAFETY: the caller gives NULL or a structure of the size in it.
    boundary!(error: error, gives START, [client], or_null [options], owns source = unsafe { source::owned(source) }, out upload, {
        let source = source?;
        // SAFETY: the caller gives NULL or text.
        let url = unsafe { text::text(url, "url") }?;
        let mut start = Start::new(client, options);
        // SAFETY: the caller's function and pointer are good until the upload is freed, which
        // closes the start's life.
        let read = unsafe { source::callback(&source, &client.life, &start.life) }?;
        start.source = Some(source.hook);
        *upload = start.start(client.client.upload(read, url))?;
        Ok(bitsup_status::Ok)
    })
}

/// Waits for the end, at most timeout_ms milliseconds; 0 does not wait, a
/// negative number waits for ever. BITSUP_STATUS_PENDING: the upload still
/// runs. BITSUP_STATUS_OK: the server confirmed the file. Everything else is
/// why there is no such file, or that its reply could not be written, as the
/// message says. It can be called again, and gives the same.
/// Callbacks on the client's thread have told of the end then, unless they take
/// over a second. Not in a callback of the same upload.
/// Statuses: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_wait(
    upload: *mut bitsup_upload,
    timeout_ms: i64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives END, [upload], {
        let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let receipt = upload.wait(limit)?;
        Ok(if receipt.is_some() { bitsup_status::Ok } else { bitsup_status::Pending })
    })
}

/// Pauses: the request under way ends, then nothing is sent. Returns at once;
/// the state tells. An upload that has ended stays as it is, as with the next
/// three.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_suspend(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [upload], {
        upload.upload().suspend();
        Ok(bitsup_status::Ok)
    })
}

/// Resumes an upload after bitsup_upload_suspend.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_resume(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [upload], {
        upload.upload().resume();
        Ok(bitsup_status::Ok)
    })
}

/// Stops, and tells the server to delete what it has. Returns at once; the
/// upload then ends with BITSUP_STATUS_CANCELLED.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_cancel(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [upload], {
        upload.upload().cancel(CancelMode::Delete);
        Ok(bitsup_status::Ok)
    })
}

/// Stops, and leaves the session on the server. Returns at once; the upload
/// then ends with BITSUP_STATUS_CANCELLED.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_stop(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [upload], {
        upload.upload().cancel(CancelMode::Keep);
        Ok(bitsup_status::Ok)
    })
}

/// Takes a snapshot; never waits. Set progress->struct_size first.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_progress(
    upload: *const bitsup_upload,
    progress: *mut bitsup_progress,
) -> bitsup_status {
    boundary!(error: ptr::null_mut(), gives ARGUMENT, [upload], {
        let now = bitsup_progress::from(&upload.upload().progress());
        // SAFETY: the caller gives NULL or a structure of the size in it.
        unsafe { structure::fill(progress, "progress", &now) }?;
        Ok(bitsup_status::Ok)
    })
}

/// Tells why the upload waits for its next try, in one line: written to buffer,
/// cut to size bytes with the zero at its end. Returns the bytes of the whole
/// text without that zero; 0 while it does not wait, and for NULL. buffer may
/// be NULL if size is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_waiting_for(
    upload: *const bitsup_upload,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    boundary!(value: 0, [upload], {
        let waiting = upload.upload().progress().waiting;
        let reason = waiting.map(|waiting| waiting.reason).unwrap_or_default();
        // SAFETY: the caller gives NULL or as many bytes as it says.
        unsafe { text::copy(&reason, buffer, size) }
    })
}

/// Tells about a complete upload; BITSUP_STATUS_PENDING while it runs, and what
/// bitsup_upload_wait returns if it failed. Set receipt->struct_size first.
/// Statuses: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_receipt(
    upload: *const bitsup_upload,
    receipt: *mut bitsup_receipt,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives END, [upload], {
        // SAFETY: the caller gives NULL or a structure of the size in it.
        unsafe { structure::check_size(receipt, "receipt") }?;
        let Some(result) = upload.upload().result() else { return Ok(bitsup_status::Pending) };
        let result = result?;
        let kept = upload.receipt.get_or_init(|| OwnedReceipt::new(result));
        // SAFETY: as above.
        unsafe { structure::fill(receipt, "receipt", &kept.for_c()) }?;
        Ok(bitsup_status::Ok)
    })
}

/// Keeps a pointer of the program's with the upload, for callbacks and for
/// bitsup_client_next_ended.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_set_userdata(
    upload: *mut bitsup_upload,
    userdata: *mut c_void,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [upload], {
        upload.userdata.store(userdata, Ordering::Release);
        Ok(bitsup_status::Ok)
    })
}

/// Gives the pointer of bitsup_upload_set_userdata; NULL if none was set, and
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_userdata(upload: *const bitsup_upload) -> *mut c_void {
    boundary!(value: ptr::null_mut(), [upload], { upload.userdata.load(Ordering::Acquire) })
}

/// Frees the upload, without waiting for the network. One that still runs is
/// stopped; its session is kept where the client has a state directory, and
/// else cancelled on the server. Afterwards its callbacks, userdata and memory
/// are not used any more: the call waits for a callback that is running, unless
/// it is made by that callback. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_free(upload: *mut bitsup_upload) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or an upload that it owns, and this is its last use.
        let Some(upload) = (unsafe { handle::take(upload) }) else { return };
        upload.end();
    });
}
