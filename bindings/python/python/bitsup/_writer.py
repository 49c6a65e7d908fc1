"""An upload as a file that is written to."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._channel import SIGNAL_INTERVAL
from ._errors import InvalidArgumentError
from ._names import publish
from ._receipt import Receipt
from ._upload import Upload


class Pipe:
    """What was written and not yet acknowledged; the client's threads read it, and none waits in it."""

    def __init__(self, size: int) -> None:
        self.failure: BaseException | None = None
        self.window = 0
        self._size = size
        self._kept: deque[tuple[int, bytes]] = deque()
        self._end = 0
        self._read_up_to = 0
        self._wake: Callable[[], object] | None = None
        self._condition = threading.Condition(threading.Lock())

    @property
    def written(self) -> int:
        """Bytes that were written."""
        return self._end

    def has_room(self) -> bool:
        """Whether what waits to be read is no more than half of what is kept."""
        return self._end - self._read_up_to <= self.window

    def wait_for_room(self) -> None:
        """Waits a moment, or until something was read."""
        with self._condition:
            if not self.has_room():
                self._condition.wait(SIGNAL_INTERVAL)

    def put(self, chunk: bytes) -> None:
        """Appends."""
        with self._condition:
            if chunk:
                self._kept.append((self._end, chunk))
                self._end += len(chunk)
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def read_at(self, offset: int, size: int) -> bytes | None:
        """From what is kept; ``None`` if it is not written yet."""
        with self._condition:
            if offset >= self._end:
                return None
            for start, chunk in self._kept:
                if start <= offset < start + len(chunk):
                    part = chunk[offset - start : offset - start + size]
                    self._read_up_to = max(self._read_up_to, offset + len(part))
                    self._forget()
                    return part
            self.failure = InvalidArgumentError(
                f"the server wants to go on at byte {offset}, which is not kept any more: upload a file instead"
            )
            raise self.failure

    def when_ready(self, offset: int, wake: Callable[[], object]) -> None:
        """Calls ``wake`` when there are bytes at ``offset``."""
        with self._condition:
            if offset >= self._end:
                self._wake = wake
                return
        wake()

    def _forget(self) -> None:
        """A Fragment may have to be sent again, so that much is kept behind what was read."""
        while self._kept and self._kept[0][0] + len(self._kept[0][1]) < self._read_up_to - self.window:
            self._kept.popleft()
        self._condition.notify_all()


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
        # Nobody is there to be told, and to wait here could be for ever.
        if hasattr(self, "_upload"):
            self._abandon()

    def __repr__(self) -> str:
        return f"<bitsup.UploadWriter {self._pipe.written}/{self._size} of {self._upload!r}>"


publish(globals())
