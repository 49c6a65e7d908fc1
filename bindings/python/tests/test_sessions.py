"""Uploads that go on: after a kill, with another process, with a token."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server, payload, settle

SIZE = 3_000_001
PART = 500_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to upload."""
    file = tmp_path / "disk.img"
    file.write_bytes(payload(SIZE))
    return file


@pytest.fixture
def client(tmp_path: Path) -> Iterator[bitsup.Client]:
    """A client that keeps sessions."""
    with bitsup.Client(state_dir=tmp_path / "state") as client:
        yield client


def interrupted(client: bitsup.Client, server: Server, file: Path, **options: Any) -> bitsup.CancelledError:
    """Begins an upload that hangs in its third part, and stops it there."""
    upload = client.start(file, server.url("disk.img"), fragment_size=PART, **options)
    while not (upload.progress.acknowledged >= 2 * PART < upload.progress.sent):
        assert not upload.wait_until_ended(0.01)
    upload.cancel(keep=True)
    with pytest.raises(bitsup.CancelledError) as caught:
        upload.result(30)
    return caught.value


def test_a_killed_process_loses_nothing(serve: Callable[..., Server], file: Path, tmp_path: Path) -> None:
    server = serve("fragment 4: hang")
    script = f"""
import sys
import bitsup
client = bitsup.Client(state_dir=sys.argv[1])
upload = client.start(sys.argv[2], sys.argv[3], fragment_size={PART})
while upload.progress.acknowledged < {3 * PART} or upload.progress.sent < {4 * PART}:
    assert not upload.wait_until_ended(0.01)
print("ready", flush=True)
upload.result()
"""
    arguments = [sys.executable, "-c", script, str(tmp_path / "state"), str(file), server.url("disk.img")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with bitsup.Client(state_dir=tmp_path / "state") as client:
            (session,) = client.sessions()
            while session.acknowledged < 3 * PART:
                # The journal is written beside the sending.
                (session,) = client.sessions()
            assert session.in_use
            with pytest.raises(bitsup.SessionInUseError):
                client.resume(session.id)
            with pytest.raises(bitsup.SessionInUseError):
                client.start(file, server.url("disk.img"))
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert not (server.root / "disk.img").exists()

    with bitsup.Client(state_dir=tmp_path / "state") as client:
        (session,) = client.sessions()
        assert (session.url, session.path, session.size) == (server.url("disk.img"), str(file), SIZE)
        assert session.acknowledged == 3 * PART and not session.in_use and session.note is None
        assert session.begun <= session.updated <= datetime.now(UTC)
        assert pickle.loads(pickle.dumps(session)) == session
        upload = client.resume(session.id)
        receipt = upload.result(60)
        assert client.sessions() == ()
    assert server.content("disk.img") == payload(SIZE)
    assert server.packets().count("Create-Session") == 1, "the same session"
    assert receipt.size == SIZE and receipt.restarts == 0 and receipt.verified
    # The part that hung had arrived: the server says so, and is believed.
    starts = [first for first, _ in server.ranges()]
    assert starts[4:6] == [3 * PART - 2, 4 * PART], starts


def test_starting_again_is_going_on(serve: Callable[..., Server], file: Path, client: bitsup.Client) -> None:
    server = serve("fragment 3: hang")
    error = interrupted(client, server, file, note="case 17")
    assert error.resumable and isinstance(error.token, bitsup.Token)
    assert [session.note for session in client.sessions()] == ["case 17"]
    first: list[int] = []
    receipt = client.upload(file, server.url("disk.img"), on_progress=lambda p: first.append(p.acknowledged))
    assert server.content("disk.img") == payload(SIZE) and receipt.size == SIZE
    assert server.packets().count("Create-Session") == 1
    assert client.sessions() == () and min(first) >= 2 * PART


def test_fresh_begins_anew_and_no_resume_keeps_nothing(
    serve: Callable[..., Server], file: Path, client: bitsup.Client
) -> None:
    server = serve("fragment 3: hang")
    interrupted(client, server, file)
    client.upload(file, server.url("disk.img"), fresh=True)
    assert server.packets().count("Create-Session") == 2 and "Cancel-Session" in server.packets()
    assert server.content("disk.img") == payload(SIZE)

    server = serve("fragment 3: hang")
    interrupted(client, server, file, no_resume=True)
    assert client.sessions() == ()


def test_a_file_that_changed_is_never_spliced(serve: Callable[..., Server], file: Path, client: bitsup.Client) -> None:
    server = serve("fragment 3: hang")
    interrupted(client, server, file)
    file.write_bytes(payload(SIZE)[::-1])
    (session,) = client.sessions()
    with pytest.raises(bitsup.SourceChangedError, match="time stamp changed") as caught:
        client.resume(session.id).result(30)
    assert "start again" in caught.value.advice
    assert not (server.root / "disk.img").exists() and client.sessions() == ()


def test_cancel_and_forget(serve: Callable[..., Server], file: Path, client: bitsup.Client) -> None:
    server = serve("fragment 3: hang")
    interrupted(client, server, file)
    (session,) = client.sessions()
    client.cancel_session(session.id)
    assert "Cancel-Session" in server.packets() and client.sessions() == ()

    server = serve("fragment 3: hang")
    interrupted(client, server, file)
    (session,) = client.sessions()
    client.forget_session(session.id)
    assert "Cancel-Session" not in server.packets() and client.sessions() == ()
    for call in (client.resume, client.cancel_session, client.export):
        with pytest.raises(bitsup.InvalidArgumentError, match="there is no session"):
            call(session.id)


def test_a_session_moves_to_another_machine(
    serve: Callable[..., Server], file: Path, client: bitsup.Client, tmp_path: Path
) -> None:
    server = serve("fragment 3: hang")
    settle(file)
    error = interrupted(client, server, file)
    (session,) = client.sessions()
    token = client.export(session.id)
    assert type(token) is bitsup.Token and repr(token) == repr(error.token) == "<bitsup.Token>"
    assert pickle.loads(pickle.dumps(token)) == token and json.loads(json.dumps(token)) == token
    assert type(pickle.loads(pickle.dumps(token))) is bitsup.Token
    copy = tmp_path / "copy.img"
    copy.write_bytes(payload(SIZE))
    with bitsup.Client() as elsewhere:
        receipt = elsewhere.import_token(token, copy).result(60)
    assert server.content("disk.img") == payload(SIZE) and receipt.size == SIZE
    # No hash covers the bytes that the server got of the part that hung: a copy may begin anew for it.
    assert server.packets().count("Create-Session") == 1 + receipt.restarts
    client.forget_session(session.id)


def test_a_token_takes_bytes_and_files_but_no_other_content(
    serve: Callable[..., Server], file: Path, client: bitsup.Client
) -> None:
    data = payload(SIZE)
    settle(file)
    for source in (data, memoryview(data), file.open("rb")):
        server = serve("fragment 3: hang")
        token = interrupted(client, server, file).token
        assert token is not None
        other = bytearray(data)
        other[PART] ^= 1
        with pytest.raises(bitsup.SourceChangedError):
            client.import_token(token, bytes(other)).result(30)
        with pytest.raises(bitsup.SourceChangedError, match="has 5 bytes"):
            client.import_token(token, b"short")
        with pytest.raises(ValueError, match="a stream cannot be continued"):
            client.import_token(token, iter([data]), size=SIZE)
        assert not (server.root / "disk.img").exists()
        assert client.import_token(token, source).result(60).size == SIZE
        assert server.content("disk.img") == data
        client.forget_session(client.sessions()[0].id)
    source.close()  # type: ignore[union-attr]


def test_the_token_of_an_error_goes_on_without_a_state_directory(serve: Callable[..., Server], file: Path) -> None:
    server = serve("fragment 3: 503")
    with bitsup.Client() as client:
        with pytest.raises(bitsup.NetworkTimeoutError) as caught:
            client.upload(file, server.url("disk.img"), fragment_size=PART, max_attempts=1)
        error = pickle.loads(pickle.dumps(caught.value))
        assert type(error.token) is bitsup.Token and error.resumable
        assert str(error.token) not in repr(error) + str(error) + "".join(error.__notes__)
        assert client.import_token(error.token, file).result(60).size == SIZE
    assert server.content("disk.img") == payload(SIZE)
    assert server.packets().count("Create-Session") == 1


def test_going_on_in_asyncio(serve: Callable[..., Server], file: Path, tmp_path: Path) -> None:
    server = serve("fragment 3: hang")

    async def main() -> int:
        async with bitsup.Client(state_dir=tmp_path / "state") as client:
            task = asyncio.ensure_future(client.upload_async(file, server.url("disk.img"), fragment_size=PART))
            while not any(upload.progress.acknowledged >= 2 * PART for upload in client.uploads):
                assert not task.done()
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with bitsup.Client(state_dir=tmp_path / "state") as client:
            receipts = [await client.resume(session.id) for session in client.sessions()]
            return sum(receipt.size for receipt in receipts)

    assert asyncio.run(main()) == SIZE
    assert server.content("disk.img") == payload(SIZE)
    assert server.packets().count("Create-Session") == 1


def test_journals_that_cannot_be_read_are_told_of(
    serve: Callable[..., Server], file: Path, client: bitsup.Client, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve("fragment 3: hang")
    interrupted(client, server, file)
    assert client.state_dir is not None
    (journal,) = Path(client.state_dir, "sessions").glob("*.json")
    journal.write_text("nonsense")
    problems: list[bitsup.Error] = []
    assert client.sessions(on_error=problems.append) == ()
    assert [type(problem) for problem in problems] == [bitsup.LocalFileError] and str(journal) in str(problems[0])
    with caplog.at_level(logging.WARNING, "bitsup"):
        assert client.sessions() == ()
    assert str(journal) in caplog.text


def test_bad_arguments(server: Server, file: Path, client: bitsup.Client, tmp_path: Path) -> None:
    with bitsup.Client() as forgetful:
        assert forgetful.state_dir is None
        with pytest.raises(ValueError, match="no state directory"):
            forgetful.sessions()
    for bad in (5, b"state"):
        with pytest.raises(TypeError, match="state_dir must be a path"):
            bitsup.Client(state_dir=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="16 hexadecimal digits"):
        client.resume("../../etc/passwd")
    with pytest.raises(TypeError, match="the id must be a str, not int"):
        client.resume(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the token must be a str, not NoneType"):
        client.import_token(None, file)  # type: ignore[arg-type]
    for token in ("", "bitsup1.", "bitsup1.AAAA", "x" * 100_000):
        with pytest.raises(ValueError, match="the token cannot be used: ") as caught:
            client.import_token(token, file)
        assert len(str(caught.value)) < 200

    # A folder that cannot be used is a warning, or an error if asked for.
    (tmp_path / "no-folder").write_text("")
    with bitsup.Client(state_dir=tmp_path / "no-folder") as broken:
        receipt = broken.upload(file, server.url("x"))
        assert any(re.search("cannot store resume state", warning) for warning in receipt.warnings), receipt.warnings
        with pytest.raises(bitsup.LocalFileError, match="state directory"):
            broken.upload(file, server.url("y"), require_resume=True)


def test_a_state_directory_is_private(serve: Callable[..., Server], file: Path, client: bitsup.Client) -> None:
    server = serve("fragment 3: hang", "--user", "u:hunter2")
    options: bitsup.Options = {"user": "u", "password": "hunter2", "allow_cleartext_credentials": True}
    interrupted(client, server, file, **options)
    assert client.state_dir is not None
    for folder, _, names in os.walk(client.state_dir):
        assert os.stat(folder).st_mode & 0o077 == 0
        for name in names:
            path = Path(folder, name)
            assert path.stat().st_mode & 0o077 == 0 and b"hunter2" not in path.read_bytes()
    (session,) = client.sessions()
    with pytest.raises(bitsup.AuthError):
        client.resume(session.id).result(30)
    assert client.resume(session.id, **options).result(60).size == SIZE
    assert server.content("disk.img") == payload(SIZE)
