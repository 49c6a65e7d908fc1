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
    /// What was noted since.
    Note,
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

    /// Notes `record` in place of what was noted before: one write, where that is possible.
    fn note(&self, record: &str) -> io::Result<()>;

    /// Ends what was noted.
    fn clear(&self) -> io::Result<()>;

    /// Removes the journal; it is no error if there is none.
    fn remove(&self) -> io::Result<()>;
}

/// A journal that this process holds the lock of.
#[derive(Debug)]
pub struct Journal<F> {
    files: F,
    /// Whether there may be a note; so until it is read, and where it cannot be.
    is_noted: AtomicBool,
    /// The same of the journal itself.
    has_file: AtomicBool,
}

impl<F: Files> Journal<F> {
    /// The journal in these files.
    pub fn new(files: F) -> Self {
        Self { files, is_noted: AtomicBool::new(true), has_file: AtomicBool::new(true) }
    }

    /// Where it is.
    pub fn files(&self) -> &F {
        &self.files
    }

    /// Reads what an earlier run has left.
    pub fn read(&self) -> Result<Contents, Unusable> {
        let note = self.files.read(File::Note).map_err(Unusable::Unreadable)?;
        self.is_noted.store(note.is_some(), Ordering::Relaxed);
        let journal = read_journal(&self.files);
        self.has_file.store(!matches!(journal, Ok(None)), Ordering::Relaxed);
        contents(note, journal)
    }

    /// Whether the journal has a file, and not only notes.
    pub fn has_file(&self) -> bool {
        self.has_file.load(Ordering::Relaxed)
    }

    /// A Create-Session goes out.
    pub fn creating(&self, intent: &Intent) -> io::Result<()> {
        self.clear()?;
        self.note(&intent.encode()?)
    }

    /// A Create-Session was answered without a session.
    pub fn not_created(&self) -> io::Result<()> {
        self.clear()
    }

    /// Notes where the session stands. Survives the end of the process from here on, and a power cut
    /// after the first [`Journal::write`] that syncs.
    pub fn note_entry(&self, entry: &Entry) -> io::Result<()> {
        self.note(&entry.encode()?)
    }

    /// Replaces the content, whole or not at all; with `sync` it also survives a power cut.
    pub fn write(&self, entry: &Entry, sync: bool) -> io::Result<()> {
        let draft = self.files.draft(entry.encode()?.as_bytes())?;
        if sync {
            self.files.sync_draft(&draft)?;
        }
        self.has_file.store(true, Ordering::Relaxed);
        self.files.publish(draft)?;
        if sync {
            self.files.sync_folder()?;
        }
        self.clear()
    }

    /// The session is over.
    pub fn remove(&self) -> io::Result<()> {
        if self.has_file.swap(false, Ordering::Relaxed) {
            self.files.remove()?;
        }
        self.clear()
    }

    fn note(&self, record: &str) -> io::Result<()> {
        self.is_noted.store(true, Ordering::Relaxed);
        self.files.note(record)
    }

    fn clear(&self) -> io::Result<()> {
        if self.is_noted.swap(false, Ordering::Relaxed) {
            self.files.clear()?;
        }
        Ok(())
    }
}

/// What is in the journal, or was noted if that is of a newer session: a power cut may bring
/// back what was cleared.
pub fn read(files: &impl Files) -> Result<Contents, Unusable> {
    let note = files.read(File::Note).map_err(Unusable::Unreadable)?;
    contents(note, read_journal(files))
}

fn contents(
    note: Option<Vec<u8>>,
    journal: Result<Option<Entry>, Unusable>,
) -> Result<Contents, Unusable> {
    let note = note.unwrap_or_default();
    let (noted, intent) = (Entry::decode(&note).ok(), Intent::decode(&note).ok());
    let (journal, is_torn) = match journal {
        Err(Unusable::Damaged(_)) if noted.is_some() => (None, true),
        journal => (journal?, false),
    };
    let is_newer = |noted: &Entry| journal.as_ref().is_none_or(|it| noted.replaces > it.replaces);
    let entry = noted.filter(is_newer).or(journal);
    Ok(Contents { entry, intent, is_torn })
}

fn read_journal(files: &impl Files) -> Result<Option<Entry>, Unusable> {
    let bytes = files.read(File::Journal).map_err(Unusable::Unreadable)?;
    bytes.map(|bytes| Entry::decode(&bytes).map_err(Unusable::Damaged)).transpose()
}
