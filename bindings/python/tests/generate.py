"""Writes what comes from the table of options: the types of keywords, the stub, and the page of the docs.

``python tests/generate.py`` writes them, and so do the tests with ``BITSUP_BLESS=1``.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

TOP = Path(__file__).parents[3]
PACKAGE = TOP / "bindings/python/python/bitsup"
HEAD = "Generated from the table of options by tests/generate.py: do not edit."

TYPES = {
    "text": "str",
    "path": "Path",
    "secret": "str",
    "size": "Size",
    "rate": "Size",
    "duration": "Seconds",
    "count": "int | str",
    "flag": "bool",
    "header": "Headers",
}
UNITS = {"size": "bytes", "rate": "bytes a second", "duration": "seconds"}


class Row(NamedTuple):
    """One option."""

    name: str
    kind: str
    scope: str
    is_list: bool
    default: str | None
    choices: list[tuple[str, str]]
    text: str

    @property
    def type(self) -> str:
        """Its annotation."""
        if self.choices:
            return f"Literal[{', '.join(repr(word) for word, _ in self.choices)}] | None".replace("'", '"')
        if self.name == "no_proxy":
            return "str | Sequence[str] | None"
        return f"{'Sequence[str]' if self.is_list and self.kind == 'text' else TYPES[self.kind]} | None"

    @property
    def about(self) -> list[str]:
        """What is told about it."""
        lines = [self.text, *(f'"{word}": {text}' for word, text in self.choices)]
        if self.kind in UNITS:
            lines.append(f"In {UNITS[self.kind]}.")
        if self.default is not None and self.kind != "flag":
            lines.append(f"Default: {self.default}.")
        return lines


CALLBACKS = [
    (
        "on_credentials",
        "AskForLogin | None",
        "A function that is asked for a login: it gets a ``CredentialRequest`` when the server or the proxy wants one, refused"
        " the one it got, or a token is about to expire, and answers ``(user, password)``, a ``BearerToken``, or ``None``: see"
        " docs/python.md.",
    ),
    (
        "transcript",
        "Transcript | None",
        "A file, which is replaced, or a function that gets one entry at a time on the client's callback thread, for what was"
        " asked and answered, without names, secrets or bytes of the file: see docs/transcripts.md.",
    ),
]


def rows() -> list[Row]:
    """The table, from the native module alone: the package needs what is written here."""
    spec = importlib.util.spec_from_file_location("_bitsup", next(PACKAGE.glob("_bitsup*.so")))
    assert spec is not None and spec.loader is not None
    native: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(native)
    return [Row(*row) for row in native.options()]


def of_uploads(table: list[Row]) -> list[tuple[str, str, list[str]]]:
    """Names, types and texts of the keywords of uploads."""
    own = [(row.name, row.type, row.about) for row in table if row.scope != "client"]
    return own + [(name, kind, [text]) for name, kind, text in CALLBACKS]


def of_clients(table: list[Row]) -> list[tuple[str, str, list[str]]]:
    """The same of ``Client``."""
    own = [(row.name, row.type, row.about) for row in table if row.scope != "upload"]
    return own + [(name, kind, [text]) for name, kind, text in CALLBACKS if name == "on_credentials"]


def options_module() -> str:
    """``_options.py``."""
    table = rows()
    lines = [
        f'"""The keywords. {HEAD}"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Sequence",
        "from typing import Literal, TypedDict",
        "",
        "from ._credentials import AskForLogin",
        "from ._types import Headers, Path, Seconds, Size, Transcript",
    ]
    for name, about, keywords in (
        ("ClientOptions", "The keywords of ``Client``; those of uploads are the defaults of its uploads.", of_clients(table)),
        ("Options", "The keywords that ``upload``, ``start``, ``open``, ``ping`` and the like take.", of_uploads(table)),
    ):
        lines += ["", "", f"class {name}(TypedDict, total=False):"]
        lines += [f'    """{about}', "", "    A plain ``dict``: keep one, and pass it with ``**options``. ``None`` is the default.", '    """', ""]
        for keyword, kind, texts in keywords:
            lines += [f"    {keyword}: {kind}", f'    """{_escaped(" ".join(texts))}"""']
    return "\n".join(lines) + "\n"


def stub() -> str:
    """``__init__.pyi``, with each keyword of each function."""
    table = rows()
    lines = [
        f"# {HEAD}",
        "from collections.abc import Callable, Sequence",
        "from types import TracebackType",
        "from typing import Any, Literal, Self",
        "",
        "from ._types import Headers, Path, Seconds, Size, Transcript",
    ]
    package = ast.parse((PACKAGE / "__init__.py").read_text())
    for node in package.body:
        if isinstance(node, ast.ImportFrom) and node.module not in (None, "__future__", "_client", "_functions"):
            lines += [f"from .{node.module} import {name.name} as {name.name}" for name in node.names]
    names = next(node for node in package.body if isinstance(node, ast.Assign) and "__all__" in ast.unparse(node.targets[0]))
    lines += ["", ast.unparse(names), "", "__version__: str"]
    for module in ("_client", "_functions"):
        for node in ast.parse((PACKAGE / f"{module}.py").read_text()).body:
            if isinstance(node, ast.ClassDef):
                members = [line for member in node.body for line in _signature(member, table)]
                lines += ["", f"class {node.name}:", f'    """{ast.get_docstring(node)}"""', *("    " + line for line in members)]
            elif not (isinstance(node, ast.FunctionDef) and node.name == "shared_client"):
                lines += _signature(node, table)
    return "\n".join(lines) + "\n"


def _signature(node: ast.stmt, table: list[Row]) -> list[str]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    if node.name.startswith("_") and not node.name.startswith("__"):
        return []
    arguments = node.args
    taken = "" if arguments.kwarg is None else ast.unparse(arguments.kwarg.annotation or arguments.kwarg)
    arguments.kwarg = None
    arguments.kw_defaults = [None if given is None else ast.Constant(...) for given in arguments.kw_defaults]
    shown = ast.unparse(arguments)
    if taken:
        keywords = of_clients(table) if "ClientOptions" in taken else of_uploads(table)
        more = ", ".join(f"{name}: {kind} = ..." for name, kind, _ in keywords)
        shown = f"{shown}, {more}" if arguments.kwonlyargs else f"{shown}, *, {more}"
    wrapped = [f"@{text}" for given in node.decorator_list if "shows_options" not in (text := ast.unparse(given))]
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    answer = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    return [*wrapped, f"{kind} {node.name}({shown}){answer}: ..."]


def page() -> str:
    """The page of the docs."""
    table = rows()
    lines = [
        "# Keywords in Python",
        "",
        f"<!-- {HEAD} -->",
        "",
        "For programs in Python. All are optional, and `None` is the default. Sizes are numbers of bytes or texts such as `\"5M\"`, times are seconds, a",
        "`timedelta` or texts such as `\"10m\"`. See [python.md](python.md) for examples.",
    ]
    uploads = of_uploads(table)
    own = [row for row in of_clients(table) if row[0] not in {name for name, _, _ in uploads}]
    for title, keywords in (
        ("Of uploads, and of `Client` as their default", uploads),
        ("Of `Client` alone", own),
    ):
        lines += ["", f"## {title}", "", "| keyword | type | |", "|---|---|---|"]
        for name, kind, texts in keywords:
            shown = kind.removesuffix(" | None").replace("|", "\\|")
            lines.append(f"| `{name}` | `{shown}` | {' '.join(texts).replace('``', '`').replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"') if text.endswith('"') else text.replace("\\", "\\\\")


FILES: dict[Path, Callable[[], str]] = {
    PACKAGE / "_options.py": options_module,
    PACKAGE / "__init__.pyi": stub,
    TOP / "docs/python-options.md": page,
}

if __name__ == "__main__":
    for path, write in FILES.items():
        path.write_text(write())
