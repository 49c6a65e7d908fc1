//! The state directory.

use std::io::{self, Write};
use std::path::Path;

use super::{Examination, Found, good, skipped, warning};

impl Examination {
    pub(super) fn state(&mut self) -> Found {
        let Some(folder) = self.client.state_directory() else {
            return skipped(
                "there is no state directory: an upload of another process starts over",
            );
        };
        match writes(folder) {
            Ok(()) => good(format!("is stored in {}", folder.display())),
            Err(error) => warning(
                format!("{} cannot be written: {error}", folder.display()),
                "Interrupted uploads start over: correct the permissions of that folder, or name another ({state_dir}).",
            ),
        }
    }
}

/// Writes a file without a name, and leaves nothing: an upload makes the folder when it needs it.
fn writes(folder: &Path) -> io::Result<()> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let mut file = tempfile::tempfile_in(there.unwrap_or(folder))?;
    file.write_all(b"{}")
}
