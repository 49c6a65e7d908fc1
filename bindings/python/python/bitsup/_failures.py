"""The failures of a client's uploads that were not fetched."""

from __future__ import annotations

import threading

from ._errors import UploadErrors

MOST = 100
"""Failures that are kept; others are counted."""


class Failures:
    """Keeps them until they are fetched, or the client ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[str, BaseException]] = {}
        self._counted: set[int] = set()

    def add(self, key: int, name: str, error: BaseException) -> None:
        """The upload with that key has failed."""
        with self._lock:
            if len(self._kept) < MOST:
                self._kept[key] = (name, error)
            else:
                self._counted.add(key)

    def discard(self, key: int) -> None:
        """Its failure was fetched."""
        with self._lock:
            self._kept.pop(key, None)
            self._counted.discard(key)

    def lines(self) -> list[str]:
        """A line for each."""
        with self._lock:
            lines = [f"the upload to {name} failed: {error or type(error).__name__}" for name, error in self._kept.values()]
            return [*lines, f"{len(self._counted)} more uploads failed"] if self._counted else lines

    def clear(self) -> None:
        """They were told."""
        with self._lock:
            self._kept.clear()
            self._counted.clear()

    def raise_all(self) -> None:
        """Raises them as a group, if there are any; one that is no ``Exception`` is raised at once."""
        with self._lock:
            kept, omitted = list(self._kept.values()), len(self._counted)
        self.clear()
        errors: list[Exception] = []
        for name, error in kept:
            error.add_note(f"the upload to {name}")
            if not isinstance(error, Exception):
                raise error
            errors.append(error)
        if errors:
            raise UploadErrors.of(errors, omitted)
