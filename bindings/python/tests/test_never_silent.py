"""Failures that were not fetched are reported: by an exception, else by a warning and the log."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import threading
from collections.abc import Callable
from unittest import mock

import bitsup
import pytest
from conftest import Server, payload
from test_process import started

SIZE = 3_000_001


def failing(serve: Callable[..., Server]) -> Server:
    """A server that refuses every session."""
    return serve("create: 403")


def fail(client: bitsup.Client, server: Server, name: str = "x") -> bitsup.Upload:
    """An upload that has failed and whose failure was not fetched."""
    upload = client.start(b"abc", server.url(name))
    assert upload.wait_until_ended(60)
    return upload


@pytest.mark.parametrize("count", [1, 3])
def test_a_block_raises_what_nobody_fetched(serve: Callable[..., Server], count: int) -> None:
    server = failing(serve)
    with pytest.raises(bitsup.UploadErrors, match=f"{count} upload") as caught, bitsup.Client() as client:
        for number in range(count):
            client.start(b"abc", server.url(f"x{number}"))
    group = caught.value
    assert isinstance(group, bitsup.Error) and isinstance(group, ExceptionGroup)
    assert [type(error) for error in group.exceptions] == [bitsup.RefusedError] * count
    assert (group.kind, group.http_status, group.omitted) == ("Refused", 403, 0)
    notes = [error.__notes__[-1] for error in group.exceptions]
    assert sorted(notes) == [f"the upload to {server.url(f'x{number}')}" for number in range(count)]
    copied = pickle.loads(pickle.dumps(group))
    assert type(copied) is bitsup.UploadErrors and str(copied) == str(group) and len(copied.exceptions) == count


def test_an_asynchronous_block_does_too(serve: Callable[..., Server]) -> None:
    server = failing(serve)

    async def main() -> None:
        async with bitsup.Client() as client:
            client.start(b"abc", server.url("x"))

    with pytest.raises(bitsup.UploadErrors, match="1 upload failed"):
        asyncio.run(main())


def test_both_ways_to_catch_work(serve: Callable[..., Server]) -> None:
    server = failing(serve)
    seen: list[bitsup.UploadErrors] = []
    try:
        with bitsup.Client() as client:
            fail(client, server)
            client.start([b"x"], server.url("y"), size=2)
    except* bitsup.RefusedError as group:
        assert isinstance(group, bitsup.UploadErrors)
        seen.append(group)
    except* bitsup.Error as group:
        raise AssertionError("all were refused") from group
    assert len(seen) == 1 and len(seen[0].exceptions) == 2


@pytest.mark.parametrize("how", ["result", "exception", "await", "events"])
def test_what_was_fetched_is_not_raised_again(serve: Callable[..., Server], how: str) -> None:
    server = failing(serve)

    async def main() -> None:
        async with bitsup.Client() as client:
            upload = client.start(b"abc", server.url("x"))
            if how == "await":
                with pytest.raises(bitsup.RefusedError):
                    await upload
            elif how == "events":
                assert [event async for event in upload.events()]
            else:
                fetched = await asyncio.to_thread(upload.exception, 60)
                assert isinstance(fetched, bitsup.RefusedError)
                if how == "result":
                    with pytest.raises(bitsup.RefusedError):
                        upload.result()

    asyncio.run(main())


def test_what_the_user_stopped_is_no_failure(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: stall 30s")
    with bitsup.Client() as client:
        for keep in (True, False):
            upload = client.start(payload(SIZE), server.url(f"x{keep}"), fragment_size=1_000_000)
            assert upload.cancel(keep=keep)
            assert upload.wait_until_ended(60)
        suspended = client.start(payload(SIZE), server.url("y"), fragment_size=1_000_000)
        suspended.suspend()
    assert suspended.cancelled(), "the block does not wait for what is never resumed"


def test_an_exception_of_the_block_passes_unchanged(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = failing(serve)
    for raised in (LookupError("the block"), KeyboardInterrupt("the block")):
        caplog.clear()
        with pytest.raises(type(raised), match="the block") as caught, bitsup.Client() as client:
            fail(client, server)
            raise raised
        assert caught.value is raised
        assert any("403" in note and server.url("x") in note for note in caught.value.__notes__)
        assert [record.levelname for record in caplog.records if "403" in record.getMessage()] == ["ERROR"]


def test_a_cancelled_task_stays_cancelled(serve: Callable[..., Server]) -> None:
    server = failing(serve)

    async def body(failed: asyncio.Event) -> None:
        async with bitsup.Client() as client:
            await asyncio.to_thread(fail, client, server)
            failed.set()
            await asyncio.Event().wait()

    async def main() -> None:
        failed = asyncio.Event()
        task = asyncio.create_task(body(failed))
        await failed.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert any("403" in note for note in caught.value.__notes__)

    asyncio.run(main())


def test_only_so_many_failures_are_kept(serve: Callable[..., Server]) -> None:
    server = failing(serve)
    with pytest.raises(bitsup.UploadErrors, match="130 uploads failed") as caught:
        with bitsup.Client() as client:
            uploads = [fail(client, server, f"x{number}") for number in range(132)]
            # One that is kept, and one that is only counted.
            for fetched in (uploads[5], uploads[-1]):
                assert fetched.exception() is not None
    assert len(caught.value.exceptions) == 99 and caught.value.omitted == 31


def test_what_a_callback_raised_is_a_failure(server: Server) -> None:
    def broken(_: bitsup.Progress) -> None:
        raise LookupError("the callback is broken")

    with pytest.raises(bitsup.UploadErrors) as caught, bitsup.Client() as client:
        client.start(payload(SIZE), server.url("x"), on_progress=broken)
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


def test_a_client_that_is_dropped_says_what_it_had(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = failing(serve)
    client = bitsup.Client()
    fail(client, server)
    # What earlier tests have left is no part of this one.
    gc.collect()
    with pytest.warns(ResourceWarning, match="x.*403") as warned:
        del client
        gc.collect()
    assert sum(server.url("x") in str(warning.message) for warning in warned) == 1
    assert "ERROR" in {record.levelname for record in caplog.records}

    server = serve("fragment 1: stall 30s")
    client = bitsup.Client()
    client.start(payload(SIZE), server.url("y"))
    server.wait_for("Create-Session")
    with pytest.warns(ResourceWarning, match="is running") as warned:
        del client
        gc.collect()
    assert sum(server.url("y") in str(warning.message) for warning in warned) == 1


def test_a_closed_client_without_a_failure_says_nothing(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = bitsup.Client()
    client.start(b"abc", server.url("x")).result()
    client.close()
    del client
    kept = bitsup.Client().start(payload(SIZE), server.url("y"))
    gc.collect()
    assert kept.result(60).size == SIZE, "a handle keeps its client"
    del kept
    gc.collect()
    # Uploads of other tests may still tell of retries.
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_end_of_the_program_says_it_too(serve: Callable[..., Server]) -> None:
    server = failing(serve)
    script = """
import sys, bitsup
client = bitsup.Client()
upload = client.start(b"abc", sys.argv[1])
upload.wait_until_ended(60)
"""
    with started(script, server.url("x"), resources="default") as process:
        _, errors = process.communicate(timeout=60)
    assert errors.count("ResourceWarning: unclosed bitsup.Client") == 1 and server.url("x") in errors and "403" in errors, errors


def test_a_token_means_that_the_upload_can_go_on(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: drop", "--fault", "fragment 3: drop")
    with bitsup.Client() as client, pytest.raises(bitsup.Error) as caught:
        client.upload(payload(SIZE), server.url("x"), fragment_size=1_000_000, max_attempts=1)
    error = caught.value
    assert error.token is not None and error.resumable
    copied = pickle.loads(pickle.dumps(error))
    assert copied.token == error.token and copied.resumable


def test_advice_promises_nothing_without_a_state_dir(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: drop", "--fault", "fragment 3: drop")
    with bitsup.Client() as client, pytest.raises(bitsup.Error) as caught:
        client.upload(payload(SIZE), server.url("x"), fragment_size=1_000_000, max_attempts=1)
    assert "continues" in caught.value.advice and "state_dir" in caught.value.advice


def test_a_mock_is_a_callback(server: Server) -> None:
    """Every attribute of one exists, so that a search for the inner function has no end."""
    for name, function in (("x", mock.Mock()), ("y", mock.MagicMock())):
        done = threading.Event()
        receipts: list[bitsup.Receipt] = []

        def upload(name: str = name, function: mock.Mock = function, done: threading.Event = done) -> None:
            receipts.append(bitsup.upload(b"abc", server.url(name), on_progress=function, transcript=function))
            done.set()

        threading.Thread(target=upload, daemon=True).start()
        assert done.wait(30), "it never returns"
        assert receipts[0].size == 3 and function.called
    with pytest.raises(TypeError, match="plain function"):
        bitsup.upload(b"abc", server.url("x"), on_progress=mock.AsyncMock())
