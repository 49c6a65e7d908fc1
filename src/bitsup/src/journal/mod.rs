//! Where sessions are kept: the state directory, its locks and its files.
//!
//! One small file a session, mode 0600, replaced by rename, or one log for all short uploads, and a
//! lock that keeps a second process out. The name follows from source and URL, so that starting the same upload
//! again finds it. For the contents of the files, and when they are written, see
//! `bitsup_core::journal`.
//!
//! A journal is untrusted input: one that cannot be read, is not the user's own or can be
//! written by others is refused, never guessed at.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitsup_core::journal::{Files as _, Unusable, is_id};
use rustix::fs::OFlags;
use xxhash_rust::xxh3::xxh3_128;

use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::source::Source;

mod disk;
mod endpoints;
mod folder;
mod intent_log;
mod lock;
mod token;
mod writer;

pub(crate) use bitsup_core::journal::{
    BLOCK, Contents, Difference, Entry, EntryKey, Finish, HASH_AFTER, Identity, Prefix, Proof,
    ResumeDecision, check_tail, hash_prefix,
};
pub(crate) use disk::Disk;
pub(crate) use endpoints::{Endpoint, Endpoints, store};
use folder::Folder;
pub(crate) use intent_log::IntentLog;
use intent_log::Noted;
use lock::Locks;
pub(crate) use token::Token;
pub(crate) use writer::{FinalReport, JournalWriter, OnFailure};

/// A child between fork and exec, or a listing, has a lock for a moment; that is waited for so often.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(5);

/// A session and its contents.
pub(crate) type Listed = Result<(String, Contents), Error>;

/// The folder of all journals.
#[derive(Clone, Debug)]
pub(crate) struct StateDirectory {
    folder: Arc<Folder>,
    locks: Arc<Locks>,
    log: Arc<IntentLog>,
}

impl StateDirectory {
    /// Opens the folder, and makes it if there is none, for the user alone.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let folder = Folder::make(path).map_err(|error| unusable(path, &error))?;
        Ok(Self::new(folder))
    }

    /// Opens the folder if there is one.
    pub(crate) fn existing(path: &Path) -> Result<Option<Self>, Error> {
        let folder = Folder::existing(path).map_err(|error| unusable(path, &error))?;
        Ok(folder.map(Self::new))
    }

    fn new(folder: Folder) -> Self {
        let folder = Arc::new(folder);
        let locks = Arc::new(Locks::new(Arc::clone(&folder)));
        let log = Arc::new(IntentLog::new(Arc::clone(&folder)));
        Self { folder, locks, log }
    }

    /// Whether the folder of that path is still this one.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        self.folder.is_in(path)
    }

    /// The name of the session for this source and URL.
    pub(crate) fn id(path: &Path, destination: &Destination) -> String {
        use std::os::unix::ffi::OsStrExt;
        let mut key = destination.full().into_bytes();
        key.push(0);
        key.extend_from_slice(path.as_os_str().as_bytes());
        format!("{:016x}", xxh3_128(&key) as u64)
    }

    /// Locks a session; `SessionInUse` if another process or upload has it.
    pub(crate) fn lock(&self, id: &str) -> Result<Disk, Error> {
        check_id(id)?;
        for left in (0..=TRIES).rev() {
            let lock = self.locks.try_lock(id);
            if let Some(lock) =
                lock.map_err(|error| self.problem("lock", &lock::name(id), &error))?
            {
                // What a dead process has noted of this session can be read after that.
                let folded = self.log.fold_dead(id);
                let remains =
                    folded.map_err(|(name, error)| self.problem("read", &name, &error))?;
                let (log, folder) = (Arc::clone(&self.log), Arc::clone(&self.folder));
                return Ok(Disk::locked(log, folder, id, lock, remains));
            }
            if left > 0 {
                std::thread::sleep(PAUSE);
            }
        }
        Err(Error::new(
            ErrorKind::SessionInUse,
            format!("another upload of the same file to the same URL is running (session {id})"),
        ))
    }

    /// Whether an upload runs in that session. Makes no file and alters none.
    pub(crate) fn is_locked(&self, id: &str) -> bool {
        let file = self.folder.open_file(&lock::name(id), OFlags::RDONLY);
        matches!(file, Ok(Some(file)) if lock::is_held(&file, id).unwrap_or(false))
    }

    /// Reads a session without locking it.
    pub(crate) fn read(&self, id: &str) -> Result<Contents, Error> {
        check_id(id)?;
        let Noted { mut records, unreadable } = self.noted()?;
        match unreadable.first() {
            Some((name, error)) => Err(self.problem("read", name, error)),
            None => self.look_at(id, records.remove(id)),
        }
    }

    /// Reads all sessions; what cannot be read is an error in its place.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, Error> {
        // In this order, since what a dead process has noted may become files meanwhile.
        let Noted { mut records, unreadable } = self.noted()?;
        let names = self.folder.names().map_err(|error| self.problem("read", "", &error))?;
        let ids = names.iter().filter_map(|name| disk::session(name));
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.extend(records.keys().cloned());
        ids.sort();
        ids.dedup();
        let unreadable = unreadable.into_iter();
        let errors = unreadable.map(|(name, error)| Err(self.problem("read", &name, &error)));
        let read = |id: String| {
            let contents = self.look_at(&id, records.remove(&id))?;
            Ok((id, contents))
        };
        Ok(errors.chain(ids.into_iter().map(read)).collect())
    }

    fn look_at(&self, id: &str, noted: Option<String>) -> Result<Contents, Error> {
        load(&Disk::unlocked(Arc::clone(&self.folder), id, noted))
    }

    fn noted(&self) -> Result<Noted, Error> {
        intent_log::noted(&self.folder).map_err(|error| self.problem("read", "", &error))
    }

    fn problem(&self, what: &str, name: &str, error: &io::Error) -> Error {
        let path = self.folder.path(name);
        Error::local(format_args!("cannot {what} {}", path.display()), error)
    }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let path = path.join("sessions");
    let made =
        Error::local(format_args!("cannot use the state directory {}", path.display()), error);
    if error.kind() == io::ErrorKind::PermissionDenied {
        return made.with_advice(
            "Name a state directory of your own: its folder sessions must belong to you, must not be a link, and only you may write to it (chmod go-w).",
        );
    }
    made
}

fn check_id(id: &str) -> Result<(), Error> {
    if is_id(id) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{:?} is not the name of a session: it has 16 hexadecimal digits",
        id.chars().take(40).collect::<String>()
    )))
}

/// What is kept, if it can be used.
pub(crate) fn load(disk: &Disk) -> Result<Contents, Error> {
    let path = disk.path();
    let damaged = |why: String| {
        Error::new(
            ErrorKind::LocalFile,
            format!("the journal {} cannot be used: {why}", path.display()),
        )
        .with_advice("Remove the file, or start with {fresh}; the session on the server expires after some days.")
    };
    let contents = match disk.contents() {
        Ok(contents) => contents,
        Err(Unusable::Damaged(why)) => return Err(damaged(why)),
        Err(Unusable::Unreadable(error)) => {
            let what = format_args!("cannot read the journal {}", path.display());
            return Err(Error::local(what, &error));
        }
    };
    let urls =
        [contents.entry.as_ref().map(|it| &it.url), contents.intent.as_ref().map(|it| &it.url)];
    for url in urls.into_iter().flatten() {
        Destination::parse(url).map_err(|error| damaged(error.to_string()))?;
    }
    Ok(contents)
}

/// Forgets what is kept.
pub(crate) fn remove(disk: &Disk) -> Result<(), Error> {
    disk.remove().map_err(|error| Error::local("cannot remove the journal", &error))
}

/// A kept session, opened for an upload that is about to start.
#[derive(Debug)]
pub(crate) struct OpenedJournal {
    pub(crate) journal: Disk,
    /// What to continue with, if there is something.
    pub(crate) entry: Option<Entry>,
    /// Whether the run before may have left an orphaned session on the server.
    pub(crate) lost: bool,
}

/// Locks the journal of this upload and reads it. `None`: the source has no name to find it by.
/// A damaged journal is passed over if the upload is to start anew anyway.
pub(crate) fn open(
    directory: &StateDirectory,
    source: &Source,
    destination: &Destination,
    fresh: bool,
) -> Result<Option<OpenedJournal>, Error> {
    let Some(path) = source.canonical_path() else { return Ok(None) };
    let journal = directory.lock(&StateDirectory::id(path, destination))?;
    let (entry, lost) = match load(&journal) {
        Err(error) if fresh && !is_environment(&error) => (None, true),
        read => {
            let contents = read?;
            let lost = contents.lost_a_session();
            (contents.entry, lost)
        }
    };
    Ok(Some(OpenedJournal { journal, entry, lost }))
}

/// Whether the error is about the folder or its files (full, read-only, another user's, a link) and
/// not about what is in a journal.
pub(crate) fn is_environment(error: &Error) -> bool {
    error.io_kind().is_some() && !error.is_lack()
}

/// Whether this process lacks descriptors or memory, which says nothing of what it touched: then the
/// error says so, and whether the session is there for the next start.
pub(crate) fn shortage(
    error: &Error,
    state: &Path,
    source: &Source,
    destination: &Destination,
) -> Option<Error> {
    let errno = error.os_error().filter(|_| error.is_lack())?;
    let advice = format!("{} Resume state was not touched (errno {errno}).", error.advice());
    let id = StateDirectory::id(source.canonical_path()?, destination);
    // By the path, since no more can be opened.
    let sessions = state.join("sessions");
    let is_kept = [disk::entry(&id), disk::intent(&id)]
        .iter()
        .any(|name| fs::symlink_metadata(sessions.join(name)).is_ok());
    Some(error.clone().with_advice(advice).with_resumable(is_kept))
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests;
