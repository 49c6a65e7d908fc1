"""An upload as a file that is written to."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

from ._channel import SIGNAL_INTERVAL, call_soon, running_loop
from ._errors import InvalidArgumentError
from ._events import Receipt
from ._sources import Kept, Readable, bytes_of, check_not_more
from ._upload import Upload


class Pipe(Readable):
    """What was written and not yet acknowledged; the client's threads read it, and none waits in it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.window = 0
        self._size = size
        self._kept = Kept()
        self._read_up_to = 0
        self._wake: Callable[[], object] | None = None
        self._on_room: Callable[[], object] | None = None
        self._condition = threading.Condition(threading.Lock())

    @property
    def written(self) -> int:
        """Bytes that were written."""
        return self._kept.end

    def has_room(self) -> bool:
        """Whether what waits to be read is no more than half of what is kept."""
        return self._kept.end - self._read_up_to <= self.window

    def wait_for_room(self) -> None:
        """Waits a moment, or until something was read."""
        with self._condition:
            if not self.has_room():
                self._condition.wait(SIGNAL_INTERVAL)

    def when_room(self, callback: Callable[[], object]) -> None:
        """Calls back once there is room, at once if there is."""
        with self._condition:
            if not self.has_room():
                self._on_room = callback
                return
        callback()

    def put(self, chunk: bytes) -> None:
        """Appends."""
        with self._condition:
            self._kept.append(chunk)
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def read_at(self, offset: int, size: int) -> bytes | None:
        """From what is kept; ``None`` if it is not written yet."""
        with self._condition:
            if offset >= self._kept.end:
                return None
            try:
                part = self._kept.part(offset, size)
            except InvalidArgumentError as problem:
                self.failure: BaseException | None = problem
                raise
            self._read_up_to = max(self._read_up_to, offset + len(part))
            # A Fragment may have to be sent again, so that much is kept behind what was read.
            self._kept.forget(self._read_up_to - self.window)
            self._condition.notify_all()
            on_room, self._on_room = (self._on_room, None) if self.has_room() else (None, self._on_room)
        if on_room is not None:
            on_room()
        return part

    def when_ready(self, offset: int, wake: Callable[[], object]) -> None:
        """Calls ``wake`` when there are bytes at ``offset``."""
        with self._condition:
            if offset >= self._kept.end:
                self._wake = wake
                return
        wake()


async def feed(chunks: AsyncIterator[Any], pipe: Pipe, size: int, upload: Upload) -> None:
    """Writes the bytes of an asynchronous source; its exceptions stop the upload and are raised by it."""
    loop = running_loop()
    room = asyncio.Event()
    upload.add_done_callback(lambda _: call_soon(loop, room.set))
    # The last chunk is given only if it is the last, so that a longer source is never complete on the server.
    held, given = b"", 0
    try:
        async for chunk in chunks:
            pipe.put(held)
            held = bytes_of(chunk) or b""
            given += len(held)
            check_not_more(given, size)
            while not (pipe.has_room() or upload.done()):
                room.clear()
                pipe.when_room(lambda: call_soon(loop, room.set))
                await room.wait()
            if upload.done():
                return
        if given < size:
            raise InvalidArgumentError(f"the source ended after {given} of {size} bytes: give the right size=")
        pipe.put(held)
    except asyncio.CancelledError:
        raise
    except BaseException as problem:
        upload.stop(problem, keep=False)


class UploadWriter(io.RawIOBase):
    """A binary file whose bytes are uploaded while they are written. It cannot be continued after a restart.

    Made by ``Client.open``. ``close()`` waits until the server has confirmed the file; leaving a ``with``
    block by an exception cancels the upload.
    """

    def __init__(self, upload: Upload, pipe: Pipe, size: int) -> None:
        super().__init__()
        self._upload = upload
        self._pipe = pipe
        self._size = size
        self._receipt: Receipt | None = None

    @property
    def upload(self) -> Upload:
        """The upload's handle."""
        return self._upload

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, after ``close()``."""
        return self._receipt

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes written."""
        return self._pipe.written

    def write(self, data: Any, /) -> int:
        """Takes all of ``data``; waits while the server is behind. Raises what the upload failed of."""
        if self.closed:
            raise ValueError("the upload is closed for writing")
        if isinstance(data, str):
            raise TypeError("data must be bytes, not str: encode it")
        chunk = bytes(memoryview(data))
        if self._pipe.written + len(chunk) > self._size:
            raise InvalidArgumentError(
                f"{self._pipe.written + len(chunk)} bytes do not fit into size={self._size}: open with the right size"
            )
        while not self._pipe.has_room() and not self._upload.done():
            self._pipe.wait_for_room()
        if self._upload.done():
            self._upload.result()
        self._pipe.put(chunk)
        return len(chunk)

    def close(self) -> None:
        """Waits for the confirmation. Raises what the upload failed of, or ``InvalidArgumentError`` if bytes are missing."""
        if self.closed:
            return
        super().close()
        if self._pipe.written < self._size and not self._upload.done():
            self._upload.cancel()
            raise InvalidArgumentError(
                f"{self._pipe.written} of {self._size} bytes were written: the upload is cancelled"
            )
        try:
            self._receipt = self._upload.result()
        except BaseException:
            self._upload.cancel()
            raise

    async def write_async(self, data: Any, /) -> int:
        """Like ``write``, for asyncio."""
        return await asyncio.to_thread(self.write, data)

    async def close_async(self) -> None:
        """Like ``close``, for asyncio."""
        await asyncio.to_thread(self.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _abandon(self) -> None:
        if not self.closed:
            super().close()
            self._upload.cancel()

    def __del__(self) -> None:
        # A finalizer has no caller to report to, and could block for ever here.
        if hasattr(self, "_upload"):
            self._abandon()

    def __repr__(self) -> str:
        return f"<bitsup.UploadWriter {self._pipe.written}/{self._size} of {self._upload!r}>"

