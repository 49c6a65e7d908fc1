//! What is kept of a session so that it can be continued after a restart.
//!
//! One small file a session in the state directory: a line of JSON and a line with its
//! checksum, mode 0600, replaced by rename. A lock file beside it keeps a second process
//! out. The name follows from source and URL, so that starting the same upload again
//! finds it. It holds no password; of the server it holds URL and session id.
//!
//! The lock file is also a scratch pad (see `pad`): a new session is noted there with one
//! write to a file that is open already, before anything else is done with the answer.
//!
//! A journal is untrusted input: one that cannot be read, is not the user's own or can be
//! written by others is refused, never guessed at.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitsup_proto::Checkpoint;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::source::{Identity, Source};

mod endpoints;
mod keeper;
mod pad;
mod prefix;
mod token;

pub(crate) use endpoints::{Endpoint, Endpoints, store};
pub(crate) use keeper::{Finish, Keeper, Kept as Leavings, Place};
use pad::Pad;
pub(crate) use prefix::{BLOCK, Prefix, check_tail, hash_prefix};
pub(crate) use token::Token;

/// The format this version writes and reads.
const VERSION: u32 = 1;
/// A journal is small; its largest part is one hash per 8 MiB (100 TB make 210 MB).
const MAX_JOURNAL: u64 = 256 * 1024 * 1024;
/// IIS forgets a session after 14 days; so do we.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(14 * 24 * 3600);

/// The content of a journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    version: u32,
    pub(crate) url: String,
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    /// Seconds since 1970.
    pub(crate) begun: u64,
    pub(crate) updated: u64,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) prefix: Prefix,
    /// The caller's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl Entry {
    pub(crate) fn new(
        url: String,
        path: PathBuf,
        identity: Identity,
        checkpoint: Checkpoint,
        note: Option<String>,
    ) -> Self {
        let now = unix_now();
        Self {
            version: VERSION,
            url,
            path,
            identity,
            begun: now,
            updated: now,
            checkpoint,
            prefix: Prefix::default(),
            note,
        }
    }

    pub(crate) fn is_expired(&self) -> bool {
        unix_now().saturating_sub(self.updated) > MAX_AGE.as_secs()
    }

    /// Whether its numbers fit together; a checksum does not prove who wrote it.
    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "it has version {}, and this program reads version {VERSION}",
                self.version
            ));
        }
        let sizes = self.checkpoint.offset <= self.checkpoint.size
            && self.checkpoint.size == self.identity.size
            && self.prefix.length() <= self.checkpoint.size;
        if !sizes {
            return Err("its offsets do not fit together".into());
        }
        Destination::parse(&self.url).map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// The folder of all journals.
#[derive(Clone, Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
}

/// A journal that this process holds the lock of.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    pad: Pad,
    lock_path: PathBuf,
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
                let pad = Pad::new(lock);
                return Ok(Journal { path: self.file(id, "json")?, pad, lock_path });
            }
        }
    }

    /// Reads a session without locking it; `None` if there is none.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Entry>, Error> {
        read(&self.file(id, "json")?, &self.file(id, "lock")?)
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

impl Journal {
    pub(crate) fn read(&self) -> Result<Option<Entry>, Error> {
        read(&self.path, &self.lock_path)
    }

    /// Whether the run before ended while it waited for the answer to a Create-Session: the
    /// server may hold a session whose id nobody knows.
    pub(crate) fn lost_a_session(&self) -> bool {
        pad::lost_a_session(&self.lock_path)
    }

    /// A Create-Session goes out.
    pub(crate) fn creating(&self) -> io::Result<()> {
        self.pad.creating()
    }

    /// A Create-Session was answered without a session.
    pub(crate) fn not_created(&self) -> io::Result<()> {
        self.pad.clear()
    }

    /// The session was made. Survives the end of the process from here on, and a power cut
    /// after the next [`Journal::write`] that syncs.
    pub(crate) fn created(&self, entry: &Entry) -> io::Result<()> {
        self.pad.created(&encode(entry)?)
    }

    /// Replaces the content; with `sync` it also survives a power cut.
    pub(crate) fn write(&self, entry: &Entry, sync: bool) -> io::Result<()> {
        replace(&self.path, encode(entry)?.as_bytes(), sync)?;
        self.pad.clear()
    }

    /// The session is over.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::remove_file(&self.lock_path)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A lock without a journal is of no use; with one it stays for the next process.
        if !self.path.exists() && pad::noted(&self.lock_path).is_none() {
            drop(fs::remove_file(&self.lock_path));
        }
    }
}

/// Writes a file whole or not at all, for the user alone.
fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    if sync {
        file.as_file().sync_data()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    if sync {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A journal as it is in a file.
fn encode(entry: &Entry) -> io::Result<String> {
    let line = serde_json::to_string(entry)?;
    let checksum = xxh3_64(line.as_bytes());
    Ok(format!("{line}\n{checksum:016x}\n"))
}

/// What is in the journal, or on the pad if that holds a newer session.
fn read(path: &Path, pad: &Path) -> Result<Option<Entry>, Error> {
    let noted = pad::noted(pad).and_then(|bytes| decode(&bytes).ok());
    match (read_journal(path), noted) {
        (Ok(Some(entry)), Some(noted))
            if noted.checkpoint.session_id == entry.checkpoint.session_id =>
        {
            Ok(Some(entry))
        }
        (_, Some(noted)) => Ok(Some(noted)),
        (read, None) => read,
    }
}

fn read_journal(path: &Path) -> Result<Option<Entry>, Error> {
    let unusable = |why: &str| {
        Error::new(ErrorKind::LocalFile, format!("the journal {} cannot be used: {why}", path.display()))
            .with_advice("Remove the file, or start with --fresh; the session on the server ends by itself after some days.")
    };
    let Some(bytes) = read_own(path).map_err(|why| unusable(&why))? else {
        return Ok(None);
    };
    decode(&bytes).map(Some).map_err(|why| unusable(&why))
}

/// The content of a journal; the error is why it cannot be used.
fn decode(bytes: &[u8]) -> Result<Entry, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    let mut lines = text.split('\n');
    let (Some(line), Some(checksum), Some(""), None) =
        (lines.next(), lines.next(), lines.next(), lines.next())
    else {
        return Err("it is cut off".into());
    };
    if format!("{:016x}", xxh3_64(line.as_bytes())) != checksum {
        return Err("its checksum is wrong".into());
    }
    let entry: Entry =
        serde_json::from_str(line).map_err(|error| format!("it is not understood ({error})"))?;
    entry.check()?;
    Ok(entry)
}

/// The bytes of a file that only the user can have written.
fn read_own(path: &Path) -> Result<Option<Vec<u8>>, String> {
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
    let entry = match journal.read() {
        Err(_) if fresh => None,
        read => read?,
    };
    let lost = journal.lost_a_session();
    Ok(Some(Kept { journal, entry, lost }))
}

/// Whether the error is about the folder (full, read-only, missing) and not about what is in a journal.
pub(crate) fn is_environment(error: &Error) -> bool {
    error.io_kind().is_some()
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
