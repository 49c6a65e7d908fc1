"""What is told about servers, sessions, codes and the build: plain frozen data that can be compared and pickled.

Annotations are no strings here: they would be evaluated where people find the classes, not where they are.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PingReport:
    """A BITS server answered."""

    url: str
    """The URL, without its query."""
    seconds: float
    """Connecting, asking and the answer together."""
    server: str | None
    """What the server calls itself."""
    authorized: bool
    """Whether it asked for user and password and took them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that ``doctor`` looked at."""

    check: Literal[
        "proxy",
        "name",
        "connection",
        "certificates",
        "verb",
        "authentication",
        "clock",
        "session",
        "host_id",
        "fragment",
        "cleanup",
        "state",
    ]
    """What was looked at."""
    verdict: Literal["good", "skipped", "warning", "unknown", "problem"]
    """How it is: uploads may work in spite of a warning, and do not with a problem. ``skipped``: an earlier step
    failed, or it does not apply. ``unknown``: whether uploads work cannot be told."""
    detail: str
    """What was seen, in one line."""
    fix: str | None
    """What to do about a problem or warning, and where: the setting of the server or proxy."""
    kind: str | None
    """The kind of error that an upload would end with, as ``Error.kind``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What stands between this machine and an upload."""

    url: str
    """The URL, without its query."""
    findings: tuple[Finding, ...]
    """In the order in which a connection comes about."""
    json: str = field(repr=False)
    """The same as one line of JSON, as that of ``bitsup doctor --json``."""

    @property
    def problem(self) -> Finding | None:
        """The first problem. ``None``: an upload should work, unless a finding is ``unknown``."""
        return next((finding for finding in self.findings if finding.verdict == "problem"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """An upload that was interrupted and can be continued: see ``Client.sessions``."""

    id: str
    """Its name in the state directory, for ``Client.resume``."""
    url: str
    """The destination, without its query."""
    path: str
    """The file."""
    size: int
    """Its size in bytes."""
    acknowledged: int
    """Bytes that the server had acknowledged."""
    begun: datetime
    """When the upload began (UTC)."""
    updated: datetime
    """When it last got further (UTC). Servers forget sessions: IIS after 14 days."""
    in_use: bool
    """Whether an upload is running in it, in this process or another one."""
    may_be_left: bool
    """Whether the server may hold a session that is not known here, since the answer to its
    Create-Session was never stored. Where nothing was acknowledged, ``resume`` begins anew."""
    note: str | None
    """What the option ``note`` said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What this build has."""

    version: str
    """The version of bitsup."""
    libcurl: str
    """libcurl's version."""
    tls: str | None
    """The TLS library and its version."""
    zlib: str | None
    """zlib's version, if libcurl has it."""
    optimised: bool
    """Whether it was built for speed; a quick build is slower."""
    bundled: bool
    """Whether libcurl came with bitsup instead of being the system's."""
    wipes_libcurl: bool
    """Whether libcurl overwrites what it frees, and with it logins; it does in wheels."""
    ntlm: bool
    """Whether ``auth="ntlm"`` can be used; with every build."""
    negotiate: bool
    """Whether ``auth="negotiate"`` can be used with user and password, which is NTLM inside; with every build."""
    kerberos: bool
    """Whether ``auth="negotiate"`` can be used without them, with the Kerberos ticket of the system."""
    channel_binding: bool
    """Whether such logins are bound to the server's certificate over https (Extended Protection)."""
    proxy_ntlm: bool
    """Whether ``proxy_auth="ntlm"`` can be used; as libcurl has it."""
    proxy_negotiate: bool
    """Whether ``proxy_auth="negotiate"`` can be used, with the Kerberos ticket of the system; as libcurl has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a code most likely means."""

    http_status: int | None
    hresult: int | None
    title: str
    """What happened."""
    cause: str
    """The likely causes."""
    advice: str
    """What to do."""
