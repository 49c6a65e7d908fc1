"""Adapts links for the site.

One that leads out of this folder shows a file as text; a folder or another README is only named. A link named after its
file gets the title of the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = Path(__file__).parents[2]
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)#]+)[^)]*\)")
NAMED_AFTER_FILE = re.compile(r"\[([a-z-]+\.md)\](?=\(\1)")


def is_shown(path: str) -> bool:
    return (TOP / path).is_file() and not path.endswith(".md")


def on_files(files: Files, config: Any) -> Files:
    for page in files.documentation_pages():
        for _, path in OUTSIDE.findall(page.content_string):
            name = f"source/{path}.txt"
            if is_shown(path) and name not in files.src_uris:
                files.append(File.generated(config, name, content=(TOP / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    def link(match: re.Match[str]) -> str:
        text, path = match.groups()
        return f"[{text}](source/{path}.txt)" if is_shown(path) else text

    def title(match: re.Match[str]) -> str:
        heading = (TOP / "docs" / match[1]).read_text().splitlines()[0]
        return f"[{heading.removeprefix('# ')}]"

    if page.is_homepage:
        page.meta["hide"] = ["navigation", "toc"]
    return NAMED_AFTER_FILE.sub(title, OUTSIDE.sub(link, markdown))
