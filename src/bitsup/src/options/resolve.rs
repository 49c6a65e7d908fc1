//! What a set of options comes to: [`UploadOptions`] and [`ClientOptions`].

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Header, UploadOptions};
use crate::credentials::{CredentialCallback, Credentials, Secret};
use crate::error::Error;
use crate::netrc::Netrc;
use crate::timetable::RateTimetable;

/// A limit in bytes a second, or by the hours of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitRate {
    /// Always the same.
    Always(u64),
    /// By the local time of day.
    Timetable(RateTimetable),
}

/// The choices for a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientOptions {
    /// The `User-Agent`; `None` is `bitsup/VERSION`.
    pub user_agent: Option<String>,
    /// A limit for all uploads together; `None` is unlimited.
    pub limit_rate: Option<LimitRate>,
    /// How many uploads to one host hold a session at a time; `None` is 16.
    pub uploads_per_host: Option<usize>,
    /// A folder for what lets uploads continue; `None` keeps nothing.
    pub state_dir: Option<PathBuf>,
    /// Whether callbacks run in [`crate::Client::dispatch`] only. Front ends look at it: a client
    /// needs a function to be told by, see [`crate::ClientBuilder::dispatch_on_demand`].
    pub dispatch: bool,
}

/// What rows put their values into.
#[derive(Default)]
pub(super) struct Target {
    pub(super) upload: UploadOptions,
    pub(super) client: ClientOptions,
    pub(super) login: LoginParts,
    pub(super) proxy_login: LoginParts,
    pub(super) token: Hidden,
    pub(super) key_password: Hidden,
    pub(super) bearer_only: bool,
    pub(super) netrc_file: Option<PathBuf>,
}

/// A user and a password, which are given one by one.
#[derive(Default)]
pub(super) struct LoginParts {
    pub(super) user: Option<String>,
    pub(super) password: Hidden,
}

/// A secret, or the file that has it. A value wins over a file.
#[derive(Default)]
pub(super) struct Hidden {
    pub(super) value: Option<Secret>,
    pub(super) file: Option<PathBuf>,
}

impl Hidden {
    fn is_set(&self) -> bool {
        self.value.is_some() || self.file.is_some()
    }

    /// The secret; files are read for each upload.
    fn reveal(&self) -> Result<Option<Secret>, Error> {
        match (&self.value, &self.file) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(file)) => Secret::from_file(file).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl LoginParts {
    /// User and password belong together.
    fn credentials(&self, prefix: &str) -> Result<Option<Credentials>, Error> {
        match (&self.user, self.password.is_set()) {
            (None, false) => Ok(None),
            (Some(_), false) => Err(Error::invalid(format!(
                "{prefix}user is set and no {prefix}password: set both or none"
            ))),
            (None, true) => Err(Error::invalid(format!(
                "{prefix}password is set and no {prefix}user: set both or none"
            ))),
            (Some(user), true) => {
                let password = self.password.reveal()?.unwrap_or_default();
                Ok(Some(Credentials { user: user.clone(), password }))
            }
        }
    }
}

impl Target {
    /// One value a header name: the latest.
    pub(super) fn set_header(&mut self, header: Header) {
        let headers = &mut self.upload.headers;
        headers.retain(|old| !old.name().eq_ignore_ascii_case(header.name()));
        headers.push(header);
    }

    /// Puts together what belongs together, judges relations, and looks at the files.
    pub(super) fn finish(
        mut self,
        callback: Option<CredentialCallback>,
    ) -> Result<UploadOptions, Error> {
        let options = &mut self.upload;
        let netrc = self.netrc_file.take().filter(|_| !self.bearer_only);
        if let Some(file) = &netrc {
            if self.login.password.is_set() {
                return Err(Error::invalid(
                    "password and netrc_file are set: leave out one of them",
                ));
            }
            // It is looked into for the server that asks.
            Netrc::read(file)?;
        } else {
            options.credentials = self.login.credentials("")?;
        }
        options.proxy_credentials = self.proxy_login.credentials("proxy_")?;
        options.bearer_token = self.token.reveal()?;
        // A file's content may be replaced while uploads run.
        options.credential_callback = callback.or_else(|| {
            if let Some(file) = netrc {
                return Some(CredentialCallback::netrc(file, self.login.user.clone()));
            }
            match (&self.login.user, &self.login.password.file, &self.token.file) {
                (Some(user), Some(file), _) if self.login.password.value.is_none() => {
                    Some(CredentialCallback::password_file(user, file))
                }
                (_, _, Some(file)) if self.token.value.is_none() => {
                    Some(CredentialCallback::token_file(file))
                }
                _ => None,
            }
        });
        if self.bearer_only {
            if options.credentials.is_some() {
                return Err(Error::invalid(
                    "auth is bearer and there is a user: leave out one of them",
                ));
            }
            if options.bearer_token.is_none() && options.credential_callback.is_none() {
                return Err(Error::invalid("auth is bearer and there is no token")
                    .with_advice("Set {token_file}."));
            }
        }
        options.tls.key_password = self.key_password.reveal()?;
        let tls = &options.tls;
        if tls.cert.is_none() && (tls.key.is_some() || tls.key_password.is_some()) {
            return Err(
                Error::invalid("a key is set and no certificate").with_advice("Set {cert}, too.")
            );
        }
        if options.min_fragment > options.max_fragment {
            return Err(Error::invalid(format!(
                "min_fragment is {}, and max_fragment only {}",
                options.min_fragment, options.max_fragment
            )));
        }
        for (name, file) in [
            ("ca_file", &tls.ca_file),
            ("proxy_ca_file", &tls.proxy_ca_file),
            ("cert", &tls.cert),
            ("key", &tls.key),
        ] {
            if let Some(file) = file {
                readable(name, file)?;
            }
        }
        Ok(self.upload)
    }
}

/// libcurl would only say that something is wrong with the file.
fn readable(option: &str, file: &Path) -> Result<(), Error> {
    let opened = File::open(file).map(drop);
    opened.map_err(|error| {
        Error::local(format_args!("cannot read {} ({option})", file.display()), &error)
    })
}

/// Refuses what no server takes for a user's name.
pub(super) fn checked_user(user: Option<String>) -> Result<Option<String>, Error> {
    if let Some(user) = &user {
        if user.contains(':') {
            return Err(Error::invalid(
                "a user name has no colon: what follows it is a password, which has an option of its own",
            ));
        }
        if user.chars().any(char::is_control) {
            return Err(Error::invalid("the user name has a control character in it"));
        }
    }
    Ok(user)
}

/// Refuses hashes of keys that are none.
pub(super) fn checked_pin(pin: Option<String>) -> Result<Option<String>, Error> {
    use base64::Engine as _;
    if let Some(pin) = &pin {
        for hash in pin.split(';') {
            let bytes = hash
                .strip_prefix("sha256//")
                .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
            if bytes.is_none_or(|bytes| bytes.len() != 32) {
                return Err(Error::invalid(
                    "a hash is written sha256// and 44 characters of Base64, several with ; between them",
                ));
            }
        }
    }
    Ok(pin)
}
