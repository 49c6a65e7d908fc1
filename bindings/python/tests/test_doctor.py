"""What stands between this machine and an upload."""

from __future__ import annotations

import json
import pickle
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bitsup
import pytest
from conftest import Server
from peer import ACK, Peer


def test_a_server_that_is_as_it_should_be(server: Server) -> None:
    report = bitsup.doctor(server.url("x?key=hunter2"))
    assert report.problem is None and "hunter2" not in repr(report) + report.json
    assert report.url.startswith(server.url("x"))
    verdicts = {finding.check: finding.verdict for finding in report.findings}
    assert verdicts["verb"] == verdicts["session"] == verdicts["connection"] == "good"
    assert verdicts["certificates"] == "skipped", "plain http"
    assert server.packets()[-1] == "Cancel-Session" and list(server.root.glob("[!.]*")) == []
    assert pickle.loads(pickle.dumps(report)) == report
    told = json.loads(report.json)
    assert [finding["detail"] for finding in told["findings"]] == [finding.detail for finding in report.findings]
    assert [finding.check for finding in report.findings] == [
        "proxy",
        "name",
        "connection",
        "certificates",
        "verb",
        "authentication",
        "clock",
        "session",
        "host_id",
        "fragment",
        "cleanup",
        "state",
    ], "and Finding.check names each of them"


def test_a_problem_says_what_to_do(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:hunter2")
    with bitsup.Client() as client:
        problem = client.doctor(server.url("x")).problem
        assert problem is not None and problem.check == "authentication" and problem.kind == "Auth", problem
        assert problem.detail and problem.fix
        login: Any = {"user": "u", "password": "hunter2", "allow_cleartext_credentials": True}
        good = client.doctor(server.url("x"), **login)
        assert good.problem is None and "hunter2" not in repr(good)

        def ask(_: bitsup.CredentialRequest) -> bitsup.Login:
            return ("u", "hunter2")

        asked = client.doctor(server.url("x"), on_credentials=ask, allow_cleartext_credentials=True)
        assert asked.problem is None

        def locked(_: bitsup.CredentialRequest) -> bitsup.Login:
            raise LookupError("the vault is locked")

        with pytest.raises(LookupError, match="the vault is locked"):
            client.doctor(server.url("x"), on_credentials=locked)

        closed = client.doctor("http://127.0.0.1:9/x")
        assert closed.problem is not None and closed.problem.check == "connection"
        assert closed.problem.kind == "Network" and closed.findings[-1].verdict == "skipped"
        with pytest.raises(ValueError, match="scheme"):
            client.doctor("ftp://127.0.0.1/x")
        with pytest.raises(TypeError, match="no option"):
            client.doctor("http://127.0.0.1/x", nonsense=5)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="closed"):
        client.doctor(server.url("x"))


def test_a_certificate_that_closed_trusts(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca")
    with Peer(*[ACK] * 9, tls=tls) as peer:
        url = f"https://127.0.0.1:{peer.port}/x"
        problem = bitsup.doctor(url).problem
        trusted = bitsup.doctor(url, ca_file=tmp_path / "ca")
    assert problem is not None and (problem.check, problem.kind) == ("verb", "Tls"), problem
    assert problem.fix is not None
    assert [finding.verdict for finding in trusted.findings if finding.check == "verb"] == ["good"]
