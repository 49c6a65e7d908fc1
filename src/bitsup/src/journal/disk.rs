//! A journal's files on a real disk.

use std::fs::File as SystemFile;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitsup_core::journal::{File, Files};

use super::folder::{Draft, Folder};
use super::lock;

/// The files of one journal: the entry, what is noted in haste, and the file with the lock, which
/// is never written to.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: Arc<Folder>,
    id: String,
    /// Open and locked, by who writes.
    lock: Option<SystemFile>,
    pad: Mutex<Option<SystemFile>>,
}

impl Disk {
    /// Files that this process holds the lock of.
    pub(super) fn locked(folder: Arc<Folder>, id: &str, lock: SystemFile) -> Self {
        Self { folder, id: id.to_owned(), lock: Some(lock), pad: Mutex::default() }
    }

    /// Files to look at: they cannot be written.
    pub(super) fn unlocked(folder: Arc<Folder>, id: &str) -> Self {
        Self { folder, id: id.to_owned(), lock: None, pad: Mutex::default() }
    }

    /// The name of the session.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The journal, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path(&entry(&self.id))
    }

    fn writable(&self) -> io::Result<()> {
        if self.lock.is_some() { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn pad(&self) -> MutexGuard<'_, Option<SystemFile>> {
        self.pad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files for Disk {
    type Draft = Draft;

    fn read(&self, file: File) -> io::Result<Option<Vec<u8>>> {
        match file {
            File::Journal => self.folder.read(&entry(&self.id)),
            File::Pad => self.folder.read(&intent(&self.id)),
        }
    }

    fn draft(&self, bytes: &[u8]) -> io::Result<Draft> {
        self.writable()?;
        self.folder.draft(bytes)
    }

    fn sync_draft(&self, draft: &Draft) -> io::Result<()> {
        draft.sync()
    }

    fn publish(&self, draft: Draft) -> io::Result<()> {
        draft.publish(&entry(&self.id))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync()
    }

    fn note(&self, bytes: &[u8]) -> io::Result<()> {
        self.writable()?;
        let mut pad = self.pad();
        if pad.is_none() {
            // Never a file that another process may have opened, or that has another name.
            let name = intent(&self.id);
            *pad = Some(match self.folder.create(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.folder.remove(&name)?;
                    self.folder.create(&name)?
                }
                made => made?,
            });
        }
        pad.as_ref().map_or(Ok(()), |pad| pad.write_all_at(bytes, 0))
    }

    fn clear(&self) -> io::Result<()> {
        *self.pad() = None;
        self.folder.remove(&intent(&self.id))
    }

    fn remove(&self, file: File) -> io::Result<()> {
        match file {
            File::Journal => self.folder.remove(&entry(&self.id)),
            File::Pad => self.clear(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.lock.is_none() || lock::IS_SHARED {
            return;
        }
        // A lock without a journal is of no use; with one it stays for the next process.
        let is_kept =
            [entry(&self.id), intent(&self.id)].iter().any(|name| !self.folder.is_free(name));
        if !is_kept {
            let _ = self.folder.remove(&lock::name(&self.id));
        }
    }
}

/// The file of a journal.
pub(super) fn entry(id: &str) -> String {
    format!("{id}.json")
}

/// The file for what must be kept sooner than that can be replaced.
pub(super) fn intent(id: &str) -> String {
    format!("{id}.intent")
}

/// Writes what all uploads share, whole or not at all: the file of that name in the folder
/// `sessions` of the state directory that `path` names.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (state, name) = parts(path)?;
    Arc::new(Folder::make(state)?).draft(bytes)?.publish(name)
}

/// The bytes of such a file, if there is one.
pub(super) fn read_own(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let (state, name) = parts(path)?;
    Folder::existing(state)?.map_or(Ok(None), |folder| folder.read(name))
}

fn parts(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    path.parent().zip(name).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
