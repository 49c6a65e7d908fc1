//! Where the bytes of an upload come from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitsup_core::journal::{Attributes, Bytes, Difference, Identity};
use bitsup_proto::Hresult;
use socket2::Socket;

use crate::error::{Error, ErrorKind};
use crate::sendfile;
use crate::transport::BodyPass;

/// Random access to bytes; called from threads of the client, several at a time.
pub trait ReadAt: Send + Sync {
    /// Reads at least one byte at `offset` into `buffer`, unless `offset` is the end: then 0.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Whether reading may take long (disk, network, an interpreter's lock). What cannot
    /// is read on the engine's thread, which is fastest.
    fn may_block(&self) -> bool {
        true
    }

    /// For bytes that are still being made: after [`ReadAt::read_at`] said `WouldBlock`, calls
    /// `wake` when reading at `offset` makes sense again, at once if it does already. So no
    /// thread waits meanwhile. The default asks again at once, which suits only a reader that
    /// never says `WouldBlock`.
    fn when_ready(&self, offset: u64, wake: Wake) {
        let _ = offset;
        wake();
    }
}

/// Called once, from any thread, when a source has more bytes: see [`ReadAt::when_ready`].
pub type Wake = Box<dyn FnOnce() + Send>;

/// The bytes to upload: a file, memory, or anything that can be read at an offset.
#[derive(Clone)]
pub struct Source {
    kind: Kind,
    size: u64,
    name: Option<String>,
}

#[derive(Clone)]
enum Kind {
    File(Arc<FileSource>),
    Other(Arc<dyn ReadAt>),
}

pub(crate) struct FileSource {
    path: PathBuf,
    identity: Identity,
    /// Reads of what is not in memory may take long (a network or a user-space file system always).
    remote: bool,
    /// The file system has refused to say whether a read would wait; asked only once.
    always_reads: AtomicBool,
    /// Kept alive, and so deleted, with the source: standard input is spooled to a temporary file.
    spooled: Option<tempfile::TempPath>,
}

impl Source {
    /// A regular file, which is opened only while a part of it is sent. Its size, time
    /// stamp and identity are taken now, and compared before each part.
    pub fn path(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::file(path.into(), None)
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = Memory(bytes.into());
        let size = bytes.0.len() as u64;
        Self { kind: Kind::Other(Arc::new(bytes)), size, name: None }
    }

    /// `size` bytes that are read through `reader`.
    pub fn read_at(reader: impl ReadAt + 'static, size: u64) -> Self {
        Self { kind: Kind::Other(Arc::new(reader)), size, name: None }
    }

    /// A stream of unknown length: it is first copied to a temporary file in `folder` (or the
    /// system's), since every part names the total. The file is deleted with the source.
    pub fn spooled(mut stream: impl Read, folder: Option<&Path>) -> Result<Self, Error> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let problem = |error: &io::Error| {
            Error::local(format_args!("cannot spool the input in {}", folder.display()), error)
        };
        let mut file = tempfile::Builder::new()
            .prefix("bitsup-spool-")
            .tempfile_in(&folder)
            .map_err(|error| problem(&error))?;
        io::copy(&mut stream, &mut file).map_err(|error| problem(&error))?;
        file.flush().map_err(|error| problem(&error))?;
        let path = file.into_temp_path();
        Self::file(path.to_path_buf(), Some(path))
    }

    /// The same source under another name, which becomes the `Content-Name`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its name, if it has one: the file's base name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn file(path: PathBuf, spooled: Option<tempfile::TempPath>) -> Result<Self, Error> {
        let problem =
            |error: &io::Error| Error::local(format_args!("cannot read {}", path.display()), error);
        let refuse =
            |what: &str| Error::new(ErrorKind::LocalFile, format!("{} is {what}", path.display()));
        // Before opening: opening a pipe would wait for its writer.
        let metadata = std::fs::metadata(&path).map_err(|error| problem(&error))?;
        if metadata.is_dir() {
            let error = problem(&io::Error::from_raw_os_error(libc::EISDIR));
            return Err(error.with_advice("It is a directory: name a file in it."));
        }
        if !metadata.is_file() {
            return Err(refuse("not a regular file: pass its content on standard input"));
        }
        let file = File::open(&path).map_err(|error| problem(&error))?;
        let metadata = file.metadata().map_err(|error| problem(&error))?;
        let identity = identity(&metadata);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let remote = platform::may_hang(&file);
        let name = if spooled.is_some() { None } else { name };
        let source =
            FileSource { path, identity, remote, always_reads: AtomicBool::new(false), spooled };
        Ok(Self { kind: Kind::File(Arc::new(source)), size: identity.size, name })
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        match &self.kind {
            Kind::File(file) if file.spooled.is_none() => Some(file.identity),
            _ => None,
        }
    }

    pub(crate) fn file_path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::File(file) if file.spooled.is_none() => Some(&file.path),
            _ => None,
        }
    }

    /// The bytes, if they are read without waiting for anything.
    pub(crate) fn in_memory(&self) -> Option<Opened> {
        match &self.kind {
            Kind::Other(reader) if !reader.may_block() => Some(Opened::Other(Arc::clone(reader))),
            _ => None,
        }
    }

    /// Opens the source for a part. A file that is not what it was is an error.
    pub(crate) fn open(&self) -> Result<Opened, Error> {
        match &self.kind {
            Kind::Other(reader) => Ok(Opened::Other(Arc::clone(reader))),
            Kind::File(source) => {
                let file = File::open(&source.path).map_err(|error| {
                    Error::local(format_args!("cannot read {}", source.path.display()), &error)
                })?;
                platform::reads_in_order(&file);
                let opened = Opened::File(Arc::new(file), Arc::clone(source));
                opened.check()?;
                Ok(opened)
            }
        }
    }
}

fn identity(metadata: &std::fs::Metadata) -> Identity {
    Identity {
        size: metadata.size(),
        modified_s: metadata.mtime(),
        modified_ns: metadata.mtime_nsec(),
        device: metadata.dev(),
        inode: metadata.ino(),
        changed: Some((metadata.ctime(), metadata.ctime_nsec())),
        attributes: Attributes {
            mode: metadata.mode(),
            owner: metadata.uid(),
            group: metadata.gid(),
            links: metadata.nlink(),
        },
    }
}

/// A source while a part of it is sent.
#[derive(Clone)]
pub(crate) enum Opened {
    File(Arc<File>, Arc<FileSource>),
    Other(Arc<dyn ReadAt>),
}

impl Opened {
    /// Whether size and time stamp are still what they were when the upload began. What else may
    /// have changed is for [`Bytes::identity`] and the hashes to tell.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self::File(file, source) = self else { return Ok(()) };
        let metadata = file.metadata().map_err(|error| {
            Error::local(format_args!("cannot read {}", source.path.display()), &error)
        })?;
        match source.identity.compare(&identity(&metadata)) {
            Difference::Content(difference) => Err(changed(&source.path.display(), difference)),
            Difference::None | Difference::Unclear { .. } => Ok(()),
        }
    }

    /// Reads without waiting; `WouldBlock` if that cannot be.
    pub(crate) fn read_now(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Other(reader) if reader.may_block() => Err(io::ErrorKind::WouldBlock.into()),
            Self::Other(reader) => reader.read_at(buffer, offset),
            Self::File(_, source) if source.remote => Err(io::ErrorKind::WouldBlock.into()),
            Self::File(file, source) => {
                platform::read_now(file.as_fd(), buffer, offset, &source.always_reads)
            }
        }
    }

    /// Whether [`Opened::pass`] can be used.
    pub(crate) fn can_pass(&self) -> bool {
        sendfile::IS_KNOWN && matches!(self, Self::File(_, source) if !source.remote)
    }

    /// Has the system send up to `most` bytes from `offset` on, without waiting for the disk:
    /// if the last of them is in memory, all are taken to be, since files are read in order.
    pub(crate) fn pass(&self, connection: &Socket, offset: u64, most: usize) -> BodyPass {
        let Self::File(file, source) = self else { return BodyPass::Wait };
        let last = offset + (most as u64).saturating_sub(1);
        let is_in_memory = source.always_reads.load(Ordering::Relaxed)
            || platform::read_now(file.as_fd(), &mut [0], last, &source.always_reads).is_ok();
        if !is_in_memory {
            return BodyPass::Wait;
        }
        sendfile::from_file(connection, file, offset, most)
    }

    /// Whether no read can be done at once, so that it is worth to begin the next one early.
    pub(crate) fn always_waits(&self) -> bool {
        match self {
            Self::Other(reader) => reader.may_block(),
            Self::File(_, source) => source.remote,
        }
    }

    /// What is at `offset` will be read soon.
    pub(crate) fn soon(&self, offset: u64) {
        if let Self::File(file, source) = self
            && !source.remote
        {
            platform::fetch(file, offset);
        }
    }

    /// Calls `wake` when a read makes sense again that said `WouldBlock`.
    pub(crate) fn when_ready(&self, offset: u64, wake: Wake) {
        match self {
            Self::Other(reader) => reader.when_ready(offset, wake),
            Self::File(..) => wake(),
        }
    }
}

impl Bytes for Opened {
    /// Waits if it must.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Other(reader) => reader.read_at(buffer, offset),
                Self::File(file, _) => file.read_at(buffer, offset),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        let Self::File(file, source) = self else { return Ok(None) };
        // Nobody else has a spooled copy.
        let is_ours = source.spooled.is_some();
        file.metadata().map(|metadata| (!is_ours).then(|| identity(&metadata)))
    }
}

/// The source is not what it was.
pub(crate) fn changed(what: &dyn fmt::Display, difference: &str) -> Error {
    let message = format!("{what} changed while it was uploaded: {difference}");
    bitsup_proto::Error::new(ErrorKind::SourceChanged, message)
        .with_code(Hresult::LOCAL_FILE_CHANGED)
        .into()
}

struct Memory(Arc<[u8]>);

impl ReadAt for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let mut rest = rest;
        rest.read(buffer)
    }

    fn may_block(&self) -> bool {
        false
    }
}

/// Anything that can seek and read, one reader at a time.
pub struct Seekable<T>(std::sync::Mutex<T>);

impl<T: Read + Seek + Send> Seekable<T> {
    /// Wraps it.
    pub fn new(inner: T) -> Self {
        Self(std::sync::Mutex::new(inner))
    }
}

impl<T: Read + Seek + Send> ReadAt for Seekable<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.seek(io::SeekFrom::Start(offset))?;
        inner.read(buffer)
    }
}

impl<T> fmt::Debug for Seekable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seekable").finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("size", &self.size)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

mod platform {
    //! What differs between systems.

    use std::fs::File;
    use std::io::{self, IoSliceMut};
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::io::ReadWriteFlags;

    /// Reads what is in memory; `WouldBlock` if it is not. `always` remembers that this cannot
    /// be asked.
    #[cfg(target_os = "linux")]
    pub(super) fn read_now(
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
        offset: u64,
        always: &AtomicBool,
    ) -> io::Result<usize> {
        let mut slices = [IoSliceMut::new(buffer)];
        if !always.load(Ordering::Relaxed) {
            match rustix::io::preadv2(fd, &mut slices, offset, ReadWriteFlags::NOWAIT) {
                // tmpfs does not know the flag; it has everything in memory.
                Err(rustix::io::Errno::OPNOTSUPP) => always.store(true, Ordering::Relaxed),
                result => return Ok(result?),
            }
        }
        Ok(rustix::io::preadv(fd, &mut slices, offset)?)
    }

    /// How much is fetched from the disk while what was read is sent.
    #[cfg(target_os = "linux")]
    const FETCHED: std::num::NonZeroU64 = std::num::NonZeroU64::new(4 << 20).unwrap();

    /// Lets the system read further ahead than for a file of which it knows nothing.
    #[cfg(target_os = "linux")]
    pub(super) fn reads_in_order(file: &File) {
        // Advice: without it all works as well.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
    }

    /// Begins to read from the disk what will be wanted next; may wait.
    #[cfg(target_os = "linux")]
    pub(super) fn fetch(file: &File, offset: u64) {
        let _ = rustix::fs::fadvise(file, offset, Some(FETCHED), rustix::fs::Advice::WillNeed);
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn reads_in_order(_: &File) {}

    #[cfg(not(target_os = "linux"))]
    pub(super) fn fetch(_: &File, _: u64) {}

    /// Whether a read may hang although it is asked not to wait: network and user-space
    /// file systems do not know the flag.
    #[cfg(target_os = "linux")]
    pub(super) fn may_hang(file: &File) -> bool {
        const EXT: i64 = 0xEF53;
        const XFS: i64 = 0x5846_5342;
        const BTRFS: i64 = 0x9123_683E;
        const TMPFS: i64 = 0x0102_1994;
        const F2FS: i64 = 0xF2F5_2010;
        const OVERLAY: i64 = 0x794C_7630;
        let known = [EXT, XFS, BTRFS, TMPFS, F2FS, OVERLAY];
        !rustix::fs::fstatfs(file).is_ok_and(|fs| known.contains(&fs.f_type))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn read_now(
        _: BorrowedFd<'_>,
        _: &mut [u8],
        _: u64,
        _: &AtomicBool,
    ) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn may_hang(_: &File) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_noticed() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(b"hello").expect("write");
        let source = Source::path(file.path()).expect("source");
        assert_eq!(source.size(), 5);
        let mut buffer = [0; 8];
        let opened = source.open().expect("unchanged");
        assert_eq!(opened.read(&mut buffer, 1).expect("read"), 4);
        file.write_all(b"more").expect("write");
        let error = opened.check().expect_err("changed");
        assert_eq!(error.kind(), ErrorKind::SourceChanged);
        assert!(source.open().is_err());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Source::path(folder.path()).expect_err("a directory");
        assert!(error.to_string().contains("directory"), "{error}");
        let error = Source::path(folder.path().join("missing")).expect_err("missing");
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        let error = Source::path("/dev/null").expect_err("a device");
        assert!(error.to_string().contains("regular file"), "{error}");
    }

    #[test]
    fn a_spooled_stream_has_a_size() {
        let source = Source::spooled(&b"streamed"[..], None).expect("spooled");
        assert_eq!((source.size(), source.name()), (8, None));
        let mut buffer = [0; 8];
        source.open().expect("open").read(&mut buffer, 0).expect("read");
        assert_eq!(&buffer, b"streamed");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_cannot_say_whether_a_read_waits_is_asked_once_a_file() {
        use std::sync::atomic::Ordering;
        // tmpfs refuses the question; where this is none, there is nothing to see.
        let Ok(file) = tempfile::NamedTempFile::new_in("/dev/shm") else { return };
        std::fs::write(file.path(), b"abc").expect("written");
        let source = Source::path(file.path()).expect("a file");
        let Kind::File(state) = &source.kind else { panic!("it is a file") };
        let refuses = {
            let mut byte = [0];
            let mut slices = [io::IoSliceMut::new(&mut byte)];
            let flags = rustix::io::ReadWriteFlags::NOWAIT;
            let asked = rustix::io::preadv2(file.as_file(), &mut slices, 0, flags);
            asked == Err(rustix::io::Errno::OPNOTSUPP)
        };
        assert!(!state.always_reads.load(Ordering::Relaxed));
        // Each part opens the file anew.
        for _ in 0..3 {
            let opened = source.open().expect("opened");
            let mut buffer = [0; 8];
            assert_eq!(opened.read_now(&mut buffer, 1).expect("in memory"), 2);
            assert_eq!(buffer[..2], *b"bc");
            assert_eq!(state.always_reads.load(Ordering::Relaxed), refuses);
        }
    }
}
