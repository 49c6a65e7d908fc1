"""The public names, and where they are defined."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOMES = {
    "_cancelled": ("CancelledError",),
    "_client": ("Client",),
    "_credentials": ("AskForLogin", "BearerToken", "CredentialRequest", "Login"),
    "_errors": (
        "AuthError",
        "Error",
        "HostIdUntrustedError",
        "InternalError",
        "InvalidArgumentError",
        "LimitReachedError",
        "LocalFileError",
        "LocalFileIsADirectoryError",
        "LocalFileNotFoundError",
        "LocalFilePermissionError",
        "NetworkError",
        "NetworkTimeoutError",
        "ProtocolError",
        "ProxyAuthError",
        "RefusedError",
        "SessionInUseError",
        "SourceChangedError",
        "StillRunning",
        "TlsError",
        "Token",
        "UnsupportedError",
        "VerifyFailedError",
    ),
    "_events": ("AckEvent", "Event", "Notice", "PacketEvent", "Progress", "Retry", "State"),
    "_options": ("Options", "Source"),
    "_receipt": ("Finished", "Receipt"),
    "_reports": ("DoctorReport", "Explanation", "Features", "Finding", "PingReport", "SessionInfo"),
    "_session": ("Session",),
    "_upload": ("Upload",),
    "_writer": ("UploadWriter",),
}
"""What is not defined in ``__init__.py`` itself, by module."""

HOME_OF = {name: home for home, names in HOMES.items() for name in names}
"""The module of each of these names."""


def publish(namespace: dict[str, Any]) -> None:
    """At the end of a module: its public classes say where people find them, not in which file they stand."""
    home = namespace["__name__"]
    for name in HOMES[home.rpartition(".")[2]]:
        found = namespace[name]
        if isinstance(found, type) and found.__module__ == home:
            found.__module__ = "bitsup"
