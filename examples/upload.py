"""Uploads a file: ``python upload.py FILE URL``"""

import sys

import bitsup


def show(progress: bitsup.Progress) -> None:
    print(progress.state.value, f"{progress.acknowledged}/{progress.total}", file=sys.stderr)


if len(sys.argv) != 3:
    sys.exit("usage: upload.py FILE URL")
try:
    receipt = bitsup.upload(sys.argv[1], sys.argv[2], on_progress=show)
except bitsup.Error as error:
    sys.exit(f"{error}\n{error.advice}")
print(receipt.size, "bytes in", receipt.seconds, "s")
