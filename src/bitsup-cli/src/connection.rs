//! Options of a connection: headers, login, TLS, proxy and time-outs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitsup::{Header, Resolve, Secret, UploadOptions};
use clap::Args;

use crate::failure::Failure;
use crate::login::{LoginArgs, ProxyArgs};
use crate::prompt;
use crate::values;
use crate::words::Words;

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
    #[command(flatten)]
    login: LoginArgs,
    /// Trust the CA certificates in FILE (PEM) instead of the system's
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Take no other public key from the server: sha256//..., as curl writes it
    #[arg(long, visible_alias = "pinnedpubkey", value_name = "HASHES", hide_short_help = true)]
    pinned_public_key: Option<String>,
    /// Show the client certificate in FILE (PEM, or PKCS#12 with its key)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    cert: Option<PathBuf>,
    /// Its private key (PEM), if it is not in the same file
    #[arg(long, value_name = "FILE", requires = "cert", hide_short_help = true)]
    key: Option<PathBuf>,
    /// Read the key's passphrase from FILE
    #[arg(long, value_name = "FILE", requires = "cert", hide_short_help = true)]
    key_password_file: Option<PathBuf>,
    #[command(flatten)]
    proxy: ProxyArgs,
    /// Connect to these addresses for HOST at PORT instead of looking the name up
    #[arg(long, value_name = "HOST:PORT:ADDR[,ADDR]", hide_short_help = true)]
    resolve: Vec<String>,
    #[arg(
        long,
        hide_short_help = true,
        help = "Send packets as POST with X-HTTP-Method-Override: BITS_POST, for a server that takes them so"
    )]
    post_override: bool,
    /// Take a 200 without an offset (BITS-Received-Content-Range) for "all received"
    #[arg(long, hide_short_help = true)]
    lenient: bool,
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
        let server = self.login.apply(options)?;
        let proxy = self.proxy.apply(options)?;
        if options.credential_callback.is_none() && (server.is_some() || proxy.is_some()) {
            options.credential_callback = Some(prompt::again(server, proxy));
        }
        options.tls.insecure = self.insecure;
        options.tls.ca_file = readable(self.ca_file.as_ref())?;
        options.tls.cert = readable(self.cert.as_ref())?;
        options.tls.key = readable(self.key.as_ref())?;
        let passphrase = self.key_password_file.as_deref();
        options.tls.key_password = passphrase.map(Secret::from_file).transpose()?;
        options.tls.pinned_public_key.clone_from(&self.pinned_public_key);
        for text in &self.resolve {
            options.resolve.push(Resolve::parse(text)?);
        }
        options.post_override = self.post_override;
        options.lenient = self.lenient;
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
        self.login.words(words);
        words.path("--ca-file", self.ca_file.as_deref());
        words.flag("--insecure", self.insecure);
        words.text("--pinned-public-key", self.pinned_public_key.as_ref());
        words.path("--cert", self.cert.as_deref());
        words.path("--key", self.key.as_deref());
        words.path("--key-password-file", self.key_password_file.as_deref());
        self.proxy.words(words);
        for text in &self.resolve {
            words.text("--resolve", Some(text));
        }
        words.flag("--post-override", self.post_override);
        words.flag("--lenient", self.lenient);
        words.time("--connect-timeout", self.connect_timeout);
        words.time("--stall-timeout", self.stall_timeout);
        words.time("--ack-timeout", self.ack_timeout);
    }

    /// Names of headers that have to be given again to continue.
    pub(crate) fn secret_headers(&self) -> impl Iterator<Item = &str> {
        let inline = self.headers.iter().filter(|header| !header.starts_with('@'));
        inline.filter(|header| looks_secret(header)).filter_map(|header| header.split(':').next())
    }
}

/// The file, if it can be read: libcurl would only say that something is wrong with it.
pub(crate) fn readable(file: Option<&PathBuf>) -> Result<Option<PathBuf>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let problem = |error| Failure::local(format_args!("cannot read {}", file.display()), &error);
    File::open(file).map_err(problem)?;
    Ok(Some(file.clone()))
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
    let content = bitsup::secret_text(Path::new(file))?;
    let before = headers.len();
    for line in content.lines().filter(|line| !line.trim().is_empty()) {
        // A message must not repeat what is in the file.
        let made = header(line).map_err(|_| {
            Failure::usage(format!(
                "{file} holds something else than headers, one a line, as NAME: VALUE"
            ))
        })?;
        headers.push(made.secret());
    }
    if headers.len() == before {
        return Err(Failure::usage(format!("{file} is empty: it should hold headers")));
    }
    Ok(())
}

fn header(text: &str) -> Result<Header, Failure> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(Failure::usage("a header is written NAME: VALUE, and there is no colon in it"));
    };
    Ok(Header::new(name, value.trim_matches([' ', '\t']))?)
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
    fn the_content_of_a_secret_file_is_not_quoted() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "hunter2").expect("written");
        let mut headers = Vec::new();
        let error = add_header(&format!("@{}", file.path().display()), &mut headers);
        assert!(!error.expect_err("no header").to_string().contains("hunter2"));
    }

    #[test]
    fn marks_of_editors_in_files_of_headers_are_dropped_or_refused() {
        let _rule = bitsup_server::rule!("NAM-06");
        let file = tempfile::NamedTempFile::new().expect("file");
        let argument = format!("@{}", file.path().display());
        std::fs::write(file.path(), "\u{feff}X-Api-Key: hunter2\r\nX-B: c\r\n").expect("written");
        let mut headers = Vec::new();
        add_header(&argument, &mut headers).expect("read");
        assert_eq!((headers[0].name(), headers.len()), ("X-Api-Key", 2));
        let wide: Vec<u8> =
            "X-Api-Key: hunter2".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (content, word) in [
            ([b"\xff\xfe".to_vec(), wide.clone()].concat(), "UTF-16"),
            (wide, "UTF-16"),
            (b"\r\n".to_vec(), "is empty"),
        ] {
            std::fs::write(file.path(), content).expect("written");
            let error = add_header(&argument, &mut headers).expect_err(word).to_string();
            assert!(error.contains(word) && error.contains(&argument[1..]), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
