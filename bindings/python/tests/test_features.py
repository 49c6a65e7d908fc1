"""What this build says of itself."""

from __future__ import annotations

import dataclasses
import re

import bitsup
from conftest import TOP

RUST = TOP / "src/bitsup/src/features.rs"


def test_the_class_has_what_is_there() -> None:
    features = bitsup.features()
    for field in dataclasses.fields(features):
        assert isinstance(getattr(features, field.name), field.type), field.name  # type: ignore[arg-type]


def test_the_class_has_all_that_the_library_knows() -> None:
    features = bitsup.features()
    names = [field.name for field in dataclasses.fields(features)]
    (body,) = re.findall(r"pub struct Features \{(.*?)^\}", RUST.read_text(), re.DOTALL | re.MULTILINE)
    assert sorted(names) == sorted(["version", *re.findall(r"pub (\w+):", body)])
    assert features.version == bitsup.__version__ and features.libcurl[0].isdigit() and features.ntlm


def test_a_libcurl_that_the_program_shares_keeps_its_memory_functions() -> None:
    """A bundled one is ours alone, and overwrites what it frees."""
    features = bitsup.features()
    assert features.wipes_libcurl == features.bundled
    with bitsup.Client():
        assert bitsup.features().wipes_libcurl == features.bundled
