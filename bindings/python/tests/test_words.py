"""Advice names keywords, not the tool's options (OUT-05)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import bitsup
import pytest
from bitsup import _bitsup
from conftest import TOP, Server

KEYWORD = re.compile(r"\b([a-z_]+)=")
CODE = re.compile(r"\b(?:0x[0-9A-Fa-f_]{8,9})\b")


def speaks_python(text: str) -> None:
    assert "--" not in text and "{" not in text and "`bitsup" not in text, text
    for name in KEYWORD.findall(text):
        assert name in bitsup.Options.__annotations__ or name == "state_dir", text


def test_every_explanation_names_keywords_that_exist() -> None:
    table = (TOP / "src/bitsup-proto/src/explain/table.rs").read_text()
    codes = {code.replace("_", "") for code in CODE.findall(table)}
    assert len(codes) > 5
    told = [found for code in [*map(str, range(100, 600)), *codes] for found in bitsup.explain(code)]
    assert len(told) > 30
    for explanation in told:
        speaks_python(explanation.advice)
    assert any("user=" in explanation.advice for explanation in told)
    assert any("lenient=True" in explanation.advice for explanation in told)


def test_what_advice_can_name_exists() -> None:
    names = _bitsup.advised()
    assert len(names) > 15
    for name in names:
        if name.startswith("bitsup."):
            assert callable(getattr(bitsup, name.removeprefix("bitsup.").partition("(")[0]))
        elif name == "state_dir":
            assert name in inspect.signature(bitsup.Client).parameters
        elif not name.startswith("logging."):
            assert name in bitsup.Options.__annotations__, name


def test_errors_and_findings_have_them(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:hunter2")
    with pytest.raises(bitsup.AuthError) as caught:
        bitsup.upload(b"abc", server.url("x"))
    assert "(user=)" in caught.value.advice and caught.value.__notes__ == [caught.value.advice]
    report = bitsup.doctor(server.url("x"))
    problem = report.problem
    assert problem is not None and problem.fix is not None
    assert "user=" in problem.fix and "user=" in report.json
    speaks_python(problem.fix)
    assert "--" not in report.json
    server = serve(None, "--host-id", "node7.elsewhere.invalid")
    with pytest.raises(bitsup.HostIdUntrustedError) as untrusted:
        bitsup.upload(b"abc", server.url("x"))
    assert "trusted_hosts=['node7.elsewhere.invalid']" in untrusted.value.advice
