"""Uploads a directory with many machines, through Dask: python fleet.py SCHEDULER FOLDER URL/

All machines see the folder under the same path. A worker that dies in the middle of a file is replaced: another one
carries that file on, from where the server stands, with the token that the first had left at the scheduler.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import bitsup
from distributed import Client, as_completed, get_client


class Job(NamedTuple):
    """One file; small and picklable, as are tokens."""

    path: str
    url: str
    options: bitsup.Options
    limit_rate: int | None = None


class Done(NamedTuple):
    job: Job
    receipt: bitsup.Receipt
    carried_on: bool


def carry(job: Job) -> Done:
    """Runs on a worker: starts a file, or carries it on where another worker has left a token."""
    scheduler = get_client()
    place = ["bitsup", job.url]
    token = scheduler.get_metadata(place, default=None)
    with tempfile.TemporaryDirectory() as state, bitsup.Client(state_dir=state, limit_rate=job.limit_rate) as client:
        left = False

        def leave_token(progress: bitsup.Progress) -> None:
            # Once is enough: the server knows best how far it got.
            nonlocal left
            if not left and progress.acknowledged > 0:
                for session in client.sessions():
                    scheduler.set_metadata(place, client.export(session.id))
                    left = True

        if token is None:
            upload = client.start(job.path, job.url, on_progress=leave_token, **job.options)
        else:
            upload = client.import_token(token, job.path, **job.options)
        return Done(job, upload.result(), token is not None)


def upload_directory(
    scheduler: Client, folder: Path, url: str, limit_rate: int | None = None, **options: object
) -> Iterator[Done]:
    """Uploads the files of a folder; gives each as it arrives. ``limit_rate`` is for one worker, in bytes a second."""
    jobs = [Job(str(path), url + path.name, options, limit_rate) for path in sorted(folder.iterdir()) if path.is_file()]
    # A file whose workers have died three times is given up: Dask's distributed.scheduler.allowed-failures.
    for future in as_completed(scheduler.map(carry, jobs, key=[f"upload {job.url}" for job in jobs])):
        yield future.result()


def main() -> None:
    address, folder, url = sys.argv[1:]
    with Client(address) as scheduler:
        for done in upload_directory(scheduler, Path(folder), url):
            print(f"{done.job.path}: {done.receipt.size} bytes" + (", carried on" if done.carried_on else ""))


if __name__ == "__main__":
    main()
