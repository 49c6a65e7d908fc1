"""Upload files with the BITS Upload Protocol (BITS_POST).

    >>> import bitsup
    >>> receipt = bitsup.upload("disk.img", "https://host/incoming/disk.img")  # doctest: +SKIP

``upload`` for scripts, ``Client`` for services, ``upload_async`` for asyncio, and ``Client.session``
for the packets one by one. Errors are a ``bitsup.Error`` each.
"""

from __future__ import annotations

from . import _bitsup
from ._client import Client
from ._functions import doctor, explain, features, upload, upload_async
from ._names import HOME_OF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._cancelled import CancelledError
    from ._credentials import AskForLogin, BearerToken, CredentialRequest, Login
    from ._errors import (
        AuthError,
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
        VerifyFailedError,
    )
    from ._events import AckEvent, Event, Notice, PacketEvent, Progress, Retry, State
    from ._options import Options, Source
    from ._receipt import Finished, Receipt
    from ._reports import DoctorReport, Explanation, Features, Finding, PingReport, SessionInfo
    from ._session import Session
    from ._upload import Upload
    from ._writer import UploadWriter

__version__: str = _bitsup.version()

__all__ = [
    "AckEvent",
    "AskForLogin",
    "AuthError",
    "BearerToken",
    "CancelledError",
    "Client",
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
    "UploadWriter",
    "VerifyFailedError",
    "__version__",
    "doctor",
    "explain",
    "features",
    "upload",
    "upload_async",
]


if not TYPE_CHECKING:  # else every name would be known

    def __getattr__(name):
        """Loads what few programs need, when they need it: to load all of it takes longer than a small upload."""
        home = HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module 'bitsup' has no attribute {name!r}")
        found = getattr(__import__(f"bitsup.{home}", fromlist=(name,)), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
