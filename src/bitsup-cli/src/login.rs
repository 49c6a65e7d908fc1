//! Who we are: user, password, token, and the same for a proxy.

use std::path::{Path, PathBuf};
use std::sync::Once;

use bitsup::{Netrc, OptionSet, OptionValue, Secret};

use crate::failure::CommandFailure;
use crate::table::{self, Connection, TableArgs};
use crate::{format, prompt};

/// Who may be asked again for a password.
#[derive(Default)]
pub(crate) struct Logins {
    /// The user whose password was typed for the server, if one was.
    pub(crate) server: Option<String>,
    /// The same for the proxy.
    pub(crate) proxy: Option<String>,
}

/// Puts passwords and tokens in that come from variables and prompts. `user_netrc`: whether the user's own `.netrc` file
/// is to be read.
pub(crate) fn fill(
    given: &TableArgs<Connection>,
    user_netrc: bool,
    set: &mut OptionSet,
) -> Result<Logins, CommandFailure> {
    let mut logins = Logins::default();
    if let Some(user) = given.text("proxy_user") {
        let has_file = given.path("proxy_password_file").is_some();
        let names = ("proxy_password", "BITSUP_PROXY_PASSWORD", "proxy-");
        logins.proxy = password(set, &user, has_file, names)?;
    }
    if given.path("token_file").is_none()
        && let Some(token) = variable("BITSUP_TOKEN")
    {
        set.set(table::row("token")?, OptionValue::Secret(Secret::new(token)))?;
    }
    let user = given.text("user");
    if given.text("auth").as_deref() == Some("bearer") {
        if set.get(table::row("token")?).is_none() && given.path("token_file").is_none() {
            return Err(CommandFailure::usage(
                "there is no token: give --token-file or set BITSUP_TOKEN",
            ));
        }
        // A user in the environment is for other commands.
        set.reset(table::row("user")?);
        set.reset(table::row("password_file")?);
        return Ok(logins);
    }
    if let Some(file) = netrc(given, user_netrc)? {
        set.set(table::row("netrc_file")?, OptionValue::Path(file))?;
        return Ok(logins);
    }
    let has_file = given.path("password_file").is_some();
    match user {
        Some(user) => {
            logins.server = password(set, &user, has_file, ("password", "BITSUP_PASSWORD", ""))?;
        }
        None if has_file => {
            return Err(CommandFailure::usage("--password-file needs a user: add --user NAME"));
        }
        None => {}
    }
    Ok(logins)
}

/// The password of a user, if no file has it; the user, if a person has just typed it.
fn password(
    set: &mut OptionSet,
    user: &str,
    has_file: bool,
    (option, variable_name, prefix): (&str, &str, &str),
) -> Result<Option<String>, CommandFailure> {
    if user.contains(':') {
        return Err(CommandFailure::usage(format!(
            "a user name has no colon; a password does not belong on a command line, where all can see it: use {variable_name}, --{prefix}password-file or the prompt"
        )));
    }
    if has_file {
        return Ok(None);
    }
    let (secret, typed) = match variable(variable_name) {
        Some(password) => (Secret::new(password), None),
        None => {
            let typed = prompt::password(user).ok_or_else(|| {
                CommandFailure::usage(format!(
                    "there is no password for {user}: set {variable_name} or give --{prefix}password-file"
                ))
            })?;
            (typed, Some(user.to_owned()))
        }
    };
    set.set(table::row(option)?, OptionValue::Secret(secret))?;
    Ok(typed)
}

/// The `.netrc` file, if one is wanted; it can be read.
fn netrc(
    given: &TableArgs<Connection>,
    user_netrc: bool,
) -> Result<Option<PathBuf>, CommandFailure> {
    let file = match (given.path("netrc_file"), user_netrc) {
        (Some(file), _) => file,
        (None, true) => netrc_of_user().ok_or_else(|| {
            CommandFailure::usage("there is no home folder, and so no .netrc: give --netrc-file")
        })?,
        (None, false) => return Ok(None),
    };
    if Netrc::read(&file)?.is_exposed() {
        static WARNING: Once = Once::new();
        WARNING.call_once(|| {
            format::say(&format!(
                "bitsup: warning: {0} holds passwords, and other users of this machine can read it: chmod 600 {0}",
                file.display()
            ));
        });
    }
    Ok(Some(file))
}

/// `NETRC`, or `.netrc` in the home folder.
fn netrc_of_user() -> Option<PathBuf> {
    let named = std::env::var_os("NETRC").filter(|file| !file.is_empty());
    named.map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
        Some(Path::new(&home).join(".netrc"))
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
