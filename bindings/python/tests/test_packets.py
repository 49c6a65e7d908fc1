"""Sessions packet by packet, and uploads that are written to."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable

import bitsup
import pytest
from conftest import Server, payload
from peer import ACK, Peer

SIZE = 3_000_001


def test_packets_one_by_one(server: Server) -> None:
    with bitsup.Client() as client:
        with client.session(server.url("x"), size=10) as session:
            assert session.offset == 0 and session.size == 10 and session.id
            assert session.id not in repr(session)
            assert session.send(b"01234") == 5
            assert session.send(memoryview(b"56789")) == 10
        assert server.content("x") == b"0123456789"
        server.wait_for("Close-Session")
        assert server.packets() == ["Create-Session", "Fragment", "Fragment", "Close-Session"]
        with pytest.raises(ValueError, match="ended already"):
            session.send(b"x")


def test_an_exception_cancels_the_session(server: Server) -> None:
    with bitsup.Client() as client:
        with pytest.raises(LookupError), client.session(server.url("x"), size=10) as session:
            session.send(b"01234")
            raise LookupError
        server.wait_for("Cancel-Session")
        with pytest.raises(bitsup.InvalidArgumentError, match="5 of 10 bytes"):
            session = client.session(server.url("y"), size=10)
            session.send(b"01234")
            session.close()
        session.cancel()
    assert not (server.root / "x").exists()


def test_packets_with_bad_arguments(server: Server) -> None:
    with bitsup.Client() as client, client.session(server.url("x"), size=3) as session:
        with pytest.raises(TypeError, match="encode it"):
            session.send("abc")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="do not fit"):
            session.send(b"abcd")
        session.send(b"abc")
    with bitsup.Client() as client, pytest.raises(ValueError, match="a size of -1"):
        client.session(server.url("x"), size=-1)


def test_the_server_may_go_back(serve: Callable[..., Server]) -> None:
    server = serve("fragment 1: rewind 2\nfragment 2: 503")
    data = b"0123456789"
    with bitsup.Client() as client, client.session(server.url("x"), size=10) as session:
        assert session.send(data[:5]) == 3
        with pytest.raises(bitsup.Error) as caught:
            session.send(data[3:])
        assert caught.value.http_status == 503 and session.offset == 3
        session.send(data[session.offset :])
    assert server.content("x") == data


def test_a_session_is_looked_at_while_a_packet_is_under_way() -> None:
    ack = "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nContent-Length: 0\r\n{}\r\n\r\n"
    who = 'HTTP/1.1 401 Who\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm="up"\r\n\r\n'
    seen: list[int] = []

    def ask(_: bitsup.CredentialRequest) -> tuple[str, str]:
        seen.append(session.offset)
        assert session.id == "{7b6f}"
        for packet in (lambda: session.send(b"c"), session.close, session.cancel):
            with pytest.raises(bitsup.InvalidArgumentError, match="under way"):
                packet()
        return "u", "p"

    received = [ack.format(f"BITS-Received-Content-Range: {offset}") for offset in (1, 3)]
    with (
        Peer(ack.format("BITS-Session-Id: {7b6f}"), received[0], who, received[1], ACK) as peer,
        bitsup.Client() as client,
        client.session(
            f"http://127.0.0.1:{peer.port}/x", size=3, on_credentials=ask, allow_cleartext_credentials=True
        ) as session,
    ):
        assert session.send(b"a") == 1
        assert session.send(b"bc") == 3
        assert seen == [1] and session.offset == 3


@pytest.mark.parametrize("size", [0, 1, SIZE, 12_000_000])
def test_an_upload_that_is_written_to(server: Server, size: int) -> None:
    with bitsup.Client() as client:
        with client.open(server.url("x"), size=size) as file:
            assert file.writable() and not file.readable()
            shutil.copyfileobj(io.BytesIO(payload(size)), file, 70_000)
            assert file.tell() == size
        assert file.closed and file.receipt is not None and file.receipt.size == size
    assert server.content("x") == payload(size)
    assert bitsup.UploadWriter.__doc__ is not None
    assert "cannot be continued after a restart" in bitsup.UploadWriter.__doc__.splitlines()[0]


def test_writing_goes_on_after_lost_connections(serve: Callable[..., Server]) -> None:
    server = serve("fragment 2: drop after 40000\nfragment 4: swallow\nfragment 5: 500")
    with bitsup.Client() as client, client.open(server.url("x"), size=SIZE, max_retry_delay=0.1) as file:
        shutil.copyfileobj(io.BytesIO(payload(SIZE)), file, 70_000)
    assert server.content("x") == payload(SIZE)


def test_more_writers_than_threads_in_turns(server: Server) -> None:
    data = payload(500_000)
    with bitsup.Client() as client:
        files = [client.open(server.url(f"{number}"), size=len(data)) for number in range(16)]
        for at in range(0, len(data), 50_000):
            for file in reversed(files):
                file.write(data[at : at + 50_000])
        for file in files:
            file.close()
    for number in range(16):
        assert server.content(f"{number}") == data


def test_too_little_too_much_and_broken_off(serve: Callable[..., Server]) -> None:
    server = serve()
    with bitsup.Client() as client:
        with pytest.raises(bitsup.InvalidArgumentError, match="5 of 10 bytes were written"):
            with client.open(server.url("x"), size=10) as file:
                file.write(b"01234")
        with pytest.raises(bitsup.InvalidArgumentError, match="do not fit"):
            with client.open(server.url("x"), size=10) as file:
                file.write(b"01234567890")
        with pytest.raises(LookupError), client.open(server.url("x"), size=10) as file:
            file.write(b"01234")
            raise LookupError
        with pytest.raises(ValueError, match="closed"):
            file.write(b"x")
        with pytest.raises(TypeError, match="encode it"), client.open(server.url("x"), size=10) as file:
            file.write("text")
    assert not (server.root / "x").exists()
    refusing = serve("fragment: 403")
    with bitsup.Client() as client, pytest.raises(bitsup.RefusedError):
        with client.open(refusing.url("x"), size=50_000_000) as file:
            for _ in range(50):
                file.write(bytes(1_000_000))
