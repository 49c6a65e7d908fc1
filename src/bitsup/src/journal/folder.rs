//! The folder `sessions` and the files in it, reached through its descriptor only: who can alter
//! the way to it cannot lead us elsewhere.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

/// A journal is small; its largest part is one hash per 8 MiB (100 TB make 210 MB).
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// What others must not be allowed to do.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Longer than a tick of the clock that time stamps are of.
const TICK: Duration = Duration::from_millis(50);
/// The same where they are whole seconds, or two of them.
const LONG_TICK: Duration = Duration::from_secs(3);

/// An open folder that only we can write to.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: File,
    path: PathBuf,
    /// Whom a file belongs to that this process makes here.
    owner: u32,
    has_modes: bool,
    /// What it is: device and inode.
    place: (u64, u64),
}

/// A state of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version([i64; 4]);

/// A new file that is not in place yet; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Draft {
    folder: Arc<Folder>,
    name: String,
    file: File,
    is_published: bool,
}

impl Version {
    /// Whether a later change would have another version.
    pub(super) fn is_settled(&self) -> bool {
        let [seconds, nanoseconds, ..] = self.0.map(i64::unsigned_abs);
        let changed = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
        let tick = if nanoseconds == 0 { LONG_TICK } else { TICK };
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > tick)
    }
}

impl Folder {
    /// Opens the folder in a state directory, and makes both if there are none, for the user alone.
    pub(super) fn make(state: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state)?;
        let path = state.join("sessions");
        match rustix::fs::mkdir(&path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(path),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the folder if there is one, and makes nothing.
    pub(super) fn existing(state: &Path) -> io::Result<Option<Self>> {
        match Self::open(state.join("sessions")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn open(path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, &path, flags, Mode::empty()).map_err(|error| {
            // With O_DIRECTORY a link is "not a directory" to some systems.
            match rustix::fs::statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(there) if is_link(&there) => refused("it is a symbolic link"),
                _ => error.into(),
            }
        })?;
        let fd = File::from(fd);
        let (owner, has_modes) = match probe(&fd) {
            // Nothing can be made, but what is there can be listed.
            Err(error) if is_for_reading(&error) => (rustix::process::geteuid().as_raw(), true),
            probed => probed?,
        };
        let there = fd.metadata()?;
        if there.uid() != owner {
            return Err(refused("it belongs to another user"));
        }
        if has_modes && there.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(refused("others may write to it"));
        }
        let place = (there.dev(), there.ino());
        Ok(Self { fd, path, owner, has_modes, place })
    }

    /// Whether it is still what is found in that state directory.
    pub(super) fn is_in(&self, state: &Path) -> bool {
        let there = std::fs::symlink_metadata(state.join("sessions"));
        there.is_ok_and(|there| (there.dev(), there.ino()) == self.place)
    }

    /// Where a file is, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What changes with every file that is made or removed, but for changes within one tick of the clock.
    pub(super) fn version(&self) -> io::Result<Version> {
        let there = self.fd.metadata()?;
        Ok(Version([there.mtime(), there.mtime_nsec(), there.ctime(), there.ctime_nsec()]))
    }

    /// The names of all files.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    /// The content of a file that only we can have written; `None` if there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_file(name, OFlags::RDONLY)? else { return Ok(None) };
        let metadata = file.metadata()?;
        if self.has_modes && metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(refused("others may write to it"));
        }
        if metadata.len() > MAX_FILE {
            return Err(refused("it is too large"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Opens a regular file of ours, without following a link and without waiting for who has the
    /// other end of a pipe; `None` if there is none.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<Option<File>> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(refused("it is a symbolic link")),
            Err(Errno::NXIO | Errno::OPNOTSUPP) => return Err(refused("it is not a regular file")),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(refused("it is not a regular file"));
        }
        if metadata.uid() != self.owner {
            return Err(refused("it belongs to another user"));
        }
        Ok(Some(file))
    }

    /// Whether a file of that name is the open one.
    pub(super) fn is_at(&self, name: &str, file: &File) -> bool {
        let there = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        let here = rustix::fs::fstat(file);
        matches!((there, here), (Ok(there), Ok(here))
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino))
    }

    /// Whether there is nothing of that name; where this cannot be told there is something.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let there = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        matches!(there, Err(Errno::NOENT))
    }

    /// Makes a file that was not there before.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        create(&self.fd, name)
    }

    /// Writes a new file, for the user alone.
    pub(super) fn draft(self: &Arc<Self>, bytes: &[u8]) -> io::Result<Draft> {
        let name = temporary();
        let file = self.create(&name)?;
        let mut draft = Draft { folder: Arc::clone(self), name, file, is_published: false };
        draft.file.write_all(bytes)?;
        Ok(draft)
    }

    /// Gives a file another name, in place of what had it.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets its names survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

impl Draft {
    /// Lets its bytes survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Puts it in its place, in one step.
    pub(super) fn publish(mut self, name: &str) -> io::Result<()> {
        self.folder.rename(&self.name, name)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published {
            // At worst a file is left that is never read.
            let _ = self.folder.remove(&self.name);
        }
    }
}

/// Whom a file belongs to that this process makes in the folder, and whether the file system keeps
/// the permissions that it is given. On a network file system neither follows from who we are.
fn probe(folder: &File) -> io::Result<(u32, bool)> {
    let named = temporary();
    let (file, is_named) = match unnamed(folder) {
        Some(file) => (file, false),
        None => (create(folder, &named)?, true),
    };
    let metadata = file.metadata();
    if is_named {
        rustix::fs::unlinkat(folder, &named, AtFlags::empty())?;
    }
    let metadata = metadata?;
    Ok((metadata.uid(), metadata.mode() & 0o777 == 0o600))
}

fn is_for_reading(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

fn create(folder: &File, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// A file without a name, where there can be one.
#[cfg(target_os = "linux")]
fn unnamed(folder: &File) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::openat(folder, ".", flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &File) -> Option<File> {
    None
}

/// A name that no other process takes at the same time.
fn temporary() -> String {
    format!(".tmp-{:016x}", RandomState::new().hash_one(std::process::id()))
}

fn is_link(there: &rustix::fs::Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(there.st_mode) == rustix::fs::FileType::Symlink
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
