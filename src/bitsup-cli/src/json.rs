//! Events for programs: one JSON object a line, described in `docs/json.md`.

use std::borrow::Cow;
use std::fmt::Write as _;

use bitsup::explain::Reader;
use bitsup::{
    AckEvent, Check, DoctorReport, Error, Finding, PacketEvent, PingReport, Progress, Receipt,
    SessionInfo, Verdict,
};
use serde::Serialize;

use crate::failure::CommandFailure;
use crate::format;

/// The format's version; a field that is only added does not change it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    time: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Body<'a> {
    Start {
        file: &'a str,
        size: Option<u64>,
    },
    Progress {
        file: &'a str,
        state: &'static str,
        total: u64,
        acknowledged: u64,
        sent: u64,
        rate: u64,
        eta_seconds: Option<f64>,
        attempt: u32,
        waiting_for: Option<String>,
        next_try_seconds: Option<f64>,
    },
    Packet {
        file: &'a str,
        packet: String,
        host: &'a str,
        first: Option<u64>,
        length: Option<u64>,
    },
    Ack {
        file: &'a str,
        packet: String,
        status: u16,
        first: Option<u64>,
        length: Option<u64>,
        offset: Option<u64>,
        seconds: f64,
    },
    Notice {
        file: &'a str,
        message: &'a str,
    },
    Retry {
        file: &'a str,
        cause: ErrorFields,
        delay_seconds: f64,
        attempt: u32,
    },
    Receipt {
        file: &'a str,
        resumable: bool,
        url: String,
        size: u64,
        seconds: f64,
        fragments: u64,
        retries: u64,
        restarts: u32,
        unconfirmed_resends: u32,
        close_confirmed: bool,
        verified: bool,
        skipped: bool,
        sha256: Option<String>,
        reply_path: Option<String>,
        reply_url: Option<String>,
        warnings: Vec<String>,
    },
    Error {
        file: &'a str,
        resumable: bool,
        #[serde(flatten)]
        error: ErrorFields,
        exit_code: u8,
        then: &'a str,
    },
    Summary {
        files: usize,
        done: usize,
        failed: usize,
        not_started: usize,
        bytes: u64,
        seconds: f64,
        exit_code: u8,
    },
    Ping {
        url: &'a str,
        seconds: f64,
        server: Option<&'a str>,
        authorized: bool,
    },
    Doctor {
        url: &'a str,
        findings: Vec<FindingFields<'a>>,
    },
    Session {
        id: &'a str,
        file: String,
        url: &'a str,
        size: u64,
        acknowledged: u64,
        begun: String,
        updated: String,
        in_use: bool,
        may_be_left: bool,
    },
}

#[derive(Serialize)]
struct ErrorFields {
    kind: String,
    message: String,
    advice: String,
    packet: Option<String>,
    http_status: Option<u16>,
    hresult: Option<String>,
    context: Option<u32>,
}

pub(crate) fn start(file: &str, size: Option<u64>) -> String {
    line(Body::Start { file, size })
}

pub(crate) fn progress(file: &str, progress: &Progress) -> String {
    line(Body::Progress {
        file,
        state: progress.state.name(),
        total: progress.total,
        acknowledged: progress.acknowledged,
        sent: progress.sent,
        rate: progress.rate,
        eta_seconds: progress.eta.map(|eta| eta.as_secs_f64()),
        attempt: progress.attempt,
        waiting_for: progress.waiting.as_ref().map(|waiting| waiting.reason.clone()),
        next_try_seconds: progress.waiting.as_ref().map(|waiting| waiting.remaining.as_secs_f64()),
    })
}

pub(crate) fn packet(file: &str, event: &PacketEvent) -> String {
    let (first, length) = event.range.unzip();
    line(Body::Packet { file, packet: event.packet.to_string(), host: &event.host, first, length })
}

pub(crate) fn ack(file: &str, event: &AckEvent) -> String {
    let (first, length) = event.range.unzip();
    line(Body::Ack {
        file,
        packet: event.packet.to_string(),
        status: event.status,
        first,
        length,
        offset: event.offset,
        seconds: event.duration.as_secs_f64(),
    })
}

pub(crate) fn notice(file: &str, message: &str) -> String {
    line(Body::Notice { file, message })
}

pub(crate) fn retry(file: &str, cause: &Error, delay: std::time::Duration, attempt: u32) -> String {
    let cause = fields(&CommandFailure::from(cause.clone()));
    line(Body::Retry { file, cause, delay_seconds: delay.as_secs_f64(), attempt })
}

pub(crate) fn receipt(file: &str, receipt: &Receipt) -> String {
    line(Body::Receipt {
        file,
        resumable: false,
        url: receipt.url.clone(),
        size: receipt.size,
        seconds: receipt.duration.as_secs_f64(),
        fragments: receipt.fragments,
        retries: receipt.retries,
        restarts: receipt.restarts,
        unconfirmed_resends: receipt.unconfirmed_resends,
        close_confirmed: receipt.close_confirmed,
        verified: receipt.verified,
        skipped: receipt.skipped,
        sha256: receipt.sha256.clone(),
        reply_path: receipt.reply_path.as_ref().map(|path| path.display().to_string()),
        reply_url: receipt
            .reply_url
            .as_deref()
            .map(|url| bitsup::text::masked_url(url, receipt.session_id.as_deref())),
        warnings: receipt.warnings.clone(),
    })
}

/// `then` is the last line of text for people: how to continue, or what is left.
pub(crate) fn error(file: &str, failure: &CommandFailure, then: &str) -> String {
    let (resumable, exit_code) = (failure.is_resumable(), failure.exit_code());
    line(Body::Error { file, resumable, error: fields(failure), exit_code, then })
}

/// What came of several files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) not_started: usize,
    pub(crate) bytes: u64,
}

pub(crate) fn summary(counts: Counts, time: std::time::Duration, exit_code: u8) -> String {
    let Counts { done, failed, not_started, bytes } = counts;
    let files = done + failed + not_started;
    let seconds = time.as_secs_f64();
    line(Body::Summary { files, done, failed, not_started, bytes, seconds, exit_code })
}

pub(crate) fn ping(report: &PingReport) -> String {
    line(Body::Ping {
        url: &report.url,
        seconds: report.duration.as_secs_f64(),
        server: report.server.as_deref(),
        authorized: report.authorized,
    })
}

pub(crate) fn doctor(report: &DoctorReport) -> String {
    let findings = report.findings.iter().map(|finding: &Finding| FindingFields {
        check: finding.check,
        verdict: finding.verdict,
        detail: &finding.detail,
        fix: finding.fix(Reader::Tool),
    });
    let findings = findings.collect();
    line(Body::Doctor { url: &report.url, findings })
}

pub(crate) fn session(session: &SessionInfo) -> String {
    line(Body::Session {
        id: &session.id,
        file: session.path.display().to_string(),
        url: &session.url,
        size: session.size,
        acknowledged: session.acknowledged,
        begun: format::date(session.begun),
        updated: format::date(session.updated),
        in_use: session.in_use,
        may_be_left: session.may_be_left,
    })
}

#[derive(Serialize)]
struct FindingFields<'a> {
    check: Check,
    verdict: Verdict,
    detail: &'a str,
    fix: Option<Cow<'a, str>>,
}

fn fields(failure: &CommandFailure) -> ErrorFields {
    let error = failure.error();
    ErrorFields {
        kind: failure.kind().to_string(),
        message: failure.to_string(),
        advice: failure.advice().to_owned(),
        packet: error.and_then(Error::packet).map(|packet| packet.to_string()),
        http_status: error.and_then(Error::http_status),
        hresult: error.and_then(Error::hresult).map(|code| format!("0x{:08X}", code.0)),
        context: error.and_then(Error::context),
    }
}

fn line(body: Body<'_>) -> String {
    let line = Line { v: VERSION, time: format::now(), body };
    // Only maps with keys that are no text, and numbers that are none, cannot be written.
    harmless(&serde_json::to_string(&line).unwrap_or_default())
}

/// The same JSON, with what could steer a terminal as escapes: they stand in strings only, and mean the
/// same there.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if bitsup::text::is_hidden(c) {
            // Writing to a String cannot fail. None of them needs more than four digits.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_and_steers_nothing() {
        let _rule = bitsup_server::rule!("LOG-05");
        let name = "a\u{7f}\u{9b}\u{202e}\u{2028}\n\0ü.bin";
        let line = start(name, None);
        assert!(!line.contains(bitsup::text::is_hidden), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["file"], name);
    }
}
