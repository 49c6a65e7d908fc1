"""Logins that are asked for when a server wants one."""

from __future__ import annotations

import asyncio
import base64
import gc
import math
import pickle
import signal
import threading
import time
import weakref
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server, payload
from peer import ACK, Peer
from test_process import started

CLEAR: Any = {"allow_cleartext_credentials": True}
BEARER = "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"
BASIC = 'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="up"\r\nContent-Length: 0\r\n\r\n'
SESSION = (
    "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Protocol: {7df0354d-249b-430f-820d-3d2a9bef4931}\r\n"
    "BITS-Session-Id: {00000000-0000-0000-0000-000000000001}\r\nContent-Length: 0\r\n\r\n"
)
FRAGMENT = (
    "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Received-Content-Range: 3\r\nContent-Length: 0\r\n\r\n"
)


class Vault:
    """Gives one answer after the other, and raises those that are exceptions."""

    def __init__(self, *answers: Any) -> None:
        self.asked: list[bitsup.CredentialRequest] = []
        self.threads: set[int] = set()
        self._answers = list(answers)

    def login(self, request: bitsup.CredentialRequest) -> bitsup.Login | None:
        self.asked.append(request)
        self.threads.add(threading.get_ident())
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        found: bitsup.Login | None = answer
        return found


@pytest.fixture
def guarded(serve: Callable[..., Server]) -> Server:
    """A server with a user."""
    return serve(None, "--user", "u:hunter2")


def test_a_function_is_asked_once_for_many_uploads(guarded: Server) -> None:
    vault = Vault(("u", "hunter2"))
    with bitsup.Client() as client:
        uploads = [
            client.start(payload(300_000), guarded.url(f"{n}"), on_credentials=vault.login, **CLEAR) for n in range(8)
        ]
        for number, upload in enumerate(uploads):
            assert upload.result(60).size == 300_000 and guarded.content(f"{number}") == payload(300_000)
        client.upload(b"abc", guarded.url("later"), on_credentials=vault.login, **CLEAR)
    (request,) = vault.asked
    assert request.site == guarded.base and not request.proxy and request.schemes == ("basic",)
    assert request.realm and (request.user, request.refused, request.expiring, request.attempt) == (None, False, False, 1)
    assert threading.get_ident() not in vault.threads, "on the client's callback thread"


def test_a_clients_function_is_asked_unless_an_upload_has_its_own(guarded: Server) -> None:
    vault, other = Vault(("u", "hunter2")), Vault(("u", "hunter2"))
    with bitsup.Client(on_credentials=vault.login, **CLEAR) as client:
        client.upload(b"abc", guarded.url("x"))
        client.ping(guarded.url("x"))
    assert len(vault.asked) == 1
    with bitsup.Client(on_credentials=vault.login, **CLEAR) as client:
        client.upload(b"abc", guarded.url("y"), on_credentials=other.login)
    assert (len(vault.asked), len(other.asked)) == (1, 1)
    with pytest.raises(TypeError, match="on_credentials must be a plain function"):
        bitsup.Client(on_credentials="u:hunter2")  # type: ignore[arg-type]


def test_a_refused_password_is_asked_for_again(guarded: Server) -> None:
    vault = Vault(("u", "wrong"), ("u", "hunter2"))
    assert bitsup.upload(payload(300_000), guarded.url("x"), on_credentials=vault.login, **CLEAR).size == 300_000
    assert guarded.content("x") == payload(300_000)
    assert [(asked.refused, asked.attempt, asked.user) for asked in vault.asked] == [(False, 1, None), (True, 2, "u")]


def test_whoever_gives_wrong_passwords_is_not_asked_for_ever(guarded: Server) -> None:
    vault = Vault(*(("u", f"wrong{n}") for n in range(10)))
    with bitsup.Client() as client, pytest.raises(bitsup.AuthError) as caught:
        client.upload(b"abc", guarded.url("y"), on_credentials=vault.login, **CLEAR)
    assert len(vault.asked) == 3 and "wrong" not in str(caught.value)
    vault = Vault(None)
    with bitsup.Client() as client, pytest.raises(bitsup.AuthError) as refused:
        client.upload(b"abc", guarded.url("y"), on_credentials=vault.login)
    assert len(vault.asked) == 1 and refused.value.http_status == 401
    assert not (guarded.root / "y").exists()


def test_what_it_raises_comes_out(guarded: Server) -> None:
    url = guarded.url("x")

    def locked() -> bitsup.Options:
        return {"on_credentials": Vault(LookupError("the vault is locked")).login}

    with bitsup.Client() as client:
        for call in (
            lambda: bitsup.upload(b"abc", url, **locked()),
            lambda: client.upload(b"abc", url, **locked()),
            lambda: client.start(b"abc", url, **locked()).result(30),
            lambda: client.ping(url, **locked()),
            lambda: client.session(url, 3, **locked()),
            lambda: asyncio.run(client.upload_async(b"abc", url, **locked())),
        ):
            with pytest.raises(LookupError, match="the vault is locked") as caught:
                call()
            assert isinstance(caught.value.__cause__, bitsup.AuthError)
        upload = client.start(b"abc", url, **locked())
        assert isinstance(upload.exception(30), LookupError)
        assert isinstance(client.start(b"", url, on_credentials=lambda _: exit(3)).exception(30), SystemExit)
        writer = client.open(url, 3, **locked())
        # The upload may have failed before there is anything to write.
        with pytest.raises(LookupError):
            writer.write(b"abc")
            writer.close()
    assert not (guarded.root / "x").exists()


def test_an_exception_hurts_only_the_uploads_that_need_the_answer(guarded: Server) -> None:
    vault = Vault(LookupError("a moment ago"), ("u", "hunter2"), ("u", "hunter2"))
    with bitsup.Client() as client:
        uploads = [client.start(b"abc", guarded.url(f"{n}"), on_credentials=vault.login, **CLEAR) for n in range(4)]
        failures = [upload.exception(30) for upload in uploads]
        # All that waited for the first answer; who came later asked again.
        raised = [failure for failure in failures if failure is not None]
        assert isinstance(raised[0], LookupError) and all(failure is raised[0] for failure in raised)
        client.upload(b"abc", guarded.url("x"), on_credentials=vault.login, **CLEAR)
        # An error of its own is not taken for the exception of the others.
        with pytest.raises(bitsup.AuthError):
            client.upload(b"abc", guarded.url("y"), on_credentials=vault.login)
        with pytest.raises(bitsup.AuthError):
            client.upload(b"abc", guarded.url("y"), auth="digest", on_credentials=vault.login, **CLEAR)


def test_wrong_answers_are_named_and_not_shown(guarded: Server) -> None:
    bad: list[tuple[type[BaseException], str, Any]] = [
        (TypeError, r"must answer with \(user, password\)", "hunter2"),
        (TypeError, r"must answer with \(user, password\)", ("hunter2",)),
        (TypeError, r"must answer with \(user, password\)", ("u", 5)),
        (TypeError, r"must answer with \(user, password\)", ["u", "hunter2"]),
        (ValueError, "a colon", ("u:x", "hunter2")),
        (ValueError, "a control character", ("u\n", "hunter2")),
        (TypeError, "must be a str", bitsup.BearerToken(5)),  # type: ignore[arg-type]
        (ValueError, "no header may hold", bitsup.BearerToken("hunter2\r\nX: y")),
        (ValueError, "empty", bitsup.BearerToken("")),
        (TypeError, "seconds", bitsup.BearerToken("hunter2", "5")),  # type: ignore[arg-type]
        (ValueError, "above 0", bitsup.BearerToken("hunter2", 0)),
        (ValueError, "above 0", bitsup.BearerToken("hunter2", math.nan)),
        (ValueError, "above 0", bitsup.BearerToken("hunter2", timedelta(seconds=-1))),
    ]
    with bitsup.Client() as client:
        for kind, message, answer in bad:
            with pytest.raises(kind, match=message) as caught:
                client.upload(b"abc", guarded.url("x"), on_credentials=Vault(answer).login, **CLEAR)
            assert "hunter2" not in str(caught.value)

        async def asynchronous(_: bitsup.CredentialRequest) -> bitsup.Login:
            return ("u", "hunter2")

        for wrong in (5, ("u", "hunter2"), "u", asynchronous):
            not_a_function: Any = wrong
            with pytest.raises(TypeError, match="credentials must be a plain function"):
                client.upload(b"abc", guarded.url("x"), on_credentials=not_a_function)


def test_in_asyncio(guarded: Server) -> None:
    vault = Vault(("u", "hunter2"))

    async def main() -> None:
        async with bitsup.Client() as client:
            for name in ("x", "y"):
                await client.upload_async(b"abc", guarded.url(name), on_credentials=vault.login, **CLEAR)

    asyncio.run(main())
    assert len(vault.asked) == 1 and guarded.content("y") == b"abc"


def test_an_event_loop_goes_on_while_it_is_asked(guarded: Server) -> None:
    release = threading.Event()

    def slow(_: bitsup.CredentialRequest) -> bitsup.Login:
        release.wait(60)
        return ("u", "hunter2")

    async def main() -> None:
        async with bitsup.Client() as client:
            task = asyncio.create_task(client.upload_async(b"abc", guarded.url("x"), on_credentials=slow, **CLEAR))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), 0.5)
            release.set()
            assert (await task).size == 3
            release.clear()
            with pytest.raises(TimeoutError):
                # Another function, of which nothing is remembered.
                other = client.upload_async(b"abc", guarded.url("y"), on_credentials=lambda asked: slow(asked), **CLEAR)
                await asyncio.wait_for(other, 0.5)
            release.set()

    asyncio.run(main())


def test_tokens() -> None:
    token = bitsup.BearerToken("hunter2", timedelta(hours=1))
    assert "hunter2" not in repr(token) and "hunter2" not in str(token)
    assert pickle.loads(pickle.dumps(token)) == token
    vault = Vault(token)
    with Peer(BEARER, ACK) as peer, bitsup.Client() as client:
        client.ping(f"http://127.0.0.1:{peer.port}/x", on_credentials=vault.login, **CLEAR)
    assert "Authorization: Bearer hunter2" in peer.heads[-1] and "Authorization" not in peer.heads[0]
    assert vault.asked[0].schemes == ("bearer",)
    assert pickle.loads(pickle.dumps(vault.asked[0])) == vault.asked[0]


def test_a_token_is_renewed_before_it_expires() -> None:
    vault = Vault(bitsup.BearerToken("first", 2), bitsup.BearerToken("second", timedelta(hours=1)))
    with Peer(BEARER, ACK, SESSION, FRAGMENT, ACK, pauses=[0, 2.5]) as peer, bitsup.Client() as client:
        url = f"http://127.0.0.1:{peer.port}/x"
        client.upload(b"abc", url, on_credentials=vault.login, verify="never", **CLEAR)
    assert [(asked.expiring, asked.refused, asked.attempt) for asked in vault.asked] == [
        (False, False, 1),
        (True, False, 1),
    ]
    shown = [head.partition("Authorization: Bearer ")[2].partition("\n")[0] for head in peer.heads]
    assert shown == ["", "first", "second", "second", "second"]


def test_an_exception_while_a_token_is_renewed_stops_the_upload() -> None:
    vault = Vault(bitsup.BearerToken("first", 2), LookupError("the vault is locked"))
    with Peer(BEARER, ACK, SESSION, *[ACK] * 5, pauses=[0, 2.5]) as peer, bitsup.Client() as client:
        url = f"http://127.0.0.1:{peer.port}/x"
        upload = client.start(b"abc", url, on_credentials=vault.login, **CLEAR)
        with pytest.raises(LookupError, match="the vault is locked"):
            upload.result(30)
    assert vault.asked[-1].expiring and not any("Fragment" in head for head in peer.heads)


def test_a_proxy_is_told_from_the_server() -> None:
    challenge = 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="gate"\r\nContent-Length: 0\r\n\r\n'
    for answer, kind in ((("u", "hunter2"), bitsup.Error), (bitsup.BearerToken("hunter2"), ValueError)):
        vault = Vault(answer)
        with Peer(challenge, *[ACK] * 2) as proxy, bitsup.Client() as client:
            address = f"http://127.0.0.1:{proxy.port}"
            # The peer takes the login, and is no server.
            with pytest.raises(kind) as caught:
                client.upload(b"abc", "http://far.invalid/x", proxy=address, on_credentials=vault.login, max_attempts=1)
        (request,) = vault.asked
        assert (request.proxy, request.site, request.realm, request.schemes) == (True, address, "gate", ("basic",))
        if kind is bitsup.Error:
            assert "Proxy-Authorization: Basic dTpodW50ZXIy" in proxy.heads[1]
            assert not isinstance(caught.value, bitsup.ProxyAuthError)
        else:
            assert "a proxy takes (user, password)" in str(caught.value) and len(proxy.heads) == 1


class Gate(ThreadingHTTPServer):
    """A proxy that wants a login of its own, acknowledges what is sent through it, and makes no tunnel."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Gate.Handler)
        self.site = f"http://127.0.0.1:{self.server_port}"
        self.shown: set[str] = set()
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def server_close(self) -> None:
        self.shutdown()
        self.thread.join()
        super().server_close()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", "0")):
                self.send_header(name, value)
            self.end_headers()

        def is_let_in(self) -> bool:
            assert isinstance(self.server, Gate)
            shown = self.headers.get("Proxy-Authorization", "")
            self.server.shown |= {base64.b64decode(shown.removeprefix("Basic ")).decode()} - {""}
            if shown == "Basic " + base64.b64encode(f"u:for {self.server.site}".encode()).decode():
                return True
            self.answer(407, ("Proxy-Authenticate", 'Basic realm="gate"'))
            return False

        def do_CONNECT(self) -> None:
            if self.is_let_in():
                self.answer(503)

        def do_BITS_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.is_let_in():
                headers = [("BITS-Packet-Type", "Ack"), ("BITS-Session-Id", "{1}")]
                if body:
                    headers.append(("BITS-Received-Content-Range", str(len(body))))
                    if "reply" in self.path:
                        headers.append(("BITS-Reply-URL", "https://far.invalid/reply"))
                self.answer(200, *headers)

        def log_message(self, format: str, *args: object) -> None:
            pass


def test_the_proxies_of_the_environment_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was given for the one is not shown to the other, which serves another scheme, nor refused by it."""
    asked: list[tuple[str, bool]] = []

    def login(request: bitsup.CredentialRequest) -> tuple[str, str]:
        asked.append((request.site, request.refused))
        return "u", f"for {request.site}"

    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Gate() as one, Gate() as other, bitsup.Client(on_credentials=login, max_attempts=1) as client:
        monkeypatch.setenv("http_proxy", one.site)
        monkeypatch.setenv("https_proxy", other.site)
        client.upload(b"abc", "http://far.invalid/x")
        with pytest.raises(bitsup.Error):
            client.upload(b"abc", "https://far.invalid/x")
        # The reply lies behind the other one.
        with pytest.raises(bitsup.Error):
            client.upload(b"abc", "http://far.invalid/reply", reply=tmp_path / "reply")
        client.upload(b"abc", "http://far.invalid/y")
        assert one.shown == {f"u:for {one.site}"}
        assert other.shown == {f"u:for {other.site}"}
        assert asked == [(one.site, False), (other.site, False)]


def test_a_proxy_that_asks_gets_nothing_of_the_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG-01."""
    challenge = 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="gate"\r\nContent-Length: 0\r\n\r\n'
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")

    def ask(request: bitsup.CredentialRequest) -> tuple[str, str] | None:
        return None if request.proxy else ("u", "hunter2")

    sources: list[dict[str, Any]] = [
        {"user": "u", "password": "hunter2"},
        {"user": "u", "password_file": secret},
        {"token_file": secret},
        {"on_credentials": ask},
    ]
    for source in sources:
        for scheme in ("http", "https"):
            if scheme == "http" and "token_file" in source:
                continue
            for by_environment in (False, True):
                with Peer(*[challenge] * 8) as proxy, bitsup.Client() as client, monkeypatch.context() as patch:
                    address = f"http://127.0.0.1:{proxy.port}"
                    options: dict[str, Any] = {**source, **CLEAR, "max_attempts": 1}
                    if by_environment:
                        patch.setenv(f"{scheme}_proxy", address)
                        patch.delenv("no_proxy", raising=False)
                    else:
                        options["proxy"] = address
                    with pytest.raises(bitsup.ProxyAuthError):
                        client.upload(b"abc", f"{scheme}://far.invalid/x", **options)
                assert proxy.heads
                assert not any("uthorization" in head or "hunter2" in head for head in proxy.heads), source


def test_a_host_of_anywhere_is_shown_nothing(tmp_path: Path) -> None:
    """LOG-02."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    sources: list[dict[str, Any]] = [
        {"user": "u", "password_file": secret},
        {"token": "hunter2"},
        {"headers": {"Authorization": "Basic hunter2", "Cookie": "id=hunter2"}},
        {"secret_headers": {"X-Key": "hunter2"}},
    ]
    for source in sources:
        asks = "user" in source
        opening = [BASIC, ACK] if asks else [ACK]
        if not asks and "token" not in source:
            opening = []
        with Peer(ACK, FRAGMENT, ACK, address="127.0.0.2") as node:
            moved = SESSION.replace("Content-Length", f"BITS-Host-Id: 127.0.0.2:{node.port}\r\nContent-Length")
            with Peer(*opening, moved) as origin, bitsup.Client() as client:
                url = f"http://127.0.0.1:{origin.port}/x"
                client.upload(b"abc", url, host_id="any", verify="never", proxy="", **source, **CLEAR)
        assert any("hunter2" in head or "dTpodW50ZXIy" in head for head in origin.heads), source
        shown = ("uthorization", "hunter2", "dTpodW50ZXIy")
        assert len(node.heads) == 3 and not any(word in head for head in node.heads for word in shown), source


def test_a_password_file_is_read_again(serve: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    server = serve("ping 1: stall 4s", "--user", "u:hunter2")
    with bitsup.Client() as client:
        upload = client.start(b"abc", server.url("x"), user="u", password_file=file, **CLEAR)
        # It was read, and the server has not answered yet.
        file.write_text("hunter2\n")
        assert upload.result(30).size == 3
    assert server.content("x") == b"abc"


def test_waiting_for_an_upload_inside_is_an_error_not_a_hang(guarded: Server) -> None:
    with bitsup.Client() as client:

        def ask(_: bitsup.CredentialRequest) -> bitsup.Login:
            # A Ping is fine: it needs no other thread.
            with pytest.raises(bitsup.AuthError):
                client.ping(guarded.url("x"))
            client.upload(b"abc", guarded.url("y"), on_credentials=ask)
            return ("u", "hunter2")

        with pytest.raises(RuntimeError, match="must not wait for an upload"):
            client.upload(b"abc", guarded.url("x"), on_credentials=ask, **CLEAR)


def test_nothing_is_kept_alive(guarded: Server) -> None:
    class Service:
        def __init__(self) -> None:
            self.client = bitsup.Client()

        def login(self, _: bitsup.CredentialRequest) -> bitsup.Login:
            return ("u", "hunter2")

    service = Service()
    service.client.upload(b"abc", guarded.url("x"), on_credentials=service.login, **CLEAR)
    gone = weakref.ref(service)
    del service
    deadline = time.monotonic() + 30
    while gone() is not None:
        assert time.monotonic() < deadline, "the client keeps the function alive, and that the client"
        gc.collect()


ASKED = """
import os, signal, sys, time
import bitsup
# A job in the background inherits an ignored SIGINT, and Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
def ask(request):
    os.write(1, b"ready\\n")
    time.sleep(20)
try:
    {statement}
except KeyboardInterrupt:
    os.write(1, f"interrupted {{time.time()}}\\n".encode())
"""


@pytest.mark.parametrize("way", ["upload", "start", "ping"])
def test_ctrl_c_while_it_is_asked(guarded: Server, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    statement = {
        "upload": "bitsup.upload(b'abc', sys.argv[1], on_credentials=ask)",
        "start": "with bitsup.Client() as c: c.start(b'abc', sys.argv[1], on_credentials=ask).result()",
        "ping": "bitsup.Client().ping(sys.argv[1], on_credentials=ask)",
    }[way]
    with started(ASKED.format(statement=statement), guarded.url("x")) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        ended = time.time() - sent
    said = [line for line in output.splitlines() if line.startswith("interrupted")]
    assert said, (output, errors)
    took = float(said[0].split()[1]) - sent
    with capsys.disabled():
        print(f" [Ctrl-C to KeyboardInterrupt in {way}: {took * 1000:.0f} ms; to the end: {ended:.1f} s]")
    assert process.returncode == 0 and errors == ""
    assert took < 5 and ended < 15, "generous bounds, below the 20 s of the answer; the figures are printed"
