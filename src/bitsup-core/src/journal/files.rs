//! The two files of a journal, and the order in which they are written.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Entry, Intent};

/// What the files tell of an upload.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its session.
    pub entry: Option<Entry>,
    /// A Create-Session whose answer was not stored: the server may hold a session whose id is unknown.
    pub intent: Option<Intent>,
    /// A power cut has torn the journal, so that `entry` may be of an earlier session than what was in it.
    pub is_torn: bool,
}

impl Contents {
    /// Whether the server may hold a session whose id is unknown.
    #[must_use]
    pub fn lost_a_session(&self) -> bool {
        self.intent.is_some() || self.is_torn
    }
}

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// What is in it, in words.
    Damaged(String),
    /// It cannot be read, which says nothing of what is in it.
    Unreadable(io::Error),
}

/// One of the files of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The journal itself.
    Journal,
    /// The scratch pad beside it.
    Pad,
}

/// Where a journal's files are. The holder has locked them.
pub trait Files {
    /// A file that shall become the journal.
    type Draft;

    /// The content of a file; `None` if there is none.
    fn read(&self, file: File) -> io::Result<Option<Vec<u8>>>;

    /// Writes a new file beside the journal, for the user alone.
    fn draft(&self, bytes: &[u8]) -> io::Result<Self::Draft>;

    /// Lets the draft's bytes survive a power cut.
    fn sync_draft(&self, draft: &Self::Draft) -> io::Result<()>;

    /// Puts the draft in the journal's place, in one step.
    fn publish(&self, draft: Self::Draft) -> io::Result<()>;

    /// Lets what was published survive a power cut.
    fn sync_folder(&self) -> io::Result<()>;

    /// Writes over the beginning of the pad, in place; makes one if there is none.
    fn note(&self, bytes: &[u8]) -> io::Result<()>;

    /// Empties the pad.
    fn clear(&self) -> io::Result<()>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, file: File) -> io::Result<()>;
}

/// A journal that this process holds the lock of.
#[derive(Debug)]
pub struct Journal<F> {
    files: F,
    /// Whether something may stand on the pad; so until it is read, and where it cannot be.
    used: AtomicBool,
}

impl<F: Files> Journal<F> {
    /// The journal in these files.
    pub fn new(files: F) -> Self {
        Self { files, used: AtomicBool::new(true) }
    }

    /// Where it is.
    pub fn files(&self) -> &F {
        &self.files
    }

    /// Reads what an earlier run has left.
    pub fn read(&self) -> Result<Contents, Unusable> {
        let pad = self.files.read(File::Pad).map_err(Unusable::Unreadable)?;
        self.used.store(pad.as_ref().is_some_and(|bytes| !bytes.is_empty()), Ordering::Relaxed);
        contents(&self.files, pad)
    }

    /// A Create-Session goes out.
    pub fn creating(&self, intent: &Intent) -> io::Result<()> {
        self.clear()?;
        self.used.store(true, Ordering::Relaxed);
        self.files.note(intent.encode()?.as_bytes())
    }

    /// A Create-Session was answered without a session.
    pub fn not_created(&self) -> io::Result<()> {
        self.clear()
    }

    /// The session was made. Survives the end of the process from here on, and a power cut
    /// after the first [`Journal::write`] that syncs.
    pub fn created(&self, entry: &Entry) -> io::Result<()> {
        self.used.store(true, Ordering::Relaxed);
        // Longer than the mark, which it covers with the same write.
        self.files.note(entry.encode()?.as_bytes())
    }

    /// Replaces the content, whole or not at all; with `sync` it also survives a power cut.
    pub fn write(&self, entry: &Entry, sync: bool) -> io::Result<()> {
        let draft = self.files.draft(entry.encode()?.as_bytes())?;
        if sync {
            self.files.sync_draft(&draft)?;
        }
        self.files.publish(draft)?;
        if sync {
            self.files.sync_folder()?;
        }
        self.clear()
    }

    /// The session is over.
    pub fn remove(&self) -> io::Result<()> {
        self.files.remove(File::Journal)?;
        self.clear()
    }

    fn clear(&self) -> io::Result<()> {
        if self.used.swap(false, Ordering::Relaxed) {
            self.files.clear()?;
        }
        Ok(())
    }
}

/// What is in the journal, or on the pad if that holds a newer session: a power cut may bring
/// back what was wiped off it.
pub fn read(files: &impl Files) -> Result<Contents, Unusable> {
    let pad = files.read(File::Pad).map_err(Unusable::Unreadable)?;
    contents(files, pad)
}

fn contents(files: &impl Files, pad: Option<Vec<u8>>) -> Result<Contents, Unusable> {
    let pad = pad.unwrap_or_default();
    let (noted, intent) = (Entry::decode(&pad).ok(), Intent::decode(&pad).ok());
    let (journal, is_torn) = match read_journal(files) {
        Err(Unusable::Damaged(_)) if noted.is_some() => (None, true),
        read => (read?, false),
    };
    let is_newer = |noted: &Entry| journal.as_ref().is_none_or(|it| noted.replaces > it.replaces);
    let entry = noted.filter(is_newer).or(journal);
    Ok(Contents { entry, intent, is_torn })
}

fn read_journal(files: &impl Files) -> Result<Option<Entry>, Unusable> {
    let bytes = files.read(File::Journal).map_err(Unusable::Unreadable)?;
    bytes.map(|bytes| Entry::decode(&bytes).map_err(Unusable::Damaged)).transpose()
}
