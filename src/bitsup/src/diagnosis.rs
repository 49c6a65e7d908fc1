//! What is known about an exchange that went wrong beyond its status: words for the error.
//!
//! Answers that come from no BITS server carry the name of whoever gave them and a page that says
//! why. Both come from strangers and are only compared with what is known; nothing of them is
//! repeated.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};
use crate::transport::{Answer, Failure, FailureKind};

/// A remark about the last exchange.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    /// The status of the answer it is about; `None` if there was none.
    status: Option<u16>,
    kind: Option<ErrorKind>,
    title: Option<&'static str>,
    advice: Cow<'static, str>,
}

impl Remark {
    /// What is to be said about a failure of the transport.
    pub(crate) fn of_failure(failure: &Failure) -> Option<Self> {
        let (kind, advice) = match &failure.kind {
            FailureKind::Tls(Some(trouble)) => (ErrorKind::Tls, trouble.advice),
            FailureKind::ProxyFailed(Some(400..407 | 409..500)) => (
                ErrorKind::Refused,
                "Have the proxy allow CONNECT to this host and port (squid: an acl of ports such as SSL_ports, and http_access), or reach the host without it (--noproxy).",
            ),
            _ => return None,
        };
        Some(Self { status: None, kind: Some(kind), title: None, advice: advice.into() })
    }

    /// What is to be said about an answer.
    pub(crate) fn of_answer(answer: &Answer) -> Option<Self> {
        let is_bits = ["BITS-Packet-Type", "BITS-Error-Code"]
            .iter()
            .any(|name| answer.headers.get(name).is_some());
        if is_bits || answer.status < 400 {
            return None;
        }
        let page = String::from_utf8_lossy(&answer.body_prefix).to_ascii_lowercase();
        let cause = CAUSES.iter().find(|cause| {
            cause.statuses.contains(&answer.status)
                && cause.signs.iter().any(|sign| page.contains(sign))
        })?;
        Some(Self {
            status: Some(answer.status),
            kind: cause.kind,
            title: Some(cause.title),
            advice: cause.advice.into(),
        })
    }

    /// Puts the remark into an error, if it is about the same exchange.
    pub(crate) fn apply(remark: Option<&Self>, error: bitsup_proto::Error) -> Error {
        match remark {
            Some(remark) if remark.is_about(&error) => {
                let error = match remark.title {
                    Some(title) => error.with_message(title),
                    None => error,
                };
                let kind = remark.kind.unwrap_or_else(|| error.kind());
                Error::from(error.with_kind(kind)).with_advice(remark.advice.clone())
            }
            _ => error.into(),
        }
    }

    fn is_about(&self, error: &bitsup_proto::Error) -> bool {
        match self.status {
            Some(_) => error.http_status() == self.status,
            None => Some(error.kind()) == self.kind && error.http_status().is_none(),
        }
    }
}

/// A page that servers give for a reason.
struct Cause {
    statuses: &'static [u16],
    /// Any of these on the page, in lower case.
    signs: &'static [&'static str],
    kind: Option<ErrorKind>,
    title: &'static str,
    advice: &'static str,
}

static CAUSES: &[Cause] = &[
    // nginx completes the handshake and then answers 400; IIS has numbers below 403.
    Cause {
        statuses: &[400, 403, 496],
        signs: &["no required ssl certificate", "403.7", "client certificate required"],
        kind: Some(ErrorKind::Tls),
        title: "the server wants a client certificate",
        advice: "Show one: --cert FILE, and --key FILE if its key lies in another file.",
    },
    Cause {
        statuses: &[400, 403, 495],
        signs: &["ssl certificate error", "403.13", "403.16", "403.17"],
        kind: Some(ErrorKind::Tls),
        title: "the server does not take the client certificate",
        advice: "It has expired or was revoked, or the server does not trust the authority that issued it: look at its dates and issuer (openssl x509 -noout -dates -issuer), and into the server's log.",
    },
    Cause {
        statuses: &[400],
        signs: &[
            "plain http request was sent to https port",
            "speaking plain http to an ssl-enabled",
        ],
        kind: None,
        title: "the server speaks TLS at this port",
        advice: "Write https:// in the URL.",
    },
];
