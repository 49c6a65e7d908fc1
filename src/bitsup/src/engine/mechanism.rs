//! NTLM, alone and inside of Negotiate (SPNEGO), and Kerberos: what is said in each step of a login.

use sspi::ntlm::NtlmConfig;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation,
    InitializeSecurityContextResult, Negotiate, NegotiateConfig, Ntlm, SecurityBuffer, Sspi,
    SspiImpl, Username,
};

use crate::transport::{AuthScheme, Credentials, FailureKind};

/// The workstation's name, which nobody needs to know.
const WORKSTATION: &str = "WORKSTATION";
/// What the server is called in a login, for mechanisms that have a use for it.
const TARGET: &str = "HTTP/localhost";

type Handle<T> = <T as SspiImpl>::CredentialsHandle;

/// A login under way.
pub(crate) enum Mechanism {
    Ntlm(Box<Ntlm>, Handle<Ntlm>),
    Spnego(Box<Negotiate>, Handle<Negotiate>),
    Kerberos(bitsup_gssapi::Login),
}

/// Why a login does not go on.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: FailureKind,
    pub(crate) text: String,
}

impl Mechanism {
    /// Begins a login at `host`, with the first words. With a ticket it may wait for the network.
    pub(super) fn begin(credentials: &Credentials, host: &str) -> Result<(Self, Vec<u8>), Problem> {
        let begun = Self::new(credentials, host).and_then(|mut mechanism| {
            let token = mechanism.step(Vec::new())?;
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

    /// A login at `host`. The user is a name, `DOMAIN\name` or `name@domain`.
    fn new(credentials: &Credentials, host: &str) -> Result<Self, Problem> {
        if credentials.scheme == AuthScheme::Kerberos {
            return bitsup_gssapi::Login::new(host).map(Self::Kerberos).map_err(Problem::from);
        }
        let username = Username::parse(&credentials.user).map_err(|_| Problem {
            kind: FailureKind::Unsupported,
            text: "the user name is not one that NTLM knows".to_owned(),
        })?;
        let password = credentials.password.to_string().into();
        let identity = AuthIdentity { username, password };
        let ntlm = NtlmConfig::new(WORKSTATION.to_owned());
        if credentials.scheme == AuthScheme::Spnego {
            let package = Some("ntlm".to_owned());
            let config = NegotiateConfig::new(Box::new(ntlm), package, WORKSTATION.to_owned());
            let mut negotiate = Negotiate::new_client(config).map_err(|error| problem(&error))?;
            let handle = negotiate
                .acquire_credentials_handle()
                .with_credential_use(CredentialUse::Outbound)
                .with_auth_data(&identity.into())
                .execute(&mut negotiate)
                .map_err(|error| problem(&error))?
                .credentials_handle;
            return Ok(Self::Spnego(Box::new(negotiate), handle));
        }
        let mut ntlm = Ntlm::with_config(ntlm);
        let handle = ntlm
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&identity)
            .execute(&mut ntlm)
            .map_err(|error| problem(&error))?
            .credentials_handle;
        Ok(Self::Ntlm(Box::new(ntlm), handle))
    }

    /// What to say next, after the server has said `token`; first nothing.
    pub(super) fn step(&mut self, token: Vec<u8>) -> Result<Vec<u8>, Problem> {
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        match self {
            Self::Ntlm(ntlm, handle) => run(&mut **ntlm, handle, &mut input, &mut output),
            Self::Spnego(negotiate, handle) => {
                run(&mut **negotiate, handle, &mut input, &mut output)
            }
            Self::Kerberos(login) => return login.step(&input[0].buffer).map_err(Problem::from),
        }
        .map_err(|error| problem(&error))?;
        let [output] = output;
        Ok(output.buffer)
    }
}

fn run<T: Sspi + SspiImpl>(
    mechanism: &mut T,
    handle: &mut Handle<T>,
    input: &mut [SecurityBuffer],
    output: &mut [SecurityBuffer],
) -> sspi::Result<InitializeSecurityContextResult> {
    let mut builder = mechanism
        .initialize_security_context()
        .with_credentials_handle(handle)
        // Negotiate seals its own words with it.
        .with_context_requirements(ClientRequestFlags::INTEGRITY)
        .with_target_data_representation(DataRepresentation::Native)
        .with_target_name(TARGET)
        .with_input(input)
        .with_output(output);
    mechanism.initialize_security_context_impl(&mut builder)?.resolve_to_result()
}

/// The kind alone: a description may quote what was read.
fn problem(error: &sspi::Error) -> Problem {
    let text = format!("the login cannot be made: {:?}", error.error_type);
    Problem { kind: FailureKind::BadAnswer, text }
}

impl From<bitsup_gssapi::Error> for Problem {
    fn from(error: bitsup_gssapi::Error) -> Self {
        let advice = match error.kind {
            bitsup_gssapi::ErrorKind::NoTicket => {
                "Get a ticket first (kinit USER@REALM), as the user and with the KRB5CCNAME that the upload runs with (klist shows it), or log in with user and password."
            }
            bitsup_gssapi::ErrorKind::Expired => {
                "Get a new ticket (kinit, or kinit -R while the old one may be renewed); the same command continues where it stopped."
            }
            _ => {
                "If the server is unknown to Kerberos, write its full name in the URL, or have the name registered (Windows: setspn -S HTTP/NAME ACCOUNT; MIT: addprinc HTTP/NAME and its key in the server's keytab). KRB5_TRACE=/dev/stderr shows what Kerberos tries."
            }
        };
        let text = format!("no login with a Kerberos ticket: {}", error.message);
        Self { kind: FailureKind::NoLogin(advice), text }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write as _};
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Keeps all that is traced, however fine.
    #[derive(Clone, Default)]
    struct Traced(Arc<Mutex<String>>);

    impl Visit for &Traced {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let mut text = self.0.lock().expect("not poisoned");
            writeln!(text, "{field}={value:?}").expect("memory");
        }
    }

    impl Subscriber for Traced {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, span: &Attributes<'_>) -> Id {
            span.record(&mut &*self);
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, values: &Record<'_>) {
            values.record(&mut &*self);
        }
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut &*self);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_password_is_in_no_trace_of_a_login() {
        let _rule = bitsup_server::rule!("SEC-10");
        let traced = Traced::default();
        tracing::subscriber::with_default(traced.clone(), || {
            for scheme in [AuthScheme::Ntlm, AuthScheme::Spnego] {
                let password = "hunter2".to_owned().into();
                let credentials = Credentials { scheme, user: "CORP\\u".into(), password };
                let mut mechanism = Mechanism::new(&credentials, "host").expect("begun");
                assert!(mechanism.step(Vec::new()).expect("a token").len() > 30);
                assert!(mechanism.step(b"nonsense".to_vec()).is_err());
            }
        });
        let text = traced.0.lock().expect("not poisoned").clone();
        assert!(text.contains("output"), "nothing is traced: {text}");
        // As text, and as the bytes of UTF-8 and UTF-16.
        for secret in ["hunter2", "104, 117, 110, 116", "104, 0, 117, 0, 110"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
