"""The handle of an upload, the client, and errors."""

from __future__ import annotations

import concurrent.futures
import gc
import pickle
import threading
from collections.abc import Callable
from typing import Any

import bitsup
import pytest
from bitsup import _bitsup
from conftest import Server, payload

SIZE = 3_000_001


def test_a_handle_is_much_like_a_future(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: stall 4s")
    ended: list[bitsup.Upload] = []
    with bitsup.Client() as client:
        upload = client.start(payload(SIZE), server.url("x"), fragment_size=1_000_000)
        upload.add_done_callback(ended.append)
        assert upload.running() and not upload.done() and upload in client.uploads
        with pytest.raises(bitsup.StillRunning) as caught:
            upload.result(0.05)
        assert isinstance(caught.value, TimeoutError) and not isinstance(caught.value, bitsup.Error)
        receipt = upload.result(30)
        assert upload.done() and not upload.running() and not upload.cancelled()
        assert upload.exception() is None and upload.result(0) is receipt
        assert upload.progress.state == "done" and not upload.cancel()
        late: list[bitsup.Upload] = []
        upload.add_done_callback(late.append)
        assert late == [upload] and client.uploads == ()
        wait_until(lambda: ended == [upload])


def test_a_failing_callback_is_logged_and_hurts_nobody(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> None:
        raise LookupError("a broken callback")

    with bitsup.Client() as client:
        upload = client.start(b"abc", server.url("x"))
        upload.add_done_callback(broken)
        upload.result()
        wait_until(lambda: "a broken callback" in caplog.text)


def test_suspend_resume_cancel(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: stall 4s")
    with bitsup.Client() as client:
        upload = client.start(payload(SIZE), server.url("x"), fragment_size=1_000_000)
        server.wait_for("Fragment")
        upload.suspend()
        wait_until(lambda: upload.state == "suspended")
        upload.resume()
        assert upload.result(30).size == SIZE
    assert server.content("x") == payload(SIZE)

    server = serve("fragment 2: stall 30s")
    with bitsup.Client() as client:
        upload = client.start(payload(SIZE), server.url("x"), fragment_size=1_000_000)
        server.wait_for("Fragment")
        assert upload.cancel()
        with pytest.raises(bitsup.CancelledError) as caught:
            upload.result(30)
        assert isinstance(caught.value, concurrent.futures.CancelledError)
        assert upload.cancelled()
    server.wait_for("Cancel-Session")
    assert "Cancel-Session" in server.packets()


def test_cancel_can_keep_the_session(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: stall 30s")
    with bitsup.Client() as client:
        upload = client.start(payload(SIZE), server.url("x"), fragment_size=1_000_000)
        server.wait_for("Fragment")
        assert upload.cancel(keep=True)
        with pytest.raises(bitsup.CancelledError):
            upload.result(30)
    assert "Cancel-Session" not in server.packets()


def test_a_handle_that_nobody_keeps_goes_on(server: Server) -> None:
    with bitsup.Client() as client:
        for number in range(20):
            client.start(payload(500_000), server.url(f"x{number}"))
        gc.collect()
    for number in range(20):
        assert server.content(f"x{number}") == payload(500_000)


def test_a_block_that_raises_stops_its_uploads(serve: Callable[..., Server]) -> None:
    server = serve("fragment 1: stall 30s")
    client = bitsup.Client()
    upload = client.start(payload(SIZE), server.url("x"))
    with pytest.raises(LookupError), client:
        raise LookupError
    assert upload.cancelled()
    with pytest.raises(ValueError, match="closed"):
        client.start(b"", server.url("y"))
    with pytest.raises(ValueError, match="closed"):
        client.ping(server.url("y"))
    client.close()


def test_callbacks_without_a_waiting_thread_never_run_twice_at_once(server: Server) -> None:
    busy = threading.Lock()
    threads: set[int] = set()

    def on_progress(_: bitsup.Progress) -> None:
        assert busy.acquire(blocking=False), "called twice at the same time"
        threads.add(threading.get_ident())
        busy.release()

    with bitsup.Client() as client:
        uploads = [client.start(payload(SIZE), server.url(f"{n}"), on_progress=on_progress) for n in range(5)]
        wait_until(lambda: all(upload.done() for upload in uploads))
    assert threading.get_ident() not in threads and len(threads) == 1


def test_waiting_inside_of_a_callback_is_an_error_not_a_hang(server: Server) -> None:
    # So slow that the upload has not ended by then, when its result would be there.
    with bitsup.Client(limit_rate=SIZE // 100) as client:
        handles: list[bitsup.Upload] = []
        started = threading.Event()

        def on_progress(_: bitsup.Progress) -> None:
            started.wait()
            handles[0].result()

        handles.append(client.start(payload(SIZE), server.url("x"), on_progress=on_progress))
        started.set()
        with pytest.raises(RuntimeError, match="must not wait"):
            handles[0].result(30)


def test_the_rate_limit(server: Server) -> None:
    with bitsup.Client(limit_rate=100_000) as client:
        upload = client.start(payload(SIZE), server.url("x"))
        with pytest.raises(bitsup.StillRunning):
            upload.result(0.3)
        assert client.limit_rate == 100_000
        client.limit_rate = None
        upload.result(30)
    for bad, kind in ((0, ValueError), (1 << 64, ValueError), (1.5, TypeError), (True, TypeError), (b"5", TypeError)):
        with pytest.raises(kind, match="limit_rate"):
            bitsup.Client(limit_rate=bad)  # type: ignore[arg-type]


def test_a_timetable_of_rates(server: Server) -> None:
    slow = "00:00-24:00=100K"
    with bitsup.Client(limit_rate=slow) as client:
        upload = client.start(payload(SIZE), server.url("x"))
        with pytest.raises(bitsup.StillRunning):
            upload.result(0.3)
        assert client.limit_rate == slow
        client.limit_rate = "00:00-24:00=off"
        assert upload.result(30).size == SIZE
        for other in (100_000, "06:00-18:00=100K 18:00-06:00=99K"):
            client.limit_rate = other
            upload = client.start(payload(SIZE), server.url("x"))
            with pytest.raises(bitsup.StillRunning):
                upload.result(0.3)
            client.limit_rate = None
            assert upload.result(30).size == SIZE and client.limit_rate is None
        client.limit_rate = slow
        for bad in ("", "fast", "08:00-18:00=fast", "08:00-18:00=1M 17:00-19:00=2M", "25:00-26:00=1M"):
            with pytest.raises(ValueError, match=r"08:00-18:00|HH:MM|K, M, G or T"):
                client.limit_rate = bad
            with pytest.raises(ValueError):
                bitsup.Client(limit_rate=bad)
        assert client.limit_rate == slow, "a wrong one changes nothing"


def test_ping(serve: Callable[..., Server]) -> None:
    server = serve("ping 2: 404")
    with bitsup.Client() as client:
        report = client.ping(server.url("x?secret=hunter2"))
        assert report.url.startswith(server.url("x")) and "hunter2" not in report.url and report.seconds > 0 and not report.authorized
        with pytest.raises(bitsup.RefusedError) as caught:
            client.ping(server.url("x"))
        assert caught.value.http_status == 404 and caught.value.packet == "Ping"


def test_errors_have_a_class_for_each_kind_and_builtin_parents() -> None:
    rows = _bitsup.kinds()
    assert len(rows) == 17
    for name, status, python, _ in rows:
        error = getattr(bitsup, python)("text")
        assert isinstance(error, bitsup.Error)
        assert (error.kind, error.status, str(error)) == (name, status, "text")
        assert type(error).__module__ == "bitsup" and type(error).__doc__
    for found, parent in (
        (bitsup.InvalidArgumentError, ValueError),
        (bitsup.LocalFileError, OSError),
        (bitsup.LocalFileNotFoundError, FileNotFoundError),
        (bitsup.LocalFilePermissionError, PermissionError),
        (bitsup.LocalFileIsADirectoryError, IsADirectoryError),
        (bitsup.TlsError, OSError),
        (bitsup.NetworkError, ConnectionError),
        (bitsup.NetworkTimeoutError, TimeoutError),
        (bitsup.CancelledError, concurrent.futures.CancelledError),
    ):
        assert issubclass(found, parent)


def test_errors_say_what_the_server_said_and_can_be_pickled(serve: Callable[..., Server]) -> None:
    server = serve("create: answer 403 error 0x80070005 context 0x5")
    with pytest.raises(bitsup.RefusedError) as caught:
        bitsup.upload(b"abc", server.url("x"))
    error = caught.value
    assert (error.http_status, error.hresult, error.context, error.packet) == (403, 0x80070005, 5, "Create-Session")
    assert error.kind == "Refused" and error.advice and error.__notes__ == [error.advice]
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and copy.__dict__ == error.__dict__ and str(copy) == str(error)
    with pytest.raises(bitsup.LocalFileError) as missing:
        bitsup.upload("/missing/file", server.url("x"))
    copied = pickle.loads(pickle.dumps(missing.value))
    assert isinstance(copied, FileNotFoundError) and copied.errno == missing.value.errno == 2


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(bitsup.NetworkError) as caught:
        bitsup.upload(b"abc", "http://127.0.0.1:9/x", wait_for_server=0.1, max_retry_delay=0.1)
    assert isinstance(caught.value, ConnectionError)


def test_what_is_data_can_be_pickled_and_what_lives_cannot(server: Server) -> None:
    receipt = bitsup.upload(b"abc", server.url("x"))
    assert pickle.loads(pickle.dumps(receipt)) == receipt
    with bitsup.Client() as client:
        upload = client.start(b"abc", server.url("y"))
        upload.result()
        assert pickle.loads(pickle.dumps(upload.progress)) == upload.progress
        for living in (client, upload):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(living)


def test_no_secret_is_shown(server: Server) -> None:
    with bitsup.Client() as client:
        upload = client.start(b"abc", server.url("x?key=hunter2"), secret_headers={"X-Key": "hunter2"},
                              allow_cleartext_credentials=True)
        receipt = upload.result()
        for shown in (repr(client), repr(upload), repr(receipt), repr(upload.progress)):
            assert "hunter2" not in shown, shown


def wait_until(condition: Callable[[], Any]) -> None:
    """Waits for another thread; generous, since machines can be slow."""
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("waited in vain")
