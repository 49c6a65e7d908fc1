"""The tool: ``python -m bitsup``, and the command ``bitsup``."""

from __future__ import annotations

import os
import sys

from . import _bitsup


def main() -> None:
    """Runs the same program as the tool's own binary, and ends with its exit code."""
    if sys.stdin is None:
        # Closed: nothing that is opened later may be taken for it. The tool knows it by this.
        os.open(os.devnull, os.O_RDWR)
    # The tool answers signals by itself, and threads of it may still run: nothing of Python is needed any more.
    code = _bitsup.tool(["bitsup", *sys.argv[1:]])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
