"""Grafana's classic dashboard as far as these dashboards use it, with nothing else allowed.

Made after the schemas of grafana-foundation-sdk's repository (`jsonschema/*.json`), which are in no
package: they allow all that Grafana knows, this only what was looked at.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """Any part: no unknown key, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Source(Part):
    """The data source: always this one."""

    type: Literal["prometheus"]
    uid: Literal["prometheus"]


class Place(Part):
    """Where a panel stands in a grid of 24 columns."""

    x: Annotated[int, Field(ge=0, le=23)]
    y: Annotated[int, Field(ge=0)]
    w: Annotated[int, Field(ge=1, le=24)]
    h: Annotated[int, Field(ge=1)]


class Target(Part):
    """A query."""

    ref_id: Annotated[str, Field(pattern="^[A-Z]$")]
    datasource: Source
    editor_mode: Literal["code"]
    expr: Annotated[str, Field(min_length=1)]
    legend_format: Annotated[str, Field(min_length=1)]
    format: Literal["time_series", "table"]
    instant: bool
    range: bool


class Reduce(Part):
    """How a series becomes one value."""

    calcs: tuple[Literal["lastNotNull"]]


class Legend(Part):
    """The names under a graph."""

    display_mode: Literal["list", "table"]
    placement: Literal["bottom", "right"]
    show_legend: Literal[True]
    calcs: list[Literal["lastNotNull", "max"]]
    sort_by: Literal["Max"] | None = None
    sort_desc: bool | None = None


class Tooltip(Part):
    """What is shown at the pointer."""

    mode: Literal["single", "multi"]
    sort: Literal["none", "desc", "asc"]


class GraphOptions(Part):
    """Of a graph."""

    legend: Legend
    tooltip: Tooltip


class StatOptions(Part):
    """Of a large value."""

    graph_mode: Literal["none"]
    color_mode: Literal["value", "background"]
    justify_mode: Literal["auto"]
    text_mode: Literal["auto"]
    orientation: Literal["auto"]
    percent_change_color_mode: Literal["standard"]
    show_percent_change: Literal[False]
    wide_layout: bool
    reduce_options: Reduce


class HiddenLegend(Part):
    """The SDK always writes one, which bars do not show."""

    display_mode: Literal["list"]
    placement: Literal["bottom"]
    show_legend: Literal[False]
    calcs: tuple[()]


class BarsOptions(Part):
    """Of bars."""

    display_mode: Literal["basic"]
    value_mode: Literal["color"]
    name_placement: Literal["left"]
    orientation: Literal["horizontal"]
    show_unfilled: bool
    sizing: Literal["auto"]
    min_viz_width: int
    min_viz_height: int
    max_viz_height: int
    legend: HiddenLegend
    reduce_options: Reduce


class SortBy(Part):
    """A table's order."""

    display_name: str
    desc: bool


class Footer(Part):
    """A table's last line: none."""

    show: Literal[False]
    count_rows: Literal[False]
    reducer: list[str]


class TableOptions(Part):
    """Of a table."""

    frame_index: Literal[0]
    show_header: Literal[True]
    show_type_icons: Literal[False]
    cell_height: Literal["sm"]
    footer: Footer
    sort_by: list[SortBy] | None = None


class TimelineOptions(Part):
    """Of states over time."""

    show_value: Literal["never"]
    row_height: float
    merge_values: Literal[True]
    align_value: Literal["left"]
    per_page: int
    legend: Legend
    tooltip: Tooltip


class TextOptions(Part):
    """Of text."""

    mode: Literal["markdown"]
    content: str


class Color(Part):
    """How a value is coloured."""

    mode: Literal["thresholds", "palette-classic-by-name", "fixed"]


class Threshold(Part):
    """From a value on a colour; the first has none, which is minus infinity."""

    value: float | int | None
    color: Literal["green", "orange", "red"]


class Thresholds(Part):
    """Colours of values."""

    mode: Literal["absolute"]
    steps: list[Threshold]


class Text(Part):
    """What stands for a value."""

    text: str
    color: Literal["green", "orange", "red"]
    index: int


class Mapping(Part):
    """What stands for values."""

    type: Literal["value"]
    options: dict[str, Text]


class Stacking(Part):
    """Whether series add up."""

    mode: Literal["none", "normal"]
    group: Literal["A"]


class GraphStyle(Part):
    """How lines are drawn."""

    draw_style: Literal["line"]
    line_width: int
    fill_opacity: int
    show_points: Literal["never"]
    stacking: Stacking


class TimelineStyle(Part):
    """How states are drawn."""

    line_width: int
    fill_opacity: int


class Values(Part):
    """Unit, range, colours and texts of values."""

    unit: str
    decimals: int | None = None
    min: int | None = None
    max: int | None = None
    color: Color | None = None
    thresholds: Thresholds | None = None
    mappings: list[Mapping] | None = None
    no_value: str | None = None
    custom: GraphStyle | TimelineStyle | None = None


class Matcher(Part):
    """Which values."""

    id: Literal["byFrameRefID", "byName"]
    options: str


class Property(Part):
    """What is different for them."""

    id: Literal["color", "unit", "custom.lineStyle", "custom.fillOpacity", "custom.stacking"]
    value: Any


class Override(Part):
    """Some values are shown otherwise."""

    matcher: Matcher
    properties: list[Property]


class FieldConfig(Part):
    """How values are shown."""

    defaults: Values
    overrides: list[Override]


class ConfigMapping(Part):
    """A field that becomes a property of the others."""

    field_name: str
    handler_key: Literal["threshold1"]


class ConfigFromData(Part):
    """The result of one query configures the others."""

    config_ref_id: str
    mappings: tuple[ConfigMapping]


class Organize(Part):
    """Columns of a table."""

    exclude_by_name: dict[str, Literal[True]]
    index_by_name: dict[str, int]
    rename_by_name: dict[str, str]


class Empty(Part):
    """No option."""


class ConfigTransformation(Part):
    """See `ConfigFromData`."""

    id: Literal["configFromData"]
    options: ConfigFromData


class MergeTransformation(Part):
    """One table of all queries."""

    id: Literal["merge"]
    options: Empty


class OrganizeTransformation(Part):
    """See `Organize`."""

    id: Literal["organize"]
    options: Organize


Transformation = Annotated[
    ConfigTransformation | MergeTransformation | OrganizeTransformation, Field(discriminator="id")
]


class AnyPanel(Part):
    """What every panel has."""

    id: Annotated[int, Field(ge=1)]
    title: Annotated[str, Field(min_length=1)]
    grid_pos: Place
    transparent: Literal[False]
    repeat_direction: Literal["h"]


class DataPanel(AnyPanel):
    """A panel that shows answers of Prometheus."""

    description: Annotated[str, Field(min_length=1)] | None = None
    datasource: Source
    targets: Annotated[list[Target], Field(min_length=1)]
    field_config: FieldConfig
    transformations: list[Transformation] | None = None


class Graph(DataPanel):
    """A graph."""

    type: Literal["timeseries"]
    options: GraphOptions


class Stat(DataPanel):
    """A large value."""

    type: Literal["stat"]
    options: StatOptions


class Bars(DataPanel):
    """Bars."""

    type: Literal["bargauge"]
    options: BarsOptions


class Table(DataPanel):
    """A table."""

    type: Literal["table"]
    options: TableOptions


class Timeline(DataPanel):
    """States over time."""

    type: Literal["state-timeline"]
    options: TimelineOptions


class Note(AnyPanel):
    """Text."""

    type: Literal["text"]
    options: TextOptions


class Row(Part):
    """A heading."""

    type: Literal["row"]
    id: Annotated[int, Field(ge=1)]
    title: Annotated[str, Field(min_length=1)]
    grid_pos: Place
    collapsed: Literal[False]
    panels: tuple[()]


class Current(Part):
    """What is chosen at first."""

    selected: Literal[True]
    text: tuple[Literal["All"]]
    value: tuple[Literal["$__all"]]


class Variable(Part):
    """A choice at the top. The last two lines are the SDK's defaults, of no use to a query."""

    type: Literal["query"]
    name: Annotated[str, Field(pattern="^[a-z]+$")]
    label: str
    datasource: Source
    query: Annotated[str, Field(pattern=r"^label_values\(.+, [a-z]+\)$")]
    definition: str
    refresh: Literal[2]
    sort: Literal[7]
    multi: Literal[True]
    include_all: Literal[True]
    all_value: Literal[".+"]
    current: Current
    allow_custom_value: bool
    skip_url_sync: Literal[False]
    auto: Literal[False]
    auto_min: Annotated[str, Field(alias="auto_min")]
    auto_count: Annotated[int, Field(alias="auto_count")]


class Templating(Part):
    """The choices at the top."""

    list: list[Variable]


class Annotations(Part):
    """Marks in graphs: none."""

    list: tuple[()]


class Time(Part):
    """What is shown at first."""

    from_: Annotated[str, Field(alias="from", pattern="^now-[0-9]+h$")]
    to: Literal["now"]


class Link(Part):
    """Links to the other dashboards."""

    type: Literal["dashboards"]
    title: str
    icon: str
    tooltip: str
    tags: tuple[Literal["arquitectura"]]
    as_dropdown: bool
    target_blank: bool
    include_vars: bool
    keep_time: bool
    placement: Literal["inControlsMenu"]


AnyOf = Annotated[Graph | Stat | Bars | Table | Timeline | Note | Row, Field(discriminator="type")]


class Dashboard(Part):
    """A dashboard."""

    uid: Annotated[str, Field(pattern="^[a-z]{1,40}$")]
    title: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    tags: tuple[Literal["arquitectura"]]
    timezone: Literal["browser"]
    editable: Literal[False]
    graph_tooltip: Literal[1]
    time: Time
    refresh: Literal["30s"]
    fiscal_year_start_month: Literal[0]
    schema_version: Literal[42]
    templating: Templating
    annotations: Annotations
    links: tuple[Link]
    panels: list[AnyOf]
