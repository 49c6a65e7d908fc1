"""Other interpreters of the same process, as of mod_wsgi."""

from __future__ import annotations

import subprocess
import sys

from conftest import Server

SCRIPT = """
import sys
try:
    import _interpreters as interpreters
    make = lambda: interpreters.create("legacy")
    run = interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    make = lambda: interpreters.create(isolated=False)
    run = interpreters.run_string
inner = '''
try:
    import bitsup
except ImportError as error:
    print("refused:", error, flush=True)
else:
    print("imported", flush=True)
'''
if sys.argv[2] == "after":
    import bitsup
run(make(), inner)
import bitsup
print(bitsup.upload(b"abc", sys.argv[1]).size)
"""


def test_another_interpreter_is_refused_and_breaks_nothing(server: Server) -> None:
    for order in ("before", "after"):
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, server.url(order), order]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        lines = finished.stdout.splitlines()
        assert finished.returncode == 0 and len(lines) == 2, finished
        assert lines[0].startswith("refused:") and "WSGIApplicationGroup %{GLOBAL}" in lines[0] and lines[1] == "3"
