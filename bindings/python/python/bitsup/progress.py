"""Progress that people see: for ``on_progress=``.

``TqdmBar`` needs ``pip install bitsup[tqdm]`` (notebooks too), ``RichBar`` needs ``pip install bitsup[rich]``.

    >>> with TqdmBar() as bar:  # doctest: +SKIP
    ...     bitsup.upload("disk.img", "https://host/incoming/", on_progress=bar)
"""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import Any, Self

from ._events import Progress, State

__all__ = ["RichBar", "TqdmBar"]


class TqdmBar:
    """A bar of tqdm, in a notebook or on a terminal. Keywords are tqdm's: ``desc``, ``file``, ``disable``, …"""

    def __init__(self, **keywords: Any) -> None:
        tqdm: Any = importlib.import_module("tqdm.auto").tqdm
        self._bar: Any = tqdm(**{"unit": "B", "unit_scale": True, "unit_divisor": 1024, "total": 0, **keywords})

    def __call__(self, progress: Progress) -> None:
        """Shows how many bytes are acknowledged, and what is waited for."""
        if self._bar.total != progress.total:
            self._bar.reset(progress.total)
        # The server may go back, which tqdm counts as well.
        self._bar.update(progress.acknowledged - self._bar.n)
        self._bar.set_postfix_str(_remark(progress), refresh=progress.state.is_final)

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RichBar:
    """One task of a ``rich.progress.Progress``, which is the caller's: so several uploads share one display."""

    def __init__(self, display: Any, description: str = "upload") -> None:
        self._display = display
        self._description = description
        self._task: Any = display.add_task(description, total=None)

    def __call__(self, progress: Progress) -> None:
        """Shows how many bytes are acknowledged, and what is waited for."""
        remark = _remark(progress)
        description = f"{self._description} ({remark})" if remark else self._description
        self._display.update(
            self._task, total=progress.total, completed=progress.acknowledged, description=description
        )


def _remark(progress: Progress) -> str:
    if progress.waiting_for is not None:
        return f"waits: {progress.waiting_for}"
    return "" if progress.state in (State.SENDING, State.WAITING_ACK, State.DONE) else progress.state.value
