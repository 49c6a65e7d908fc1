"""Every option reaches what it is for."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
from datetime import timedelta
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server, payload, settle
from peer import ACK, Peer

SIZE = 3_000_001
BASIC = "Basic " + base64.b64encode(b"u:hunter2").decode()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a secret, as editors write it."""
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    return file


def test_every_option_is_known_and_described(server: Server) -> None:
    assert bitsup.upload.__doc__ is not None
    nothing: Any = dict.fromkeys(bitsup.Options.__annotations__)
    with bitsup.Client() as client:
        client.ping(server.url("x"), **nothing)
        client.upload(b"abc", server.url("x"), **nothing)
    for name in nothing:
        assert name in bitsup.upload.__doc__, name


def test_secrets_come_from_files(serve: Callable[..., Server], secret: Path, tmp_path: Path) -> None:
    server = serve(None, "--user", "u:hunter2")
    bitsup.upload(b"abc", server.url("x"), user="u", password_file=secret, allow_cleartext_credentials=True)
    with Peer(ACK) as peer, bitsup.Client() as client:
        client.ping(f"http://127.0.0.1:{peer.port}/x", token_file=str(secret), allow_cleartext_credentials=True)
    assert "Authorization: Bearer hunter2" in peer.heads[0]

    large, binary = tmp_path / "large", tmp_path / "binary"
    large.write_bytes(b"hunter2" * 10_000)
    binary.write_bytes(b"hunter2\xff")
    bad: list[tuple[type[BaseException], str, dict[str, Any]]] = [
        (FileNotFoundError, "cannot read .*missing: No such file", {"password_file": tmp_path / "missing"}),
        (IsADirectoryError, "Is a directory", {"password_file": tmp_path}),
        (bitsup.LocalFileError, "cannot read", {"token_file": tmp_path / "missing"}),
        (ValueError, "too large for a secret", {"password_file": large}),
        (bitsup.LocalFileError, "not UTF-8", {"password_file": binary}),
        (bitsup.LocalFileError, "NUL byte", {"password_file": "a\0b"}),
        (TypeError, "password_file must be a path, not int", {"password_file": 0}),
        (ValueError, "proxy_user is set and no proxy_password", {"proxy_user": "u"}),
        (ValueError, "proxy_password is set and no proxy_user", {"proxy_password_file": secret}),
        (ValueError, "a user name has no colon", {"user": "u:hunter2"}),
        (ValueError, "control character", {"user": "u\n", "password": "hunter2"}),
    ]
    for kind, message, options in bad:
        if "password_file" in options:
            options["user"] = "u"
        with pytest.raises(kind, match=message) as caught:
            bitsup.upload(b"abc", server.url("y"), **options)
        assert "hunter2" not in str(caught.value)
    assert not (server.root / "y").exists()


def test_schemes(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:hunter2")
    login: Any = {"user": "u", "password": "hunter2", "allow_cleartext_credentials": True}
    for scheme in ("any", "basic"):
        bitsup.upload(b"abc", server.url("x"), auth=scheme, **login)
    with pytest.raises(bitsup.AuthError):
        bitsup.upload(b"abc", server.url("x"), auth="digest", **login)
    features = bitsup.features()
    for scheme, there in (("ntlm", features.ntlm), ("negotiate", features.negotiate)):
        with pytest.raises(bitsup.AuthError if there else bitsup.UnsupportedError):
            chosen: Any = {**login, "auth": scheme}
            bitsup.upload(b"abc", server.url("x"), **chosen)
    with pytest.raises(ValueError, match="there is no token"):
        bitsup.upload(b"abc", server.url("x"), auth="bearer")
    with pytest.raises(ValueError, match="leave out one"):
        bitsup.upload(b"abc", server.url("x"), auth="bearer", token="hunter2", **login)
    with pytest.raises(ValueError, match="over plain http") as caught:
        bitsup.upload(b"abc", server.url("x"), token="hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_verb_that_is_blocked() -> None:
    for options in ({}, {"post_override": True}):
        given: Any = options
        with Peer(ACK) as peer, bitsup.Client() as client:
            client.ping(f"http://127.0.0.1:{peer.port}/x", **given)
        assert peer.heads[0].startswith("POST /x" if options else "BITS_POST /x")
        assert ("X-HTTP-Method-Override: BITS_POST" in peer.heads[0]) == bool(options)


def test_a_proxy(server: Server, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
    with Peer(challenge, ACK) as proxy, bitsup.Client() as client:
        url = f"http://127.0.0.1:{proxy.port}"
        client.ping("http://far.invalid/x", proxy=url, proxy_user="u", proxy_password_file=secret)
    assert "BITS_POST http://far.invalid/x HTTP/1.1" in proxy.heads[-1]
    assert f"Proxy-Authorization: {BASIC}" in proxy.heads[-1]

    with Peer(challenge, ACK) as proxy, bitsup.Client() as client:
        near: Any = {"proxy": f"http://127.0.0.1:{proxy.port}", "proxy_user": "u", "proxy_password": "hunter2"}
        client.ping("http://far.invalid/x", proxy_auth="basic", **near)
        with pytest.raises(ValueError, match="proxy_auth: a proxy takes no bearer token"):
            near["proxy_auth"] = "bearer"
            client.ping("http://far.invalid/x", **near)
    with Peer(challenge) as proxy, bitsup.Client() as client:
        with pytest.raises(bitsup.ProxyAuthError) as caught:
            client.ping("http://far.invalid/x", proxy=f"http://127.0.0.1:{proxy.port}")
        assert caught.value.http_status == 407

    # A port without a listener: only requests that bypass the proxy arrive.
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    fast: bitsup.Options = {"wait_for_server": 0, "max_attempts": 1}
    with pytest.raises(bitsup.NetworkError):
        bitsup.upload(b"abc", server.url("x"), **fast)
    for direct in ({"proxy": ""}, {"no_proxy": "127.0.0.1"}, {"no_proxy": ["other", "127.0.0.1"]}):
        around: Any = direct
        bitsup.upload(b"abc", server.url("x"), **fast, **around)
    with pytest.raises(ValueError, match="proxy: has a user name or password in it") as refused:
        bitsup.upload(b"abc", server.url("x"), proxy="http://u:hunter2@127.0.0.1")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(ValueError, match="scheme"):
        bitsup.upload(b"abc", server.url("x"), proxy="gopher://127.0.0.1")


def test_certificates_and_keys(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    authority = trustme.CA()
    server, client_certificate = authority.issue_cert("127.0.0.1"), authority.issue_cert("client@host.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    ca_file, cert, key, locked, both = (tmp_path / name for name in ("ca", "cert", "key", "locked", "both"))
    authority.cert_pem.write_to_path(ca_file)
    client_certificate.cert_chain_pems[0].write_to_path(cert)
    client_certificate.private_key_pem.write_to_path(key)
    client_certificate.private_key_and_cert_chain_pem.write_to_path(both)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked.write_bytes(private.private_bytes(*form, serialization.BestAvailableEncryption(b"hunter2")))
    (tmp_path / "passphrase").write_text("hunter2\n")
    own = serialization.load_pem_private_key(server.private_key_pem.bytes(), None).public_key()
    encoded = own.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pin = "sha256//" + base64.b64encode(hashlib.sha256(encoded).digest()).decode()
    other_pin = "sha256//" + base64.b64encode(bytes(32)).decode()

    def ping(**options: Any) -> Peer:
        with Peer(ACK, tls=tls) as peer, bitsup.Client() as client:
            client.ping(f"https://127.0.0.1:{peer.port}/x", **options)
        return peer

    mine: Any = {"ca_file": ca_file, "cert": cert, "key": key}
    for options in (
        mine,
        {"ca_file": str(ca_file), "cert": both},
        {**mine, "key": locked, "key_password": "hunter2"},
        {**mine, "key": locked, "key_password_file": tmp_path / "passphrase"},
        {**mine, "pinned_public_key": pin},
        {"insecure": True, "cert": both},
    ):
        peer = ping(**options)
        assert len(peer.heads) == 1 and "client@host.example" in str(peer.certificates[0])
    for options in (
        {"cert": both},
        {**mine, "key": locked, "key_password": "wrong"},
        {**mine, "pinned_public_key": other_pin},
        {"ca_file": ca_file},
    ):
        with pytest.raises((bitsup.TlsError, bitsup.NetworkError)) as caught:
            ping(**options)
        assert "hunter2" not in str(caught.value)
    for bad in ({"cert": tmp_path / "missing"}, {"ca_file": tmp_path / "missing"}):
        with pytest.raises(FileNotFoundError, match="cannot read .*missing"):
            ping(**bad)
    with pytest.raises(ValueError, match="a key is set and no certificate"):
        ping(key=key)


def test_sizes_of_fragments(serve: Callable[..., Server]) -> None:
    server = serve(None, "--max-fragment", "100000")
    receipt = bitsup.upload(payload(SIZE), server.url("x"), fragment_size="auto", max_retry_delay=0.1)
    assert receipt.fragments >= SIZE // 100_000 and server.content("x") == payload(SIZE)
    with pytest.raises(bitsup.RefusedError) as caught:
        bitsup.upload(payload(SIZE), server.url("y"), min_fragment=200_000, max_retry_delay=0.1)
    assert caught.value.http_status == 413
    server = serve()
    bitsup.upload(payload(SIZE), server.url("x"), max_fragment=50_000)
    assert max(last - first + 1 for first, last in server.ranges()) <= 50_000


def test_limits(serve: Callable[..., Server]) -> None:
    server = serve("fragment 1: 503\nfragment 3: hang")
    with pytest.raises(bitsup.LimitReachedError, match="bytes"):
        bitsup.upload(payload(SIZE), server.url("x"), fragment_size=500_000, max_bytes=600_000, retry_delay=0.01)
    server = serve("fragment 1: hang")
    with pytest.raises(bitsup.LimitReachedError):
        bitsup.upload(payload(SIZE), server.url("x"), max_time=0.3)
    server = serve("fragment: 503")
    with pytest.raises(bitsup.NetworkTimeoutError):
        bitsup.upload(payload(SIZE), server.url("x"), give_up_after=0.3, retry_delay=0.1, max_retry_delay=0.1)


def test_time_outs(serve: Callable[..., Server]) -> None:
    server = serve("fragment 1: hang\nclose 1: hang")
    # An earlier file there proves the new one whose last answer was lost.
    fast: bitsup.Options = {"ack_timeout": 0.3, "last_ack_timeout": 0.3, "retry_delay": 0.01, "verify": "always"}
    receipt = bitsup.upload(payload(SIZE), server.url("x"), **fast)
    assert receipt.retries >= 2 and server.content("x") == payload(SIZE)
    with socket.create_server(("127.0.0.1", 0)) as silent, bitsup.Client() as client:
        with pytest.raises(bitsup.NetworkTimeoutError):
            client.ping(f"https://127.0.0.1:{silent.getsockname()[1]}/x", connect_timeout=0.3)


def test_host_ids(serve: Callable[..., Server]) -> None:
    server = serve(None, "--host-id", "node7.elsewhere.invalid")
    with pytest.raises(bitsup.HostIdUntrustedError, match=r"node7\.elsewhere\.invalid"):
        bitsup.upload(b"abc", server.url("x"))
    bitsup.upload(b"abc", server.url("x"), host_id="ignore")
    assert server.content("x") == b"abc"
    for options in ({"host_id": "any"}, {"trusted_hosts": [".elsewhere.invalid"]}):
        trusting: Any = options
        with pytest.raises(bitsup.NetworkError):
            # The request goes to the proxy, and the port has no listener.
            bitsup.upload(b"abc", server.url("y"), give_up_after=0, **trusting)


def test_names_that_are_not_looked_up(server: Server) -> None:
    port = server.base.rpartition(":")[2]
    receipt = bitsup.upload(b"abc", f"http://far.invalid:{port}/x", resolve=[f"far.invalid:{port}:127.0.0.1"])
    assert receipt.size == 3 and server.content("x") == b"abc"
    with pytest.raises(ValueError, match="write HOST:PORT:ADDRESS"):
        bitsup.upload(b"abc", server.url("y"), resolve=["far.invalid"])
    with pytest.raises(TypeError, match="resolve must be a list"):
        bitsup.upload(b"abc", server.url("y"), resolve="far.invalid:80:127.0.0.1")


def test_what_exists(server: Server) -> None:
    bitsup.upload(b"first", server.url("x"))
    assert bitsup.upload(b"other", server.url("x"), if_exists="skip").skipped
    with pytest.raises(bitsup.RefusedError, match="exists"):
        bitsup.upload(b"other", server.url("x"), if_exists="fail")
    assert server.content("x") == b"first"
    assert not bitsup.upload(b"third", server.url("x"), if_exists="try").skipped
    assert server.content("x") == b"third"


def test_proof(serve: Callable[..., Server]) -> None:
    server = serve()
    receipt = bitsup.upload(payload(SIZE), server.url("x"), sha256=True, verify="always")
    assert receipt.sha256 == hashlib.sha256(payload(SIZE)).hexdigest()
    assert "HEAD" in server.packets()
    assert bitsup.upload(b"abc", server.url("x")).sha256 is None
    server = serve("fragment 2: swallow")
    receipt = bitsup.upload(
        payload(SIZE), server.url("x"), on_lost_ack="restart", verify="never", fragment_size=1_000_000, retry_delay=0.01
    )
    # The server says where it stands, so that nothing has to start over.
    assert receipt.restarts == 0 and receipt.verified
    assert "HEAD" not in server.packets() and server.content("x") == payload(SIZE)
    with pytest.raises(ValueError, match="the file is empty"):
        bitsup.upload(b"", server.url("empty"), refuse_empty=True)
    server = serve("fragment: without BITS-Received-Content-Range")
    with pytest.raises(bitsup.ProtocolError):
        bitsup.upload(b"abc", server.url("x"), max_attempts=1)
    bitsup.upload(b"abc", server.url("x"), lenient=True)
    assert server.content("x") == b"abc"


def test_how_much_is_compared_before_going_on(serve: Callable[..., Server], tmp_path: Path) -> None:
    size = 12_000_000
    file = tmp_path / "large.img"
    for check in ("full", "tail"):
        file.write_bytes(payload(size))
        settle(file)
        before = file.stat()
        # Not stored, so that the hashes cover all that the server has.
        server = serve("fragment 6..999: 503")
        with bitsup.Client(state_dir=tmp_path / check) as client:
            upload = client.start(file, server.url("x"), fragment_size=2_000_000, retry_delay=60)
            while upload.progress.acknowledged < 10_000_000:
                assert not upload.wait_until_ended(0.01)
            upload.cancel(keep=True)
            # Not before: the bytes hashed at the end must be those that were sent.
            assert isinstance(upload.exception(30), bitsup.CancelledError)
            with file.open("r+b") as changed:
                changed.write(b"other")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            options: Any = {"resume_check": check}
            # The change time differs, so that the hashes decide, whatever is to be checked else.
            with pytest.raises(bitsup.SourceChangedError):
                client.upload(file, server.url("x"), **options)
            assert not (server.root / "x").exists()


def test_sizes_and_times_are_texts_too(server: Server) -> None:
    """As the tool takes them."""
    content = bytes(300_000)
    ways: list[Any] = [("100K", "10m"), (100 * 1024, timedelta(minutes=10)), ("auto", 600), (None, None)]
    for number, (size, time) in enumerate(ways):
        receipt = bitsup.upload(content, server.url(f"x{number}"), fragment_size=size, stall_timeout=time, max_time=time)
        assert receipt.fragments == (3 if number < 2 else 1)
    with bitsup.Client(limit_rate="100M", uploads_per_host=2, fragment_size="100K") as client:
        assert client.upload(content, server.url("y")).fragments == 3, "a default of the client"
        assert client.upload(content, server.url("z"), fragment_size="200K").fragments == 2
        client.limit_rate = "200M"
        assert client.limit_rate == "200M"
