//! Options of a connection: headers, credentials, TLS and time-outs.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitsup::{Credentials, Header, Secret, UploadOptions};
use clap::Args;

use crate::failure::Failure;
use crate::values;
use crate::words::Words;

/// A password or a few headers; more is a wrong file.
const MAX_SECRET_FILE: u64 = 64 * 1024;
/// Words in a header's name that tell of a secret, which is then not kept anywhere.
const SECRET_WORDS: [&str; 8] =
    ["auth", "cookie", "token", "key", "secret", "passw", "signature", "credential"];

/// What `upload`, `ping`, `resume` and `cancel` need to speak with a server.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Send this header with every packet; headers in FILE (one a line) are treated like passwords
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE|@FILE")]
    pub(crate) headers: Vec<String>,
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
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Send passwords and secret headers over plain http too, readable by all on the way
    #[arg(long, hide_short_help = true)]
    allow_cleartext_credentials: bool,
    /// Trust the CA certificates in FILE (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(short = 'k', long)]
    insecure: bool,
    /// How long connecting may take [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    connect_timeout: Option<Duration>,
    /// How long no byte may move while sending [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    stall_timeout: Option<Duration>,
    /// How long the server may take to answer [default: 5m, the last packets 15m]
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    ack_timeout: Option<Duration>,
}

impl ConnectionArgs {
    /// Puts the choices into `options`; reads files and may ask for the password.
    pub(crate) fn apply(&self, options: &mut UploadOptions) -> Result<(), Failure> {
        for header in &self.headers {
            add_header(header, &mut options.headers)?;
        }
        options.credentials = self.credentials()?;
        options.allow_cleartext_credentials = self.allow_cleartext_credentials;
        options.tls.insecure = self.insecure;
        if let Some(file) = &self.cacert {
            let problem =
                |error| Failure::local(format_args!("cannot read {}", file.display()), &error);
            File::open(file).map_err(problem)?;
            options.tls.ca_file = Some(file.clone());
        }
        if let Some(time) = self.connect_timeout {
            options.connect_timeout = time;
        }
        if let Some(time) = self.stall_timeout {
            options.stall_timeout = time;
        }
        if let Some(time) = self.ack_timeout {
            options.ack_timeout = time;
            options.last_ack_timeout = time;
        }
        Ok(())
    }

    /// The options as words of a command line; with `secrets`, headers that look like one too.
    pub(crate) fn words(&self, secrets: bool, words: &mut Words) {
        for header in &self.headers {
            match header.strip_prefix('@') {
                Some(file) => words.path_with_prefix("--header", "@", Path::new(file)),
                None if secrets || !looks_secret(header) => words.text("--header", Some(header)),
                None => {}
            }
        }
        words.text("--user", self.user.as_ref());
        words.path("--password-file", self.password_file.as_deref());
        words.flag("--allow-cleartext-credentials", self.allow_cleartext_credentials);
        words.path("--cacert", self.cacert.as_deref());
        words.flag("--insecure", self.insecure);
        words.time("--connect-timeout", self.connect_timeout);
        words.time("--stall-timeout", self.stall_timeout);
        words.time("--ack-timeout", self.ack_timeout);
    }

    /// Names of headers that have to be given again to continue.
    pub(crate) fn secret_headers(&self) -> impl Iterator<Item = &str> {
        let inline = self.headers.iter().filter(|header| !header.starts_with('@'));
        inline.filter(|header| looks_secret(header)).filter_map(|header| header.split(':').next())
    }

    fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        let Some(user) = &self.user else {
            if self.password_file.is_some() {
                return Err(Failure::usage("--password-file needs a user: add --user NAME"));
            }
            return Ok(None);
        };
        if user.contains(':') {
            return Err(Failure::usage(
                "a user name has no colon; a password does not belong on a command line, where all can see it: use BITSUP_PASSWORD, --password-file or the prompt",
            ));
        }
        if user.chars().any(char::is_control) {
            return Err(Failure::usage("the user name has a control character in it"));
        }
        let password = match (&self.password_file, std::env::var("BITSUP_PASSWORD")) {
            (Some(file), _) => secret_file(file)?,
            (None, Ok(password)) => password,
            (None, Err(_)) => prompt(user)?,
        };
        Ok(Some(Credentials { user: user.clone(), password: Secret::new(password) }))
    }
}

fn looks_secret(header: &str) -> bool {
    let name = header.split(':').next().unwrap_or_default().to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn add_header(text: &str, headers: &mut Vec<Header>) -> Result<(), Failure> {
    let Some(file) = text.strip_prefix('@') else {
        headers.push(header(text)?);
        return Ok(());
    };
    let content = secret_file(Path::new(file))?;
    for line in content.lines().filter(|line| !line.trim().is_empty()) {
        // A message must not repeat what is in the file.
        let made = header(line).map_err(|_| {
            Failure::usage(format!(
                "{file} holds something else than headers, one a line, as NAME: VALUE"
            ))
        })?;
        headers.push(made.secret());
    }
    Ok(())
}

fn header(text: &str) -> Result<Header, Failure> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(Failure::usage("a header is written NAME: VALUE, and there is no colon in it"));
    };
    Ok(Header::new(name, value.trim_matches([' ', '\t']))?)
}

/// The content without one newline at its end.
pub(crate) fn secret_file(file: &Path) -> Result<String, Failure> {
    let problem = |error| Failure::local(format_args!("cannot read {}", file.display()), &error);
    let mut content = String::new();
    File::open(file)
        .and_then(|open| open.take(MAX_SECRET_FILE + 1).read_to_string(&mut content))
        .map_err(problem)?;
    if content.len() as u64 > MAX_SECRET_FILE {
        return Err(Failure::usage(format!("{} is too large for a secret", file.display())));
    }
    if content.ends_with('\n') {
        content.pop();
        if content.ends_with('\r') {
            content.pop();
        }
    }
    Ok(content)
}

fn prompt(user: &str) -> Result<String, Failure> {
    let missing = || {
        Failure::usage(format!(
            "there is no password for {user}: set BITSUP_PASSWORD or give --password-file"
        ))
    };
    if !std::io::stderr().is_terminal() {
        return Err(missing());
    }
    rpassword::prompt_password(format!("Password for {user}: ")).map_err(|_| missing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_not_kept() {
        let args = ConnectionArgs {
            headers: vec!["X-Api-Key: hunter2".into(), "X-Case: 17".into(), "@/etc/h".into()],
            ..ConnectionArgs::default()
        };
        let mut words = Words::default();
        args.words(false, &mut words);
        assert_eq!(words.joined(), "'--header=X-Case: 17' '--header=@/etc/h'");
        assert_eq!(args.secret_headers().collect::<Vec<_>>(), ["X-Api-Key"]);
    }

    #[test]
    fn a_secret_file_ends_at_its_newline_and_is_not_quoted() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "pass word\n\n").expect("written");
        assert_eq!(secret_file(file.path()).expect("read"), "pass word\n");
        let mut headers = Vec::new();
        std::fs::write(file.path(), "hunter2").expect("written");
        let error = add_header(&format!("@{}", file.path().display()), &mut headers);
        assert!(!error.expect_err("no header").to_string().contains("hunter2"));
    }
}
