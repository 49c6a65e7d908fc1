//! Brings an upload's events to Python, on the client's callback thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitsup::{AckEvent, Event, EventFilter, Flow, PacketEvent, Progress, Receipt};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::{errors, gate};

/// Which events Python sees, by level: the others never take the interpreter's lock. Notices, retries and the end
/// are seen at all of them.
pub(crate) fn filter(level: u8) -> EventFilter {
    EventFilter::default().progress(level >= 1).packets(level >= 2)
}

/// The listener that calls `sink(kind, facts)`; `False` stops the upload and keeps its session. `told` is set when
/// the end was told, after which nothing comes.
pub(crate) fn listener(
    sink: Py<PyAny>,
    told: Arc<AtomicBool>,
) -> impl FnMut(&Event) -> Flow + Send + 'static {
    let mut sink = Some(sink);
    move |event| {
        let flow = gate::enter(|py| -> PyResult<Flow> {
            let Some(to) = &sink else { return Ok(Flow::Continue) };
            let (kind, facts) = describe(py, event)?;
            let go_on: bool = to.bind(py).call1((kind, facts))?.extract()?;
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

/// Progress as the fields of `bitsup.Progress`.
pub(crate) fn progress<'py>(py: Python<'py>, progress: &Progress) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("total", progress.total)?;
    facts.set_item("acknowledged", progress.acknowledged)?;
    facts.set_item("sent", progress.sent)?;
    facts.set_item("rate", progress.rate)?;
    facts.set_item("eta", progress.eta.map(|eta| eta.as_secs_f64()))?;
    facts.set_item("state", progress.state.name())?;
    facts.set_item("attempt", progress.attempt)?;
    let waiting = progress.waiting.as_ref();
    facts.set_item("waiting_for", waiting.map(|waiting| waiting.reason.as_str()))?;
    facts.set_item("next_try", waiting.map(|waiting| waiting.remaining.as_secs_f64()))?;
    Ok(facts)
}

/// The result as `("receipt", fields)` or `("error", exception)`.
pub(crate) fn outcome<'py>(
    py: Python<'py>,
    result: Result<&Receipt, &bitsup::Error>,
) -> PyResult<(&'static str, Bound<'py, PyAny>)> {
    match result {
        Ok(receipt) => Ok(("receipt", self::receipt(py, receipt)?.into_any())),
        Err(error) => Ok(("error", errors::object(py, error)?)),
    }
}

fn describe<'py>(py: Python<'py>, event: &Event) -> PyResult<(&'static str, Bound<'py, PyAny>)> {
    let facts = PyDict::new(py);
    let kind = match event {
        Event::Progress(snapshot) => return Ok(("progress", progress(py, snapshot)?.into_any())),
        Event::Finished(result) => return outcome(py, result.as_deref()),
        Event::Packet(PacketEvent { packet, range, host, .. }) => {
            facts.set_item("packet", packet.as_str())?;
            facts.set_item("range", *range)?;
            facts.set_item("host", host)?;
            "packet"
        }
        Event::Ack(AckEvent { packet, range, status, offset, duration, .. }) => {
            facts.set_item("packet", packet.as_str())?;
            facts.set_item("range", *range)?;
            facts.set_item("http_status", status)?;
            facts.set_item("offset", offset)?;
            facts.set_item("seconds", duration.as_secs_f64())?;
            "ack"
        }
        Event::Notice(text) => {
            facts.set_item("text", text)?;
            "notice"
        }
        Event::Recorded(entry) => {
            return Ok(("recorded", PyString::new(py, entry).into_any()));
        }
        Event::Retry { cause, delay, attempt } => {
            facts.set_item("cause", errors::object(py, cause)?)?;
            facts.set_item("delay", delay.as_secs_f64())?;
            facts.set_item("attempt", attempt)?;
            "retry"
        }
        // An event that this version of the package does not know.
        _ => "other",
    };
    Ok((kind, facts.into_any()))
}

fn receipt<'py>(py: Python<'py>, receipt: &Receipt) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("url", &receipt.url)?;
    facts.set_item("size", receipt.size)?;
    facts.set_item("session_id", &receipt.session_id)?;
    facts.set_item("seconds", receipt.duration.as_secs_f64())?;
    facts.set_item("fragments", receipt.fragments)?;
    facts.set_item("restarts", receipt.restarts)?;
    facts.set_item("retries", receipt.retries)?;
    facts.set_item("unconfirmed_resends", receipt.unconfirmed_resends)?;
    facts.set_item("close_confirmed", receipt.close_confirmed)?;
    facts.set_item("verified", receipt.verified)?;
    facts.set_item("skipped", receipt.skipped)?;
    facts.set_item("sha256", &receipt.sha256)?;
    facts.set_item("reply_path", &receipt.reply_path)?;
    facts.set_item("reply", receipt.reply.as_deref())?;
    facts.set_item("reply_url", &receipt.reply_url)?;
    facts.set_item("warnings", &receipt.warnings)?;
    Ok(facts)
}
