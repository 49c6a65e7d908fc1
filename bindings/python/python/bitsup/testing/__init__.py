"""A BITS server for tests, which can be told to misbehave.

    >>> with bitsup.testing.serve(tmp_path, faults="fragment 2: drop") as server:  # doctest: +SKIP
    ...     bitsup.upload("disk.img", server.url("disk.img"))

It is the one of ``bitsup serve``, in a process of its own and on the loopback interface. ``docs/fault-scripts.md``
says what a script can do. For pytest: ``pytest_plugins = ["bitsup.testing.pytest"]``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path

__all__ = ["Server", "serve"]

PREFIX = "listening on "


class Server:
    """A server that runs."""

    def __init__(self, root: Path, base: str) -> None:
        self.root = root
        """The folder that uploads land in."""
        self.base = base
        """Its URL, without a ``/`` at the end."""

    def url(self, name: str) -> str:
        """The URL of a file."""
        return f"{self.base}/{name}"

    def content(self, name: str) -> bytes:
        """The bytes of a file that has arrived."""
        return (self.root / name).read_bytes()

    def __repr__(self) -> str:
        return f"<bitsup.testing.Server {self.base}>"


@contextlib.contextmanager
def serve(
    root: str | os.PathLike[str], *, faults: str | None = None, arguments: Sequence[str] = ()
) -> Generator[Server, None, None]:
    """Serves ``root``, a folder that is made if there is none, until the block ends.

    ``faults`` is a fault script; ``arguments`` are further ones of ``bitsup serve``, such as ``--user u:p``.
    """
    folder = Path(root)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bitsup", "serve", "-q", "--root", str(folder), "--listen", "127.0.0.1:0", *arguments]
    with tempfile.NamedTemporaryFile("w", suffix=".faults", encoding="utf-8") as script:
        if faults is not None:
            script.write(faults)
            script.flush()
            command += ["--fault", script.name]
        # Its standard error shows why a test fails.
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline().strip()
                if not line.startswith(PREFIX):
                    raise RuntimeError(f"bitsup serve does not start, with exit code {process.wait()}: {line}")
                yield Server(folder, line.removeprefix(PREFIX).rstrip("/"))
            finally:
                process.terminate()
