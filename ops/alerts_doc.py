"""The page `alerts.md`, from the alerts' own annotations."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from gettext import NullTranslations
from typing import Any

import yaml

from components.monitoring.thresholds import PREFIX
from ops.stack import REPOSITORY
from ops.translation import ENGLISH

RULES = REPOSITORY / "components" / "monitoring" / "rules"

TITLES = {
    "hosts": "Hosts",
    "containers": "Containers",
    "postgres": "PostgreSQL",
    "citus": "Citus",
    "minio": "MinIO",
    "edge": "The edge",
    "monitoring": "The monitoring itself",
}
"""The files of rules, in the page's order, and their headings."""

HEADER = """# Alerts

[Español](es/alerts.md)

What fires, what it means, and what to do. `critical`: something does not work, or is about to
stop. `warning`: something will, if nobody looks in the next days. `info`: worth knowing.

Thresholds are settings, with their defaults in [settings](settings.md); where alerts are sent is
one, too:

```sh
pulumi config set --stack prod --path 'arquitectura:monitoring.thresholds.cpu_percent' 90
pulumi config set --stack prod --path --secret 'arquitectura:monitoring.alerts.slack.url' URL
```

Alerts of one kind come in one message. What is critical silences the lesser alerts of the same
instance, and a host that is down those of everything on it. A message comes again after a day, a
critical one after four hours, and once when it is over.

This page is written by `make docs`, from `components/monitoring/rules`.
"""

DURATIONS = {
    "m": ("after {} minute", "after {} minutes"),
    "h": ("after {} hour", "after {} hours"),
}


def alerts(file: str) -> Sequence[Mapping[str, Any]]:
    """The alerts of a file of rules, by its name without the suffix."""
    groups = yaml.safe_load((RULES / f"{file}.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def page(language: NullTranslations = ENGLISH) -> str:
    """The page's text."""
    return language.gettext(HEADER) + "".join(
        f"\n## {language.gettext(title)}\n"
        + "".join(_paragraph(alert, language) for alert in alerts(file))
        for file, title in TITLES.items()
    )


def _paragraph(alert: Mapping[str, Any], language: NullTranslations) -> str:
    annotations = alert["annotations"]
    return (
        f"\n### {alert['alert']}\n\n"
        f"{_wrapped(_message(_readable(annotations['summary']), language))}\n\n"
        f"{', '.join(_circumstances(alert, language))}.\n\n"
        f"{_wrapped(language.gettext(annotations['description']))}\n"
    )


def _message(text: str, language: NullTranslations) -> str:
    """What people get, which is English, and what it means where that is another language."""
    meaning = language.gettext(text)
    return f"`{text}`" if meaning == text else f"`{text}`: {meaning}."


def _circumstances(alert: Mapping[str, Any], language: NullTranslations) -> Iterator[str]:
    yield f"**{alert['labels']['severity']}**"
    if duration := alert.get("for"):
        number = int(duration[:-1])
        yield language.ngettext(*DURATIONS[duration[-1]], number).format(number)
    for threshold in re.findall(rf"{PREFIX}(\w+)", alert["expr"]):
        yield f"{language.gettext('threshold')} `monitoring.thresholds.{threshold}`"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_on_hyphens=False, break_long_words=False)


def _readable(template: str) -> str:
    """A message with `<name>` for what is filled in."""
    return re.sub(r"\{\{ \$(?:labels\.)?(\w+).*? \}\}", r"<\1>", template)
