"""The client: any number of uploads on one thread."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, Unpack

from . import _bitsup
from ._channel import Channel, logger
from ._errors import InvalidArgumentError
from ._options import Options
from ._session import Session
from ._sources import STREAM_FRAGMENT, Prepared, Source, Stream, checked_size, prepare
from ._types import PingReport, Progress, Receipt
from ._upload import PACKETS, PROGRESS, Upload
from ._writer import Pipe, UploadWriter

FAREWELL = 1.0
"""Seconds that stopped uploads get to end in an orderly way."""

_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Client:
    """Uploads files; one thread moves all bytes of all its uploads.

    As a context manager it waits for its uploads at the end; if the block raises, it stops them and
    keeps their sessions. Any thread may use it. A process that was forked needs a new one.
    """

    def __init__(
        self,
        *,
        limit_rate: int | None = None,
        uploads_per_host: int = 16,
        user_agent: str | None = None,
    ) -> None:
        """``limit_rate``: bytes a second for all uploads together. ``uploads_per_host``: how many hold a
        session at one server at a time (the others wait; IIS deletes sessions beyond 50 a user).
        ``user_agent``: instead of ``bitsup/VERSION``.
        """
        _check_number("limit_rate", limit_rate)
        _check_number("uploads_per_host", uploads_per_host)
        self._limit_rate = limit_rate
        self._native = _bitsup.Client(
            limit_rate=limit_rate, uploads_per_host=uploads_per_host, user_agent=user_agent
        )
        self._uploads: dict[object, Upload] = {}
        self._process = os.getpid()
        self._closed = False
        _clients.add(self)

    def upload(
        self,
        source: Source,
        url: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        size: int | None = None,
        **options: Unpack[Options],
    ) -> Receipt:
        """Uploads ``source`` to ``url`` and waits: see ``bitsup.upload``."""
        channel = Channel(on_progress, None, _without_query(url), awaited=True)
        upload = self._start(source, url, channel, size, options)
        try:
            return upload.result()
        except BaseException:
            # Ctrl-C, most often: nothing goes on behind the caller's back.
            upload.cancel(keep=True)
            raise

    def start(
        self,
        source: Source,
        url: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        size: int | None = None,
        **options: Unpack[Options],
    ) -> Upload:
        """Starts an upload and returns its handle. Arguments as in ``bitsup.upload``.

        Bad arguments raise here, everything else in ``result()``. ``on_progress`` is called on the
        thread that waits in ``result()``, else on the client's callback thread.
        """
        return self._start(source, url, Channel(on_progress, None, _without_query(url)), size, options)

    async def upload_async(
        self,
        source: Source,
        url: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        size: int | None = None,
        **options: Unpack[Options],
    ) -> Receipt:
        """Uploads in asyncio: no thread is used for it, and ``on_progress`` is called on the event loop.

        Arguments as in ``bitsup.upload``. Cancelling the task stops the upload and keeps its session.
        """
        channel = Channel(on_progress, asyncio.get_running_loop(), _without_query(url))
        upload = self._start(source, url, channel, size, options)
        try:
            return await upload
        except asyncio.CancelledError:
            upload.cancel(keep=True)
            raise

    def ping(self, url: str, **options: Unpack[Options]) -> PingReport:
        """Asks whether a BITS server answers at ``url``; sends no data. Raises a ``bitsup.Error`` if none does."""
        return PingReport(**self._open_native().ping(_checked_url(url), dict(options)))

    def session(self, url: str, size: int, *, name: str | None = None, **options: Unpack[Options]) -> Session:
        """Opens an upload session of ``size`` bytes, to be driven packet by packet, with Create-Session.

        ``name`` is told to the server; by default the last part of the URL. Options as in ``bitsup.upload``;
        those about retries, replies and verification have no meaning here.
        """
        size = checked_size(size)
        _checked_url(url)
        if name is None:
            name = _without_query(url).rpartition("/")[2]
        return Session(self._open_native().session(url, size, name, dict(options)), size)

    def open(
        self,
        url: str,
        size: int,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        **options: Unpack[Options],
    ) -> UploadWriter:
        """Opens ``url`` as a binary file to write ``size`` bytes to. It cannot be continued after a restart.

        What was sent last, up to 4 MiB, is kept in memory; a server that forgets more makes it fail. Options as in
        ``bitsup.upload``. Works with ``shutil.copyfileobj``. A pause longer than ``stall_timeout`` breaks the
        connection, and what is under way is sent again.
        """
        size = checked_size(size)
        pipe = Pipe(size)
        channel = Channel(on_progress, None, _without_query(url))
        return UploadWriter(self._begin(Prepared(pipe, size), url, channel, options), pipe, size)

    @property
    def limit_rate(self) -> int | None:
        """Bytes a second for all uploads together; ``None`` is unlimited. A new value acts at once."""
        return self._limit_rate

    @limit_rate.setter
    def limit_rate(self, limit: int | None) -> None:
        _check_number("limit_rate", limit)
        self._open_native().set_limit_rate(limit)
        self._limit_rate = limit

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """The uploads that have not ended."""
        return tuple(self._uploads.values())

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closed

    def close(self) -> None:
        """Stops all uploads, keeps their sessions, and ends the client's threads, within two seconds or so."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        uploads = self.uploads
        for upload in uploads:
            upload.cancel(keep=True)
        for upload in uploads:
            upload.wait_until_ended(FAREWELL)
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for upload in self.uploads:
                    upload.exception()
        finally:
            self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await asyncio.gather(*(upload.wait_async() for upload in self.uploads), return_exceptions=True)
        finally:
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._uploads)} uploads"
        return f"<bitsup.Client {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a client has a thread and cannot be pickled: make one in each process")

    def _start(self, source: Source, url: str, channel: Channel, size: int | None, options: Options) -> Upload:
        return self._begin(prepare(source, size), url, channel, options)

    def _begin(self, prepared: Prepared, url: str, channel: Channel, options: Options) -> Upload:
        native = self._open_native()
        keywords: dict[str, Any] = dict(options)
        if isinstance(prepared.native, (Stream, Pipe)):
            limit = min(keywords.get("max_fragment") or STREAM_FRAGMENT, STREAM_FRAGMENT)
            keywords["max_fragment"] = limit
            prepared.native.window = max(limit, keywords.get("fragment_size") or 0)
        level = PACKETS if logger.isEnabledFor(logging.DEBUG) else PROGRESS if channel.has_listener else 0
        client = weakref.ref(self)
        name = object()

        def ended() -> None:
            owner = client()
            if owner is not None:
                owner._uploads.pop(name, None)

        channel.ended = ended
        handle = native.start(prepared.native, prepared.size, prepared.name, url, keywords, channel, level)
        upload = Upload(handle, channel, prepared)
        self._uploads[name] = upload
        if upload.done():
            # It ended before it was entered.
            self._uploads.pop(name, None)
        return upload

    def _open_native(self) -> _bitsup.Client:
        if self._closed:
            raise InvalidArgumentError("the client is closed: make a new one")
        return self._native


def shared_client() -> Client:
    """The client of the functions of the module, made when it is first needed."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared.closed:
            _shared = Client()
        return _shared


_shared: Client | None = None
_shared_lock = threading.Lock()


def _forget_parent() -> None:
    """After a fork: the parent's client has no thread here, and its lock may be held for ever."""
    global _shared, _shared_lock
    _shared = None
    _shared_lock = threading.Lock()
    _bitsup.reset_gate()


def _end() -> None:
    """Nothing runs on when the interpreter ends."""
    for client in tuple(_clients):
        client.close()
    _bitsup.close_gate()


os.register_at_fork(after_in_child=_forget_parent)
atexit.register(_end)


def _without_query(url: str) -> str:
    """A query may hold a secret, and so may what stands before an @."""
    _checked_url(url)
    shown = url.split("?", 1)[0].split("#", 1)[0]
    scheme, found, rest = shown.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else shown


def _checked_url(url: Any) -> str:
    if not isinstance(url, str):
        raise TypeError(f"the URL must be a str, not {type(url).__name__}")
    return url


def _check_number(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise InvalidArgumentError(f"{name} is {value}: give at least 1, or None")
