"""The server for tests of other programs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import bitsup
import bitsup.testing
import pytest
from conftest import TOP, payload

SIZE = 3_000_001


def test_a_server_with_faults(tmp_path: Path) -> None:
    with bitsup.testing.serve(tmp_path / "root", faults="fragment 2: drop") as server:
        receipt = bitsup.upload(payload(SIZE), server.url("x"), fragment_size=1_000_000)
        assert receipt.retries and server.content("x") == payload(SIZE) and server.base in repr(server)
    with pytest.raises(bitsup.NetworkError):
        bitsup.upload(b"abc", server.url("y"), wait_for_server=0)
    with bitsup.testing.serve(tmp_path / "other", arguments=["--max-upload", "10"]) as server:
        with pytest.raises(bitsup.RefusedError):
            bitsup.upload(bytes(11), server.url("x"))


def test_a_script_that_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="does not start, with exit code 2"):
        with bitsup.testing.serve(tmp_path, faults="nonsense"):
            raise AssertionError
    assert "a rule begins with" in capfd.readouterr().err


TESTS = """
import bitsup

pytest_plugins = ["bitsup.testing.pytest"]


def test_it(bitsup_server, bitsup_serve):
    assert bitsup.upload(b"abc", bitsup_server.url("x")).size == 3
    assert bitsup_server.content("x") == b"abc"
    other = bitsup_serve("create 1: 503", arguments=["--create-dirs"])
    assert bitsup.upload(b"abc", other.url("new/x"), retry_delay=0.1).retries == 1
"""


def test_the_plugin_is_there_on_request_only(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    for wanted in (True, False):
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert (finished.returncode == 0) == wanted, finished.stdout
        (tmp_path / "test_it.py").write_text(TESTS.replace("pytest_plugins", "unused"))


def test_the_page(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (TOP / "docs/python-testing.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        (tmp_path / f"test_{number}.py").write_text(block)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{number}.py"]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert finished.returncode == 0, finished.stdout
