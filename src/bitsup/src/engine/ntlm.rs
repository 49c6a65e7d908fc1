//! Logins with NTLM, alone and inside of Negotiate (SPNEGO).

use sspi::ntlm::NtlmConfig;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation,
    InitializeSecurityContextResult, Negotiate, NegotiateConfig, Ntlm, SecurityBuffer, Sspi,
    SspiImpl, Username,
};

use super::mechanism::Problem;
use crate::transport::{AuthScheme, Binding, Credentials, FailureKind};

/// The workstation's name, which no server needs.
const WORKSTATION: &str = "WORKSTATION";
/// What the server is called in a login, for mechanisms that have a use for it.
const TARGET: &str = "HTTP/localhost";

type Handle<T> = <T as SspiImpl>::CredentialsHandle;

/// A login under way.
pub(super) enum Login {
    Ntlm(Box<Ntlm>, Handle<Ntlm>),
    Spnego(Box<Negotiate>, Handle<Negotiate>),
}

impl Login {
    /// The user is a name, `DOMAIN\name` or `name@domain`.
    pub(super) fn new(credentials: &Credentials) -> Result<Self, Problem> {
        let username = Username::parse(&credentials.user).map_err(|_| Problem {
            kind: FailureKind::Unsupported,
            text: "the user name is not valid for NTLM".to_owned(),
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

    /// What to say next, after the server has said `token`; first nothing. The answer is bound to
    /// `binding`.
    pub(super) fn step(
        &mut self,
        token: Vec<u8>,
        binding: Option<&Binding>,
    ) -> Result<Vec<u8>, Problem> {
        let mut input = vec![SecurityBuffer::new(token, BufferType::Token)];
        if let Some(binding) = binding {
            if names_a_binding(&input[0].buffer) {
                let text = "the server's challenge names a channel binding itself".to_owned();
                return Err(Problem { kind: FailureKind::BadAnswer, text });
            }
            input.push(SecurityBuffer::new(for_sspi(binding), BufferType::ChannelBindings));
        }
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        match self {
            Self::Ntlm(ntlm, handle) => run(&mut **ntlm, handle, &mut input, &mut output),
            Self::Spnego(negotiate, handle) => {
                run(&mut **negotiate, handle, &mut input, &mut output)
            }
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

/// The structure `SEC_CHANNEL_BINDINGS`: no addresses, and the application data behind it.
fn for_sspi(binding: &Binding) -> Vec<u8> {
    let data = binding.application_data();
    let [none, offset] = [0_u32, 32];
    let fields = [none, none, none, none, none, none, data.len() as u32, offset];
    let mut structure: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    structure.extend(data);
    structure
}

/// Whether a challenge of NTLM, alone or inside of SPNEGO, has a pair `MsvAvChannelBindings`
/// (MS-NLMP §2.2.2.1). Only the client's answer has one. The crate would repeat a stranger's in
/// front of ours, and a server might believe the first.
fn names_a_binding(token: &[u8]) -> bool {
    const CHALLENGE: &[u8] = b"NTLMSSP\0\x02\0\0\0";
    const TARGET_INFO: std::ops::Range<usize> = 40..48;
    let number =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let has_one = |challenge: &[u8]| {
        let field = challenge.get(TARGET_INFO)?;
        let (length, offset) = (number(field.get(..2)?), number(field.get(4..)?));
        let mut pairs = challenge.get(offset..)?;
        pairs = pairs.get(..length).unwrap_or(pairs);
        // The crate reads on behind the pair that ends the list.
        while let Some((kind, rest)) = pairs.split_first_chunk::<2>() {
            if *kind == [10, 0] {
                return Some(());
            }
            let (length, rest) = rest.split_first_chunk::<2>()?;
            pairs = rest.get(number(length)..)?;
        }
        None
    };
    let places = token.windows(CHALLENGE.len()).enumerate();
    let mut challenges = places
        .filter(|(_, window)| *window == CHALLENGE)
        .filter_map(|(place, _)| token.get(place..));
    challenges.any(|challenge| has_one(challenge).is_some())
}

/// The kind alone: a description may quote what was read.
fn problem(error: &sspi::Error) -> Problem {
    let text = format!("the login cannot be made: {:?}", error.error_type);
    Problem { kind: FailureKind::BadAnswer, text }
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

    /// A challenge of NTLM (MS-NLMP §2.2.1.2) with these pairs.
    fn challenge(pairs: &[(u16, &[u8])]) -> Vec<u8> {
        let mut info = Vec::new();
        for (kind, value) in pairs {
            info.extend(kind.to_le_bytes());
            info.extend((value.len() as u16).to_le_bytes());
            info.extend(*value);
        }
        let length = (info.len() as u16).to_le_bytes();
        let mut message = b"NTLMSSP\0\x02\0\0\0\0\0\0\0\x38\0\0\0".to_vec();
        // With Unicode, NTLM, target information and a session key of 128 bits.
        message.extend(0xe289_8235_u32.to_le_bytes());
        message.extend(b"12345678\0\0\0\0\0\0\0\0");
        message.extend([length, length].concat());
        message.extend(b"\x38\0\0\0\x0a\0\x63\x45\0\0\0\x0f");
        message.extend(info);
        message
    }

    fn answer(challenge: Vec<u8>, binding: Option<&Binding>) -> Result<Vec<u8>, Problem> {
        let password = "right".to_owned().into();
        let scheme = AuthScheme::Ntlm;
        let credentials = Credentials { scheme, user: "CORP\\u".into(), password };
        let mut login = Login::new(&credentials).expect("begun");
        login.step(Vec::new(), None).expect("a token");
        login.step(challenge, binding)
    }

    #[test]
    fn a_challenge_cannot_bring_a_binding_of_its_own() {
        const NAME: (u16, &[u8]) = (2, b"C\0O\0R\0P\0");
        const END: (u16, &[u8]) = (0, b"");
        let _rule = bitsup_server::rule!("AUT-09");
        let strangers = (10, &[7; 16][..]);
        let own = Binding::of(b"certificate");
        let has = |answer: &[u8], value: &[u8]| {
            let pair = [&[10, 0, 16, 0], value].concat();
            answer.windows(pair.len()).any(|window| window == pair)
        };
        let sum = openssl::hash::hash(
            openssl::hash::MessageDigest::md5(),
            // Two times a type and the length of no address, then the data (RFC 4121 §4.1.1.2).
            &[&[0; 16][..], &(21_u32 + 32).to_le_bytes(), &own.application_data()].concat(),
        );
        let bound = answer(challenge(&[NAME, END]), Some(&own)).expect("an answer");
        assert!(has(&bound, &sum.expect("MD5")));
        let unbound = answer(challenge(&[NAME, END]), None).expect("an answer");
        assert!(!unbound.windows(4).any(|window| window == [10, 0, 16, 0]));
        for pairs in [&[strangers, END][..], &[NAME, strangers, END], &[NAME, END, strangers, END]]
        {
            let problem = answer(challenge(pairs), Some(&own)).expect_err("refused");
            assert!(problem.text.contains("binding"), "{}", problem.text);
        }
        // Inside of something else, and cut off anywhere.
        let inside = [b"\xa1\x82NTLMSSP\0", &*challenge(&[NAME, strangers])].concat();
        assert!(names_a_binding(&inside));
        for length in 0..inside.len() - 20 {
            assert!(!names_a_binding(&inside[..length]), "{length}");
        }
    }

    #[test]
    fn the_password_is_in_no_trace_of_a_login() {
        let _rule = bitsup_server::rule!("SEC-10");
        let traced = Traced::default();
        let log_in = |scheme| {
            let password = "hunter2".to_owned().into();
            let credentials = Credentials { scheme, user: "CORP\\u".into(), password };
            let mut login = Login::new(&credentials).expect("begun");
            assert!(login.step(Vec::new(), None).expect("a token").len() > 30);
            assert!(login.step(b"nonsense".to_vec(), None).is_err());
        };
        // What another thread registers meanwhile, the first subscriber may not be told of; the next one is.
        for scheme in [AuthScheme::Ntlm, AuthScheme::Spnego, AuthScheme::Ntlm] {
            tracing::subscriber::with_default(traced.clone(), || log_in(scheme));
        }
        let text = traced.0.lock().expect("not poisoned").clone();
        assert!(text.contains("output"), "nothing is traced: {text}");
        // As text, and as the bytes of UTF-8 and UTF-16.
        for secret in ["hunter2", "104, 117, 110, 116", "104, 0, 117, 0, 110"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
