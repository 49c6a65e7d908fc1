//! Brings an upload's events to Python, on the client's callback thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitsup::{AckEvent, Event, EventFilter, Flow, PacketEvent, Progress, Receipt};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::records::record;
use crate::{errors, gate};

/// Which events Python sees, by level: the others never take the interpreter's lock. Notices, retries and the end
/// are seen at all of them.
pub(crate) fn filter(level: u8) -> EventFilter {
    EventFilter::default().progress(level >= 1).packets(level >= 2)
}

/// The listener that calls `sink(event)`; `False` stops the upload and keeps its session. `told` is set when
/// the end was told, after which nothing comes.
pub(crate) fn listener(
    sink: Py<PyAny>,
    told: Arc<AtomicBool>,
) -> impl FnMut(&Event) -> Flow + Send + 'static {
    let mut sink = Some(sink);
    move |event| {
        let flow = gate::enter(|py| -> PyResult<Flow> {
            let Some(to) = &sink else { return Ok(Flow::Continue) };
            let Some(event_object) = describe(py, event)? else { return Ok(Flow::Continue) };
            let go_on: bool = to.bind(py).call1((event_object,))?.extract()?;
            if matches!(event, Event::Finished(_)) {
                // Else sink and upload keep each other alive.
                sink = None;
                told.store(true, Ordering::Relaxed);
            }
            Ok(if go_on { Flow::Continue } else { Flow::Stop })
        });
        match flow {
            Some(Ok(flow)) => flow,
            Some(Err(problem)) => {
                // The sink keeps the exceptions of callbacks; this is a fault of the package.
                gate::enter(|py: Python<'_>| problem.write_unraisable(py, None));
                Flow::Stop
            }
            None => Flow::Stop,
        }
    }
}

/// A `bitsup.Progress`.
pub(crate) fn progress<'py>(py: Python<'py>, progress: &Progress) -> PyResult<Bound<'py, PyAny>> {
    let waiting = progress.waiting.as_ref();
    record!(
        py,
        "Progress",
        total: progress.total,
        acknowledged: progress.acknowledged,
        sent: progress.sent,
        rate: progress.rate,
        eta: progress.eta.map(|eta| eta.as_secs_f64()),
        state: py.import("bitsup")?.getattr("State")?.call1((progress.state.name(),))?,
        attempt: progress.attempt,
        waiting_for: waiting.map(|waiting| waiting.reason.as_str()),
        next_try: waiting.map(|waiting| waiting.remaining.as_secs_f64()),
    )
}

/// The result, as a `bitsup.Finished`.
pub(crate) fn outcome<'py>(
    py: Python<'py>,
    result: Result<&Receipt, &bitsup::Error>,
) -> PyResult<Bound<'py, PyAny>> {
    record!(
        py,
        "Finished",
        receipt: result.ok().map(|receipt| self::receipt(py, receipt)).transpose()?,
        error: result.err().map(|error| errors::object(py, error)).transpose()?,
    )
}

/// What Python is told: a record, the text of a transcript's entry, or nothing.
fn describe<'py>(py: Python<'py>, event: &Event) -> PyResult<Option<Bound<'py, PyAny>>> {
    match event {
        Event::Progress(snapshot) => progress(py, snapshot),
        Event::Finished(result) => outcome(py, result.as_deref()),
        Event::Packet(PacketEvent { packet, range, host, .. }) => {
            record!(py, "PacketEvent", packet: packet.as_str(), range: *range, host: host)
        }
        Event::Ack(AckEvent { packet, range, status, offset, duration, .. }) => record!(
            py,
            "AckEvent",
            packet: packet.as_str(),
            range: *range,
            http_status: status,
            offset: offset,
            seconds: duration.as_secs_f64(),
        ),
        Event::Notice(text) => record!(py, "Notice", text: text),
        Event::Recorded(entry) => Ok(PyString::new(py, entry).into_any()),
        Event::Retry { cause, delay, attempt } => record!(
            py,
            "Retry",
            cause: errors::object(py, cause)?,
            delay: delay.as_secs_f64(),
            attempt: attempt,
        ),
        // An event that this version of the package does not know.
        _ => return Ok(None),
    }
    .map(Some)
}

fn receipt<'py>(py: Python<'py>, receipt: &Receipt) -> PyResult<Bound<'py, PyAny>> {
    record!(
        py,
        "Receipt",
        url: &receipt.url,
        size: receipt.size,
        session_id: &receipt.session_id,
        seconds: receipt.duration.as_secs_f64(),
        fragments: receipt.fragments,
        restarts: receipt.restarts,
        retries: receipt.retries,
        unconfirmed_resends: receipt.unconfirmed_resends,
        close_confirmed: receipt.close_confirmed,
        verified: receipt.verified,
        skipped: receipt.skipped,
        sha256: &receipt.sha256,
        reply_path: receipt.reply_path.as_ref().map(|path| path.as_os_str()),
        reply: receipt.reply.as_deref(),
        reply_url: &receipt.reply_url,
        warnings: PyTuple::new(py, &receipt.warnings)?,
    )
}
