//! A journal's files on a real disk.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bitsup_core::journal::{File, Files, noted};
use tempfile::NamedTempFile;

/// A journal is small; its largest part is one hash per 8 MiB (100 TB make 210 MB).
const MAX_JOURNAL: u64 = 256 * 1024 * 1024;

/// The files of one journal.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    lock_path: PathBuf,
    /// Open and locked, by who writes.
    lock: Option<fs::File>,
}

impl Disk {
    /// Files that this process holds the lock of.
    pub(super) fn locked(path: PathBuf, lock_path: PathBuf, lock: fs::File) -> Self {
        Self { path, lock_path, lock: Some(lock) }
    }

    /// Files to look at: they cannot be written.
    pub(super) fn unlocked(path: PathBuf, lock_path: PathBuf) -> Self {
        Self { path, lock_path, lock: None }
    }

    /// The journal.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn of(&self, file: File) -> &Path {
        match file {
            File::Journal => &self.path,
            File::Pad => &self.lock_path,
        }
    }

    fn pad(&self) -> io::Result<&fs::File> {
        self.lock.as_ref().ok_or_else(|| io::ErrorKind::PermissionDenied.into())
    }
}

impl Files for Disk {
    type Draft = NamedTempFile;

    fn read(&self, file: File) -> Result<Option<Vec<u8>>, String> {
        read_own(self.of(file))
    }

    fn draft(&self, bytes: &[u8]) -> io::Result<NamedTempFile> {
        draft(&self.path, bytes)
    }

    fn sync_draft(&self, draft: &NamedTempFile) -> io::Result<()> {
        draft.as_file().sync_data()
    }

    fn publish(&self, draft: NamedTempFile) -> io::Result<()> {
        publish(draft, &self.path)
    }

    fn sync_folder(&self) -> io::Result<()> {
        fs::File::open(folder(&self.path))?.sync_all()
    }

    fn note(&self, bytes: &[u8]) -> io::Result<()> {
        self.pad()?.write_all_at(bytes, 0)
    }

    fn clear(&self) -> io::Result<()> {
        self.pad()?.set_len(0)
    }

    fn remove(&self, file: File) -> io::Result<()> {
        match fs::remove_file(self.of(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lock without a journal is of no use; with one it stays for the next process.
        if self.lock.is_some() && !self.path.exists() && noted(self).is_none() {
            drop(fs::remove_file(&self.lock_path));
        }
    }
}

/// Writes a file whole or not at all, for the user alone.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    publish(draft(path, bytes)?, path)
}

fn draft(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut draft = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder(path))?;
    draft.write_all(bytes)?;
    Ok(draft)
}

fn publish(draft: NamedTempFile, path: &Path) -> io::Result<()> {
    draft.persist(path).map(drop).map_err(|error| error.error)
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("."))
}

/// The bytes of a file that only the user can have written.
pub(super) fn read_own(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".into());
    }
    if metadata.mode() & 0o022 != 0 {
        return Err("others may write to it".into());
    }
    if metadata.len() > MAX_JOURNAL {
        return Err("it is too large".into());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}
