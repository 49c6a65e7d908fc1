"""Memory over many small uploads; in the long form ``BITSUP_TEST_UPLOADS=10000 pytest -s tests/test_memory.py``."""

from __future__ import annotations

import os
from pathlib import Path

import bitsup
import pytest
from conftest import Server

UPLOADS = int(os.environ.get("BITSUP_TEST_UPLOADS", "600"))
WARM_UP = UPLOADS // 10


def resident() -> int:
    """KiB of this process that are in memory."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def test_memory_is_flat_over_many_small_uploads(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    seen = 0

    def on_progress(_: bitsup.Progress) -> None:
        nonlocal seen
        seen += 1

    before = 0
    with bitsup.Client() as client:
        for number in range(UPLOADS):
            if number == WARM_UP:
                before = resident()
            client.start(bytes(2000), server.url("x"), on_progress=on_progress).result()
            server.requests.clear()
    after = resident()
    with capsys.disabled():
        print(f" [{UPLOADS} uploads: {before} KiB resident after {WARM_UP}, {after} KiB at the end]")
    assert seen > UPLOADS
    # A leak of one kilobyte an upload would show; the allocator's own ups and downs do not.
    assert after - before < max(UPLOADS, 4096), (before, after)
