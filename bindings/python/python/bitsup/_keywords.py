"""Keywords as the native part takes them."""

from __future__ import annotations

import os

from ._errors import InvalidArgumentError, local_file_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._options import Options

MAX_SECRET = 64 * 1024
"""No file with a secret is larger, in bytes."""


def native_keywords(options: Options) -> dict[str, Any]:
    """The keywords as the native part takes them: with secrets instead of the files that hold them."""
    keywords: dict[str, Any] = dict(options)
    for name in ("password", "token", "proxy_password", "key_password"):
        file = keywords.pop(f"{name}_file", None)
        if file is None:
            continue
        if keywords.get(name) is not None:
            raise InvalidArgumentError(f"{name} and {name}_file are both given: leave out one of them")
        keywords[name] = _secret(f"{name}_file", file)
        if name in ("password", "token"):
            # Read again when the server refuses what is in it now.
            keywords[f"{name}_file"] = os.path.abspath(os.fsdecode(file))
    for name in ("ca_file", "proxy_ca_file", "cert", "key"):
        # libcurl would only say that something is wrong with it.
        if keywords.get(name) is not None:
            _read(name, keywords[name], 1)
    return keywords


def _secret(name: str, file: Any) -> str:
    content = _read(name, file, MAX_SECRET + 1)
    if len(content) > MAX_SECRET:
        raise InvalidArgumentError(f"{os.fsdecode(file)} is too large for a secret")
    try:
        # The exception would hold the secret.
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError(f"{os.fsdecode(file)} is not text in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _read(name: str, file: Any, size: int) -> bytes:
    try:
        # A number would be taken for a descriptor.
        path = os.fsdecode(file)
    except TypeError:
        raise TypeError(f"{name} must be the name of a file, not {type(file).__name__}") from None
    try:
        with open(path, "rb") as opened:
            return opened.read(size)
    except OSError as problem:
        raise local_file_error(f"cannot read {path}: {problem.strerror}", problem) from None
    except ValueError:
        raise InvalidArgumentError(f"{name} has a null character in it: no file has such a name") from None
