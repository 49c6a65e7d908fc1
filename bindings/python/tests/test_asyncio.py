"""Uploads in asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
            names.update(name for task, name in threads().items() if task not in before and name.startswith("bitsup"))

    async def main() -> list[bitsup.Receipt]:
        async with bitsup.Client() as client:
            uploads = (
                client.upload_async(data, server.url(f"{number}"), on_progress=on_progress)
                for number, data in enumerate(payloads)
            )
            return await asyncio.gather(*uploads)

    # Uploads of other tests may still be taking leave of their servers.
    before = threads().keys()
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
    assert len(threads().keys() - before) <= 3
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


def threads() -> dict[str, str]:
    """The names of this process's threads by their numbers, those of the native part too."""
    names: dict[str, str] = {}
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        try:
            names[task.name] = (task / "comm").read_text().strip()
        except OSError:
            # It has ended meanwhile.
            continue
    return names


def test_calls_that_wait_have_a_twin(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve("fragment 2: hang")
    (tmp_path / "file").write_bytes(payload(SIZE))

    async def main() -> None:
        async with bitsup.Client(state_dir=tmp_path / "state") as client:
            assert (await client.ping_async(server.url("x"))).seconds > 0
            assert (await bitsup.ping_async(server.url("x"))).url == bitsup.ping(server.url("x")).url
            upload = client.upload_async(tmp_path / "file", server.url("file"), fragment_size=1_000_000)
            task = asyncio.ensure_future(upload)
            while not any(upload.progress.acknowledged for upload in client.uploads):
                await asyncio.sleep(0.01)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.1)
            while client.uploads:
                await asyncio.sleep(0.01)
            (session,) = client.sessions()
            assert (await client.resume_async(session.id)).size == SIZE
            assert (await client.doctor_async(server.url("x"))).problem is None
            assert (await bitsup.doctor_async(server.url("x"))).url
            async with await client.session_async(server.url("y"), 6) as packets:
                assert await packets.send_async(b"abcdef") == 6
            other = await client.session_async(server.url("z"), 6)
            await other.cancel_async()
            async with await client.open_async(server.url("w"), 6) as target:
                assert await target.write_async(b"abcdef") == 6
            assert target.receipt is not None and target.receipt.size == 6
            with pytest.raises(bitsup.Error):
                await client.cancel_session_async("unknown")

    asyncio.run(main())
    assert server.content("file") == payload(SIZE) and server.content("y") == server.content("w") == b"abcdef"


def test_a_time_out_around_a_handle_is_one_around_the_upload(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: hang")

    async def main() -> None:
        async with bitsup.Client() as client:
            upload = client.start(payload(SIZE), server.url("x"), fragment_size=1_000_000)
            while not upload.progress.acknowledged:
                await asyncio.sleep(0.01)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(upload.wait_async(), 0.1)
            await upload.wait_until_ended_async()
            assert upload.cancelled()

    asyncio.run(main())
    assert "Cancel-Session" not in server.packets()


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


def test_callbacks_see_the_context_of_the_start(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:p")
    seen: set[tuple[str, str]] = set()
    ended = threading.Event()

    def login(_: bitsup.CredentialRequest) -> bitsup.Login:
        seen.add(("login", variable.get()))
        return ("u", "p")

    def done(_: bitsup.Upload) -> None:
        seen.add(("done", variable.get()))
        ended.set()

    def transcript(_: str) -> None:
        seen.add(("transcript", variable.get()))

    def on_progress(_: bitsup.Progress) -> None:
        seen.add(("progress", variable.get()))

    variable.set("set")
    try:
        with bitsup.Client() as client:
            upload = client.start(
                payload(SIZE),
                server.url("x"),
                on_progress=on_progress,
                transcript=transcript,
                on_credentials=login,
                allow_cleartext_credentials=True,
            )
            upload.add_done_callback(done)
            assert ended.wait(60)

            async def main() -> None:
                await client.upload_async(
                    b"abc", server.url("y"), on_progress=on_progress, on_credentials=login, allow_cleartext_credentials=True
                )

            asyncio.run(main())
    finally:
        variable.set("none")
    assert seen == {(name, "set") for name in ("login", "done", "transcript", "progress")}


local = threading.local()


def test_a_thread_that_waits_lends_its_locals_and_not_its_context(server: Server) -> None:
    """``on_progress`` runs on the thread that waits: its thread-locals are there, and the context of the start."""
    seen: set[tuple[str, str | None]] = set()
    allowed, told = threading.Event(), threading.Event()

    def source() -> Iterator[bytes]:
        assert allowed.wait(60)
        content = payload(SIZE)
        for at in range(0, SIZE, 10_000):
            # Until the thread that waits has been told of one.
            told.wait(0.1)
            yield content[at : at + 10_000]

    def on_progress(_: bitsup.Progress) -> None:
        if threading.current_thread().name == "waits":
            seen.add((variable.get(), getattr(local, "name", None)))
            told.set()

    def wait() -> None:
        local.name = "of the waiter"
        variable.set("of the waiter")
        allowed.set()
        upload.result()

    with bitsup.Client() as client:
        context = contextvars.copy_context()
        context.run(variable.set, "of the start")
        options: Any = {"on_progress": on_progress, "size": SIZE, "fragment_size": 50_000}
        upload = context.run(client.start, source(), server.url("x"), **options)
        waiter = threading.Thread(target=wait, name="waits")
        waiter.start()
        waiter.join(60)
        assert not waiter.is_alive() and upload.result().size == SIZE
    assert seen == {("of the start", "of the waiter")}


def test_functions_that_are_awaited(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:p")
    loops: dict[str, Any] = {}
    states: list[str] = []
    running = 0

    async def login(_: bitsup.CredentialRequest) -> bitsup.Login:
        await asyncio.sleep(0)
        loops["login"] = asyncio.get_running_loop()
        return ("u", "p")

    async def transcript(_: str) -> None:
        await asyncio.sleep(0)
        loops["transcript"] = asyncio.get_running_loop()

    async def on_progress(progress: bitsup.Progress) -> None:
        nonlocal running
        running += 1
        assert running == 1, "never two at once"
        await asyncio.sleep(0.01)
        running -= 1
        loops["progress"] = asyncio.get_running_loop()
        states.append(progress.state)

    async def broken(_: bitsup.Progress) -> None:
        await asyncio.sleep(0)
        raise LookupError("the callback is broken")

    options: Any = {"on_credentials": login, "allow_cleartext_credentials": True}

    async def main() -> None:
        async with bitsup.Client() as client:
            await client.upload_async(
                payload(SIZE), server.url("x"), on_progress=on_progress, transcript=transcript, **options
            )
            assert loops == dict.fromkeys(("login", "transcript", "progress"), asyncio.get_running_loop())
            assert states[-1] == "done"
            with pytest.raises(LookupError, match="the callback is broken"):
                await client.upload_async(payload(SIZE), server.url("y"), on_progress=broken, **options)
            wrong: list[Any] = [{"on_progress": on_progress}, {"transcript": transcript}, options]
            for keywords in wrong:
                with pytest.raises(TypeError, match="plain function"):
                    await asyncio.to_thread(client.upload, b"abc", server.url("z"), **keywords)

    asyncio.run(main())
    assert not (server.root / "z").exists()


def test_a_loop_of_another_library_gets_a_clear_error(server: Server) -> None:
    with bitsup.Client() as client:
        coroutine = client.upload_async(b"abc", server.url("x"))
        with pytest.raises(RuntimeError, match="trio.to_thread"):
            coroutine.send(None)


def test_a_future_of_the_standard_library(serve: Callable[..., Server]) -> None:
    server = serve("fragment 3: hang")
    with bitsup.Client() as client:
        done, _ = concurrent.futures.wait([client.start(b"abc", server.url("x")).future()], 60)
        assert [future.result().size for future in done] == [3]
        with pytest.raises(bitsup.NetworkError):
            client.start(b"abc", "http://127.0.0.1:9/x", wait_for_server=0).future().result(60)
        upload = client.start(payload(SIZE), server.url("y"), fragment_size=1_000_000)
        future = upload.future()
        while not upload.progress.acknowledged:
            assert not upload.wait_until_ended(0.01)
        assert future.cancel() and future.cancelled()
        assert upload.wait_until_ended(60) and upload.cancelled()
    assert "Cancel-Session" not in server.packets()
