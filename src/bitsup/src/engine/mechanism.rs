//! NTLM, alone and inside of Negotiate (SPNEGO): what is said in each step of a login.

use sspi::ntlm::NtlmConfig;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation,
    InitializeSecurityContextResult, Negotiate, NegotiateConfig, Ntlm, SecurityBuffer, Sspi,
    SspiImpl, Username,
};

use crate::transport::{AuthScheme, Credentials};

/// The workstation's name, which nobody needs to know.
const WORKSTATION: &str = "WORKSTATION";
/// What the server is called in a login, for mechanisms that have a use for it.
const TARGET: &str = "HTTP/localhost";

type Handle<T> = <T as SspiImpl>::CredentialsHandle;

/// A login under way.
pub(super) enum Mechanism {
    Ntlm(Box<Ntlm>, Handle<Ntlm>),
    Spnego(Box<Negotiate>, Handle<Negotiate>),
}

impl Mechanism {
    /// Begins a login. The user is a name, `DOMAIN\name` or `name@domain`.
    pub(super) fn new(credentials: &Credentials) -> Result<Self, String> {
        let username = Username::parse(&credentials.user)
            .map_err(|_| "the user name is not one that NTLM knows".to_owned())?;
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
    pub(super) fn step(&mut self, token: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
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

/// The kind alone: a description may quote what was read.
fn problem(error: &sspi::Error) -> String {
    format!("the login cannot be made: {:?}", error.error_type)
}
