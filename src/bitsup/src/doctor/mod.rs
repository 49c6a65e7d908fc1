//! What stands between this machine and an upload, looked at step by step.

#[cfg_attr(not(feature = "openssl"), path = "no_certificates.rs")]
mod certificates;
mod network;
mod protocol;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::client::ClientInner;
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::options::UploadOptions;
use crate::packets::Deadline;
use crate::transport::Scheme;

/// For all of it together: a person sits and waits, and what took so long is a finding. The name, the connection and
/// the certificates leave a second of it, and deleting the session has
/// [`CLEANUP`](protocol::CLEANUP) in any case, so that it ends within 20 seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// Which proxy stands between.
    Proxy,
    /// The addresses of the server's name, or of the proxy's.
    Name,
    /// TCP connections to these addresses.
    Connection,
    /// The certificates that the server shows.
    Certificates,
    /// Whether a packet gets through to a BITS server.
    Verb,
    /// How the server wants to be logged in to.
    Authentication,
    /// Whether a session can be created and deleted again.
    Session,
    /// Whether the host that the server sends uploads to can be reached.
    HostId,
    /// The difference between the clocks.
    Clock,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It was not looked at, since an earlier step failed or it does not apply.
    Skipped,
    /// Uploads may work all the same.
    Warning,
    /// Uploads do not work.
    Problem,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen, in one line.
    pub detail: String,
    /// What to do about a problem or warning, and where: the setting of the server or proxy.
    pub fix: Option<String>,
    /// The kind of error that an upload would end with.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

/// All findings, in the order in which a connection comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DoctorReport {
    /// Version of this form.
    v: u32,
    /// The URL, without its query.
    pub url: String,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl DoctorReport {
    /// The first problem; `None` if an upload should work.
    #[must_use]
    pub fn problem(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.verdict == Verdict::Problem)
    }

    /// The report as one line of JSON: `v`, `url`, and `findings` with `check`, `verdict`, `detail`
    /// and `fix`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // There is nothing in it that JSON could not hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Looks at all of it. Packets are sent once each; a session that was created is deleted.
pub(crate) fn examine(
    client: &Arc<ClientInner>,
    url: &str,
    options: &UploadOptions,
) -> Result<DoctorReport, Error> {
    let destination = Destination::parse(url)?;
    options.check(destination.https)?;
    let scheme = if destination.https { Scheme::Https } else { Scheme::Http };
    let choice = options.transport_proxy()?;
    let proxy = choice
        .for_origin(scheme, &destination.host, options.no_proxy.as_deref())
        .map_err(Error::invalid)?;

    let mut findings = Vec::new();
    findings.push(match &proxy {
        Some(proxy) => good(Check::Proxy, format!("goes through {}", proxy.shown())),
        None => good(Check::Proxy, "none: the server is reached directly"),
    });
    let (host, port) = match &proxy {
        Some(proxy) => (proxy.host.clone(), proxy.port),
        None => (destination.host.clone(), destination.port),
    };
    let deadline = Deadline::new(PATIENCE);
    let address = network::examine(&host, port, proxy.is_some(), options, &mut findings);
    match (destination.https, &proxy, address) {
        (true, None, Some(address)) => {
            findings.push(certificates::examine(&destination.host, address, options));
        }
        (true, Some(_), _) => {
            findings.push(skipped(Check::Certificates, "not looked at through a proxy"));
        }
        (true, None, None) => findings.push(skipped(Check::Certificates, "no connection")),
        (false, ..) => {
            findings.push(skipped(Check::Certificates, "none: this is plain http"));
        }
    }
    if address.is_some() {
        protocol::examine(client, &destination, options, &deadline, &mut findings);
    } else {
        for check in [Check::Verb, Check::Authentication, Check::Session] {
            findings.push(skipped(check, "no connection"));
        }
    }
    Ok(DoctorReport { v: 1, url: destination.to_string(), findings })
}

fn good(check: Check, detail: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Good, detail: detail.into(), fix: None, kind: None }
}

fn skipped(check: Check, detail: &str) -> Finding {
    Finding { check, verdict: Verdict::Skipped, detail: detail.into(), fix: None, kind: None }
}

fn warning(check: Check, detail: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        check,
        verdict: Verdict::Warning,
        detail: detail.into(),
        fix: Some(fix.into()),
        kind: None,
    }
}

fn problem(
    check: Check,
    kind: ErrorKind,
    detail: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        check,
        verdict: Verdict::Problem,
        detail: detail.into(),
        fix: Some(fix.into()),
        kind: Some(kind),
    }
}

/// A problem in the words of an error.
fn of_error(check: Check, error: &Error) -> Finding {
    problem(check, error.kind(), error.to_string(), error.advice())
}
