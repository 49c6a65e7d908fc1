"""A server for each test, which can be told to misbehave."""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
"""The whole project."""

SERVER = Path(os.environ.get("BITSUP_TEST_SERVER", TOP / "target" / "debug" / "examples" / "serve"))
"""Built by ``cargo build -p bitsup-server --example serve``."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes the protocol rules that a passed test names in its docstring (``Rule SRC-07.``).

    One line a rule, ``ID<TAB>test<TAB>source file``, as the Rust tests write them.
    """
    report = yield
    folder = os.environ.get("BITSUP_RULES_DIR")
    if folder and call.when == "call" and report.passed and isinstance(item, pytest.Function):
        test = f"{item.path.stem}::{item.originalname}"
        about = str(getattr(item, "obj").__doc__)
        with (Path(folder) / f"python-{os.getpid()}").open("a", encoding="utf-8") as notes:
            for rule in re.findall(r"\b[A-Z]{3}-\d{2}\b", about):
                notes.write(f"{rule}\t{test}\t{item.path.relative_to(TOP)}\n")
    return report


class Server:
    """A running server and what it saw."""

    def __init__(self, root: Path, arguments: list[str]) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._process = subprocess.Popen(
            [SERVER, root, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        line = self._pipe.readline().decode().strip()
        assert line.startswith("http"), f"{SERVER} said {line!r}"
        self.base = line.rstrip("/")
        self._requests: list[tuple[str, ...]] = []
        self._rest = b""
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        """The URL of a file."""
        return f"{self.base}/{name}"

    def content(self, name: str) -> bytes:
        """The bytes that arrived."""
        return (self.root / name).read_bytes()

    @property
    def requests(self) -> list[tuple[str, ...]]:
        """What it was asked; a line is in the pipe before the answer is sent."""
        self._take()
        return self._requests

    def packets(self) -> list[str]:
        """The types of the packets that came."""
        return [request[0] for request in self.requests]

    def ranges(self) -> list[tuple[int, int]]:
        """First and last byte of each Fragment, in the order in which they ended."""
        fragments = (request for request in self.requests if request[0] == "Fragment")
        found = (request[-1].partition("/")[0].split("-") for request in fragments)
        return [(int(first), int(last)) for first, last in found]

    def wait_for(self, packet: str) -> None:
        """Waits until such a packet was answered; generous, since machines can be slow."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: packet in self.packets(), 30), self.requests

    def stop(self) -> None:
        """Ends the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._thread.join()
        self._pipe.close()

    def _read(self) -> None:
        """Keeps the pipe from getting full."""
        while self._take():
            select.select([self._pipe], [], [])

    def _take(self) -> bool:
        """Takes all that is in the pipe, and says whether more can come."""
        with self._arrived:
            while not self._pipe.closed and select.select([self._pipe], [], [], 0)[0]:
                data = os.read(self._pipe.fileno(), 65536)
                if not data:
                    return False
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._requests += [tuple(line.decode().split()) for line in lines]
                self._arrived.notify_all()
            return True


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers: ``serve("fragment 2: drop", "--user", "u:p")``."""
    servers: list[Server] = []

    def start(fault: str | None = None, *arguments: str) -> Server:
        options = ["--fault", fault] if fault else []
        server = Server(tmp_path / f"root{len(servers)}", [*options, *arguments])
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A server that behaves."""
    return serve()


def settle(file: Path) -> None:
    """Waits until the file's change time is so old that hashes of its bytes count."""
    while int(file.stat().st_ctime) + 2 > int(time.time()):
        time.sleep(0.05)


def payload(size: int) -> bytes:
    """Bytes that differ wherever they are spliced."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]
