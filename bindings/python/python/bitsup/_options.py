"""The keywords that every upload takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Literal, TypedDict

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names and values of headers."""

Seconds = float | timedelta
"""A time: seconds, or a ``timedelta``."""


class Options(TypedDict, total=False):
    """The keywords that ``upload``, ``start``, ``upload_async``, ``open``, ``ping`` and ``session`` take.

    A plain ``dict``: keep one, and pass it with ``**options``. ``None`` always means the default.
    """

    user: str | None
    """User for the server, also ``DOMAIN\\user`` or ``user@domain``; with ``password``."""
    password: str | None
    """The password. Never sent over plain http unless ``allow_cleartext_credentials``."""
    allow_cleartext_credentials: bool | None
    """Whether passwords and secret headers may go over plain http."""
    headers: Headers | None
    """Headers for every packet."""
    secret_headers: Headers | None
    """Headers that are treated like a password."""
    ca_file: str | os.PathLike[str] | None
    """CA certificates (PEM) instead of the system's."""
    insecure: bool | None
    """Whether the server's certificate is not checked."""
    fragment_size: int | None
    """Bytes in each Fragment; by itself it finds a good size."""
    max_fragment: int | None
    """The most bytes in a Fragment. Default 28 MiB (IIS refuses more than 30,000,000)."""
    connect_timeout: Seconds | None
    """How long connecting may take. Default 30 s."""
    stall_timeout: Seconds | None
    """How long no byte may move while a part is sent. Default 60 s."""
    ack_timeout: Seconds | None
    """How long an answer may take. Default 5 min."""
    last_ack_timeout: Seconds | None
    """How long the last answers may take. Default 15 min."""
    max_attempts: int | None
    """How many tries without progress. Default: no limit but the times."""
    give_up_after: Seconds | None
    """How long to go on without progress. Default 15 min."""
    wait_for_server: Seconds | None
    """How long to wait for a server that has never answered. Default 15 s, and 3 tries."""
    retry_delay: Seconds | None
    """The longest wait before the second retry; it doubles up to ``max_retry_delay``. Default 1 s."""
    max_retry_delay: Seconds | None
    """The longest wait before a retry. Default 60 s."""
    max_time: Seconds | None
    """How long the whole upload may take. Default: no limit."""
    max_bytes: int | None
    """How many bytes may be sent, repetitions included. Default: no limit."""
    host_id: Literal["same-site", "any", "ignore"] | None
    """Which other host the server may send us to. Default ``same-site``."""
    trusted_hosts: Sequence[str] | None
    """Hosts that the server may send us to, whatever ``host_id`` says; ``.example.org`` takes all below."""
    reply_to: str | os.PathLike[str] | int | None
    """Upload-reply: the file for the server's reply, or the most bytes of it to hold in memory."""
    reply_optional: bool | None
    """Whether a missing reply is no error."""
    if_exists: Literal["try", "skip", "fail"] | None
    """What to do about an existing file: let the server decide (``try``, the default), or ask first."""
    verify: Literal["auto", "always", "never"] | None
    """When to ask for the file's size afterwards. Default ``auto``: where there is doubt."""
    on_unclear: Literal["resend", "restart", "accept"] | None
    """What to do where an answer was lost. Default ``resend``."""
    sha256: bool | None
    """Whether the receipt gets the SHA-256 of what was sent."""
    refuse_empty: bool | None
    """Whether an empty file is an error."""
    lenient: bool | None
    """Whether an answer without an offset is taken for "all received"."""
    content_name: str | None
    """The name told to the server. Default: the file's name."""
