"""Who is told of which alert, and how often: `alertmanager.yml`, as a pure function.

Secrets are in files of their own where Alertmanager can read them from there, in Debian's version
0.25 as in current ones. It has no such file for the URL of a webhook and the token of a bot before
0.26: they are in the text, which then is a secret as a whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

EVERYONE = "everyone"
NOBODY = "nobody"
WATCHDOG = "Watchdog"
"""The alert that always fires."""
HOST_DOWN = "HostDown"

EMAIL_PASSWORD_FILE = "/etc/arquitectura/email-password"
SLACK_URL_FILE = "/etc/arquitectura/slack-url"

CRITICAL_REPEAT = "4h"
REPEAT = "1d"
"""When a message is sent again while nothing has changed."""
GROUP_INTERVALS = 10
"""Measurements from one message on a group of alerts to the next with what has changed."""

TITLE = "{{ .Status | toUpper }}: {{ .CommonLabels.alertname }}"
TEXT = (
    "{{ range .Alerts }}"
    '{{ if eq .Status "resolved" }}Over: {{ end }}{{ .Annotations.summary }}\n'
    "{{ end }}"
    "{{ with .CommonAnnotations.description }}\n{{ . }}\n{{ end }}"
    "{{ .CommonAnnotations.runbook_url }}"
)


@dataclass(frozen=True, kw_only=True)
class Email:
    """Messages by e-mail.

    Attributes:
        recipients: addresses, with commas between them.
        sender: address.
        smarthost: `host:port` of the mail server, with STARTTLS, or TLS at port 465.
        username: logs in as this user, if it must.
        password: of the user; secret.
    """

    recipients: str
    sender: str
    smarthost: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Slack:
    """Messages to Slack.

    Attributes:
        url: of the incoming webhook; secret.
        channel: None: the webhook's own.
    """

    url: str = field(repr=False)
    channel: str | None = None


@dataclass(frozen=True, kw_only=True)
class Telegram:
    """Messages to a chat of Telegram.

    Attributes:
        token: of the bot; secret.
        chat_id: negative for a group.
    """

    token: str = field(repr=False)
    chat_id: int


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """Where messages go: to each that is there. `webhook` is a URL, and a secret."""

    email: Email | None = None
    slack: Slack | None = None
    webhook: str | None = field(default=None, repr=False)
    telegram: Telegram | None = None


def secret_files(receivers: Receivers) -> Mapping[str, str]:
    """The text of the files that the configuration names, by their paths; secret."""
    files = {}
    if receivers.email and receivers.email.password is not None:
        files[EMAIL_PASSWORD_FILE] = receivers.email.password
    if receivers.slack:
        files[SLACK_URL_FILE] = receivers.slack.url
    return files


def configuration(receivers: Receivers, *, interval: int) -> str:
    """The text of `alertmanager.yml`. It holds a secret with a webhook or Telegram.

    Args:
        receivers: where messages go.
        interval: seconds between two measurements: what has one cause fires within one.
    """
    return yaml.safe_dump(
        {
            "route": {
                "receiver": EVERYONE,
                # One message on a server's end, and not one for each container of it.
                "group_by": ["alertname"],
                "group_wait": f"{interval}s",
                "group_interval": f"{GROUP_INTERVALS * interval}s",
                "repeat_interval": REPEAT,
                "routes": [
                    {"matchers": [f'alertname="{WATCHDOG}"'], "receiver": NOBODY},
                    {
                        "matchers": ['severity="critical"'],
                        "receiver": EVERYONE,
                        "repeat_interval": CRITICAL_REPEAT,
                    },
                ],
            },
            "inhibit_rules": [
                _inhibition("instance", 'severity="critical"'),
                _inhibition("host", f'alertname="{HOST_DOWN}"'),
            ],
            "receivers": [{"name": EVERYONE, **dict(_ways(receivers))}, {"name": NOBODY}],
        },
        sort_keys=False,
    )


def _inhibition(label: str, source: str) -> dict[str, Any]:
    """Lesser alerts are not sent while one fires that explains them, with the same label."""
    return {
        # Without it, alerts that have no such label would all be of the same.
        "source_matchers": [source, f'{label}!=""'],
        "target_matchers": ['severity!="critical"'],
        "equal": [label],
    }


def _ways(receivers: Receivers) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if email := receivers.email:
        login: dict[str, Any] = {}
        if email.username is not None:
            login["auth_username"] = email.username
        if email.password is not None:
            login["auth_password_file"] = EMAIL_PASSWORD_FILE
        yield (
            "email_configs",
            [
                {
                    "to": email.recipients,
                    "from": email.sender,
                    "smarthost": email.smarthost,
                    **login,
                    "headers": {"Subject": TITLE},
                    "send_resolved": True,
                }
            ],
        )
    if slack := receivers.slack:
        channel = {} if slack.channel is None else {"channel": slack.channel}
        yield (
            "slack_configs",
            [
                {
                    "api_url_file": SLACK_URL_FILE,
                    **channel,
                    "title": TITLE,
                    "text": TEXT,
                    "send_resolved": True,
                }
            ],
        )
    if receivers.webhook is not None:
        yield "webhook_configs", [{"url": receivers.webhook, "send_resolved": True}]
    if telegram := receivers.telegram:
        yield (
            "telegram_configs",
            [
                {
                    "bot_token": telegram.token,
                    "chat_id": telegram.chat_id,
                    "message": f"{TITLE}\n{TEXT}",
                    "parse_mode": "",  # plain
                    "send_resolved": True,
                }
            ],
        )
