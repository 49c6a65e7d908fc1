//! Where the bytes of an upload come from.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bitsup_core::journal::{Attributes, Bytes, Difference, Identity};
use bitsup_proto::Hresult;
use socket2::Socket;

use crate::destination;
use crate::error::{Error, ErrorKind};
use crate::transport::SendResult;
use crate::transport::sendfile;

/// Time for the first read of a file that says size 0 (procfs, some FUSE file systems). A file
/// that makes a reader wait longer is a pipe in disguise.
const FIRST_READ_LIMIT: Duration = Duration::from_secs(10);
/// The system reads a file of this size as a whole without being asked to.
const SHORT: u64 = 128 * 1024;

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
    /// thread waits meanwhile. If `wake` is dropped, as the default does, there is nothing to
    /// wait for: `WouldBlock` is an error then, and ends the upload.
    fn when_ready(&self, offset: u64, wake: Wake) {
        let _ = offset;
        drop(wake);
    }
}

/// Called once, from any thread, when a source has more bytes: see [`ReadAt::when_ready`].
pub type Wake = Box<dyn FnOnce() + Send>;

/// The bytes to upload: a file, memory, or anything that can be read at an offset.
#[derive(Clone)]
pub struct Source {
    kind: Kind,
    size: u64,
    name: Option<OsString>,
}

#[derive(Clone)]
enum Kind {
    File(Arc<FileSource>),
    Other(Arc<dyn ReadAt>),
}

pub(crate) struct FileSource {
    /// Absolute, so that a later change of the current folder makes no other file of it.
    path: PathBuf,
    /// The same without links, once it was asked for.
    canonical: OnceLock<PathBuf>,
    identity: Identity,
    /// Reads of what is not in memory may take long (a network or a user-space file system always).
    remote: bool,
    /// The file system has refused to say whether a read would wait; asked only once.
    always_reads: AtomicBool,
    /// `sendfile` has refused the file: its bytes are read.
    never_passes: AtomicBool,
    is_device: bool,
    /// Spooled bytes: a file that has no name any more, so that it goes with the process.
    spool: Option<Arc<File>>,
    #[cfg(test)]
    refusal: std::sync::atomic::AtomicI32,
}

impl Source {
    /// A regular file, which is opened only while a part of it is sent. Its size, time
    /// stamp and identity are taken now, and compared before each part. A file that says size 0
    /// and holds bytes all the same, as in procfs, is spooled; a block device is read by its size.
    pub fn path(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::file(&path.into())
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
    /// system's), since every part names the total. The file has no name, and goes with the
    /// source or the process.
    pub fn spooled(stream: impl Read, folder: Option<&Path>) -> Result<Self, Error> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let spool = spool(stream, &folder, &"the input")?;
        Self::of_spool(folder, spool)
    }

    fn of_spool(folder: PathBuf, spool: File) -> Result<Self, Error> {
        let identity = identity(&spool, false)
            .map_err(|error| Error::local("cannot read what was spooled", &error))?;
        let remote = platform::may_hang(&spool);
        let spool = Some(Arc::new(spool));
        let source = FileSource { spool, ..FileSource::new(folder, identity, remote) };
        Ok(Self { kind: Kind::File(Arc::new(source)), size: identity.size, name: None })
    }

    /// The same source under another name, which becomes the `Content-Name`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its name, if it has one: the file's base name, unless that is not UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().and_then(OsStr::to_str)
    }

    /// Its name as one segment of a URL.
    pub(crate) fn url_name(&self) -> Option<String> {
        let name = self.name.as_deref().filter(|name| !name.is_empty())?;
        Some(destination::encode(name.as_bytes()))
    }

    /// Its name for a header: as it is, or percent-encoded if it is not UTF-8.
    pub(crate) fn header_name(&self) -> Option<String> {
        self.name().map(str::to_owned).or_else(|| self.url_name())
    }

    fn file(given: &Path) -> Result<Self, Error> {
        let problem = |error: &io::Error| {
            Error::local(format_args!("cannot read {}", given.display()), error)
        };
        let refuse =
            |what: &str| Error::new(ErrorKind::LocalFile, format!("{} is {what}", given.display()));
        let path = crate::options::absolute(given).map_err(|error| problem(&error))?;
        // Before opening: to open a pipe wakes its writer.
        let metadata = std::fs::metadata(&path).map_err(|error| problem(&error))?;
        if metadata.is_dir() {
            let error = problem(&io::Error::from_raw_os_error(libc::EISDIR));
            return Err(error.with_advice("It is a directory: name a file in it."));
        }
        let is_device = metadata.file_type().is_block_device();
        let is_usable = |metadata: &std::fs::Metadata| metadata.is_file() || is_device;
        if !is_usable(&metadata) {
            return Err(refuse("not a regular file: pass its content on standard input"));
        }
        let file = open(&path).map_err(|error| problem(&error))?;
        let metadata = file.metadata().map_err(|error| problem(&error))?;
        if !is_usable(&metadata) {
            return Err(refuse("not a regular file any more"));
        }
        let identity = if is_device { identity(&file, true) } else { Ok(identity_of(&metadata)) };
        let identity = identity.map_err(|error| problem(&error))?;
        let name = path.file_name().map(OsStr::to_owned);
        let remote = is_device || platform::may_hang(&file);
        if identity.size == 0 {
            let (first, rest) = first_bytes(file)?.map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    refuse("of size 0 and makes a reader wait: pass its content on standard input")
                }
                _ => problem(&error),
            })?;
            if !first.get_ref().is_empty() {
                let folder = std::env::temp_dir();
                let spool = spool(first.chain(rest), &folder, &given.display())?;
                return Ok(Self { name, ..Self::of_spool(folder, spool)? });
            }
        }
        let source = FileSource { is_device, ..FileSource::new(path, identity, remote) };
        Ok(Self { kind: Kind::File(Arc::new(source)), size: identity.size, name })
    }

    /// What a file is known by later; a device is not, since nothing tells whether it was written.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.named_file().map(|file| file.identity)
    }

    pub(crate) fn file_path(&self) -> Option<&Path> {
        self.named_file().map(|file| file.path.as_path())
    }

    /// The path under which the file is found again, whatever the working directory.
    pub(crate) fn canonical_path(&self) -> Option<&Path> {
        let file = self.named_file()?;
        let find = || std::fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
        Some(file.canonical.get_or_init(find))
    }

    fn named_file(&self) -> Option<&FileSource> {
        match &self.kind {
            Kind::File(file) if file.spool.is_none() && !file.is_device => Some(file),
            _ => None,
        }
    }

    /// Whether opening or reading it may block without a limit that bitsup knows.
    pub(crate) fn may_wait(&self) -> bool {
        match &self.kind {
            Kind::File(file) => file.remote,
            Kind::Other(reader) => reader.may_block(),
        }
    }

    /// Whether it must be opened by a worker.
    pub(crate) fn opens_slowly(&self) -> bool {
        matches!(&self.kind, Kind::File(file) if file.remote && file.spool.is_none())
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
                let file = match &source.spool {
                    Some(spool) => Arc::clone(spool),
                    None => Arc::new(open(&source.path).map_err(|error| source.problem(&error))?),
                };
                if source.identity.size > SHORT {
                    platform::reads_in_order(&file);
                }
                let opened = Opened::File(file, Arc::clone(source));
                opened.check()?;
                Ok(opened)
            }
        }
    }

    /// The same when all is sent: a file must also end where it did.
    pub(crate) fn open_at_end(&self) -> Result<Opened, Error> {
        let opened = self.open()?;
        if let Opened::File(file, source) = &opened
            && is_longer(file, source.identity.size)
        {
            return Err(changed(&source.path.display(), "it is longer than it was"));
        }
        Ok(opened)
    }
}

#[cfg(test)]
impl Source {
    /// As if its file system were a network's.
    pub(crate) fn slow(self) -> Self {
        self.changed(|file| file.remote = true)
    }

    /// As if `sendfile` ended with that error.
    pub(crate) fn refused_by_sendfile(self, errno: i32) -> Self {
        self.changed(|file| *file.refusal.get_mut() = errno)
    }

    fn changed(mut self, change: impl FnOnce(&mut FileSource)) -> Self {
        let Kind::File(file) = &mut self.kind else { panic!("it is a file") };
        change(Arc::get_mut(file).expect("it has one owner"));
        self
    }
}

impl FileSource {
    fn new(path: PathBuf, identity: Identity, remote: bool) -> Self {
        Self {
            path,
            canonical: OnceLock::new(),
            identity,
            remote,
            always_reads: AtomicBool::new(false),
            never_passes: AtomicBool::new(false),
            is_device: false,
            spool: None,
            #[cfg(test)]
            refusal: std::sync::atomic::AtomicI32::new(0),
        }
    }

    fn problem(&self, error: &io::Error) -> Error {
        Error::local(format_args!("cannot read {}", self.path.display()), error)
    }
}

/// Whether there are bytes behind the size that a file says it has.
fn is_longer(file: &File, size: u64) -> bool {
    matches!(file.read_at(&mut [0], size), Ok(1))
}

/// Opens a file without waiting, should it have become a pipe.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// What a file that says size 0 holds at its start, and the file; read once where no other
/// job waits for it.
type FirstBytes = io::Result<(io::Cursor<Vec<u8>>, File)>;

fn first_bytes(mut file: File) -> Result<FirstBytes, Error> {
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        let mut bytes = vec![0; 64 * 1024];
        let read = file.read(&mut bytes);
        let read = read.map(|count| {
            bytes.truncate(count);
            (io::Cursor::new(bytes), file)
        });
        drop(sender.send(read));
    };
    crate::engine::spawn("bitsup-source", read).map_err(|error| Error::of_thread(&error))?;
    let read = receiver.recv_timeout(FIRST_READ_LIMIT);
    Ok(read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
}

/// Copies a stream to a file in `folder` that has no name, so that nothing is left of it after a kill.
fn spool(mut stream: impl Read, folder: &Path, what: &dyn fmt::Display) -> Result<File, Error> {
    let problem = |error: &io::Error| {
        Error::local(format_args!("cannot spool {what} in {}", folder.display()), error)
    };
    let mut file = tempfile::tempfile_in(folder).map_err(|error| problem(&error))?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Ok(file),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::local(format_args!("cannot read {what}"), &error)),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        file.write_all(bytes).map_err(|error| problem(&error))?;
    }
}

/// What a file is now; the size of a device is where it ends.
fn identity(mut file: &File, is_device: bool) -> io::Result<Identity> {
    let mut identity = identity_of(&file.metadata()?);
    if is_device {
        identity.size = file.seek(io::SeekFrom::End(0))?;
    }
    Ok(identity)
}

fn identity_of(metadata: &std::fs::Metadata) -> Identity {
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
    /// Whether size and time stamp are still what they were when the upload began. Other
    /// changes are left to [`Bytes::identity`] and the hashes.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self::File(file, source) = self else { return Ok(()) };
        let now = identity(file, source.is_device).map_err(|error| source.problem(&error))?;
        match source.identity.compare(&now) {
            Difference::Content(difference) => Err(changed(&source.path.display(), difference)),
            Difference::None | Difference::Unclear { .. } => Ok(()),
        }
    }

    /// What a worker's read is if it failed or found the end: most often the file is not what it was.
    pub(crate) fn explain(&self, read: io::Result<usize>) -> io::Result<usize> {
        let failed = match &read {
            Ok(count) => *count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        if failed {
            self.check().map_err(io::Error::other)?;
        }
        read
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
        sendfile::IS_KNOWN
            && matches!(self, Self::File(_, source) if !source.remote && !source.never_passes.load(Ordering::Relaxed))
    }

    /// Has the system send up to `most` bytes from `offset` on, without waiting for the disk:
    /// if the last of them is in memory, all are taken to be, since files are read in order.
    pub(crate) fn pass(&self, connection: &Socket, offset: u64, most: usize) -> SendResult {
        let Self::File(file, source) = self else { return SendResult::Wait };
        let last = offset + (most as u64).saturating_sub(1);
        let is_in_memory = source.always_reads.load(Ordering::Relaxed)
            || platform::read_now(file.as_fd(), &mut [0], last, &source.always_reads).is_ok();
        if !is_in_memory || source.never_passes.load(Ordering::Relaxed) {
            return SendResult::Wait;
        }
        #[cfg(test)]
        if let refusal @ 1.. = source.refusal.load(Ordering::Relaxed) {
            return source.noted(sendfile::refused(rustix::io::Errno::from_raw_os_error(refusal)));
        }
        source.noted(sendfile::from_file(connection, file, offset, most))
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
            // A read that may wait has said so: nothing tells when it would not.
            Self::File(..) => drop(wake),
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

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            // A network's file system cannot say what is in memory.
            Self::File(_, source) if !source.remote => self.read_now(buffer, offset),
            _ => self.read(buffer, offset),
        }
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        let Self::File(file, source) = self else { return Ok(None) };
        // A spooled copy belongs to this process alone, and nothing tells whether a device was written.
        if source.spool.is_some() || source.is_device {
            return Ok(None);
        }
        identity(file, false).map(Some)
    }
}

/// The source is not what it was.
pub(crate) fn changed(what: &dyn fmt::Display, difference: &str) -> Error {
    let message = format!("{what} changed while it was uploaded: {difference}");
    bitsup_proto::Error::new(ErrorKind::SourceChanged, message)
        .with_code(Hresult::LOCAL_FILE_CHANGED)
        .into()
}

impl FileSource {
    /// A file that `sendfile` refused once is not offered to it again.
    fn noted(&self, passed: SendResult) -> SendResult {
        if matches!(passed, SendResult::Wait) {
            self.never_passes.store(true, Ordering::Relaxed);
        }
        passed
    }
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

/// Anything that can seek and read, one reader at a time. Clones of its [`Source`] share the
/// reader and never mix their bytes. Two readers that share a position, as clones of a
/// [`File`] do, would: give them a [`ReadAt`] of their own that reads at an offset.
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
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::AtomicBool;

    /// Reads what is in memory; `WouldBlock` if it is not. `always` remembers that this cannot
    /// be asked.
    #[cfg(target_os = "linux")]
    pub(super) fn read_now(
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
        offset: u64,
        always: &AtomicBool,
    ) -> io::Result<usize> {
        use std::sync::atomic::Ordering;

        use rustix::io::ReadWriteFlags;

        let mut slices = [io::IoSliceMut::new(buffer)];
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
    fn a_file_of_size_0_that_holds_bytes_is_spooled_under_its_name() {
        let _rule = bitsup_server::rule!("SRC-01");
        let source = Source::path("/proc/version").expect("procfs");
        let bytes = std::fs::read("/proc/version").expect("procfs");
        assert_eq!((source.size(), source.name()), (bytes.len() as u64, Some("version")));
        let mut buffer = vec![0; bytes.len()];
        source.open().expect("open").read(&mut buffer, 0).expect("read");
        assert_eq!(buffer, bytes);
        let empty = tempfile::NamedTempFile::new().expect("temporary file");
        let source = Source::path(empty.path()).expect("an empty file");
        assert_eq!(source.size(), 0);
        assert!(source.file_path().is_some());
        source.open_at_end().expect("still empty");
    }

    #[test]
    fn a_file_of_size_0_that_makes_its_reader_wait_is_an_error() {
        let _rule = bitsup_server::rule!("SRC-01");
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        )
        .expect("a pipe");
        let reader = open(&pipe).expect("opened without a writer");
        let _writer = OpenOptions::new().write(true).open(&pipe).expect("a writer");
        let error = first_bytes(reader).expect("a thread").expect_err("nothing to read");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn bytes_behind_the_size_of_a_file_are_seen() {
        let _rule = bitsup_server::rule!("SRC-01");
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(b"hello").expect("write");
        assert!(is_longer(file.as_file(), 4) && is_longer(file.as_file(), 0));
        assert!(!is_longer(file.as_file(), 5) && !is_longer(file.as_file(), 6));
    }

    #[test]
    fn a_name_that_is_not_utf_8_stays_different_from_another() {
        let _rule = bitsup_server::rule!("NAM-01");
        let folder = tempfile::tempdir().expect("folder");
        let names = [&b"caf\xe9"[..], b"caf\xe8"].map(|name| {
            let path = folder.path().join(OsStr::from_bytes(name));
            std::fs::write(&path, b"x").expect("written");
            let source = Source::path(path).expect("a file");
            assert_eq!(source.name(), None);
            (source.url_name(), source.header_name())
        });
        let twice = |name: &str| (Some(name.to_owned()), Some(name.to_owned()));
        assert_eq!(names, [twice("caf%E9"), twice("caf%E8")]);
    }

    /// Looks into the folder when half of it was read.
    struct Half<'a>(&'a Path, usize);
    impl Read for Half<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert_eq!(std::fs::read_dir(self.0).expect("folder").count(), 0);
            self.1 += 1;
            buffer[..2].copy_from_slice(b"ab");
            Ok(if self.1 > 2 { 0 } else { 2 })
        }
    }

    #[test]
    fn nothing_has_a_name_that_is_spooled() {
        let _rule = bitsup_server::rule!("SRC-05");
        let folder = tempfile::tempdir().expect("folder");
        let source = Source::spooled(Half(folder.path(), 0), Some(folder.path())).expect("spooled");
        assert_eq!(source.size(), 4);
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
        let mut buffer = [0; 4];
        assert_eq!(source.open().expect("open").read(&mut buffer, 0).expect("read"), 4);
        assert_eq!(&buffer, b"abab");
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
