//! Who we are: user, password, token, and the same for a proxy.

use std::path::{Path, PathBuf};
use std::sync::Once;

use bitsup::{
    AuthChoice, CredentialCallback, Credentials, Netrc, ProxyChoice, Secret, UploadOptions,
};
use clap::{Args, ValueEnum};

use crate::connection::readable;
use crate::failure::Failure;
use crate::prompt;
use crate::words::{self, Words};

/// Login at the server.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LoginArgs {
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "BITSUP_USER",
        hide_env_values = true,
        help = "Log in as NAME, also DOMAIN\\NAME; the password comes from BITSUP_PASSWORD, a file or a prompt"
    )]
    user: Option<String>,
    /// Read the password from FILE
    #[arg(long, value_name = "FILE", overrides_with_all = ["netrc", "netrc_file"])]
    password_file: Option<PathBuf>,
    /// Take user and password for the server from ~/.netrc, or the file that NETRC names
    #[arg(long, hide_short_help = true, overrides_with_all = ["password_file", "netrc_file"])]
    netrc: bool,
    /// The same from FILE
    #[arg(long, value_name = "FILE", hide_short_help = true, overrides_with_all = ["password_file", "netrc"])]
    netrc_file: Option<PathBuf>,
    /// How to log in [default: any, the strongest that the server offers]
    #[arg(long, value_enum, value_name = "SCHEME", hide_short_help = true)]
    auth: Option<Auth>,
    #[arg(
        long,
        value_name = "FILE",
        hide_short_help = true,
        help = "Send the bearer token in FILE, or that in BITSUP_TOKEN, with each packet"
    )]
    token_file: Option<PathBuf>,
    /// Send passwords, tokens and secret headers over plain http too, readable by all on the way
    #[arg(long, hide_short_help = true)]
    allow_cleartext_credentials: bool,
}

/// The way through a proxy.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProxyArgs {
    #[arg(
        short = 'x',
        long,
        value_name = "URL",
        help = "Go through this proxy, http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT [default: as http_proxy and https_proxy say]"
    )]
    proxy: Option<String>,
    /// Reach these hosts without it, separated by commas
    #[arg(long, visible_alias = "noproxy", value_name = "HOSTS", hide_short_help = true)]
    no_proxy: Option<String>,
    #[arg(
        long,
        value_name = "NAME",
        requires = "proxy",
        hide_short_help = true,
        help = "Log in at the proxy as NAME; the password comes from BITSUP_PROXY_PASSWORD, a file or a prompt"
    )]
    proxy_user: Option<String>,
    /// Read the proxy's password from FILE
    #[arg(long, value_name = "FILE", requires = "proxy_user", hide_short_help = true)]
    proxy_password_file: Option<PathBuf>,
    #[arg(
        long,
        value_enum,
        value_name = "SCHEME",
        requires = "proxy_user",
        hide_short_help = true,
        help = "How to log in at the proxy [default: any, the strongest that it offers, Basic too]"
    )]
    proxy_auth: Option<ProxyAuth>,
    /// Trust the CA certificates in FILE (PEM) for a proxy reached over https
    #[arg(
        long,
        visible_alias = "proxy-cacert",
        value_name = "FILE",
        requires = "proxy",
        hide_short_help = true
    )]
    proxy_ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProxyAuth {
    /// The strongest that the proxy offers
    Any,
    /// Basic
    Basic,
    /// Digest
    Digest,
    /// NTLM
    Ntlm,
    /// Negotiate (Kerberos)
    Negotiate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Auth {
    /// The strongest that the server offers
    Any,
    /// Basic, over verified TLS only
    Basic,
    /// Digest
    Digest,
    /// NTLM
    Ntlm,
    /// Negotiate: NTLM inside, or without --user the Kerberos ticket
    Negotiate,
    /// A bearer token
    Bearer,
}

impl LoginArgs {
    /// Puts the choices into `options`; the user whose password was typed, if one was.
    pub(crate) fn apply(&self, options: &mut UploadOptions) -> Result<Option<String>, Failure> {
        options.allow_cleartext_credentials = self.allow_cleartext_credentials;
        options.bearer_token = self.token()?;
        // What is in a file may be replaced while uploads run.
        options.credential_callback = match (&self.token_file, &self.user, &self.password_file) {
            (_, Some(user), Some(file)) if self.auth != Some(Auth::Bearer) => {
                Some(CredentialCallback::password_file(user, file))
            }
            (Some(file), ..) => Some(CredentialCallback::token_file(file)),
            _ => None,
        };
        options.auth = match self.auth {
            Some(Auth::Basic) => AuthChoice::Basic,
            Some(Auth::Digest) => AuthChoice::Digest,
            Some(Auth::Ntlm) => AuthChoice::Ntlm,
            Some(Auth::Negotiate) => AuthChoice::Negotiate,
            Some(Auth::Any | Auth::Bearer) | None => AuthChoice::Any,
        };
        if self.auth == Some(Auth::Bearer) {
            if options.bearer_token.is_none() {
                return Err(Failure::usage(
                    "there is no token: give --token-file or set BITSUP_TOKEN",
                ));
            }
            return Ok(None);
        }
        if let Some(file) = self.netrc()? {
            // It is looked into for the server that asks.
            options.credential_callback = Some(CredentialCallback::netrc(file, self.user.clone()));
            return Ok(None);
        }
        match &self.user {
            Some(user) => {
                let file = self.password_file.as_deref();
                let (made, typed) = credentials(user, file, "BITSUP_PASSWORD", "")?;
                options.credentials = Some(made);
                Ok(typed.then(|| user.clone()))
            }
            None if self.password_file.is_some() => {
                Err(Failure::usage("--password-file needs a user: add --user NAME"))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn words(&self, words: &mut Words) {
        words.text("--user", self.user.as_ref());
        words.path("--password-file", self.password_file.as_deref());
        words.flag("--netrc", self.netrc);
        words.path("--netrc-file", self.netrc_file.as_deref());
        words.choice("--auth", self.auth.as_ref());
        words.path("--token-file", self.token_file.as_deref());
        words.flag("--allow-cleartext-credentials", self.allow_cleartext_credentials);
    }

    /// The `.netrc` file, if one is wanted; it can be read.
    fn netrc(&self) -> Result<Option<PathBuf>, Failure> {
        let file = match (&self.netrc_file, self.netrc) {
            (Some(file), _) => file.clone(),
            (None, true) => netrc_of_user().ok_or_else(|| {
                Failure::usage("there is no home folder, and so no .netrc: give --netrc-file")
            })?,
            (None, false) => return Ok(None),
        };
        if Netrc::read(&file)?.is_exposed() {
            static WARNING: Once = Once::new();
            WARNING.call_once(|| {
                words::say(&format!(
                    "bitsup: warning: {0} holds passwords, and other users of this machine can read it: chmod 600 {0}",
                    file.display()
                ));
            });
        }
        Ok(Some(file))
    }

    fn token(&self) -> Result<Option<Secret>, Failure> {
        let token = match &self.token_file {
            Some(file) => Some(Secret::from_file(file)?),
            None => variable("BITSUP_TOKEN").map(Secret::new),
        };
        Ok(token)
    }
}

impl ProxyArgs {
    /// As [`LoginArgs::apply`].
    pub(crate) fn apply(&self, options: &mut UploadOptions) -> Result<Option<String>, Failure> {
        if let Some(url) = &self.proxy {
            if url.contains('@') {
                return Err(Failure::usage(
                    "the proxy's URL has a user name or password in it: give them as --proxy-user and --proxy-password-file",
                ));
            }
            // As with curl, an empty one is none.
            let direct = url.is_empty();
            options.proxy =
                if direct { ProxyChoice::Direct } else { ProxyChoice::Url(url.clone()) };
        }
        options.no_proxy.clone_from(&self.no_proxy);
        options.tls.proxy_ca_file = readable(self.proxy_ca_file.as_ref())?;
        options.proxy_auth = match self.proxy_auth {
            Some(ProxyAuth::Basic) => AuthChoice::Basic,
            Some(ProxyAuth::Digest) => AuthChoice::Digest,
            Some(ProxyAuth::Ntlm) => AuthChoice::Ntlm,
            Some(ProxyAuth::Negotiate) => AuthChoice::Negotiate,
            Some(ProxyAuth::Any) | None => AuthChoice::Any,
        };
        let Some(user) = &self.proxy_user else { return Ok(None) };
        let file = self.proxy_password_file.as_deref();
        let (made, typed) = credentials(user, file, "BITSUP_PROXY_PASSWORD", "proxy-")?;
        options.proxy_credentials = Some(made);
        Ok(typed.then(|| user.clone()))
    }

    pub(crate) fn words(&self, words: &mut Words) {
        words.text("--proxy", self.proxy.as_ref());
        words.text("--no-proxy", self.no_proxy.as_ref());
        words.text("--proxy-user", self.proxy_user.as_ref());
        words.path("--proxy-password-file", self.proxy_password_file.as_deref());
        words.choice("--proxy-auth", self.proxy_auth.as_ref());
        words.path("--proxy-ca-file", self.proxy_ca_file.as_deref());
    }
}

/// `NETRC`, or `.netrc` in the home folder.
fn netrc_of_user() -> Option<PathBuf> {
    let named = std::env::var_os("NETRC").filter(|file| !file.is_empty());
    named.map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
        Some(Path::new(&home).join(".netrc"))
    })
}

/// User and password, and whether a person has just typed that.
fn credentials(
    user: &str,
    file: Option<&Path>,
    variable_name: &str,
    prefix: &str,
) -> Result<(Credentials, bool), Failure> {
    if user.contains(':') {
        return Err(Failure::usage(format!(
            "a user name has no colon; a password does not belong on a command line, where all can see it: use {variable_name}, --{prefix}password-file or the prompt"
        )));
    }
    if user.chars().any(char::is_control) {
        return Err(Failure::usage("the user name has a control character in it"));
    }
    let (password, typed) = match (file, variable(variable_name)) {
        (Some(file), _) => (Secret::from_file(file)?, false),
        (None, Some(password)) => (Secret::new(password), false),
        (None, None) => {
            let typed = prompt::password(user).ok_or_else(|| {
                Failure::usage(format!(
                    "there is no password for {user}: set {variable_name} or give --{prefix}password-file"
                ))
            })?;
            (typed, true)
        }
    };
    Ok((Credentials { user: user.to_owned(), password }, typed))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
