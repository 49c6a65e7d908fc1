//! Conversions between options, answers and failures and what the layers below take.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bitsup_core::http_date;
use bitsup_proto::reply::ReplyMode;
use bitsup_proto::session::{self, FailureClass};
use bitsup_proto::verify::{Head, MAX_ETAG};
use bitsup_proto::{Ack, Config, fragment_size, packet, retry};
use zeroize::Zeroizing;

use super::super::Core;
use super::super::reply;
use crate::destination::Destination;
use crate::error::ErrorKind;
use crate::journal::Endpoint;
use crate::options::{ReplyTo, UploadOptions};
use crate::source::Source;
use crate::transport::{self, Answer, ConnectionOptions, FailureKind};

pub(super) fn config(
    source: &Source,
    destination: &Destination,
    options: &UploadOptions,
    endpoint: &Endpoint,
) -> Config {
    let name = options.content_name.clone().or_else(|| source.header_name());
    let credentials = options.credentials.is_some();
    Config {
        size: source.size(),
        content_name: name.as_deref().and_then(packet::content_name),
        origin: destination.origin.host.clone(),
        opening_ping: credentials
            || options.bearer_token.is_some()
            || options.credential_callback.is_some()
            || options.uses_proxy(),
        credentials,
        proxy_credentials: options.proxy_credentials.is_some(),
        host_policy: options.host_id,
        trusted_hosts: options.trusted_hosts.clone(),
        reply: match (&options.reply_to, options.reply_optional) {
            (ReplyTo::Nowhere, _) => ReplyMode::None,
            (_, true) => ReplyMode::Optional,
            (_, false) => ReplyMode::Required,
        },
        retry: retry::RetryPolicy {
            first_delay: options.retry_delay,
            max_delay: options.max_retry_delay,
            give_up_after: options.give_up_after,
            wait_for_server: options.wait_for_server,
            max_attempts: options.max_attempts,
            ..retry::RetryPolicy::default()
        },
        fragment: fragment_size::Limits {
            fixed: options.fragment_size,
            ceiling: options.max_fragment,
            floor: options.min_fragment,
        },
        answer_limit: options.ack_timeout,
        last_answer_limit: options.last_ack_timeout,
        cancel_limit: options.give_up_after.min(Config::default().cancel_limit),
        max_time: options.max_time,
        max_bytes: options.max_bytes,
        refuse_empty: options.refuse_empty,
        lenient_offset: options.lenient,
        verify: options.verify,
        on_lost_ack: options.on_lost_ack,
        learned_size: endpoint.max_fragment,
        offsets: endpoint.offsets,
        ..Config::default()
    }
}

pub(crate) fn connection_options(options: &UploadOptions, core: &Core) -> ConnectionOptions {
    ConnectionOptions {
        tls: options.tls.clone(),
        cert_is_pkcs12: options.tls.cert.as_deref().is_some_and(is_pkcs12),
        // Checked before the upload began.
        proxy: options.transport_proxy().unwrap_or_default(),
        no_proxy: options.no_proxy.clone(),
        post_override: options.post_override,
        polite: options.polite,
        user_agent: core.settings.user_agent.clone(),
        resolve: options.resolve.clone(),
    }
}

/// PKCS#12 begins with the tag of an ASN.1 sequence, PEM with text.
fn is_pkcs12(path: &Path) -> bool {
    let mut first = [0];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == [0x30]
}

/// The headers that the caller wants with every packet; those that are secret, and the token, only for
/// a host that is trusted with them.
pub(crate) fn own_headers(
    options: &UploadOptions,
    is_trusted: bool,
) -> Vec<(String, Zeroizing<String>)> {
    let own = options.headers.iter().filter(|header| is_trusted || !header.is_secret());
    let own = own.map(|h| (h.name().to_owned(), h.value().to_owned().into()));
    let token = options.bearer_token.iter().filter(|_| is_trusted);
    let token = token
        .map(|token| ("Authorization".to_owned(), ["Bearer ", token.expose()].concat().into()));
    own.chain(token).collect()
}

/// What a failure of the transport means for the upload: its class decides about retries, its error says what
/// libcurl, TLS, the source or the system said.
pub(crate) fn protocol_failure(failure: transport::ExchangeFailure) -> session::Failure {
    let transport::ExchangeFailure { kind, sent, idle, message, .. } = failure;
    let sent = match sent {
        transport::Sent::Nothing => session::Sent::Nothing,
        transport::Sent::Part(0) => session::Sent::Head,
        transport::Sent::Part(bytes) => session::Sent::Body(bytes),
        transport::Sent::All => session::Sent::Body(u64::MAX),
    };
    let failed =
        |class| session::Failure { idle, ..session::Failure::new(class, sent, message.clone()) };
    let fatal = |error| session::Failure { sent, idle, ..session::Failure::fatal(error) };
    let error = |kind| bitsup_proto::Error::new(kind, message.clone());
    match kind {
        FailureKind::NameNotResolved | FailureKind::NoRoute => failed(FailureClass::Offline),
        FailureKind::ConnectFailed | FailureKind::ConnectionLost | FailureKind::TooManyRequests => {
            failed(FailureClass::Transport)
        }
        FailureKind::StaleConnection => failed(FailureClass::Stale),
        FailureKind::ConnectTimeout | FailureKind::StallTimeout | FailureKind::AnswerTimeout => {
            failed(FailureClass::Timeout)
        }
        FailureKind::BadAnswer => failed(FailureClass::BadAnswer),
        FailureKind::ProxyFailed(Some(407)) => fatal(error(ErrorKind::ProxyAuth)),
        // It will not make the tunnel tomorrow either.
        FailureKind::ProxyFailed(Some(status @ 400..500)) if !matches!(status, 408 | 429) => {
            fatal(error(ErrorKind::Refused).with_advice(NO_TUNNEL))
        }
        FailureKind::ProxyFailed(_) => failed(FailureClass::Transport),
        FailureKind::Tls(None) => fatal(error(ErrorKind::Tls)),
        FailureKind::Tls(Some(problem)) => fatal(error(ErrorKind::Tls).with_advice(problem.advice)),
        FailureKind::NoLogin(advice) => fatal(error(ErrorKind::Auth).with_advice(advice)),
        FailureKind::Source(_) => fatal(error(ErrorKind::LocalFile)),
        FailureKind::Lack(error) => fatal(error.into_protocol()),
        FailureKind::Sink(error) => fatal(reply::not_stored(&error).into_protocol()),
        FailureKind::Unsupported => fatal(error(ErrorKind::Unsupported)),
        FailureKind::Internal => fatal(error(ErrorKind::Internal)),
    }
}

const NO_TUNNEL: &str = "Have the proxy allow CONNECT to this host and port (squid: an acl of ports such as SSL_ports, and http_access), or reach the host without it ({no_proxy}).";

/// What BITS reads of an answer.
pub(super) fn ack(answer: &Answer) -> Ack<'_> {
    let headers = answer.headers.iter();
    let headers =
        headers.filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)));
    Ack::parse(answer.status, headers)
}

pub(super) fn head(answer: &Answer) -> Head {
    let headers = &answer.headers;
    Head {
        status: answer.status,
        content_length: headers.number("Content-Length"),
        encoded: headers.get("Content-Encoding").is_some(),
        last_modified: headers.text("Last-Modified").and_then(http_date),
        etag: headers.text("ETag").map(|etag| etag.chars().take(MAX_ETAG).collect()),
    }
}

/// How much of the exchange's own request had gone out when it was answered.
pub(super) fn sent(stats: &transport::Stats) -> session::Sent {
    if stats.is_of_login { session::Sent::Nothing } else { session::Sent::Body(stats.sent) }
}
