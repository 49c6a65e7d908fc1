"""Upload files with the BITS Upload Protocol (BITS_POST).

    >>> import bitsup
    >>> receipt = bitsup.upload("disk.img", "https://host/incoming/disk.img")  # doctest: +SKIP

``upload`` for scripts, ``Client`` for services, ``upload_async`` for asyncio, and ``Client.session``
for the packets one by one. Errors are a ``bitsup.Error`` each.
"""

from __future__ import annotations

from . import _interpreter as _  # the first: the others need it
from . import _bitsup
from ._client import Client
from ._credentials import AskForLogin, BearerToken, CredentialRequest, Login
from ._errors import (
    AuthError,
    CancelledError,
    Error,
    HostIdUntrustedError,
    InternalError,
    InvalidArgumentError,
    LimitReachedError,
    LocalFileError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
    LocalFilePermissionError,
    NetworkError,
    NetworkTimeoutError,
    ProtocolError,
    ProxyAuthError,
    RefusedError,
    SessionInUseError,
    SourceChangedError,
    StillRunning,
    TlsError,
    Token,
    UnsupportedError,
    UploadErrors,
    VerifyFailedError,
)
from ._events import AckEvent, Event, Finished, Notice, PacketEvent, Progress, Receipt, Retry, State
from ._functions import doctor, doctor_async, explain, features, ping, ping_async, upload, upload_async
from ._options import ClientOptions, Options
from ._reports import DoctorReport, Explanation, Features, Finding, PingReport, SessionInfo
from ._session import Session
from ._types import AsyncSource, Source
from ._upload import Upload
from ._writer import UploadWriter

__version__: str = _bitsup.version()

__all__ = [
    "AckEvent",
    "AskForLogin",
    "AsyncSource",
    "AuthError",
    "BearerToken",
    "CancelledError",
    "Client",
    "ClientOptions",
    "CredentialRequest",
    "DoctorReport",
    "Error",
    "Event",
    "Explanation",
    "Features",
    "Finding",
    "Finished",
    "HostIdUntrustedError",
    "InternalError",
    "InvalidArgumentError",
    "LimitReachedError",
    "LocalFileError",
    "LocalFileIsADirectoryError",
    "LocalFileNotFoundError",
    "LocalFilePermissionError",
    "Login",
    "NetworkError",
    "NetworkTimeoutError",
    "Notice",
    "Options",
    "PacketEvent",
    "PingReport",
    "Progress",
    "ProtocolError",
    "ProxyAuthError",
    "Receipt",
    "RefusedError",
    "Retry",
    "Session",
    "SessionInUseError",
    "SessionInfo",
    "Source",
    "SourceChangedError",
    "State",
    "StillRunning",
    "TlsError",
    "Token",
    "UnsupportedError",
    "Upload",
    "UploadErrors",
    "UploadWriter",
    "VerifyFailedError",
    "__version__",
    "doctor",
    "doctor_async",
    "explain",
    "features",
    "ping",
    "ping_async",
    "upload",
    "upload_async",
]

# They say where people find them, not in which file they stand.
for _public in map(globals().get, __all__):
    if getattr(_public, "__module__", "").startswith("bitsup."):
        setattr(_public, "__module__", "bitsup")
