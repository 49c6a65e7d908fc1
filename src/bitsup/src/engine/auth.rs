//! Which credentials go out, and when.
//!
//! A password goes out only in answer to a challenge, and one that was refused never
//! again, by no upload of the client: three hundred uploads with an expired password must
//! not lock an account.

use std::sync::Arc;

use bitsup_core::{CredentialId, Role, Site};

use super::Core;
use super::challenge::{self, Offer};
use super::digest::Digest;
use crate::credentials::{Credentials, Login};
use crate::options::{AuthChoice, UploadOptions};
use crate::transport::{self, Answer, AuthScheme};

/// Handles of logins; each counts as what [`Login::shown`] makes of it.
#[derive(Default)]
pub(crate) struct Logins {
    known: Vec<(CredentialId, Login)>,
    next: u64,
}

/// More logins are kept only while something is known of them; a client has a few.
const MAX_LOGINS: usize = 100;

impl Core {
    /// The handle of a login.
    pub(crate) fn handle(&mut self, login: &Login) -> CredentialId {
        if let Some(id) = self.handle_of(login) {
            return id;
        }
        let Logins { known, next } = &mut self.logins;
        if known.len() >= MAX_LOGINS {
            known.retain(|(id, _)| self.client.credentials.knows(*id));
        }
        *next += 1;
        known.push((CredentialId(*next), login.shown()));
        CredentialId(*next)
    }

    fn handle_of(&self, login: &Login) -> Option<CredentialId> {
        let login = login.shown();
        self.logins.known.iter().find(|(_, known)| *known == login).map(|(id, _)| *id)
    }

    /// Whether the site has refused the login.
    pub(crate) fn has_refused(&self, site: &Site, login: &Login) -> bool {
        let id = self.handle_of(login);
        id.is_some_and(|id| self.client.credentials.has_refused(site, id))
    }

    /// The site has refused the login.
    pub(crate) fn refuse(&mut self, site: &Site, login: &Login) {
        let id = self.handle(login);
        self.client.credentials.refuse(site, id);
    }
}

/// The scheme to answer a challenge with: the strongest that server, build and caller have.
/// Basic sends the password readable, and so needs TLS or the consent of the caller.
pub(crate) fn choose(answer: &Answer, options: &UploadOptions, https: bool) -> Option<AuthScheme> {
    strongest(&offered(answer, Role::Server), options, https)
}

fn strongest(offered: &[Offer], options: &UploadOptions, https: bool) -> Option<AuthScheme> {
    let ntlm = cfg!(feature = "ntlm");
    let ticket = options.credentials.as_ref().is_some_and(Credentials::is_ticket);
    [
        // Without a user it is the Kerberos ticket; with one, Negotiate is NTLM in another dress.
        (AuthScheme::Ntlm, AuthChoice::Ntlm, "ntlm", ntlm),
        (AuthScheme::Spnego, AuthChoice::Negotiate, "negotiate", ntlm || ticket),
        (AuthScheme::Digest, AuthChoice::Digest, "digest", Digest::choose(offered).is_some()),
        (AuthScheme::Basic, AuthChoice::Basic, "basic", may_be_read(options, https)),
    ]
    .into_iter()
    .find(|(_, choice, name, usable)| {
        let wanted = options.auth == AuthChoice::Any || options.auth == *choice;
        wanted && *usable && challenge::has(offered, name)
    })
    .map(|(scheme, ..)| scheme)
}

/// Whether what is readable in transit may go out: by verified TLS, or by the
/// caller's word.
pub(crate) fn may_be_read(options: &UploadOptions, https: bool) -> bool {
    (https && !options.tls.insecure) || options.allow_cleartext_credentials
}

/// Whether the password could go out in no way but readable.
pub(crate) fn offers_only_basic(answer: &Answer) -> bool {
    let offered = offered(answer, Role::Server);
    let has = |name: &str| challenge::has(&offered, name);
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
        // It tells one upload from another, and tells others nothing.
        AuthScheme::Kerberos => "",
        _ => credentials.password.reveal(),
    };
    Arc::new(transport::Credentials {
        scheme,
        user: credentials.user.clone(),
        password: password.to_owned().into(),
    })
}

/// The schemes that an answer offers to whom it asks, in its order.
pub(crate) fn offered(answer: &Answer, role: Role) -> Vec<Offer> {
    challenge::read(answer.headers.get_all(role.challenge()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documents say is what is done.
    #[test]
    #[cfg(feature = "ntlm")]
    fn the_order_of_schemes_is_the_documented_one() {
        let mut left = vec![
            ("Basic", "Basic realm=\"r\""),
            ("Digest", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\""),
            ("Negotiate", "Negotiate"),
            ("NTLM", "NTLM"),
        ];
        let (options, mut order) = (UploadOptions::default(), Vec::new());
        while !left.is_empty() {
            let offered = challenge::read(left.iter().map(|(_, header)| header.as_bytes()));
            let name = match strongest(&offered, &options, true).expect("one is usable") {
                AuthScheme::Ntlm => "NTLM",
                AuthScheme::Spnego => "Negotiate",
                AuthScheme::Digest => "Digest",
                AuthScheme::Basic => "Basic",
                other => panic!("{other:?}"),
            };
            left.retain(|(scheme, _)| *scheme != name);
            order.push(name);
        }
        let (last, first) = order.split_last().expect("four");
        let first = first.join(", ");
        let choice = crate::options::CHOICES.iter().find(|set| set.name == "auth").expect("a set");
        let any = choice.choices.iter().find(|choice| choice.word == "any").expect("a choice");
        assert!(any.doc.contains(&format!("{first}, then {last}")), "{order:?}: {}", any.doc);
        let guide = include_str!("../../../../docs/authentication.md");
        assert!(guide.contains(&format!("the first of {first} and {last}")), "{order:?}");
    }
}
