"""What can be uploaded, brought into the form that the native part reads."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import logging
import operator
import os
import pickle
import re
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self

from ._errors import InvalidArgumentError, local_file_error

READ_SIZE = 256 * 1024
"""Bytes that a file without a position is asked for at a time."""

WHAT = "give a path, bytes, a binary file, or an iterable of bytes"

FRAME = "it has no bytes until a format is chosen; write it to a file first, e.g. with to_parquet(…)"
ADVICE = {
    "DataFrame": FRAME,
    "LazyFrame": FRAME,
    "Series": FRAME,
    "TarInfo": "it only names a member; give tar.extractfile(member)",
    "ZipInfo": "it only names a member; give archive.open(member)",
}
"""By the name of a class: what to do with what is often taken for bytes."""


class Use:
    """A caller's object while it is uploaded, perhaps several times at once."""

    def __init__(self, source: Any) -> None:
        self.source = source
        """Held, so that no other object can have its id."""
        # Members of one tar file read through one file: each of them seeks first.
        self.inner: Any = getattr(getattr(source, "raw", None), "fileobj", source)
        self.lock: Any = _locks.setdefault(id(self.inner), threading.Lock())
        self.uploads = 0
        self.start = 0
        """Where its uploads begin."""
        self.left_at: int | None = None
        """Where they left its position."""


_locks: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_uses: weakref.WeakValueDictionary[int, Use] = weakref.WeakValueDictionary()
_uses_lock = threading.Lock()


def _use(source: Any, once: bool) -> Use:
    with _uses_lock:
        use = _uses.get(id(source))
        if use is None or not use.uploads:
            use = _uses[id(source)] = Use(source)
        elif once:
            raise InvalidArgumentError(
                "an upload of this object is running, and its bytes come once: upload it when that has ended"
            )
        use.uploads += 1
        return use


def _leave(use: Use) -> None:
    with _uses_lock:
        use.uploads -= 1


def _of_caller(trace: TracebackType | None) -> TracebackType | None:
    """The frames of the caller's code: those here hold the source."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


class Readable:
    """What the native part asks for bytes, until it is closed."""

    def __init__(self, use: Use | None = None) -> None:
        self.failure: BaseException | None = None
        self.use = use
        self._lock: Any = threading.Lock() if use is None else use.lock

    def read_at(self, offset: int, size: int) -> bytes | None:
        """Bytes at ``offset``; ``None`` if they are not there yet."""
        try:
            with self._lock:
                return self._read(offset, size)
        except BaseException as problem:
            if self.use is not None and self.failure is None:
                self.failure = problem.with_traceback(_of_caller(problem.__traceback__))
            # Another one, since each frame that an exception passes is kept by it.
            raise RuntimeError(f"{type(problem).__name__}: {problem}") from None

    def _read(self, offset: int, size: int) -> bytes | None:
        raise NotImplementedError

    def _source(self) -> Use:
        if self.use is None:
            raise InvalidArgumentError("the upload has ended")
        return self.use

    def close(self) -> None:
        """Lets the caller's object go, for another upload of it too."""
        use, self.use = self.use, None
        self.failure = None
        if use is not None:
            _leave(use)


class Prepared:
    """A source, ready for the native part."""

    def __init__(self, native: Any, size: int | None = None, name: str | None = None, *, once: bool = False) -> None:
        self.native: Any = native
        self.size = size
        self.name = name
        self.once = once
        """Whether its bytes can be read a second time only as far as they are kept."""
        self.held: list[Callable[[], object]] = []
        """What lets go what is held for it, the last first."""
        self.failure: BaseException | None = None
        """The exception of the caller's object, if it raised one."""

    def release(self) -> None:
        """The upload has ended, or could not begin: the caller's object is free."""
        if isinstance(self.native, Readable):
            self.failure = self.native.failure
            self.native.close()
        while self.held:
            self.held.pop()()
        self.native = None


def prepare(source: Any, size: int | None, spool: str | None = None) -> Prepared:
    """Finds out what ``source`` is. ``size`` is needed for nothing, and elsewhere than for streams it must be right."""
    if size is not None:
        size = checked_size(size)
    if isinstance(source, (str, os.PathLike)):
        _check_same(size, None, "a path")
        path = _decoded(source)
        if "\0" in path:
            raise InvalidArgumentError("the path has a null character in it: no file has such a name")
        return Prepared(path)
    if isinstance(source, bytes):
        _check_same(size, len(source), "the bytes")
        # A subclass may have methods of its own.
        return Prepared(source)
    if is_asynchronous_source(source):
        raise TypeError("an asynchronous source needs an event loop: use upload_async, or collect it in a file, and upload that")
    try:
        # Before files: an mmap is both, and a buffer needs no lock around seek and read.
        view = memoryview(source)
    except TypeError:
        return _file(source, size, spool) if hasattr(source, "read") else _iterable(source, size, spool)
    with view:
        return _buffer(view, source, size)


def _decoded(path: Any) -> str:
    return os.fsdecode(path)


def checked_size(given: Any) -> int:
    """A number of bytes, checked."""
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise TypeError(f"size must be an int, not {type(given).__name__}")
    size = operator.index(given)
    if not 0 <= size < 1 << 63:
        raise InvalidArgumentError(f"a size of {size} bytes cannot be: give the number of bytes of the source")
    return size


def is_asynchronous_source(source: Any) -> bool:
    """Whether its bytes must be awaited."""
    return hasattr(source, "__aiter__") or inspect.iscoroutinefunction(getattr(source, "read", None))


def chunks_of(source: Any) -> AsyncIterator[Any]:
    """The chunks of an asynchronous source: of a reader with ``await read(size)``, or of an iterator."""
    read = getattr(source, "read", None)
    # Readers too can be iterated over, by lines.
    return _read_all(read) if callable(read) else source.__aiter__()


async def _read_all(read: Any) -> AsyncIterator[bytes]:
    while chunk := await read(READ_SIZE):
        yield chunk


def _buffer(view: memoryview, source: Any, size: int | None) -> Prepared:
    if not view.c_contiguous:
        raise TypeError(
            "the buffer is not contiguous: make a copy of it, e.g. with bytes(…) or numpy.ascontiguousarray(…)"
        )
    # Names of fields stand between colons.
    if re.search("[OPX&]", re.sub(":[^:]*:", "", view.format)):
        raise TypeError("the buffer holds addresses of objects, not their bytes: convert it first, e.g. with astype(…)")
    _check_same(size, view.nbytes, "the buffer")
    # Its bytes, whatever the format.
    raw = pickle.PickleBuffer(source)
    try:
        prepared = Prepared(raw.raw())
    except BaseException:
        raw.release()
        raise
    prepared.held = [raw.release, prepared.native.release]
    return prepared


def _file(file: Any, size: int | None, spool: str | None) -> Prepared:
    if isinstance(file, io.TextIOBase):
        raise TypeError("the file is open in text mode: open it with mode 'rb'")
    if getattr(file, "closed", False):
        raise InvalidArgumentError("the file is closed: open it, and close it when the upload has ended")
    if hasattr(file, "readable") and not file.readable():
        raise InvalidArgumentError("the file is not open for reading: open it with mode 'rb'")
    name = getattr(file, "name", None)
    name = os.path.basename(name) if isinstance(name, str) else None
    seekable = getattr(file, "seekable", None)
    if seekable is None or not seekable():
        return _stream(file, iter(lambda: bytes_of(file.read(READ_SIZE)), b""), size, name, spool)
    if isinstance(file.read(0), str):
        raise TypeError("the file gives str: open it with mode 'rb'")
    prepared = Prepared(SeekableFile(file, _use(file, once=False)), 0, name)
    try:
        prepared.size = prepared.native.measure()
        _check_same(size, prepared.size, "the file from its position on")
    except BaseException:
        prepared.release()
        raise
    return prepared


def _iterable(source: Any, size: int | None, spool: str | None) -> Prepared:
    kind = type(source).__name__
    try:
        chunks = None if kind in ADVICE or isinstance(source, (dict, set)) else iter(source)
    except TypeError:
        chunks = None
    if chunks is None:
        raise TypeError(f"a {kind} cannot be uploaded: {ADVICE.get(kind, WHAT)}")
    return _stream(chunks, chunks, size, None, spool)


def _stream(source: Any, chunks: Iterator[Any], size: int | None, name: str | None, spool: str | None) -> Prepared:
    use = _use(source, once=True)
    if size is not None:
        return Prepared(Stream(chunks, size, use), size, name, once=True)
    try:
        with use.lock, Spool(spool) as spooled:
            for chunk in chunks:
                spooled.write(chunk)
            return spooled.prepared(name)
    finally:
        _leave(use)


async def spooled_async(source: Any, folder: str | None) -> Prepared:
    """The same of an asynchronous source."""
    with Spool(folder) as spooled:
        async for chunk in chunks_of(source):
            await asyncio.to_thread(spooled.write, chunk)
        return spooled.prepared(None)


class Spool:
    """A temporary file for a stream that does not say its size: each part of an upload names the total."""

    def __init__(self, folder: str | None) -> None:
        self._written = 0
        self._folder = folder or "a folder for temporary files"
        with self._explained():
            self._folder = folder or tempfile.gettempdir()
            self._file: Any = tempfile.TemporaryFile(dir=self._folder, buffering=0)
        logging.getLogger("bitsup").info("a stream is spooled in %s before it is sent; %s", self._folder, SPOOLED)

    def write(self, chunk: Any) -> None:
        """Appends."""
        rest = memoryview(bytes_of(chunk) or b"")
        with self._explained():
            while rest:
                written = self._file.write(rest)
                rest = rest[written:]
                self._written += written

    def prepared(self, name: str | None) -> Prepared:
        """The upload of all that was written, which closes the file."""
        file, self._file = self._file, None
        file.seek(0)
        prepared = Prepared(SeekableFile(file, _use(file, once=False)), self._written, name, once=True)
        prepared.held = [file.close]
        return prepared

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    @contextlib.contextmanager
    def _explained(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as problem:
            raise local_file_error(
                f"cannot spool a stream in {self._folder} after {self._written} bytes: {problem.strerror}; {SPOOLED}", problem
            ) from None


SPOOLED = "give size= to send it as it comes, or name another folder with TMPDIR, or state_dir"


class SeekableFile(Readable):
    """A binary file object, read from where it stood. Its uploads share its position and its lock."""

    def __init__(self, file: Any, use: Use) -> None:
        super().__init__(use)
        self._start = 0

    def measure(self) -> int:
        """How many bytes follow the position; one where another upload left it is none of the caller's."""
        use = self._source()
        file = use.source
        with use.lock:
            start = int(file.tell())
            if start == use.left_at:
                start = use.start
            # Not every file-like object returns its position from seek().
            file.seek(0, os.SEEK_END)
            end = int(file.tell())
            file.seek(start)
            self._start = use.start = use.left_at = start
        if start >= end > 0:
            raise InvalidArgumentError(
                f"the file stands at its end, after {end} bytes, so that nothing would be sent: call its seek(0) first"
            )
        return max(end - start, 0)

    def _read(self, offset: int, size: int) -> bytes:
        """Seeks and reads; the file's position is ours while the upload runs."""
        use = self._source()
        use.source.seek(self._start + offset)
        read = bytes_of(use.source.read(size)) or b""
        use.left_at = self._start + offset + len(read)
        return read


class Kept:
    """What came of a stream, as much as one Fragment may need again."""

    def __init__(self) -> None:
        self.end = 0
        self._chunks: deque[tuple[int, bytes]] = deque()

    def append(self, chunk: bytes) -> None:
        """Adds what follows."""
        if chunk:
            self._chunks.append((self.end, chunk))
            self.end += len(chunk)

    def forget(self, before: int) -> None:
        """Drops the chunks before that offset: they are not read again."""
        while self._chunks and self._chunks[0][0] + len(self._chunks[0][1]) < before:
            self._chunks.popleft()

    def part(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes at ``offset``."""
        for start, chunk in self._chunks:
            if start <= offset < start + len(chunk):
                return chunk[offset - start : offset - start + size]
        raise InvalidArgumentError(
            f"the server wants to go on at byte {offset}, which the stream gave already and cannot give again: upload a file instead"
        )


class Stream(Readable):
    """Chunks that come once."""

    def __init__(self, chunks: Iterator[Any], size: int, use: Use) -> None:
        super().__init__(use)
        self.window = 0
        """Bytes that are kept behind what was read: one Fragment may have to be sent again. Set when it starts."""
        self._chunks: Iterator[Any] = chunks
        self._size = size
        self._kept = Kept()

    def close(self) -> None:
        """Lets the caller's object go."""
        super().close()
        self._chunks = iter(())

    def _read(self, offset: int, size: int) -> bytes:
        # No name here holds the source: the frame of a generator that failed goes back to this one.
        while offset >= self._kept.end:
            if offset >= self._size:
                return b""
            chunk = bytes_of(next(self._chunks, None))
            if chunk is None:
                raise InvalidArgumentError(f"the source ended after {self._kept.end} of {self._size} bytes: give the right size=")
            self._kept.append(chunk)
            check_not_more(self._kept.end, self._size)
            self._kept.forget(self._kept.end - self.window)
        part = self._kept.part(offset, size)
        if offset + len(part) == self._size:
            # The last byte is given only if it is the last, so that a longer source is never complete on the server.
            while (chunk := bytes_of(next(self._chunks, None))) is not None:
                check_not_more(self._size + len(chunk), self._size)
        return part


def check_not_more(given: int, size: int) -> None:
    """Refuses a source that is longer than it was said to be."""
    if given > size:
        raise InvalidArgumentError(f"the source gave more than the {size} bytes of size=: give the right size=")


def bytes_of(chunk: Any) -> bytes | None:
    """A chunk as bytes; ``None`` stays."""
    if chunk is None or isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        raise TypeError("the source gives str: give bytes (files: open with mode 'rb'; text: encode it)")
    try:
        return bytes(memoryview(chunk))
    except TypeError:
        raise TypeError(f"the source gives {type(chunk).__name__}: give bytes") from None


def _check_same(given: int | None, found: int | None, what: str) -> None:
    if given is None or given == found:
        return
    if found is None:
        raise InvalidArgumentError(f"size= is for streams; {what} has its own size: leave it out")
    raise InvalidArgumentError(f"size= is {given}, but {what} has {found} bytes: leave it out")
