"""The dashboards: their JSON is up to date and what Grafana reads, and their expressions parse."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from grafana_foundation_sdk.models import units
from pydantic import ValidationError

from components.monitoring.thresholds import threshold_rules
from config.settings import ThresholdSettings
from dashboards import DASHBOARDS, expressions
from dashboards.__main__ import FOLDER
from dashboards.panels import Dashboard, Graph, Query, Row, Stat, Table, threshold
from dashboards.render import render
from tests.monitoring import dashboard_model as model
from tests.monitoring import tools

RULES = Path(__file__).parents[2] / "components" / "monitoring" / "rules"

RULE_NAME = re.compile(r"\b[a-z_]+:[a-z0-9_]+:[a-z0-9_]+\b")
UNITS = {get_args(kind)[0] for kind in units.__annotations__.values()}

pages = pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)


def panels_of(page: Dashboard) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(render(page))["panels"]
    return panels


def test_the_files_are_up_to_date() -> None:
    files = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
    assert files == {page.uid: render(page) for page in DASHBOARDS}, "run make dashboards"


@pages
def test_grafana_reads_it(page: Dashboard) -> None:
    model.Dashboard.model_validate_json(render(page))


@pytest.mark.parametrize(
    "mistake",
    [
        {"titel": "x"},
        {"gridPos": {"x": 0, "y": 0, "w": 99, "h": 1}},
        {"datasource": {"type": "prometheus", "uid": "other"}},
        {"targets": []},
        {"type": "graph"},
    ],
)
def test_the_model_finds_mistakes(mistake: dict[str, Any]) -> None:
    page = json.loads(render(DASHBOARDS[0]))
    page["panels"][1] |= mistake
    with pytest.raises(ValidationError):
        model.Dashboard.model_validate_json(json.dumps(page))


@pages
def test_numbers_and_letters_are_unique(page: Dashboard) -> None:
    panels = panels_of(page)
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert letters == sorted(set(letters)), panel["title"]


@pages
def test_panels_fill_lines_and_do_not_overlap(page: Dashboard) -> None:
    taken = Counter(
        (x, y)
        for panel in panels_of(page)
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(taken.values()) == 1
    assert max(x for x, _ in taken) == 23
    # A line whose panels differ in height would leave holes.
    heights: dict[int, set[int]] = {}
    for panel in panels_of(page):
        heights.setdefault(panel["gridPos"]["y"], set()).add(panel["gridPos"]["h"])
    assert all(len(line) == 1 for line in heights.values())


@pages
def test_units_are_grafanas(page: Dashboard) -> None:
    for panel in (panel for row in page.rows for panel in row.panels):
        assert {panel.unit, *(query.unit for query in panel.queries if query.unit)} <= UNITS


@pages
def test_series_have_names(page: Dashboard) -> None:
    for row in page.rows:
        for panel in row.panels:
            if not isinstance(panel, Stat):
                assert all(query.legend for query in panel.queries), panel.title


@pages
def test_rows_of_a_table_are_joined_by_the_labels_shown(page: Dashboard) -> None:
    for row in page.rows:
        for panel in row.panels:
            if isinstance(panel, Table):
                for query in panel.queries:
                    left = re.search(r"\bby \(([a-z, ]+)\)", query.expr)
                    assert left, query.expr
                    assert set(left[1].split(", ")) == set(panel.labels), query.expr


@pages
def test_variables_are_declared(page: Dashboard) -> None:
    known = {f"${variable.name}" for variable in page.variables}
    used = set(re.findall(r"\$[a-z]\w*", render(page)))
    assert used == known


def test_every_expression_is_complete_for_prometheus() -> None:
    for expression in expressions():
        assert "$" not in expression.promql(), expression


def test_every_query_is_listed() -> None:
    written = Counter(
        (page.uid, target["expr"])
        for page in DASHBOARDS
        for panel in panels_of(page)
        for target in panel.get("targets", ())
    )
    listed = Counter(
        (expression.dashboard, expression.expr)
        for expression in expressions()
        if not expression.panel.startswith("$")
    )
    assert listed == written


def recorded() -> Iterator[str]:
    thresholds = threshold_rules(ThresholdSettings().model_dump())
    for text in (thresholds, *(path.read_text() for path in RULES.glob("*.yaml"))):
        for group in yaml.safe_load(text)["groups"]:
            yield from (rule["record"] for rule in group["rules"] if "record" in rule)


def test_recorded_series_exist() -> None:
    used = {name for expression in expressions() for name in RULE_NAME.findall(expression.expr)}
    assert used - set(recorded()) == set()


def test_limits_are_the_settings_thresholds() -> None:
    for page in DASHBOARDS:
        for row in page.rows:
            for panel in row.panels:
                limit = getattr(panel, "limit", None)
                assert limit is None or "arquitectura:threshold:" in limit.expr, panel.title


def test_a_limit_is_a_line_in_a_graph_and_a_colour_in_a_value() -> None:
    limit = threshold("cpu_percent")
    page = Dashboard(
        uid="x",
        title="x",
        help="x",
        rows=[
            Row(
                "x",
                [
                    Graph(title="graph", queries=[Query("up", "{{job}}")], limit=limit),
                    Stat(title="stat", queries=[Query("up")], limit=limit),
                ],
            )
        ],
    )
    _, graph, stat = panels_of(page)
    for panel in (graph, stat):
        assert [target["expr"] for target in panel["targets"]] == ["up", limit.expr]
    (line,) = graph["fieldConfig"]["overrides"]
    assert line["matcher"] == {"id": "byFrameRefID", "options": "B"}
    (transformation,) = stat["transformations"]
    assert transformation["options"]["configRefId"] == "B"
    assert (
        transformation["options"]["mappings"][0]["fieldName"] == stat["targets"][1]["legendFormat"]
    )


def test_expressions_parse(tmp_path: Path) -> None:
    rules = [
        {"record": f"expression:{number}", "expr": expression.promql()}
        for number, expression in enumerate(expressions())
    ]
    groups = {"groups": [{"name": "dashboards", "rules": rules}]}
    (tmp_path / "expressions.yaml").write_text(yaml.safe_dump(groups))
    answer = tools.run("promtool", tmp_path, "check", "rules", "expressions.yaml")
    assert f"{len(rules)} rules found" in answer
