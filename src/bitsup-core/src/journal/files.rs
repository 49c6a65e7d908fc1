//! The two files of a journal, and the order in which they are written.

use std::io;

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

/// The files of one journal, and the order in which they are written. The holder has locked them.
pub trait Files {
    /// A file that shall become the journal.
    type Draft;

    /// The content of a file; `None` if there is none.
    fn read(&self, file: File) -> io::Result<Option<Vec<u8>>>;

    /// Whether there is the journal itself, and not only a note, as far as is known.
    fn has_journal(&self) -> bool;

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

    /// Removes the journal itself, if there is one.
    fn unlink(&self) -> io::Result<()>;

    /// What is in the journal, or was noted if that is of a newer session: a power cut may bring
    /// back what was cleared.
    fn contents(&self) -> Result<Contents, Unusable> {
        let note = self.read(File::Note).map_err(Unusable::Unreadable)?;
        let bytes = self.read(File::Journal).map_err(Unusable::Unreadable)?;
        let journal = bytes.map(|bytes| Entry::decode(&bytes).map_err(Unusable::Damaged));
        contents(note, journal.transpose())
    }

    /// A Create-Session goes out.
    fn creating(&self, intent: &Intent) -> io::Result<()> {
        self.clear()?;
        self.note(&intent.encode()?)
    }

    /// Notes where the session stands. Survives the end of the process from here on, and a power cut
    /// once the log is synced, or after the first [`Files::write`] that syncs.
    fn note_entry(&self, entry: &Entry) -> io::Result<()> {
        self.note(&entry.encode()?)
    }

    /// Replaces the content, whole or not at all; with `sync` it also survives a power cut, and what was
    /// noted is of no more use: until then the note may be what a power cut leaves.
    fn write(&self, entry: &Entry, sync: bool) -> io::Result<()> {
        let draft = self.draft(entry.encode()?.as_bytes())?;
        if !sync {
            return self.publish(draft);
        }
        self.sync_draft(&draft)?;
        self.publish(draft)?;
        self.sync_folder()?;
        self.clear()
    }

    /// The session is over. In this order: a note that outlived the journal would be of the session's beginning, and
    /// the next run would send again what has arrived.
    fn remove(&self) -> io::Result<()> {
        self.clear()?;
        self.unlink()
    }
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
