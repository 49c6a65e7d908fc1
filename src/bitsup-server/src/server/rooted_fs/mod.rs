//! Files below the root and nowhere else, whatever links are inside of it.
//!
//! Folders are opened with `openat2` and `RESOLVE_BENEATH`; where the kernel does not have it,
//! one folder at a time, following no link at all. The folder so opened is then walked up to the
//! root, which shows that it is inside and not in the state folder, and files are named relative to it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;

use crate::server::ack::{CONTEXT_SERVER, ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, Refusal};
use crate::server::target::Target;

/// Folders that a walk up may pass before it gives up; links can make a path deeper than its text.
const MAX_WALK: usize = 512;
/// Tries of an `openat2` that meets a rename in the same tree.
const RACE_TRIES: usize = 16;

/// The folder that uploads land in.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
    identity: Identity,
    state: Identity,
    resolver: Resolver,
}

/// How an upload may land.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishOptions {
    pub(crate) overwrite: bool,
    pub(crate) create_dirs: bool,
    /// Status for an existing file.
    pub(crate) conflict_status: u16,
    /// Flush the file and its folder to the disk.
    pub(crate) sync: bool,
}

/// Device and inode.
type Identity = (u64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolver {
    Kernel,
    OneByOne,
}

impl Root {
    /// Opens the root; `state` is the state folder, which is out of bounds.
    pub(crate) fn open(root: &Path, state: &Path) -> io::Result<Self> {
        let directory = fs::open(root, folder_flags(), Mode::empty())?;
        let identity = identity(&directory)?;
        let state = identity_of_path(state)?;
        let mut opened = Self { directory, identity, state, resolver: Resolver::Kernel };
        if opened.open_by_kernel(".").is_err() {
            opened.resolver = Resolver::OneByOne;
        }
        Ok(opened)
    }

    /// Whether a new file may land at `target`, as far as can be said beforehand.
    pub(crate) fn check(&self, target: &Target, landing: PublishOptions) -> Result<(), Refusal> {
        if target.name.is_empty() {
            return Err(Refusal::invalid());
        }
        let folder = match self.folder(&target.folders, false) {
            Ok(folder) => folder,
            Err(Refusal { status: 404, .. }) if landing.create_dirs => return Ok(()),
            Err(refusal) => return Err(refusal),
        };
        match fs::statat(&folder, &target.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_folder(stat.st_mode) => Err(Refusal::invalid()),
            Ok(_) if !landing.overwrite => Err(conflict(landing.conflict_status)),
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(refusal_of(error)),
        }
    }

    /// Whether the folders of `target` that exist stay below the root.
    pub(crate) fn check_inside(&self, target: &Target) -> Result<(), Refusal> {
        match self.folder(&target.folders, false) {
            Ok(_) | Err(Refusal { status: 404, .. }) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Moves the file `data` to its place in one step. It replaces a file only if it may, and
    /// never follows a link in that place.
    pub(crate) fn publish(
        &self,
        data: &Path,
        target: &Target,
        landing: PublishOptions,
    ) -> Result<(), Refusal> {
        let folder = self.folder(&target.folders, landing.create_dirs)?;
        if landing.sync {
            File::open(data)
                .and_then(|file| file.sync_all())
                .map_err(|error| Refusal::from_io(&error))?;
        }
        let moved =
            match move_into(fs::CWD, data.as_os_str(), &folder, &target.name, landing.overwrite) {
                Err(Errno::XDEV) => copy_into(data, &folder, &target.name, landing.overwrite),
                other => other,
            };
        match moved {
            Ok(()) if landing.sync => {
                let readable =
                    fs::openat(&folder, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
                readable.and_then(fs::fsync).map_err(refusal_of)
            }
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(conflict(landing.conflict_status)),
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::NOTDIR) => Err(Refusal::invalid()),
            Err(error) => Err(refusal_of(error)),
        }
    }

    /// Opens a regular file for reading.
    pub(crate) fn open_file(&self, target: &Target) -> Result<File, Refusal> {
        let not_found = Refusal::new(404, ERROR_FILE_NOT_FOUND, CONTEXT_SERVER);
        let folder = self.folder(&target.folders, false)?;
        // A link in the last place is not followed: it may lead anywhere. Not waiting for a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match fs::openat(&folder, &target.name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::MLINK) => return Err(Refusal::denied()),
            Err(Errno::NOENT) => return Err(not_found),
            Err(error) => return Err(refusal_of(error)),
        };
        let stat = fs::fstat(&file).map_err(refusal_of)?;
        if FileType::from_raw_mode(stat.st_mode as RawMode) == FileType::RegularFile {
            Ok(file.into())
        } else {
            Err(not_found)
        }
    }

    /// Opens the folder at the end of `folders`, made if missing and `create` says so.
    fn folder(&self, folders: &[String], create: bool) -> Result<OwnedFd, Refusal> {
        let mut folder = self.open_folder(folders);
        if create && matches!(folder, Err(Errno::NOENT)) {
            for depth in 1..=folders.len() {
                self.make_folder(&folders[..depth])?;
            }
            folder = self.open_folder(folders);
        }
        match folder {
            Ok(folder) => self.confine(folder),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                Err(Refusal::new(404, ERROR_PATH_NOT_FOUND, CONTEXT_SERVER))
            }
            Err(error) => Err(refusal_of(error)),
        }
    }

    fn make_folder(&self, path: &[String]) -> Result<(), Refusal> {
        let Some((name, parents)) = path.split_last() else {
            return Ok(());
        };
        let parent = self.confine(self.open_folder(parents).map_err(refusal_of)?)?;
        match fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(refusal_of(error)),
        }
    }

    fn open_folder(&self, folders: &[String]) -> rustix::io::Result<OwnedFd> {
        if self.resolver == Resolver::Kernel {
            let path = if folders.is_empty() { ".".into() } else { folders.join("/") };
            return self.open_by_kernel(&path);
        }
        let mut folder = fs::openat(&self.directory, ".", folder_flags(), Mode::empty())?;
        for name in folders {
            folder =
                match fs::openat(&folder, name, folder_flags() | OFlags::NOFOLLOW, Mode::empty()) {
                    Err(Errno::NOTDIR) if is_link(&folder, name) => return Err(Errno::LOOP),
                    other => other?,
                };
        }
        Ok(folder)
    }

    #[cfg(target_os = "linux")]
    fn open_by_kernel(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        use rustix::fs::ResolveFlags;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut last = Errno::AGAIN;
        for _ in 0..RACE_TRIES {
            match fs::openat2(&self.directory, path, folder_flags(), Mode::empty(), resolve) {
                Err(error @ (Errno::AGAIN | Errno::INTR)) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    #[cfg(not(target_os = "linux"))]
    fn open_by_kernel(&self, _path: &str) -> rustix::io::Result<OwnedFd> {
        Err(Errno::NOSYS)
    }

    /// Walks up from `folder` to the root: refuses one that is elsewhere or in the state folder.
    fn confine(&self, folder: OwnedFd) -> Result<OwnedFd, Refusal> {
        let mut here = identity(&folder).map_err(refusal_of)?;
        let mut above =
            fs::openat(&folder, ".", folder_flags(), Mode::empty()).map_err(refusal_of)?;
        for _ in 0..MAX_WALK {
            if here == self.state {
                return Err(Refusal::denied());
            }
            if here == self.identity {
                return Ok(folder);
            }
            above = fs::openat(&above, "..", folder_flags(), Mode::empty()).map_err(refusal_of)?;
            let parent = identity(&above).map_err(refusal_of)?;
            if parent == here {
                break; // the root of the file system
            }
            here = parent;
        }
        Err(Refusal::denied())
    }
}

fn move_into(
    from: impl std::os::fd::AsFd,
    old: &OsStr,
    folder: &OwnedFd,
    name: &str,
    overwrite: bool,
) -> rustix::io::Result<()> {
    if overwrite {
        return fs::renameat(from, old, folder, name);
    }
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match fs::renameat_with(&from, old, folder, name, fs::RenameFlags::NOREPLACE) {
        // This file system cannot do it in one call; a link does not replace either.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        other => return other,
    }
    fs::linkat(&from, old, folder, name, AtFlags::empty())?;
    fs::unlinkat(&from, old, AtFlags::empty())
}

/// The state folder is on another file system: copies beside the place first, then moves.
fn copy_into(data: &Path, folder: &OwnedFd, name: &str, overwrite: bool) -> rustix::io::Result<()> {
    let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let temporary = format!(".bitsup-{}.part", uuid::Uuid::new_v4().simple());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(fs::openat(folder, &temporary, flags, Mode::from_raw_mode(0o666))?);
    let moved = File::open(data)
        .and_then(|mut source| io::copy(&mut source, &mut copy))
        .and_then(|_| copy.sync_all())
        .map_err(errno)
        .and_then(|()| move_into(folder, OsStr::new(&temporary), folder, name, overwrite));
    if moved.is_err() {
        // The first error is the one that counts.
        let _ = fs::unlinkat(folder, &temporary, AtFlags::empty());
        return moved;
    }
    std::fs::remove_file(data).map_err(errno)
}

fn folder_flags() -> OFlags {
    #[cfg(target_os = "linux")]
    let access = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    let access = OFlags::RDONLY;
    access | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn identity(folder: &OwnedFd) -> rustix::io::Result<Identity> {
    fs::fstat(folder).map(|stat| identity_in(&stat))
}

fn identity_of_path(path: &Path) -> rustix::io::Result<Identity> {
    fs::stat(path).map(|stat| identity_in(&stat))
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the types differ between systems"
)]
fn identity_in(stat: &fs::Stat) -> Identity {
    (stat.st_dev as u64, stat.st_ino as u64)
}

fn is_folder(mode: impl Into<RawMode>) -> bool {
    FileType::from_raw_mode(mode.into()) == FileType::Directory
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode as RawMode) == FileType::Symlink)
}

fn conflict(status: u16) -> Refusal {
    Refusal { status, ..Refusal::denied() }
}

fn refusal_of(error: Errno) -> Refusal {
    match error {
        // RESOLVE_BENEATH says XDEV for a path that leaves, LOOP for a link that must not be followed.
        Errno::XDEV | Errno::LOOP => Refusal::denied(),
        Errno::NAMETOOLONG | Errno::ISDIR => Refusal::invalid(),
        Errno::NOTDIR => Refusal::new(404, ERROR_PATH_NOT_FOUND, CONTEXT_SERVER),
        other => Refusal::from_io(&other.into()),
    }
}

#[cfg(test)]
mod tests;
