"""Twenty files, three workers, and one of them is killed in the middle of a file."""

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

import fleet

FILES = 20
SIZE = 700_000
FRAGMENT = 65_536
#: Bytes a second of one worker: a file takes almost three seconds, so that a worker dies in the middle of one.
RATE = 250_000


@pytest.fixture
def server(tmp_path):
    """The tool's server: its URL, its folder, and its log, a line for each request."""
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    with log.open("w") as errors:
        command = [os.environ["BITSUP_TOOL"], "serve", "--root", str(root)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip(), root, log
        finally:
            process.kill()
            process.wait()


def kill_one_in_the_middle(scheduler: Client, url: str, log: Path, killed: list[str]) -> None:
    """Kills the worker of a file of which the server has between a fifth and a half."""
    processes = scheduler.run(os.getpid)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sent = re.findall(r"BITS_POST (/\S+) Fragment bytes (\d+)-", log.read_text())
        offsets = {url + path[1:]: int(offset) for path, offset in sent}
        for address, keys in scheduler.processing().items():
            for file in (key.removeprefix("upload ") for key in keys):
                in_the_middle = SIZE / 5 < offsets.get(file, 0) < SIZE / 2
                if in_the_middle and scheduler.get_metadata(["bitsup", file], default=None):
                    os.kill(processes[address], signal.SIGKILL)
                    killed.append(file)
                    return
        time.sleep(0.01)


def test_a_killed_worker_costs_no_file(server, tmp_path):
    url, root, log = server
    url += "/"
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.bin").write_bytes(os.urandom(SIZE))

    with (
        LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as scheduler,
    ):
        # Workers import what a user would have installed.
        scheduler.upload_file(fleet.__file__)
        killed: list[str] = []
        killer = threading.Thread(target=kill_one_in_the_middle, args=(scheduler, url, log, killed))
        killer.start()
        done = list(fleet.upload_directory(scheduler, folder, url, RATE, fragment_size=FRAGMENT))
        killer.join()

    assert len(killed) == 1
    assert [result.job.url for result in done if result.carried_on] == killed
    assert len(done) == FILES
    for number in range(FILES):
        assert (root / f"{number}.bin").read_bytes() == (folder / f"{number}.bin").read_bytes()
    # Each file had one session, and was begun once.
    packets = re.findall(r"BITS_POST (\S+) (Create-Session|Fragment bytes 0-)", log.read_text())
    assert set(Counter(packets).values()) == {1}
    assert len(packets) == 2 * FILES
