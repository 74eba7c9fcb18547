"""Who is told of what, as amtool sees it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring.alertmanager import (
    EMAIL_PASSWORD_FILE,
    SLACK_URL_FILE,
    Email,
    Receivers,
    Slack,
    Telegram,
    configuration,
    secret_files,
)
from tests.monitoring.tools import run

EMAIL = Email(
    recipients="ops@shop.example, boss@shop.example",
    sender="alerts@shop.example",
    smarthost="smtp.shop.example:587",
    username="alerts",
    password="EMAIL-SECRET",
)
SLACK = Slack(url="https://hooks.slack.example/SLACK-SECRET", channel="#alerts")
WEBHOOK = "http://127.0.0.1:9999/WEBHOOK-SECRET"
TELEGRAM = Telegram(token="1:TELEGRAM-SECRET", chat_id=-100)
ALL = Receivers(email=EMAIL, slack=SLACK, webhook=WEBHOOK, telegram=TELEGRAM)

EACH = [
    Receivers(),
    Receivers(email=EMAIL),
    Receivers(
        email=Email(recipients="a@b.example", sender="c@b.example", smarthost="b.example:25")
    ),
    Receivers(slack=SLACK),
    Receivers(slack=Slack(url="https://hooks.slack.example/SECRET")),
    Receivers(webhook=WEBHOOK),
    Receivers(telegram=TELEGRAM),
    ALL,
]


def everyone(receivers: Receivers) -> dict[str, Any]:
    made = yaml.safe_load(configuration(receivers, interval=30))["receivers"]
    return {key: value for key, value in made[0].items() if key != "name"}


@pytest.mark.parametrize("receivers", EACH)
def test_alertmanager_takes_it(receivers: Receivers, tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(configuration(receivers, interval=30))
    said = run("amtool", tmp_path, "check-config", "alertmanager.yml")
    assert "SUCCESS" in said


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=Watchdog", "severity=info"], "nobody"),
        (["alertname=HostCpuHigh", "severity=warning", "instance=main"], "everyone"),
        (["alertname=PostgresDown", "severity=critical"], "everyone"),
        (["alertname=CitusLargeLocalTable", "severity=info"], "everyone"),
    ],
)
def test_only_the_watchdog_is_told_to_nobody(
    labels: list[str], receiver: str, tmp_path: Path
) -> None:
    (tmp_path / "alertmanager.yml").write_text(configuration(ALL, interval=30))
    routes = ["config", "routes", "test", "--config.file=alertmanager.yml"]
    run("amtool", tmp_path, *routes, f"--verify.receivers={receiver}", *labels)


def test_every_way_that_is_set_is_used_and_told_of_the_end() -> None:
    ways = everyone(ALL)
    assert set(ways) == {"email_configs", "slack_configs", "webhook_configs", "telegram_configs"}
    assert all(way["send_resolved"] for [way] in ways.values())
    assert everyone(Receivers()) == {}


def test_secrets_are_in_files_where_alertmanager_reads_them_from_there() -> None:
    receivers = Receivers(email=EMAIL, slack=SLACK)
    assert "SECRET" not in configuration(receivers, interval=30)
    assert secret_files(receivers) == {
        EMAIL_PASSWORD_FILE: "EMAIL-SECRET",
        SLACK_URL_FILE: "https://hooks.slack.example/SLACK-SECRET",
    }
    ways = everyone(receivers)
    assert ways["email_configs"][0]["auth_password_file"] == EMAIL_PASSWORD_FILE
    assert ways["slack_configs"][0]["api_url_file"] == SLACK_URL_FILE
    assert secret_files(Receivers(webhook=WEBHOOK, telegram=TELEGRAM)) == {}


def test_secrets_are_not_shown() -> None:
    assert "SECRET" not in repr(ALL)


def test_a_message_comes_after_one_measurement() -> None:
    route = yaml.safe_load(configuration(ALL, interval=15))["route"]
    assert (route["group_wait"], route["group_interval"]) == ("15s", "150s")


def test_what_has_no_instance_silences_nothing() -> None:
    for rule in yaml.safe_load(configuration(ALL, interval=30))["inhibit_rules"]:
        [label] = rule["equal"]
        assert f'{label}!=""' in rule["source_matchers"]
        assert rule["target_matchers"] == ['severity!="critical"']
