"""Grafana's dashboards as code: `make dashboards` writes them to `docs/dashboards/*.json`.

`panels` says what a dashboard consists of, `promql` has what several of them measure, and `render`
turns them into JSON: only it needs Grafana's SDK.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dashboards.citus import CITUS
from dashboards.home import HOME
from dashboards.hosts import HOSTS
from dashboards.minio import MINIO
from dashboards.panels import EVERYTHING, queries
from dashboards.projects import PROJECTS

DASHBOARDS = (HOME, HOSTS, CITUS, MINIO, PROJECTS)


@dataclass(frozen=True)
class Expression:
    """PromQL of a panel or variable.

    Attributes:
        dashboard: uid of the dashboard.
        panel: its heading, or `$` and the variable's name.
        expr: as Grafana has it.
        may_be_empty: why no answer is right, where it is.
    """

    dashboard: str
    panel: str
    expr: str
    may_be_empty: str | None

    def promql(self, rate_interval: str = "5m", shown: str = "1h") -> str:
        """As Grafana asks it of Prometheus with everything chosen.

        Args:
            rate_interval: of rates: four scrapes at least.
            shown: the time that the dashboard shows.
        """
        filled = self.expr.replace("$__rate_interval", rate_interval).replace("$__range", shown)
        return re.sub(r"\$\w+", EVERYTHING, filled)


def expressions() -> Iterator[Expression]:
    """Every expression of every dashboard."""
    for page in DASHBOARDS:
        for variable in page.variables:
            yield Expression(
                page.uid, f"${variable.name}", variable.selector, variable.may_be_empty
            )
        for row in page.rows:
            for panel in row.panels:
                for query in queries(panel):
                    yield Expression(page.uid, panel.title, query.expr, query.may_be_empty)
