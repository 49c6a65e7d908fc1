"""What this build says of itself, and the types that promise it."""

from __future__ import annotations

import ast
import dataclasses
import re

import bitsup
from bitsup import _bitsup
from conftest import TOP

STUB = TOP / "bindings/python/python/bitsup/_bitsup.pyi"
RUST = TOP / "src/bitsup/src/features.rs"


def test_the_stub_has_the_keys_that_are_there() -> None:
    classes = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)]
    (promised,) = [node for node in classes if node.name == "_Features"]
    told: dict[str, object] = dict(_bitsup.features())
    types = {
        ast.unparse(node.target): ast.unparse(node.annotation) for node in promised.body if isinstance(node, ast.AnnAssign)
    }
    assert list(types) == list(told)
    for name, kind in types.items():
        assert type(told[name]).__name__ in kind.replace("None", "NoneType").split(" | "), name


def test_the_class_has_all_that_the_library_knows() -> None:
    features = bitsup.features()
    names = [field.name for field in dataclasses.fields(features)]
    (body,) = re.findall(r"pub struct Features \{(.*?)^\}", RUST.read_text(), re.DOTALL | re.MULTILINE)
    assert sorted(names) == sorted(["version", *re.findall(r"pub (\w+):", body)])
    assert features.version == bitsup.__version__ and features.libcurl[0].isdigit() and features.ntlm
