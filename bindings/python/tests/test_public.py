"""What is public, and what it costs to load."""

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
from bitsup._names import HOMES
from conftest import Server

PUBLIC = [name for name in bitsup.__all__ if callable(getattr(bitsup, name)) and not typing.get_origin(getattr(bitsup, name))]
"""All but names for types that are made of other types, and the version."""

RECORDS = (bitsup.Receipt, bitsup.Finished, bitsup.Progress, bitsup.PacketEvent, bitsup.AckEvent, bitsup.Notice, bitsup.Retry)


def dataclass_fields(record: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """The fields; a function of its own, since type checkers take the rest for a class without more attributes."""
    assert dataclasses.is_dataclass(record)
    return dataclasses.fields(record)


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


def test_every_name_is_there_and_has_one_home() -> None:
    own = {"Client", "__version__", "doctor", "explain", "features", "upload", "upload_async"}
    at_home = [name for names in HOMES.values() for name in names]
    assert sorted({*at_home, *own}) == sorted(bitsup.__all__) and len(at_home) == len(set(at_home))
    assert set(bitsup.__all__) <= set(dir(bitsup))
    everything: dict[str, Any] = {}
    exec("from bitsup import *", everything)
    assert set(bitsup.__all__) <= set(everything)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bitsup.nonsense  # type: ignore[attr-defined]
    assert "on_progress" in str(inspect.signature(bitsup.upload)) and "user" in inspect.signature(bitsup.Options).parameters


def test_an_upload_loads_only_what_it_needs(server: Server) -> None:
    """Most of these take longer to load than a small upload; the others are for who asks for more."""
    script = """
import sys
before = set(sys.modules)
import bitsup
bitsup.upload(sys.argv[2], sys.argv[1])
bitsup.upload(b"data", sys.argv[1] + "-of-bytes")
dear = {"asyncio", "bitsup._events", "bitsup._options", "collections", "concurrent.futures", "dataclasses", "enum",
    "functools", "inspect", "json", "logging", "operator", "re", "threading", "typing", "urllib.parse"}
print(sorted(dear & (set(sys.modules) - before)))
"""
    # Without the modules that the start of this interpreter may load.
    command = [sys.executable, "-S", "-W", "error", "-c", f"import sys; sys.path += {sys.path!r}\n{script}", server.url("x"), __file__]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (finished.stdout, finished.stderr) == ("[]\n", ""), finished
    assert server.content("x-of-bytes") == b"data"


@pytest.mark.parametrize("record", RECORDS)
def test_records_are_what_dataclasses_would_be(record: Any) -> None:
    assert dataclass_fields(record), "as dataclasses.is_dataclass looks for it"
    kinds = {field.name: (field.type, field.default) for field in dataclass_fields(record)}
    namespace = {name: default for name, (_, default) in kinds.items() if default is not dataclasses.MISSING}
    plain = type(record.__name__, (), {"__annotations__": record.__annotations__, "__doc__": "x", **namespace})
    real: Any = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(plain)
    values: dict[str, Any] = {name: (name, number) for number, name in enumerate(kinds)}
    one, same, twin = record(**values), record(**values), real(**values)
    assert list(kinds) == list(record.__annotations__) and record.__match_args__ == real.__match_args__ == ()
    assert repr(one) == repr(twin) and one == same and hash(one) == hash(same) == hash(twin) and one != twin
    assert dataclasses.asdict(one) == dataclasses.asdict(twin) == values
    assert inspect.signature(record) == inspect.signature(real) and typing.get_type_hints(record) == typing.get_type_hints(real)
    first = next(iter(values))
    for changed in (dataclasses.replace(one, **{first: 5}), one.__replace__(**{first: 5})):
        assert changed != one and type(changed) is record and getattr(changed, first) == 5
    assert copy.copy(one) == one == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    wanted = {name: value for name, value in values.items() if name not in namespace}
    assert record(**wanted) == record(**{**wanted, **namespace})
    for bad in ({**values, "nonsense": 1}, {name: wanted[name] for name in list(wanted)[1:]}):
        with pytest.raises(TypeError):
            real(**bad)
        with pytest.raises(TypeError, match=r"\.__init__\(\)"):
            record(**bad)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
        setattr(one, first, 1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field"):
        delattr(one, first)
    assert not hasattr(one, "__dict__") and one.__slots__ == twin.__slots__
