"""The package as people get it: built from the folder and from the source distribution, with libcurl inside, and
installed where nothing else is.

Not among the other tests, since it builds: ``cargo xtask test --only python-package``.
"""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from conftest import TOP, Server, payload
from test_process import MANY_FILES

PACKAGE = TOP / "bindings/python"
CRATES = (
    *("bitsup", "bitsup-cli", "bitsup-core", "bitsup-gssapi", "bitsup-proto", "bitsup-server", "bitsup-wipe"),
    "openssl-src",
)
"""Those of the workspace that the module is built of."""


def run(*command: str | Path, folder: Path = PACKAGE) -> str:
    """Runs a command, and says why if it fails."""
    environment = {
        **os.environ,
        # Reuses the build of other tests.
        "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(TOP / "target")),
        "MATURIN_PEP517_ARGS": "--profile dev",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{finished.stdout[-2000:]}\n{finished.stderr[-4000:]}"
    return finished.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "maturin", "sdist", "--out", folder)
    (made,) = folder.iterdir()
    return made


def test_the_source_distribution_is_complete(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        content = archive.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert content is not None
        check_metadata(Parser().parsestr(content.read().decode()))
    wanted = {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"}
    wanted |= {f"src/{crate}/Cargo.toml" for crate in CRATES} | {"python/bitsup/py.typed", "python/bitsup/_bitsup.pyi"}
    # The patch of OpenSSL, and what refuses a build without it.
    wanted |= {"src/bitsup/bundled.tsv", "src/openssl-src/src/lib.rs"}
    assert wanted <= names, wanted - names
    assert not [name for name in names if "target/" in name or name.endswith((".so", ".pyc"))]


def check_metadata(metadata: Message) -> None:
    """What an index shows of the package."""
    assert metadata["Name"] == "bitsup" and metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert sorted(metadata.get_all("License-File", [])) == ["LICENSE-APACHE", "LICENSE-MIT"]
    assert sorted(metadata.get_all("Provides-Extra", [])) == ["rich", "tqdm"]
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    assert "bitsup.upload(" in str(metadata.get_payload())


HELD = """
import sys
import bitsup
with bitsup.Client() as client:
    client.upload(b"abc", sys.argv[1], user="operator", password_file=sys.argv[2], allow_cleartext_credentials=True)
print("all is over", flush=True)
sys.stdin.readline()
"""


def memory(process: int) -> bytes:
    """What of the memory of a process can be written."""
    parts: list[bytes] = []
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", buffering=0) as whole:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(word, 16) for word in place.split("-"))
            if rights.startswith("rw"):
                whole.seek(begin)
                parts.append(whole.read(end - begin))
    return b"\n".join(parts)


def no_password_is_in_memory_when_all_is_over(python: Path, serve: Callable[..., Server], tmp_path: Path) -> None:
    secret = secrets.token_urlsafe(45)
    server = serve(None, "--user", f"operator:{secret}")
    file = tmp_path / "secret-of-the-operator"
    file.write_text(secret)
    command: list[str | Path] = [python, "-c", HELD, server.url("x"), file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all is over\n"
        held = memory(process.pid)
        process.communicate("\n", timeout=30)
    assert server.content("x") == b"abc"
    assert file.name.encode() in held, "the search finds nothing"
    forms = [secret, base64.b64encode(f"operator:{secret}".encode()).decode()[12:-4]]
    parts = [form[at : at + 8].encode() for form in forms for at in range(len(form) - 7)]
    assert [part for part in parts if part in held] == []


# To build libcurl and OpenSSL takes minutes.
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("origin", ["folder", "sdist"])
def test_it_installs_and_uploads(
    sdist: Path, serve: Callable[..., Server], tmp_path: Path, origin: str
) -> None:
    source = PACKAGE if origin == "folder" else sdist
    run(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", tmp_path, source)
    (wheel,) = tmp_path.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name
    fresh = tmp_path / "fresh"
    run(sys.executable, "-m", "venv", "--without-pip", fresh)
    python = fresh / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", wheel)

    facts = "import bitsup; f = bitsup.features(); print(bitsup.__file__, f.bundled and f.wipes_libcurl, f.tls)"
    where, bundled, tls = run(python, "-W", "error", "-c", facts, folder=tmp_path).split(maxsplit=2)
    assert Path(where).is_relative_to(fresh) and bundled == "True" and tls.startswith("OpenSSL/4.")
    for command in ([fresh / "bin/bitsup"], [python, "-m", "bitsup"]):
        assert "bundled" in run(*command, "--version")
    with_metadata = "import importlib.metadata as m; print(m.metadata('bitsup'))"
    check_metadata(Parser().parsestr(run(python, "-c", with_metadata)))

    server = serve()
    file = tmp_path / "disk.img"
    file.write_bytes(payload(3_000_001))
    assert run(python, "-W", "error", "-c", MANY_FILES, file, server.url("x")) == "3000001 bytes beside 1100 files\n"
    assert server.content("x") == payload(3_000_001)
    no_password_is_in_memory_when_all_is_over(python, serve, tmp_path)
