"""The ready-made bars."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import bitsup
import pytest
from bitsup.progress import RichBar, TqdmBar
from conftest import Server, payload


@pytest.mark.filterwarnings("ignore:IProgress not found")
def test_tqdm(serve: Callable[..., Server]) -> None:
    pytest.importorskip("tqdm")
    server = serve("fragment 2: rewind 100K\nfragment 3: 503")
    shown = io.StringIO()
    with TqdmBar(desc="disk", file=shown, mininterval=0) as bar:
        bitsup.upload(
            payload(3_000_000), server.url("x"), on_progress=bar, fragment_size=1_000_000, max_retry_delay=0.1
        )
    assert "disk" in shown.getvalue() and "100%" in shown.getvalue() and "2.86M/2.86M" in shown.getvalue()
    assert server.content("x") == payload(3_000_000)


def test_rich(server: Server) -> None:
    rich: Any = pytest.importorskip("rich.progress")
    console: Any = pytest.importorskip("rich.console").Console(file=io.StringIO(), force_terminal=True)
    with rich.Progress(console=console) as display:
        bitsup.upload(payload(3_000_000), server.url("x"), on_progress=RichBar(display, "disk"))
        task = display.tasks[0]
        assert task.finished and task.total == task.completed == 3_000_000 and task.description == "disk"
