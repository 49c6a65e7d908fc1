//! Credentials: users with passwords, tokens, and callbacks that supply them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use bitsup_core::Role;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::netrc::Netrc;

/// A password or a token; more is a wrong file.
const MAX_SECRET_FILE: usize = 64 * 1024;

/// So often in a row an upload asks for another login. A server that takes none would
/// otherwise be shown one after the other, until the account is locked.
pub(crate) const MAX_QUESTIONS: u32 = 3;

/// A value that is never shown and is overwritten when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Reads the value from a file of UTF-8 with one line, without its newline and a byte-order
    /// mark; at most 64 KiB. An empty file holds no secret.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut content = secret_text(path)?;
        if content.ends_with('\n') {
            content.pop();
            if content.ends_with('\r') {
                content.pop();
            }
        }
        let refuse = |what| Err(Error::invalid(format!("{} {what}", path.display())));
        if content.is_empty() {
            return refuse("is empty: it should hold the secret");
        }
        if content.contains(['\n', '\r']) {
            return refuse("has several lines: it should hold the secret and nothing else");
        }
        Ok(Self(content))
    }

    /// The value, for those who know how to keep it.
    #[doc(hidden)]
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it can stand in a header.
    pub(crate) fn is_header_value(&self) -> bool {
        let bytes = self.0.as_bytes();
        bytes.len() <= bitsup_proto::packet::MAX_HEADER_VALUE
            && bytes.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f))
    }
}

/// The text of a file with secrets, as people's editors write it.
#[doc(hidden)]
pub fn secret_text(path: &Path) -> Result<Zeroizing<String>, Error> {
    let content = File::open(path).and_then(|file| read_text(file, MAX_SECRET_FILE));
    let content = content
        .map_err(|error| Error::local(format_args!("cannot read {}", path.display()), &error))?;
    if content.len() > MAX_SECRET_FILE {
        return Err(Error::invalid(format!("{} is too large for a secret", path.display())));
    }
    if content.contains('\0') {
        // Without a mark it is known by its zero bytes, which no secret has.
        let text = format!("{} is UTF-16 or no text: save it as UTF-8", path.display());
        return Err(Error::invalid(text));
    }
    Ok(content)
}

/// Reads UTF-8 without a byte-order mark, at most one byte more than `limit`: text that grows as it is read would leave its
/// beginnings all over the memory.
pub(crate) fn read_text(mut file: File, limit: usize) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(vec![0; limit + 1]);
    let mut length = 0;
    while let Some(place) = bytes.get_mut(length..).filter(|place| !place.is_empty()) {
        match file.read(place) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let bytes = bytes.get(..length).unwrap_or_default();
    let refused = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return refused("it is UTF-16: save it as UTF-8");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => refused("it is not UTF-8"),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// User and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user, also as `DOMAIN\user` or `user@domain`. With [`crate::AuthChoice::Negotiate`] an
    /// empty one stands for the Kerberos ticket of the system.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// The Kerberos ticket of the system. None is like another: one that a server refused may be
    /// renewed outside of this process, and no ticket locks an account.
    pub(crate) fn ticket() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { user: String::new(), password: Secret::new(number.to_string()) }
    }

    /// Whether they are the Kerberos ticket, where the scheme is Negotiate.
    pub(crate) fn is_ticket(&self) -> bool {
        self.user.is_empty()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What is shown to a server that asks who we are.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// User and password, for the schemes that take them.
    Password(Credentials),
    /// A bearer token, which goes with every packet.
    Token {
        /// The token.
        token: Secret,
        /// How long the server takes it, if that is known: a new one is asked for shortly
        /// before the end of that time.
        valid_for: Option<Duration>,
    },
}

impl Login {
    /// What a server sees of it.
    pub(crate) fn shown(&self) -> Self {
        match self {
            Self::Password(_) => self.clone(),
            Self::Token { token, .. } => Self::Token { token: token.clone(), valid_for: None },
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::Token { .. } => "Token(…)",
        })
    }
}

/// What a login is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialRequest {
    /// The server that is spoken to, the URL's or one that it sent the upload to, as
    /// `https://host:port`, the port only if it is not the scheme's own; or the proxy's URL, without
    /// a login.
    pub site: String,
    /// Whether it is the proxy that asks.
    pub proxy: bool,
    /// The realm that the server names.
    pub realm: Option<String>,
    /// The schemes that the server offers, in lower case and in its order: `negotiate`, `ntlm`,
    /// `digest`, `basic`, `bearer` or others. Empty when a token is about to expire.
    pub schemes: Vec<String>,
    /// The user of the login that was used so far, if it has one.
    pub user: Option<String>,
    /// Whether the server refused the login that was used so far. It is not sent again by any
    /// upload of the client.
    pub refused: bool,
    /// Whether nothing was refused, and the token used so far is about to expire.
    pub expiring: bool,
    /// Which time in a row this upload asks, from 1. There is no fourth.
    pub attempt: u32,
}

impl CredentialRequest {
    /// Who asks.
    pub(crate) fn role(&self) -> Role {
        if self.proxy { Role::Proxy } else { Role::Server }
    }
}

/// A function that is asked for a login when a server or a proxy wants one and the options have none
/// that it takes, or when a token is about to expire; never twice at the same time for the
/// uploads of one client to one site.
///
/// For uploads it runs where events are told: on the client's callback thread, or inside of
/// [`crate::Client::dispatch`]; for [`crate::Client::ping`] and [`crate::PacketSession`] on the
/// thread that called. While it runs, uploads that need its answer wait, others do not. `None`
/// means that there is no login: the upload ends with an error of kind `Auth` and can be
/// continued. The answer holds for all uploads of the client to that site that have the same
/// callback: a clone of it, or what [`CredentialCallback::around`] made of it.
#[derive(Clone)]
pub struct CredentialCallback {
    ask: Arc<Ask>,
    /// Callbacks with the same one share questions and answers.
    identity: Arc<()>,
    /// Whose logins it knows; a caller's own function is told who asks.
    role: Option<Role>,
    /// Reads files only, and so needs no thread of the caller's.
    pub(crate) is_ours: bool,
}

type Ask = dyn Fn(&CredentialRequest) -> Option<Login> + Send + Sync;

impl CredentialCallback {
    /// Takes the function. It must not wait for an upload of the client.
    pub fn new(ask: impl Fn(&CredentialRequest) -> Option<Login> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), identity: Arc::default(), role: None, is_ours: false }
    }

    /// The same callback, with something around it where an upload has to do more: `around` gets
    /// what asks, and may leave it out. Questions and answers are shared with this one; it is
    /// called as the upload has it for which the question is put.
    #[must_use]
    pub fn around(
        &self,
        around: impl Fn(&dyn Fn() -> Option<Login>) -> Option<Login> + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::clone(&self.ask);
        let ask = move |request: &CredentialRequest| around(&|| inner(request));
        Self { ask: Arc::new(ask), ..self.clone() }
    }

    /// Answers servers with `user` and what the file holds at that moment, so that a password can be
    /// replaced while uploads run; nothing for proxies. Needs no callback thread and no dispatching.
    #[must_use]
    pub fn password_file(user: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let (user, path) = (user.into(), located(path.into()));
        Self::ours(Role::Server, move |_| {
            let password = Secret::from_file(&path).ok()?;
            Some(Login::Password(Credentials { user: user.clone(), password }))
        })
    }

    /// Answers servers with the token that the file holds at that moment; nothing for proxies. Needs no callback thread and
    /// no dispatching.
    #[must_use]
    pub fn token_file(path: impl Into<PathBuf>) -> Self {
        let path = located(path.into());
        Self::ours(Role::Server, move |_| {
            let token = Secret::from_file(&path).ok()?;
            Some(Login::Token { token, valid_for: None })
        })
    }

    /// Answers with what the `.netrc` file holds at that moment for the server's host, and only for
    /// `user` if one is named; nothing for proxies. Needs no callback thread and no dispatching.
    #[must_use]
    pub fn netrc(path: impl Into<PathBuf>, user: Option<String>) -> Self {
        let path = located(path.into());
        Self::ours(Role::Server, move |request| {
            let site = url::Url::parse(&request.site).ok()?;
            let host = site.host_str()?.trim_matches(['[', ']']);
            Netrc::read(&path).ok()?.login(host, user.as_deref()).map(Login::Password)
        })
    }

    fn ours(
        role: Role,
        ask: impl Fn(&CredentialRequest) -> Option<Login> + Send + Sync + 'static,
    ) -> Self {
        Self { role: Some(role), is_ours: true, ..Self::new(ask) }
    }

    /// Whether it may know a login for who asks.
    pub(crate) fn knows(&self, role: Role) -> bool {
        self.role.is_none_or(|own| own == role)
    }

    pub(crate) fn ask(&self, request: &CredentialRequest) -> Option<Login> {
        if self.knows(request.role()) { (self.ask)(request) } else { None }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.identity, &other.identity)
    }
}

/// The file is read again later, from wherever the program is then.
fn located(path: PathBuf) -> PathBuf {
    crate::options::absolute(&path).unwrap_or(path)
}

impl fmt::Debug for CredentialCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialCallback(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_ends_at_its_newline() {
        let _rule = bitsup_server::rule!("NAM-06");
        let file = tempfile::NamedTempFile::new().expect("file");
        for (content, secret) in
            [("pass word\n", "pass word"), ("x\r\n", "x"), (" x ", " x "), ("\u{feff}x\r\n", "x")]
        {
            std::fs::write(file.path(), content).expect("written");
            assert_eq!(Secret::from_file(file.path()).expect("read").expose(), secret);
        }
        let wide = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
            let wide: Vec<u8> = "hunter2\r\n".encode_utf16().flat_map(bytes).collect();
            [mark, &wide].concat()
        };
        for (content, word) in [
            (b"".to_vec(), "is empty"),
            (b"\n".to_vec(), "is empty"),
            (b"\xef\xbb\xbf\r\n".to_vec(), "is empty"),
            (b"hunter2\n\n".to_vec(), "several lines"),
            (b"user\nhunter2\n".to_vec(), "several lines"),
            (b"hunter2\rx".to_vec(), "several lines"),
            (wide(b"\xff\xfe", u16::to_le_bytes), "UTF-16"),
            (wide(b"\xfe\xff", u16::to_be_bytes), "UTF-16"),
            (wide(b"", u16::to_le_bytes), "UTF-16"),
            (b"hunter2\xff".to_vec(), "not UTF-8"),
        ] {
            std::fs::write(file.path(), &content).expect("written");
            let error = Secret::from_file(file.path()).expect_err(word).to_string();
            let name = file.path().display().to_string();
            assert!(error.contains(word) && error.contains(&name), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        std::fs::write(file.path(), "x".repeat(70_000)).expect("written");
        assert!(Secret::from_file(file.path()).is_err());
    }

    #[test]
    fn what_is_kept_for_servers_is_no_answer_to_a_proxy() {
        let _rule = bitsup_server::rule!("LOG-01");
        let folder = tempfile::tempdir().expect("folder");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "hunter2").expect("written");
        let netrc = folder.path().join("netrc");
        std::fs::write(&netrc, "default login u password hunter2").expect("written");
        let sources = [
            CredentialCallback::password_file("u", &secret),
            CredentialCallback::token_file(&secret),
            CredentialCallback::netrc(&netrc, None),
        ];
        let request = |proxy: bool| CredentialRequest {
            site: "https://host".into(),
            proxy,
            realm: None,
            schemes: vec!["basic".into()],
            user: None,
            refused: false,
            expiring: false,
            attempt: 1,
        };
        for source in sources {
            let wrapped = source.around(|ask| ask());
            for one in [source, wrapped] {
                assert!(one.ask(&request(false)).is_some());
                assert_eq!(one.ask(&request(true)), None);
            }
        }
    }

    #[test]
    fn logins_are_not_shown() {
        let password = Secret::new("hunter2");
        let token = Login::Token { token: password.clone(), valid_for: None };
        let login = Login::Password(Credentials { user: "u".into(), password });
        let callback = CredentialCallback::password_file("hunter2", "/hunter2");
        assert!(!format!("{token:?} {login:?} {callback:?}").contains("hunter2"));
    }
}
