//! Calls the caller's functions.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bitsup::{Event, EventFilter, Flow, RetryDecision};

use crate::error::{Failure, bitsup_error};
use crate::faults::fault_point;
use crate::life::Life;
use crate::progress::{bitsup_progress, bitsup_state};
use crate::text;

/// Called with a snapshot of an upload, which lives until the function returns.
/// 0 goes on; anything else stops the upload and keeps its session.
pub type bitsup_progress_callback =
    Option<unsafe extern "C" fn(userdata: *mut c_void, progress: *const bitsup_progress) -> c_int>;

/// Called when an upload is in another state; states that pass quickly may be
/// left out, the last one is not. 0 goes on; anything else stops the upload and
/// keeps its session.
pub type bitsup_state_callback =
    Option<unsafe extern "C" fn(userdata: *mut c_void, state: bitsup_state) -> c_int>;

/// Called with one line of text, which lives until the function returns and
/// holds no secret.
pub type bitsup_log_callback = Option<
    unsafe extern "C" fn(userdata: *mut c_void, level: bitsup_log_level, message: *const c_char),
>;

/// Called with one exchange as an entry of a transcript, several lines of text
/// without secrets, which lives until the function returns. A transcript is the
/// line "bitsup-transcript 1" and the entries.
pub type bitsup_transcript_callback =
    Option<unsafe extern "C" fn(userdata: *mut c_void, entry: *const c_char)>;

/// Asked before each next try: error is what went wrong and belongs to the
/// library, attempts is the number of tries since the last progress. 0 tries
/// again when bitsup would, a positive number after so many milliseconds, a
/// negative one fails with that error and keeps the session. An answer is
/// awaited for ten seconds, or until the time of the next try if that is later.
pub type bitsup_retry_callback = Option<
    unsafe extern "C" fn(userdata: *mut c_void, error: *const bitsup_error, attempts: u32) -> i64,
>;

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

/// The pointer that goes with a callback.
#[derive(Clone, Copy)]
pub(crate) struct Userdata(pub(crate) *mut c_void);

// SAFETY: bitsup never looks behind the pointer. The header says that callbacks run on other
// threads, so the caller gives a pointer that they may have.
unsafe impl Send for Userdata {}
// SAFETY: as above.
unsafe impl Sync for Userdata {}

pub(crate) type ProgressFunction =
    unsafe extern "C" fn(*mut c_void, *const bitsup_progress) -> c_int;
pub(crate) type StateFunction = unsafe extern "C" fn(*mut c_void, bitsup_state) -> c_int;
pub(crate) type TranscriptFunction = unsafe extern "C" fn(*mut c_void, *const c_char);
pub(crate) type LogFunction = unsafe extern "C" fn(*mut c_void, bitsup_log_level, *const c_char);

#[derive(Clone, Copy)]
pub(crate) struct ProgressCallback(pub(crate) ProgressFunction, pub(crate) Userdata);

#[derive(Clone, Copy)]
pub(crate) struct StateCallback(pub(crate) StateFunction, pub(crate) Userdata);

#[derive(Clone, Copy)]
pub(crate) struct LogCallback(pub(crate) LogFunction, pub(crate) Userdata);

#[derive(Clone, Copy)]
pub(crate) struct TranscriptCallback(pub(crate) TranscriptFunction, pub(crate) Userdata);

#[derive(Clone, Copy)]
pub(crate) struct RetryCallback(
    pub(crate) unsafe extern "C" fn(*mut c_void, *const bitsup_error, u32) -> i64,
    pub(crate) Userdata,
);

impl RetryCallback {
    /// Asks the caller. After a panic of ours the upload fails and its handle is spoiled.
    pub(crate) fn decide(
        self,
        (client, upload): (&Life, &Life),
        error: &bitsup::Error,
        attempts: u32,
    ) -> RetryDecision {
        catch_unwind(AssertUnwindSafe(|| {
            let Some(_client) = client.enter() else { return RetryDecision::Retry };
            let Some(_upload) = upload.enter() else { return RetryDecision::Retry };
            let error = Failure::from(error.clone()).0;
            let Self(function, userdata) = self;
            fault_point(c"before retry");
            // SAFETY: the caller's function for this pointer; it does not unwind. The error lives
            // until it returns.
            let answer = unsafe { function(userdata.0, &raw const *error, attempts) };
            fault_point(c"after retry");
            match u64::try_from(answer) {
                Ok(0) => RetryDecision::Retry,
                Ok(milliseconds) => RetryDecision::After(Duration::from_millis(milliseconds)),
                Err(_) => RetryDecision::Fail,
            }
        }))
        .unwrap_or_else(|_| {
            upload.spoil();
            RetryDecision::Fail
        })
    }
}

/// The callbacks of one upload.
pub(crate) struct Callbacks {
    pub(crate) client: Arc<Life>,
    pub(crate) upload: Arc<Life>,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) state: Option<StateCallback>,
    pub(crate) transcript: Option<TranscriptCallback>,
    pub(crate) log: Option<LogCallback>,
    pub(crate) last_state: Option<bitsup_state>,
}

impl Callbacks {
    pub(crate) fn is_empty(&self) -> bool {
        self.progress.is_none()
            && self.state.is_none()
            && self.transcript.is_none()
            && self.log.is_none()
    }

    /// What they do not look at needs not be brought to them.
    pub(crate) fn wants(&self) -> EventFilter {
        let progress = self.progress.is_some() || self.state.is_some();
        let log = self.log.is_some();
        EventFilter::default().progress(progress).packets(log).notices(log)
    }

    /// Brings one event to the caller. A panic of ours stops the upload and spoils its handle.
    pub(crate) fn deliver(&mut self, event: &Event) -> Flow {
        let (client, upload) = (Arc::clone(&self.client), Arc::clone(&self.upload));
        catch_unwind(AssertUnwindSafe(|| {
            fault_point(c"around callbacks");
            let Some(_client) = client.enter() else { return Flow::Continue };
            let Some(_upload) = upload.enter() else { return Flow::Continue };
            self.call(event)
        }))
        .unwrap_or_else(|_| {
            upload.spoil();
            Flow::Stop
        })
    }

    fn call(&mut self, event: &Event) -> Flow {
        if let Some(LogCallback(function, userdata)) = self.log
            && let Some((level, line)) = log_line(event)
        {
            let line = text::for_c(&line);
            fault_point(c"before log");
            // SAFETY: the caller's function for this pointer; it does not unwind.
            unsafe { function(userdata.0, level, line.as_ptr()) };
            fault_point(c"after log");
        }
        if let (Some(TranscriptCallback(function, userdata)), Event::Recorded(entry)) =
            (self.transcript, event)
        {
            let entry = text::for_c(entry);
            fault_point(c"before transcript");
            // SAFETY: the caller's function for this pointer; it does not unwind.
            unsafe { function(userdata.0, entry.as_ptr()) };
            fault_point(c"after transcript");
        }
        let mut stop = 0;
        if let Event::Progress(progress) = event {
            let progress = bitsup_progress::from(progress);
            let before = self.last_state.replace(progress.state);
            if let Some(StateCallback(function, userdata)) = self.state
                && before != Some(progress.state)
            {
                fault_point(c"before state");
                // SAFETY: the caller's function for this pointer; it does not unwind.
                stop |= unsafe { function(userdata.0, progress.state) };
                fault_point(c"after state");
            }
            if let Some(ProgressCallback(function, userdata)) = self.progress {
                fault_point(c"before progress");
                // SAFETY: as above; the structure lives until the function returns.
                stop |= unsafe { function(userdata.0, &raw const progress) };
                fault_point(c"after progress");
            }
        }
        if stop == 0 { Flow::Continue } else { Flow::Stop }
    }
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

/// The name of a level, such as "WARNING"; "UNKNOWN" for a number that is none.
/// The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_log_level_name(level: u32) -> *const c_char {
    boundary!(value: c"UNKNOWN".as_ptr(), [], {
        const NAMES: [&CStr; 4] = [c"ERROR", c"WARNING", c"INFO", c"DEBUG"];
        let at = (level as usize).wrapping_sub(1);
        NAMES.get(at).map_or(c"UNKNOWN".as_ptr(), |name| name.as_ptr())
    })
}
