//! Which credentials go out, and when.
//!
//! A password goes out only in answer to a challenge, and one that was refused never
//! again, by no upload of the client: three hundred uploads with an expired password must
//! not lock an account.

use std::sync::Arc;

use crate::credentials::{Credentials, Login};
use crate::options::{AuthChoice, UploadOptions};
use crate::transport::{self, Answer, AuthScheme};

/// So many schemes of an answer are looked at; servers offer five at most.
const MAX_SCHEMES: usize = 16;
/// What servers ask with.
pub(crate) const SERVER: &str = "WWW-Authenticate";
/// What proxies ask with.
pub(crate) const PROXY: &str = "Proxy-Authenticate";
/// So much of a realm is told.
const MAX_REALM: usize = 200;

/// Which logins may go out; each counts as what [`Login::shown`] makes of it.
pub(crate) type Logins = bitsup_core::Logins<Login>;

/// The scheme to answer a challenge with: the strongest that server, build and caller have.
/// Basic shows the password to everybody on the way, and so wants TLS or a word of the caller.
pub(crate) fn choose(answer: &Answer, options: &UploadOptions, https: bool) -> Option<AuthScheme> {
    let offered = offered(answer, SERVER);
    let ntlm = cfg!(feature = "ntlm");
    let ticket = options.credentials.as_ref().is_some_and(Credentials::is_ticket);
    [
        // Without a user it is the Kerberos ticket; with one, Negotiate is NTLM in another dress.
        (AuthScheme::Ntlm, AuthChoice::Ntlm, "ntlm", ntlm),
        (AuthScheme::Spnego, AuthChoice::Negotiate, "negotiate", ntlm || ticket),
        (AuthScheme::Digest, AuthChoice::Digest, "digest", true),
        (AuthScheme::Basic, AuthChoice::Basic, "basic", may_be_read(options, https)),
    ]
    .into_iter()
    .find(|(_, choice, name, usable)| {
        let wanted = options.auth == AuthChoice::Any || options.auth == *choice;
        wanted && *usable && offered.iter().any(|offer| offer.scheme == *name)
    })
    .map(|(scheme, ..)| scheme)
}

/// Whether what everybody on the way could read may go out: by verified TLS, or by the
/// caller's word.
pub(crate) fn may_be_read(options: &UploadOptions, https: bool) -> bool {
    (https && !options.tls.insecure) || options.allow_cleartext_credentials
}

/// Whether the password could go out in no way but readable.
pub(crate) fn offers_only_basic(answer: &Answer) -> bool {
    let offered = offered(answer, SERVER);
    let has = |name: &str| offered.iter().any(|offer| offer.scheme == name);
    has("basic") && !["digest", "ntlm", "negotiate"].into_iter().any(has)
}

/// What libcurl needs to answer with.
pub(crate) fn for_transport(
    credentials: &Credentials,
    scheme: AuthScheme,
) -> Arc<transport::Credentials> {
    let scheme = match scheme {
        AuthScheme::Spnego if credentials.is_ticket() => AuthScheme::Kerberos,
        scheme => scheme,
    };
    let password = match scheme {
        // It tells one upload from another, and nothing to anybody else.
        AuthScheme::Kerberos => "",
        _ => credentials.password.reveal(),
    };
    Arc::new(transport::Credentials {
        scheme,
        user: credentials.user.clone(),
        password: password.to_owned().into(),
    })
}

/// A scheme that a server offers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Its name in lower case.
    pub(crate) scheme: String,
    pub(crate) realm: Option<String>,
}

/// The schemes that an answer offers in that header, in its order.
pub(crate) fn offered(answer: &Answer, header: &str) -> Vec<Offer> {
    let mut offers = Vec::new();
    for value in answer.headers.get_all(header) {
        for part in parts(&String::from_utf8_lossy(value)) {
            add_part(&mut offers, part.trim());
        }
    }
    offers
}

/// The pieces between commas that are not quoted.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// A piece begins a scheme (`Basic realm="x"`) or goes on with the last one (`nonce="y"`).
fn add_part(offers: &mut Vec<Offer>, part: &str) {
    let (word, rest) = part.split_once(' ').unwrap_or((part, ""));
    let parameter = if word.is_empty() {
        return;
    } else if word.contains('=') {
        part
    } else {
        if offers.len() < MAX_SCHEMES && word.len() <= MAX_REALM {
            offers.push(Offer { scheme: word.to_ascii_lowercase(), realm: None });
        }
        rest.trim_start()
    };
    let Some((name, value)) = parameter.split_once('=') else { return };
    if let Some(offer) = offers.last_mut()
        && name.trim().eq_ignore_ascii_case("realm")
    {
        let value = value.trim().trim_matches('"').chars().filter(|c| !c.is_control());
        offer.realm = Some(value.take(MAX_REALM).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, Option<String>)> {
        let mut offers = Vec::new();
        parts(value).for_each(|part| add_part(&mut offers, part.trim()));
        offers.into_iter().map(|offer| (offer.scheme, offer.realm)).collect()
    }

    #[test]
    fn schemes_and_realms_are_told_apart() {
        let offer =
            |scheme: &str, realm: Option<&str>| (scheme.to_owned(), realm.map(str::to_owned));
        assert_eq!(read("Basic realm=\"up\""), [offer("basic", Some("up"))]);
        assert_eq!(read("Negotiate, NTLM"), [offer("negotiate", None), offer("ntlm", None)]);
        assert_eq!(read("NTLM TlRMTVNTUAAC=="), [offer("ntlm", None)]);
        assert_eq!(
            read("Digest nonce=\"a,Basic b\", realm=\"x \\\", NTLM\",qop=\"auth\" , basic Realm=y"),
            [offer("digest", Some("x \\\", NTLM")), offer("basic", Some("y"))]
        );
        assert_eq!(read(", ,"), []);
        assert_eq!(read(&"a,".repeat(1000)).len(), MAX_SCHEMES);
    }
}
