//! Calls the caller's functions.

use std::ffi::{c_char, c_int, c_void};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bitsup::{Event, EventFilter, Flow, RetryDecision};

use crate::credential::CredentialHook;
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::faults::fault_point;
use crate::handle::{self, Tagged};
use crate::life::Life;
use crate::progress::{bitsup_progress, bitsup_state};
use crate::text;
use crate::upload::bitsup_upload;

/// Called with a snapshot of an upload, which lives until the function returns.
/// 0 goes on; anything else stops the upload and keeps its session.
pub type bitsup_progress_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        upload: *mut bitsup_upload,
        progress: *const bitsup_progress,
    ) -> c_int,
>;

/// Called when an upload is in another state; states that pass quickly may be
/// left out, the last one is not. 0 goes on; anything else stops the upload and
/// keeps its session.
pub type bitsup_state_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        upload: *mut bitsup_upload,
        state: bitsup_state,
    ) -> c_int,
>;

/// Called with one line of text about an upload, which lives until the function
/// returns and holds no secret.
pub type bitsup_log_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        upload: *mut bitsup_upload,
        level: bitsup_log_level,
        message: *const c_char,
    ),
>;

/// Called with one exchange as an entry of a transcript, several lines of text
/// without secrets, which lives until the function returns. A transcript is the
/// line "bitsup-transcript 1" and the entries.
pub type bitsup_transcript_callback = Option<
    unsafe extern "C" fn(userdata: *mut c_void, upload: *mut bitsup_upload, entry: *const c_char),
>;

/// Asked before each retry: error is what went wrong and belongs to the
/// library, attempts is the number of tries since the last progress. 0 retries
/// when bitsup would, a positive number after that many milliseconds, a
/// negative one fails with that error and keeps the session. An answer is
/// awaited for ten seconds, or until the time of the retry if that is later.
pub type bitsup_retry_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        upload: *mut bitsup_upload,
        error: *const bitsup_error,
        attempts: u32,
    ) -> i64,
>;

/// Called once with the userdata of a callback, when nothing of the library has
/// it any more; NULL where nothing has to be done.
pub type bitsup_destroy_callback = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// How much a line of the log matters.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum bitsup_log_level {
    /// An upload has failed.
    Error = 1,
    /// Something went wrong and is tried again.
    Warning = 2,
    /// Something worth telling.
    Info = 3,
    /// Every packet and its answer.
    Debug = 4,
}

/// A pointer of the caller's.
#[derive(Clone, Copy)]
pub(crate) struct Userdata(pub(crate) *mut c_void);

// SAFETY: bitsup never looks behind the pointer. The header says that callbacks run on other
// threads, so the caller gives a pointer that they may have.
unsafe impl Send for Userdata {}
// SAFETY: as above.
unsafe impl Sync for Userdata {}

/// The handle that callbacks are shown.
#[derive(Clone, Copy)]
pub(crate) struct Borrowed(pub(crate) *mut bitsup_upload);

// SAFETY: the pointer is handed to the caller's functions and not followed here.
unsafe impl Send for Borrowed {}
// SAFETY: as above.
unsafe impl Sync for Borrowed {}

/// A function of the caller, or none, with its pointer. Options, clients, uploads and sessions share it; with
/// the last of them the caller's pointer ends.
pub(crate) struct Hook<F> {
    pub(crate) function: F,
    pub(crate) userdata: Userdata,
    destroy: bitsup_destroy_callback,
}

impl<F> Hook<F> {
    pub(crate) fn new(
        function: F,
        userdata: *mut c_void,
        destroy: bitsup_destroy_callback,
    ) -> Self {
        Self { function, userdata: Userdata(userdata), destroy }
    }
}

impl<F> Drop for Hook<F> {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller's function for this pointer, which nothing of ours has any more.
            // It does not unwind.
            unsafe { destroy(self.userdata.0) };
        }
    }
}

/// A callback that is unset, or set to a function or to none.
pub(crate) type Slot<T> = Option<Arc<T>>;

/// The callbacks that are set.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) progress: Slot<Hook<bitsup_progress_callback>>,
    pub(crate) state: Slot<Hook<bitsup_state_callback>>,
    pub(crate) retry: Slot<Hook<bitsup_retry_callback>>,
    pub(crate) transcript: Slot<Hook<bitsup_transcript_callback>>,
    pub(crate) credentials: Slot<CredentialHook>,
    pub(crate) log: Slot<Hook<bitsup_log_callback>>,
}

impl Hooks {
    /// Sets all that `from` has set.
    pub(crate) fn merge(&mut self, from: &Self) {
        fn set<T>(place: &mut Slot<T>, from: Option<&Arc<T>>) {
            if let Some(from) = from {
                *place = Some(Arc::clone(from));
            }
        }
        set(&mut self.progress, from.progress.as_ref());
        set(&mut self.state, from.state.as_ref());
        set(&mut self.retry, from.retry.as_ref());
        set(&mut self.transcript, from.transcript.as_ref());
        set(&mut self.credentials, from.credentials.as_ref());
        set(&mut self.log, from.log.as_ref());
    }
}

/// Whether there is a function to call.
pub(crate) fn calls<F>(slot: Option<&Arc<Hook<Option<F>>>>) -> bool {
    slot.is_some_and(|hook| hook.function.is_some())
}

/// Brings events of one upload to the caller. The upload's handle has the hooks, so that they end
/// with it and not some time later.
pub(crate) struct Callbacks {
    pub(crate) client: Arc<Life>,
    pub(crate) life: Arc<Life>,
    pub(crate) upload: Borrowed,
    pub(crate) hooks: Weak<Hooks>,
    pub(crate) told: Arc<AtomicBool>,
    pub(crate) last_state: Option<bitsup_state>,
}

impl Callbacks {
    /// Brings one event to the caller. A panic of ours stops the upload and spoils its handle.
    pub(crate) fn deliver(&mut self, event: &Event) -> Flow {
        let (client, life) = (Arc::clone(&self.client), Arc::clone(&self.life));
        let flow = catch_unwind(AssertUnwindSafe(|| {
            fault_point(c"around callbacks");
            let Some(_client) = client.enter() else { return Flow::Continue };
            let Some(_upload) = life.enter() else { return Flow::Continue };
            match self.hooks.upgrade() {
                Some(hooks) => self.call(event, &hooks),
                None => Flow::Continue,
            }
        }))
        .unwrap_or_else(|_| {
            life.spoil();
            Flow::Stop
        });
        if matches!(event, Event::Finished(_)) {
            self.told.store(true, Ordering::Release);
        }
        flow
    }

    fn call(&mut self, event: &Event, hooks: &Hooks) -> Flow {
        let upload = self.upload.0;
        if let Some((level, line)) = hooks.log.as_ref().and_then(|_| log_line(event))
            && let Some((function, userdata)) = self.next(hooks.log.as_ref())
        {
            let line = text::for_c(&line);
            fault_point(c"before log");
            // SAFETY: the caller's function for this pointer; it does not unwind.
            unsafe { function(userdata.0, upload, level, line.as_ptr()) };
            fault_point(c"after log");
        }
        if let Event::Recorded(entry) = event
            && let Some((function, userdata)) = self.next(hooks.transcript.as_ref())
        {
            let entry = text::for_c(entry);
            fault_point(c"before transcript");
            // SAFETY: the caller's function for this pointer; it does not unwind.
            unsafe { function(userdata.0, upload, entry.as_ptr()) };
            fault_point(c"after transcript");
        }
        let mut stop = 0;
        if let Event::Progress(progress) = event {
            let progress = bitsup_progress::from(progress);
            let before = self.last_state.replace(progress.state);
            if before != Some(progress.state)
                && let Some((function, userdata)) = self.next(hooks.state.as_ref())
            {
                fault_point(c"before state");
                // SAFETY: the caller's function for this pointer; it does not unwind.
                stop |= unsafe { function(userdata.0, upload, progress.state) };
                fault_point(c"after state");
            }
            if let Some((function, userdata)) = self.next(hooks.progress.as_ref()) {
                fault_point(c"before progress");
                // SAFETY: as above; the structure lives until the function returns.
                stop |= unsafe { function(userdata.0, upload, &raw const progress) };
                fault_point(c"after progress");
            }
        }
        if stop == 0 { Flow::Continue } else { Flow::Stop }
    }

    /// The function to call with its pointer; `None` too once another one, for the same event, has freed
    /// upload or client.
    fn next<F: Copy>(&self, slot: Option<&Arc<Hook<Option<F>>>>) -> Option<(F, Userdata)> {
        let hook = slot?;
        let function = hook.function?;
        let is_closed = self.life.is_closed() || self.client.is_closed();
        (!is_closed).then_some((function, hook.userdata))
    }
}

/// What callbacks do not look at needs not be brought to them.
pub(crate) fn wanted(hooks: &Hooks) -> EventFilter {
    let progress = calls(hooks.progress.as_ref()) || calls(hooks.state.as_ref());
    let log = calls(hooks.log.as_ref());
    EventFilter::default().progress(progress).packets(log).notices(log)
}

/// Asks the caller about a retry. After a panic of ours the upload fails and its handle is spoiled.
pub(crate) fn decide(
    (client, life): (&Life, &Life),
    upload: Borrowed,
    hooks: &Weak<Hooks>,
    error: &bitsup::Error,
    attempts: u32,
) -> RetryDecision {
    catch_unwind(AssertUnwindSafe(|| {
        let Some(_client) = client.enter() else { return RetryDecision::Retry };
        let Some(_upload) = life.enter() else { return RetryDecision::Retry };
        let hooks = hooks.upgrade();
        let hook = hooks.as_ref().and_then(|hooks| hooks.retry.as_ref());
        let Some((hook, function)) = hook.and_then(|hook| Some((hook, hook.function?))) else {
            return RetryDecision::Retry;
        };
        let error = Tagged::new(CallFailure::from(error.clone()).into_error());
        fault_point(c"before retry");
        // SAFETY: the caller's function for this pointer; it does not unwind. The error lives
        // until it returns.
        let answer = unsafe { function(hook.userdata.0, upload.0, handle::lend(&error), attempts) };
        fault_point(c"after retry");
        match u64::try_from(answer) {
            Ok(0) => RetryDecision::Retry,
            Ok(milliseconds) => RetryDecision::After(Duration::from_millis(milliseconds)),
            Err(_) => RetryDecision::Fail,
        }
    }))
    .unwrap_or_else(|_| {
        life.spoil();
        RetryDecision::Fail
    })
}

/// An event in one line; progress has none.
fn log_line(event: &Event) -> Option<(bitsup_log_level, String)> {
    let range = |line: &mut String, range: Option<(u64, u64)>| {
        if let Some((first, length)) = range {
            let _ = write!(line, " of {length} bytes from {first}");
        }
    };
    Some(match event {
        Event::Packet(packet) => {
            let mut line = packet.packet.to_string();
            range(&mut line, packet.range);
            let _ = write!(line, " to {}", packet.host);
            (bitsup_log_level::Debug, line)
        }
        Event::Ack(ack) => {
            let mut line = format!("HTTP {} to {}", ack.status, ack.packet);
            range(&mut line, ack.range);
            if let Some(offset) = ack.offset {
                let _ = write!(line, ", the server has {offset}");
            }
            let _ = write!(line, ", after {} ms", ack.duration.as_millis());
            (bitsup_log_level::Debug, line)
        }
        Event::Notice(notice) => (bitsup_log_level::Info, notice.clone()),
        Event::Retry { cause, delay, .. } => {
            let seconds = delay.as_secs_f64();
            (bitsup_log_level::Warning, format!("{cause}; next try in {seconds:.1} s"))
        }
        Event::Finished(Ok(receipt)) => {
            (bitsup_log_level::Info, format!("{} is complete: {} bytes", receipt.url, receipt.size))
        }
        Event::Finished(Err(error)) => (bitsup_log_level::Error, error.to_string()),
        _ => return None,
    })
}
