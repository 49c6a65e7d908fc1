"""Sessions driven packet by packet."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from . import _bitsup
from ._credentials import Asker, causes
from ._errors import Error, InvalidArgumentError


class Session:
    """An upload session whose packets you send one by one. Made by ``Client.session``.

    As a context manager it sends Close-Session at the end, and Cancel-Session if the block raises or bytes are
    missing.
    Nothing is tried again: after a ``bitsup.Error`` you decide. One packet at a time.

    A packet whose answer is lost may have been carried out: its error says that this is unclear. Bytes that are sent
    again then stand in the file twice on a server that writes them behind what it has, and no answer tells.
    """

    def __init__(self, native: _bitsup.Session, size: int, asker: Asker | None) -> None:
        self._native = native
        self._size = size
        self._asker = asker
        self._ended = False

    @property
    def id(self) -> str:
        """The session's id. It grants write access to the upload."""
        return self._native.id()

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._size

    @property
    def offset(self) -> int:
        """Where the next Fragment starts: what the server has. While a packet is under way, what was known before."""
        return self._native.offset()

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Sends one Fragment from ``offset`` on, and returns the offset at which the server wants to go on.

        That is normally behind ``data``, but it may be anywhere in what has gone out: send from there.
        """
        if isinstance(data, str):
            raise TypeError("data must be bytes, not str: encode it")
        with causes(self._asker):
            return self._native.send(bytes(memoryview(data)))

    def close(self) -> None:
        """Sends Close-Session: the file is complete. Raises ``InvalidArgumentError`` before the server has all bytes.

        An upload also asks a server whose connection ended in between whether it still has all bytes, and a HEAD for the
        file where that is unclear; here nothing does.
        """
        with causes(self._asker):
            self._native.close()
        self._ended = True

    def cancel(self) -> None:
        """Sends Cancel-Session: the server deletes what it has."""
        with causes(self._asker):
            self._native.cancel()
        self._ended = True

    async def send_async(self, data: bytes | bytearray | memoryview) -> int:
        """Like ``send``, for asyncio: the packet goes on if the task is cancelled."""
        return await asyncio.to_thread(self.send, data)

    async def close_async(self) -> None:
        """Like ``close``, for asyncio."""
        await asyncio.to_thread(self.close)

    async def cancel_async(self) -> None:
        """Like ``cancel``, for asyncio."""
        await asyncio.to_thread(self.cancel)

    def __enter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended:
            return
        if kind is None:
            try:
                self.close()
            except InvalidArgumentError:
                # Bytes are missing and will never be sent.
                self.cancel()
                raise
            return
        try:
            self.cancel()
        except Error as problem:
            if error is not None:
                error.add_note(f"Cancel-Session failed too: {problem}")

    def __repr__(self) -> str:
        return f"<bitsup.Session of {self._size} bytes>"

    def __reduce__(self) -> Any:
        raise TypeError("a session lives in one process and cannot be pickled")

