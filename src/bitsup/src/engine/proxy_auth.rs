//! Which credentials a proxy is shown, and when.
//!
//! As with servers: in answer to a challenge, and those that were refused never again. A proxy
//! that makes a tunnel asks before anything of the upload is sent, and libcurl answers it.

use std::sync::Arc;

use super::auth::{Refused, for_transport};
use crate::options::{AuthChoice, ProxyChoice, UploadOptions};
use crate::transport::{self, Answer, AuthScheme};

/// What the transport may show the proxy; `asked` is the scheme it was asked for, if it was.
pub(crate) fn login(
    options: &UploadOptions,
    asked: Option<AuthScheme>,
    refused: &Refused,
) -> Option<Arc<transport::Credentials>> {
    let credentials = options.proxy_credentials.as_ref()?;
    let scheme = asked.unwrap_or(match options.proxy_auth {
        AuthChoice::Any => AuthScheme::OfTunnel,
        AuthChoice::Basic => AuthScheme::Basic,
        AuthChoice::Digest => AuthScheme::Digest,
        AuthChoice::Ntlm => AuthScheme::Ntlm,
        AuthChoice::Negotiate => AuthScheme::Negotiate,
    });
    let known = refused.has(&name(options), credentials);
    (!known).then(|| for_transport(credentials, scheme))
}

/// The scheme to answer a proxy's challenge with: the strongest that proxy, build and caller have.
pub(crate) fn choose(
    answer: &Answer,
    options: &UploadOptions,
    refused: &Refused,
) -> Option<AuthScheme> {
    let credentials = options.proxy_credentials.as_ref()?;
    if refused.has(&name(options), credentials) {
        return None;
    }
    let features = crate::features::features();
    [
        (AuthScheme::Negotiate, AuthChoice::Negotiate, "negotiate", features.negotiate),
        (AuthScheme::Ntlm, AuthChoice::Ntlm, "ntlm", features.ntlm),
        (AuthScheme::Digest, AuthChoice::Digest, "digest", true),
        (AuthScheme::Basic, AuthChoice::Basic, "basic", true),
    ]
    .into_iter()
    .find(|(_, choice, name, usable)| {
        // Negotiate takes a ticket, not the password that was given.
        let any = options.proxy_auth == AuthChoice::Any && *choice != AuthChoice::Negotiate;
        (any || options.proxy_auth == *choice) && *usable && offers(answer, name)
    })
    .map(|(scheme, ..)| scheme)
}

/// The proxy has refused the credentials, if there are any.
pub(crate) fn refuse(options: &UploadOptions, refused: &mut Refused) {
    if let Some(credentials) = &options.proxy_credentials {
        refused.add(name(options), credentials);
    }
}

/// A name for the proxy that no server has.
fn name(options: &UploadOptions) -> String {
    match &options.proxy {
        ProxyChoice::Url(url) => format!("proxy {url}"),
        _ => "proxy of the environment".to_owned(),
    }
}

fn offers(answer: &Answer, scheme: &str) -> bool {
    answer.headers.get_all("Proxy-Authenticate").any(|value| {
        value.split(|b| *b == b',').any(|part| {
            let word = part.trim_ascii().split(|b| *b == b' ').next().unwrap_or_default();
            word.eq_ignore_ascii_case(scheme.as_bytes())
        })
    })
}
