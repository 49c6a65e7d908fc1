//! What is said in each step of a login with NTLM or Kerberos.

#[cfg(feature = "ntlm")]
use super::ntlm;
use crate::transport::{AuthScheme, Binding, Credentials, FailureKind};

/// A login under way.
pub(crate) enum Mechanism {
    #[cfg(feature = "ntlm")]
    Password(ntlm::Login),
    Kerberos(bitsup_gssapi::Login),
}

/// Why a login does not go on.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: FailureKind,
    pub(crate) text: String,
}

impl Mechanism {
    /// Begins a login at `host`, with the first words. With a ticket it may wait for the network,
    /// and is bound from the first word on.
    pub(super) fn begin(
        credentials: &Credentials,
        host: &str,
        binding: Option<&Binding>,
    ) -> Result<(Self, Vec<u8>), Problem> {
        let begun = Self::new(credentials, host, binding).and_then(|mut mechanism| {
            let token = mechanism.step(Vec::new(), None)?;
            Ok((mechanism, token))
        });
        begun.map_err(|mut problem| {
            // The server has said nothing yet.
            if matches!(problem.kind, FailureKind::BadAnswer) {
                problem.kind = FailureKind::Unsupported;
            }
            problem
        })
    }

    fn new(
        credentials: &Credentials,
        host: &str,
        binding: Option<&Binding>,
    ) -> Result<Self, Problem> {
        if credentials.scheme == AuthScheme::Kerberos {
            let login = bitsup_gssapi::Login::new(host, binding.map(Binding::application_data));
            return login.map(Self::Kerberos).map_err(Problem::from);
        }
        #[cfg(feature = "ntlm")]
        return ntlm::Login::new(credentials).map(Self::Password);
        #[cfg(not(feature = "ntlm"))]
        Err(Problem {
            kind: FailureKind::Unsupported,
            text: "this build has no NTLM, which Negotiate with a password is too".to_owned(),
        })
    }

    /// What to say next, after the server has said `token`; first nothing. With a password the
    /// answer is bound to `binding`.
    pub(super) fn step(
        &mut self,
        token: Vec<u8>,
        #[cfg_attr(
            not(feature = "ntlm"),
            expect(unused_variables, reason = "a ticket is bound from the start")
        )]
        binding: Option<&Binding>,
    ) -> Result<Vec<u8>, Problem> {
        match self {
            #[cfg(feature = "ntlm")]
            Self::Password(login) => login.step(token, binding),
            Self::Kerberos(login) => login.step(&token).map_err(Problem::from),
        }
    }
}

impl From<bitsup_gssapi::Error> for Problem {
    fn from(error: bitsup_gssapi::Error) -> Self {
        let advice = match error.kind {
            bitsup_gssapi::ErrorKind::Expired => {
                "Get a new ticket (kinit, or kinit -R while the old one may be renewed); {same_upload} continues then."
            }
            bitsup_gssapi::ErrorKind::NoTicket => {
                "Get a ticket first (kinit USER@REALM), as the user and with the KRB5CCNAME that the upload runs with (klist shows it), or log in with user and password."
            }
            _ => {
                "If the server is unknown to Kerberos, write its full name in the URL, or have the name registered (Windows: setspn -S HTTP/NAME ACCOUNT; MIT: addprinc HTTP/NAME and its key in the server's keytab). KRB5_TRACE=/dev/stderr shows what Kerberos tries."
            }
        };
        let text = format!("no login with a Kerberos ticket: {}", error.message);
        Self { kind: FailureKind::NoLogin(advice), text }
    }
}
