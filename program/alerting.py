"""Alertmanager's configuration from the settings."""

from collections.abc import Mapping

import pulumi
from pydantic import SecretStr

from components.monitoring.alertmanager import (
    Email,
    Receivers,
    Slack,
    Telegram,
    configuration,
    secret_files,
)
from config.settings import AlertSettings, EmailSettings


def alerting(
    settings: AlertSettings, *, interval: int
) -> tuple[pulumi.Output[str], Mapping[str, pulumi.Output[str]]]:
    """The text of `alertmanager.yml` and of the files that it names, by their paths; secret."""
    receivers = _receivers(settings)
    return (
        pulumi.Output.secret(configuration(receivers, interval=interval)),
        {path: pulumi.Output.secret(text) for path, text in secret_files(receivers).items()},
    )


def _receivers(settings: AlertSettings) -> Receivers:
    email, slack, webhook, telegram = (
        settings.email,
        settings.slack,
        settings.webhook,
        settings.telegram,
    )
    return Receivers(
        email=_email(email) if email else None,
        slack=Slack(url=_text(slack.url), channel=slack.channel) if slack else None,
        webhook=_text(webhook.url) if webhook else None,
        telegram=Telegram(token=_text(telegram.token), chat_id=telegram.chat_id)
        if telegram
        else None,
    )


def _email(settings: EmailSettings) -> Email:
    return Email(
        recipients=settings.to,
        sender=settings.from_,
        smarthost=settings.smarthost,
        username=settings.username,
        password=_text(settings.password) if settings.password else None,
    )


def _text(secret: SecretStr) -> str:
    return secret.get_secret_value()
