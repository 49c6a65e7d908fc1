"""Every example of the documents runs as it stands, but for the server's name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bitsup
import pytest
from conftest import TOP, Server, payload

PAGES = ("docs/python.md", "docs/fleets.md", "bindings/python/README.md", "README.md")
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)
SECTIONS = [
    pytest.param(blocks, id=f"{page}: {section.splitlines()[0]}")
    for page in PAGES
    for section in re.split(r"^#+ ", (TOP / page).read_text(), flags=re.MULTILINE)
    if (blocks := FENCE.findall(section))
]
AS_A_NOTEBOOK = """
import ast, asyncio, pathlib, sys
code = compile(pathlib.Path(sys.argv[1]).read_text(), sys.argv[1], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
waiting = eval(code, {"__name__": "__main__"})
if waiting is not None:
    asyncio.run(waiting)
"""
"""Runs a file like the cell of a notebook, where ``await`` needs no function."""


def test_the_pages_have_examples() -> None:
    assert len(SECTIONS) >= 14
    assert {str(section.id).partition(":")[0] for section in SECTIONS} == set(PAGES)


@pytest.mark.parametrize("blocks", SECTIONS)
def test_the_examples_of_a_section(serve: Callable[..., Server], tmp_path: Path, blocks: list[str]) -> None:
    """In their order, and in one folder; where they go on with uploads, one is there."""
    if any("bitsup.progress" in block for block in blocks):
        pytest.importorskip("tqdm")
        pytest.importorskip("rich")
    (tmp_path / "disk.img").write_bytes(payload(3_000_000))
    (tmp_path / "password.txt").write_text("p\n")
    server = None
    for number, block in enumerate(blocks):
        goes_on = "state_dir=" in block
        if server is None or goes_on:
            guarded = ("--user", "backup:p") if "on_credentials=" in block else ()
            server = serve("fragment 3: hang" if goes_on else None, *guarded)
            (server.root / "incoming").mkdir()
        if goes_on:
            interrupt(tmp_path, server)
        script = tmp_path / f"example{number}.py"
        script.write_text(block.replace("https://host", server.base).replace(', user="u", password="p"', ""))
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-W", "ignore:IProgress not found", "-c", AS_A_NOTEBOOK, script.name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert "failed" not in finished.stdout and "too long" not in finished.stdout, finished.stdout
        if "explain(" not in block and "export(" not in block:
            arrived = [file for file in (server.root / "incoming").iterdir() if file.is_file()]
            assert arrived, "the example uploads something"
            for file in arrived:
                file.unlink()
        begun = [request for request in server.requests if request[0] == "Create-Session"]
        if goes_on or "import_token(" in block:
            assert sum("disk.img" in request[1] for request in begun) == 1, "it goes on, and does not begin anew"


def test_the_example_that_exists_in_every_language(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "disk.img"
    file.write_bytes(payload(3_000_000))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", str(TOP / "examples/upload.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    finished = run(str(file), server.url("x"))
    assert finished.returncode == 0 and finished.stdout.startswith("3000000 bytes in "), finished
    assert "done 3000000/3000000" in finished.stderr and server.content("x") == payload(3_000_000)
    failed = run(str(tmp_path / "missing"), server.url("x"))
    assert failed.returncode == 1 and "No such file" in failed.stderr and "Traceback" not in failed.stderr
    assert run().stderr.startswith("usage: ")


def interrupt(folder: Path, server: Server) -> None:
    """Leaves an upload that hangs in its third part."""
    with bitsup.Client(state_dir=folder / "state") as client:
        upload = client.start(folder / "disk.img", server.url("incoming/disk.img"), fragment_size=1_000_000)
        while not (upload.progress.acknowledged >= 2_000_000 < upload.progress.sent):
            assert not upload.wait_until_ended(0.01)
        upload.cancel(keep=True)
        assert isinstance(upload.exception(30), bitsup.CancelledError)
