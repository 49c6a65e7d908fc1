"""What is public."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import typing
from typing import Any

import bitsup
import pytest

PUBLIC = [name for name in bitsup.__all__ if callable(getattr(bitsup, name)) and not typing.get_origin(getattr(bitsup, name))]
"""All but names for types that are made of other types, and the version."""

RECORDS = [getattr(bitsup, name) for name in PUBLIC if dataclasses.is_dataclass(getattr(bitsup, name))]
"""Plain data."""


def run(script: str, *arguments: str) -> str:
    """What the script prints in an interpreter of its own."""
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("name", PUBLIC)
def test_types_and_signatures_can_be_asked_for(name: str) -> None:
    """In an interpreter where nothing else of the package was used: later on more names are there by chance."""
    script = """
import inspect, sys, typing
import bitsup
found = getattr(bitsup, sys.argv[1])
typing.get_type_hints(found)
inspect.signature(found)
assert found.__module__ == "bitsup", found.__module__
for name, member in vars(found).items() if isinstance(found, type) else ():
    if isinstance(member, property):
        member = member.fget
    if isinstance(member, (classmethod, staticmethod)):
        member = member.__func__
    if inspect.isfunction(member) and not (name.startswith("_") and not name.startswith("__")):
        typing.get_type_hints(member)
        inspect.signature(member)
"""
    run(script, name)


def test_every_name_is_there() -> None:
    assert set(bitsup.__all__) <= set(dir(bitsup)) and len(bitsup.__all__) == len(set(bitsup.__all__))
    everything: dict[str, Any] = {}
    exec("from bitsup import *", everything)
    assert set(bitsup.__all__) <= set(everything)
    public = {name for name in vars(bitsup) if not name.startswith("_")}
    # Else it would be a second list.
    assert public - {"annotations", "progress", "testing"} <= set(bitsup.__all__)
    assert "on_progress" in str(inspect.signature(bitsup.upload)) and "user" in inspect.signature(bitsup.Options).parameters


@pytest.mark.parametrize("record", RECORDS)
def test_records_are_plain_data(record: Any) -> None:
    assert len(RECORDS) == 15
    fields = dataclasses.fields(record)
    values = {field.name: (field.name, number) for number, field in enumerate(fields)}
    one, same = record(**values), record(**values)
    assert one == same and hash(one) == hash(same) and dataclasses.asdict(one) == values
    assert copy.copy(one) == one == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    changed = dataclasses.replace(one, **{fields[0].name: 5})
    assert changed != one and getattr(changed, fields[0].name) == 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, fields[0].name, 1)
    assert not hasattr(one, "__dict__")
    assert repr(one).startswith(f"{record.__name__}(")
