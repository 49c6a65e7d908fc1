"""Generated files match the table."""

from __future__ import annotations

import inspect
import os
from typing import Any

import bitsup
import pytest
from bitsup import _bitsup
from generate import FILES, TOP


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_generated_files_are_those_of_the_table(path: os.PathLike[str]) -> None:
    (write,) = [write for known, write in FILES.items() if known == path]
    if os.environ.get("BITSUP_BLESS"):
        (TOP / path).write_text(write())
    with open(path, encoding="utf-8") as file:
        assert file.read() == write(), "stale: run it again with BITSUP_BLESS=1"


def test_signatures_and_docstrings_name_every_keyword() -> None:
    names = [name for name, _, scope, *_ in _bitsup.options() if scope != "client"]
    functions: list[Any] = [bitsup.upload, bitsup.upload_async, bitsup.ping, bitsup.doctor, bitsup.Client.start, bitsup.Client.open]
    for function in functions:
        parameters = inspect.signature(function).parameters
        assert set(names) <= set(parameters) and all(
            parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in names
        )
    assert bitsup.upload.__doc__ is not None
    for name in names:
        assert f"        {name} (" in bitsup.upload.__doc__
    assert "state_dir" in inspect.signature(bitsup.Client).parameters
