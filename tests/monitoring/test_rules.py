"""Rules: their form, and what fires when, as promtool sees it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring.thresholds import EXPECTED, PREFIX, threshold_rules
from config.settings import ThresholdSettings
from ops.alerts_doc import RULES, TITLES, alerts, page
from tests.monitoring.tools import run

HERE = Path(__file__).parent
TOLD_ELSEWHERE = ("description", "runbook_url")
"""Annotations without anything filled in: tests of rules need not repeat them."""
NEVER_SILENT = {"Watchdog"}

FILES = sorted(RULES.glob("*.yaml"))
ALERTS = [alert for file in TITLES for alert in alerts(file)]
THRESHOLDS = threshold_rules(ThresholdSettings().model_dump())


def rules() -> Iterator[Mapping[str, Any]]:
    for file in FILES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All rules, with only the summary of each alert's annotations."""
    for file in FILES:
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            for rule in group["rules"]:
                for annotation in TOLD_ELSEWHERE:
                    rule.get("annotations", {}).pop(annotation, None)
        (tmp_path / file.name).write_text(yaml.safe_dump(content, sort_keys=False))
    (tmp_path / "thresholds.yaml").write_text(THRESHOLDS)
    return tmp_path


def test_rules_are_valid_as_shipped(tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "thresholds.yaml").write_text(THRESHOLDS)
    run("promtool", tmp_path, "check", "rules", *sorted(path.name for path in tmp_path.iterdir()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(file: Path, folder: Path) -> None:
    tests = folder / f"tests-{file.name}"
    tests.write_text((HERE / "rules" / file.name).read_text())
    run("promtool", folder, "test", "rules", tests.name)


def cases(file: str, alert: str) -> Sequence[Mapping[str, Any]]:
    tests = yaml.safe_load((HERE / "rules" / f"{file}.yaml").read_text())["tests"]
    return [
        case
        for test in tests
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]


@pytest.mark.parametrize("file", TITLES)
def test_every_alert_is_tested_both_firing_and_silent(file: str) -> None:
    for alert in alerts(file):
        name = alert["alert"]
        tested = cases(file, name)
        assert any(case.get("exp_alerts") for case in tested), f"{name} is never seen to fire"
        silent = any(not case.get("exp_alerts") for case in tested)
        assert silent or name in NEVER_SILENT, f"{name} is never seen to be silent"


def test_every_file_is_on_the_page() -> None:
    assert {file.stem for file in FILES} == set(TITLES)


def test_alerts_have_names_of_their_own() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: Mapping[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert "{{" not in annotations["description"], "the page could not show it"
    assert annotations["runbook_url"] == f"docs/alerts.md#{alert['alert'].lower()}"
    assert f"\n### {alert['alert']}\n" in page()


def test_records_are_named_level_metric_operation() -> None:
    records = [rule["record"] for rule in rules() if "record" in rule]
    assert len(records) == len(set(records))
    assert all(re.fullmatch(r"[a-z]+(:[a-z0-9]+(_[a-z0-9]+)*){2}", name) for name in records)


def test_what_alerts_compare_with_is_made_from_the_config() -> None:
    made = {rule["record"] for rule in yaml.safe_load(THRESHOLDS)["groups"][0]["rules"]}
    used = {name for rule in rules() for name in re.findall(r"arquitectura:[\w:]+", rule["expr"])}
    assert used == made


def test_a_threshold_is_what_the_config_says() -> None:
    text = threshold_rules({"cpu_percent": 90, "shard_imbalance_ratio": 1.5})
    made = yaml.safe_load(text)["groups"][0]["rules"]
    assert made == [
        {"record": f"{PREFIX}cpu_percent", "expr": "vector(90)"},
        {"record": f"{PREFIX}shard_imbalance_ratio", "expr": "vector(1.5)"},
        *({"record": name, "expr": expression} for name, expression in EXPECTED.items()),
    ]


def recorded(name: str, instance: str) -> Iterator[Mapping[str, str]]:
    """What MinIO once answered, as series that stay as they are for half an hour."""
    labels = f'job="minio",instance="{instance}",host="data-1"'
    for line in (HERE / "data" / f"{name}.txt").read_text().splitlines():
        if line.startswith("minio_"):
            series, value = line.rsplit(" ", 1)
            series = (
                series.replace("{", f"{{{labels},") if "{" in series else f"{series}{{{labels}}}"
            )
            yield {"series": series, "values": f"{value}x30"}


DRIVE_OFFLINE = 'ALERTS{alertname="MinioDriveOffline",alertstate="firing",severity="critical"}'


@pytest.mark.parametrize(
    ("name", "storage_percent", "firing"),
    [
        ("minio-one-node", 44, []),
        ("minio-four-nodes", 45, []),
        ("minio-one-of-four-down", 48, [DRIVE_OFFLINE]),
    ],
)
def test_what_a_real_minio_answered(
    name: str, storage_percent: int, firing: Sequence[str], folder: Path
) -> None:
    expected = {
        "ALERTS": [{"labels": alert, "value": 1} for alert in firing],
        "round(minio:storage_percent:used)": [{"labels": "{}", "value": storage_percent}],
        "minio:nodes:offline": [{"labels": "minio:nodes:offline", "value": 0}],
        "minio:errors_percent:rate5m": [],  # no request in that time
        "minio:set_write_health:min": [
            {"labels": 'minio:set_write_health:min{pool_id="0",set_id="0"}', "value": 1}
        ],
    }
    test = {
        "rule_files": ["minio.yaml", "thresholds.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {
                        "series": 'up{job="minio",instance="minio-1",host="data-1"}',
                        "values": "1x30",
                    },
                    *recorded(name, "minio-1"),
                ],
                "promql_expr_test": [
                    {"expr": expression, "eval_time": "30m", "exp_samples": samples}
                    for expression, samples in expected.items()
                ],
            }
        ],
    }
    (folder / "replay.yaml").write_text(yaml.safe_dump(test))
    run("promtool", folder, "test", "rules", "replay.yaml")
