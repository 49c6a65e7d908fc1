"""The transcript of an upload, for the option ``transcript``."""

from __future__ import annotations

import os
from typing import Any, Protocol

from . import _bitsup
from ._channel import check_function, logger
from ._errors import InvalidArgumentError, local_file_error


class Recorder(Protocol):
    """Takes the entries."""

    def __call__(self, entry: str) -> object:
        """Takes one; what it raises stops the upload."""

    def close(self) -> None:
        """There are no more."""


def recorder(given: Any) -> Recorder:
    """What takes the entries for a value of the option."""
    if callable(given):
        check_function("transcript", given, "a str, or the name of a file")
        return Teller(given)
    try:
        # A number would be taken for a descriptor.
        path = os.fsdecode(given)
    except TypeError:
        raise TypeError(f"transcript must be the name of a file, or a function, not {type(given).__name__}") from None
    return Writer(path)


class Teller:
    """The caller's function."""

    def __init__(self, tell: Any) -> None:
        self._tell = tell

    def __call__(self, entry: str) -> None:
        """Tells it."""
        self._tell(entry)

    def close(self) -> None:
        """Nothing to do."""


class Writer:
    """A file. One that was there is replaced."""

    def __init__(self, path: str) -> None:
        try:
            # The recorded entries are there, however the process ends.
            self._file: Any = open(path, "wb", buffering=0)
        except OSError as problem:
            raise local_file_error(f"cannot write {path}: {problem.strerror}", problem) from None
        except ValueError:
            raise InvalidArgumentError("transcript has a null character in it: no file has such a name") from None
        try:
            self._put(_bitsup.transcript_head() + "\n")
        except OSError as problem:
            self.close()
            raise local_file_error(f"cannot write {path}: {problem.strerror}", problem) from None

    def __call__(self, entry: str) -> None:
        """Appends it. A full disk ends the transcript, not the upload."""
        if self._file is None:
            return
        try:
            self._put(entry)
        except OSError as problem:
            logger.warning("the transcript ends here: %s", problem.strerror)
            self.close()

    def close(self) -> None:
        """Closes the file."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as problem:
                # Some file systems say only now that it has no room.
                logger.warning("the transcript is not complete: %s", problem.strerror)

    def _put(self, text: str) -> None:
        rest = text.encode()
        while rest:
            rest = rest[self._file.write(rest) :]
