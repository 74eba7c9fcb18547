"""The page `settings.md`, from the settings' own descriptions."""

import json
from collections.abc import Collection, Iterator, Sequence
from gettext import NullTranslations
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.settings import Settings
from ops.translation import ENGLISH

HEADER = """# Settings

[Español](es/settings.md)

Every key of `Pulumi.<stack>.yaml`, below `arquitectura:`. Set one with its path:

```sh
pulumi config set --stack dev --path 'arquitectura:citus.workers' 3
```

The program checks all of them before it touches anything, and says everything that is wrong at
once. This page is written by `make docs`.

| Key | Default | What it does |
|---|---|---|
"""


def page(language: NullTranslations = ENGLISH) -> str:
    """The page's text."""
    return language.gettext(HEADER) + "".join(_rows(Settings, "", language))


def _rows(
    model: type[BaseModel], path: str, language: NullTranslations, known: Collection[str] = ()
) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in known:
            continue
        description = " ".join((field.description or "").split())
        sections, suffix = _sections(field.annotation)
        key = f"{path}{field.alias or name}{suffix}"
        default = "" if sections else _default(field, language)
        yield f"| `{key}` | {default} | {language.gettext(description)} |\n"
        shown: set[str] = set()
        for section in sections:  # several where one key says which of them it is
            yield from _rows(section, f"{key}.", language, shown)
            shown |= set(section.model_fields)


def _sections(annotation: Any) -> tuple[Sequence[type[BaseModel]], str]:
    """The models inside an annotation, and how their place is written in a path."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation], ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return _sections(arguments[1])[0], ".<name>"
    if origin is tuple:
        return _sections(arguments[0])[0], "[]" if _sections(arguments[0])[0] else ""
    if origin is Annotated:
        return _sections(arguments[0])
    if origin in (Union, UnionType):
        return [model for argument in arguments for model in _sections(argument)[0]], ""
    return [], ""


def _default(field: FieldInfo, language: NullTranslations) -> str:
    if field.is_required():
        return language.gettext("required")
    value = field.get_default()
    if value is None:
        return language.gettext("none")
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
