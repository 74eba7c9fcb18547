"""`make docs`: writes `docs/settings.md` from the settings' own descriptions."""

import json
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.settings import Settings
from ops.stack import REPOSITORY

PAGE = REPOSITORY / "docs" / "settings.md"

HEADER = """# Settings

Every key of `Pulumi.<stack>.yaml`, below `arquitectura:`. Set one with its path:

```sh
pulumi config set --stack dev --path 'arquitectura:citus.workers' 3
```

The program checks all of them before it touches anything, and says everything that is wrong at
once. This page is written by `make docs`.

| Key | Default | What it does |
|---|---|---|
"""


def page() -> str:
    """The page's text."""
    return HEADER + "".join(_rows(Settings, ""))


def _rows(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        description = " ".join((field.description or "").split())
        section, suffix = _section(field.annotation)
        key = f"{path}{name}{suffix}"
        default = "" if section else f"`{_default(field)}`"
        yield f"| `{key}` | {default} | {description} |\n"
        if section:
            yield from _rows(section, f"{key}.")


def _section(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model inside an annotation, and how its place is written in a path."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return _section(arguments[1])[0], ".<name>"
    if origin is tuple and (section := _section(arguments[0])[0]):
        return section, "[]"
    return None, ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default()
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def main() -> int:
    """Writes the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
