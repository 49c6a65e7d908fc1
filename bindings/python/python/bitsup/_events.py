"""What happens in an upload, and how it ends: plain frozen data that can be compared and pickled.

Annotations are no strings here: they would be evaluated where people find the classes, not where they are.
"""

import enum
from dataclasses import dataclass

from ._errors import Error


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
    unconfirmed_resends: int
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
    """The reply, if ``reply_memory`` was given."""
    reply_url: str | None
    """The URL of a reply that the server offered."""
    warnings: tuple[str, ...] = ()
    """Things that a person should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The upload has ended; nothing follows."""

    receipt: Receipt | None
    error: BaseException | None


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


Event = Progress | PacketEvent | AckEvent | Notice | Retry | Finished
"""What ``Upload.events()`` yields."""
