//! What can be chosen for an upload and for a client.

mod builder;
mod resolve;
mod row;
mod set;
mod table;
#[cfg(test)]
mod tests;
pub mod units;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::credentials::{CredentialCallback, Credentials, Secret};
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::transport;
pub use crate::transport::{Resolve, TlsOptions};
pub use bitsup_proto::host::HostPolicy;
pub use bitsup_proto::verify::{LostAckPolicy, VerifyPolicy};
pub use resolve::{ClientOptions, LimitRate};
pub use row::{
    Choice, ChoiceSet, JournalKeeps, OptionKind, OptionRow, OptionScope, OptionValue, UNLIMITED,
    options_named,
};
pub use set::{OptionSet, OptionUse, unknown as unknown_option};
pub use table::{
    AuthChoice, CALLBACKS, CHOICES, CallbackRow, TABLE as OPTIONS, by_id as option_by_id,
    by_name as option_by_name,
};

/// A header that goes with every packet.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: Secret,
    secret: bool,
}

impl Header {
    /// Checks name and value: no line break or control character, at most 4,096 bytes
    /// (MC-BUP §2.2.1), and none of the headers that the protocol sets itself.
    pub fn new(name: &str, value: &str) -> Result<Self, Error> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(Error::invalid(format!(
                "{:?} is not a header name: letters, digits and - only",
                name.chars().take(40).collect::<String>()
            )));
        }
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("bits-") || OWN_HEADERS.contains(&lower.as_str()) {
            return Err(Error::invalid(format!(
                "the header {name} belongs to the protocol and cannot be set"
            )));
        }
        if value.bytes().any(|b| b != b'\t' && (b < b' ' || b == 0x7f)) {
            return Err(Error::invalid(format!(
                "the value of header {name} has a line break or control character in it: remove it"
            )));
        }
        if value.len() > bitsup_proto::packet::MAX_HEADER_VALUE {
            return Err(Error::invalid(format!(
                "the value of header {name} has {} bytes; BITS servers take 4096",
                value.len()
            )));
        }
        Ok(Self { name: name.to_owned(), value: Secret::new(value), secret: false })
    }

    /// Reads `Name: value`.
    pub fn from_line(line: &str) -> Result<Self, Error> {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            Error::invalid("a header is written NAME: VALUE, and there is no colon in it")
        })?;
        Self::new(name, value.trim_matches([' ', '\t']))
    }

    /// The same header, to be treated like a password: never shown, and not sent over plain
    /// http unless that is allowed. `Authorization`, `Proxy-Authorization` and `Cookie` always are.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The header's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn value(&self) -> &str {
        self.value.expose()
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.secret || SECRET_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(&self.name))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_secret() { "…" } else { self.value.expose() };
        write!(f, "{}: {value}", self.name)
    }
}

/// A server must not fill a disk: the largest reply to a file, unless more is allowed.
const REPLY_MAX_SIZE: u64 = 1 << 30;
/// Headers that are secret whether the caller says so or not.
const SECRET_HEADERS: [&str; 3] = ["Authorization", "Proxy-Authorization", "Cookie"];

/// Headers that the protocol or the transport sets.
const OWN_HEADERS: [&str; 14] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-name",
    "content-range",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A path that a later change of the current folder does not touch; links stay as they are. One that
/// is absolute already needs no current folder.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    // An empty one names no file, and says so when it is opened.
    if path.as_os_str().is_empty() { Ok(PathBuf::new()) } else { std::path::absolute(path) }
}

/// Where a reply goes (upload-reply mode).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyTo {
    /// No reply is asked for; one that is offered is named in the receipt.
    #[default]
    Nowhere,
    /// Into this file, which is replaced when the reply is complete.
    File(PathBuf),
    /// Into memory, at most this many bytes.
    Memory(u64),
}

/// What to do about a file that already exists at the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Upload, and let the server decide.
    #[default]
    Try,
    /// Ask first (HEAD); upload nothing if it exists.
    Skip,
    /// Ask first (HEAD); fail if it exists.
    Fail,
}

/// What a caller wants done about a failure that bitsup would try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// Try again when bitsup would.
    #[default]
    Retry,
    /// Try again after this time, one day at most.
    After(Duration),
    /// Fail with what went wrong; the session on the server can be continued.
    Fail,
}

/// How much of a source is compared before an upload is continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResumeCheck {
    /// All that was acknowledged, beside the sending.
    #[default]
    Full,
    /// The last block.
    Tail,
}

/// Which proxy to go through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, as with curl.
    #[default]
    Environment,
    /// None.
    Direct,
    /// This one: `http://host:port`, `https://host:port` or `socks5h://host:port`. No password in it.
    Url(String),
}

/// Makes [`UploadOptions`] of the fields that options of the table set, most by their names, with their defaults; one
/// without begins with that of its type. They are no part of the public interface: they are for this crate, and for
/// tests of what an engine does with values that no option takes.
macro_rules! upload_options {
    ($($name:ident: $type:ty $(= $default:expr)?,)+) => {
        /// What an [`OptionSet`] came to for an upload, or another call that sends packets: see
        /// [`OptionSet::upload_options`]. Of what is no option of the table, each field is set here.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct UploadOptions {
            /// Who is asked when the server wants another login, or one at all.
            pub credential_callback: Option<CredentialCallback>,
            /// Whether each exchange is told as [`Event::Recorded`](crate::Event::Recorded).
            pub transcript: bool,
            /// Words that a journal entry keeps for people, e.g. the command line to continue with.
            pub note: Option<String>,
            $(#[doc(hidden)] pub $name: $type,)+
        }

        impl Default for UploadOptions {
            fn default() -> Self {
                Self {
                    credential_callback: None,
                    transcript: false,
                    note: None,
                    $($name: upload_options!(@default $($default)?),)+
                }
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}

upload_options! {
    // `None` chooses by itself.
    fragment_size: Option<u64>,
    max_fragment: u64 = bitsup_proto::fragment_size::CEILING,
    min_fragment: u64 = bitsup_proto::fragment_size::FLOOR,
    headers: Vec<Header>,
    credentials: Option<Credentials>,
    auth: AuthChoice,
    bearer_token: Option<Secret>,
    proxy: ProxyChoice,
    // `None` takes the environment's.
    no_proxy: Option<String>,
    post_override: bool,
    polite: bool,
    proxy_credentials: Option<Credentials>,
    resolve: Vec<Resolve>,
    proxy_auth: AuthChoice,
    allow_cleartext_credentials: bool,
    tls: TlsOptions,
    connect_timeout: Duration = Duration::from_secs(30),
    stall_timeout: Duration = Duration::from_secs(60),
    ack_timeout: Duration = Duration::from_secs(5 * 60),
    last_ack_timeout: Duration = Duration::from_secs(15 * 60),
    max_attempts: Option<u32>,
    give_up_after: Duration = Duration::from_secs(15 * 60),
    wait_for_server: Duration = bitsup_proto::retry::WAIT_FOR_SERVER,
    retry_delay: Duration = Duration::from_secs(1),
    max_retry_delay: Duration = Duration::from_secs(60),
    max_time: Option<Duration>,
    max_bytes: Option<u64>,
    host_id: HostPolicy,
    trusted_hosts: Vec<String>,
    reply_to: ReplyTo,
    reply_optional: bool,
    reply_max_size: u64 = REPLY_MAX_SIZE,
    if_exists: IfExists,
    fresh: bool,
    no_resume: bool,
    require_resume: bool,
    verify: VerifyPolicy,
    on_lost_ack: LostAckPolicy,
    resume_check: ResumeCheck,
    sha256: bool,
    refuse_empty: bool,
    lenient: bool,
    content_name: Option<String>,
}

impl UploadOptions {
    /// Stores no resume state: for a source that goes with this process.
    #[must_use]
    pub fn without_resume(mut self) -> Self {
        self.no_resume = true;
        self
    }

    /// Bounds the Fragments whose size is automatic, and returns the size of the largest that can be sent: for a source
    /// that can be read once, and must be kept that far.
    pub fn bound_fragments(&mut self, most: u64) -> u64 {
        self.max_fragment = self.max_fragment.min(most);
        self.fragment_size.unwrap_or_default().max(self.max_fragment)
    }

    /// Whether a login is asked for in a callback of the caller's.
    pub(crate) fn asks_caller(&self) -> bool {
        self.credential_callback.as_ref().is_some_and(|callback| !callback.is_ours)
    }

    /// Makes paths absolute: later reads and writes must not depend on the current folder then.
    pub(crate) fn locate(&mut self) -> Result<(), Error> {
        let reply = match &mut self.reply_to {
            ReplyTo::File(path) => Some(path),
            ReplyTo::Nowhere | ReplyTo::Memory(_) => None,
        };
        let tls = &mut self.tls;
        let files = [&mut tls.ca_file, &mut tls.proxy_ca_file, &mut tls.cert, &mut tls.key];
        for path in files.into_iter().flatten().chain(reply) {
            *path = absolute(path).map_err(|error| {
                Error::local(format_args!("cannot find {}", path.display()), &error)
            })?;
        }
        Ok(())
    }

    /// Checks what can be checked before anything is sent.
    pub(crate) fn check(&self, https: bool) -> Result<(), Error> {
        if self.fragment_size == Some(0) || self.max_fragment == 0 {
            return Err(Error::invalid("a fragment size of 0 cannot be used: give at least 1"));
        }
        for (name, limit) in [
            ("connect time-out", self.connect_timeout),
            ("stall time-out", self.stall_timeout),
            ("Ack time-out", self.ack_timeout),
            ("last Ack time-out", self.last_ack_timeout),
        ] {
            if limit.is_zero() {
                return Err(Error::invalid(format!("the {name} is 0: give a positive time")));
            }
        }
        if self.max_attempts == Some(0) {
            return Err(Error::invalid("0 attempts cannot be made: give at least 1"));
        }
        if self.takes_ticket() && !crate::features::features().kerberos {
            let text = "there are no user and password, and this system has no library that reads Kerberos tickets";
            return Err(Error::new(ErrorKind::Unsupported, text).with_advice(
                "Install it (Debian: libgssapi-krb5-2, Red Hat: krb5-libs; on macOS and Windows tickets are not read), or log in with user and password.",
            ));
        }
        let needs_ntlm = match self.auth {
            AuthChoice::Ntlm => true,
            AuthChoice::Negotiate => !self.takes_ticket(),
            _ => false,
        };
        if needs_ntlm && !cfg!(feature = "ntlm") {
            let text = "this build has no NTLM, which Negotiate with a password is too";
            return Err(Error::new(ErrorKind::Unsupported, text).with_advice(
                "Take a build with the feature `ntlm`, a Kerberos ticket (Negotiate without a user), or another scheme that the server offers.",
            ));
        }
        let secret = self.headers.iter().find(|header| header.is_secret());
        if let Some(header) = secret.filter(|_| !https && !self.allow_cleartext_credentials) {
            return Err(Error::invalid(format!(
                "the secret header {} would go over plain http, readable by all on the way: use https, or allow cleartext credentials",
                header.name()
            )));
        }
        if self.bearer_token.is_some() && !https && !self.allow_cleartext_credentials {
            return Err(Error::invalid(
                "the bearer token would go over plain http, readable by all on the way: use https, or allow cleartext credentials",
            ));
        }
        if self.bearer_token.as_ref().is_some_and(|token| !token.is_header_value()) {
            return Err(Error::invalid(
                "the bearer token has a character that no header may hold, or is too long",
            ));
        }
        let proxy = self.transport_proxy()?;
        let with_ticket =
            self.proxy_auth == AuthChoice::Negotiate && self.proxy_credentials.is_some();
        if with_ticket && proxy.hides_name() {
            let text = "a Kerberos ticket is for the proxy's name, which libcurl learns of proxies over https only";
            return Err(Error::new(ErrorKind::Unsupported, text).with_advice(
                "Reach the proxy over https, or log in there with Basic, Digest or NTLM ({proxy_auth}).",
            ));
        }
        Ok(())
    }

    /// Finds a proxy of the environment that cannot be used, before anything is sent.
    pub(crate) fn check_proxy(&self, destination: &Destination) -> Result<(), Error> {
        let choice = self.transport_proxy()?;
        let proxy = choice.for_origin(&destination.origin, self.no_proxy.as_deref());
        proxy.map(drop).map_err(Error::invalid)
    }

    /// Whether the Kerberos ticket of the system is the login.
    fn takes_ticket(&self) -> bool {
        let own = self.credentials.as_ref();
        let anonymous =
            own.is_none() && self.bearer_token.is_none() && self.credential_callback.is_none();
        self.auth == AuthChoice::Negotiate && (anonymous || own.is_some_and(Credentials::is_ticket))
    }

    /// The options with the Kerberos ticket as the login, if it is that.
    #[must_use]
    pub(crate) fn with_ticket(mut self) -> Self {
        if self.takes_ticket() {
            self.credentials = Some(Credentials::ticket());
        }
        self
    }

    /// Whether a host to which the server at `origin` sent us may see what is meant for `origin`:
    /// logins, tokens, secret headers. Those of the same registrable domain may, and those that the
    /// caller has named.
    pub(crate) fn trusts(&self, origin: &str, host: &str) -> bool {
        bitsup_proto::host::same_site(origin, host)
            || bitsup_proto::host::is_named(host, &self.trusted_hosts)
    }

    /// Whether a proxy was named, so that its login should not cost a fragment.
    pub(crate) fn uses_proxy(&self) -> bool {
        matches!(self.proxy, ProxyChoice::Url(_))
    }

    /// The proxy as the transport takes it.
    pub(crate) fn transport_proxy(&self) -> Result<transport::ProxyChoice, Error> {
        let ProxyChoice::Url(url) = &self.proxy else {
            return Ok(match self.proxy {
                ProxyChoice::Direct => transport::ProxyChoice::Direct,
                _ => transport::ProxyChoice::Environment,
            });
        };
        let proxy = transport::Proxy::parse(url).map_err(|problem| {
            Error::invalid(format!("the proxy's URL cannot be used: {problem}"))
        })?;
        Ok(transport::ProxyChoice::Explicit(proxy))
    }
}
