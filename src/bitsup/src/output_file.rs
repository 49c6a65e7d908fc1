//! Files that a caller names for output: a regular one is replaced when all of it is there, and
//! what is none (a device, a FIFO, an open descriptor) is written through, never replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

/// As many links in a row as Linux follows.
const MAX_LINKS: usize = 40;
/// A piece of at most this many bytes does not block on a pipe that can be written to (`PIPE_BUF`).
const PIECE: usize = 4096;

/// A place for output, found usable before anything is sent.
#[derive(Clone, Debug)]
pub struct OutputFile(Target);

#[derive(Clone, Debug)]
enum Target {
    /// A regular file, or none yet; no link.
    Regular(PathBuf),
    /// Something else, open for writing.
    Through(Arc<File>),
}

impl OutputFile {
    /// Looks at the place, through links, without changing it. A FIFO needs a reader.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            if is_descriptor(&path) {
                return Self::through(&path);
            }
            match fs::symlink_metadata(&path) {
                Ok(data) if data.is_symlink() => {
                    let target = fs::read_link(&path)?;
                    path = path.parent().unwrap_or(Path::new("")).join(target);
                }
                Ok(data) if data.is_file() => return Self::regular(path),
                Ok(data) if data.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                Ok(_) => return Self::through(&path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Self::regular(path);
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many symbolic links"))
    }

    fn regular(path: PathBuf) -> io::Result<Self> {
        if path.file_name().is_none() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let place = Self(Target::Regular(path));
        // It is gone again at once: this is only whether one can be made.
        place.spool("probe").map(|_| place)
    }

    #[cfg(unix)]
    fn through(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        use std::time::{Duration, Instant};

        use rustix::fs::OFlags;

        /// A reader that is being started in the background gets so long.
        const PATIENCE: Duration = Duration::from_millis(500);
        // Where one of its own leads to what cannot be opened again: a socket, say.
        let own = match path.file_name().and_then(|name| name.to_str()) {
            Some("1") if is_own_descriptor(path) => Some(rustix::stdio::stdout()),
            Some("2") if is_own_descriptor(path) => Some(rustix::stdio::stderr()),
            _ => None,
        };
        if let Some(own) = own {
            return Ok(Self(Target::Through(Arc::new(rustix::io::dup(own)?.into()))));
        }
        let begun = Instant::now();
        loop {
            // Without a reader a FIFO would hold the caller; a terminal must not become the process's own.
            let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
            let opened = fs::OpenOptions::new()
                .append(true)
                .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
                .open(path);
            match opened {
                Ok(file) => return Ok(Self(Target::Through(Arc::new(file)))),
                Err(error)
                    if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) =>
                {
                    if begun.elapsed() >= PATIENCE {
                        return Err(io::Error::other("it has no reader"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
    }

    #[cfg(not(unix))]
    fn through(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        Ok(Self(Target::Through(Arc::new(file))))
    }

    /// A file for what is written bit by bit: it is emptied.
    pub fn stream(&self) -> io::Result<Arc<File>> {
        match &self.0 {
            Target::Regular(path) => File::create(path).map(Arc::new),
            Target::Through(file) => Ok(Arc::clone(file)),
        }
    }

    /// A temporary file for what counts only when all of it is there, never open to more users than its place.
    pub fn spool(&self, what: &str) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".bitsup-{what}-");
        builder.prefix(&prefix);
        match &self.0 {
            Target::Regular(path) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                #[cfg(unix)]
                builder.permissions(mode_of(path).unwrap_or_else(mode_of_new));
                builder.tempfile_in(folder.unwrap_or(Path::new(".")))
            }
            Target::Through(_) => builder.tempfile(),
        }
    }

    /// Whether it is a regular file, or none yet; else [`put`](Self::put) may wait for a reader.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        matches!(self.0, Target::Regular(_))
    }

    /// Puts the content of a spool in its place; `stop` says whether to wait no longer.
    pub fn put(&self, spool: NamedTempFile, stop: &dyn Fn() -> bool) -> io::Result<()> {
        match &self.0 {
            Target::Regular(path) => {
                #[cfg(unix)]
                if let Some(mode) = mode_of(path) {
                    // The umask has restricted it; some file systems have no modes.
                    drop(spool.as_file().set_permissions(mode));
                }
                spool.persist(path).map(drop).map_err(|error| error.error)
            }
            Target::Through(file) => {
                let mut from = spool.reopen()?;
                let mut piece = [0; PIECE];
                loop {
                    let count = io::Read::read(&mut from, &mut piece)?;
                    match piece.get(..count) {
                        None | Some([]) => return Ok(()),
                        Some(piece) => write_waiting(&**file, piece, stop)?,
                    }
                }
            }
        }
    }
}

/// The mode of the regular file that is to be replaced.
#[cfg(unix)]
fn mode_of(path: &Path) -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;

    let data = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(fs::Permissions::from_mode(data.permissions().mode() & 0o777))
}

/// What the umask restricts where a file is made.
#[cfg(unix)]
fn mode_of_new() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// Whether the path names a descriptor of a process, as `/dev/fd/3` does: its target is
/// the business of the process that opened it.
fn is_descriptor(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd"))
}

#[cfg(unix)]
fn is_own_descriptor(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let own = format!("/proc/{}/fd", std::process::id());
    folder.is_some_and(|folder| folder == Path::new(&own))
}

/// Writes all of `bytes`, waiting where the other end takes none, also on a descriptor that
/// does not block. `stop` is asked every tenth of a second whether to wait no longer.
#[cfg(unix)]
pub fn write_waiting(
    to: impl std::os::fd::AsFd,
    bytes: &[u8],
    stop: &dyn Fn() -> bool,
) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut rest = bytes;
    while !rest.is_empty() {
        match poll(&mut [PollFd::new(&to, PollFlags::OUT)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let piece = rest.get(..PIECE).unwrap_or(rest);
                match rustix::io::write(&to, piece) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        rest = rest.get(count..).unwrap_or_default();
                        continue;
                    }
                    // Writable, but not for this number of bytes: no reason to look without a pause.
                    Err(Errno::AGAIN) => std::thread::sleep(std::time::Duration::from_millis(5)),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if stop() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its reader has stopped reading"));
        }
    }
    Ok(())
}

/// Writes all of `bytes`.
#[cfg(not(unix))]
pub fn write_waiting(
    mut to: impl io::Write,
    bytes: &[u8],
    _stop: &dyn Fn() -> bool,
) -> io::Result<()> {
    to.write_all(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
        let place = OutputFile::open(path)?;
        let mut spool = place.spool("test")?;
        spool.write_all(bytes)?;
        place.put(spool, &|| false)
    }

    #[test]
    fn a_regular_file_is_replaced_through_links_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("folder");
        let (real, link) = (folder.path().join("deep/real"), folder.path().join("link"));
        fs::create_dir(folder.path().join("deep")).expect("made");
        symlink("deep/real", &link).expect("made");
        for content in ["first", "second"] {
            put(&link, content.as_bytes()).expect("put");
            assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
            assert_eq!(fs::read_to_string(&real).expect("there"), content);
            assert_eq!(fs::read_dir(folder.path().join("deep")).expect("read").count(), 1);
        }
        let looped = folder.path().join("loop");
        symlink("loop", &looped).expect("made");
        for bad in [looped, folder.path().to_owned(), folder.path().join("none/x"), "/".into()] {
            assert!(OutputFile::open(&bad).is_err(), "{}", bad.display());
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_new_one_has_that_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        let (path, other) = (folder.path().join("new"), folder.path().join("other"));
        put(&path, b"first").expect("put");
        File::create(&other).expect("made");
        assert_eq!(mode(&path), mode(&other));
        for kept in [0o666, 0o644, 0o640, 0o600, 0o444] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).expect("changed");
            let place = OutputFile::open(&path).expect("usable");
            let spool = place.spool("test").expect("made");
            assert_eq!(mode(spool.path()) & !kept, 0, "{kept:o}");
            place.put(spool, &|| false).expect("put");
            assert_eq!(mode(&path), kept, "{kept:o}");
        }
    }

    #[test]
    fn a_fifo_is_written_through_and_stays_one() {
        let folder = tempfile::tempdir().expect("folder");
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("made");
        let bytes: Vec<u8> = (0..300_000_u32).map(|at| at as u8).collect();
        let reader = {
            let fifo = fifo.clone();
            std::thread::spawn(move || {
                let mut all = Vec::new();
                File::open(fifo).and_then(|mut file| file.read_to_end(&mut all)).expect("read");
                all
            })
        };
        put(&fifo, &bytes).expect("put");
        assert!(reader.join().expect("ended") == bytes);
        assert!(fs::symlink_metadata(&fifo).expect("there").file_type().is_fifo());
        let error = OutputFile::open(&fifo).expect_err("no reader");
        assert!(error.to_string().contains("no reader"), "{error}");
    }

    #[test]
    fn an_open_descriptor_is_written_through() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("out");
        let mut file = File::create(&path).expect("made");
        file.write_all(b"before ").expect("written");
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        put(Path::new(&format!("/dev/fd/{number}")), b"after").expect("put");
        assert_eq!(fs::read_to_string(&path).expect("there"), "before after");
    }

    #[test]
    fn a_pipe_that_takes_nothing_is_waited_for_until_told_otherwise() {
        let (reader, writer) = io::pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("set");
        let bytes = vec![7; 1 << 20];
        let error = write_waiting(&writer, &bytes, &|| true).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let reads = std::thread::spawn(move || {
            let mut reader = reader;
            let mut all = Vec::new();
            reader.read_to_end(&mut all).expect("read");
            all.len()
        });
        write_waiting(&writer, &bytes, &|| false).expect("taken");
        drop(writer);
        assert!(reads.join().expect("ended") > bytes.len());
    }
}
