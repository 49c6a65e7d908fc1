"""The tool from the package: the same program as the binary."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bitsup
import pytest
from conftest import Server, payload

WAYS = [[sys.executable, "-m", "bitsup"], [str(Path(sys.executable).with_name("bitsup"))]]


@pytest.mark.parametrize("way", WAYS, ids=["python -m bitsup", "bitsup"])
def test_the_tool_uploads(server: Server, tmp_path: Path, way: list[str]) -> None:
    (tmp_path / "disk.img").write_bytes(payload(3_000_000))
    command = [*way, "upload", "--no-resume", "disk.img", server.url("")]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    assert server.content("disk.img") == payload(3_000_000)
    missing = subprocess.run([*way, "upload", "--no-resume", "missing", server.url("")], cwd=tmp_path,
                             capture_output=True, text=True, timeout=60, check=False)
    assert missing.returncode == 3, missing.stderr
    version = subprocess.run([*way, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert bitsup.__version__ in version.stdout
