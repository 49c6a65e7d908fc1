"""How an upload ended: plain frozen data that can be compared and pickled.

Annotations are no strings here: they would be evaluated where people find the classes, not where they are.
"""

from ._names import publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing
    from collections.abc import Mapping
    from dataclasses import dataclass
else:
    from ._record import dataclass


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
    """The reply, if ``reply_to`` was a number."""
    reply_url: str | None
    """The URL of a reply that the server offered."""
    warnings: tuple[str, ...] = ()
    """Things that a person should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The upload has ended; nothing follows."""

    receipt: Receipt | None
    error: BaseException | None


def outcome_of(kind: str, facts: "typing.Any") -> Finished | None:
    """From the native part's kind and fields; ``None`` for what does not end an upload."""
    if kind == "receipt":
        return Finished(receipt=receipt_of(facts), error=None)
    if kind == "error":
        return Finished(receipt=None, error=facts)
    return None


def receipt_of(facts: "Mapping[str, typing.Any]") -> Receipt:
    """From the native part's fields."""
    fields = dict(facts)
    fields["warnings"] = tuple(facts["warnings"])
    path = facts["reply_path"]
    fields["reply_path"] = None if path is None else str(path)
    return Receipt(**fields)


publish(globals())
