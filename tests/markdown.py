"""The pages of the documentation as their readers see them: headings, links, code."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ops.stack import REPOSITORY

PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its language, its text, the line that it begins at."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def pages() -> Sequence[Path]:
    """README and everything in `docs`, in all languages."""
    return sorted([*REPOSITORY.glob("README*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of code of a page."""
    for token in _tokens(page):
        if token.type == "fence":
            line = (token.map or [0])[0] + 1
            yield Block(page, line, token.info.strip(), token.content)


def headings(page: Path) -> Iterator[str]:
    """The text of a page's headings, without marks."""
    tokens = _tokens(page)
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            yield "".join(
                child.content
                for child in token.children or ()
                if child.type in ("text", "code_inline")
            )


def anchors(page: Path) -> Sequence[str]:
    """What a link to each part of the page names, by GitHub's rule."""
    seen: Counter[str] = Counter()
    found = []
    for heading in headings(page):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links."""
    for child in _inline(page):
        if child.type == "link_open":
            yield unquote(str(child.attrs["href"]))


def inline_code(page: Path) -> Iterator[str]:
    """What stands as code within a page's sentences."""
    for child in _inline(page):
        if child.type == "code_inline":
            yield " ".join(child.content.split())


def _inline(page: Path) -> Iterator[Token]:
    for token in _tokens(page):
        yield from token.children or ()


@cache
def _tokens(page: Path) -> Sequence[Token]:
    return PARSER.parse(page.read_text())
