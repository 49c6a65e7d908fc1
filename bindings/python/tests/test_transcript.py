"""What was asked and answered, for others to look at and to play back."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server, payload

FIXED: Any = {"fragment_size": 1_000_000, "retry_delay": 0.01}
"""So that the same packets are sent again."""


def test_a_transcript_can_be_played_back(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve("fragment 2: 503")
    file = tmp_path / "problem.txt"
    file.write_text("of another time")
    data = payload(3_000_000)
    bitsup.upload(data, server.url("secret-name"), transcript=file, **FIXED)
    text = file.read_text()
    lines = text.splitlines()
    assert lines[0] == "bitsup-transcript 1" and lines[1] == "> Create-Session" and "> Close-Session" in lines
    assert lines.count("> Fragment 1000000-1999999") == 2 and "< 503" in lines and "secret-name" not in text

    command = [sys.executable, "-m", "bitsup", "serve", "--replay", str(file), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as player:
        assert player.stdout is not None
        base = player.stdout.readline().strip().removeprefix("listening on ")
        receipt = bitsup.upload(data, f"{base}/other", **FIXED)
        _, said = player.communicate(timeout=60)
    assert receipt.retries == 1 and player.returncode == 0 and "played to the end" in said, said


def test_a_function_gets_the_entries(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "t"
    entries: list[str] = []
    with bitsup.Client() as client:
        client.start(b"abc", server.url("x"), transcript=entries.append).result()
        client.start(b"abc", server.url("x"), transcript=os.fspath(file)).result()
    assert len(entries) == 3 and entries[0].startswith("> Create-Session\n< 200\n")
    assert [line[:1] for line in file.read_text().splitlines()][:3] == ["b", ">", "<"]
    assert [line for line in file.read_text().splitlines() if line[0] == ">"] == [entry.splitlines()[0] for entry in entries]

    def broken(_: str) -> None:
        raise LookupError("no room for it")

    with pytest.raises(LookupError, match="no room for it"):
        bitsup.upload(payload(3_000_000), server.url("y"), transcript=broken, **FIXED)
    assert not (server.root / "y").exists()


def test_what_cannot_be_a_transcript(server: Server, tmp_path: Path) -> None:
    async def later(_: str) -> None: ...

    bad: list[tuple[type[BaseException], str, Any]] = [
        (IsADirectoryError, "cannot write .*: Is a directory", tmp_path),
        (FileNotFoundError, "cannot write .*missing", tmp_path / "missing" / "t"),
        (ValueError, "null character", "a\0b"),
        (TypeError, "transcript must be the name of a file, or a function, not int", 1),
        (TypeError, "plain function", later),
    ]
    for kind, message, value in bad:
        with pytest.raises(kind, match=message):
            bitsup.upload(b"abc", server.url("x"), transcript=value)
    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_a_full_disk_ends_the_transcript_only(server: Server, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with pytest.raises(bitsup.LocalFileError, match="No space left"):
        bitsup.upload(b"abc", server.url("x"), transcript="/dev/full")
    # The reader is gone: like a full disk, and in the middle.
    os.mkfifo(tmp_path / "t")
    reader = os.open(tmp_path / "t", os.O_RDONLY | os.O_NONBLOCK)

    def chunks() -> Iterator[bytes]:
        os.close(reader)
        yield payload(3_000_000)

    with caplog.at_level(logging.WARNING, "bitsup"):
        receipt = bitsup.upload(chunks(), server.url("x"), size=3_000_000, transcript=tmp_path / "t")
    assert receipt.size == 3_000_000 and server.content("x") == payload(3_000_000)
    # Uploads of other tests may still tell of retries.
    told = [record.message for record in caplog.records if "transcript" in record.message]
    assert told == ["the transcript ends here: Broken pipe"]
