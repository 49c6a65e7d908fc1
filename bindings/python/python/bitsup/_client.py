"""The client: any number of uploads on one thread."""

from __future__ import annotations

import _thread
import atexit
import os
import weakref

import bitsup

from . import _bitsup
from ._channel import Channel, is_logging, logger
from ._errors import Error, InvalidArgumentError, Token
from ._keywords import native_keywords
from ._names import publish
from ._receipt import Receipt
from ._sources import STREAM_FRAGMENT, Prepared, checked_size, prepare
from ._upload import PACKETS, PROGRESS, Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    import typing
    from collections import abc

    from ._credentials import Asker, Askers
else:
    from ._lazy import abc, types, typing

FAREWELL = 1.0
"""Seconds that stopped uploads get to end in an orderly way."""

DEBUG = 10
"""As in the module ``logging``, which takes long to load."""

_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Client:
    """Uploads files; one thread moves all bytes of all its uploads.

    As a context manager it waits for its uploads at the end; if the block raises, it stops them and
    keeps their sessions. Any thread may use it. A process that was forked needs a new one.
    """

    def __init__(
        self,
        *,
        state_dir: str | os.PathLike[str] | None = None,
        limit_rate: int | str | None = None,
        uploads_per_host: int = 16,
        user_agent: str | None = None,
    ) -> None:
        """``state_dir``: a folder for what lets uploads of files go on after the process has ended, in whatever
        way: starting the same upload again continues it. It is made if there is none, for the user alone, and
        several processes may share one. Without it nothing is kept. ``limit_rate``: bytes a second for all uploads
        together, or a timetable: see the property. ``uploads_per_host``: how many hold a session at one server at a
        time (the others wait; IIS deletes sessions beyond 50 a user). ``user_agent``: instead of ``bitsup/VERSION``.
        """
        _check_rate(limit_rate)
        _check_number("uploads_per_host", uploads_per_host)
        self._state_dir = None if state_dir is None else _checked("state_dir", os.fspath(state_dir))
        self._limit_rate = limit_rate
        self._native = _bitsup.Client(
            limit_rate=limit_rate, uploads_per_host=uploads_per_host, state_dir=state_dir, user_agent=user_agent
        )
        self._uploads: dict[object, Upload] = {}
        self._askers: Askers | None = None
        self._process = os.getpid()
        self._closed = False
        _clients.add(self)

    def upload(
        self,
        source: bitsup.Source,
        url: str,
        *,
        on_progress: abc.Callable[[bitsup.Progress], object] | None = None,
        size: int | None = None,
        **options: typing.Unpack[bitsup.Options],
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
        source: bitsup.Source,
        url: str,
        *,
        on_progress: abc.Callable[[bitsup.Progress], object] | None = None,
        size: int | None = None,
        **options: typing.Unpack[bitsup.Options],
    ) -> Upload:
        """Starts an upload and returns its handle. Arguments as in ``bitsup.upload``.

        Bad arguments raise here, everything else in ``result()``. ``on_progress`` is called on the
        thread that waits in ``result()``, else on the client's callback thread.
        """
        return self._start(source, url, Channel(on_progress, None, _without_query(url)), size, options)

    async def upload_async(
        self,
        source: bitsup.Source,
        url: str,
        *,
        on_progress: abc.Callable[[bitsup.Progress], object] | None = None,
        size: int | None = None,
        **options: typing.Unpack[bitsup.Options],
    ) -> Receipt:
        """Uploads in asyncio: no thread is used for it, and ``on_progress`` is called on the event loop.

        Arguments as in ``bitsup.upload``. Cancelling the task stops the upload and keeps its session.
        """
        import asyncio

        channel = Channel(on_progress, asyncio.get_running_loop(), _without_query(url))
        upload = self._start(source, url, channel, size, options)
        try:
            return await upload
        except asyncio.CancelledError:
            upload.cancel(keep=True)
            raise

    def sessions(self, *, on_error: abc.Callable[[Error], object] | None = None) -> tuple[bitsup.SessionInfo, ...]:
        """The interrupted uploads in the state directory, oldest first; those that run now as well.

        ``on_error`` gets the error of each one that cannot be read; by default it is logged as a warning.
        Raises ``InvalidArgumentError`` if the client has no state directory.
        """
        from ._reports import session_of

        found, problems = self._open_native().sessions()
        for problem in problems:
            if on_error is not None:
                on_error(problem)
            else:
                logger().warning("%s", problem)
        return tuple(session_of(facts) for facts in found)

    def resume(
        self,
        id: str,
        *,
        on_progress: abc.Callable[[bitsup.Progress], object] | None = None,
        **options: typing.Unpack[bitsup.Options],
    ) -> Upload:
        """Goes on with an interrupted upload, from where the server stands: see ``sessions()``.

        Options as in ``bitsup.upload``; give them again, since none are kept, passwords least of all. The file must
        be what it was: if it changed, the session is cancelled and ``result()`` raises ``SourceChangedError``.
        Raises ``SessionInUseError`` if an upload of it is running, here or in another process.
        """
        id = _checked("the id", id)
        channel = Channel(on_progress, None, f"session {id}")

        def begin(native: _bitsup.Client, keywords: dict[str, typing.Any], level: int) -> _bitsup.Upload:
            return native.resume(id, keywords, channel, level)

        return self._begin(Prepared(None), channel, options, begin)

    def cancel_session(self, id: str, **options: typing.Unpack[bitsup.Options]) -> None:
        """Cancels an interrupted upload, so that the server deletes what it has of it, and waits for that.

        Options are those of the connection: user, password, proxy, …
        """
        from ._credentials import causes

        keywords, asker = self._keywords(options)
        with causes(asker):
            self._open_native().cancel_session(_checked("the id", id), keywords)

    def forget_session(self, id: str) -> None:
        """Forgets an interrupted upload without asking the server, which deletes what it has in its own time."""
        self._open_native().forget_session(_checked("the id", id))

    def export(self, id: str) -> Token:
        """An interrupted upload as a token, with which ``import_token`` goes on, here or on another machine.

        The session stays in this state directory too: ``forget_session`` when it has moved.
        """
        return Token(self._open_native().export(_checked("the id", id)))

    def import_token(
        self,
        session_token: str,
        source: bitsup.Source,
        *,
        on_progress: abc.Callable[[bitsup.Progress], object] | None = None,
        size: int | None = None,
        **options: typing.Unpack[bitsup.Options],
    ) -> Upload:
        """Goes on with an upload that was interrupted elsewhere: ``session_token`` is from ``export()`` or ``Error.token``.

        ``source`` must hold the same bytes, which is checked before the last part is sent
        (``SourceChangedError``); a stream cannot be continued. Options as in ``bitsup.upload``.
        """
        token = _checked("the token", session_token)
        prepared = prepare(source, size)
        if prepared.comes_once:
            prepared.release()
            raise InvalidArgumentError("a stream cannot be continued: its first bytes are gone; give a file or bytes")
        channel = Channel(on_progress, None, "a session from elsewhere")

        def begin(native: _bitsup.Client, keywords: dict[str, typing.Any], level: int) -> _bitsup.Upload:
            return native.import_token(token, prepared.native, prepared.size, prepared.name, keywords, channel, level)

        return self._begin(prepared, channel, options, begin)

    def ping(self, url: str, **options: typing.Unpack[bitsup.Options]) -> bitsup.PingReport:
        """Asks whether a BITS server answers at ``url``; sends no data. Raises a ``bitsup.Error`` if none does."""
        from ._credentials import causes
        from ._reports import PingReport

        keywords, asker = self._keywords(options)
        with causes(asker):
            return PingReport(**self._open_native().ping(_checked("the URL", url), keywords))

    def doctor(self, url: str, **options: typing.Unpack[bitsup.Options]) -> bitsup.DoctorReport:
        """Looks at all that stands between this machine and an upload to ``url``, step by step.

        Proxy, name, connection, certificates, verb, login, and whether a session takes a byte: in a file of its own
        beside what ``url`` names, which is cancelled again. What is wrong is in the report, with what to do about it; only a URL or an option that cannot be used
        raises a ``bitsup.Error``, and ``credentials`` what it raises. Waits, less than 20 s even for a
        server that is silent, but for the time that ``credentials`` takes.
        """
        from ._credentials import site_of
        from ._reports import report_of

        keywords, asker = self._keywords(options)
        since = 0 if asker is None else asker.asked
        report = report_of(*self._open_native().doctor(_checked("the URL", url), keywords))
        raised = None if asker is None else asker.raised(False, site_of(url), since)
        if raised is not None:
            raise raised
        return report

    def session(self, url: str, size: int, *, name: str | None = None, **options: typing.Unpack[bitsup.Options]) -> bitsup.Session:
        """Opens an upload session of ``size`` bytes, to be driven packet by packet, with Create-Session.

        ``name`` is told to the server; by default the last part of the URL. Options as in ``bitsup.upload``;
        those about retries, replies and verification have no meaning here.
        """
        from ._credentials import causes
        from ._session import Session

        size = checked_size(size)
        _checked("the URL", url)
        if name is None:
            name = _without_query(url).rpartition("/")[2]
        keywords, asker = self._keywords(options)
        with causes(asker):
            return Session(self._open_native().session(url, size, name, keywords), size, asker)

    def open(
        self,
        url: str,
        size: int,
        *,
        on_progress: abc.Callable[[bitsup.Progress], object] | None = None,
        **options: typing.Unpack[bitsup.Options],
    ) -> bitsup.UploadWriter:
        """Opens ``url`` as a binary file to write ``size`` bytes to. It cannot be continued after a restart.

        What was sent last, up to 4 MiB, is kept in memory; a server that forgets more makes it fail. Options as in
        ``bitsup.upload``. Works with ``shutil.copyfileobj``. A pause longer than ``stall_timeout`` breaks the
        connection, and what is under way is sent again.
        """
        from ._writer import Pipe, UploadWriter

        size = checked_size(size)
        pipe = Pipe(size)
        channel = Channel(on_progress, None, _without_query(url))
        return UploadWriter(self._start_prepared(Prepared(pipe, size), url, channel, options), pipe, size)

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
        _check_rate(limit)
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
        if self._askers is not None:
            self._askers.clear()

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for upload in self.uploads:
                    upload.exception()
        finally:
            self.close()

    async def __aenter__(self) -> typing.Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        import asyncio

        try:
            if kind is None:
                await asyncio.gather(*(upload.wait_async() for upload in self.uploads), return_exceptions=True)
        finally:
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._uploads)} uploads"
        return f"<bitsup.Client {state}>"

    def __reduce__(self) -> typing.Any:
        raise TypeError("a client has a thread and cannot be pickled: make one in each process")

    def _start(self, source: bitsup.Source, url: str, channel: Channel, size: int | None, options: bitsup.Options) -> Upload:
        return self._start_prepared(prepare(source, size), url, channel, options)

    def _start_prepared(self, prepared: Prepared, url: str, channel: Channel, options: bitsup.Options) -> Upload:
        def begin(native: _bitsup.Client, keywords: dict[str, typing.Any], level: int) -> _bitsup.Upload:
            if prepared.comes_once:
                limit = min(keywords.get("max_fragment") or STREAM_FRAGMENT, STREAM_FRAGMENT)
                keywords["max_fragment"] = limit
                size = keywords.get("fragment_size")
                prepared.native.window = max(limit, size if isinstance(size, int) else 0)
                # Nobody can go on with what comes once: the server need not keep a part of it.
                keywords["no_resume"] = True
            return native.start(prepared.native, prepared.size, prepared.name, url, keywords, channel, level)

        return self._begin(prepared, channel, options, begin, url)

    def _begin(
        self,
        prepared: Prepared,
        channel: Channel,
        options: bitsup.Options,
        begin: abc.Callable[[_bitsup.Client, dict[str, typing.Any], int], _bitsup.Upload],
        url: str | None = None,
    ) -> Upload:
        try:
            return self._begin_prepared(prepared, channel, options, begin, url)
        except BaseException:
            prepared.release()
            raise

    def _begin_prepared(
        self,
        prepared: Prepared,
        channel: Channel,
        options: bitsup.Options,
        begin: abc.Callable[[_bitsup.Client, dict[str, typing.Any], int], _bitsup.Upload],
        url: str | None,
    ) -> Upload:
        native = self._open_native()
        level = PACKETS if _wants_packets() else PROGRESS if channel.has_listener else 0
        client = weakref.ref(self)
        name = object()
        keywords, asker = self._keywords(options)
        transcript = None
        if options.get("transcript") is not None:
            from ._transcript import recorder

            transcript = recorder(options.get("transcript"))
            keywords["transcript"] = True
        site = None
        if asker is not None and url is not None:
            from ._credentials import site_of

            site = site_of(url)

        def ended() -> None:
            owner = client()
            if owner is not None:
                owner._uploads.pop(name, None)
            if asker is not None:
                asker.forget(name)
            if transcript is not None:
                transcript.close()
            prepared.release()

        channel.ended = ended
        channel.record = transcript
        if asker is not None:
            since = asker.asked
            channel.cause_of = lambda error: asker.cause_of(error, site, since)
        try:
            upload = Upload(begin(native, keywords, level), channel, prepared)
        except BaseException:
            if transcript is not None:
                transcript.close()
            raise
        self._uploads[name] = upload
        if asker is not None:
            asker.watch(name, site, upload.stop)
        if upload.done():
            # It ended before it was entered.
            ended()
        return upload

    def _keywords(self, options: bitsup.Options) -> tuple[dict[str, typing.Any], Asker | None]:
        keywords = native_keywords(options)
        # Of whole uploads only.
        keywords.pop("transcript", None)
        asker = None
        if keywords.get("credentials") is not None:
            from ._credentials import Askers

            with _shared_lock:
                self._askers = self._askers or Askers()
            asker = self._askers.get(keywords["credentials"])
            keywords["credentials"] = asker.native
        return keywords, asker

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
_shared_lock = _thread.allocate_lock()


def _forget_parent() -> None:
    """After a fork: the parent's client has no thread here, and its lock may be held for ever."""
    global _shared, _shared_lock
    _shared = None
    _shared_lock = _thread.allocate_lock()
    _bitsup.reset_gate()


def _end() -> None:
    """Nothing runs on when the interpreter ends."""
    for client in tuple(_clients):
        client.close()
    _bitsup.close_gate()


os.register_at_fork(after_in_child=_forget_parent)
atexit.register(_end)


def _wants_packets() -> bool:
    """Whether the log has a line for each packet."""
    return is_logging() and logger().isEnabledFor(DEBUG)


def _without_query(url: str) -> str:
    """A query may hold a secret, and so may what stands before an @."""
    _checked("the URL", url)
    shown = url.split("?", 1)[0].split("#", 1)[0]
    scheme, found, rest = shown.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else shown


def _checked(what: str, text: typing.Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    return text


def _check_rate(limit: typing.Any) -> None:
    if limit is not None and not isinstance(limit, (int, str)):
        raise TypeError(f"limit_rate must be an int, or a str with a timetable, not {type(limit).__name__}")
    if not isinstance(limit, str):
        _check_number("limit_rate", limit)


def _check_number(name: str, value: typing.Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise InvalidArgumentError(f"{name} is {value}: give at least 1, or None")
    if value >= 1 << 63:
        raise InvalidArgumentError(f"{name} is {value}: that is more than there can be")


publish(globals())
