"""The exceptions: one class for each kind of error."""

from __future__ import annotations

import concurrent.futures
import errno as _errno
from collections.abc import Mapping, Sequence
from typing import Any, Self

from . import _bitsup

_ROWS = {python: (name, status) for name, status, python, _ in _bitsup.kinds()}
"""Kind and status by the name of the class."""


class Token(str):
    """An upload session as a line of text, with which ``Client.import_token`` goes on, here or elsewhere.

    A ``str`` that ``repr`` does not show: it holds no password, but who has it can write to the upload.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return "<bitsup.Token>"


class Error(Exception):
    """The root of all errors of bitsup. ``str(error)`` is one line: what happened, and what the server said.

    A traceback shows the advice as well. Errors can be pickled, and hold no password.
    """

    kind: str
    """Whose fault it is, in one word: ``Network``, ``Refused``, … (the same in all languages)."""
    status: int
    """The number of the kind, as ``BITSUP_STATUS_…`` in C."""
    advice: str
    """The likely next step."""
    http_status: int | None
    """The HTTP status of the server's answer, if there was one."""
    hresult: int | None
    """The server's error code, e.g. ``0x80070005``; else the one that stands for the HTTP status."""
    context: int | None
    """5 if the BITS server failed, 7 if the application behind it did."""
    packet: str | None
    """The packet under way, e.g. ``Create-Session``."""
    resumable: bool
    """Whether the server still holds what was sent, so that the upload can go on: with ``token``, or, if the client has
    a ``state_dir``, by starting it again."""
    token: Token | None
    """The session, if ``Client.import_token`` can go on with it, here or elsewhere."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.kind, self.status = _row(type(self))
        self._message = text
        self.advice = ""
        self.http_status = None
        self.hresult = None
        self.context = None
        self.packet = None
        self.resumable = False
        self.token = None

    @property
    def message(self) -> str:
        """What happened, without status and code."""
        return self._message

    def __str__(self) -> str:
        # OSError would print its number instead.
        return str(self.args[0]) if self.args else ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = dict(self.__dict__)
        if isinstance(self, OSError):
            state["errno"] = self.errno
        return (type(self), self.args, state)


class InvalidArgumentError(Error, ValueError):
    """Something was given that cannot be used."""


class LocalFileError(Error, OSError):
    """The source, or the file for the reply, cannot be used.

    Also a ``FileNotFoundError``, ``PermissionError`` or ``IsADirectoryError`` where that is the reason.
    """


class SourceChangedError(Error):
    """The source is not what it was when the upload began."""


class SessionInUseError(Error):
    """Another process or upload holds the session."""


class AuthError(Error):
    """The server wants a user and password, or refused those it got."""


class ProxyAuthError(Error):
    """The proxy wants a user and password, or refused those it got."""


class TlsError(Error, OSError):
    """The TLS connection could not be made as it must be."""


class NetworkError(Error, ConnectionError):
    """The server cannot be reached, or the connection is lost again and again."""


class NetworkTimeoutError(Error, TimeoutError):
    """No answer, no byte, or the server kept answering "later"."""


class RefusedError(Error):
    """The server understood and said no."""


class HostIdUntrustedError(Error):
    """The server names another host that is not trusted."""


class ProtocolError(Error):
    """The answer is none that the protocol allows."""


class VerifyFailedError(Error):
    """All was sent, and the file on the server is not proven to be right."""


class LimitReachedError(Error):
    """A limit that you set was reached."""


class UnsupportedError(Error):
    """This build or this server lacks what was asked for."""


class InternalError(Error):
    """A fault of bitsup."""


class CancelledError(Error, concurrent.futures.CancelledError):
    """The upload was cancelled."""


class UploadErrors(ExceptionGroup[Exception], Error):
    """Failures of uploads that were not fetched: raised at the end of ``with Client()``, always as a group.

    ``kind``, ``advice`` and the other attributes are those of the first ``bitsup.Error`` in it.
    """

    omitted: int = 0
    """Failures that are not in the group, since it is too large."""

    def __init__(self, message: str, exceptions: Sequence[Exception], /) -> None:
        Error.__init__(self, message)
        self.args: tuple[Any, ...] = (message, list(exceptions))
        first = next((error for error in exceptions if isinstance(error, Error)), None)
        if first is not None:
            own = {name: value for name, value in vars(first).items() if name != "__notes__"}
            vars(self).update(own, _message=message)

    @classmethod
    def of(cls, errors: Sequence[Exception], omitted: int) -> UploadErrors:
        """A group with its message."""
        count = len(errors) + omitted
        group = cls(f"{count} upload{'s' if count > 1 else ''} failed", errors)
        group.omitted = omitted
        return group

    def derive(self, excs: Sequence[Exception], /) -> UploadErrors:  # type: ignore[override]
        """A part of the group is such a group too."""
        return UploadErrors(self.message, excs)

    def __str__(self) -> str:
        return ExceptionGroup.__str__(self)

    def __repr__(self) -> str:
        return ExceptionGroup.__repr__(self)


class StillRunning(TimeoutError):
    """The time given to ``result(timeout)`` is over; the upload goes on."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)


class LocalFileNotFoundError(LocalFileError, FileNotFoundError):
    """A file that is not there."""


class LocalFilePermissionError(LocalFileError, PermissionError):
    """A file that may not be used."""


class LocalFileIsADirectoryError(LocalFileError, IsADirectoryError):
    """A folder where a file is needed."""


_LOCAL: dict[int | None, type[LocalFileError]] = {
    _errno.ENOENT: LocalFileNotFoundError,
    _errno.ENOTDIR: LocalFileNotFoundError,
    _errno.EACCES: LocalFilePermissionError,
    _errno.EPERM: LocalFilePermissionError,
    _errno.EISDIR: LocalFileIsADirectoryError,
}

_CLASSES: dict[str, type[Error]] = {name: globals()[python] for python, (name, _) in _ROWS.items()}


def from_facts(text: str, kind: str, errno: int | None, token: str | None, facts: Mapping[str, Any]) -> Error:
    """The exception for an error of the native part."""
    found = _CLASSES.get(kind, InternalError)
    error = found(text) if found is not LocalFileError else _LOCAL.get(errno, LocalFileError)(text)
    vars(error).update(facts)
    if token is not None:
        error.token = Token(token)
        error.resumable = True
    if isinstance(error, OSError):
        error.errno = errno
    if error.advice:
        error.add_note(error.advice)
    return error


def local_file_error(text: str, problem: OSError) -> LocalFileError:
    """The exception for a file that Python could not read."""
    error = _LOCAL.get(problem.errno, LocalFileError)(text)
    error.errno = problem.errno
    return error


def _row(found: type[Error]) -> tuple[str, int]:
    return next((_ROWS[base.__name__] for base in found.__mro__ if base.__name__ in _ROWS), _ROWS["InternalError"])
