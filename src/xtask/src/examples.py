"""Puts the wrappers in other languages through the same situations, each against a server of its own.

usage: examples.py ROOT TOOL FOLDER PREFIX LANGUAGE

A language has a program `check SCENARIO URL FILE`, which uploads through its wrapper and looks at what the wrapper says,
and `upload FILE URL`, which its README shows. The server's file, and the packets that it saw, are checked here, the same
way for all of them. `cargo xtask examples` runs this once for each language.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading

LIMIT = 60
"""Seconds that no program of a scenario takes nearly."""
SOURCE = random.Random(1).randbytes(600_000)
"""Bytes that differ wherever they are spliced."""
PART = SOURCE[: 32 * 1024]
"""What each of the many uploads has."""
MANY = 1000
SPANS = range(200, 501), range(700, 1001)
"""Memory is the least of what is seen in each of these two spans of uploads: garbage comes and goes."""
GROWTH = 8 * 1024
"""By how many KiB it may differ, which a collector's heap does by itself. An upload that is never freed keeps its reply,
which has 32."""

# By its name: whether a probe of the ABI plays it too, the faults, further options of the server, how many lines of the
# server's log have which words, and the files that are there afterwards, and no others.
ARRIVED = {"stored.bin": SOURCE}
SCENARIOS = {
    "upload": (False, "", [], {}, ARRIVED),
    # The parts are of 64 KiB, so an option has reached the library. The pause lets a callback that is slow to start see
    # something of the middle.
    "progress": (True, "fragment 3: delay 1s", [], {"Fragment bytes": 10}, ARRIVED),
    "refused": (True, "create: answer 403 error 0x80070005 context 0x5", [], {"Fragment": 0}, {}),
    "lost": (
        True,
        "fragment 3: drop after 20000\nfragment 6: swallow\nclose 1: answer 503",
        [],
        {"Create-Session": 1, "dropped": 2},
        ARRIVED,
    ),
    # Unless it is cancelled, it does not end before the program is ended.
    "cancel": (False, "fragment from 3: stall 600s after 1000", [], {"Cancel-Session: 200": 1}, {}),
    # The second has the name of the first with `.cancelled` behind it.
    "packets": (
        False,
        "",
        [],
        {"stored.bin Close-Session: 200": 1, "stored.bin.cancelled Cancel-Session: 200": 1},
        ARRIVED,
    ),
    # The reply is what was sent.
    "many": (False, "", ["--reply-command", "cp"], {}, {f"stored.bin.{number}": PART for number in range(MANY)}),
    "program": (True, "", [], {}, ARRIVED),
}


class Wrong(Exception):
    """What a scenario found."""


def run(command, environment, on_line=lambda line, process: None):
    """Runs a program, which is ended when it takes too long; its exit code and its standard error."""
    with open("errors", "w+") as errors, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
    ) as child:
        late = threading.Timer(LIMIT, child.kill)
        late.start()
        try:
            for line in child.stdout:
                on_line(line, child.pid)
            code = child.wait()
        finally:
            if not late.is_alive():
                errors.write(f"\nended after {LIMIT} s")
            late.cancel()
            child.kill()
        errors.seek(0)
        return code, errors.read().strip()


def memory(process):
    """Memory of a process in KiB, as far as it is in use; None of one that has just ended."""
    with open(f"/proc/{process}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmRSS:")), None)


def check_growth(measured):
    """Judges pairs of a number of uploads and the memory after it by the least in each span."""
    seen = [[used for uploads, used in measured if uploads in span] for span in SPANS]
    if any(len(span) < 10 for span in seen):
        raise Wrong(f"at least 10 numbers are wanted in each span: {measured}")
    if min(seen[1]) > min(seen[0]) + GROWTH:
        raise Wrong(f"memory grew from {min(seen[0])} to {min(seen[1])} KiB: {measured}")


def check_files(root, wanted):
    """Fails unless these files are in the server's folder, and no other upload."""
    stored = {path.name: path.read_bytes() for path in root.iterdir() if path.name.startswith("stored.bin")}
    for name in sorted(wanted.keys() | stored.keys()):
        if name not in wanted:
            raise Wrong(f"{name} is on the server and should not be")
        if stored.get(name) != wanted[name]:
            raise Wrong(f"{name} has {len(stored.get(name, b''))} bytes, which are not the source's")


def play(name, program, tool, environment):
    """Starts a server, runs the program and looks at both, in the current folder."""
    _, faults, options, counts, files = SCENARIOS[name]
    root, source = pathlib.Path("root"), pathlib.Path("source.bin").absolute()
    root.mkdir()
    source.write_bytes(SOURCE)
    pathlib.Path("faults").write_text(faults)
    with open("log", "w") as log, subprocess.Popen(
        [tool, "serve", "--root", root, "--fault", "faults", *options], stdout=subprocess.PIPE, stderr=log, text=True
    ) as server:
        try:
            first = server.stdout.readline()
            url = first.removeprefix("listening on ").strip().rstrip("/") + "/stored.bin"
            measured = []

            def on_line(line, process):
                if line.strip().isdigit() and (used := memory(process)) is not None:
                    measured.append((int(line), used))

            words = ["upload", source, url] if name == "program" else ["check", name, url, source]
            code, errors = run([*program(words[0]), *words[1:]], environment, on_line)
            if code != 0:
                raise Wrong(f"ended with {code}: {errors}")
            if name == "many":
                check_growth(measured)
            check_files(root, files)
            for text, wanted in counts.items():
                found = sum(text in line for line in pathlib.Path("log").read_text().splitlines())
                if found != wanted:
                    raise Wrong(f'the server saw "{text}" {found} times instead of {wanted}')
            if name == "program":
                # It exists now, which the server refuses.
                code, errors = run([*program(words[0]), *words[1:]], environment)
                if code != 1 or "0x8007" not in errors:
                    raise Wrong(f"the second upload should be refused: {code} {errors}")
                check_files(root, files)
        except Wrong as wrong:
            last = pathlib.Path("log").read_text().splitlines()[-20:]
            raise Wrong("\n".join([str(wrong), *(line[:200] for line in last)])) from None
        finally:
            server.kill()


def judge_judges():
    """Shows that growth, a spliced file and one too many are seen."""

    def fails(check, *given):
        try:
            check(*given)
        except Wrong:
            return True
        return False

    def measured(late):
        return [(n * 20, 9000 + n % 2 * 5000 if n < 30 else late) for n in range(1, 51)]

    root = pathlib.Path("judged")
    root.mkdir()
    stored = root / "stored.bin"
    outcomes = [not fails(check_growth, measured(9000 + GROWTH)), fails(check_growth, measured(9001 + GROWTH))]
    outcomes.append(fails(check_growth, [(300, 9000), (900, 9000)]))
    for wrong in [SOURCE[1:], SOURCE[:99] + SOURCE[100:101] + SOURCE[100:]]:
        stored.write_bytes(wrong)
        outcomes.append(fails(check_files, root, ARRIVED))
    stored.write_bytes(SOURCE)
    outcomes += [not fails(check_files, root, ARRIVED), fails(check_files, root, {})]
    outcomes.append(fails(check_files, root, ARRIVED | {"stored.bin.0": PART}))
    assert all(outcomes), outcomes


def main(root, tool, folder, prefix, language):
    sources, place = pathlib.Path(root, "examples", language), pathlib.Path(folder, language).absolute()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    libraries = pathlib.Path(prefix, "lib")
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries), "PKG_CONFIG_PATH": str(libraries / "pkgconfig")}
    # The two proxies that a machine may have set are not for loopback.
    for name in ["http_proxy", "all_proxy"]:
        environment.pop(name, None)
    # Go neither looks for newer toolchains and modules nor leaves anything in the home folder.
    environment |= {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": f"{folder}/go-cache"}
    jar = "/usr/share/java/jna.jar"
    # How programs are built, and how one is run. A heap of Java that is small and whole from the start, and the simple
    # compiler, so that memory that grows is not the virtual machine's.
    java = ["java", "-Xms32m", "-Xmx32m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    mcs = ["mcs", "-langversion:7", "-warnaserror", sources / "Bitsup.cs"]
    builds, program = {
        "go": ([["go", "build", "-o", place, "./upload", "./check"]], lambda name: [place / name]),
        "java": (
            [["javac", "-Xlint:all", "-Werror", "-cp", jar, "-d", place, *sources.glob("*.java")]],
            lambda name: [*java, "-cp", f"{jar}:{place}", name.title()],
        ),
        "csharp": (
            [[*mcs, sources / f"{name.title()}.cs", f"-out:{place / name}.exe"] for name in ["check", "upload"]],
            lambda name: ["mono", place / f"{name}.exe"],
        ),
        "node": ([], lambda name: ["node", "--expose-gc", sources / f"{name}.js"]),
        "ruby": ([], lambda name: ["ruby", sources / f"{name}.rb"]),
        "php": ([], lambda name: ["php", "-d", "ffi.enable=1", sources / f"{name}.php"]),
        "lua": ([], lambda name: ["luajit", sources / f"{name}.lua"]),
        "perl": ([], lambda name: ["perl", sources / f"{name}.pl"]),
    }[language]
    os.chdir(place)
    judge_judges()
    names = [name for name, (probe, *_) in SCENARIOS.items() if probe or language in ["go", "node", "java", "csharp"]]
    for command in builds:
        built = subprocess.run(
            command, cwd=sources, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if built.returncode != 0:
            print(f"{language}: cannot be built: {built.stdout}{built.stderr}", file=sys.stderr)
            names = []
    failed = int(not names)
    for name in names:
        os.makedirs(place / "scenarios" / name)
        os.chdir(place / "scenarios" / name)
        try:
            play(name, program, tool, environment)
        except Wrong as wrong:
            print(f"{language}: {name}: {wrong}", file=sys.stderr)
            failed += 1
    print(f"{len(names) - failed if names else 0} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) > 0)
