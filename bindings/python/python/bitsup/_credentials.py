"""Logins that are asked for when a server wants one.

Annotations are no strings here: they would be evaluated where people find the classes, not where they are.
"""

import contextlib
import contextvars
import threading
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from . import _bitsup
from ._channel import asking, check_function
from ._errors import AuthError, InvalidArgumentError, ProxyAuthError

MAX_CALLBACKS = 16
"""The number of functions whose answers a client remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRequest:
    """What a login is wanted for: the argument of the option ``on_credentials``."""

    site: str
    """The server as ``https://host:port``, the port only if it is not the usual one; or the proxy's URL,
    without a login."""
    proxy: bool
    """Whether it is the proxy that asks."""
    realm: str | None
    """The realm that the server names."""
    schemes: tuple[str, ...]
    """The schemes that the server offers, in lower case: ``negotiate``, ``ntlm``, ``digest``, ``basic``, ``bearer``, …"""
    user: str | None
    """The user of the login that was used so far."""
    refused: bool
    """Whether the server refused the login that was used so far."""
    expiring: bool
    """Whether nothing was refused, and the token used so far is about to expire."""
    attempt: int
    """Which time in a row this upload asks, from 1. There is no fourth."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A bearer token that a function for the option ``on_credentials`` answers with. ``repr`` does not show it."""

    token: str = field(repr=False)
    """The token."""
    valid_for: float | timedelta | None = None
    """For how long the server takes it, in seconds: shortly before its end a new one is asked for."""


Login = tuple[str, str] | BearerToken
"""User and password, or a token."""

AskForLogin = Callable[[CredentialRequest], Login | None]
"""A function that is asked for a login; ``None`` is "there is none"."""


Stop = Callable[[BaseException], object]


class Asker:
    """Between the threads that ask and the caller's function, whose exceptions it keeps."""

    def __init__(self, ask: AskForLogin) -> None:
        self._ask = ask
        self._context = contextvars.copy_context()
        self.asked: int = 0
        self._raised: dict[tuple[str, bool], tuple[int, BaseException | None]] = {}
        self._stops: dict[object, tuple[str | None, weakref.WeakMethod[Stop]]] = {}
        # The native part may not keep the caller's function alive: what it holds, the garbage collector does not see.
        me = weakref.ref(self)

        def answer(request: CredentialRequest) -> tuple[str, str, Any] | None:
            asker = me()
            return None if asker is None else asker.answer(request)

        self.native: _bitsup.CredentialCallback = _bitsup.CredentialCallback(answer)

    def answer(self, request: CredentialRequest) -> tuple[str, str, Any] | None:
        """Asks. An exception is "there is no login" for the client, and ends the uploads that need one."""
        problem: BaseException | None = None
        login: tuple[str, str, Any] | None = None
        me = threading.get_ident()
        asking.add(me)
        try:
            login = _checked(self._context.copy().run(self._ask, request), request)
        except BaseException as raised:
            problem = raised
        finally:
            asking.discard(me)
        self.asked += 1
        self._raised[request.site, request.proxy] = (self.asked, problem)
        if problem is not None and request.expiring:
            # Else they would continue with the old token, and the failure would go unreported.
            for site, stop in list(self._stops.values()):
                found = stop() if site in (None, request.site) else None
                if found is not None:
                    found(problem)
        return login

    def cause_of(self, error: BaseException, site: str | None = None, since: int = 0) -> BaseException:
        """``error``, or what the function raised when it was asked last, if the error came of that.

        Only the questions after the first ``since`` count, and only those for ``site``, if that is known.
        """
        if not isinstance(error, (AuthError, ProxyAuthError)):
            return error
        cause = self.raised(isinstance(error, ProxyAuthError), site, since)
        if cause is None:
            return error
        if cause.__cause__ is None:
            cause.__cause__ = error
        return cause

    def raised(self, at_proxy: bool, site: str | None, since: int) -> BaseException | None:
        """What the function raised when it was asked last; ``None`` if it answered, or was not asked."""
        last, cause = since, None
        for (asked, of_proxy), (number, problem) in list(self._raised.items()):
            # Which proxy it was is not known here.
            if of_proxy == at_proxy and (at_proxy or site in (None, asked)) and number > last:
                last, cause = number, problem
        return cause

    def watch(self, upload: object, site: str | None, stop: Stop) -> None:
        """From now on an exception that comes while a token is renewed stops that upload, by this method of it."""
        self._stops[upload] = (site, weakref.WeakMethod(stop))

    def forget(self, upload: object) -> None:
        """The upload has ended."""
        self._stops.pop(upload, None)


class Askers:
    """One asker for each function, so that uploads share its answers."""

    def __init__(self) -> None:
        self._known: dict[Any, Asker] = {}

    def get(self, ask: Any) -> Asker:
        """The asker for that function."""
        check_function("on_credentials", ask, "a bitsup.CredentialRequest")
        try:
            # Bound methods are equal, but another object each time.
            hash(ask)
            key: Any = ask
        except TypeError:
            key = id(ask)
        found = self._known.get(key) or self._known.setdefault(key, Asker(ask))
        for old in list(self._known)[:-MAX_CALLBACKS]:
            self._known.pop(old, None)
        return found

    def clear(self) -> None:
        """The client is closed."""
        self._known.clear()


@contextlib.contextmanager
def causes(asker: Asker | None) -> Generator[None, None, None]:
    """For calls that wait: they raise the exception of the function for logins."""
    try:
        yield
    except (AuthError, ProxyAuthError) as error:
        cause = error if asker is None else asker.cause_of(error)
        if cause is error:
            raise
        raise cause from error


def site_of(url: str) -> str | None:
    """Scheme, host and port as in ``CredentialRequest.site``; ``None`` for a URL that is no good."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{shown}" if port in (None, usual) else f"{parts.scheme}://{shown}:{port}"


def _checked(login: Any, request: CredentialRequest) -> tuple[str, str, Any] | None:
    """The answer as the native part takes it; a wrong one is refused without showing it."""
    if login is None:
        return None
    if isinstance(login, BearerToken):
        if request.proxy:
            raise InvalidArgumentError("on_credentials answered a proxy with a token: a proxy takes (user, password)")
        return ("token", _token(login.token), _seconds(login.valid_for))
    # It may be anything.
    parts: Any = login
    if isinstance(login, tuple) and len(parts) == 2 and all(isinstance(part, str) for part in parts):
        user, password = parts
        if ":" in user or any(not character.isprintable() for character in user):
            raise InvalidArgumentError("on_credentials answered with a user that has a colon or a control character in it")
        return ("password", user, password)
    raise TypeError("on_credentials must answer with (user, password), a bitsup.BearerToken or None")


def _token(token: Any) -> str:
    if not isinstance(token, str):
        raise TypeError("the token of a bitsup.BearerToken must be a str")
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidArgumentError("on_credentials answered with a token that is empty or that no header may hold")
    return token


def _seconds(valid_for: Any) -> float | None:
    if valid_for is None:
        return None
    if isinstance(valid_for, timedelta):
        valid_for = valid_for.total_seconds()
    if isinstance(valid_for, bool) or not isinstance(valid_for, (int, float)):
        raise TypeError("valid_for of a bitsup.BearerToken must be a number of seconds, or a timedelta")
    # NaN is not above 0 either.
    if not valid_for > 0:
        raise InvalidArgumentError("valid_for of a bitsup.BearerToken must be above 0")
    return float(valid_for)

