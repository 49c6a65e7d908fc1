//! `.netrc`: users and passwords by host, as curl, ftp and git read them.

use std::fs::File;
use std::path::Path;

use zeroize::Zeroizing;

use crate::credentials::{Credentials, Secret, read_text};
use crate::error::Error;

/// A few thousand machines; more is a wrong file.
const MAX_FILE: usize = 256 * 1024;

/// What a `.netrc` file holds.
///
/// `machine NAME`, `login`, `password` and `default` are followed; `account` and macros (`macdef`) are
/// passed over, as are unknown words. A value may stand in quotes, with `\"`, `\\`, `\n`, `\r` and
/// `\t` in it. A line that begins with `#` is a comment.
#[derive(Debug)]
pub struct Netrc {
    entries: Vec<Entry>,
    exposed: bool,
}

#[derive(Default)]
struct Entry {
    /// `None` for all.
    machine: Option<String>,
    login: Option<String>,
    password: Option<Secret>,
}

impl Netrc {
    /// Reads the file, at most 256 KiB of UTF-8. Errors are of kind `LocalFile`, or `InvalidArgument`
    /// for a file that is too large.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut others_can_read = false;
        let text = File::open(path)
            .and_then(|file| {
                others_can_read = is_open_to_others(&file);
                read_text(file, MAX_FILE)
            })
            .map_err(|error| {
                Error::local(format_args!("cannot read {}", path.display()), &error)
            })?;
        if text.len() > MAX_FILE {
            return Err(Error::invalid(format!(
                "{} is too large for a netrc file",
                path.display()
            )));
        }
        let entries = parse(&text);
        let exposed = others_can_read && entries.iter().any(|entry| entry.password.is_some());
        Ok(Self { entries, exposed })
    }

    /// Whether it holds a password and other users of the machine can read it; never on Windows.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.exposed
    }

    /// The first user with a password for `host`, a name or an address without port; only that
    /// `user`, if one is named.
    #[must_use]
    pub fn login(&self, host: &str, user: Option<&str>) -> Option<Credentials> {
        let is_for_host = |entry: &&Entry| {
            entry.machine.as_ref().is_none_or(|machine| machine.eq_ignore_ascii_case(host))
        };
        self.entries.iter().filter(is_for_host).find_map(|entry| {
            let login = match (entry.login.as_deref(), user) {
                (Some(login), Some(user)) if login != user => return None,
                (Some(login), _) => login,
                (None, user) => user?,
            };
            Some(Credentials { user: login.to_owned(), password: entry.password.clone()? })
        })
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Entry(…)")
    }
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|data| data.mode() & 0o077 != 0)
}

/// A few mode bits do not tell who can read a file there.
#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> bool {
    false
}

fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut in_macro = false;
    let mut wanted = None;
    for line in text.lines() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut rest = line.trim_start();
        if rest.starts_with('#') {
            continue;
        }
        while let Some(word) = next_word(&mut rest) {
            match (wanted.take(), word.as_str()) {
                (Some(key), _) => take_value(key, &word, &mut entries),
                (None, "default") => entries.push(Entry::default()),
                (None, "machine") => wanted = Some(Key::Machine),
                (None, "login") => wanted = Some(Key::Login),
                (None, "password") => wanted = Some(Key::Password),
                (None, "account") => wanted = Some(Key::Other),
                (None, "macdef") => {
                    in_macro = true;
                    break;
                }
                (None, _) => {}
            }
        }
    }
    entries
}

enum Key {
    Machine,
    Login,
    Password,
    Other,
}

fn take_value(key: Key, word: &str, entries: &mut Vec<Entry>) {
    match (key, entries.last_mut()) {
        (Key::Machine, _) => {
            entries.push(Entry { machine: Some(word.to_string()), ..Entry::default() });
        }
        (Key::Login, Some(entry)) => entry.login = Some(word.to_string()),
        (Key::Password, Some(entry)) => entry.password = Some(Secret::new(word)),
        (Key::Login | Key::Password, None) | (Key::Other, _) => {}
    }
}

/// The next word of a line, which may stand in quotes; a quote that does not end reaches to the
/// line's end.
fn next_word(rest: &mut &str) -> Option<Zeroizing<String>> {
    *rest = rest.trim_start();
    let mut word = Zeroizing::new(String::with_capacity(rest.len()));
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut chars = quoted.chars();
        loop {
            match chars.next() {
                None | Some('"') => break,
                Some('\\') => word.push(match chars.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(other) => other,
                    None => break,
                }),
                Some(other) => word.push(other),
            }
        }
        *rest = chars.as_str();
        return Some(word);
    }
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (own, after) = rest.split_at(end);
    *rest = after;
    word.push_str(own);
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "\
# machine commented login x password y
machine a.example login anna password \"with \\\"blank\\\" \\\\\" account none
machine b.example
\tlogin bert
\tpassword #bert's
machine b.example login berta password berta's
macdef init
machine c.example login macro password macro

machine no-password login guest
machine only-password password lonely
default login anonymous password any
";

    fn netrc(text: &str) -> Netrc {
        Netrc { entries: parse(text), exposed: false }
    }

    fn login(netrc: &Netrc, host: &str, user: Option<&str>) -> Option<(String, String)> {
        let found = netrc.login(host, user)?;
        Some((found.user, found.password.expose().to_owned()))
    }

    #[test]
    fn the_first_that_fits_is_taken() {
        let file = netrc(FILE);
        for (host, user, expected) in [
            ("A.Example", None, Some(("anna", "with \"blank\" \\"))),
            ("b.example", None, Some(("bert", "#bert's"))),
            ("b.example", Some("berta"), Some(("berta", "berta's"))),
            ("b.example", Some("anonymous"), Some(("anonymous", "any"))),
            ("b.example", Some("guest"), None),
            ("c.example", None, Some(("anonymous", "any"))),
            ("commented", None, Some(("anonymous", "any"))),
            ("no-password", None, Some(("anonymous", "any"))),
            ("only-password", Some("me"), Some(("me", "lonely"))),
            ("only-password", None, Some(("anonymous", "any"))),
        ] {
            let expected = expected.map(|(user, word)| (user.to_owned(), word.to_owned()));
            assert_eq!(login(&file, host, user), expected, "{host} {user:?}");
        }
        assert_eq!(login(&netrc("login x password y"), "host", None), None);
        assert!(!format!("{file:?}").contains("berta"));
    }

    #[test]
    fn a_file_that_others_can_read_is_told() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "machine a login b password c").expect("written");
        assert!(!Netrc::read(file.path()).expect("read").is_exposed());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(0o640);
            std::fs::set_permissions(file.path(), mode).expect("changed");
            assert!(Netrc::read(file.path()).expect("read").is_exposed());
            std::fs::write(file.path(), "machine a login b").expect("written");
            assert!(!Netrc::read(file.path()).expect("read").is_exposed());
        }
        let _rule = bitsup_server::rule!("NAM-06");
        std::fs::write(file.path(), "\u{feff}machine a login b password c").expect("written");
        assert!(Netrc::read(file.path()).expect("read").login("a", None).is_some());
        let wide = "\u{feff}machine a login b password c".encode_utf16();
        let wide: Vec<u8> = wide.flat_map(u16::to_le_bytes).collect();
        std::fs::write(file.path(), wide).expect("written");
        let error = Netrc::read(file.path()).expect_err("UTF-16").to_string();
        assert!(error.contains("UTF-16") && error.contains(&file.path().display().to_string()));
        std::fs::write(file.path(), "x".repeat(300_000)).expect("written");
        assert!(Netrc::read(file.path()).is_err());
        assert!(Netrc::read("/no/such/file").is_err());
    }

    fn quoted(word: &str) -> String {
        let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
        let escaped = escaped.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        format!("\"{escaped}\"")
    }

    proptest! {
        /// Any text in quotes is read, and only for its host.
        #[test]
        fn what_was_written_is_read(
            entries in prop::collection::vec(("[a-z]{1,8}", "\\PC{1,20}", ".{0,20}"), 0..8),
            separator in prop::sample::select(vec![" ", "\t", "\n  ", "\r\n"]),
        ) {
            let mut text = String::new();
            for (host, user, password) in &entries {
                let words = ["machine", host, "login", &quoted(user), "password", &quoted(password)];
                text += &words.join(separator);
                text += "\n";
            }
            let file = netrc(&text);
            for (host, ..) in &entries {
                let first = entries.iter().find(|(own, ..)| own == host);
                let first = first.map(|(_, user, word)| (user.clone(), word.clone()));
                prop_assert_eq!(login(&file, host, None), first);
            }
            prop_assert_eq!(login(&file, "another.host", None), None);
        }

        /// No text is refused or read as more than it is.
        #[test]
        fn any_text_is_read(text in "(machine|login|password|default|macdef|\"|\\\\|#|\\PC|\n| ){0,60}") {
            let words = text.split_whitespace().count();
            prop_assert!(parse(&text).len() <= words);
        }
    }
}
