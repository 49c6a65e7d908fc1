"""The functions of the package."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Unpack

from . import _bitsup
from ._client import shared_client
from ._events import Progress, Receipt
from ._keywords import described, shows_options
from ._options import Options
from ._reports import DoctorReport, Explanation, Features, PingReport
from ._types import AsyncSource, Source


@shows_options
def upload(
    source: Source,
    url: str,
    *,
    on_progress: Callable[[Progress], object] | None = None,
    size: int | None = None,
    **options: Unpack[Options],
) -> Receipt:
    """Uploads ``source`` to ``url``, waits until the server has confirmed it, and returns a ``Receipt``.

    Args:
        source: A path (``str`` or ``PathLike``); ``bytes`` or any buffer (``memoryview``, ``mmap``, a numpy array), which
            must not change meanwhile; a binary file that can seek, from its position on; an iterable of ``bytes``, or a
            binary file that cannot seek.
        url: http or https. If it ends in ``/``, the file's name is appended.
        on_progress: Called with a ``Progress`` on this thread, at most ten times a second and at every change of
            state. An exception that it raises stops the upload and is raised here.
        size: The number of bytes of an iterable, or of a file that cannot seek. Without it, since every part of an
            upload names the total, all is first written to a file without a name, in the client's ``state_dir``, else
            in the folder that ``TMPDIR`` names, which needs as much room.
        on_credentials: A function that gets a ``CredentialRequest`` when the server or the proxy wants a login, and
            answers ``(user, password)``, a ``BearerToken`` or ``None``, on another thread: see docs/python.md.
        transcript: A file, or a function, for what was asked and answered: see docs/transcripts.md.
OPTIONS

    Returns:
        The receipt.

    Raises:
        Error: The upload failed: ``InvalidArgumentError`` (a ``ValueError``), ``LocalFileError`` (an ``OSError``),
            ``NetworkError`` (a ``ConnectionError``), ``RefusedError``, …
        TypeError: An argument has a wrong type or name.
        KeyboardInterrupt: Ctrl-C.

    Sizes are numbers of bytes or texts such as ``"5M"``, times are seconds, a ``timedelta`` or texts such as ``"10m"``.
    ``None`` is the default.

    >>> bitsup.upload(b"hello", "https://host/incoming/hello.txt", user="u", password="p")  # doctest: +SKIP
    """
    return shared_client().upload(source, url, on_progress=on_progress, size=size, **options)


@shows_options
async def upload_async(
    source: Source | AsyncSource,
    url: str,
    *,
    on_progress: Callable[[Progress], object] | None = None,
    size: int | None = None,
    **options: Unpack[Options],
) -> Receipt:
    """Like ``upload``, for asyncio: see ``Client.upload_async``."""
    return await shared_client().upload_async(source, url, on_progress=on_progress, size=size, **options)


@shows_options
def doctor(url: str, **options: Unpack[Options]) -> DoctorReport:
    """Looks at all that stands between this machine and an upload to ``url``: see ``Client.doctor``.

    Options are those of the connection, as in ``upload``: user, password, proxy, ca_file, …
    """
    return shared_client().doctor(url, **options)


@shows_options
async def doctor_async(url: str, **options: Unpack[Options]) -> DoctorReport:
    """Like ``doctor``, for asyncio."""
    return await shared_client().doctor_async(url, **options)


@shows_options
def ping(url: str, **options: Unpack[Options]) -> PingReport:
    """Asks whether a BITS server answers at ``url``: see ``Client.ping``."""
    return shared_client().ping(url, **options)


@shows_options
async def ping_async(url: str, **options: Unpack[Options]) -> PingReport:
    """Like ``ping``, for asyncio."""
    return await shared_client().ping_async(url, **options)


def features() -> Features:
    """What this build has, as the libraries themselves say."""
    return _bitsup.features()


def explain(code: int | str) -> list[Explanation]:
    """What an HTTP status, an error code (``0x80200020``) or its name most likely means, and what to do.

    An ``int`` below 1000 is an HTTP status. The list is empty for a code that nothing is known about.
    """
    if isinstance(code, str):
        text = code
    else:
        # A float is a TypeError; a negative number is how some tools print codes.
        number = operator.index(code)
        text = str(number) if 0 <= number < 1000 else f"{number & 0xFFFFFFFF:#010x}"
    return _bitsup.explain(text)


upload.__doc__ = str(upload.__doc__).replace("OPTIONS", described())
