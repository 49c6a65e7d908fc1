"""The functions of the package."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Unpack

from . import _bitsup
from ._client import shared_client
from ._events import Progress, Receipt
from ._options import AsyncSource, Options, Source
from ._reports import DoctorReport, Explanation, Features, PingReport


def upload(
    source: Source,
    url: str,
    *,
    on_progress: Callable[[Progress], object] | None = None,
    size: int | None = None,
    **options: Unpack[Options],
) -> Receipt:
    """Uploads ``source`` to ``url``, waits until the server has confirmed it, and returns a ``Receipt``.

    source: a path (``str`` or ``PathLike``); ``bytes`` or any buffer (``memoryview``, ``mmap``, a numpy
        array), which must not change meanwhile; a binary file that can seek, from its position on; an
        iterable of ``bytes``, or a binary file that cannot seek.
    url: http or https. If it ends in ``/``, the file's name is appended.
    on_progress: called with a ``Progress`` on this thread, at most ten times a second and at every
        change of state. An exception that it raises stops the upload and is raised here.
    size: the number of bytes of an iterable, or of a file that cannot seek. Without it, since every part of an upload
        names the total, all is first written to a file without a name, in the client's ``state_dir``, else in the
        folder that ``TMPDIR`` names, which needs as much room.

    Options (times in seconds or as ``timedelta``, sizes in bytes, rates in bytes a second):

    user, password, password_file: for the server; Basic goes over plain http only with
        allow_cleartext_credentials.
    credentials: a function that gets a ``bitsup.CredentialRequest`` when the server or the proxy wants a login, and
        answers (user, password), a ``bitsup.BearerToken`` or None; on another thread: see ``bitsup.Options``.
    auth: "any" (the strongest on offer), "basic", "digest", "ntlm", "negotiate", "bearer".
    token, token_file: a bearer token.
    post_override: POST with X-HTTP-Method-Override, for a server that is set up for it.
    headers, secret_headers: for every packet; secret ones are treated like a password.
    ca_file, insecure: whose certificates are trusted; whether they are not checked at all.
    cert, key, key_password, key_password_file: the client's certificate and private key (PEM).
    pinned_public_key: the only key to take from the server, "sha256//…".
    proxy, no_proxy: the proxy's URL, "" for none, and hosts without it; else as the environment says.
    proxy_user, proxy_password, proxy_password_file, proxy_auth, proxy_ca_file: for the proxy.
    resolve: addresses to take in place of a look-up: ["host:port:address,address"].
    fragment_size, max_fragment, min_fragment: bytes in a part: "auto", up to 28 MiB, down to 5 KiB.
    connect_timeout, stall_timeout, ack_timeout, last_ack_timeout: 30 s, 60 s, 5 min, 15 min.
    max_attempts, give_up_after: tries and time without progress; no limit, and 15 min.
    wait_for_server: for a server that has never answered; 15 s and 3 tries.
    retry_delay, max_retry_delay: 1 s and 60 s.
    max_time, max_bytes: for the whole upload; no limit.
    host_id, trusted_hosts: which other hosts the server may send us to: "same-site", "any", "ignore"; logins, tokens,
        cookies and secret headers go to those of the URL's registrable domain and to trusted ones only.
    reply_to, reply_optional: the file for the server's reply, or the most bytes to hold in memory.
    reply_max_size: the most bytes of a reply to a file; 1 GiB.
    if_exists: "try" (let the server decide), "skip" or "fail" (ask first).
    fresh, no_resume, require_resume, resume_check, note: for clients with a state directory: begin anew;
        keep nothing; fail if nothing can be kept; "full" or "tail"; words for ``Client.sessions()``.
    verify, on_lost_ack: what to do where an answer was lost: "auto", "always", "never"; "auto",
        "restart", "resend", "accept".
    polite: whether others on the same link go first.
    transcript: a file, or a function, for what was asked and answered, to be played back: see docs/transcripts.md.
    sha256: whether the receipt gets the SHA-256 of what was sent.
    refuse_empty, lenient, content_name: see ``bitsup.Options``.

    Raises a ``bitsup.Error`` if the upload failed: ``InvalidArgumentError`` (a ``ValueError``),
    ``LocalFileError`` (an ``OSError``), ``NetworkError`` (a ``ConnectionError``), ``RefusedError``, … and
    ``TypeError`` for arguments of a wrong type. Ctrl-C raises ``KeyboardInterrupt``.

    >>> bitsup.upload(b"hello", "https://host/incoming/hello.txt", user="u", password="p")  # doctest: +SKIP
    """
    return shared_client().upload(source, url, on_progress=on_progress, size=size, **options)


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


def doctor(url: str, **options: Unpack[Options]) -> DoctorReport:
    """Looks at all that stands between this machine and an upload to ``url``: see ``Client.doctor``.

    Options are those of the connection, as in ``upload``: user, password, proxy, ca_file, …
    """
    return shared_client().doctor(url, **options)


async def doctor_async(url: str, **options: Unpack[Options]) -> DoctorReport:
    """Like ``doctor``, for asyncio."""
    return await shared_client().doctor_async(url, **options)


def ping(url: str, **options: Unpack[Options]) -> PingReport:
    """Asks whether a BITS server answers at ``url``: see ``Client.ping``."""
    return shared_client().ping(url, **options)


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
