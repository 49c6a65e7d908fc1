//! Which files go where: the arguments `FILE… URL` and lists of files.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
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
) -> Result<(Vec<Input>, String), Failure> {
    let Some((url, files)) = arguments.split_last() else {
        return Err(Failure::usage("name a file and a URL: bitsup upload FILE URL"));
    };
    let Some(url) = url.to_str() else {
        return Err(Failure::usage("the URL is no UTF-8 text: percent-encode it"));
    };
    if !url.contains("://") {
        return Err(Failure::usage(format!(
            "the last argument must be the URL, as in https://server/folder/, and {url:?} is none"
        )));
    }
    let mut inputs: Vec<Input> = files.iter().map(|file| input(file)).collect();
    if let Some(list) = list {
        inputs.extend(read_list(list)?);
    }
    if inputs.is_empty() {
        return Err(match list {
            Some(list) => Failure::usage(format!("{} names no file", list.display())),
            None => Failure::usage("name a file before the URL, or - for standard input"),
        });
    }
    check(&inputs, url)?;
    Ok((inputs, url.to_owned()))
}

fn input(argument: &OsStr) -> Input {
    if argument == "-" { Input::StandardInput } else { Input::File(argument.into()) }
}

fn check(inputs: &[Input], url: &str) -> Result<(), Failure> {
    if inputs.len() == 1 {
        return Ok(());
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if !path.ends_with('/') {
        return Err(Failure::usage(
            "several files need a URL that ends in /: their names are appended",
        ));
    }
    let mut names: HashMap<&OsStr, &Path> = HashMap::new();
    for input in inputs {
        let Input::File(file) = input else {
            return Err(Failure::usage("standard input has no name to append: upload it alone"));
        };
        let earlier = file.file_name().and_then(|name| names.insert(name, file));
        if let Some(earlier) = earlier {
            return Err(Failure::usage(format!(
                "{} and {} would get the same name on the server: upload them to different folders",
                earlier.display(),
                file.display()
            )));
        }
    }
    Ok(())
}

/// One name a line, or between NULs as `find -print0` writes them.
fn read_list(list: &Path) -> Result<Vec<Input>, Failure> {
    let mut content = Vec::new();
    let read = if list == Path::new("-") {
        standard_input::check().and_then(|()| std::io::stdin().lock().read_to_end(&mut content))
    } else {
        File::open(list).and_then(|mut file| file.read_to_end(&mut content))
    };
    read.map_err(|error| Failure::local(format_args!("cannot read {}", list.display()), &error))?;
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
    crate::words::printable(&String::from_utf8_lossy(path.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_words(words: &[&str]) -> Result<(Vec<Input>, String), Failure> {
        split(&words.iter().map(OsString::from).collect::<Vec<_>>(), None)
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
    fn lists_are_of_lines_or_nuls() {
        let list = tempfile::NamedTempFile::new().expect("file");
        for (content, names) in [("a b\r\n\nc\n", ["a b", "c"]), ("a\nb\0c\0", ["a\nb", "c"])] {
            std::fs::write(list.path(), content).expect("written");
            let read = read_list(list.path()).expect("read");
            assert_eq!(read, names.map(|name| Input::File(name.into())));
        }
    }
}
