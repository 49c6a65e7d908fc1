"""What can be uploaded, brought into the form that the native part reads."""

from __future__ import annotations

import _thread
import io
import os
import weakref

from ._errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator
    from typing import Any

STREAM_FRAGMENT = 4 * 1024 * 1024
"""Fragments of a stream are not larger: a stream is kept back to the last Fragment, in memory."""


class Use:
    """A caller's object while it is uploaded, perhaps several times at once."""

    def __init__(self, source: Any) -> None:
        self.source = source
        """Held, so that no other object can have its id."""
        self.lock = _thread.allocate_lock()
        self.uploads = 0
        self.start = 0
        """Where its uploads begin."""
        self.left_at: int | None = None
        """Where they left its position."""


_uses: weakref.WeakValueDictionary[int, Use] = weakref.WeakValueDictionary()
_uses_lock = _thread.allocate_lock()


def _use(source: Any, comes_once: bool) -> Use:
    with _uses_lock:
        use = _uses.get(id(source))
        if use is None or not use.uploads:
            use = _uses[id(source)] = Use(source)
        elif comes_once:
            raise InvalidArgumentError(
                "an upload of this object is running, and its bytes come once: upload it when that has ended"
            )
        use.uploads += 1
        return use


class Prepared:
    """A source, ready for the native part."""

    def __init__(self, native: Any, size: int | None = None, name: str | None = None) -> None:
        self.native = native
        self.size = size
        self.name = name

    @property
    def comes_once(self) -> bool:
        """Whether nobody can read it a second time, but for what is kept of it."""
        return hasattr(self.native, "window")

    def release(self) -> None:
        """The upload has ended: the caller's object is free for another one."""
        use: Use | None = getattr(self.native, "use", None)
        if use is not None:
            self.native.use = None
            with _uses_lock:
                use.uploads -= 1

    @property
    def failure(self) -> BaseException | None:
        """The exception of the caller's object, if it raised one."""
        found: BaseException | None = getattr(self.native, "failure", None)
        return found


def prepare(source: Any, size: int | None) -> Prepared:
    """Finds out what ``source`` is. ``size`` is needed for streams only; elsewhere it must be right."""
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
    try:
        # Before files: an mmap is both, and a buffer needs no lock around seek and read.
        view = memoryview(source)
    except TypeError:
        return _file(source, size) if hasattr(source, "read") else _iterable(source, size)
    if not view.c_contiguous:
        raise TypeError(
            "the buffer is not contiguous: make a copy of it, e.g. with bytes(…) or numpy.ascontiguousarray(…)"
        )
    _check_same(size, view.nbytes, "the buffer")
    # An empty view cannot be cast.
    return Prepared(view.cast("B") if view.nbytes else b"")


def _decoded(path: Any) -> str:
    return os.fsdecode(path)


def checked_size(given: Any) -> int:
    """A number of bytes, checked."""
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise TypeError(f"size must be an int, not {type(given).__name__}")
    import operator

    size = operator.index(given)
    if not 0 <= size < 1 << 63:
        raise InvalidArgumentError(f"a size of {size} bytes cannot be: give the number of bytes of the source")
    return size


def _file(file: Any, size: int | None) -> Prepared:
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
        chunks = iter(lambda: _bytes_of(file.read(256 * 1024)), b"")
        return _stream(file, chunks, size, name, "a file that cannot seek")
    if isinstance(file.read(0), str):
        raise TypeError("the file gives str: open it with mode 'rb'")
    prepared = Prepared(SeekableFile(file, _use(file, comes_once=False)), 0, name)
    try:
        prepared.size = prepared.native.measure()
        _check_same(size, prepared.size, "the file from its position on")
    except BaseException:
        prepared.release()
        raise
    return prepared


def _iterable(source: Any, size: int | None) -> Prepared:
    if hasattr(source, "__aiter__"):
        raise TypeError("an asynchronous iterator cannot be uploaded: collect it in a temporary file, and upload that")
    try:
        chunks = iter(source)
    except TypeError:
        raise TypeError(
            f"a {type(source).__name__} cannot be uploaded: give a path, bytes, a binary file, or an iterable of bytes with size="
        ) from None
    return _stream(chunks, chunks, size, None, "an iterable")


def _stream(source: Any, chunks: Iterator[Any], size: int | None, name: str | None, what: str) -> Prepared:
    if size is None:
        raise TypeError(f"{what} needs size=, the number of bytes that it will give: every part of an upload names the total")
    return Prepared(Stream(chunks, size, _use(source, comes_once=True)), size, name)


class SeekableFile:
    """A binary file object, read from where it stood. Its uploads share its position and its lock."""

    def __init__(self, file: Any, use: Use) -> None:
        import threading as _  # here, where the caller is: see load_threading

        self.failure: BaseException | None = None
        self.use: Use | None = use
        self._file = file
        self._shared = use
        self._start = 0

    def measure(self) -> int:
        """How many bytes follow the position; one where another upload left it is none of the caller's."""
        with self._shared.lock:
            start = int(self._file.tell())
            if start == self._shared.left_at:
                start = self._shared.start
            # Not every file-like object returns its position from seek().
            self._file.seek(0, os.SEEK_END)
            end = int(self._file.tell())
            self._file.seek(start)
            self._start = self._shared.start = self._shared.left_at = start
        if start >= end > 0:
            raise InvalidArgumentError(
                f"the file stands at its end, after {end} bytes, so that nothing would be sent: call its seek(0) first"
            )
        return max(end - start, 0)

    def read_at(self, offset: int, size: int) -> bytes:
        """Seeks and reads; the file's position is ours while the upload runs."""
        try:
            with self._shared.lock:
                self._file.seek(self._start + offset)
                read = _bytes_of(self._file.read(size)) or b""
                self._shared.left_at = self._start + offset + len(read)
                return read
        except BaseException as problem:
            self.failure = self.failure or problem
            raise


class Stream:
    """Chunks that come once, with as much kept as one Fragment may need again."""

    def __init__(self, chunks: Iterator[Any], size: int, use: Use) -> None:
        import threading as _  # here, where the caller is: see load_threading
        from collections import deque

        self.failure: BaseException | None = None
        self.use: Use | None = use
        self.window = STREAM_FRAGMENT
        self._chunks = chunks
        self._size = size
        self._kept: deque[tuple[int, bytes]] = deque()
        self._end = 0
        self._lock = use.lock

    def read_at(self, offset: int, size: int) -> bytes:
        """From what is kept, else from the next chunk."""
        try:
            with self._lock:
                return self._read(offset, size)
        except BaseException as problem:
            self.failure = self.failure or problem
            raise

    def _read(self, offset: int, size: int) -> bytes:
        while offset >= self._end:
            if offset >= self._size:
                return b""
            self._take()
        for start, chunk in self._kept:
            if start <= offset < start + len(chunk):
                part = chunk[offset - start : offset - start + size]
                if offset + len(part) == self._size:
                    self._check_end()
                return part
        raise InvalidArgumentError(
            f"the server wants to go on at byte {offset}, which the stream gave already and cannot give again: upload a file instead"
        )

    def _take(self) -> None:
        chunk = _bytes_of(next(self._chunks, None))
        if chunk is None:
            raise InvalidArgumentError(f"the source ended after {self._end} of {self._size} bytes: give the right size=")
        if not chunk:
            return
        self._kept.append((self._end, chunk))
        self._end += len(chunk)
        self._check_size()
        while self._kept and self._kept[0][0] + len(self._kept[0][1]) < self._end - self.window:
            self._kept.popleft()

    def _check_end(self) -> None:
        """The last byte is given only if it is the last, so that a longer source is never complete on the server."""
        while (chunk := _bytes_of(next(self._chunks, None))) is not None:
            self._end += len(chunk)
            self._check_size()

    def _check_size(self) -> None:
        if self._end > self._size:
            raise InvalidArgumentError(f"the source gave more than the {self._size} bytes of size=: give the right size=")


def _bytes_of(chunk: Any) -> bytes | None:
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
