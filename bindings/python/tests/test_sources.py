"""Sources that wait, that are shared, and that do not say the same twice."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bitsup
import pytest
from conftest import Server, payload

SIZE = 200_000
AT_ONCE = 12


class Unseekable(io.RawIOBase):
    """Bytes that come once, when they may."""

    def __init__(self, content: bytes, gate: threading.Event | None = None) -> None:
        super().__init__()
        self._inner = io.BytesIO(content)
        self._gate = gate

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Waits for the gate."""
        if self._gate is not None and size != 0:
            self._gate.wait()
        return self._inner.read(size)


class Stalled(Unseekable):
    """The same with a position."""

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As usual."""
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        """As usual."""
        return self._inner.tell()


class Yielding(io.BytesIO):
    """Lets other threads run between a call to seek and the bytes that are read then."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As usual."""
        time.sleep(0.0001)
        return super().read(size)


@pytest.mark.parametrize("kind", ["file", "memory", "yielding"])
def test_uploads_of_one_file_object_never_mix_their_bytes(server: Server, tmp_path: Path, kind: str) -> None:
    """Rule SRC-07."""
    content = payload(SIZE)
    (tmp_path / "file").write_bytes(b"head" + content)
    kinds: dict[str, Callable[[], io.IOBase]] = {
        "file": lambda: open(tmp_path / "file", "rb"),
        "memory": lambda: io.BytesIO(b"head" + content),
        "yielding": lambda: Yielding(b"head" + content),
    }
    file = kinds[kind]()
    with file, bitsup.Client(uploads_per_host=AT_ONCE) as client:
        file.seek(4)
        uploads = [
            client.start(file, server.url(str(number)), fragment_size=20_000, sha256=True) for number in range(AT_ONCE)
        ]
        digests = {upload.result().sha256 for upload in uploads}
        assert digests == {hashlib.sha256(content).hexdigest()}
        assert all(server.content(str(number)) == content for number in range(AT_ONCE))
        # Where all have ended, it is the caller's again.
        file.seek(SIZE)
        client.upload(file, server.url("tail"))
    assert server.content("tail") == content[-4:]


def test_bytes_that_come_once_are_not_shared(server: Server) -> None:
    """Rule SRC-07."""
    content = payload(SIZE)
    gate = threading.Event()
    sources: list[Callable[[], object]] = [
        lambda: Unseekable(content, gate),
        lambda: (gate.wait() and content[at : at + 1000] for at in range(0, SIZE, 1000)),
    ]
    with bitsup.Client() as client:
        for number, make in enumerate(sources):
            gate.clear()
            source = make()
            upload = client.start(source, server.url(str(number)), size=SIZE)  # type: ignore[arg-type]
            for _ in range(AT_ONCE - 1):
                with pytest.raises(bitsup.InvalidArgumentError, match="once"):
                    client.start(source, server.url("other"), size=SIZE)  # type: ignore[arg-type]
            gate.set()
            upload.result()
            assert server.content(str(number)) == content
            with pytest.raises(bitsup.InvalidArgumentError, match="ended after 0"):
                client.upload(source, server.url("again"), size=SIZE)  # type: ignore[arg-type]


def test_a_failed_start_frees_the_object(server: Server) -> None:
    """Rule SRC-07."""
    source = Unseekable(payload(SIZE))
    with bitsup.Client() as client:
        with pytest.raises(bitsup.InvalidArgumentError) as kept:
            client.start(source, "ftp://host/x", size=SIZE)
        client.upload(source, server.url("x"), size=SIZE)
    assert server.content("x") == payload(SIZE)
    assert kept.value is not None


def test_sources_that_wait_hold_up_no_other_upload(server: Server, tmp_path: Path) -> None:
    """Rule SRC-06."""
    content = payload(SIZE)
    (tmp_path / "file").write_bytes(content)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gate = threading.Event()
    waiting = threading.Semaphore(0)

    def generator() -> Iterator[bytes]:
        waiting.release()
        gate.wait()
        yield content

    try:
        with bitsup.Client(uploads_per_host=200) as client:
            stalled = [client.start(generator(), server.url(f"g{number}"), size=SIZE) for number in range(64)]
            stalled += [
                client.start(Stalled(content, gate), server.url(f"f{number}"))
                for number in range(16)
            ]
            for _ in range(64):
                assert waiting.acquire(timeout=60)
            client.upload(tmp_path / "file", server.url("path"), sha256=True)
            client.upload(content, server.url("bytes"))
            client.upload(memoryview(bytearray(content)), server.url("memory"))
            client.upload(io.BytesIO(content), server.url("file"))
            with client.open(server.url("writer"), size=SIZE) as writer:
                writer.write(content)
            assert not any(upload.done() for upload in stalled)
            gate.set()
            for upload in stalled:
                upload.result(60)
    finally:
        gate.set()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    names = ["path", "bytes", "memory", "file", "writer", *(f"g{number}" for number in range(64))]
    assert all(server.content(name) == content for name in names)


def test_the_hash_is_that_of_what_was_sent(server: Server) -> None:
    """Rule TRU-08."""

    class Fickle(io.BytesIO):
        """Answers otherwise at each read."""

        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            """Bytes that can be read once."""
            self.reads += 1
            return bytes([self.reads % 256]) * len(super().read(size))

    receipt = bitsup.upload(Fickle(payload(SIZE)), server.url("x"), sha256=True, fragment_size=20_000)
    assert receipt.sha256 == hashlib.sha256(server.content("x")).hexdigest()
    chunks = (payload(SIZE)[at : at + 1000] for at in range(0, SIZE, 1000))
    receipt = bitsup.upload(chunks, server.url("y"), size=SIZE, sha256=True)
    assert receipt.sha256 == hashlib.sha256(payload(SIZE)).hexdigest()


def test_paths_are_those_of_the_start(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule SRC-03."""
    (tmp_path / "file").write_bytes(payload(SIZE))
    monkeypatch.chdir(tmp_path)
    with bitsup.Client(state_dir="state") as client:
        upload = client.start("file", server.url("x"))
        upload.suspend()
        monkeypatch.chdir("/")
        upload.resume()
        upload.result(60)
    assert server.content("x") == payload(SIZE)
    assert (tmp_path / "state" / "sessions").is_dir()
