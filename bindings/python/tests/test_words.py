"""Advice names keywords, not the tool's options."""

from __future__ import annotations

import re
from collections.abc import Callable

import bitsup
import pytest
from bitsup._words import in_keywords
from conftest import TOP, Server

STRING = re.compile(r'"(?:[^"\\\\]|\\\\.)*"', re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[a-z]")
KEYWORD = re.compile(r"\b([a-z_]+)=")


def test_every_advice_names_keywords_that_exist() -> None:
    """All that stands in the library's sources, but for their tests."""
    seen = 0
    for crate in ("bitsup", "bitsup-proto"):
        for file in (TOP / "src" / crate / "src").rglob("*.rs"):
            text = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("//"))
            for words in STRING.findall(text.partition("#[cfg(test)]")[0]):
                if not OPTION.search(words):
                    continue
                seen += 1
                told = in_keywords(words)
                assert not OPTION.search(told.replace("bitsup --version", "")), f"{file.name}: {told}"
                for name in KEYWORD.findall(told):
                    assert name in bitsup.Options.__annotations__, f"{file.name}: {told}"
    assert seen >= 20


def test_the_words() -> None:
    for tool, python in (
        ("trust it: --cacert FILE with it", "trust it: ca_file=FILE with it"),
        ("start anew (--fresh).", "start anew (fresh=True)."),
        ("smaller --max-fragment because", "smaller max_fragment= because"),
        ("(--if-exists try)", "(if_exists='try')"),
        ("`--host-id ignore` stays", "`host_id='ignore'` stays"),
        ("(to allow it: --trusted-host node-7.example)", "(to allow it: trusted_hosts=['node-7.example'])"),
        ("See `bitsup --version`", "See `bitsup --version`"),
        ("xn--fresh.example and a--user", "xn--fresh.example and a--user"),
        ("openssl pkcs12 -legacy", "openssl pkcs12 -legacy"),
    ):
        assert in_keywords(tool) == python


def test_errors_explanations_and_findings_have_them(serve: Callable[..., Server]) -> None:
    server = serve(None, "--user", "u:hunter2")
    with pytest.raises(bitsup.AuthError) as caught:
        bitsup.upload(b"abc", server.url("x"))
    assert "(user=)" in caught.value.advice and caught.value.__notes__ == [caught.value.advice]
    (explanation,) = [found for found in bitsup.explain(401) if found.hresult is None] or bitsup.explain(401)[:1]
    assert "user=" in explanation.advice and "--" not in explanation.advice
    problem = bitsup.doctor(server.url("x")).problem
    assert problem is not None and problem.fix is not None
    assert "user=" in problem.fix and "--" not in problem.fix
    server = serve(None, "--host-id", "node7.elsewhere.invalid")
    with pytest.raises(bitsup.HostIdUntrustedError, match=r"trusted_hosts=\['node7\.elsewhere\.invalid'\]"):
        bitsup.upload(b"abc", server.url("x"))
