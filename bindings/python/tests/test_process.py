"""Ctrl-C, forks, and the end of the interpreter: each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Server, payload

SCRIPT = """
import os, signal, sys, time
import bitsup
# A job in the background inherits an ignored SIGINT, and Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
data = bytes(3_000_000)
def ready(progress):
    if progress.acknowledged:
        os.write(1, b"ready\\n")  # in one piece, whatever another thread writes
try:
    {statement}
except KeyboardInterrupt:
    os.write(1, f"interrupted {{time.time()}}\\n".encode())
"""

WAYS = {
    "upload": "bitsup.upload(data, sys.argv[1], on_progress=ready, fragment_size=1_000_000)",
    "result": "u = bitsup.Client().start(data, sys.argv[1], on_progress=ready, fragment_size=1_000_000); u.result()",
    "with": "with bitsup.Client() as c: c.start(data, sys.argv[1], on_progress=ready, fragment_size=1_000_000)",
    "writer": "f = bitsup.Client().open(sys.argv[1], 50_000_000, on_progress=ready, fragment_size=1_000_000)\n    for _ in range(50): f.write(data[:1_000_000])",
    "session": "s = bitsup.Client().session(sys.argv[1], 3_000_000); s.send(data[:1_000_000]); print('ready', flush=True); s.send(data[:1_000_000])",
}


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c(serve: Callable[..., Server], way: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve("fragment 2: hang")
    script = SCRIPT.format(statement=WAYS[way])
    with started(script, server.url("x")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    said = [line for line in output.splitlines() if line.startswith("interrupted")]
    assert said, (output, errors)
    took = float(said[0].split()[1]) - sent
    with capsys.disabled():
        print(f" [Ctrl-C to KeyboardInterrupt in {way}: {took * 1000:.0f} ms]")
    # The others have ended their uploads, or were asked to.
    assert process.returncode == 0 and said_only(errors, server.url("x") if way in ("result", "writer") else None), errors
    assert took < 5, "a generous bound; the figure is printed"
    if way != "writer":
        assert "Cancel-Session" not in server.packets(), "the session is kept"


@pytest.mark.parametrize("kind", ["file", "slow iterator", "callback"])
def test_nothing_is_left_running_when_the_interpreter_ends(serve: Callable[..., Server], kind: str) -> None:
    server = serve("fragment 2: hang")
    start = {
        "file": "u = bitsup.Client().start(bytes(3_000_000), url, fragment_size=1_000_000); time.sleep(0.3)",
        "slow iterator": "import itertools; u = bitsup.Client().start("
        "(time.sleep(0.2) or bytes(10) for _ in itertools.count()), url, size=10_000); time.sleep(0.3)",
        "callback": "u = bitsup.Client().start(bytes(3_000_000), url, on_progress=lambda p: time.sleep(0.1)); time.sleep(0.3)",
    }[kind]
    script = f"import sys, time, bitsup\nurl = sys.argv[1]\n{start}\nprint('end', flush=True)\n"
    with started(script, server.url("x")) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "end\n") and said_only(errors, server.url("x")), errors


def said_only(errors: str, url: str | None) -> bool:
    """Whether nothing was said but that an upload was running at the end, if one was."""
    if url is None:
        return errors == ""
    said = f"unclosed bitsup.Client, whose uploads were never awaited: the upload to {url} is running"
    return errors.startswith(said) and errors.count("\n") == 1


def test_a_fork_gets_a_clear_error_and_a_client_of_its_own(server: Server) -> None:
    script = """
import multiprocessing, os, sys, warnings
import bitsup
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and up warn of forks with threads
url = sys.argv[1]
client = bitsup.Client()
upload = client.start(b"parent", url + "/parent")
bitsup.upload(b"shared", url + "/shared")
child = os.fork()
if child == 0:
    for call in (lambda: client.start(b"x", url + "/x"), lambda: client.ping(url), upload.result, upload.cancel,
                 lambda: upload.progress):
        try:
            call()
        except bitsup.InvalidArgumentError as error:
            assert "before a fork" in str(error), error
        else:
            raise SystemExit("no error")
    repr(upload), repr(client)
    del client, upload
    bitsup.upload(b"child", url + "/child")
    with bitsup.Client() as own:
        own.start(b"own", url + "/own").result(30)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert upload.result(30).size == 6
with multiprocessing.get_context("fork").Pool(2) as pool:
    receipts = pool.starmap(bitsup.upload, [(b"pool", f"{url}/pool{n}") for n in range(4)])
assert [receipt.size for receipt in receipts] == [4] * 4
print("good")
"""
    with started(script, server.base) as process:
        output, errors = process.communicate(timeout=60)
    assert (output, errors) == ("good\n", "")
    assert server.content("child") == b"child" and server.content("pool3") == b"pool"


MANY_FILES = """
import resource, sys
import bitsup
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
held = [open("/dev/null") for _ in range(1100)]
assert held[-1].fileno() > 1024
receipt = bitsup.upload(sys.argv[1], sys.argv[2])
print(receipt.size, "bytes beside", len(held), "files")
for file in held:
    file.close()
"""
"""``select`` could not wait for a connection whose number is above 1,023."""


def test_a_program_with_many_open_files(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(payload(3_000_001))
    with started(MANY_FILES, str(tmp_path / "x"), server.url("x")) as process:
        output, errors = process.communicate(timeout=60)
    assert (output, errors) == ("3000001 bytes beside 1100 files\n", "")
    assert server.content("x") == payload(3_000_001)


def started(
    script: str, *arguments: str, stdin: int | None = None, resources: str = "ignore"
) -> subprocess.Popen[str]:
    """A Python with that script, its warnings errors; ``resources`` is about what is not closed, which the log says too."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-W", f"{resources}::ResourceWarning", "-c", script, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )


def test_the_main_thread_stays_the_main_one(serve: Callable[..., Server]) -> None:
    """The first thread that loads ``threading`` is the main one to CPython up to 3.12."""
    server = serve('create 1: answer 503 header "Retry-After: 1"')
    script = """
import sys, bitsup
bitsup.upload(b"data", sys.argv[1], transcript=lambda entry: __import__("json"))
import threading
print(threading.current_thread() is threading.main_thread())
"""
    with started(script, server.url("x")) as process:
        output, errors = process.communicate(timeout=30)
    assert output == "True\n", (output, errors)
    assert errors.count("\n") == 1 and "next try in" in errors, errors
    assert process.returncode == 0 and server.content("x") == b"data"


def test_a_fork_leaves_the_resume_state_of_its_parent_alone(server: Server, tmp_path: Path) -> None:
    script = """
import os, sys, time, warnings
from pathlib import Path
import bitsup
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and up warn of forks with threads
url, folder = sys.argv[1], Path(sys.argv[2])
state, file, other = folder / "state", folder / "x.bin", folder / "y.bin"
logs = lambda: {path.name for path in (state / "sessions").glob("*.log")}
client = bitsup.Client(state_dir=state, limit_rate=5_000)
upload = client.start(file, url + "/x.bin")
while upload.progress.sent == 0:
    time.sleep(0.001)
before = logs()
assert len(before) == 1, before
child = os.fork()
if child == 0:
    del client, upload
    with bitsup.Client(state_dir=state) as own:
        (session,) = own.sessions()
        assert session.in_use and not session.may_be_left, session
        own.start(other, url + "/y.bin").result(30)
        assert before < logs(), logs()
    assert logs() == before, logs()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert logs() == before
(session,) = client.sessions()
assert session.in_use, session
client.limit_rate = None
assert upload.result(30).size == 100_000
del upload
client.close()
assert logs() == set()
print("good")
"""
    for name in ("x.bin", "y.bin"):
        (tmp_path / name).write_bytes(payload(100_000))
    with started(script, server.base, str(tmp_path)) as process:
        output, errors = process.communicate(timeout=60)
    assert (output, errors) == ("good\n", "")
    assert server.content("x.bin") == server.content("y.bin") == payload(100_000)
