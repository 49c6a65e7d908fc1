"""Between the client's callback thread and those who wait for an upload."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
import itertools
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

from ._events import Event, Finished, Notice, Progress, Retry
from ._failures import Failures
from ._sources import Prepared

logger = logging.getLogger("bitsup")
"""The logger of the package."""

asking: set[int] = set()
"""The threads that run a function for logins."""

SIGNAL_INTERVAL = 0.05
"""Waiting is cut into such pieces, in seconds: a signal that another thread got is seen then."""

_keys = itertools.count()


class Channel:
    """Takes one upload's events and brings them where they belong.

    It knows neither the upload nor the client, so that events keep nothing alive.
    """

    def __init__(
        self,
        name: str,
        on_progress: Callable[[Progress], object] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        awaited: bool = False,
    ) -> None:
        """``awaited``: ``wait`` will be called at once, so that nothing is delivered elsewhere before."""
        self._is_awaited = loop is not None and is_asynchronous(on_progress)
        if not self._is_awaited:
            check_function("on_progress", on_progress, "a bitsup.Progress")
        self.key: int = next(_keys)
        self.name = name
        self.source: Prepared = Prepared(None)
        self.failures: Failures | None = None
        self.outcome: Finished | None = None
        self.failure: BaseException | None = None
        """What the caller's own code raised."""
        self.stopped = False
        """Whether the caller wanted the upload to end, so that this is no failure."""
        self.suspended: bool = False
        self.ended: Callable[[], object] | None = None
        self.record: Callable[[str], object] | None = None
        self.cause_of: Callable[[BaseException], BaseException] | None = None
        self.subscribers: list[Callable[[Event], object]] = []
        self._on_progress = on_progress
        self._loop = loop
        self._context = contextvars.copy_context()
        self._task: asyncio.Future[Any] | None = None
        self._changed = threading.Condition(threading.Lock())
        self._queue: list[Progress] = []
        self._waiters = 1 if awaited else 0
        self._delivering: int | None = None
        self._scheduled = False
        self._done_callbacks: list[Callable[[], object]] = []
        self._idle_callbacks: list[Callable[[], object]] = []

    @property
    def has_listener(self) -> bool:
        """Whether progress is wanted."""
        return self._on_progress is not None

    def __call__(self, event: Event | str) -> bool:
        """Called on the client's callback thread; ``False`` stops the upload."""
        if isinstance(event, str):
            return self._recorded(event)
        self._log(event)
        for subscriber in tuple(self.subscribers):
            subscriber(event)
        if isinstance(event, Finished):
            self.finish(event)
        elif isinstance(event, Progress) and self._on_progress is not None:
            self._hand_over(event)
        return self.failure is None

    def finish(self, outcome: Finished) -> None:
        """Sets the outcome, once, and tells everybody."""
        with self._changed:
            if self.outcome is not None:
                return
            # Before the outcome can be seen: the client's own book-keeping.
            ended, self.ended = self.ended, None
            if ended is not None:
                ended()
            self.outcome = self._explained(outcome)
            self.record = self.cause_of = None
            error = self.error
            if error is not None and not self.stopped and self.failures is not None:
                self.failures.add(self.key, self.name, error)
            callbacks = [*self._done_callbacks, *self._idle_callbacks]
            self._done_callbacks, self._idle_callbacks = [], []
            self._changed.notify_all()
        for callback in callbacks:
            self._run(callback)

    @property
    def error(self) -> BaseException | None:
        """Why the upload failed; ``None`` if it did not."""
        # An exception of the caller's own code tells more than its consequences.
        return self.failure or (None if self.outcome is None else self.outcome.error)

    def fetch(self) -> BaseException | None:
        """The same for a caller who gets to see it."""
        if self.failures is not None:
            self.failures.discard(self.key)
        return self.error

    def forget(self) -> None:
        """Drops the outcome: a propagating exception keeps all frames alive, and they keep this object."""
        self.failure = self.outcome = None

    def fail(self, problem: BaseException) -> None:
        """The caller's own code has raised ``problem``; the first one counts."""
        if self.failure is None:
            # Without the frame that caught it, which would keep this object alive.
            trace = problem.__traceback__
            self.failure = problem.with_traceback(trace and trace.tb_next)

    def set_suspended(self, suspended: bool) -> None:
        """Notes what was asked for."""
        with self._changed:
            self.suspended = suspended
            callbacks, self._idle_callbacks = (self._idle_callbacks, []) if suspended else ([], self._idle_callbacks)
            self._changed.notify_all()
        for callback in callbacks:
            self._run(callback)

    def when_done(self, callback: Callable[[], object], *, or_suspended: bool = False) -> None:
        """Calls back when there is an outcome (or a pause): at once if there is one."""
        with self._changed:
            if self.outcome is None and not (or_suspended and self.suspended):
                (self._idle_callbacks if or_suspended else self._done_callbacks).append(callback)
                return
        self._run(callback)

    def wait(self, timeout: float | None, poll: Callable[[], Finished | None], *, or_suspended: bool = False) -> bool:
        """Waits for the outcome, and runs ``on_progress`` meanwhile; ``False`` when the time is over, or in a pause.

        ``poll`` looks for an outcome that no event brought, because the client was closed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        me = threading.get_ident()
        missed = False
        if self._delivering == me and self.outcome is None:
            raise RuntimeError("on_progress must not wait for the upload that it is called for")
        if me in asking and self.outcome is None:
            raise RuntimeError("the function for credentials must not wait for an upload: it may be the one that asks")
        with self._changed:
            self._waiters += 1
        try:
            while True:
                if self._loop is None:
                    self._deliver_in_context()
                with self._changed:
                    if self._waits_for_delivery():
                        continue
                    if self.outcome is not None and self._delivering in (None, me):
                        return True
                    if or_suspended and self.suspended:
                        return False
                    left = SIGNAL_INTERVAL if deadline is None else deadline - time.monotonic()
                    if left <= 0:
                        return False
                    quiet = not self._changed.wait(min(left, SIGNAL_INTERVAL))
                # Twice nothing was heard of an outcome that is there: no event brings it any more.
                found = poll() if quiet and self.outcome is None else None
                if found is not None and missed:
                    self.finish(found)
                missed = found is not None
        finally:
            with self._changed:
                self._waiters -= 1

    def deliver(self) -> None:
        """Runs ``on_progress`` for what waits, unless another thread does that now."""
        self._scheduled = False
        while (progress := self._next_delivery()) is not None:
            task: Any = None
            try:
                answer = None if self._on_progress is None else self._on_progress(progress)
                if self._is_awaited:
                    task = self._task = asyncio.ensure_future(cast("Awaitable[Any]", answer))
            except Exception as problem:
                self.fail(problem)
            except BaseException as problem:
                self.fail(problem)
                raise
            finally:
                if task is None:
                    self._delivered()
            if task is not None:
                task.add_done_callback(self._awaited)
                return

    async def wait_delivered(self) -> None:
        """Waits for an ``on_progress`` that is awaited."""
        while self._task is not None:
            await asyncio.wait([self._task])
        if self.failure is not None:
            raise self.failure

    def _awaited(self, task: asyncio.Future[Any]) -> None:
        self._task = None
        problem = None if task.cancelled() else task.exception()
        if problem is not None:
            self.fail(problem)
        self._delivered()
        self.deliver()

    def _next_delivery(self) -> Progress | None:
        with self._changed:
            if self._delivering is not None or not self._queue or self.failure is not None:
                return None
            self._delivering = threading.get_ident()
            return self._queue.pop(0)

    def _delivered(self) -> None:
        with self._changed:
            self._delivering = None
            if self.failure is not None:
                self._queue.clear()
            self._changed.notify_all()

    def _explained(self, outcome: Finished) -> Finished:
        """With the exception that lies behind an error, if the caller's own code raised one."""
        error = outcome.error
        if error is None:
            return outcome
        own = self.source.failure
        if own is None:
            return Finished(receipt=None, error=error if self.cause_of is None else self.cause_of(error))
        if own.__cause__ is None:
            own.__cause__ = error
        return Finished(receipt=None, error=own)

    def _waits_for_delivery(self) -> bool:
        return self._loop is None and bool(self._queue) and self._delivering is None and self.failure is None

    def _hand_over(self, progress: Progress) -> None:
        with self._changed:
            # A slow callback misses numbers, never a change of state.
            if self._queue and self._queue[-1].state == progress.state:
                self._queue[-1] = progress
            else:
                self._queue.append(progress)
            elsewhere = self._waiters > 0
            self._changed.notify_all()
        if self._loop is not None:
            if not self._scheduled:
                self._scheduled = True
                call_soon(self._loop, self.deliver, context=self._context)
        elif not elsewhere:
            self._deliver_in_context()

    def _deliver_in_context(self) -> None:
        """Runs ``on_progress`` in the context of the start, on whatever thread this is."""
        self._context.copy().run(self.deliver)

    def _recorded(self, entry: str) -> bool:
        try:
            if self.record is not None:
                self._context.copy().run(self.record, entry)
        except BaseException as problem:
            self.fail(problem)
        return self.failure is None

    def _run(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            logger.exception("a callback of the upload to %s failed", self.name)

    def _log(self, event: Event) -> None:
        if isinstance(event, Retry):
            # Warnings are seen without any setting.
            logger.warning("%s: %s; next try in %.1f s", self.name, event.cause, event.delay)
        elif isinstance(event, Notice):
            logger.info("%s: %s", self.name, event.text)
        elif isinstance(event, Finished):
            logger.info("%s: %s", self.name, event.error or "done")
        elif not isinstance(event, Progress):
            logger.debug("%s: %s", self.name, event)


def is_asynchronous(function: Any) -> bool:
    """Whether it is an ``async def``, also inside of ``functools.partial`` or as a class's ``__call__``."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))


def check_function(name: str, function: Any, takes: str) -> None:
    """Refuses what is no plain function; ``None`` is none."""
    if function is not None and not (callable(function) and not is_asynchronous(function)):
        raise TypeError(f"{name} must be a plain function that takes {takes}")


def call_soon(
    loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any, context: contextvars.Context | None = None
) -> None:
    """Runs ``callback`` on ``loop``; a loop that is closed wants nothing any more."""
    try:
        loop.call_soon_threadsafe(callback, *arguments, context=context)
    except RuntimeError:
        logger.debug("the event loop is closed")


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop of asyncio; there is no other way to await an upload."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "there is no running event loop of asyncio; with trio call the plain function in a thread, "
            "e.g. await trio.to_thread.run_sync(…)"
        ) from None


@dataclass(frozen=True)
class OnLoop:
    """An ``async def`` that is awaited on the loop while the client's callback thread waits."""

    loop: asyncio.AbstractEventLoop
    function: Callable[[Any], Coroutine[Any, Any, Any]]

    def __call__(self, argument: Any) -> Any:
        """Calls it."""
        future = asyncio.run_coroutine_threadsafe(self.function(argument), self.loop)
        while not concurrent.futures.wait([future], SIGNAL_INTERVAL).done:
            if self.loop.is_closed():
                raise RuntimeError("the event loop is closed")
        return future.result()
