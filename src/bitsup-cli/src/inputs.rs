//! Which files go where: the arguments `FILE… URL` and lists of files.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::failure::CommandFailure;
use crate::standard_input;

/// What is uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    StandardInput,
}

/// The files and the URL of a command line: the last argument is the URL.
pub(crate) fn split(
    arguments: &[OsString],
    list: Option<&Path>,
    case_sensitive: bool,
) -> Result<(Vec<Input>, String), CommandFailure> {
    let Some((url, files)) = arguments.split_last() else {
        return Err(CommandFailure::usage("name a file and a URL: bitsup upload FILE URL"));
    };
    let Some(url) = url.to_str() else {
        return Err(CommandFailure::usage("the URL is no UTF-8 text: percent-encode it"));
    };
    if !url.contains("://") {
        return Err(CommandFailure::usage(format!(
            "the last argument must be the URL, as in https://server/folder/, and {url:?} is none"
        )));
    }
    let mut inputs: Vec<Input> = files.iter().map(|file| input(file)).collect();
    if let Some(list) = list {
        inputs.extend(read_list(list)?);
    }
    if inputs.is_empty() {
        return Err(match list {
            Some(list) => CommandFailure::usage(format!("{} names no file", list.display())),
            None => CommandFailure::usage("name a file before the URL, or - for standard input"),
        });
    }
    check(&inputs, url, case_sensitive)?;
    Ok((inputs, url.to_owned()))
}

fn input(argument: &OsStr) -> Input {
    if argument == "-" { Input::StandardInput } else { Input::File(argument.into()) }
}

fn check(inputs: &[Input], url: &str, case_sensitive: bool) -> Result<(), CommandFailure> {
    if inputs.len() == 1 {
        return Ok(());
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if !path.ends_with('/') {
        return Err(CommandFailure::usage(
            "several files need a URL that ends in /: their names are appended",
        ));
    }
    let mut names: HashMap<Vec<u8>, &Path> = HashMap::new();
    for input in inputs {
        let Input::File(file) = input else {
            return Err(CommandFailure::usage(
                "standard input has no name to append: upload it alone",
            ));
        };
        let name = file.file_name().map(|name| {
            if case_sensitive { name.as_bytes().to_vec() } else { as_ntfs_compares(name) }
        });
        let earlier = name.and_then(|name| names.insert(name, file));
        if let Some(earlier) = earlier {
            let option = if earlier.file_name() == file.file_name() {
                ""
            } else {
                ", or give --case-sensitive if the server distinguishes them"
            };
            return Err(CommandFailure::usage(format!(
                "{} and {} would get the same name on the server: upload them to different folders{option}",
                earlier.display(),
                file.display()
            )));
        }
    }
    Ok(())
}

/// A name such that two are alike if they are one file for NTFS: each character in upper case,
/// where that is one character too, and without dots and blanks at the end, which Windows drops.
fn as_ntfs_compares(name: &OsStr) -> Vec<u8> {
    let mut folded = Vec::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut upper = c.to_uppercase();
            let upper = upper.next().filter(|_| upper.next().is_none()).unwrap_or(c);
            folded.extend_from_slice(upper.encode_utf8(&mut [0; 4]).as_bytes());
        }
        folded.extend_from_slice(chunk.invalid());
    }
    let end = folded.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |at| at + 1);
    folded.truncate(end);
    folded
}

/// One name a line, or between NULs as `find -print0` writes them.
fn read_list(list: &Path) -> Result<Vec<Input>, CommandFailure> {
    let mut content = Vec::new();
    let read = if list == Path::new("-") {
        standard_input::check().and_then(|()| std::io::stdin().lock().read_to_end(&mut content))
    } else {
        File::open(list).and_then(|mut file| file.read_to_end(&mut content))
    };
    read.map_err(|error| {
        CommandFailure::local(format_args!("cannot read {}", list.display()), &error)
    })?;
    // PowerShell writes lists so.
    if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        return Err(CommandFailure::usage(format!(
            "{} is UTF-16: save it as UTF-8",
            list.display()
        )));
    }
    if content.starts_with(b"\xef\xbb\xbf") {
        content.drain(..3);
    }
    let separator = if content.contains(&0) { 0 } else { b'\n' };
    let names = content.split(|byte| *byte == separator);
    let names =
        names.map(
            |name| {
                if separator == b'\n' { name.strip_suffix(b"\r").unwrap_or(name) } else { name }
            },
        );
    let names = names.filter(|name| !name.is_empty());
    Ok(names.map(|name| Input::File(OsString::from_vec(name.to_vec()).into())).collect())
}

/// A path for people.
pub(crate) fn name(path: &Path) -> String {
    crate::format::printable(&String::from_utf8_lossy(path.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_words(words: &[&str]) -> Result<(Vec<Input>, String), CommandFailure> {
        split(&words.iter().map(OsString::from).collect::<Vec<_>>(), None, false)
    }

    #[test]
    fn the_last_argument_is_the_url() {
        let (inputs, url) = split_words(&["a", "b/c", "http://h/d/?k=v"]).expect("legal");
        assert_eq!(inputs, [Input::File("a".into()), Input::File("b/c".into())]);
        assert_eq!(url, "http://h/d/?k=v");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (words, part) in [
            (&[][..], "name a file"),
            (&["http://h/"], "before the URL"),
            (&["http://h/", "a"], "last argument"),
            (&["a", "b", "http://h/c"], "ends in /"),
            (&["a/x", "b/x", "http://h/"], "same name"),
            (&["a", "-", "http://h/"], "standard input"),
        ] {
            let failure = split_words(words).expect_err("refused");
            assert!(failure.to_string().contains(part), "{words:?}: {failure}");
            assert_eq!(failure.exit_code(), 2);
        }
    }

    #[test]
    fn names_that_are_one_for_ntfs_are_refused() {
        let _rule = bitsup_server::rule!("NAM-02");
        let split = |a: &[u8], b: &[u8], case_sensitive| {
            let file = |folder: &[u8], name: &[u8]| OsString::from_vec([folder, name].concat());
            let words = [file(b"1/", a), file(b"2/", b), "http://h/".into()];
            split(&words, None, case_sensitive)
        };
        let alike: [(&[u8], &[u8]); 6] = [
            (b"Report.txt", b"report.TXT"),
            (b"report.txt", b"report.txt."),
            (b"report.txt", b"report.txt .. "),
            ("\u{e4}\u{3c3}".as_bytes(), "\u{c4}\u{3c2}".as_bytes()),
            ("\u{10d0}".as_bytes(), "\u{1c90}".as_bytes()),
            (b"\xe4A", b"\xe4a"),
        ];
        for (a, b) in alike {
            let failure = split(a, b, false).expect_err("alike");
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().contains("--case-sensitive"), "{failure}");
            split(a, b, true).expect("told apart");
        }
        split(b"a", b"a", true).expect_err("equal");
        let other: [(&[u8], &[u8]); 6] = [
            ("stra\u{df}e".as_bytes(), b"STRASSE"),
            ("\u{fb01}".as_bytes(), b"FI"),
            (b"a.", b"a.b"),
            (b" a", b"a"),
            (b"\xe4", b"\xc4"),
            ("e\u{301}".as_bytes(), "\u{e9}".as_bytes()),
        ];
        for (a, b) in other {
            split(a, b, false).expect("different");
        }
    }

    #[test]
    fn marks_of_editors_in_lists_are_dropped_or_refused() {
        let _rule = bitsup_server::rule!("NAM-06");
        let list = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(list.path(), "\u{feff}a\r\nb\r\n").expect("written");
        let read = read_list(list.path()).expect("read");
        assert_eq!(read, ["a", "b"].map(|name| Input::File(name.into())));
        for (mark, bytes) in [
            ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ([0xfe, 0xff], u16::to_be_bytes),
        ] {
            let wide: Vec<u8> = "a\r\n".encode_utf16().flat_map(bytes).collect();
            std::fs::write(list.path(), [&mark[..], &wide].concat()).expect("written");
            let failure = read_list(list.path()).expect_err("UTF-16");
            let name = list.path().display().to_string();
            assert!(failure.to_string().contains(&name), "{failure}");
            assert!(failure.to_string().contains("UTF-16"), "{failure}");
        }
    }

    #[test]
    fn lists_are_of_lines_or_nuls() {
        let list = tempfile::NamedTempFile::new().expect("file");
        for (content, names) in [("a b\r\n\nc\n", ["a b", "c"]), ("a\nb\0c\0", ["a\nb", "c"])] {
            std::fs::write(list.path(), content).expect("written");
            let read = read_list(list.path()).expect("read");
            assert_eq!(read, names.map(|name| Input::File(name.into())));
        }
    }
}
