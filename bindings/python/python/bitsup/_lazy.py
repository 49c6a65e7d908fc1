"""Modules that only annotations name: loaded when somebody evaluates those.

``typing`` alone takes longer to load than all of this package. A module that needs such names for its annotations
imports them from here at run time, and the real ones under ``TYPE_CHECKING``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Module:
    """Stands for a module until something of it is wanted."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        return getattr(import_module(self._name), name)


typing = Module("typing")
"""Stands for the module ``typing``."""
abc = Module("collections.abc")
"""Stands for the module ``collections.abc``."""
types = Module("types")
"""Stands for the module ``types``."""
