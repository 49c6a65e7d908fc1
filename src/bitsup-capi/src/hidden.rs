//! Passwords, tokens and passphrases: values, or files that hold them.

use std::path::PathBuf;

use bitsup::Secret;

use crate::error::Failure;

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
            Self::File(path) => Ok(Secret::from_file(path)?),
        }
    }
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
        for (content, wanted) in [("pass word\n", "pass word"), ("x\r\n", "x")] {
            std::fs::write(&path, content).expect("written");
            assert_eq!(secret(), Some(Secret::new(wanted)));
        }
        for refused in ["", "\n", "two\nlines"] {
            std::fs::write(&path, refused).expect("written");
            assert_eq!(secret(), None, "{refused:?}");
        }
        std::fs::write(&path, "x".repeat(64 * 1024)).expect("written");
        assert!(secret().is_some());
        std::fs::write(&path, "x".repeat(64 * 1024 + 1)).expect("written");
        assert_eq!(secret(), None);
    }
}
