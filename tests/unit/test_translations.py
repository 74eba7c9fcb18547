"""README and each page of `docs/` say the same in English and Spanish, as far as a test can see."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from os.path import relpath
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it.token import Token

from ops.stack import REPOSITORY
from tests.markdown import PARSER, anchors

DOCS = REPOSITORY / "docs"


def _twins() -> Mapping[Path, Path]:
    """Each English page with its Spanish one, also where only one of them is there."""
    names = {page.name for folder in (DOCS, DOCS / "es") for page in folder.glob("*.md")}
    return {
        REPOSITORY / "README.md": REPOSITORY / "README.es.md",
        **{DOCS / name: DOCS / "es" / name for name in sorted(names)},
    }


TWINS = _twins()
OTHER = {**TWINS, **{spanish: english for english, spanish in TWINS.items()}}
"""The same page in the other language."""

every_page = pytest.mark.parametrize(
    ("english", "spanish"), TWINS.items(), ids=[page.name for page in TWINS]
)


class Block(NamedTuple):
    """A piece of a page: a heading, a paragraph, a table's cell, a code block, a list …"""

    kind: str
    text: str  # of a code block, or as it is written
    words: Sequence[Token]  # of what is no code block


def blocks(text: str) -> Iterator[Block]:
    """A page's blocks in their order."""
    tokens = PARSER.parse(text)
    for token, following in zip_longest(tokens, tokens[1:]):
        if token.nesting < 0 or token.type == "inline":
            continue
        kind = f"{token.type} {token.tag} {token.info}".strip()
        if following is not None and following.type == "inline":
            yield Block(kind, following.content, following.children or ())
        else:
            yield Block(kind, token.content, ())


def pairs(english: str, spanish: str) -> Iterator[tuple[Block, Block]]:
    """The blocks of two pages side by side; fails where the pages part."""
    before = "the start"
    for one, other in zip_longest(blocks(english), blocks(spanish)):
        assert one is not None, f"the Spanish page goes on after {before!r}: {other.text!r}"
        assert other is not None, f"the Spanish page ends after {before!r}, before {one.text!r}"
        assert one.kind == other.kind, f"after {before!r} come {one.text!r} and {other.text!r}"
        if not one.words:
            assert other.text == one.text
        before = one.text or before
        yield one, other


def same_names_and_numbers(english: str, spanish: str) -> None:
    """Fails where two pages differ in their blocks, or in the code and numbers within a block."""
    for one, other in pairs(english, spanish):
        assert _names(other) == _names(one), f"{other.text!r} is not {one.text!r}"


def _names(block: Block) -> Sequence[str]:
    code = [token.content for token in block.words if token.type == "code_inline"]
    plain = [token.content for token in block.words if token.type == "text"]
    return sorted([*code, *re.findall(r"\d+", " ".join(plain))])


@every_page
def test_both_are_there_and_link_to_each_other_below_the_title(
    english: Path, spanish: Path
) -> None:
    to_spanish, to_english = relpath(spanish, english.parent), relpath(english, spanish.parent)
    assert english.read_text().splitlines()[2] == f"[Español]({to_spanish})"
    assert spanish.read_text().splitlines()[2] == f"[English]({to_english})"


@every_page
def test_headings_paragraphs_tables_code_names_and_numbers_are_the_same(
    english: Path, spanish: Path
) -> None:
    same_names_and_numbers(english.read_text(), spanish.read_text())


@every_page
def test_spanish_pages_link_to_the_twins_of_what_english_ones_link_to(
    english: Path, spanish: Path
) -> None:
    for one, other in pairs(english.read_text(), spanish.read_text()):
        expected = [_twin(target) for target in _targets(english, one)]
        assert sorted(_targets(spanish, other)) == sorted(expected), other.text


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("# Title\n\n## More", "# Título"),
        ("# Title\n\n## More", "# Título\n\n### Más"),
        ("One.\n\nTwo.", "Uno."),
        ("One.", "Uno.\n\nDos."),
        ("- one\n- two", "- uno"),
        ("| a |\n|---|\n| one |\n| two |", "| a |\n|---|\n| uno |"),
        ("```sh\nmake up\n```", "```sh\nmake down\n```"),
        ("```sh\nmake up\n```", "```\nmake up\n```"),
        ("Set `citus.workers`.", "Cambiar `citus.worker`."),
        ("Wait 5 minutes.", "Esperar 6 minutos."),
    ],
)
def test_a_difference_is_found(english: str, spanish: str) -> None:
    same_names_and_numbers(english, english)
    with pytest.raises(AssertionError):
        same_names_and_numbers(english, spanish)


class Target(NamedTuple):
    """Where a link leads: a page and one of its headings, by number, or an address elsewhere."""

    page: str
    heading: int = -1


def _targets(page: Path, block: Block) -> Iterator[Target]:
    for token in block.words:
        if token.type == "link_open":
            link = unquote(str(token.attrs["href"]))
            address = urlsplit(link)
            if address.scheme:
                yield Target(link)
                continue
            file = (page.parent / address.path).resolve() if address.path else page
            anchor = address.fragment
            yield Target(str(file), anchors(file).index(anchor) if anchor else -1)


def _twin(target: Target) -> Target:
    other = OTHER.get(Path(target.page))
    return Target(str(other), target.heading) if other else target
