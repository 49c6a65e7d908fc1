"""Every example of the documents runs as it stands, but for the server's name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Server, payload

TOP = Path(__file__).parents[3]
PAGES = ("docs/python.md", "bindings/python/README.md")
BLOCKS = [
    pytest.param(block, id=f"{Path(page).name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (TOP / page).read_text(), re.DOTALL))
]


def test_the_pages_have_examples() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_of_the_documents(server: Server, tmp_path: Path, block: str) -> None:
    if "bitsup.progress" in block:
        pytest.importorskip("tqdm")
        pytest.importorskip("rich")
    (tmp_path / "disk.img").write_bytes(payload(3_000_000))
    (server.root / "incoming").mkdir()
    (tmp_path / "example.py").write_text(block.replace("https://host", server.base).replace(', user="u", password="p"', ""))
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:IProgress not found", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "failed" not in finished.stdout and "too long" not in finished.stdout, finished.stdout
    if "explain(" not in block:
        arrived = [file for file in (server.root / "incoming").iterdir() if file.is_file()]
        assert arrived, "the example uploads something"
