"""What editors show: jedi reads sources and stubs as they do."""

from __future__ import annotations

import importlib
from typing import Any

import bitsup
import pytest

CLASSES = [name for name in bitsup.__all__ if isinstance(getattr(bitsup, name), type)]


@pytest.fixture(scope="session")
def jedi(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """jedi with a cache of this process, since it reads what another one has only half written."""
    module: Any = importlib.import_module("jedi")
    module.settings.cache_directory = tmp_path_factory.mktemp("jedi")
    return module


def test_attributes_of_public_classes_are_completed(jedi: Any) -> None:
    # One script, since what jedi has read once it need not read again.
    code = "import bitsup\n" + "".join(f"def take_{name}(it: bitsup.{name}) -> None:\n    it.\n" for name in CLASSES)
    script = jedi.Script(code)
    for number, name in enumerate(CLASSES):
        completed = {completion.name for completion in script.complete(3 + 2 * number, 7)}
        found: type = getattr(bitsup, name)
        own: set[str] = set()
        for base in found.__mro__[:-1]:
            own |= set(vars(base)) if base.__module__ == "bitsup" else set()
        assert {attribute for attribute in own if not attribute.startswith("_")} <= completed, name


@pytest.mark.parametrize("function", ["upload", "upload_async", "Client", "Client().start", "Client().open", "ping"])
def test_keywords_are_completed(function: str, jedi: Any) -> None:
    code = f"import bitsup\nbitsup.{function}("
    (signature,) = jedi.Script(code).get_signatures(2, len(f"bitsup.{function}("))
    names = {parameter.name for parameter in signature.params}
    assert {"user", "fragment_size", "verify"} <= names
