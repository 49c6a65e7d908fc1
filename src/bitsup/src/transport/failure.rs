//! What libcurl's errors mean here.

use super::curl_handler::{ExchangeHandler, Limit, Stop};
use super::exchange::{FailureKind, Sent};
use super::tls_errors::{self, OWN_CERTIFICATE};

/// Numbers of `CURLcode` that the crate has no question for.
mod code {
    pub(super) const WEIRD_SERVER_REPLY: u32 = 8;
    pub(super) const NOT_BUILT_IN: u32 = 4;
    pub(super) const SSL_ENGINE_INITFAILED: u32 = 66;
    pub(super) const SSL_PINNEDPUBKEYNOTMATCH: u32 = 90;
    pub(super) const SSL_INVALIDCERTSTATUS: u32 = 91;
    pub(super) const PROXY: u32 = 97;
    pub(super) const SSL_CLIENTCERT: u32 = 98;
    pub(super) const TOO_LARGE: u32 = 100;
}

/// What was known about the way to the server when the error came.
pub(super) struct Circumstances {
    /// The system's error number of a failed connect, 0 if unknown.
    pub(super) os_error: i32,
    pub(super) through_proxy: bool,
    /// The status of the proxy's answer to CONNECT, 0 without one.
    pub(super) connect_status: u32,
}

/// How much of the request is gone.
pub(super) fn sent(handler: &ExchangeHandler) -> Sent {
    if !handler.began() {
        Sent::Nothing
    } else if handler.all_sent() {
        Sent::All
    } else {
        Sent::Part(handler.sent())
    }
}

/// The kind of an exchange that one of our limits ended.
pub(super) fn of_limit(limit: Limit) -> (FailureKind, &'static str) {
    match limit {
        Limit::Connect => (FailureKind::ConnectTimeout, "no connection within the time limit"),
        Limit::Stall => (FailureKind::StallTimeout, "no byte moved within the time limit"),
        Limit::Answer | Limit::Drain => {
            (FailureKind::AnswerTimeout, "no answer within the time limit")
        }
    }
}

/// The kind of an exchange that a callback of ours ended.
pub(super) fn of_stop(stop: Stop) -> (FailureKind, String) {
    match stop {
        Stop::HeaderFlood => {
            (FailureKind::BadAnswer, "the answer has too many header lines".to_owned())
        }
        Stop::TooManyRequests => {
            (FailureKind::TooManyRequests, "the login takes too many rounds".to_owned())
        }
        Stop::SourceFailed(error) => {
            let text = format!("the data to send could not be read: {error}");
            (FailureKind::Source(error), text)
        }
        Stop::SinkFailed(error) => {
            let text = format!("the answer could not be written: {error}");
            (FailureKind::Sink(error), text)
        }
        Stop::AnswerTaken => {
            (FailureKind::BadAnswer, "the answer ended before its header lines".to_owned())
        }
    }
}

/// The kind of an error of libcurl's.
pub(super) fn of_curl(
    error: &curl::Error,
    handler: &ExchangeHandler,
    circumstances: &Circumstances,
) -> FailureKind {
    let code = error.code();
    if handler.refused_socket() || error.is_send_fail_rewind() {
        return FailureKind::ConnectionLost;
    }
    if is_tls(error, code) {
        return if is_cut_off(error) {
            FailureKind::ConnectionLost
        } else if is_own_certificate(error, code) {
            FailureKind::Tls(Some(tls_errors::of_alert(detail(error)).unwrap_or(&OWN_CERTIFICATE)))
        } else {
            FailureKind::Tls(tls_errors::of_words(detail(error)))
        };
    }
    if (error.is_recv_error() || error.is_send_error())
        && let Some(problem) = tls_errors::of_alert(detail(error))
    {
        return FailureKind::Tls(Some(problem));
    }
    if error.is_couldnt_resolve_host() {
        return FailureKind::NameNotResolved;
    }
    if code == code::PROXY && is_socks_login(error) {
        return FailureKind::ProxyFailed(Some(407));
    }
    if error.is_couldnt_resolve_proxy() || code == code::PROXY {
        return FailureKind::ProxyFailed(None);
    }
    if !handler.began() && circumstances.through_proxy {
        let status = u16::try_from(circumstances.connect_status).ok().filter(|status| *status > 0);
        return FailureKind::ProxyFailed(status);
    }
    if error.is_couldnt_connect() {
        return match circumstances.os_error {
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL => {
                FailureKind::NoRoute
            }
            libc::ETIMEDOUT => FailureKind::ConnectTimeout,
            _ => FailureKind::ConnectFailed,
        };
    }
    if error.is_operation_timedout() {
        return FailureKind::ConnectTimeout;
    }
    if error.is_recv_error()
        || error.is_send_error()
        || error.is_got_nothing()
        || error.is_partial_file()
    {
        return FailureKind::ConnectionLost;
    }
    if code == code::WEIRD_SERVER_REPLY
        || code == code::TOO_LARGE
        || is_long_line(error, handler)
        || error.is_unsupported_protocol()
        || error.is_bad_content_encoding()
    {
        return FailureKind::BadAnswer;
    }
    if code == code::NOT_BUILT_IN || error.is_unknown_option() {
        return FailureKind::Unsupported;
    }
    FailureKind::Internal
}

/// Our words, where libcurl's would mislead.
pub(super) fn words(
    error: &curl::Error,
    kind: &FailureKind,
    handler: &ExchangeHandler,
    shows_proxy_login: bool,
) -> Option<&'static str> {
    match kind {
        FailureKind::ProxyFailed(Some(407)) if shows_proxy_login => {
            return Some("the proxy refused the credentials");
        }
        FailureKind::ProxyFailed(Some(407)) => return Some("the proxy requires credentials"),
        _ => {}
    }
    if handler.refused_socket() || error.is_send_fail_rewind() {
        // They would be about libcurl's second try, which was not allowed.
        Some("closed before there was an answer")
    } else if is_long_line(error, handler) {
        Some("the answer has a header line that is too long")
    } else {
        None
    }
}

/// libcurl's own words, the particular ones if it has any.
pub(super) fn detail(error: &curl::Error) -> &str {
    error.extra_description().filter(|text| !text.is_empty()).unwrap_or_else(|| error.description())
}

/// 7.88 calls a line above its bound "out of memory"; later versions say that it is too large.
fn is_long_line(error: &curl::Error, handler: &ExchangeHandler) -> bool {
    error.is_out_of_memory() && handler.began()
}

fn is_tls(error: &curl::Error, code: u32) -> bool {
    is_own_certificate(error, code)
        || error.is_ssl_connect_error()
        || error.is_peer_failed_verification()
        || error.is_ssl_cipher()
        || error.is_ssl_cacert()
        || error.is_ssl_cacert_badfile()
        || error.is_ssl_crl_badfile()
        || error.is_ssl_issuer_error()
        || error.is_use_ssl_failed()
        || matches!(
            code,
            code::SSL_ENGINE_INITFAILED
                | code::SSL_PINNEDPUBKEYNOTMATCH
                | code::SSL_INVALIDCERTSTATUS
        )
}

/// Our certificate, or its key. 8.22 has only words for some of it.
fn is_own_certificate(error: &curl::Error, code: u32) -> bool {
    let text = detail(error);
    error.is_ssl_certproblem()
        || code == code::SSL_CLIENTCERT
        || ["set private key file", "client certificate from", "PKCS12 file"]
            .iter()
            .any(|sign| text.contains(sign))
}

/// A SOCKS5 server wants a login, or another one.
fn is_socks_login(error: &curl::Error) -> bool {
    let text = detail(error);
    ["rejected by the SOCKS5", "authentication method"].iter().any(|sign| text.contains(sign))
}

/// A handshake that ended without a word of TLS: a dead peer or middlebox, not a refusal. In a
/// tunnel 8.22 then has an error of OpenSSL's that is none.
fn is_cut_off(error: &curl::Error) -> bool {
    let text = detail(error);
    error.is_ssl_connect_error()
        && [
            "SSL_ERROR_SYSCALL",
            "Connection reset",
            "Broken pipe",
            "unexpected eof",
            "lib(0)::reason(0)",
        ]
        .iter()
        .any(|sign| text.contains(sign))
}
