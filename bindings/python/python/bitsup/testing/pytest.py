"""Fixtures for pytest: ``pytest_plugins = ["bitsup.testing.pytest"]`` in a ``conftest.py``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from . import Server, serve


@pytest.fixture
def bitsup_serve(tmp_path: Path) -> Generator[Callable[..., Server], None, None]:
    """Starts servers: ``bitsup_serve("fragment 2: drop")``, with the keywords of ``bitsup.testing.serve``."""
    with contextlib.ExitStack() as servers:
        count = 0

        def start(faults: str | None = None, **keywords: Any) -> Server:
            nonlocal count
            count += 1
            return servers.enter_context(serve(tmp_path / f"bitsup{count}", faults=faults, **keywords))

        yield start


@pytest.fixture
def bitsup_server(bitsup_serve: Callable[..., Server]) -> Server:
    """A server that behaves."""
    return bitsup_serve()
