"""The handle of an upload under way."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

from . import _bitsup
from ._channel import Channel, call_soon, running_loop
from ._errors import CancelledError, InvalidArgumentError, StillRunning
from ._events import Event, Finished, Progress, Receipt, State

MAX_EVENTS = 10_000
"""Events kept for a reader of ``events()`` that does not keep up; older ones are dropped then."""

PROGRESS, PACKETS = 1, 2


class _Future(concurrent.futures.Future[Receipt]):
    """The same as a future of the standard library."""

    def __init__(self, upload: Upload, channel: Channel) -> None:
        super().__init__()
        self._upload = upload
        self._channel = channel

    def cancel(self) -> bool:
        cancelled = super().cancel()
        if cancelled:
            self._upload.cancel(keep=True)
        return cancelled

    def result(self, timeout: float | None = None) -> Receipt:
        self.exception(timeout)
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        found = super().exception(timeout)
        self._channel.fetch()
        return found


class Upload:
    """An upload under way, much like a ``concurrent.futures.Future``. Any thread may use it.

    Made by ``Client.start``. ``await upload`` waits for its receipt in asyncio. An upload goes on when its handle is
    dropped; a failure that is not fetched is raised at the end of ``with Client()``: see ``UploadErrors``.
    """

    def __init__(self, native: _bitsup.Upload, channel: Channel, client: object) -> None:
        self._native = native
        self._channel = channel
        self._client = client
        self._process = os.getpid()

    @property
    def name(self) -> str:
        """What it is called in the log: the URL without its query, or the session that it goes on with."""
        return self._channel.name

    @property
    def progress(self) -> Progress:
        """A snapshot; never waits."""
        self._check_process()
        return self._native.progress()

    @property
    def state(self) -> State:
        """Where it stands: short for ``progress.state``."""
        return self.progress.state

    def suspend(self) -> None:
        """Pauses: the exchange under way is broken off, and nothing is sent until ``resume()``. Returns at once."""
        self._check_process()
        self._native.suspend()
        self._channel.set_suspended(True)

    def resume(self) -> None:
        """Goes on after ``suspend()``. Returns at once."""
        self._check_process()
        self._channel.set_suspended(False)
        self._native.resume()

    def cancel(self, *, keep: bool = False) -> bool:
        """Stops the upload; the server deletes what it has, unless ``keep``. Returns at once.

        ``False`` if the upload has ended before. ``result()`` raises ``CancelledError`` then.
        """
        self._check_process()
        if self.done():
            return False
        self._channel.stopped = True
        # A stream that can be read once cannot be resumed.
        self._native.cancel(keep and not self._channel.source.once)
        return True

    def done(self) -> bool:
        """Whether the upload has ended, in whatever way."""
        return self._channel.outcome is not None

    def running(self) -> bool:
        """Whether it has not ended."""
        return not self.done()

    def cancelled(self) -> bool:
        """Whether it ended by ``cancel()``."""
        return isinstance(self._channel.error, CancelledError)

    def result(self, timeout: float | None = None) -> Receipt:
        """Waits for the end, at most ``timeout`` seconds, and runs ``on_progress`` meanwhile.

        Raises ``StillRunning`` when the time is over (the upload goes on), a ``bitsup.Error`` if the
        upload failed, and the exception of ``on_progress``, ``credentials`` or the source if one of them raised it.
        Ctrl-C raises ``KeyboardInterrupt`` and leaves the upload running.
        """
        failure = self.exception(timeout)
        try:
            return self._receipt(failure)
        finally:
            # A raised exception keeps this frame.
            del self, failure

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Waits like ``result()``, and returns what it would raise; ``None`` if all is well."""
        if timeout is not None and timeout != timeout:
            raise InvalidArgumentError("a time-out must be a number of seconds")
        if not self.wait_until_ended(timeout):
            raise StillRunning(f"the upload is still running after {timeout} s: {self!r}")
        return self._channel.fetch()

    @property
    def is_parked(self) -> bool:
        """Whether the caller has stopped or suspended it, so that there is no need to wait for it."""
        return self._channel.stopped or self._channel.suspended

    def stop(self, problem: BaseException, *, keep: bool = True) -> None:
        """Something that the caller gave has raised ``problem``: stops, and raises it in ``result()``."""
        self._channel.fail(problem)
        self._native.cancel(keep)

    def wait_until_ended(self, timeout: float | None = None, *, or_suspended: bool = False) -> bool:
        """Waits like ``result()``, and raises nothing: ``False`` when the time is over."""
        self._check_process()
        try:
            return self._channel.wait(timeout, self._poll, or_suspended=or_suspended)
        finally:
            self._stop_if_broken()

    def add_done_callback(self, callback: Callable[[Upload], object]) -> None:
        """Calls ``callback(upload)`` when the upload has ended, on the client's callback thread; at once if it has."""
        context = contextvars.copy_context()
        self._channel.when_done(lambda: context.run(callback, self))

    def future(self) -> concurrent.futures.Future[Receipt]:
        """A future of the receipt, for ``concurrent.futures.wait`` and the like; its ``cancel()`` stops and keeps the session."""
        future = _Future(self, self._channel)

        def end() -> None:
            failure = self._channel.error
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                if failure is not None:
                    future.set_exception(failure)
                else:
                    future.set_result(self._receipt(None))

        self._channel.when_done(end)
        return future

    async def events(self) -> AsyncIterator[Event]:
        """Everything that happens from now on, up to and with ``Finished``: ``async for event in upload.events()``."""
        self._check_process()
        loop = running_loop()
        waiting: deque[Event] = deque(maxlen=MAX_EVENTS)
        arrived = asyncio.Event()

        def arrive(event: Event) -> None:
            if isinstance(event, Progress) and waiting and isinstance(waiting[-1], Progress):
                waiting.pop()
            waiting.append(event)
            arrived.set()

        def subscriber(event: Event) -> None:
            if not isinstance(event, Finished):
                call_soon(loop, arrive, event)

        def finished() -> None:
            call_soon(loop, arrive, Finished(receipt=None, error=None))

        self._channel.subscribers.append(subscriber)
        self._native.listen(PACKETS)
        self._channel.when_done(finished)
        try:
            while True:
                await arrived.wait()
                arrived.clear()
                while waiting:
                    event = waiting.popleft()
                    if isinstance(event, Finished):
                        failure = self._channel.fetch()
                        yield Finished(receipt=None if failure else self._receipt(None), error=failure)
                        return
                    yield event
        finally:
            self._channel.subscribers.remove(subscriber)

    def __await__(self) -> Generator[Any, None, Receipt]:
        return self.wait_async().__await__()

    async def wait_async(self) -> Receipt:
        """What ``await upload`` does: waits for the receipt without a thread.

        Cancelling it, by a time-out for example, stops the upload and keeps its session, as with ``upload_async``.
        """
        try:
            await self.wait_until_ended_async()
        except asyncio.CancelledError:
            self.cancel(keep=True)
            raise
        failure = self._channel.fetch()
        try:
            return self._receipt(failure)
        finally:
            del self, failure

    async def wait_until_ended_async(self, *, or_suspended: bool = False) -> None:
        """The same without a result."""
        self._check_process()
        loop = running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        self._channel.when_done(lambda: call_soon(loop, end), or_suspended=or_suspended)
        await ended

    def _receipt(self, failure: BaseException | None) -> Receipt:
        try:
            if failure is not None:
                raise failure
            outcome = self._channel.outcome
            if outcome is None or outcome.receipt is None:
                raise InvalidArgumentError("the upload has no receipt")
            return outcome.receipt
        finally:
            del self, failure

    def _poll(self) -> Finished | None:
        self._stop_if_broken()
        return self._native.outcome()

    def _stop_if_broken(self) -> None:
        if self._channel.failure is not None and not self.done():
            self._native.cancel(True)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise InvalidArgumentError(
                "this upload was started before a fork and goes on in the parent process: use it there, or make a new client here"
            )

    def __repr__(self) -> str:
        if os.getpid() != self._process:
            return "<bitsup.Upload of another process>"
        progress = self.progress
        return f"<bitsup.Upload {self._channel.name} {progress.state.value} {progress.acknowledged}/{progress.total}>"

    def __reduce__(self) -> Any:
        raise TypeError("an upload lives in one process and cannot be pickled; its receipt and its errors can")
