//! Options of a connection: headers, login, TLS, proxy and time-outs.

use std::path::Path;

use bitsup::{Header, OptionSet, OptionValue, UploadOptions};
use clap::Args;

use crate::failure::CommandFailure;
use crate::format::Words;
use crate::login;
use crate::prompt;
use crate::table::{self, Connection, TableArgs, Transfer};

/// Words in a header's name that tell of a secret, which is then not kept anywhere.
const SECRET_WORDS: [&str; 8] =
    ["auth", "cookie", "token", "key", "secret", "passw", "signature", "credential"];

/// What `upload`, `ping`, `resume` and `cancel` need to speak with a server.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs<Connection>,
    /// Take user and password for the server from ~/.netrc, or the file that NETRC names
    #[arg(long, hide_short_help = true, overrides_with_all = ["password_file", "netrc_file"])]
    pub(crate) netrc: bool,
}

impl ConnectionArgs {
    /// What the choices come to; reads files and may ask for the password.
    pub(crate) fn options(&self) -> Result<UploadOptions, CommandFailure> {
        self.options_with(None, OptionSet::new())
    }

    /// What they come to with those of a transfer, and others.
    pub(crate) fn options_with(
        &self,
        transfer: Option<&TableArgs<Transfer>>,
        mut set: OptionSet,
    ) -> Result<UploadOptions, CommandFailure> {
        self.table.fill(&mut set)?;
        // One limit for all packets, as long as the last ones have no limit of their own.
        if let (Some(time), None) =
            (self.table.text("ack_timeout"), self.table.text("last_ack_timeout"))
        {
            set.set_by_name("last_ack_timeout", &time)?;
        }
        if let Some(transfer) = transfer {
            transfer.fill(&mut set)?;
        }
        for header in self.headers() {
            add_header(&header, &mut set)?;
        }
        let logins = login::fill(&self.table, self.netrc, &mut set)?;
        let mut options = set.upload_options(None)?;
        let typed = logins.server.is_some() || logins.proxy.is_some();
        if options.credential_callback.is_none() && typed {
            options.credential_callback = Some(prompt::again(logins.server, logins.proxy));
        }
        Ok(options)
    }

    /// The options as words of a command line; with `secrets`, headers that look like one too.
    pub(crate) fn words(&self, secrets: bool, words: &mut Words) {
        for header in self.headers() {
            match header.strip_prefix('@') {
                Some(file) => words.path_with_prefix("--header", "@", Path::new(file)),
                None if secrets || !looks_secret(&header) => words.text("--header", Some(header)),
                None => {}
            }
        }
        self.table.words(words);
        words.flag("--netrc", self.netrc);
    }

    fn headers(&self) -> impl Iterator<Item = String> {
        self.table.all("headers").map(|text| text.to_string_lossy().into_owned())
    }

    /// Names of headers that have to be given again to continue.
    pub(crate) fn secret_headers(&self) -> impl Iterator<Item = String> {
        let inline = self.headers().filter(|header| !header.starts_with('@'));
        let secret = inline.filter(|header| looks_secret(header));
        secret.filter_map(|header| header.split(':').next().map(str::to_owned))
    }
}

fn looks_secret(header: &str) -> bool {
    let name = header.split(':').next().unwrap_or_default().to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn add_header(text: &str, set: &mut OptionSet) -> Result<(), CommandFailure> {
    let Some(file) = text.strip_prefix('@') else {
        let row = table::row("headers")?;
        set.add(row, OptionValue::Header(Header::from_line(text)?))?;
        return Ok(());
    };
    let row = table::row("secret_headers")?;
    let content = bitsup::secret_text(Path::new(file))?;
    let lines = content.lines().filter(|line| !line.trim().is_empty());
    let mut count = 0;
    for line in lines {
        // A message must not repeat what is in the file.
        let made = Header::from_line(line).map_err(|_| {
            CommandFailure::usage(format!(
                "{file} holds something else than headers, one a line, as NAME: VALUE"
            ))
        })?;
        set.add(row, OptionValue::Header(made))?;
        count += 1;
    }
    if count == 0 {
        return Err(CommandFailure::usage(format!("{file} is empty: it should hold headers")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bitsup::option_by_name;
    use clap::Parser as _;

    use super::*;
    use crate::transfer::KeptArgs;

    #[test]
    fn what_looks_like_a_secret_is_not_kept() {
        let args = KeptArgs::try_parse_from([
            "-HX-Api-Key: hunter2",
            "--header=X-Case: 17",
            "--header=@/etc/h",
        ]);
        let args = args.expect("legal").connection;
        let mut words = Words::default();
        args.words(false, &mut words);
        assert_eq!(words.joined(), "'--header=X-Case: 17' '--header=@/etc/h'");
        assert_eq!(args.secret_headers().collect::<Vec<_>>(), ["X-Api-Key"]);
    }

    #[test]
    fn the_content_of_a_secret_file_is_not_quoted() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "hunter2").expect("written");
        let mut headers = OptionSet::new();
        let error = add_header(&format!("@{}", file.path().display()), &mut headers);
        assert!(!error.expect_err("no header").to_string().contains("hunter2"));
    }

    #[test]
    fn marks_of_editors_in_files_of_headers_are_dropped_or_refused() {
        let _rule = bitsup_server::rule!("NAM-06");
        let file = tempfile::NamedTempFile::new().expect("file");
        let argument = format!("@{}", file.path().display());
        std::fs::write(file.path(), "\u{feff}X-Api-Key: hunter2\r\nX-B: c\r\n").expect("written");
        let mut headers = OptionSet::new();
        add_header(&argument, &mut headers).expect("read");
        let row = option_by_name("secret_headers").expect("in the table");
        let OptionValue::Header(first) = &headers.get(row).expect("two")[0] else {
            panic!("a header")
        };
        assert_eq!((first.name(), headers.get(row).map(<[_]>::len)), ("X-Api-Key", Some(2)));
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
