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

/// A scheme for passwords, or for the system's ticket.
struct Row {
    choice: AuthChoice,
    /// Its name in a challenge, in lower case.
    name: &'static str,
    /// What makes the login, at a server and at a proxy.
    server: AuthScheme,
    proxy: AuthScheme,
    is_usable: fn(&Asked<'_>) -> bool,
}

/// A challenge, and what is there to answer it.
struct Asked<'a> {
    role: Role,
    offered: &'a [Offer],
    options: &'a UploadOptions,
    https: bool,
}

/// The strongest first.
static SCHEMES: [Row; 4] = [
    Row {
        choice: AuthChoice::Ntlm,
        name: "ntlm",
        server: AuthScheme::Ntlm,
        proxy: AuthScheme::Ntlm,
        is_usable: |asked| match asked.role {
            Role::Server => cfg!(feature = "ntlm"),
            Role::Proxy => crate::features::features().proxy_ntlm,
        },
    },
    // Without a user it is the Kerberos ticket; with one, at servers, it is NTLM in another dress.
    Row {
        choice: AuthChoice::Negotiate,
        name: "negotiate",
        server: AuthScheme::Spnego,
        proxy: AuthScheme::Negotiate,
        is_usable: |Asked { role, options, .. }| match role {
            Role::Server => {
                let own = options.credentials.as_ref();
                cfg!(feature = "ntlm") || own.is_some_and(Credentials::is_ticket)
            }
            // It takes a ticket, not the password that was given.
            Role::Proxy => {
                options.proxy_auth == AuthChoice::Negotiate
                    && crate::features::features().proxy_negotiate
            }
        },
    },
    Row {
        choice: AuthChoice::Digest,
        name: "digest",
        server: AuthScheme::Digest,
        proxy: AuthScheme::Digest,
        is_usable: |asked| Digest::choose(asked.offered).is_some(),
    },
    // It sends the password readable, and so needs TLS at servers, or the consent of the caller.
    Row {
        choice: AuthChoice::Basic,
        name: BASIC,
        server: AuthScheme::Basic,
        proxy: AuthScheme::Basic,
        is_usable: |asked| asked.role == Role::Proxy || may_be_read(asked.options, asked.https),
    },
];
const BASIC: &str = "basic";

/// The scheme to answer a challenge with: the strongest that who asks, build and caller have.
pub(crate) fn choose(
    answer: &Answer,
    role: Role,
    options: &UploadOptions,
    https: bool,
) -> Option<AuthScheme> {
    strongest(&Asked { role, offered: &offered(answer, role), options, https })
}

/// What a proxy that has not asked may be shown when it makes a tunnel.
pub(super) fn of_tunnel(choice: AuthChoice) -> AuthScheme {
    let row = SCHEMES.iter().find(|row| row.choice == choice);
    row.map_or(AuthScheme::OfTunnel, |row| row.proxy)
}

fn strongest(asked: &Asked<'_>) -> Option<AuthScheme> {
    let choice = match asked.role {
        Role::Server => asked.options.auth,
        Role::Proxy => asked.options.proxy_auth,
    };
    let row = SCHEMES.iter().find(|row| {
        let wanted = choice == AuthChoice::Any || choice == row.choice;
        wanted && (row.is_usable)(asked) && challenge::has(asked.offered, row.name)
    })?;
    Some(match asked.role {
        Role::Server => row.server,
        Role::Proxy => row.proxy,
    })
}

/// Whether what is readable in transit may go out: by verified TLS, or by the
/// caller's word.
pub(crate) fn may_be_read(options: &UploadOptions, https: bool) -> bool {
    (https && !options.tls.insecure) || options.allow_cleartext_credentials
}

/// Whether the password could go out in no way but readable.
pub(crate) fn offers_only_basic(answer: &Answer) -> bool {
    let offered = offered(answer, Role::Server);
    SCHEMES.iter().all(|row| challenge::has(&offered, row.name) == (row.name == BASIC))
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
        _ => credentials.password.expose(),
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
            let (role, offered, options) = (Role::Server, &*offered, &options);
            let asked = Asked { role, offered, options, https: true };
            let name = match strongest(&asked).expect("one is usable") {
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
