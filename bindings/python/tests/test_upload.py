"""Uploads of every kind of source."""

from __future__ import annotations

import array
import io
import logging
import mmap
import os
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server, payload

SIZE = 3_000_001


def test_a_path(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "disk.img"
    file.write_bytes(payload(SIZE))
    for source in (str(file), file):
        receipt = bitsup.upload(source, server.url(""))
        assert server.content("disk.img") == payload(SIZE)
        assert receipt.size == SIZE and receipt.close_confirmed and receipt.verified
        assert receipt.url == server.url("disk.img") and receipt.seconds > 0
        (server.root / "disk.img").unlink()


@pytest.mark.parametrize("size", [0, 1, 5119, SIZE])
def test_bytes_of_every_size(server: Server, size: int) -> None:
    receipt = bitsup.upload(payload(size), server.url("x"))
    assert server.content("x") == payload(size)
    assert receipt.fragments == 0 if size == 0 else receipt.fragments > 0


def test_buffers(server: Server, tmp_path: Path) -> None:
    data = payload(SIZE)
    file = tmp_path / "mapped"
    file.write_bytes(data)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        numbers = array.array("I", data[: SIZE // 4 * 4])
        sources: list[tuple[Any, bytes]] = [
            (bytearray(data), data),
            (memoryview(data)[5:], data[5:]),
            (mapped, data),
            (numbers, numbers.tobytes()),
            (memoryview(b""), b""),
        ]
        for number, (source, wanted) in enumerate(sources):
            bitsup.upload(source, server.url(f"b{number}"))
            assert server.content(f"b{number}") == wanted


def test_an_array_of_numpy(server: Server) -> None:
    numpy = pytest.importorskip("numpy")
    table = numpy.arange(300_000, dtype="<u4").reshape(300, 1000)
    bitsup.upload(table, server.url("table"))
    assert server.content("table") == table.tobytes()
    with pytest.raises(TypeError, match="not contiguous"):
        bitsup.upload(table.T, server.url("table"))


def test_files_are_read_from_where_they_stand(server: Server, tmp_path: Path) -> None:
    data = payload(SIZE)
    file = tmp_path / "named.bin"
    file.write_bytes(data)
    with file.open("rb") as opened:
        opened.seek(1000)
        bitsup.upload(opened, server.url(""))
    assert server.content("named.bin") == data[1000:]
    bitsup.upload(io.BytesIO(data), server.url("memory"))
    assert server.content("memory") == data


def test_streams(server: Server) -> None:
    data = payload(SIZE)
    chunks = (data[at : at + 70_000] for at in range(0, SIZE, 70_000))
    bitsup.upload(chunks, server.url("iterator"), size=SIZE)
    assert server.content("iterator") == data
    bitsup.upload([b"a", bytearray(b"b"), b"", memoryview(b"c")], server.url("list"), size=3)
    assert server.content("list") == b"abc"
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe:
        os.write(write, b"through a pipe")
        os.close(write)
        bitsup.upload(pipe, server.url("pipe"), size=14)
    assert server.content("pipe") == b"through a pipe"


def test_a_stream_survives_lost_connections(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: drop after 40000\nfragment 4: swallow\nfragment 5: 500")
    data = payload(SIZE)
    chunks = (data[at : at + 70_000] for at in range(0, SIZE, 70_000))
    receipt = bitsup.upload(chunks, server.url("x"), size=SIZE, fragment_size=300_000, max_retry_delay=0.1)
    assert server.content("x") == data
    assert receipt.retries >= 3


def test_a_lost_session_ends_a_stream_and_says_why(serve: Callable[..., Server]) -> None:
    server = serve("fragment 3: forget")
    data = payload(SIZE)
    chunks = (data[at : at + 70_000] for at in range(0, SIZE, 70_000))
    with pytest.raises(bitsup.InvalidArgumentError, match="cannot give again: upload a file instead") as caught:
        bitsup.upload(chunks, server.url("x"), size=SIZE, fragment_size=600_000, max_fragment=600_000)
    assert isinstance(caught.value.__cause__, bitsup.Error)
    assert not (server.root / "x").exists()


def test_progress_comes_on_the_waiting_thread_and_ends_complete(server: Server) -> None:
    import threading

    seen: list[tuple[int, bitsup.Progress]] = []
    bitsup.upload(payload(SIZE), server.url("x"), on_progress=lambda p: seen.append((threading.get_ident(), p)))
    assert {thread for thread, _ in seen} == {threading.get_ident()}
    last = seen[-1][1]
    assert last.state == "done" and last.state is bitsup.State.DONE and last.state.is_final
    assert last.acknowledged == last.sent == last.total == SIZE and last.fraction == 1.0


def test_exceptions_of_a_callback_stop_the_upload(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: stall 30s")

    def broken(progress: bitsup.Progress) -> None:
        if progress.acknowledged:
            raise LookupError("the callback is broken")

    with pytest.raises(LookupError, match="the callback is broken"):
        bitsup.upload(payload(SIZE), server.url("x"), on_progress=broken)
    with bitsup.Client() as client:
        upload = client.start(payload(SIZE), server.url("y"), on_progress=broken)
        upload.add_done_callback(lambda _: None)
        with pytest.raises(LookupError, match="the callback is broken"):
            upload.result(30)
        assert upload.done() and not upload.cancelled()


def test_options_reach_the_server(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:hunter2")
    options: bitsup.Options = {
        "user": "u",
        "password": "hunter2",
        "allow_cleartext_credentials": True,
        "headers": {"X-Test": "1"},
        "fragment_size": 1_000_000,
        "connect_timeout": timedelta(seconds=10),
        "give_up_after": 5,
        "trusted_hosts": ["node.example"],
        "verify": None,
    }
    receipt = bitsup.upload(payload(SIZE), server.url("x"), **options)
    assert receipt.fragments == 4
    assert pickle.loads(pickle.dumps(options)) == options
    with pytest.raises(bitsup.AuthError) as caught:
        options["password"] = "wrong"
        bitsup.upload(b"abc", server.url("y"), **options)
    assert caught.value.http_status == 401
    with pytest.raises(bitsup.AuthError):
        bitsup.upload(b"abc", server.url("y"))


def test_a_reply_in_memory_and_in_a_file(serve: Callable[..., Server], tmp_path: Path) -> None:
    script = tmp_path / "reply.sh"
    script.write_text('#!/bin/sh\nwc -c < "$1" > "$2"\n')
    script.chmod(0o755)
    server = serve(None, "--reply", str(script))
    receipt = bitsup.upload(b"hello", server.url("x"), reply_memory=1000)
    assert receipt.reply is not None and receipt.reply.strip() == b"5"
    receipt = bitsup.upload(b"hello!", server.url("y"), reply=tmp_path / "reply.txt")
    assert receipt.reply_path == str(tmp_path / "reply.txt")
    assert (tmp_path / "reply.txt").read_text().strip() == "6"


def test_logging(serve: Callable[..., Server], caplog: pytest.LogCaptureFixture) -> None:
    server = serve("fragment 1: 503")
    with caplog.at_level(logging.DEBUG, "bitsup"), bitsup.Client() as client:
        upload = client.start(b"abc", server.url("x?secret=hunter2"), max_retry_delay=0.1)
        upload.result()
    levels = {record.levelno for record in caplog.records}
    assert {logging.DEBUG, logging.INFO, logging.WARNING} <= levels
    assert "503" in caplog.text and "hunter2" not in caplog.text


def test_features_and_explanations() -> None:
    features = bitsup.features()
    assert features.version == bitsup.__version__ and features.libcurl and features.tls
    found = bitsup.explain(0x80200020)
    assert found and found == bitsup.explain("0x80200020") and found[0].hresult == 0x80200020
    assert "BITSMaximumUploadSize" in found[0].cause
    assert bitsup.explain(413) and bitsup.explain("413")
    assert bitsup.explain(-2145386464) == found, "the same code as a signed number"
    assert bitsup.explain("nonsense") == []
    with pytest.raises(TypeError):
        bitsup.explain(1.5)  # type: ignore[arg-type]
