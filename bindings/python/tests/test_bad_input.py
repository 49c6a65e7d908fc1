"""What cannot be uploaded: each kind has its exception, which says what to do, and what becomes of the session."""

from __future__ import annotations

import codecs
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server, payload

SIZE = 3_000_001


def test_bad_arguments(server: Server, tmp_path: Path) -> None:
    url = server.url("x")
    closed = (tmp_path / "closed").open("wb")
    closed.close()
    text = (tmp_path / "closed").open("r")
    writing = (tmp_path / "closed").open("wb")
    bad: list[tuple[type[BaseException], str, tuple[Any, ...], dict[str, Any]]] = [
        (TypeError, "cannot be uploaded: give a path", (5, url), {}),
        (TypeError, "cannot be uploaded: give a path", (None, url), {}),
        (TypeError, "the URL must be a str", (b"", b"http://x/"), {}),
        (TypeError, "text mode", (text, url), {}),
        (TypeError, "text mode", (io.StringIO("x"), url), {}),
        (ValueError, "closed", (closed, url), {}),
        (ValueError, "not open for reading", (writing, url), {}),
        (TypeError, "gives str", (iter(["x"]), url), {}),
        (ValueError, "a size of -1 bytes", (iter([b"x"]), url), {"size": -1}),
        (TypeError, "size must be an int", (iter([b"x"]), url), {"size": "1"}),
        (ValueError, "leave it out", (b"abc", url), {"size": 4}),
        (ValueError, "leave it out", (str(tmp_path / "closed"), url), {"size": 4}),
        (ValueError, "null character", ("a\0b", url), {}),
        (FileNotFoundError, "No such file", (tmp_path / "missing", url), {}),
        (IsADirectoryError, "Is a directory", (tmp_path, url), {}),
        (ValueError, "http or https", (b"", "ftp://host/x"), {}),
        (ValueError, "options instead", (b"", "http://u:hunter2@host/x"), {}),
        (ValueError, "the whole URL", (b"", server.url("")), {}),
        (TypeError, "'colour' is no option", (b"", url), {"colour": "red"}),
        (ValueError, 'fragment_size is "1X": a size is a number, with K', (b"", url), {"fragment_size": "1X"}),
        (ValueError, "fragment_size is -1: give at least 0", (b"", url), {"fragment_size": -1}),
        (ValueError, "at least 1", (b"", url), {"max_fragment": 0}),
        (ValueError, "give_up_after must be a number of seconds", (b"", url), {"give_up_after": -1}),
        (ValueError, "connect_timeout must be a number", (b"", url), {"connect_timeout": float("nan")}),
        (ValueError, 'if_exists is "maybe": it can be try, skip, fail', (b"", url), {"if_exists": "maybe"}),
        (TypeError, 'if_exists must be one of "try", "skip", "fail", not int', (b"", url), {"if_exists": 5}),
        (TypeError, "trusted_hosts must be a list", (b"", url), {"trusted_hosts": "host"}),
        (TypeError, "headers must be a mapping of names to values, or pairs of them, not int", (b"", url), {"headers": 5}),
        (ValueError, "line break", (b"", url), {"headers": {"X-A": "b\r\nX-B: c"}}),
        (ValueError, "user is set and no password", (b"", url), {"user": "u"}),
        (ValueError, "password is set and no user", (b"", url), {"password": "hunter2"}),
        (TypeError, "on_progress must be a plain function", (b"", url), {"on_progress": 5}),
    ]
    try:
        for kind, message, arguments, keywords in bad:
            with pytest.raises(kind, match=message) as caught:
                bitsup.upload(*arguments, **keywords)
            assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value), caught.value
    finally:
        text.close()
        writing.close()
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("timeout", 5, "connect_timeout, stall_timeout"),
        ("proxies", {}, 'give proxy="http://host:port"'),
        ("verify", False, "insecure=True"),
        ("cert", ("cert.pem", "key.pem"), "keyword: key"),
        ("auth", ("u", "hunter2"), "user and password"),
        ("state_dir", "state", "give it to bitsup.Client"),
        ("fragmentsize", 5, "did you mean fragment_size"),
        ("connect_timeout", [], "seconds, a timedelta, or a text such as"),
    ],
)
def test_common_mistakes_are_answered(name: str, value: Any, hint: str) -> None:
    with pytest.raises(TypeError, match=hint) as caught:
        bitsup.upload(b"", "http://127.0.0.1:9/x", **{name: value})
    assert "hunter2" not in str(caught.value)


def test_a_client_refuses_what_only_an_upload_takes() -> None:
    wrong: dict[str, Any] = {"content_name": "x"}
    with pytest.raises(TypeError, match="'content_name' is no option of bitsup.Client: give it where an upload starts"):
        bitsup.Client(**wrong)
    wrong = {"insecure": "yes"}
    with pytest.raises(TypeError, match="insecure must be True or False, not str"):
        bitsup.Client(**wrong)


def test_an_asynchronous_callback_is_refused(server: Server) -> None:
    async def callback(_: bitsup.Progress) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        bitsup.upload(b"", server.url("x"), on_progress=callback)


@pytest.mark.parametrize("given", [9, 11])
def test_a_stream_of_another_length_is_never_complete(server: Server, given: int) -> None:
    with pytest.raises(bitsup.InvalidArgumentError, match="right size="):
        bitsup.upload([b"x"] * given, server.url("x"), size=10)
    assert not (server.root / "x").exists()
    assert "Close-Session" not in server.packets()


def test_exceptions_of_a_source_come_out(server: Server) -> None:
    def chunks() -> Any:
        yield b"abc"
        raise LookupError("the source is broken")

    with pytest.raises(LookupError, match="the source is broken"):
        bitsup.upload(chunks(), server.url("x"), size=10)
    with pytest.raises(TypeError, match="gives str"):
        bitsup.upload(["abc"], server.url("x"), size=3)  # type: ignore[list-item]
    assert not (server.root / "x").exists()


def test_a_file_that_shrinks_or_is_closed(serve: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "file"
    for number in range(3):
        server = serve()
        file.write_bytes(payload(SIZE))
        with file.open("rb") as opened, bitsup.Client(limit_rate=20_000) as client:
            source: Any = file if number == 0 else opened
            upload = client.start(source, server.url("x"), fragment_size=10_000)
            server.wait_for("Fragment")
            if number == 2:
                opened.close()
                client.limit_rate = None
                with pytest.raises(ValueError, match="closed"):
                    upload.result()
            else:
                os.truncate(file, 1000)
                client.limit_rate = None
                with pytest.raises(bitsup.SourceChangedError):
                    upload.result()
        assert not (server.root / "x").exists()


def test_sources_that_are_not_what_they_seem(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    url = server.url("x")
    with file.open("r+b") as opened:
        opened.seek(0, os.SEEK_END)
        with pytest.raises(ValueError, match=r"stands at its end, after 10 bytes.*seek\(0\) first"):
            bitsup.upload(opened, url)
    released = memoryview(b"abc")
    released.release()
    with pytest.raises(ValueError, match="released"):
        bitsup.upload(released, url)
    with tempfile.SpooledTemporaryFile(mode="w+") as text:
        text.write("abc")
        text.seek(0)
        with pytest.raises(TypeError, match="mode 'rb'"):
            bitsup.upload(text, url)  # type: ignore[arg-type]
    with file.open("rb") as opened, pytest.raises(TypeError, match="gives str: open it with mode 'rb'"):
        decoded: Any = codecs.getreader("utf-8")(opened)
        bitsup.upload(decoded, url)
    for size in (True, 3.0, "3"):
        with pytest.raises(TypeError, match="size must be an int"):
            bitsup.upload([b"abc"], url, size=size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give the number of bytes"):
        bitsup.upload([b"abc"], url, size=1 << 63)
    with pytest.raises(TypeError, match="upload_async"):
        chunks: Any = asynchronous()
        bitsup.upload(chunks, url, size=3)
    for bad in ("", "host/x", "http://", "https://"):
        with pytest.raises(bitsup.InvalidArgumentError, match="URL"):
            bitsup.upload(b"abc", bad)
    # An iterable of numbers is a list of bytes that was not converted.
    with pytest.raises(TypeError, match="gives int: give bytes"):
        bitsup.upload([1, 2, 3], url, size=3)  # type: ignore[list-item]
    assert not (server.root / "x").exists() and "Close-Session" not in server.packets()


async def asynchronous() -> Any:
    """Chunks that come in asyncio."""
    yield b"abc"


def test_the_session_of_a_stream_is_cancelled(serve: Callable[..., Server]) -> None:
    """It could not be resumed, and a server keeps a limited number of sessions."""

    def broken() -> Any:
        yield b"0" * 5
        raise LookupError("the source is broken")

    kinds: list[tuple[type[BaseException], Any]] = [
        (bitsup.InvalidArgumentError, [b"0"] * 9),
        (bitsup.InvalidArgumentError, [b"0"] * 11),
        (LookupError, broken()),
    ]
    for kind, source in kinds:
        server = serve()
        with pytest.raises(kind) as caught:
            bitsup.upload(source, server.url("x"), size=10)
        cause = caught.value.__cause__
        assert isinstance(cause, bitsup.Error) and cause.token is None and not cause.resumable
        server.wait_for("Cancel-Session")
        assert not (server.root / "x").exists()


def test_the_session_of_a_file_that_shrank_is_cancelled(serve: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "file"
    for kept in (True, False):
        file.write_bytes(payload(SIZE))
        server = serve()
        with bitsup.Client(state_dir=tmp_path / "state", limit_rate=20_000) as client:
            upload = client.start(file, server.url("x"), fragment_size=10_000, no_resume=not kept)
            server.wait_for("Fragment")
            os.truncate(file, 1000)
            client.limit_rate = None
            with pytest.raises(bitsup.SourceChangedError) as caught:
                upload.result(30)
            assert caught.value.advice and not caught.value.resumable and caught.value.token is None
            assert client.sessions() == ()
        server.wait_for("Cancel-Session")
        assert not (server.root / "x").exists()


def test_packets_that_are_missing_cancel_the_session(server: Server) -> None:
    with bitsup.Client() as client:
        with pytest.raises(ValueError, match="5 of 10 bytes"):
            with client.session(server.url("x"), size=10) as session:
                session.send(b"01234")
    server.wait_for("Cancel-Session")
    assert not (server.root / "x").exists()


def test_arguments_of_the_handles(server: Server) -> None:
    with bitsup.Client() as client:
        upload = client.start(b"abc", server.url("x"))
        with pytest.raises(ValueError, match="a number of seconds"):
            upload.result(float("nan"))
        for bad in ("1", b"1"):
            with pytest.raises(TypeError):
                upload.result(bad)  # type: ignore[arg-type]
        assert upload.result(30).size == 3
        for number in (0, -1):
            with pytest.raises(ValueError, match="give at least 1"):
                client.limit_rate = number
        with pytest.raises(TypeError, match="uploads_per_host must be an int, not float"):
            bitsup.Client(uploads_per_host=2.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="user_agent"):
            bitsup.Client(user_agent="a\r\nb")
        with pytest.raises(TypeError, match="the URL must be a str, not NoneType"):
            client.ping(None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="size of -5"):
            client.open(server.url("y"), size=-5)
