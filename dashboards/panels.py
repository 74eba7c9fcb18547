"""What a dashboard consists of: plain values, which `render` turns into Grafana's JSON.

Everything that a panel may leave out has a default here, so that all dashboards look and behave
the same. Expressions are PromQL in which Grafana's `$__rate_interval` and the dashboard's own
variables may stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WIDTH = 24
"""Columns of Grafana's grid."""

Step = tuple[float, str]
"""From this value on, this colour."""

EVERYTHING = ".+"
"""What a variable stands for when all is chosen: any value, but one."""

GREEN, ORANGE, RED = "green", "orange", "red"


@dataclass(frozen=True)
class Query:
    """One expression, and what its result is called.

    Attributes:
        expr: the PromQL.
        legend: name of each series, with labels as `{{label}}`; in a table the column's heading.
        unit: of a table's column; elsewhere the panel's.
        may_be_empty: why no answer is right, where it is. A test fails when others are empty.
    """

    expr: str
    legend: str = ""
    unit: str | None = None
    may_be_empty: str | None = None


@dataclass(frozen=True)
class Limit:
    """A line that should not be crossed, from the settings' thresholds.

    Attributes:
        expr: PromQL with one value.
    """

    expr: str

    @property
    def query(self) -> Query:
        """The line as a series of its own."""
        return Query(self.expr, "threshold")


def threshold(name: str) -> Limit:
    """The setting `monitoring.thresholds.<name>`, which the program writes as a recording rule."""
    return Limit(f"arquitectura:threshold:{name}")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What all panels have.

    Attributes:
        title: heading.
        help: shown at the heading's `i`: what it means, what to do.
        width: in columns of 24.
        height: in Grafana's units of about 30 pixels.
        unit: Grafana's name of the values' unit; per cent are 0 to 100.
        decimals: digits after the point; as many as needed without it.
    """

    title: str
    help: str = ""
    width: int = 12
    height: int = 8
    queries: Sequence[Query] = ()
    unit: str = "short"
    decimals: int | None = None


@dataclass(frozen=True, kw_only=True)
class Graph(Panel):
    """Values over time.

    Attributes:
        limit: a red line.
        stacked: whether the series add up.
        minimum: where the axis begins at the latest; None leaves it to the values.
        maximum: likewise where it ends.
    """

    limit: Limit | None = None
    stacked: bool = False
    minimum: float | None = 0
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Stat(Panel):
    """One value in large, or one of each series.

    Attributes:
        limit: red from there on.
        steps: colours where there is no limit.
        texts: what to show for a value instead of the number, and its colour.
        filled: whether the colour fills the tile.
        absent: what to show when there is no answer.
    """

    width: int = 4
    height: int = 4
    limit: Limit | None = None
    steps: Sequence[Step] = ()
    texts: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    filled: bool = False
    absent: str = "none"


@dataclass(frozen=True, kw_only=True)
class Bars(Panel):
    """The last value of each series as a bar.

    Attributes:
        limit: red from there on.
        steps: colours where there is no limit.
        maximum: the full bar; None makes it the largest value.
    """

    limit: Limit | None = None
    steps: Sequence[Step] = ()
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Table(Panel):
    """The last values, a row for each set of labels.

    Attributes:
        labels: headings of the labels to show, in their order. What the queries leave as labels
            must be among them: rows are joined by them.
        values: whether the values are shown besides the labels.
        sort: heading to sort by, the largest first.
    """

    labels: Mapping[str, str]
    values: bool = True
    sort: str | None = None


@dataclass(frozen=True, kw_only=True)
class Timeline(Panel):
    """States over time: a line for each series, coloured by its value.

    Attributes:
        texts: what each value means, and its colour.
    """

    texts: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Note(Panel):
    """Text.

    Attributes:
        text: Markdown.
    """

    text: str


@dataclass(frozen=True)
class Row:
    """A heading over panels, which fill lines of 24 columns from the left."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """A choice at the top: values of a label, several or all at once.

    Attributes:
        name: stands in expressions as `=~"$name"`.
        title: heading.
        selector: series whose label is offered.
        label: the label.
        may_be_empty: why there may be no series.
    """

    name: str
    title: str
    selector: str
    label: str
    may_be_empty: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page.

    Attributes:
        uid: its address in Grafana and name of its file: never changes.
        title: heading.
        help: what it answers.
        rows: what it shows.
        variables: choices at the top.
        hours: the time shown at first, up to now.
    """

    uid: str
    title: str
    help: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    hours: int = 24


def queries(panel: Panel) -> Sequence[Query]:
    """All of a panel's queries in their order, that of its limit last."""
    limit = panel.limit if isinstance(panel, Graph | Stat | Bars) else None
    return (*panel.queries, limit.query) if limit else panel.queries
