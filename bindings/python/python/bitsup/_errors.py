"""The exceptions: one class for each kind of error.

Annotations are no strings here: they would be evaluated where people find the classes, not where they are.
"""

import errno as _errno

from . import _bitsup
from ._names import publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing
    from collections.abc import Mapping
else:
    from ._lazy import typing

_KIND_OF_CLASS: dict[str, tuple[str, int]] = {
    python: (name, status) for name, status, python, _ in _bitsup.kinds()
}


class Token(str):
    """An upload session as a line of text, with which ``Client.import_token`` goes on, here or elsewhere.

    A ``str`` that ``repr`` does not show: it holds no password, but who has it can write to the upload.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> "typing.Self":
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
    message: str
    """What happened, without status and code."""
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
    """Whether the server still holds what was sent."""
    token: Token | None
    """The session, if ``Client.import_token`` can go on with it, here or elsewhere."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.kind, self.status = _row(type(self))
        self.message = text
        self.advice = ""
        self.http_status = None
        self.hresult = None
        self.context = None
        self.packet = None
        self.resumable = False
        self.token = None

    def __str__(self) -> str:
        # OSError would print its number instead.
        return str(self.args[0]) if self.args else ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> "tuple[typing.Any, ...]":
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

_CLASS_OF_KIND: dict[str, str] = {name: python for name, _, python, _ in _bitsup.kinds()}


def class_of(kind: str) -> type[Error]:
    """The class for a kind of error."""
    if kind == "Cancelled":
        # Not here, since it needs a module that takes long to load.
        from ._cancelled import CancelledError

        return CancelledError
    found: type[Error] = globals()[_CLASS_OF_KIND.get(kind, "InternalError")]
    return found


def from_facts(facts: "Mapping[str, typing.Any]") -> Error:
    """The exception for an error of the native part."""
    found = class_of(facts["kind"])
    if found is LocalFileError:
        found = _LOCAL.get(facts["errno"], found)
    error = found(facts["text"])
    error.message, error.advice = facts["message"], facts["advice"]
    for name in ("http_status", "hresult", "context", "packet", "resumable"):
        setattr(error, name, facts[name])
    token = facts["token"]
    error.token = None if token is None else Token(token)
    if isinstance(error, OSError):
        error.errno = facts["errno"]
    if error.advice:
        error.add_note(error.advice)
    return error


def local_file_error(text: str, problem: OSError) -> LocalFileError:
    """The exception for a file that Python could not read."""
    error = _LOCAL.get(problem.errno, LocalFileError)(text)
    error.errno = problem.errno
    return error


def _row(found: type[Error]) -> tuple[str, int]:
    for base in found.__mro__:
        row = _KIND_OF_CLASS.get(base.__name__)
        if row is not None:
            return row
    return ("Internal", _KIND_OF_CLASS["InternalError"][1])


publish(globals())
