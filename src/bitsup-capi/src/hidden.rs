//! Passwords, tokens and passphrases: values, or files that hold them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bitsup::Secret;

use crate::error::Failure;

/// No secret is longer; a larger file is another one than was meant.
const MAX_FILE: u64 = 64 * 1024;

/// A secret, or where it is.
#[derive(Clone)]
pub(crate) enum Hidden {
    /// The secret itself.
    Value(Secret),
    /// A file with it, which is read for each upload.
    File(PathBuf),
}

impl Hidden {
    pub(crate) fn value(text: &str) -> Self {
        Self::Value(Secret::new(text))
    }

    pub(crate) fn reveal(self) -> Result<Secret, Failure> {
        match self {
            Self::Value(secret) => Ok(secret),
            Self::File(path) => read(&path),
        }
    }
}

/// The content without one newline at its end.
fn read(path: &Path) -> Result<Secret, Failure> {
    let problem = |error: io::Error| Failure::local(path, &error);
    // Of the final size at once, so that no copy of its beginning stays in memory.
    let mut content = String::with_capacity(MAX_FILE as usize + 1);
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut content))
        .map_err(problem)?;
    if content.len() as u64 > MAX_FILE {
        let what = format!("{} is too large for a secret: it has over 64 KiB", path.display());
        return Err(Failure::invalid(what));
    }
    if content.ends_with('\n') {
        content.pop();
        if content.ends_with('\r') {
            content.pop();
        }
    }
    Ok(Secret::new(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_ends_at_its_newline_and_is_bounded() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secret");
        let secret = || Hidden::File(path.clone()).reveal().ok();
        assert_eq!(secret(), None);
        for (content, wanted) in [("pass word\n\n", "pass word\n"), ("x\r\n", "x"), ("", "")] {
            std::fs::write(&path, content).expect("written");
            assert_eq!(secret(), Some(Secret::new(wanted)));
        }
        std::fs::write(&path, "x".repeat(64 * 1024)).expect("written");
        assert!(secret().is_some());
        std::fs::write(&path, "x".repeat(64 * 1024 + 1)).expect("written");
        assert_eq!(secret(), None);
    }
}
