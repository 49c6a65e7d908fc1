"""Uploads in asyncio."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import bitsup
import pytest
from conftest import Server, payload

SIZE = 3_000_001


def test_two_hundred_at_once_on_one_engine_thread(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    payloads = [payload(300_000 + number) for number in range(200)]
    loop_thread = threading.get_ident()
    seen: set[int] = set()
    names: set[str] = set()

    def on_progress(_: bitsup.Progress) -> None:
        seen.add(threading.get_ident())
        if len(names) < 10:
            names.update(name for name in thread_names() if name.startswith("bitsup"))

    async def main() -> list[bitsup.Receipt]:
        async with bitsup.Client() as client:
            uploads = (
                client.upload_async(data, server.url(f"{number}"), on_progress=on_progress)
                for number, data in enumerate(payloads)
            )
            return await asyncio.gather(*uploads)

    # Uploads of other tests may still be taking leave of their servers.
    gc.collect()
    deadline = time.monotonic() + 60
    while any(name.startswith("bitsup") for name in thread_names()):
        assert time.monotonic() < deadline, "threads of another test go on"
        time.sleep(0.01)
    before = len(thread_names())
    # From here on the kernel measures the peak anew.
    Path("/proc/self/clear_refs").write_text("5")
    resident = memory("VmRSS")
    receipts = asyncio.run(main())
    peak = memory("VmHWM")
    assert len(receipts) == 200
    for number, data in enumerate(payloads):
        assert server.content(f"{number}") == data
    assert seen == {loop_thread}, "progress comes on the event loop"
    # The third one lets a dropped handle go.
    assert names - {"bitsup-farewell"} == {"bitsup", "bitsup-events"}, "one engine thread and one for callbacks"
    assert len(thread_names()) <= before + 3
    with capsys.disabled():
        print(
            f" [200 uploads of 0.3 MB at once: threads {sorted(names)}, {resident >> 10} MiB resident before"
            f" with all payloads, {peak >> 10} MiB at most]"
        )


def test_cancelling_a_task_stops_the_upload_and_keeps_its_session(
    serve: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("fragment 2: hang")

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with bitsup.Client() as client:
            task = asyncio.ensure_future(client.upload_async(payload(SIZE), server.url("x"), fragment_size=1_000_000))
            while not any(upload.progress.acknowledged for upload in client.uploads):
                assert not task.done()
                await asyncio.sleep(0.01)
            started = loop.time()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.2)
            took = loop.time() - started - 0.2
            while client.uploads:
                await asyncio.sleep(0.01)
            return took

    took = asyncio.run(main())
    with capsys.disabled():
        print(f" [asyncio.wait_for on a stalled server: {took * 1000:.0f} ms after its time was over]")
    assert took < 5, "a generous bound; the figure is printed"
    assert "Cancel-Session" not in server.packets()
    assert not (server.root / "x").exists()


def test_events(serve: Callable[..., Server]) -> None:
    server = serve("fragment 1: 503")

    async def main() -> list[bitsup.Event]:
        async with bitsup.Client() as client:
            upload = client.start(payload(SIZE), server.url("x"), max_retry_delay=0.1)
            events = [event async for event in upload.events()]
            assert [event async for event in upload.events()] == events[-1:]
            assert (await upload).size == SIZE
            return events

    events = asyncio.run(main())
    last = events[-1]
    assert isinstance(last, bitsup.Finished) and last.receipt is not None and last.error is None
    kinds = {type(event) for event in events}
    assert {bitsup.Progress, bitsup.AckEvent, bitsup.Retry, bitsup.Finished} <= kinds
    retry = next(event for event in events if isinstance(event, bitsup.Retry))
    assert retry.cause.http_status == 503


def test_events_of_an_upload_that_fails(serve: Callable[..., Server]) -> None:
    server = serve("create: 403")

    async def main() -> None:
        async with bitsup.Client() as client:
            upload = client.start(b"abc", server.url("x"))
            events = [event async for event in upload.events()]
            last = events[-1]
            assert isinstance(last, bitsup.Finished) and isinstance(last.error, bitsup.RefusedError)
            with pytest.raises(bitsup.RefusedError):
                await upload

    asyncio.run(main())


def test_an_exception_of_a_callback_comes_out(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: stall 30s")

    def broken(progress: bitsup.Progress) -> None:
        if progress.acknowledged:
            raise LookupError("the callback is broken")

    async def main() -> None:
        async with bitsup.Client() as client:
            with pytest.raises(LookupError, match="the callback is broken"):
                await client.upload_async(payload(SIZE), server.url("x"), on_progress=broken)

    asyncio.run(main())


def test_the_function_of_the_module_and_a_second_loop(server: Server) -> None:
    for name in ("x", "y"):
        receipt = asyncio.run(bitsup.upload_async(b"abc", server.url(name)))
        assert receipt.size == 3 and server.content(name) == b"abc"


def memory(name: str) -> int:
    """KiB of this process, of a kind that the kernel counts."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


def thread_names() -> list[str]:
    """The names of this process's threads, those of the native part too."""
    folder = Path(f"/proc/{os.getpid()}/task")
    names: list[str] = []
    for task in folder.iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            # It has ended meanwhile.
            continue
    return names
