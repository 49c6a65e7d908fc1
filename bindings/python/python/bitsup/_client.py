"""The client: any number of uploads on one thread."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, Unpack, cast

from . import _bitsup
from ._channel import Channel, OnLoop, check_function, is_asynchronous, logger, running_loop
from ._credentials import Asker, Askers, causes, site_of
from ._errors import Error, InvalidArgumentError, Token
from ._events import Progress, Receipt
from ._failures import Failures
from ._keywords import checked, required, shows_options
from ._options import ClientOptions, Options
from ._reports import DoctorReport, PingReport, SessionInfo
from ._session import Session
from ._sources import (
    Prepared,
    checked_size,
    chunks_of,
    is_asynchronous_source,
    prepare,
    spooled_async,
)
from ._transcript import recorder
from ._types import AsyncSource, Source
from ._upload import PACKETS, PROGRESS, Upload
from ._writer import Pipe, UploadWriter, feed

FAREWELL = 1.0
"""Seconds that stopped uploads get to end in an orderly way."""

_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Client:
    """Uploads files; one thread moves all bytes of all its uploads.

    As a context manager it waits for its uploads at the end, but for those that are suspended, and raises
    ``UploadErrors`` if some failed and their errors were not retrieved; if the block raises, it stops them and keeps their
    sessions. Any thread may use it. A process that was forked needs a new one.
    """

    @shows_options
    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        """Options of uploads are the defaults of all uploads; those of the client alone:

        state_dir: A folder for what lets uploads of files go on after the process has ended, in whatever way: starting
            the same upload again continues it. It is made if there is none, for the user alone, and several processes
            may share one. Without it nothing is kept.
        limit_rate: Bytes a second for all uploads together, or a timetable: see the property.
        uploads_per_host: How many hold a session at one server at a time (the others wait; IIS deletes sessions beyond
            50 a user).
        user_agent: Instead of ``bitsup/VERSION``.
        on_credentials: A function that is asked for logins: see ``bitsup.upload``.
        """
        keywords = checked(options, client=True)
        self._on_credentials = keywords.pop("on_credentials", None)
        check_function("on_credentials", self._on_credentials, "a bitsup.CredentialRequest")
        self._native = _bitsup.Client(keywords)
        folder = options.get("state_dir")
        self._state_dir = None if folder is None else os.fsdecode(folder)
        self._limit_rate = options.get("limit_rate")
        self._failures = Failures()
        self._askers = Askers()
        self._uploads: dict[int, Upload] = {}
        self._process = os.getpid()
        self._closed = False
        _clients.add(self)

    @shows_options
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
        channel = Channel(_without_query(url), on_progress, awaited=True)
        upload = self._start(prepare(source, size, self._state_dir), url, channel, options)
        try:
            return upload.result()
        except BaseException:
            # Ctrl-C, most often: nothing goes on behind the caller's back.
            upload.cancel(keep=True)
            raise
        finally:
            channel.forget()

    @shows_options
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
        thread that waits in ``result()``, else on the client's callback thread. A stream without ``size`` is
        spooled before this returns.
        """
        return self._start(prepare(source, size, self._state_dir), url, Channel(_without_query(url), on_progress), options)

    @shows_options
    async def upload_async(
        self,
        source: Source | AsyncSource,
        url: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        size: int | None = None,
        **options: Unpack[Options],
    ) -> Receipt:
        """Uploads in asyncio: no thread is used for it, and ``on_progress`` is called on the event loop.

        Arguments as in ``bitsup.upload``; ``source`` may also be an asynchronous iterator of bytes, or an object with
        ``await read(size)``, and functions may be an ``async def``, which is awaited on the loop. Cancelling the task
        stops the upload and keeps its session.
        """
        channel = Channel(_without_query(url), on_progress, running_loop())
        prepared, pipe = await self._prepare_async(source, size)
        upload = self._start(prepared, url, channel, _on_loop(options))
        feeder = None if pipe is None else asyncio.ensure_future(feed(chunks_of(source), pipe, prepared.size or 0, upload))
        try:
            receipt = await upload
            await channel.wait_delivered()
            return receipt
        finally:
            if feeder is not None:
                feeder.cancel()
            channel.forget()

    @shows_options
    async def resume_async(
        self,
        id: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        **options: Unpack[Options],
    ) -> Receipt:
        """Goes on with an interrupted upload like ``resume``, and awaits it like ``upload_async``."""
        channel = Channel(f"session {id}", on_progress, running_loop())
        upload = self._resume(id, channel, _on_loop(options))
        receipt = await upload
        await channel.wait_delivered()
        return receipt

    @shows_options
    async def cancel_session_async(self, id: str, **options: Unpack[Options]) -> None:
        """Like ``cancel_session``, for asyncio."""
        await asyncio.to_thread(self.cancel_session, id, **_on_loop(options))

    @shows_options
    async def ping_async(self, url: str, **options: Unpack[Options]) -> PingReport:
        """Like ``ping``, for asyncio."""
        return await asyncio.to_thread(self.ping, url, **_on_loop(options))

    @shows_options
    async def doctor_async(self, url: str, **options: Unpack[Options]) -> DoctorReport:
        """Like ``doctor``, for asyncio."""
        return await asyncio.to_thread(self.doctor, url, **_on_loop(options))

    @shows_options
    async def session_async(self, url: str, size: int, *, name: str | None = None, **options: Unpack[Options]) -> Session:
        """Like ``session``, for asyncio: see ``Session.send_async``."""
        return await asyncio.to_thread(self.session, url, size, name=name, **_on_loop(options))

    @shows_options
    async def open_async(
        self,
        url: str,
        size: int,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        **options: Unpack[Options],
    ) -> UploadWriter:
        """Like ``open``, for asyncio: see ``UploadWriter.write_async``."""
        channel = Channel(_without_query(url), on_progress, running_loop())
        return self._open(url, checked_size(size), channel, _on_loop(options))

    def sessions(self, *, on_error: Callable[[Error], object] | None = None) -> tuple[SessionInfo, ...]:
        """The interrupted uploads in the state directory, oldest first; those that run now as well.

        ``on_error`` gets the error of each one that cannot be read; by default it is logged as a warning.
        Raises ``InvalidArgumentError`` if the client has no state directory.
        """
        found, problems = self._open_native().sessions()
        for problem in problems:
            if on_error is not None:
                on_error(problem)
            else:
                logger.warning("%s", problem)
        return found

    @shows_options
    def resume(
        self,
        id: str,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        **options: Unpack[Options],
    ) -> Upload:
        """Goes on with an interrupted upload, from where the server stands: see ``sessions()``.

        Options as in ``bitsup.upload``; give them again, since none are kept, passwords least of all. The file must
        be what it was: if it changed, the session is cancelled and ``result()`` raises ``SourceChangedError``.
        Raises ``SessionInUseError`` if an upload of it is running, here or in another process.
        """
        return self._resume(id, Channel(f"session {id}", on_progress), options)

    def _resume(self, id: str, channel: Channel, options: Options) -> Upload:
        id = required("the id", id)

        def begin(native: _bitsup.Client, keywords: dict[str, Any], level: int) -> _bitsup.Upload:
            return native.resume(id, keywords, channel, level)

        return self._begin(Prepared(None), channel, options, begin)

    @shows_options
    def cancel_session(self, id: str, **options: Unpack[Options]) -> None:
        """Cancels an interrupted upload, so that the server deletes what it has of it, and waits for that.

        Options are those of the connection: user, password, proxy, …
        """
        keywords, asker = self._keywords(options)
        with causes(asker):
            self._open_native().cancel_session(required("the id", id), keywords)

    def forget_session(self, id: str) -> None:
        """Forgets an interrupted upload without asking the server, which deletes what it has in its own time."""
        self._open_native().forget_session(required("the id", id))

    def export(self, id: str) -> Token:
        """An interrupted upload as a token, with which ``import_token`` goes on, here or on another machine.

        The session stays in this state directory too: ``forget_session`` when it has moved.
        """
        return Token(self._open_native().export(required("the id", id)))

    @shows_options
    def import_token(
        self,
        session_token: str,
        source: Source,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        size: int | None = None,
        **options: Unpack[Options],
    ) -> Upload:
        """Goes on with an upload that was interrupted elsewhere: ``session_token`` is from ``export()`` or ``Error.token``.

        ``source`` must hold the same bytes, which is checked before the last part is sent
        (``SourceChangedError``); a stream cannot be continued. Options as in ``bitsup.upload``.
        """
        token = required("the token", session_token)
        prepared = prepare(source, size)
        if prepared.once:
            prepared.release()
            raise InvalidArgumentError("a stream cannot be continued: its first bytes are gone; give a file or bytes")
        channel = Channel("a session from elsewhere", on_progress)

        def begin(native: _bitsup.Client, keywords: dict[str, Any], level: int) -> _bitsup.Upload:
            return native.import_token(token, prepared.native, prepared.size, prepared.name, keywords, channel, level)

        return self._begin(prepared, channel, options, begin)

    @shows_options
    def ping(self, url: str, **options: Unpack[Options]) -> PingReport:
        """Asks whether a BITS server answers at ``url``; sends no data. Raises a ``bitsup.Error`` if none does."""
        keywords, asker = self._keywords(options)
        with causes(asker):
            return self._open_native().ping(required("the URL", url), keywords)

    @shows_options
    def doctor(self, url: str, **options: Unpack[Options]) -> DoctorReport:
        """Looks at all that stands between this machine and an upload to ``url``, step by step.

        Proxy, name, connection, certificates, verb, login, and whether a session takes a byte: in a file of its own
        beside what ``url`` names, which is cancelled again. What is wrong is in the report, with what to do about it; only a URL or an option that cannot be used
        raises a ``bitsup.Error``, and ``credentials`` what it raises. Waits, less than 20 s even for a
        server that is silent, but for the time that ``credentials`` takes.
        """
        keywords, asker = self._keywords(options)
        since = 0 if asker is None else asker.asked
        report = self._open_native().doctor(required("the URL", url), keywords)
        raised = None if asker is None else asker.raised(False, site_of(url), since)
        if raised is not None:
            raise raised
        return report

    @shows_options
    def session(self, url: str, size: int, *, name: str | None = None, **options: Unpack[Options]) -> Session:
        """Opens an upload session of ``size`` bytes, to be driven packet by packet, with Create-Session.

        ``name`` is told to the server; by default the last part of the URL. Options as in ``bitsup.upload``;
        those about retries, replies and verification have no meaning here.
        """
        size = checked_size(size)
        required("the URL", url)
        if name is None:
            name = _without_query(url).rpartition("/")[2]
        keywords, asker = self._keywords(options)
        with causes(asker):
            return Session(self._open_native().session(url, size, name, keywords), size, asker)

    @shows_options
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
        return self._open(url, checked_size(size), Channel(_without_query(url), on_progress), options)

    def _open(self, url: str, size: int, channel: Channel, options: Options) -> UploadWriter:
        pipe = Pipe(size)
        return UploadWriter(self._start(Prepared(pipe, size, once=True), url, channel, options), pipe, size)

    @property
    def state_dir(self) -> str | None:
        """The folder for what lets uploads go on, if there is one."""
        return self._state_dir

    @property
    def limit_rate(self) -> int | str | None:
        """Bytes a second for all uploads together; ``None`` is unlimited. A new value acts at once.

        Or a timetable in local time, ``"08:00-18:00=1M 18:00-22:00=10M"``: a rate is bytes a second, with K, M, G or
        T behind it for powers of 1024, or ``off``; hours that it does not name have no limit. Spans may go over
        midnight, and a change of hour acts within a second. A wrong one raises ``InvalidArgumentError``.
        """
        return self._limit_rate

    @limit_rate.setter
    def limit_rate(self, limit: int | str | None) -> None:
        self._open_native().set_limit_rate({"limit_rate": limit})
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
        self._askers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ending(error):
            if error is None:
                for upload in self.uploads:
                    upload.wait_until_ended(or_suspended=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ending(error):
            if error is None:
                await asyncio.gather(*(upload.wait_until_ended_async(or_suspended=True) for upload in self.uploads))

    @contextlib.contextmanager
    def _ending(self, error: BaseException | None) -> Generator[None, None, None]:
        """The end of a block, which raised ``error`` unless that is ``None``: then failures are raised, else noted."""
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.close()
            if error is None:
                self._failures.raise_all()
            else:
                for line in self._failures.lines():
                    error.add_note(line)
                    logger.error("%s", line)
                self._failures.clear()

    def tell_silent(self) -> None:
        """Says in the log, and by a warning, what was not waited for and not fetched."""
        if self._process != os.getpid():
            return
        running = [upload.name for upload in self.uploads if not upload.is_parked]
        lines = [f"the upload to {name} is running" for name in running] + self._failures.lines()
        self._failures.clear()
        if lines:
            text = f"unclosed bitsup.Client, whose uploads were never awaited: {'; '.join(lines)}"
            logger.error("%s", text)
            warnings.warn(text, ResourceWarning, stacklevel=1, source=self)

    def __del__(self) -> None:
        # It may be that it could not be made.
        if hasattr(self, "_process"):
            self.tell_silent()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._uploads)} uploads"
        return f"<bitsup.Client {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a client has a thread and cannot be pickled: make one in each process")

    async def _prepare_async(self, source: Source | AsyncSource, size: int | None) -> tuple[Prepared, Pipe | None]:
        if is_asynchronous_source(source):
            if size is None:
                return await spooled_async(source, self._state_dir), None
            pipe = Pipe(checked_size(size))
            return Prepared(pipe, size, once=True), pipe
        given: Any = source
        if size is None and not isinstance(given, (str, os.PathLike, bytes)):
            # It may have to be spooled, which takes long.
            return await asyncio.to_thread(prepare, given, size, self._state_dir), None
        return prepare(given, size), None

    def _start(self, prepared: Prepared, url: str, channel: Channel, options: Options) -> Upload:
        def begin(native: _bitsup.Client, keywords: dict[str, Any], level: int) -> _bitsup.Upload:
            if prepared.once:
                # A stream that can be read once cannot be resumed: the server need not keep a part of it.
                keywords["no_resume"] = True
            return native.start(prepared.native, prepared.size, prepared.name, url, keywords, channel, level)

        return self._begin(prepared, channel, options, begin, url)

    def _begin(
        self,
        prepared: Prepared,
        channel: Channel,
        options: Options,
        begin: Callable[[_bitsup.Client, dict[str, Any], int], _bitsup.Upload],
        url: str | None = None,
    ) -> Upload:
        client = weakref.ref(self)
        key = channel.key
        transcript = asker = None

        def ended() -> None:
            owner = client()
            if owner is not None:
                owner._uploads.pop(key, None)
            if asker is not None:
                asker.forget(key)
            if transcript is not None:
                transcript.close()
            prepared.release()

        try:
            native = self._open_native()
            keywords, asker = self._keywords(options)
            if options.get("transcript") is not None:
                transcript = recorder(options.get("transcript"))
                keywords["transcript"] = True
            site = None if asker is None or url is None else site_of(url)
            if asker is not None:
                channel.cause_of = functools.partial(asker.cause_of, site=site, since=asker.asked)
            channel.source, channel.failures = prepared, self._failures
            channel.ended, channel.record = ended, transcript
            level = PACKETS if logger.isEnabledFor(logging.DEBUG) else PROGRESS if channel.has_listener else 0
            upload = Upload(begin(native, keywords, level), channel, self)
        except BaseException:
            ended()
            raise
        self._uploads[key] = upload
        if asker is not None:
            asker.watch(key, site, upload.stop)
        if upload.done():
            # It ended before it was entered.
            ended()
        return upload

    def _keywords(self, options: Options) -> tuple[dict[str, Any], Asker | None]:
        keywords = checked(options)
        # Of whole uploads only.
        keywords.pop("transcript", None)
        ask = keywords.pop("on_credentials", None) or self._on_credentials
        if ask is None:
            return keywords, None
        asker = self._askers.get(ask)
        keywords["on_credentials"] = asker.native
        return keywords, asker

    def _open_native(self) -> _bitsup.Client:
        if self._closed:
            raise InvalidArgumentError("the client is closed: make a new one")
        return self._native


def _on_loop(options: Options) -> Options:
    """With functions that are an ``async def`` awaited on the running loop."""
    loop = running_loop()
    found: dict[str, Any] = {}
    for name, value in options.items():
        given: Any = value
        found[name] = OnLoop(loop, given) if is_asynchronous(given) else given
    return cast(Options, found)


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
    with contextlib.ExitStack() as last:
        # The last one first; each whatever the others raise, since a warning may be an error.
        last.callback(_bitsup.close_gate)
        for client in tuple(_clients):
            last.callback(client.close)
            last.callback(client.tell_silent)


os.register_at_fork(after_in_child=_forget_parent)
atexit.register(_end)


def _without_query(url: str) -> str:
    """A query may hold a secret, and so may what stands before an @."""
    required("the URL", url)
    shown = url.split("?", 1)[0].split("#", 1)[0]
    scheme, found, rest = shown.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else shown
