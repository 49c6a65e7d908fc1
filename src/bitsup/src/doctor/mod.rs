//! Diagnoses the path to a server: proxy, DNS, TCP, TLS, login, BITS.
//!
//! Nothing at the URL itself is touched: packets name a file of the doctor's own in the same
//! folder, of which one byte of two is sent, so that no server takes it for complete.

#[cfg_attr(not(feature = "openssl"), path = "no_certificates.rs")]
mod certificates;
mod network;
mod protocol;
mod state;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bitsup_proto::explain::{Reader, render};
use serde::Serialize;

use crate::client::ClientInner;
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::options::UploadOptions;
use crate::packets::Deadline;
use crate::transport::Proxy;
use protocol::Packets;

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
    /// The difference between the clocks.
    Clock,
    /// Whether a session can be created.
    Session,
    /// Whether the host that the server sends uploads to can be reached.
    HostId,
    /// Whether the body of a Fragment gets through.
    Fragment,
    /// Whether what this examination created was deleted again.
    Cleanup,
    /// Whether resume state can be stored on this machine.
    State,
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
    /// Whether uploads work cannot be told.
    Unknown,
    /// Uploads do not work.
    Problem,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen, in one line.
    pub detail: String,
    /// With options by id.
    fix: Option<String>,
    /// The kind of error that an upload would end with.
    pub kind: Option<ErrorKind>,
}

impl Finding {
    /// What to do about it, and where: the setting of the server or proxy. Options are
    /// named as `reader` knows them.
    #[must_use]
    pub fn fix(&self, reader: Reader) -> Option<Cow<'_, str>> {
        self.fix.as_deref().map(|fix| render(fix, reader))
    }
}

/// All findings, in the order in which a connection comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoctorReport {
    /// The URL, without its query.
    pub url: String,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// Version of the report's JSON.
const VERSION: u32 = 1;

impl DoctorReport {
    /// The first problem. With `None`, uploads should work, but for [`DoctorReport::is_uncertain`].
    #[must_use]
    pub fn problem(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.verdict == Verdict::Problem)
    }

    /// Whether no problem was found, but whether uploads work cannot be told either.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        let unknown = |finding: &Finding| finding.verdict == Verdict::Unknown;
        self.problem().is_none() && self.findings.iter().any(unknown)
    }

    /// The report as one line of JSON: `v`, `url`, and `findings` with `check`, `verdict`, `detail`
    /// and `fix`, which names options as `reader` knows them.
    #[must_use]
    pub fn to_json(&self, reader: Reader) -> String {
        #[derive(Serialize)]
        struct Report<'a> {
            v: u32,
            url: &'a str,
            findings: Vec<Fields<'a>>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            check: Check,
            verdict: Verdict,
            detail: &'a str,
            fix: Option<Cow<'a, str>>,
        }
        let findings = self.findings.iter().map(|finding| Fields {
            check: finding.check,
            verdict: finding.verdict,
            detail: &finding.detail,
            fix: finding.fix(reader),
        });
        let report = Report { v: VERSION, url: &self.url, findings: findings.collect() };
        // There is nothing in it that JSON could not hold.
        serde_json::to_string(&report).unwrap_or_default()
    }
}

/// What a step found.
struct Found {
    verdict: Verdict,
    detail: String,
    fix: Option<String>,
    kind: Option<ErrorKind>,
}

/// A check, and how it is done.
type Step = (Check, fn(&mut Examination) -> Found);

/// The steps, in the order in which a connection comes about.
const STEPS: [Step; 12] = [
    (Check::Proxy, Examination::proxy),
    (Check::Name, Examination::name),
    (Check::Connection, Examination::connection),
    (Check::Certificates, Examination::certificates),
    (Check::Verb, Examination::verb),
    (Check::Authentication, Examination::authentication),
    (Check::Clock, Examination::clock),
    (Check::Session, Examination::session),
    (Check::HostId, Examination::host_id),
    (Check::Fragment, Examination::fragment),
    (Check::Cleanup, Examination::cleanup),
    (Check::State, Examination::state),
];

/// What the steps work on: what they were given, and what earlier ones found.
struct Examination {
    client: Arc<ClientInner>,
    destination: Destination,
    options: UploadOptions,
    proxy: Option<Proxy>,
    deadline: Deadline,
    addresses: Vec<IpAddr>,
    /// One that answers.
    address: Option<SocketAddr>,
    packets: Option<Packets>,
}

/// Takes all steps. Packets are sent once each; a session that was created is cancelled.
pub(crate) fn examine(
    client: &Arc<ClientInner>,
    url: &str,
    options: &UploadOptions,
) -> Result<DoctorReport, Error> {
    let destination = Destination::parse(url)?;
    options.check(destination.origin.is_https())?;
    let choice = options.transport_proxy()?;
    let proxy = choice
        .for_origin(&destination.origin, options.no_proxy.as_deref())
        .map_err(Error::invalid)?;
    let mut examination = Examination {
        client: Arc::clone(client),
        destination,
        options: options.clone(),
        proxy,
        deadline: Deadline::new(PATIENCE),
        addresses: Vec::new(),
        address: None,
        packets: None,
    };
    let findings = STEPS.map(|(check, step)| {
        let Found { verdict, detail, fix, kind } = step(&mut examination);
        Finding { check, verdict, detail, fix, kind }
    });
    Ok(DoctorReport { url: examination.destination.to_string(), findings: findings.into() })
}

impl Examination {
    fn proxy(&mut self) -> Found {
        match &self.proxy {
            Some(proxy) => good(format!("goes through {}", proxy.shown())),
            None => good("none: the server is reached directly"),
        }
    }

    fn certificates(&mut self) -> Found {
        let origin = &self.destination.origin;
        match (origin.is_https(), &self.proxy, self.address) {
            (false, ..) => skipped("none: this is plain http"),
            (true, Some(_), _) => skipped("not checked through a proxy"),
            (true, None, None) => skipped("no connection"),
            (true, None, Some(address)) => {
                certificates::examine(&origin.host, address, &self.options)
            }
        }
    }
}

fn good(detail: impl Into<String>) -> Found {
    Found { verdict: Verdict::Good, detail: detail.into(), fix: None, kind: None }
}

fn skipped(detail: &str) -> Found {
    Found { verdict: Verdict::Skipped, ..good(detail) }
}

fn warning(detail: impl Into<String>, fix: impl Into<String>) -> Found {
    Found { verdict: Verdict::Warning, fix: Some(fix.into()), ..good(detail) }
}

fn unknown(detail: impl Into<String>, fix: impl Into<String>) -> Found {
    Found { verdict: Verdict::Unknown, ..warning(detail, fix) }
}

fn problem(kind: ErrorKind, detail: impl Into<String>, fix: impl Into<String>) -> Found {
    Found { verdict: Verdict::Problem, kind: Some(kind), ..warning(detail, fix) }
}
