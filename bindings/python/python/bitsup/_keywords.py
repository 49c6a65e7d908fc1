"""The keywords that are options: their names, and what is told about them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

from . import _bitsup
from ._errors import InvalidArgumentError
from ._options import ClientOptions, Options

Function = TypeVar("Function", bound=Callable[..., Any])

MISTAKES = {
    "timeout": "connect_timeout, stall_timeout and ack_timeout limit a packet, give_up_after and max_time an upload",
    "proxies": 'give proxy="http://host:port"',
    "username": "it is called user",
    "verify_ssl": "give insecure=True, or ca_file",
    "ssl": "give ca_file, cert and key",
    "retries": "it is called max_attempts",
    "chunk_size": "it is called fragment_size",
    "callback": "it is called on_progress",
    "credentials": "it is called on_credentials",
    "reply_to": "it is called reply, or reply_memory for one that is kept in memory",
}
"""Names of other libraries, and of bitsup elsewhere."""


def checked(options: Mapping[str, Any], *, client: bool = False) -> dict[str, Any]:
    """The keywords as a ``dict``; a wrong name is a ``TypeError``, as for any function, which names the right one."""
    known = (ClientOptions if client else Options).__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"{name!r} is no option of {'bitsup.Client' if client else 'an upload'}: {_hint(name, known)}")
    return dict(options)


def _hint(name: str, known: Mapping[str, Any]) -> str:
    if name in ClientOptions.__annotations__:
        return "give it to bitsup.Client"
    if name in Options.__annotations__:
        return "give it where an upload starts"
    if name in MISTAKES:
        return MISTAKES[name]
    near = difflib.get_close_matches(name, known, 3)
    return f"did you mean {' or '.join(near)}?" if near else "help(bitsup.upload) lists them"


def required(what: str, text: Any) -> str:
    """A text that must be one."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    if "\0" in text:
        raise InvalidArgumentError(f"{what} has a null character in it")
    return text


def shows_options(function: Function) -> Function:
    """Lets ``help`` and editors see each keyword of ``**options``."""
    shown = inspect.signature(function)
    plain = [parameter for parameter in shown.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    more = _parameters(ClientOptions if function.__name__ == "__init__" else Options)
    setattr(function, "__signature__", shown.replace(parameters=[*plain, *more]))
    return function


def _parameters(options: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(options)
    return [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name]) for name in hints]


for _options in (ClientOptions, Options):
    # A dict has none; these have their keywords.
    setattr(_options, "__signature__", inspect.Signature(_parameters(_options)))


_TYPES = {
    "text": "str",
    "path": "str or os.PathLike",
    "secret": "str",
    "size": "int or str",
    "rate": "int or str",
    "duration": "float or str or datetime.timedelta",
    "count": "int or str",
    "flag": "bool",
    "header": "dict",
    "choice": "str",
}
"""How docstrings name the types of an option; documentation generators look these names up."""

_UNITS = {"size": "bytes", "rate": "bytes a second", "duration": "seconds"}


def described(*, client: bool = False) -> str:
    """What each keyword is, for docstrings: type, what it does, unit and default."""
    lines: list[str] = []
    for name, kind, scope, several, default, words, text in _bitsup.options():
        if scope not in ("client" if client else "upload", "both"):
            continue
        more = [f'"{word}": {what}' for word, what in words]
        if kind in _UNITS:
            more.append(f"In {_UNITS[kind]}.")
        if default is not None and kind != "flag":
            more.append(f"Default: {default}.")
        shown = f"sequence of {_TYPES[kind]}" if several else _TYPES[kind]
        lines.append(f"        {name} ({shown}): {' '.join([text, *more])}")
    return "\n".join(lines)
