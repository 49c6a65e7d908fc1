"""The check that this is the main interpreter: callbacks of bitsup come from threads that belong to that one only."""

from __future__ import annotations

import importlib
from typing import Any


def _number(answer: Any) -> int:
    try:
        return int(answer[0])
    except TypeError:
        return int(answer)


def _is_main() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        # From 3.13 on there is more in the answer than the number.
        return _number(module.get_current()) == _number(module.get_main())
    return True


if not _is_main():
    raise ImportError(
        "bitsup works in the main interpreter only, and this is another one; "
        "with mod_wsgi set WSGIApplicationGroup %{GLOBAL}, elsewhere use processes"
    )
