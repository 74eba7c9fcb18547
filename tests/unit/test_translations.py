"""README and each page of `docs/` say the same in English and Spanish, as far as a test can see."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from os.path import relpath
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it.token import Token

from ops.stack import REPOSITORY
from tests.markdown import PARSER, anchors


def twin(page: Path) -> Path | None:
    """The same page in the other language; None for what is in one language only."""
    match page.relative_to(REPOSITORY).parts:
        case ("README.md",):
            return REPOSITORY / "README.es.md"
        case ("README.es.md",):
            return REPOSITORY / "README.md"
        case ("docs", name) if name.endswith(".md"):
            return REPOSITORY / "docs" / "es" / name
        case ("docs", "es", name) if name.endswith(".md"):
            return REPOSITORY / "docs" / name
    return None


def _pages() -> Sequence[str]:
    """Every page that is there in either language, by the name of the English one."""
    docs = REPOSITORY / "docs"
    names = {page.name for folder in (docs, docs / "es") for page in folder.glob("*.md")}
    return ["README.md", *sorted(f"docs/{name}" for name in names)]


PAGES = _pages()


class Block(NamedTuple):
    """A piece of a page: a heading, a paragraph, a table's cell, a code block, a list …"""

    kind: str
    text: str  # a code block's content, or the source of what is read
    spoken: Token | None  # what is read, parsed


@cache
def blocks(page: Path) -> Sequence[Block]:
    """A page's blocks in their order."""
    assert page.exists(), f"{page.relative_to(REPOSITORY)} is missing"
    return list(_blocks(PARSER.parse(page.read_text())))


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    for token, following in zip_longest(tokens, tokens[1:]):
        if token.nesting < 0 or token.type == "inline":
            continue
        spoken = following if following is not None and following.type == "inline" else None
        kind = f"{token.type} {token.tag} {token.info}".strip()
        yield Block(kind, spoken.content if spoken else token.content, spoken)


def pairs(name: str) -> Iterator[tuple[Block, Block]]:
    """The blocks of a page with their Spanish; the test fails where the pages part."""
    page = REPOSITORY / name
    other = twin(page)
    assert other is not None
    before = "its start"
    for english, spanish in zip_longest(blocks(page), blocks(other)):
        here = f"{name} and {other.relative_to(REPOSITORY)} part after {before!r}"
        assert english is not None and spanish is not None, f"{here}: one ends"
        assert english.kind == spanish.kind, f"{here}: {english.text!r}, {spanish.text!r}"
        before = english.text or before
        yield english, spanish


def spans(block: Block, kind: str) -> Sequence[Token]:
    """The tokens of this kind in what is read."""
    children = (block.spoken.children or ()) if block.spoken else ()
    return [child for child in children if child.type == kind]


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_the_same_headings_paragraphs_tables_and_code(name: str) -> None:
    for english, spanish in pairs(name):
        if english.spoken is None:
            assert spanish.text == english.text


@pytest.mark.parametrize("name", PAGES)
def test_the_same_names_and_numbers_stand_in_the_same_place(name: str) -> None:
    for english, spanish in pairs(name):
        assert _names(spanish) == _names(english), f"{spanish.text!r} is not {english.text!r}"


def _names(block: Block) -> Sequence[str]:
    code = [token.content for token in spans(block, "code_inline")]
    return sorted(code + [n for t in spans(block, "text") for n in re.findall(r"\d+", t.content)])


@pytest.mark.parametrize("name", PAGES)
def test_a_spanish_page_links_to_the_spanish_twins_of_what_the_english_one_links_to(
    name: str,
) -> None:
    page = REPOSITORY / name
    other = twin(page)
    assert other is not None
    for english, spanish in pairs(name):
        expected = [_in_spanish(*_target(page, link)) for link in _links(english)]
        found = [_place(*_target(other, link)) for link in _links(spanish)]
        assert sorted(found) == sorted(expected), spanish.text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_links_to_its_twin_below_its_title(name: str) -> None:
    page = REPOSITORY / name
    other = twin(page)
    assert other is not None
    to_spanish, to_english = relpath(other, page.parent), relpath(page, other.parent)
    assert page.read_text().splitlines()[2] == f"[Español]({to_spanish})"
    assert other.read_text().splitlines()[2] == f"[English]({to_english})"


def _links(block: Block) -> Sequence[str]:
    return [unquote(str(token.attrs["href"])) for token in spans(block, "link_open")]


def _target(page: Path, link: str) -> tuple[Path | None, str]:
    """Where a link leads: a file here and a heading's anchor, or an address elsewhere."""
    address = urlsplit(link)
    if address.scheme:
        return None, link
    return (page.parent / address.path).resolve() if address.path else page, address.fragment


def _place(file: Path | None, anchor: str) -> str:
    """A link's target, its heading by number: its words differ in the two languages."""
    if file is None:
        return anchor
    heading = f" heading {anchors(file).index(anchor)}" if anchor else ""
    return f"{file.relative_to(REPOSITORY)}{heading}"


def _in_spanish(file: Path | None, anchor: str) -> str:
    other = twin(file) if file else None
    if file is None or other is None:
        return _place(file, anchor)
    return _place(file, anchor).replace(
        str(file.relative_to(REPOSITORY)), str(other.relative_to(REPOSITORY))
    )
