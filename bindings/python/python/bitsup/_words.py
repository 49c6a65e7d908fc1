"""The library speaks of the tool's options; here they have other names."""

from __future__ import annotations

import re

_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*[a-z])(?: (FILE|try|ignore)\b)?")
_HOST = re.compile(r"(?<![\w-])--trusted-host ([^\s)]+)")

_OTHER_NAMES = {"cacert": "ca_file", "noproxy": "no_proxy", "pinnedpubkey": "pinned_public_key", "record": "transcript"}
_SWITCHES = frozenset({"allow_cleartext_credentials", "fresh"})
_ELSEWHERE = {"trace": "logging.getLogger('bitsup') at its level DEBUG", "version": "--version"}


def in_keywords(text: str) -> str:
    """``text`` with keywords in place of the tool's options: ``ca_file=FILE`` for ``--cacert FILE``."""
    text = _HOST.sub(r"trusted_hosts=['\1']", text)
    return _OPTION.sub(_keyword, text)


def _keyword(found: re.Match[str]) -> str:
    option, value = found.groups()
    if option in _ELSEWHERE:
        return _ELSEWHERE[option]
    name = _OTHER_NAMES.get(option) or option.replace("-", "_")
    if name in _SWITCHES:
        return f"{name}=True"
    if value is None:
        return f"{name}="
    return f"{name}={value}" if value.isupper() else f"{name}={value!r}"
