"""Between the client's callback thread and whoever waits for an upload."""

from __future__ import annotations

import _thread
import sys
import time

from ._receipt import Finished, outcome_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Callable
    from typing import Any

    from ._events import Event, Progress, Retry

CO_COROUTINE = 0x80
"""As in the module ``inspect``, which takes long to load: the flag of an ``async def``."""

asking: set[int] = set()
"""The threads that run a function for logins."""

SIGNAL_INTERVAL = 0.05
"""Waiting is cut into such pieces, in seconds: a signal that another thread got is seen then."""


def load_threading() -> None:
    """For whoever has the caller's code, or the log, run on a thread of the client's: before it runs there.

    CPython up to 3.12 takes the first thread that loads ``threading`` for the main one, and its end fails if that is
    wrong. So a thread of the caller's does it.
    """
    import threading as _


class Bell:
    """Wakes whoever waits: what is needed here of ``threading.Condition``.

    The module ``threading`` takes half as long to load as all of this package: see ``load_threading``.
    """

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self._waiting: list[_thread.LockType] = []

    def wait(self, seconds: float) -> bool:
        """With ``lock`` held, which is free meanwhile; ``False`` when the time is over."""
        mine = _thread.allocate_lock()
        mine.acquire()
        self._waiting.append(mine)
        self.lock.release()
        rung = False
        try:
            rung = mine.acquire(True, seconds)
        finally:
            self.lock.acquire()
            if not rung and mine in self._waiting:
                self._waiting.remove(mine)
        return rung

    def ring(self) -> None:
        """With ``lock`` held: all who wait go on."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.release()


class Channel:
    """Takes one upload's events and brings them where they belong.

    It knows neither the upload nor the client, so that events keep nothing alive.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], object] | None,
        loop: asyncio.AbstractEventLoop | None,
        name: str,
        *,
        awaited: bool = False,
    ) -> None:
        """``awaited``: ``wait`` will be called at once, so that nothing is delivered elsewhere before."""
        if on_progress is not None or not awaited:
            load_threading()
        if on_progress is not None:
            if not is_plain_function(on_progress):
                raise TypeError("on_progress must be a plain function that takes a bitsup.Progress")
            # Here and not at the first event, so that the client's thread never loads it.
            from ._events import Progress as _
        self.outcome: Finished | None = None
        self.failure: BaseException | None = None
        self.name = name
        self.ended: Callable[[], object] | None = None
        self.record: Callable[[str], object] | None = None
        self.cause_of: Callable[[BaseException], BaseException] | None = None
        self.subscribers: list[Callable[[Event], object]] = []
        self._on_progress = on_progress
        self._loop = loop
        self._bell = Bell()
        self._queue: list[Progress] = []
        self._warnings: list[Retry] = []
        self._waiters = 1 if awaited else 0
        self._delivering: int | None = None
        self._scheduled = False
        self._done_callbacks: list[Callable[[], object]] = []

    @property
    def has_listener(self) -> bool:
        """Whether anybody wants to see progress."""
        return self._on_progress is not None

    def __call__(self, kind: str, facts: Any) -> bool:
        """Called on the client's callback thread; ``False`` stops the upload."""
        if kind == "recorded":
            return self._recorded(facts)
        outcome = outcome_of(kind, facts)
        if outcome is not None:
            self._log_end(outcome)
            for subscriber in tuple(self.subscribers):
                subscriber(outcome)
            self.finish(outcome)
            return self.failure is None
        if kind == "notice" and not self.subscribers and not is_logging():
            # Nobody sees it, and the module of events takes milliseconds to load. Decided here, since a program may
            # begin to log at any time.
            return True
        from ._events import Progress, event_of

        event = event_of(kind, facts)
        if event is None:
            return True
        self._log(event)
        for subscriber in tuple(self.subscribers):
            subscriber(event)
        if isinstance(event, Progress) and self._on_progress is not None:
            self._hand_over(event)
        return self.failure is None

    def finish(self, outcome: Finished) -> None:
        """Sets the outcome, once, and tells everybody."""
        with self._bell.lock:
            if self.outcome is not None:
                return
            # Before anybody can see the outcome: the client's own book-keeping.
            if self.ended is not None:
                self.ended()
            if outcome.error is not None and self.cause_of is not None:
                outcome = Finished(receipt=None, error=self.cause_of(outcome.error))
            self.outcome = outcome
            callbacks = self._done_callbacks
            self._done_callbacks = []
            self._bell.ring()
        for callback in callbacks:
            self._run(callback)

    def when_done(self, callback: Callable[[], object]) -> None:
        """Calls back when there is an outcome: at once if there is one."""
        with self._bell.lock:
            if self.outcome is None:
                self._done_callbacks.append(callback)
                return
        self._run(callback)

    def wait(self, timeout: float | None, poll: Callable[[], Finished | None]) -> bool:
        """Waits for the outcome, and runs ``on_progress`` meanwhile; ``False`` when the time is over.

        ``poll`` looks for an outcome that no event brought, because the client was closed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        me = _thread.get_ident()
        missed = False
        if self._delivering == me and self.outcome is None:
            raise RuntimeError("on_progress must not wait for the upload that it is called for")
        if me in asking and self.outcome is None:
            raise RuntimeError("the function for credentials must not wait for an upload: it may be the one that asks")
        with self._bell.lock:
            self._waiters += 1
        try:
            while True:
                self._give_warnings()
                if self._loop is None:
                    self.deliver()
                with self._bell.lock:
                    if self._warnings or self._waits_for_delivery():
                        continue
                    if self.outcome is not None and self._delivering in (None, me):
                        return True
                    left = SIGNAL_INTERVAL if deadline is None else deadline - time.monotonic()
                    if left <= 0:
                        return False
                    quiet = not self._bell.wait(min(left, SIGNAL_INTERVAL))
                # Twice nothing was heard of an outcome that is there: no event brings it any more.
                found = poll() if quiet and self.outcome is None else None
                if found is not None and missed:
                    self.finish(found)
                missed = found is not None
        finally:
            with self._bell.lock:
                self._waiters -= 1

    def deliver(self) -> None:
        """Runs ``on_progress`` for what waits, unless another thread does that now."""
        self._scheduled = False
        while True:
            with self._bell.lock:
                if self._delivering is not None or not self._queue or self.failure is not None:
                    return
                progress = self._queue.pop(0)
                self._delivering = _thread.get_ident()
            try:
                if self._on_progress is not None:
                    self._on_progress(progress)
            except Exception as problem:
                self.failure = problem
            except BaseException as problem:
                self.failure = problem
                raise
            finally:
                with self._bell.lock:
                    self._delivering = None
                    if self.failure is not None:
                        self._queue.clear()
                    self._bell.ring()

    def _waits_for_delivery(self) -> bool:
        return self._loop is None and bool(self._queue) and self._delivering is None and self.failure is None

    def _give_warnings(self) -> None:
        with self._bell.lock:
            warnings, self._warnings = self._warnings, []
        for retry in warnings:
            self._warn(retry)

    def _hand_over(self, progress: Progress) -> None:
        with self._bell.lock:
            # A slow callback misses numbers, never a change of state.
            if self._queue and self._queue[-1].state == progress.state:
                self._queue[-1] = progress
            else:
                self._queue.append(progress)
            elsewhere = self._waiters > 0
            self._bell.ring()
        if self._loop is not None:
            if not self._scheduled:
                self._scheduled = True
                call_soon(self._loop, self.deliver)
        elif not elsewhere:
            self.deliver()

    def _recorded(self, entry: str) -> bool:
        try:
            if self.record is not None:
                self.record(entry)
        except BaseException as problem:
            self.failure = self.failure or problem
        return self.failure is None

    def _run(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            logger().exception("a callback of the upload to %s failed", self.name)

    def _log(self, event: Event) -> None:
        from ._events import Notice, Progress, Retry

        if isinstance(event, Progress):
            return
        if isinstance(event, Retry):
            if "threading" in sys.modules:
                self._warn(event)
            else:
                # ``logging`` would load it: whoever waits does that.
                with self._bell.lock:
                    self._warnings.append(event)
                    self._bell.ring()
        elif is_logging():
            if isinstance(event, Notice):
                logger().info("%s: %s", self.name, event.text)
            else:
                logger().debug("%s: %s", self.name, event)

    def _warn(self, retry: Retry) -> None:
        # Warnings are seen without any setting.
        logger().warning("%s: %s; next try in %.1f s", self.name, retry.cause, retry.delay)

    def _log_end(self, outcome: Finished) -> None:
        if is_logging():
            logger().info("%s: %s", self.name, "done" if outcome.error is None else outcome.error)


def is_plain_function(function: Any) -> bool:
    """Whether it can be called, and is no ``async def``."""
    inner: Any = function
    # Of functools.partial; methods have their function's code.
    while hasattr(inner, "func") and not hasattr(inner, "__code__"):
        inner = inner.func
    code = getattr(inner, "__code__", None)
    return callable(function) and not (code is not None and code.co_flags & CO_COROUTINE)


def is_logging() -> bool:
    """Whether anybody can have asked for more than warnings: only who has loaded the module ``logging``."""
    return "logging" in sys.modules


def logger() -> logging.Logger:
    """The logger of the package."""
    # Not above, since few uploads have something to say.
    import logging

    return logging.getLogger("bitsup")


def call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any) -> None:
    """Runs ``callback`` on ``loop``; a loop that is closed wants nothing any more."""
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        logger().debug("the event loop is closed")
