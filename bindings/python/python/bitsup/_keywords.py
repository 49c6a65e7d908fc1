"""Keywords as the native part takes them."""

from __future__ import annotations

import os
from typing import Any

from . import _bitsup
from ._errors import InvalidArgumentError, local_file_error
from ._options import Options


def native_keywords(options: Options) -> dict[str, Any]:
    """The keywords as the native part takes them: with secrets instead of the files that hold them."""
    keywords: dict[str, Any] = dict(options)
    for name in ("password", "token", "proxy_password", "key_password"):
        file = keywords.pop(f"{name}_file", None)
        if file is None:
            continue
        if keywords.get(name) is not None:
            raise InvalidArgumentError(f"{name} and {name}_file are both given: leave out one of them")
        # Read there: nothing overwrites what the interpreter once held.
        keywords[name] = _bitsup.secret_from_file(_path(f"{name}_file", file))
        if name in ("password", "token"):
            # Read again when the server refuses what is in it now.
            keywords[f"{name}_file"] = os.path.abspath(os.fsdecode(file))
    for name in ("ca_file", "proxy_ca_file", "cert", "key"):
        # libcurl would only say that something is wrong with it.
        if keywords.get(name) is not None:
            _look(name, keywords[name])
    return keywords


def _path(name: str, file: Any) -> str:
    try:
        # A number would be taken for a descriptor.
        path = os.fsdecode(file)
    except TypeError:
        raise TypeError(f"{name} must be the name of a file, not {type(file).__name__}") from None
    if "\0" in path:
        raise InvalidArgumentError(f"{name} has a null character in it: no file has such a name")
    return path


def _look(name: str, file: Any) -> None:
    path = _path(name, file)
    try:
        with open(path, "rb") as opened:
            opened.read(1)
    except OSError as problem:
        raise local_file_error(f"cannot read {path}: {problem.strerror}", problem) from None
