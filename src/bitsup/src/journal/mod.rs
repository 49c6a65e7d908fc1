//! Where sessions are kept: the state directory, its locks and its files.
//!
//! One small file a session, mode 0600, replaced by rename, and a lock file beside it that keeps
//! a second process out. The name follows from source and URL, so that starting the same upload
//! again finds it. What stands in the files, and what is written when, is in
//! `bitsup_core::journal`.
//!
//! A journal is untrusted input: one that cannot be read, is not the user's own or can be
//! written by others is refused, never guessed at.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use xxhash_rust::xxh3::xxh3_128;

use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::source::Source;

mod disk;
mod endpoints;
mod keeper;
mod token;

pub(crate) use bitsup_core::journal::{
    BLOCK, Entry, Finish, Place, Prefix, Standing, check_tail, hash_prefix,
};
use disk::Disk;
pub(crate) use endpoints::{Endpoint, Endpoints, store};
pub(crate) use keeper::{Keeper, Kept as Leavings};
pub(crate) use token::Token;

/// A journal that this process holds the lock of.
pub(crate) type Journal = bitsup_core::journal::Journal<Disk>;

/// The folder of all journals.
#[derive(Clone, Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Makes the folder if there is none, for the user alone.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let problem = |error: &io::Error| {
            Error::local(format_args!("cannot use the state directory {}", path.display()), error)
        };
        let sessions = path.join("sessions");
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&sessions).map_err(|error| problem(&error))?;
        Ok(Self { path: path.to_owned() })
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
    pub(crate) fn lock(&self, id: &str) -> Result<Journal, Error> {
        let lock_path = self.file(id, "lock")?;
        let problem = |error: &io::Error| {
            Error::local(format_args!("cannot lock {}", lock_path.display()), error)
        };
        loop {
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&lock_path)
                .map_err(|error| problem(&error))?;
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::new(
                        ErrorKind::SessionInUse,
                        format!(
                            "another upload of the same file to the same URL is running (session {id})"
                        ),
                    ));
                }
                Err(error) => return Err(problem(&error.into())),
            }
            // Whoever had it may have removed the file before letting go: then ours is no lock.
            let same = fs::metadata(&lock_path)
                .is_ok_and(|there| lock.metadata().is_ok_and(|ours| there.ino() == ours.ino()));
            if same {
                return Ok(Journal::new(Disk::locked(self.file(id, "json")?, lock_path, lock)));
            }
        }
    }

    /// Reads a session without locking it; `None` if there is none.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Entry>, Error> {
        load(&Disk::unlocked(self.file(id, "json")?, self.file(id, "lock")?))
    }

    /// The names of all sessions.
    pub(crate) fn ids(&self) -> Result<Vec<String>, Error> {
        let folder = self.path.join("sessions");
        let listed = fs::read_dir(&folder).map_err(|error| {
            Error::local(format_args!("cannot read {}", folder.display()), &error)
        })?;
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let id = name.strip_suffix(".json").or_else(|| name.strip_suffix(".lock"))?;
            is_id(id).then(|| id.to_owned())
        };
        let mut ids: Vec<String> = listed.filter_map(name).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    fn file(&self, id: &str, extension: &str) -> Result<PathBuf, Error> {
        if !is_id(id) {
            return Err(Error::invalid(format!(
                "{:?} is not the name of a session: it has 16 hexadecimal digits",
                id.chars().take(40).collect::<String>()
            )));
        }
        Ok(self.path.join("sessions").join(format!("{id}.{extension}")))
    }
}

/// A name that cannot lead out of the folder.
fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

/// What is kept, if it can be used.
pub(crate) fn load(disk: &Disk) -> Result<Option<Entry>, Error> {
    let unusable = |why: String| {
        Error::new(
            ErrorKind::LocalFile,
            format!("the journal {} cannot be used: {why}", disk.path().display()),
        )
        .with_advice("Remove the file, or start with --fresh; the session on the server ends by itself after some days.")
    };
    // Else the file would be blamed, and its removal advised.
    crate::descriptors::check("cannot read what was kept of an earlier upload")?;
    let Some(entry) = bitsup_core::journal::read(disk).map_err(unusable)? else {
        return Ok(None);
    };
    match Destination::parse(&entry.url) {
        Ok(_) => Ok(Some(entry)),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// A kept session, opened for an upload that is about to start.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) journal: Journal,
    /// What to continue with, if there is something.
    pub(crate) entry: Option<Entry>,
    /// Whether the server may hold a session of the run before that nobody can find.
    pub(crate) lost: bool,
}

/// Locks the journal of this upload and reads it. `None`: the source has no name to find it by.
/// A journal that cannot be used is passed over if the upload is to start anew anyway.
pub(crate) fn open(
    folder: &Path,
    source: &Source,
    destination: &Destination,
    fresh: bool,
) -> Result<Option<Kept>, Error> {
    let Some(path) = source.file_path() else { return Ok(None) };
    let path = absolute(path);
    let directory = StateDirectory::open(folder)?;
    let journal = directory.lock(&StateDirectory::id(&path, destination))?;
    let entry = match load(journal.files()) {
        Err(_) if fresh => None,
        read => read?,
    };
    let lost = journal.lost_a_session();
    Ok(Some(Kept { journal, entry, lost }))
}

/// Whether the error is about the folder (full, read-only, missing) and not about what is in a journal.
pub(crate) fn is_environment(error: &Error) -> bool {
    error.io_kind().is_some() && !error.is_lack()
}

/// The path under which a source is found again, whatever the working directory.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests;
