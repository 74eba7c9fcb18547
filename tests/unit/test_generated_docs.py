"""The generated pages are up to date, in English and Spanish."""

from pathlib import Path

import pytest

from ops import translation
from ops.docs import rendered, sentences


@pytest.mark.parametrize("file", rendered(), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_a_page_is_up_to_date(file: Path) -> None:
    assert file.read_text() == rendered()[file], "run make docs"


def test_every_sentence_has_its_spanish() -> None:
    missing = translation.untranslated(sentences())
    assert not missing, "run make docs, then write the Spanish of:\n" + "\n".join(missing)


def test_the_catalogue_holds_no_sentence_that_is_on_no_page() -> None:
    assert not translation.stale(sentences()), "run make docs, which takes them out"
