//! Which credentials go out, and when.
//!
//! A password goes out only in answer to a challenge, and one that was refused never
//! again, by no upload of the client: three hundred uploads with an expired password must
//! not lock an account.

use std::sync::Arc;

use crate::options::{AuthChoice, Credentials, UploadOptions};
use crate::transport::{self, Answer, AuthScheme};

/// So many refused credentials are remembered; a client has a few.
const MAX_REFUSED: usize = 100;

/// Credentials that a server has refused.
#[derive(Default)]
pub(crate) struct Refused(Vec<(String, Credentials)>);

impl Refused {
    pub(crate) fn has(&self, origin: &str, credentials: &Credentials) -> bool {
        self.0.iter().any(|(at, refused)| at == origin && refused == credentials)
    }

    pub(crate) fn add(&mut self, origin: String, credentials: &Credentials) {
        if self.has(&origin, credentials) {
            return;
        }
        if self.0.len() == MAX_REFUSED {
            self.0.remove(0);
        }
        self.0.push((origin, credentials.clone()));
    }
}

/// The scheme to answer a challenge with: the strongest that server, build and caller have.
/// Basic shows the password to everybody on the way, and so wants TLS or a word of the caller.
pub(crate) fn choose(answer: &Answer, options: &UploadOptions, https: bool) -> Option<AuthScheme> {
    let basic_is_safe = (https && !options.tls.insecure) || options.allow_cleartext_credentials;
    let features = crate::features::features();
    [
        (AuthScheme::Negotiate, AuthChoice::Negotiate, "negotiate", features.negotiate),
        (AuthScheme::Ntlm, AuthChoice::Ntlm, "ntlm", features.ntlm),
        (AuthScheme::Digest, AuthChoice::Digest, "digest", true),
        (AuthScheme::Basic, AuthChoice::Basic, "basic", basic_is_safe),
    ]
    .into_iter()
    .find(|(_, choice, name, usable)| {
        let wanted = options.auth == AuthChoice::Any || options.auth == *choice;
        wanted && *usable && offers(answer, name)
    })
    .map(|(scheme, ..)| scheme)
}

/// Whether the password may go out in any way at all.
pub(crate) fn offers_only_basic(answer: &Answer) -> bool {
    offers(answer, "basic")
        && !["digest", "ntlm", "negotiate"].iter().any(|name| offers(answer, name))
}

/// What libcurl needs to answer with.
pub(crate) fn for_transport(
    credentials: &Credentials,
    scheme: AuthScheme,
) -> Arc<transport::Credentials> {
    Arc::new(transport::Credentials {
        scheme,
        user: credentials.user.clone(),
        password: credentials.password.reveal().to_owned().into(),
    })
}

fn offers(answer: &Answer, scheme: &str) -> bool {
    answer.headers.get_all("WWW-Authenticate").any(|value| {
        value.split(|b| *b == b',').any(|part| {
            let word = part.trim_ascii().split(|b| *b == b' ').next().unwrap_or_default();
            word.eq_ignore_ascii_case(scheme.as_bytes())
        })
    })
}
