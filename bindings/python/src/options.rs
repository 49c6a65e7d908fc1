//! From keywords to [`UploadOptions`].

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use bitsup::{
    AuthChoice, Credentials, Header, HostPolicy, IfExists, LostAckPolicy, ProxyChoice, ReplyTo,
    Resolve, ResumeCheck, Secret, UploadOptions, VerifyPolicy,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::credentials::CredentialCallback;
use crate::errors;

/// Reads the keywords; `None` means the default. An unknown keyword is a `TypeError`, as for any function.
pub(crate) fn read(keywords: &Bound<'_, PyDict>) -> PyResult<UploadOptions> {
    let mut options = UploadOptions::default();
    let mut server = Login { user: None, password: None, prefix: "" };
    let mut proxy = Login { user: None, password: None, prefix: "proxy_" };
    let mut bearer = false;
    let mut password_file: Option<PathBuf> = None;
    let mut token_file: Option<PathBuf> = None;
    for (name, value) in keywords {
        let name: String = name.extract()?;
        if value.is_none() {
            check_known(&name)?;
            continue;
        }
        let keyword = Keyword { name: &name, value };
        match name.as_str() {
            "user" => server.user = Some(keyword.get()?),
            "password" => server.password = Some(keyword.secret()?),
            "auth" => {
                bearer = keyword.value.extract::<&str>().is_ok_and(|word| word == "bearer");
                if !bearer {
                    options.auth = keyword.word(&SCHEMES)?;
                }
            }
            "credentials" => {
                let callback: PyRef<'_, CredentialCallback> = keyword.get()?;
                options.credential_callback = Some(callback.get());
            }
            // Read by the package already; here for the case that the server wants another one.
            "password_file" => password_file = Some(keyword.get()?),
            "token_file" => token_file = Some(keyword.get()?),
            "token" => options.bearer_token = Some(keyword.secret()?),
            "proxy" => {
                let url: String = keyword.get()?;
                if url.contains('@') {
                    return Err(keyword.invalid(
                        "has a user name or password in it: give them as proxy_user and proxy_password",
                    ));
                }
                // As with curl, an empty one is none.
                options.proxy =
                    if url.is_empty() { ProxyChoice::Direct } else { ProxyChoice::Url(url) };
            }
            "proxy_user" => proxy.user = Some(keyword.get()?),
            "proxy_password" => proxy.password = Some(keyword.secret()?),
            "proxy_auth" => options.proxy_auth = keyword.word(&SCHEMES)?,
            "proxy_ca_file" => options.tls.proxy_ca_file = Some(keyword.get::<PathBuf>()?),
            "resolve" => options.resolve = keyword.addresses()?,
            "no_proxy" => options.no_proxy = Some(keyword.hosts()?),
            "allow_cleartext_credentials" => options.allow_cleartext_credentials = keyword.get()?,
            "post_override" => options.post_override = keyword.get()?,
            "headers" => options.headers.extend(keyword.headers(false)?),
            "secret_headers" => options.headers.extend(keyword.headers(true)?),
            "ca_file" => options.tls.ca_file = Some(keyword.get::<PathBuf>()?),
            "insecure" => options.tls.insecure = keyword.get()?,
            "cert" => options.tls.cert = Some(keyword.get::<PathBuf>()?),
            "key" => options.tls.key = Some(keyword.get::<PathBuf>()?),
            "key_password" => {
                options.tls.key_password = Some(keyword.secret()?);
            }
            "pinned_public_key" => options.tls.pinned_public_key = Some(keyword.get()?),
            "fragment_size" => options.fragment_size = keyword.size()?,
            "max_fragment" => options.max_fragment = keyword.number()?,
            "min_fragment" => options.min_fragment = keyword.number()?,
            "connect_timeout" => options.connect_timeout = keyword.time()?,
            "stall_timeout" => options.stall_timeout = keyword.time()?,
            "ack_timeout" => options.ack_timeout = keyword.time()?,
            "last_ack_timeout" => options.last_ack_timeout = keyword.time()?,
            "max_attempts" => options.max_attempts = Some(keyword.attempts()?),
            "give_up_after" => options.give_up_after = keyword.time()?,
            "wait_for_server" => options.wait_for_server = keyword.time()?,
            "retry_delay" => options.retry_delay = keyword.time()?,
            "max_retry_delay" => options.max_retry_delay = keyword.time()?,
            "max_time" => options.max_time = Some(keyword.time()?),
            "max_bytes" => options.max_bytes = Some(keyword.number()?),
            "host_id" => {
                options.host_id = keyword.word(&[
                    ("same-site", HostPolicy::SameSite),
                    ("any", HostPolicy::Any),
                    ("ignore", HostPolicy::Ignore),
                ])?;
            }
            "trusted_hosts" => options.trusted_hosts = keyword.words()?,
            "reply_to" => options.reply_to = keyword.reply()?,
            "reply_max_size" => options.reply_max_size = keyword.number()?,
            "reply_optional" => options.reply_optional = keyword.get()?,
            "if_exists" => {
                options.if_exists = keyword.word(&[
                    ("try", IfExists::Try),
                    ("skip", IfExists::Skip),
                    ("fail", IfExists::Fail),
                ])?;
            }
            "fresh" => options.fresh = keyword.get()?,
            "no_resume" => options.no_resume = keyword.get()?,
            "require_resume" => options.require_resume = keyword.get()?,
            "resume_check" => {
                options.resume_check =
                    keyword.word(&[("full", ResumeCheck::Full), ("tail", ResumeCheck::Tail)])?;
            }
            "verify" => {
                options.verify = keyword.word(&[
                    ("auto", VerifyPolicy::Auto),
                    ("always", VerifyPolicy::Always),
                    ("never", VerifyPolicy::Never),
                ])?;
            }
            "on_lost_ack" => {
                options.on_lost_ack = keyword.word(&[
                    ("auto", LostAckPolicy::Auto),
                    ("resend", LostAckPolicy::Resend),
                    ("restart", LostAckPolicy::Restart),
                    ("accept", LostAckPolicy::Accept),
                ])?;
            }
            "sha256" => options.sha256 = keyword.get()?,
            "polite" => options.polite = keyword.get()?,
            "refuse_empty" => options.refuse_empty = keyword.get()?,
            "lenient" => options.lenient = keyword.get()?,
            "content_name" => options.content_name = Some(keyword.get()?),
            "note" => options.note = Some(keyword.get()?),
            // Where the entries go is the package's matter.
            "transcript" => options.transcript = keyword.get()?,
            _ => check_known(&name)?,
        }
    }
    let py = keywords.py();
    options.credentials = server.credentials(py)?;
    if options.credential_callback.is_none() {
        let user = options.credentials.as_ref().map(|credentials| credentials.user.clone());
        options.credential_callback = match (user, password_file, token_file) {
            (Some(user), Some(file), _) => {
                Some(bitsup::CredentialCallback::password_file(user, file))
            }
            (_, _, Some(file)) => Some(bitsup::CredentialCallback::token_file(file)),
            _ => None,
        };
    }
    options.proxy_credentials = proxy.credentials(py)?;
    if bearer && options.bearer_token.is_none() && options.credential_callback.is_none() {
        return Err(errors::invalid(
            py,
            "auth is \"bearer\" and there is no token: give token, token_file or credentials",
        ));
    }
    if bearer && options.credentials.is_some() {
        return Err(errors::invalid(
            py,
            "auth is \"bearer\" and there is a user: leave out one of them",
        ));
    }
    if options.tls.cert.is_none()
        && (options.tls.key.is_some() || options.tls.key_password.is_some())
    {
        return Err(errors::invalid(py, "a key is given without its certificate: give cert"));
    }
    Ok(options)
}

/// How one logs in.
const SCHEMES: [(&str, AuthChoice); 5] = [
    ("any", AuthChoice::Any),
    ("basic", AuthChoice::Basic),
    ("digest", AuthChoice::Digest),
    ("ntlm", AuthChoice::Ntlm),
    ("negotiate", AuthChoice::Negotiate),
];

/// User and password, which belong together.
struct Login {
    user: Option<String>,
    password: Option<Secret>,
    prefix: &'static str,
}

impl Login {
    fn credentials(self, py: Python<'_>) -> PyResult<Option<Credentials>> {
        let prefix = self.prefix;
        let refuse = |what: String| Err(errors::invalid(py, &what));
        match (self.user, self.password) {
            (None, None) => Ok(None),
            (Some(user), _) if user.contains(':') => refuse(format!(
                "{prefix}user has a colon in it: give what follows as {prefix}password"
            )),
            (Some(user), _) if user.chars().any(char::is_control) => {
                refuse(format!("{prefix}user has a control character in it"))
            }
            (Some(user), Some(password)) => Ok(Some(Credentials { user, password })),
            (Some(_), None) => refuse(format!(
                "{prefix}user is given without password: give {prefix}password or {prefix}password_file"
            )),
            (None, Some(_)) => refuse(format!("{prefix}password is given without user")),
        }
    }
}

/// Every keyword that [`read`] takes.
const NAMES: &[&str] = &[
    "ack_timeout",
    "allow_cleartext_credentials",
    "auth",
    "ca_file",
    "cert",
    "connect_timeout",
    "content_name",
    "credentials",
    "fragment_size",
    "fresh",
    "give_up_after",
    "headers",
    "host_id",
    "if_exists",
    "insecure",
    "key",
    "key_password",
    "last_ack_timeout",
    "lenient",
    "max_attempts",
    "max_bytes",
    "max_fragment",
    "max_retry_delay",
    "max_time",
    "min_fragment",
    "no_proxy",
    "no_resume",
    "note",
    "on_lost_ack",
    "password",
    "password_file",
    "pinned_public_key",
    "polite",
    "post_override",
    "proxy",
    "proxy_auth",
    "proxy_ca_file",
    "proxy_password",
    "proxy_user",
    "refuse_empty",
    "reply_max_size",
    "reply_optional",
    "reply_to",
    "require_resume",
    "resolve",
    "resume_check",
    "retry_delay",
    "secret_headers",
    "sha256",
    "stall_timeout",
    "token",
    "token_file",
    "transcript",
    "trusted_hosts",
    "user",
    "verify",
    "wait_for_server",
];

fn check_known(name: &str) -> PyResult<()> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "{name:?} is no option of an upload; help(bitsup.upload) lists them"
    )))
}

/// A secret out of a file, which the interpreter's memory never holds: nothing there is overwritten.
#[pyclass(frozen)]
pub(crate) struct FileSecret(Secret);

/// Reads a secret, as [`Secret::from_file`] does.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "the interpreter hands it over")]
pub(crate) fn secret_from_file(py: Python<'_>, path: PathBuf) -> PyResult<FileSecret> {
    let read = py.detach(|| Secret::from_file(&path));
    read.map(FileSecret).map_err(|error| {
        if error.io_kind() == Some(ErrorKind::InvalidData) {
            return errors::invalid(py, &format!("{} is not text in UTF-8", path.display()));
        }
        errors::raised(py, &error)
    })
}

/// One keyword with its value.
struct Keyword<'a, 'py> {
    name: &'a str,
    value: Bound<'py, PyAny>,
}

impl<'py> Keyword<'_, 'py> {
    /// The value as `T`; a value of another type is a `TypeError` that names the keyword.
    fn get<T: for<'a> FromPyObject<'a, 'py>>(&self) -> PyResult<T> {
        self.value.extract().map_err(|problem| self.wrong(&Into::<PyErr>::into(problem)))
    }

    /// A secret, as text or from [`secret_from_file`].
    fn secret(&self) -> PyResult<Secret> {
        match self.value.extract::<PyRef<'_, FileSecret>>() {
            Ok(read) => Ok(read.0.clone()),
            Err(_) => self.get::<String>().map(Secret::new),
        }
    }

    /// A number of bytes.
    fn number(&self) -> PyResult<u64> {
        let number: i128 = self.get()?;
        u64::try_from(number).map_err(|_| self.invalid("must be a number of bytes, 0 or more"))
    }

    /// A number of bytes, or "auto".
    fn size(&self) -> PyResult<Option<u64>> {
        match self.value.extract::<String>() {
            Ok(word) if word == "auto" => Ok(None),
            Ok(_) => Err(self.invalid("must be a number of bytes, or \"auto\"")),
            Err(_) => self.number().map(Some),
        }
    }

    /// Hosts as one string with commas, or several strings.
    fn hosts(&self) -> PyResult<String> {
        match self.value.extract::<String>() {
            Ok(hosts) => Ok(hosts),
            Err(_) => Ok(self.get::<Vec<String>>()?.join(",")),
        }
    }

    fn attempts(&self) -> PyResult<u32> {
        let number: i128 = self.get()?;
        u32::try_from(number).map_err(|_| self.invalid("must be a number of tries, 1 or more"))
    }

    /// Seconds, or a `timedelta`.
    fn time(&self) -> PyResult<Duration> {
        if let Ok(seconds) = self.value.extract::<f64>() {
            return Duration::try_from_secs_f64(seconds)
                .map_err(|_| self.invalid("must be a number of seconds, 0 or more"));
        }
        self.get()
    }

    fn word<T: Copy>(&self, choices: &[(&str, T)]) -> PyResult<T> {
        let word: String = self.get()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return Ok(*choice);
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        Err(self.invalid(&format!("must be one of {}", names.join(", "))))
    }

    /// Several strings; a single one is a mistake that would be taken apart into letters.
    fn words(&self) -> PyResult<Vec<String>> {
        if self.value.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(format!("{} must be a list of str", self.name)));
        }
        self.get()
    }

    fn addresses(&self) -> PyResult<Vec<Resolve>> {
        let read: Result<_, bitsup::Error> =
            self.words()?.iter().map(|text| Resolve::parse(text)).collect();
        read.map_err(|error| errors::raised(self.value.py(), &error))
    }

    /// A mapping, or pairs.
    fn headers(&self, secret: bool) -> PyResult<Vec<Header>> {
        let pairs: Vec<(String, String)> = match self.value.call_method0("items") {
            Ok(items) => items.try_iter()?.map(|item| item?.extract()).collect::<PyResult<_>>(),
            Err(_) => self.value.extract(),
        }
        .map_err(|problem| self.wrong(&problem))?;
        let header = |(name, value): &(String, String)| {
            let header = Header::new(name, value)?;
            Ok(if secret { header.secret() } else { header })
        };
        let headers: Result<_, bitsup::Error> = pairs.iter().map(header).collect();
        headers.map_err(|error| errors::raised(self.value.py(), &error))
    }

    /// The path of a file, or how many bytes may be held in memory.
    fn reply(&self) -> PyResult<ReplyTo> {
        match self.value.extract::<i128>() {
            Ok(_) => Ok(ReplyTo::Memory(self.number()?)),
            Err(_) => Ok(ReplyTo::File(self.get()?)),
        }
    }

    fn invalid(&self, what: &str) -> PyErr {
        errors::invalid(self.value.py(), &format!("{} {what}", self.name))
    }

    /// Names the type, never the value: it may be a secret.
    fn wrong(&self, problem: &PyErr) -> PyErr {
        let py = self.value.py();
        if !problem.is_instance_of::<PyTypeError>(py) {
            return self
                .invalid("cannot be used: its value is out of range or has illegal characters");
        }
        let kind =
            self.value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        PyTypeError::new_err(format!("{} cannot be of type {kind}", self.name))
    }
}
