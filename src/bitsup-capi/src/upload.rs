//! Whole uploads.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bitsup::{CancelMode, Receipt, Source, Upload, UploadBuilder};

use crate::callbacks::Callbacks;
use crate::client::bitsup_client;
use crate::error::{Failure, bitsup_error};
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::bitsup_upload_options;
use crate::progress::bitsup_progress;
use crate::receipt::{Kept, bitsup_receipt};
use crate::source::{self, bitsup_source};
use crate::status::bitsup_status;
use crate::{credential, structure, text};

/// An upload under way, or one that has ended.
pub struct bitsup_upload {
    life: Arc<Life>,
    /// Questions of the client: the upload may need an answer.
    questions: Arc<Life>,
    upload: Upload,
    receipt: OnceLock<Kept>,
}

impl Handle for bitsup_upload {
    type Ownership = Owned;

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

impl bitsup_upload {
    pub(crate) fn start(
        client: &bitsup_client,
        builder: UploadBuilder,
        options: Option<&bitsup_upload_options>,
        life: Arc<Life>,
    ) -> Result<Self, Failure> {
        let mut choices = client.choices(options)?;
        let asked = &mut choices.options.credential_callback;
        *asked = asked.as_ref().map(|asked| credential::for_upload(asked, &life));
        let mut callbacks = Callbacks {
            client: Arc::clone(&client.life),
            upload: Arc::clone(&life),
            progress: choices.progress,
            state: choices.state,
            transcript: choices.transcript,
            log: client.log,
            last_state: None,
        };
        let mut builder = builder.options(choices.options);
        // Where the program's loop asks for events, the end of an upload is one too.
        if !callbacks.is_empty() || client.dispatches() {
            let wants = callbacks.wants();
            builder = builder.event_filter(wants).on_event(move |event| callbacks.deliver(event));
        }
        if let Some(retry) = choices.retry {
            let lives = (Arc::clone(&client.life), Arc::clone(&life));
            builder = builder.on_retry(move |error, attempts| {
                retry.decide((&lives.0, &lives.1), error, attempts)
            });
        }
        let questions = Arc::clone(&client.questions);
        Ok(Self { life, questions, upload: builder.start()?, receipt: OnceLock::new() })
    }

    fn wait(&self, limit: Option<Duration>) -> Result<Option<Receipt>, Failure> {
        if self.life.is_calling_here() {
            return Err(Failure::invalid("a callback of an upload cannot wait for that upload"));
        }
        if self.questions.is_calling_here() {
            return Err(Failure::invalid(
                "a credential callback cannot wait for an upload of its client, which may need its answer",
            ));
        }
        let result = match limit {
            None => Some(self.upload.wait()),
            Some(limit) => self.upload.wait_for(limit),
        };
        self.check()?;
        Ok(result.transpose()?)
    }

    /// A fault around a callback ends the upload, and is what became of it.
    fn check(&self) -> Result<(), Failure> {
        if self.life.is_spoiled() {
            return Err(Failure::spoiled("upload"));
        }
        Ok(())
    }

    fn end(self) {
        let Self { life, upload, receipt, .. } = self;
        drop(upload);
        life.close();
        drop(receipt);
    }
}

/// Uploads a file and waits for the end: bitsup_upload_start, _wait and _free
/// in one. A URL that ends in a slash gets the file's name appended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_file(
    client: *mut bitsup_client,
    path: *const c_char,
    url: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], {
        // SAFETY: the caller gives NULL or text, twice.
        let (path, url) = unsafe { (text::path(path, "path")?, text::text(url, "url")?) };
        let life = Arc::new(Life::new());
        let builder = client.client.upload(Source::path(path)?, url);
        let upload = bitsup_upload::start(client, builder, None, life)?;
        let result = upload.wait(None);
        upload.end();
        result.map(|_| bitsup_status::Ok)
    })
}

/// Starts to upload a file, which must stay as it is until the end. A URL that
/// ends in a slash gets the file's name appended. options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start(
    client: *mut bitsup_client,
    path: *const c_char,
    url: *const c_char,
    options: *const bitsup_upload_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], or_null [options], {
        // SAFETY: the caller gives NULL or a place for a pointer.
        let place = unsafe { structure::out(upload, "upload") }?;
        // SAFETY: the caller gives NULL or text, twice.
        let (path, url) = unsafe { (text::path(path, "path")?, text::text(url, "url")?) };
        let life = Arc::new(Life::new());
        let builder = client.client.upload(Source::path(path)?, url);
        *place = handle::give(bitsup_upload::start(client, builder, options, life)?);
        Ok(bitsup_status::Ok)
    })
}

/// bitsup_upload_start with a path of path_length bytes, in any encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start_bytes(
    client: *mut bitsup_client,
    path: *const c_char,
    path_length: usize,
    url: *const c_char,
    options: *const bitsup_upload_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], or_null [options], {
        // SAFETY: the caller gives NULL or a place for a pointer.
        let place = unsafe { structure::out(upload, "upload") }?;
        // SAFETY: the caller gives NULL or as many bytes as it says, and NULL or text.
        let (path, url) = unsafe {
            (text::path_bytes(path, path_length, "path")?, text::text(url, "url")?)
        };
        let life = Arc::new(Life::new());
        let builder = client.client.upload(Source::path(path)?, url);
        *place = handle::give(bitsup_upload::start(client, builder, options, life)?);
        Ok(bitsup_status::Ok)
    })
}

/// Starts to upload length bytes in memory, which is not copied: it must stay
/// as it is until bitsup_upload_free returned. data may be NULL if length is 0;
/// options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start_memory(
    client: *mut bitsup_client,
    data: *const c_void,
    length: usize,
    url: *const c_char,
    options: *const bitsup_upload_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], or_null [options], {
        // SAFETY: the caller gives NULL or a place for a pointer.
        let place = unsafe { structure::out(upload, "upload") }?;
        // SAFETY: the caller gives NULL or text.
        let url = unsafe { text::text(url, "url") }?;
        let life = Arc::new(Life::new());
        // SAFETY: the caller gives NULL or as many bytes as it says, until the upload is freed,
        // which closes `life`.
        let source = unsafe { source::memory(data, length, &life) }?;
        let builder = client.client.upload(source, url);
        *place = handle::give(bitsup_upload::start(client, builder, options, life)?);
        Ok(bitsup_status::Ok)
    })
}

/// Starts to upload what a function of the program reads. The structure is
/// copied; options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_start_callbacks(
    client: *mut bitsup_client,
    source: *const bitsup_source,
    url: *const c_char,
    options: *const bitsup_upload_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [client], or_null [options], {
        // SAFETY: the caller gives NULL or a place for a pointer.
        let place = unsafe { structure::out(upload, "upload") }?;
        // SAFETY: the caller gives NULL or a structure of the size in it, and NULL or text.
        let (source, url) = unsafe {
            (structure::read(source, "source")?, text::text(url, "url")?)
        };
        let life = Arc::new(Life::new());
        // SAFETY: the caller's function and pointer are good until the upload is freed, which
        // closes `life`.
        let source = unsafe { source::callback(&source, &client.life, &life) }?;
        let builder = client.client.upload(source, url);
        *place = handle::give(bitsup_upload::start(client, builder, options, life)?);
        Ok(bitsup_status::Ok)
    })
}

/// Waits for the end, at most timeout_ms milliseconds; 0 does not wait, a
/// negative number waits for ever. BITSUP_STATUS_PENDING: the upload still
/// runs. BITSUP_STATUS_OK: the server confirmed the file. Everything else is
/// why there is no such file. Callbacks on the client's thread have told of the
/// end then, unless they take over a second. Not in a callback of the same
/// upload.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_wait(
    upload: *mut bitsup_upload,
    timeout_ms: i64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [upload], {
        let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let receipt = upload.wait(limit)?;
        Ok(if receipt.is_some() { bitsup_status::Ok } else { bitsup_status::Pending })
    })
}

/// Pauses: the request under way ends, then nothing is sent. Returns at once;
/// the state tells.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_suspend(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [upload], {
        upload.upload.suspend();
        Ok(bitsup_status::Ok)
    })
}

/// Goes on after bitsup_upload_suspend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_resume(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [upload], {
        upload.upload.resume();
        Ok(bitsup_status::Ok)
    })
}

/// Stops, and tells the server to delete what it has. Returns at once; the
/// upload then ends with BITSUP_STATUS_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_cancel(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [upload], {
        upload.upload.cancel(CancelMode::Delete);
        Ok(bitsup_status::Ok)
    })
}

/// Stops, and leaves the session on the server. Returns at once; the upload
/// then ends with BITSUP_STATUS_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_stop(
    upload: *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [upload], {
        upload.upload.cancel(CancelMode::Keep);
        Ok(bitsup_status::Ok)
    })
}

/// Takes a snapshot; never waits. Set progress->struct_size first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_progress(
    upload: *const bitsup_upload,
    progress: *mut bitsup_progress,
) -> bitsup_status {
    boundary!(error: std::ptr::null_mut(), [upload], {
        let now = bitsup_progress::from(&upload.upload.progress());
        // SAFETY: the caller gives NULL or a structure of the size in it.
        unsafe { structure::fill(progress, "progress", &now) }?;
        Ok(bitsup_status::Ok)
    })
}

/// Why the upload waits for its next try, in one line: written to buffer, cut
/// to size bytes with the zero at its end. Returns the bytes of the whole text
/// without that zero; 0 while it does not wait. buffer may be NULL if size is
/// 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_waiting_for(
    upload: *const bitsup_upload,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    boundary!(value: 0, [upload], {
        let waiting = upload.upload.progress().waiting;
        let reason = waiting.map(|waiting| waiting.reason).unwrap_or_default();
        // SAFETY: the caller gives NULL or as many bytes as it says.
        unsafe { text::copy(&reason, buffer, size) }
    })
}

/// Tells about a complete upload; BITSUP_STATUS_PENDING while it runs, and what
/// bitsup_upload_wait returns if it failed. Set receipt->struct_size first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_receipt(
    upload: *const bitsup_upload,
    receipt: *mut bitsup_receipt,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [upload], {
        // SAFETY: the caller gives NULL or a structure of the size in it.
        unsafe { structure::check_size(receipt, "receipt") }?;
        let Some(result) = upload.upload.result() else { return Ok(bitsup_status::Pending) };
        let result = result?;
        let kept = upload.receipt.get_or_init(|| Kept::new(result));
        // SAFETY: as above.
        unsafe { structure::fill(receipt, "receipt", &kept.for_c()) }?;
        Ok(bitsup_status::Ok)
    })
}

/// Frees the upload. One that still runs is stopped, and its session cancelled
/// on the server, without waiting for that. Afterwards its callbacks, userdata
/// and memory are not used any more: the call waits for a callback that is
/// running, unless it is made by that callback. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_free(upload: *mut bitsup_upload) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or an upload that it owns, and this is its last use.
        let Some(upload) = (unsafe { handle::take(upload) }) else { return };
        upload.end();
    });
}
