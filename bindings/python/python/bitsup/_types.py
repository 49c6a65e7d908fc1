"""What bitsup hands out: plain frozen data that can be compared and pickled."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ._errors import Error
from ._words import in_keywords


class State(enum.StrEnum):
    """Where an upload stands. A ``str`` too: ``progress.state == "sending"``."""

    QUEUED = "queued"
    """Waits for its turn; nothing was sent yet."""
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    SENDING = "sending"
    WAITING_ACK = "waiting_ack"
    """A part was sent; the server has not answered yet."""
    WAITING_RETRY = "waiting_retry"
    """Waits for the next try: see ``Progress.waiting_for``."""
    SUSPENDED = "suspended"
    CHECKING = "checking"
    REPLY = "reply"
    """Fetches the reply."""
    CLOSING = "closing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A snapshot of an upload."""

    total: int
    """Size in bytes."""
    acknowledged: int
    """Bytes that the server acknowledged; they are safe. May go back if the server does."""
    sent: int
    """Bytes handed to the network, at least ``acknowledged``."""
    rate: int
    """Bytes a second, over the last seconds."""
    eta: float | None
    """Seconds that it will still take at this rate, if that can be told."""
    state: State
    """Where it stands."""
    attempt: int
    """Tries since the last progress."""
    waiting_for: str | None = None
    """Why it waits, while it does."""
    next_try: float | None = None
    """Seconds until the next try, while it waits."""

    @property
    def fraction(self) -> float:
        """What part of the bytes is acknowledged, 0.0 to 1.0."""
        return self.acknowledged / self.total if self.total else float(self.state is State.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The proof of a complete upload: the server has confirmed the file."""

    url: str
    """The destination, without its query."""
    size: int
    """Size in bytes."""
    session_id: str | None
    """The session's id."""
    seconds: float
    """How long it took."""
    fragments: int
    """Fragments acknowledged."""
    restarts: int
    """Sessions that had to be replaced."""
    retries: int
    """Tries after a failure."""
    unclear_resends: int
    """Parts sent again where the server may have stored them before."""
    close_confirmed: bool
    """Whether the end of the session was acknowledged."""
    verified: bool
    """Whether no doubt about the file on the server is left."""
    skipped: bool
    """Whether nothing was sent because the destination existed (``if_exists="skip"``)."""
    sha256: str | None
    """SHA-256 of what was sent, in hexadecimal, if ``sha256=True`` was given."""
    reply_path: str | None
    """The file with the reply."""
    reply: bytes | None
    """The reply, if ``reply_to`` was a number."""
    reply_url: str | None
    """The URL of a reply that the server offered."""
    warnings: tuple[str, ...] = ()
    """Things that a person should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketEvent:
    """A packet is about to be sent."""

    packet: str
    """``Ping``, ``Create-Session``, ``Fragment``, ``Close-Session`` or ``Cancel-Session``."""
    range: tuple[int, int] | None
    """First byte and number of bytes of a Fragment."""
    host: str
    """The host it goes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AckEvent:
    """A packet was answered."""

    packet: str
    """Which packet."""
    range: tuple[int, int] | None
    """First byte and number of bytes of the Fragment."""
    http_status: int
    """The HTTP status."""
    offset: int | None
    """Where the server wants to go on, after a Fragment."""
    seconds: float
    """How long the exchange took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something worth telling, in one line."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Something went wrong and is tried again."""

    cause: Error
    """What went wrong."""
    delay: float
    """Seconds until the next try."""
    attempt: int
    """Tries since the last progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The upload has ended; nothing follows."""

    receipt: Receipt | None
    error: BaseException | None


Event = Progress | PacketEvent | AckEvent | Notice | Retry | Finished
"""What ``Upload.events()`` yields."""


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
        "proxy", "name", "connection", "certificates", "verb", "authentication", "session", "host_id", "clock"
    ]
    """What was looked at."""
    verdict: Literal["good", "skipped", "warning", "problem"]
    """How it is: uploads may work in spite of a warning, and do not with a problem. ``skipped``: an earlier step
    failed, or it does not apply."""
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
    """The same as one line of JSON, as that of ``bitsup doctor --json``; it names the tool's options."""

    @property
    def problem(self) -> Finding | None:
        """The first problem; ``None`` if an upload should work."""
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
    bundled: bool
    """Whether libcurl came with bitsup instead of being the system's."""
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


def progress_of(facts: Mapping[str, Any]) -> Progress:
    """From the native part's fields."""
    fields = dict(facts)
    fields["state"] = State(facts["state"])
    return Progress(**fields)


def receipt_of(facts: Mapping[str, Any]) -> Receipt:
    """From the native part's fields."""
    fields = dict(facts)
    fields["warnings"] = tuple(facts["warnings"])
    path = facts["reply_path"]
    fields["reply_path"] = None if path is None else str(path)
    return Receipt(**fields)


def session_of(facts: Mapping[str, Any]) -> SessionInfo:
    """From the native part's fields."""
    fields = dict(facts)
    fields["path"] = str(facts["path"])
    for name in ("begun", "updated"):
        fields[name] = datetime.fromtimestamp(facts[name], UTC)
    return SessionInfo(**fields)


def report_of(text: str, kinds: Sequence[str | None]) -> DoctorReport:
    """From the native part's JSON, and the kinds of its findings."""
    report = json.loads(text)
    findings: list[Finding] = []
    for facts, kind in zip(report["findings"], kinds, strict=True):
        fix = facts["fix"]
        facts["fix"] = None if fix is None else in_keywords(fix)
        facts["detail"] = in_keywords(facts["detail"])
        findings.append(Finding(**facts, kind=kind))
    return DoctorReport(url=report["url"], findings=tuple(findings), json=text)


def explanation_of(facts: Mapping[str, Any]) -> Explanation:
    """From the native part's fields."""
    fields = dict(facts)
    fields["advice"] = in_keywords(facts["advice"])
    return Explanation(**fields)


def event_of(kind: str, facts: Any) -> Event | None:
    """From the native part's kind and fields; ``None`` for what is not known."""
    if kind == "progress":
        return progress_of(facts)
    if kind == "packet":
        return PacketEvent(**facts)
    if kind == "ack":
        return AckEvent(**facts)
    if kind == "notice":
        return Notice(**facts)
    if kind == "retry":
        return Retry(**facts)
    if kind == "receipt":
        return Finished(receipt=receipt_of(facts), error=None)
    if kind == "error":
        return Finished(receipt=None, error=facts)
    return None
