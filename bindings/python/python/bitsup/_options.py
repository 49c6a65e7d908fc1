"""What every upload takes: sources and keywords, for people and type checkers."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import BinaryIO, Literal, Protocol, TypedDict, get_type_hints

from ._credentials import AskForLogin


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

Seconds = float | timedelta
"""A time: seconds, or a ``timedelta``."""

Path = str | os.PathLike[str]
"""The name of a file."""


class Options(TypedDict, total=False):
    """The keywords that ``upload``, ``start``, ``upload_async``, ``open``, ``ping`` and ``session`` take.

    A plain ``dict``: keep one, and pass it with ``**options``. ``None`` always means the default.
    """

    user: str | None
    """User for the server, also ``DOMAIN\\user`` or ``user@domain``; with ``password`` or ``password_file``."""
    password: str | None
    """The password. Basic goes over plain http only with ``allow_cleartext_credentials``."""
    password_file: Path | None
    """A file with the password, read again when the server refuses it. One newline at its end is dropped, as in all
    files with secrets."""
    credentials: AskForLogin | None
    """A function that is asked when the server or the proxy wants a login and gets none that it takes, or a token is
    about to expire: it gets a ``CredentialRequest``, and answers ``(user, password)``, a ``BearerToken``, or ``None``
    if there is none, with which the upload ends as an ``AuthError`` and can be continued. It is called on the
    client's callback thread (by ``ping`` and ``session``, which ask for the server only, on a thread of the call),
    never twice at once for one site; bytes of other uploads move on meanwhile, their callbacks wait. It must not wait
    for an upload. Its answer holds for all uploads of the client to that site with the same function. What it raises
    stops the uploads that need the answer, and comes out of ``result()``, ``upload()`` or ``await``."""
    auth: Literal["any", "basic", "digest", "ntlm", "negotiate", "bearer"] | None
    """With which scheme to log in. Default ``any``: the strongest that the server offers and this build has;
    Basic over verified TLS only. ``bearer`` needs ``token`` or ``credentials``."""
    token: str | None
    """A bearer token, which goes with every packet."""
    token_file: Path | None
    """A file with the bearer token, read again when the server refuses it."""
    allow_cleartext_credentials: bool | None
    """Whether passwords and secret headers may go over plain http."""
    post_override: bool | None
    """Whether packets go as ``POST`` with ``X-HTTP-Method-Override: BITS_POST``, for servers that are set up for it
    because something on the way blocks the verb."""
    headers: Headers | None
    """Headers for every packet."""
    secret_headers: Headers | None
    """Headers that are treated like a password."""
    ca_file: Path | None
    """CA certificates (PEM) instead of the system's."""
    insecure: bool | None
    """Whether the server's certificate is not checked."""
    cert: Path | None
    """The client's certificate: PEM, or PKCS#12 with its key."""
    key: Path | None
    """Its private key (PEM), if that is not in the same file."""
    key_password: str | None
    """The private key's passphrase."""
    key_password_file: Path | None
    """A file with the private key's passphrase."""
    pinned_public_key: str | None
    """The only public key to take from the server, as curl writes it: ``sha256//…``, several with ``;``."""
    proxy: str | None
    """``http://host:port``, ``socks5h://host:port``, …; ``""`` for none. Default: what ``http_proxy``,
    ``https_proxy``, ``all_proxy`` and ``no_proxy`` in the environment say."""
    proxy_user: str | None
    """User for the proxy; with ``proxy_password`` or ``proxy_password_file``."""
    proxy_password: str | None
    """The proxy's password."""
    proxy_password_file: Path | None
    """A file with the proxy's password."""
    proxy_auth: Literal["any", "basic", "digest", "ntlm", "negotiate"] | None
    """With which scheme to log in at the proxy. Default ``any``: the strongest that it offers."""
    proxy_ca_file: Path | None
    """CA certificates (PEM) instead of the system's for a proxy that is reached over https."""
    no_proxy: str | Sequence[str] | None
    """Hosts that are reached without the proxy. Default: the environment's ``no_proxy``."""
    resolve: Sequence[str] | None
    """Addresses to take in place of a look-up, as curl's ``--resolve``: ``host:port:address,address``."""
    fragment_size: int | Literal["auto"] | None
    """Bytes in each Fragment. Default ``auto``: it finds a good size by itself."""
    max_fragment: int | None
    """The most bytes in a Fragment of automatic size. Default 28 MiB (IIS refuses more than 30,000,000)."""
    min_fragment: int | None
    """The smallest size that a server's "too large" leads to. Default 5 KiB."""
    connect_timeout: Seconds | None
    """How long connecting may take. Default 30 s."""
    stall_timeout: Seconds | None
    """How long no byte may move while a part is sent. Default 60 s."""
    ack_timeout: Seconds | None
    """How long an answer may take. Default 5 min."""
    last_ack_timeout: Seconds | None
    """How long the last answers may take. Default 15 min."""
    max_attempts: int | None
    """How many tries without progress. Default: no limit but the times."""
    give_up_after: Seconds | None
    """How long to go on without progress. Default 15 min."""
    wait_for_server: Seconds | None
    """How long to wait for a server that has never answered. Default 15 s, and 3 tries."""
    retry_delay: Seconds | None
    """The longest wait before the second retry; it doubles up to ``max_retry_delay``. Default 1 s."""
    max_retry_delay: Seconds | None
    """The longest wait before a retry. Default 60 s."""
    max_time: Seconds | None
    """How long the whole upload may take. Default: no limit."""
    max_bytes: int | None
    """How many bytes may be sent, repetitions included. Default: no limit."""
    host_id: Literal["same-site", "any", "ignore"] | None
    """Which other host the server may send us to. Default ``same-site``."""
    trusted_hosts: Sequence[str] | None
    """Hosts that the server may send us to, whatever ``host_id`` says; ``.example.org`` takes all below."""
    reply_to: Path | int | None
    """Upload-reply: the file for the server's reply, or the most bytes of it to hold in memory."""
    reply_optional: bool | None
    """Whether a missing reply is no error."""
    reply_max_size: int | None
    """How many bytes a reply to a file may have. Default 1 GiB."""
    if_exists: Literal["try", "skip", "fail"] | None
    """What to do about an existing file: let the server decide (``try``, the default), or ask first."""
    fresh: bool | None
    """Whether a session that was kept for the same file and URL is cancelled, and the upload begins anew."""
    no_resume: bool | None
    """Whether nothing is kept for a later continuation, though the client has a state directory."""
    require_resume: bool | None
    """Whether it is an error if the state directory cannot be written; else that is a warning."""
    resume_check: Literal["full", "tail"] | None
    """How much of the file is compared with what was sent before: all of it, beside the sending (``full``,
    the default), or its last block."""
    transcript: Path | Callable[[str], object] | None
    """Where the packets and what came back are told, without names, secrets or bytes of the file: a file, which is
    replaced, for ``bitsup serve --replay``; or a function that gets one entry at a time, on the client's callback
    thread. The line ``bitsup-transcript 1`` and the entries are the file. What the function raises stops the upload;
    a disk that is full ends the transcript only, with a warning in the log. One upload a file."""
    note: str | None
    """Words for people that ``Client.sessions()`` shows; no secrets."""
    verify: Literal["auto", "always", "never"] | None
    """When to ask for the file's size afterwards. Default ``auto``: where there is doubt."""
    on_lost_ack: Literal["auto", "restart", "resend", "accept"] | None
    """What to do where an answer was lost. Default ``resend``."""
    polite: bool | None
    """Whether others go first on the way: the upload slows down as soon as they want the link, to 16 KiB a second
    at the least, and its packets are marked as lower effort (RFC 8622)."""
    sha256: bool | None
    """Whether the receipt gets the SHA-256 of what was sent."""
    refuse_empty: bool | None
    """Whether an empty file is an error."""
    lenient: bool | None
    """Whether an answer without an offset is taken for "all received"."""
    content_name: str | None
    """The name told to the server. Default: the file's name."""


# A dict has none; this one has its keywords.
Options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in get_type_hints(Options).items()
    ]
)
