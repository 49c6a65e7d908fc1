//! A journal's files on a real disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitsup_core::journal::{File, Files, is_id};

use super::folder::{Draft, Folder};
use super::intent_log::{IntentLog, Remains};
use super::lock::{self, Lock};

/// The files of one journal: the entry, what was noted, in a log or in a file, and the file with the
/// lock, which is never written to.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: Arc<Folder>,
    id: String,
    notes: Notes,
}

#[derive(Debug)]
enum Notes {
    /// Of who writes and has the lock.
    Writable {
        log: Arc<IntentLog>,
        _lock: Lock,
        /// What another log says of the session, which its process no longer holds.
        orphan: Option<String>,
        /// Whether there may be the journal itself, and a file with a note.
        has_journal: AtomicBool,
        has_note: AtomicBool,
    },
    /// What a log says, to be looked at.
    Read(Option<String>),
}

impl Disk {
    /// Files that this process holds the lock of.
    pub(super) fn locked(
        log: Arc<IntentLog>,
        folder: Arc<Folder>,
        id: &str,
        lock: Lock,
        Remains { orphan, has_files }: Remains,
    ) -> Self {
        let (has_journal, has_note) = (AtomicBool::new(has_files), AtomicBool::new(has_files));
        let notes = Notes::Writable { log, _lock: lock, orphan, has_journal, has_note };
        Self { folder, id: id.to_owned(), notes }
    }

    /// Files to look at, with what is noted in a log: they cannot be written.
    pub(super) fn unlocked(folder: Arc<Folder>, id: &str, noted: Option<String>) -> Self {
        Self { folder, id: id.to_owned(), notes: Notes::Read(noted) }
    }

    /// The name of the session.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The log of what short uploads note.
    pub(super) fn log(&self) -> Option<&Arc<IntentLog>> {
        match &self.notes {
            Notes::Writable { log, .. } => Some(log),
            Notes::Read(_) => None,
        }
    }

    /// The journal, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path(&entry(&self.id))
    }

    /// The log, and whether there may be a file with a note.
    fn writable(&self) -> io::Result<(&IntentLog, &AtomicBool)> {
        match &self.notes {
            Notes::Writable { log, has_note, .. } => Ok((log, has_note)),
            Notes::Read(_) => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// Notes whether there is the journal itself.
    fn set_has_journal(&self, has: bool) {
        if let Notes::Writable { has_journal, .. } = &self.notes {
            has_journal.store(has, Ordering::Relaxed);
        }
    }
}

impl Files for Disk {
    type Draft = Draft;

    fn read(&self, file: File) -> io::Result<Option<Vec<u8>>> {
        match (file, &self.notes) {
            (File::Journal, _) if !self.has_journal() => Ok(None),
            (File::Journal, _) => {
                let bytes = self.folder.read(&entry(&self.id));
                self.set_has_journal(!matches!(bytes, Ok(None)));
                bytes
            }
            (File::Note, Notes::Read(Some(noted))) => Ok(Some(noted.clone().into_bytes())),
            (File::Note, Notes::Read(None)) => self.folder.read(&intent(&self.id)),
            (File::Note, Notes::Writable { log, orphan, has_note, .. }) => {
                let mut file = None;
                if has_note.load(Ordering::Relaxed) {
                    file = self.folder.read(&intent(&self.id))?;
                    has_note.store(file.is_some(), Ordering::Relaxed);
                }
                // An upload that could make no file of its note when it ended has left it in our log.
                let noted = log.noted(&self.id).map(String::into_bytes).or(file);
                Ok(noted.or_else(|| orphan.clone().map(String::into_bytes)))
            }
        }
    }

    fn has_journal(&self) -> bool {
        match &self.notes {
            Notes::Writable { has_journal, .. } => has_journal.load(Ordering::Relaxed),
            Notes::Read(_) => true,
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
        self.set_has_journal(true);
        draft.publish(&entry(&self.id))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync()
    }

    fn note(&self, record: &str) -> io::Result<()> {
        let (log, has_note) = self.writable()?;
        // Where there is a file, it is the newer one: the log keeps what it could not end.
        if !has_note.load(Ordering::Relaxed)
            && let Ok(true) = log.note(&self.id, record)
        {
            return Ok(());
        }
        has_note.store(true, Ordering::Relaxed);
        self.folder.draft(record.as_bytes())?.publish(&intent(&self.id))?;
        log.end(&self.id);
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        let (log, has_note) = self.writable()?;
        if has_note.load(Ordering::Relaxed) {
            self.folder.remove(&intent(&self.id))?;
            has_note.store(false, Ordering::Relaxed);
        }
        log.end(&self.id);
        Ok(())
    }

    fn unlink(&self) -> io::Result<()> {
        self.writable()?;
        if self.has_journal() {
            self.folder.remove(&entry(&self.id))?;
            self.set_has_journal(false);
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let Notes::Writable { log, .. } = &self.notes else { return };
        log.release(&self.id);
        if lock::IS_SHARED {
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

/// The file for what was noted and is in no log.
pub(super) fn intent(id: &str) -> String {
    format!("{id}.intent")
}

/// The session that a file is of, if it is of one.
pub(super) fn session(name: &str) -> Option<&str> {
    let (id, kind) = name.split_once('.')?;
    (is_id(id) && matches!(kind, "json" | "intent")).then_some(id)
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
