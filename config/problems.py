"""Turns what is wrong with a config into sentences for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

PROVIDER_TAG = "provider="
"""Before the value of `provider`, in pydantic's location of what depends on it."""

SECRETS = ("token", "password", "url")
"""Settings whose value is not shown."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, and what to do about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigError(Exception):
    """The config cannot be used. Its text lists every problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  arquitectura:{problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' * (count > 1)} in the stack's config:{lines}")


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """The problems that pydantic found while it validated `model`."""
    details = error.errors()
    return [
        Problem(_path(detail["loc"]), _message(detail, model))
        for detail in details
        # A list whose items are wrong also counts as empty.
        if not (detail["type"] == "too_short" and _deeper(detail, details))
    ]


def _deeper(detail: ErrorDetails, details: Iterable[ErrorDetails]) -> bool:
    depth = len(detail["loc"])
    return any(
        len(other["loc"]) > depth and other["loc"][:depth] == detail["loc"] for other in details
    )


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for part in location:
        if part == "[key]" or str(part).startswith(PROVIDER_TAG):
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    value, context = detail["input"], detail.get("ctx", {})
    if detail["loc"][-1] in SECRETS and detail["type"] not in ("missing", "extra_forbidden"):
        return "is not a text"
    match detail["type"]:
        case "greater_than_equal":
            return f"{value} is too small, at least {_plain(context['ge'])}"
        case "greater_than":
            return f"{value} is too small, more than {_plain(context['gt'])}"
        case "less_than_equal":
            return f"{value} is too large, at most {_plain(context['le'])}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{value!r} is not a whole number"
        case "float_type" | "float_parsing":
            return f"{value!r} is not a number"
        case "bool_type" | "bool_parsing":
            return f"{value!r} is neither true nor false"
        case "string_type":
            return f"{value!r} is not a text"
        case "literal_error":
            return f"{value!r} is not one of {context['expected']}"
        case "too_short":
            return f"must not be empty{_command(detail['loc'], model)}"
        case "missing":
            return _missing(detail["loc"], model)
        case "union_tag_invalid":
            valid = context["expected_tags"].replace(PROVIDER_TAG, "")
            return f"provider {context['tag'].removeprefix(PROVIDER_TAG)!r} is not one of {valid}"
        case (
            "union_tag_not_found"
            | "model_type"
            | "model_attributes_type"
            | "dict_type"
            | "tuple_type"
        ):
            if value is None:
                return "is empty: leave it out, or write {} for all defaults"
            kind = "a list" if detail["type"] == "tuple_type" else "a group of keys"
            return f"{value!r} is not {kind}"
        case "extra_forbidden":
            valid = ", ".join(_keys(model, detail["loc"][:-1]))
            return f"unknown key, the valid ones are {valid}"
        case "value_error":
            return f"{value!r}: {context['error']}"
        case _:
            return f"{value!r}: {detail['msg']}"


def _plain(bound: Any) -> Any:
    return int(bound) if float(bound).is_integer() else bound


def _missing(location: Sequence[int | str], model: type[BaseModel]) -> str:
    return f"is missing{_command(location, model)}"


def _command(location: Sequence[int | str], model: type[BaseModel]) -> str:
    """How to set what is missing, where the setting has an example, or the first of a section."""
    section = _annotation(model, location[:-1])
    field = section.model_fields.get(location[-1])
    if not field:
        return ""
    if not field.examples:
        inside = getattr(field.annotation, "model_fields", {})
        first = next((key for key, within in inside.items() if within.examples), None)
        return _command([*location, first], model) if first else ""
    index = "[0]" if get_origin(field.annotation) is tuple else ""
    (example,) = field.examples
    options, value = ("--secret --path", "") if example == "--secret" else ("--path", f" {example}")
    return f": pulumi config set {options} 'arquitectura:{_path(location)}{index}'{value}"


def _keys(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The valid keys of the section at `location` inside `model`."""
    fields = _annotation(model, location).model_fields
    return sorted(field.alias or name for name, field in fields.items())


def _annotation(model: type[BaseModel], location: Sequence[int | str]) -> Any:
    """The model of the section at `location`."""
    annotation: Any = model
    for part in location:
        fields = getattr(annotation, "model_fields", None)
        if fields and part in fields:
            annotation = _without_none(fields[part].annotation)
        elif str(part).startswith(PROVIDER_TAG):
            annotation = next(a for a in get_args(annotation) if Tag(str(part)) in a.__metadata__)
            annotation = annotation.__origin__
        else:  # an index into a list, or a name that the user chose
            annotation = [a for a in get_args(annotation) if a is not Ellipsis][-1]
    return annotation


def _without_none(annotation: Any) -> Any:
    """The model of an optional section."""
    arguments = get_args(annotation)
    if type(None) not in arguments:
        return annotation
    (other,) = (argument for argument in arguments if argument is not type(None))
    return other
