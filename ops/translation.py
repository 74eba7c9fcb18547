"""The Spanish of generated pages: a catalogue of sentences in gettext's format."""

from collections.abc import Sequence
from gettext import GNUTranslations, NullTranslations
from io import BytesIO

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from ops.stack import REPOSITORY

CATALOGUE = REPOSITORY / "docs" / "es" / "catalogue.po"
ENGLISH = NullTranslations()


class Sentences(NullTranslations):
    """Answers in English, and keeps what it was asked for in `template`."""

    def __init__(self) -> None:
        super().__init__()
        self.template = Catalog()

    def gettext(self, message: str) -> str:
        """The sentence itself."""
        self.template.add(message)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The form for this number."""
        self.template.add((msgid1, msgid2))
        return msgid1 if n == 1 else msgid2


def catalogue() -> Catalog:
    """The sentences in English with their Spanish."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="es", ignore_obsolete=True)


def spanish() -> GNUTranslations:
    """The catalogue, to render a page with. What it lacks stays English."""
    compiled = BytesIO()
    write_mo(compiled, catalogue())
    compiled.seek(0)
    return GNUTranslations(compiled)


def update(template: Catalog) -> None:
    """Makes the catalogue hold the template's sentences, in its order, and no others.

    One that was changed keeps the Spanish of the old one, marked `fuzzy`: untranslated until
    somebody has looked at it and taken the mark away.
    """
    updated = catalogue()
    updated.update(template, update_creation_date=False)
    with CATALOGUE.open("wb") as file:
        write_po(file, updated, width=0, ignore_obsolete=True, include_previous=True)


def untranslated(template: Catalog) -> Sequence[str]:
    """The template's sentences that the catalogue has no Spanish for."""
    known = catalogue()
    return [_text(message) for message in template if message.id and not _done(known, message)]


def stale(template: Catalog) -> Sequence[str]:
    """The catalogue's sentences that no page has any more."""
    return [
        _text(message)
        for message in catalogue()
        if message.id and template.get(_text(message)) is None
    ]


def _text(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _done(known: Catalog, message: Message) -> bool:
    found = known.get(_text(message))
    if found is None or found.fuzzy:
        return False
    forms = [found.string] if isinstance(found.string, str) else found.string or [""]
    return all(forms)
