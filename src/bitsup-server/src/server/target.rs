//! From the path of a request to a place under the root, before any file is touched.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Longest name of a file or folder, as on the usual file systems.
const MAX_SEGMENT: usize = 255;
/// Deepest path: each folder costs a look-up.
const MAX_DEPTH: usize = 64;

/// Folder names below the root and the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) folders: Vec<String>,
    /// Empty when the path names a folder.
    pub(crate) name: String,
}

/// Why a path is not a place under the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetError {
    /// No file can have this name.
    Invalid,
    /// The path tries to leave the root.
    Outside,
}

impl Target {
    /// Decodes the path part of a request target.
    pub(crate) fn parse(path: &str) -> Result<Self, TargetError> {
        let mut folders = Vec::new();
        let path = path.strip_prefix('/').ok_or(TargetError::Invalid)?;
        let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
        for segment in parents.split('/').filter(|segment| !segment.is_empty()) {
            folders.push(decode_segment(segment)?);
        }
        if folders.len() > MAX_DEPTH {
            return Err(TargetError::Invalid);
        }
        let name = if last.is_empty() { String::new() } else { decode_segment(last)? };
        Ok(Self { folders, name })
    }

    /// Session id in `…/BITS-Sessions/Replies/{id}/responsefile.bin`, with the folders before it.
    pub(crate) fn as_reply(&self) -> Option<(&[String], &str)> {
        let (id, rest) = self.folders.split_last()?;
        let (replies, rest) = rest.split_last()?;
        let (sessions, rest) = rest.split_last()?;
        (self.name.eq_ignore_ascii_case("responsefile.bin")
            && replies.eq_ignore_ascii_case("Replies")
            && sessions.eq_ignore_ascii_case("BITS-Sessions"))
        .then_some((rest, id.as_str()))
    }

    /// Whether a session's record, which may have been edited, still names a place that
    /// [`parse`](Self::parse) could have given.
    pub(crate) fn is_sound(&self) -> bool {
        let sound = |name: &String| check_segment(name).is_ok();
        !self.name.is_empty()
            && self.folders.len() <= MAX_DEPTH
            && self.folders.iter().all(sound)
            && sound(&self.name)
    }
}

fn decode_segment(segment: &str) -> Result<String, TargetError> {
    // A `%` without two digits is left as it is by the decoder; here it is an error.
    let bytes = segment.as_bytes();
    let complete = |at: usize| {
        bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !complete(at)) {
        return Err(TargetError::Invalid);
    }
    let name = percent_decode_str(segment).decode_utf8().map_err(|_| TargetError::Invalid)?;
    check_segment(&name)?;
    Ok(name.into_owned())
}

fn check_segment(name: &str) -> Result<(), TargetError> {
    // A separator can only come from an escape: it would reach into another folder.
    if name == ".." || name.contains(['/', '\\']) || (cfg!(windows) && name.contains(':')) {
        return Err(TargetError::Outside);
    }
    if name.is_empty() || name == "." || name.len() > MAX_SEGMENT || name.contains(char::is_control)
    {
        return Err(TargetError::Invalid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(folders: &[&str], name: &str) -> Target {
        Target { folders: folders.iter().map(ToString::to_string).collect(), name: name.into() }
    }

    #[test]
    fn plain_and_escaped_paths() {
        assert_eq!(Target::parse("/a.bin"), Ok(target(&[], "a.bin")));
        assert_eq!(Target::parse("/up/%7Bx%7D/na%20me"), Ok(target(&["up", "{x}"], "na me")));
        assert_eq!(Target::parse("//up///a"), Ok(target(&["up"], "a")));
        assert_eq!(Target::parse("/up/"), Ok(target(&["up"], "")));
        assert_eq!(Target::parse("/%C3%BC"), Ok(target(&[], "ü")));
    }

    #[test]
    fn escapes_are_told_from_nonsense() {
        let outside = [
            "/..",
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/%2e%2e%2fx",
            "/a%2Fb",
            "/..%5cx",
            "/%2e./x",
        ];
        for path in outside {
            assert_eq!(Target::parse(path), Err(TargetError::Outside), "{path}");
        }
        for path in [
            "",
            "*",
            "x",
            "/a%00",
            "/a%",
            "/a%4",
            "/a%zz",
            "/%ff",
            "/./a",
            "/a%0ab",
            &format!("/{}", "x".repeat(256)),
        ] {
            assert_eq!(Target::parse(path), Err(TargetError::Invalid), "{path}");
        }
        assert_eq!(Target::parse(&"/a".repeat(MAX_DEPTH + 2)), Err(TargetError::Invalid));
    }

    #[test]
    fn reply_paths() {
        let reply = Target::parse("/up/BITS-Sessions/Replies/%7BA%7D/responsefile.bin")
            .expect("sound path");
        assert_eq!(reply.as_reply(), Some((&["up".to_string()][..], "{A}")));
        assert_eq!(target(&["Replies", "x"], "responsefile.bin").as_reply(), None);
    }
}
