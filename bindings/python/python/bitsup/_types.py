"""What uploads take: sources, and the values of keywords."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import BinaryIO, Protocol


class Buffer(Protocol):
    """Anything with the buffer protocol: ``bytes``, ``bytearray``, ``memoryview``, ``mmap``, arrays."""

    def __len__(self) -> int: ...


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Buffer | BinaryIO | Iterable[bytes | bytearray | memoryview]
"""What can be uploaded: a path, bytes, a binary file object, or an iterable of bytes."""


class AsyncReader(Protocol):
    """Anything whose bytes are awaited, such as ``asyncio.StreamReader``."""

    async def read(self, n: int = -1, /) -> bytes: ...


AsyncSource = AsyncIterable[bytes | bytearray | memoryview] | AsyncReader
"""What ``upload_async`` takes as well: an asynchronous iterable of bytes, or a reader."""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names and values of headers."""

Seconds = float | timedelta | str
"""A time: seconds, a ``timedelta``, or a text such as ``"10m"``."""

Size = int | str
"""A number of bytes, or a text such as ``"5M"``, whose units are powers of 1024."""

Path = str | os.PathLike[str]
"""The name of a file."""

Transcript = Path | Callable[[str], object]
"""Where the entries of a transcript go."""
