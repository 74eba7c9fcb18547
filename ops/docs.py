"""`make docs`: writes the pages that are generated, in English and Spanish."""

import sys
from collections.abc import Callable, Mapping
from gettext import NullTranslations
from pathlib import Path

from babel.messages.catalog import Catalog

from ops import alerts_doc, settings_doc, translation
from ops.stack import REPOSITORY

DOCS = REPOSITORY / "docs"

PAGES: Mapping[str, Callable[[NullTranslations], str]] = {
    "settings.md": settings_doc.page,
    "alerts.md": alerts_doc.page,
}


def sentences() -> Catalog:
    """Every sentence of the pages, in English."""
    collector = translation.Sentences()
    for page in PAGES.values():
        page(collector)
    return collector.template


def rendered() -> Mapping[Path, str]:
    """The pages' texts, by their files."""
    languages = {DOCS: translation.ENGLISH, DOCS / "es": translation.spanish()}
    return {
        folder / name: page(language)
        for folder, language in languages.items()
        for name, page in PAGES.items()
    }


def main() -> int:
    """Brings the catalogue and the pages up to date; 1 when sentences have no Spanish yet."""
    template = sentences()
    translation.update(template)
    for file, text in rendered().items():
        file.write_text(text)
    missing = translation.untranslated(template)
    if missing:
        name = translation.CATALOGUE.relative_to(REPOSITORY)
        print(f"Write the Spanish of these into {name}, then make docs again:", *missing, sep="\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
