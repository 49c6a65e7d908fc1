"""Sources that are let go, that are refused, that have no length, and that are asynchronous."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import mmap
import tarfile
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import bitsup
import numpy
import pytest
from conftest import Server, payload
from test_handle import wait_until

SIZE = 600_000


def chunks(content: bytes) -> Iterator[bytes]:
    """In pieces."""
    return (content[at : at + 7000] for at in range(0, len(content), 7000))


async def asynchronous(content: bytes) -> AsyncIterator[bytes]:
    """In pieces that come later."""
    for chunk in chunks(content):
        await asyncio.sleep(0)
        yield chunk


@pytest.mark.parametrize("fault", [None, "create: 403"])
def test_a_buffer_is_let_go_when_the_upload_has_ended(
    serve: Callable[..., Server], tmp_path: Path, fault: str | None
) -> None:
    """Else closing it is a BufferError, which hides the real one."""
    server = serve(fault)
    (tmp_path / "file").write_bytes(payload(SIZE))
    with (tmp_path / "file").open("rb") as file, bitsup.Client() as client:
        for waits in (True, False):
            try:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    if waits:
                        client.upload(mapped, server.url("x"))
                    else:
                        client.start(mapped, server.url("z")).result(60)
            except bitsup.RefusedError as error:
                assert fault is not None and error.http_status == 403
        array = bytearray(b"abc")
        upload = client.start(array, server.url("y"))
        assert isinstance(upload.exception(60), bitsup.RefusedError if fault else type(None))
        array.extend(b"free to grow")
        with pytest.raises(bitsup.InvalidArgumentError):
            client.upload(array, "ftp://host/x")
        array.extend(b"also where it could not start")


class Bytes(io.BytesIO):
    """A file that can be watched."""


@pytest.mark.parametrize("fault", [None, "create: 403", "a callback"])
def test_a_source_is_let_go_without_the_garbage_collector(serve: Callable[..., Server], fault: str | None) -> None:
    server = serve(fault if fault != "a callback" else None)

    def on_progress(_: bitsup.Progress) -> None:
        if fault == "a callback":
            raise LookupError

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise LookupError

    gc.collect()
    gc.disable()
    try:
        with bitsup.Client() as client:
            sources: list[tuple[Any, int | None]] = [(Bytes(payload(SIZE)), None), (broken(), 100), (chunks(b"abc"), 3)]
            held: list[bitsup.Upload] = []
            source: Any = None
            for number, (source, size) in enumerate(sources):
                for name in ("start", "upload"):
                    if name == "start":
                        held.append(client.start(source, server.url(f"{number}{name}"), size=size, on_progress=on_progress))
                        failure = held[-1].exception(60)
                        assert (failure is None) == (fault is None and number != 1)
                        del failure
                    elif isinstance(source, Bytes):
                        source.seek(0)
                        try:
                            client.upload(source, server.url(f"{number}{name}"), on_progress=on_progress)
                        except (bitsup.Error, LookupError):
                            assert fault is not None
            watched = [weakref.ref(source) for source, _ in sources]
            del source
            sources.clear()
            # A thread may be reading still.
            wait_until(lambda: all(found() is None for found in watched))
            watched_handles = [weakref.ref(upload) for upload in held]
            held.clear()
            if fault == "a callback":
                # The frame of the callback goes back to those that waited.
                gc.collect()
            wait_until(lambda: all(found() is None for found in watched_handles))
    finally:
        gc.enable()


def test_formats_without_bytes_of_their_own_are_refused(server: Server) -> None:
    objects: Any = numpy.array([object()], dtype=object)
    record: Any = numpy.zeros(2, dtype=[("OP", "i4"), ("x", "O")])
    pointers: Any = (ctypes.c_void_p * 2)()
    for bad in (objects, record, pointers):
        with pytest.raises(TypeError, match="addresses"):
            bitsup.upload(bad, server.url("x"))
    named: Any = numpy.zeros(2, dtype=[("OPX", "i4")])
    assert bitsup.upload(named, server.url("y")).size == 8
    assert server.packets().count("Create-Session") == 1


class DataFrame:
    """As those of pandas and polars look from here: iterating gives the names of columns."""

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "b"])


def test_what_is_often_taken_for_bytes_gets_a_sentence_that_helps(server: Server, tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    bad: list[tuple[Any, str]] = [
        (DataFrame(), "to_parquet"),
        (member, r"extractfile\("),
        ({"a": 1}, "dict"),
    ]
    for source, text in bad:
        with pytest.raises(TypeError, match=text):
            bitsup.upload(source, server.url("x"))
    assert server.requests == []


def test_members_of_one_archive_never_mix_their_bytes(server: Server, tmp_path: Path) -> None:
    """Rule SRC-07."""
    contents = [payload(SIZE)[number:] for number in range(6)]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for number, content in enumerate(contents):
            info = tarfile.TarInfo(str(number))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with tarfile.open(tmp_path / "a.tar") as tar, bitsup.Client() as client:
        for member in tar.getmembers():
            opened: Any = tar.extractfile(member)
            client.start(opened, server.url(member.name), fragment_size=20_000)
    for number, content in enumerate(contents):
        assert server.content(str(number)) == content


class Once(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As usual."""
        return self._inner.read(size)


@pytest.mark.parametrize("kept", [True, False])
def test_a_stream_without_a_length_is_spooled(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kept: bool
) -> None:
    content = payload(SIZE)
    folder = tmp_path / ("state" if kept else "temporary")
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    caplog.set_level("INFO", "bitsup")
    with bitsup.Client(state_dir=folder if kept else None) as client:
        assert client.upload(chunks(content), server.url("x")).size == SIZE
        assert client.start(Once(content), server.url("y")).result(60).size == SIZE
        assert client.upload([], server.url("z")).size == 0
    assert server.content("x") == server.content("y") == content
    said = [record.getMessage() for record in caplog.records if "spool" in record.getMessage()]
    assert len(said) == 3 and all(str(folder) in text and "size=" in text for text in said), said
    assert not [file for file in folder.iterdir() if file.is_file()], "nothing is left of it"

    with pytest.raises(bitsup.LocalFileError, match=r"missing.*size=") as caught:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        bitsup.upload(chunks(content), server.url("w"))
    assert isinstance(caught.value, FileNotFoundError)

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise LookupError("the source is broken")

    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(LookupError, match="the source is broken"):
        bitsup.upload(broken(), server.url("v"))


def reader(content: bytes) -> asyncio.StreamReader:
    """As of a connection."""
    made = asyncio.StreamReader()
    made.feed_data(content)
    made.feed_eof()
    return made


@pytest.mark.parametrize("sized", [True, False])
def test_asynchronous_sources(server: Server, sized: bool) -> None:
    content = payload(SIZE)
    size = SIZE if sized else None

    async def main() -> None:
        async with bitsup.Client() as client:
            receipt = await client.upload_async(asynchronous(content), server.url("x"), size=size, sha256=True)
            assert receipt.size == SIZE and receipt.sha256
            await client.upload_async(reader(content), server.url("y"), size=size)
            await client.upload_async(asynchronous(b""), server.url("z"), size=0 if sized else None)

    asyncio.run(main())
    assert server.content("x") == server.content("y") == content and server.content("z") == b""


def test_what_an_asynchronous_source_raises_comes_out(server: Server) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise LookupError("the source is broken")

    async def main() -> None:
        async with bitsup.Client() as client:
            for size in (10, None):
                with pytest.raises(LookupError, match="the source is broken"):
                    await client.upload_async(broken(), server.url("x"), size=size)
            for wrong in (2, 4):
                with pytest.raises(bitsup.InvalidArgumentError, match="right size="):
                    await client.upload_async(asynchronous(b"abc"), server.url("x"), size=wrong)

    asyncio.run(main())
    assert not (server.root / "x").exists()


def test_an_asynchronous_source_waits_for_a_slow_server(server: Server) -> None:
    """It is not read into memory."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1 << 20
            yield bytes(1 << 20)

    async def main() -> None:
        async with bitsup.Client(limit_rate=1000) as client:
            task = asyncio.create_task(client.upload_async(endless(), server.url("x"), size=1 << 40))
            before = -1
            while taken == 0 or before != taken:
                before = taken
                await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert 0 < taken < 64 << 20


def test_asynchronous_sources_need_a_loop(server: Server) -> None:
    """Refused before the first packet."""
    with bitsup.Client() as client:
        calls: list[Any] = [client.upload, client.start]
        for call in calls:
            with pytest.raises(TypeError, match="upload_async"):
                call(asynchronous(b"abc"), server.url("x"), size=3)
    assert server.requests == []
