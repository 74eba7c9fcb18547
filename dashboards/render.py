"""From a dashboard to Grafana's JSON: its classic schema, which provisioning from files reads.

The data source is named by its fixed uid. Panels get their numbers and places in the order in
which they stand.
"""

import json
import string
from collections.abc import Iterator, Mapping, Sequence

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import (
    bargauge,
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import dashboard as grafana

from dashboards.panels import (
    EVERYTHING,
    GREEN,
    RED,
    WIDTH,
    Bars,
    Dashboard,
    Graph,
    Note,
    Panel,
    Stat,
    Step,
    Table,
    Timeline,
    Variable,
    queries,
)

TAG = "arquitectura"
"""Dashboards with it are linked from each other's heads."""

SOURCE = common.DataSourceRef(type_val="prometheus", uid="prometheus")
REFRESH = "30s"
LAST = common.ReduceDataOptions(calcs=["lastNotNull"])
"""One value of a series: the newest."""


def render(page: Dashboard) -> str:
    """The JSON text, the same for the same dashboard."""
    model = grafana.Dashboard(
        uid=page.uid,
        title=page.title,
        description=page.help,
        tags=[TAG],
        timezone="browser",
        # Provisioned from files: what is changed in the browser would be lost.
        editable=False,
        graph_tooltip=grafana.DashboardCursorSync.CROSSHAIR,
        time=grafana.DashboardDashboardTime(from_val=f"now-{page.hours}h", to="now"),
        refresh=REFRESH,
        panels=list(_panels(page)),
        templating=grafana.DashboardDashboardTemplating(
            list_val=[_variable(variable) for variable in page.variables]
        ),
        annotations=grafana.AnnotationContainer(list_val=[]),
        links=[
            grafana.DashboardLink(
                title="Dashboards",
                type_val=grafana.DashboardLinkType.DASHBOARDS,
                icon="external link",
                tags=[TAG],
                keep_time=True,
            )
        ],
    )
    return json.dumps(model, cls=JSONEncoder, sort_keys=True, indent=2) + "\n"


def _variable(variable: Variable) -> grafana.VariableModel:
    query = f"label_values({variable.selector}, {variable.label})"
    return grafana.VariableModel(
        type_val=grafana.VariableType.QUERY,
        name=variable.name,
        label=variable.title,
        datasource=SOURCE,
        query=query,
        definition=query,
        refresh=grafana.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=grafana.VariableSort.NATURAL_ASC,
        multi=True,
        include_all=True,
        all_value=EVERYTHING,
        current=grafana.VariableOption(selected=True, text=["All"], value=["$__all"]),
    )


def _panels(page: Dashboard) -> Iterator[grafana.Panel | grafana.RowPanel]:
    number = y = 0
    for row in page.rows:
        number += 1
        yield grafana.RowPanel(
            id_val=number, title=row.title, grid_pos=grafana.GridPos(x=0, y=y, w=WIDTH, h=1)
        )
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            number += 1
            model = _panel(panel)
            model.id_val = number
            model.grid_pos = grafana.GridPos(x=x, y=y, w=panel.width, h=panel.height)
            yield model
            x, height = x + panel.width, max(height, panel.height)
        y += height


def _panel(panel: Panel) -> grafana.Panel:
    match panel:
        case Graph():
            model = _graph(panel)
        case Stat():
            model = _stat(panel)
        case Bars():
            model = _bars(panel)
        case Table():
            model = _table(panel)
        case Timeline():
            model = _timeline(panel)
        case Note():
            return grafana.Panel(
                type_val="text",
                title=panel.title,
                options=text.Options(mode=text.TextMode.MARKDOWN, content=panel.text),
            )
        case _:
            raise TypeError(f"no such panel: {type(panel).__name__}")
    model.title = panel.title
    model.description = panel.help or None
    model.datasource = SOURCE
    return model


def _graph(panel: Graph) -> grafana.Panel:
    stacking = common.StackingMode.NORMAL if panel.stacked else common.StackingMode.NONE
    overrides = []
    if panel.limit:
        last = _letter(len(panel.queries))
        overrides.append(
            _override(
                grafana.MatcherConfig(id_val="byFrameRefID", options=last),
                {
                    "color": grafana.FieldColor(
                        mode=grafana.FieldColorModeId.FIXED, fixed_color=RED
                    ),
                    "custom.lineStyle": common.LineStyle(fill="dash", dash=[10, 10]),
                    "custom.fillOpacity": 0,
                    "custom.stacking": common.StackingConfig(mode=common.StackingMode.NONE),
                },
            )
        )
    return grafana.Panel(
        type_val="timeseries",
        targets=_targets(panel, instant=False),
        options=timeseries.Options(
            legend=common.VizLegendOptions(
                display_mode=common.LegendDisplayMode.TABLE,
                placement=common.LegendPlacement.BOTTOM,
                show_legend=True,
                calcs=["lastNotNull", "max"],
                sort_by="Max",
                sort_desc=True,
            ),
            tooltip=common.VizTooltipOptions(
                mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
            ),
        ),
        field_config=grafana.FieldConfigSource(
            defaults=_field(
                panel,
                min_val=panel.minimum,
                max_val=panel.maximum,
                color=grafana.FieldColor(mode=grafana.FieldColorModeId.PALETTE_CLASSIC_BY_NAME),
                custom=common.GraphFieldConfig(
                    draw_style=common.GraphDrawStyle.LINE,
                    line_width=1,
                    fill_opacity=30 if panel.stacked else 10,
                    show_points=common.VisibilityMode.NEVER,
                    stacking=common.StackingConfig(mode=stacking, group="A"),
                ),
            ),
            overrides=overrides,
        ),
    )


def _stat(panel: Stat) -> grafana.Panel:
    return grafana.Panel(
        type_val="stat",
        targets=_targets(panel, instant=True),
        transformations=_limit_as_colour(panel),
        options=stat.Options(
            graph_mode=common.BigValueGraphMode.NONE,
            color_mode=common.BigValueColorMode.BACKGROUND
            if panel.filled
            else common.BigValueColorMode.VALUE,
            reduce_options=LAST,
        ),
        field_config=grafana.FieldConfigSource(
            defaults=_field(
                panel,
                color=_by_value(),
                thresholds=None if panel.limit else _steps(panel.steps),
                mappings=_texts(panel.texts),
                no_value=panel.absent,
            )
        ),
    )


def _bars(panel: Bars) -> grafana.Panel:
    return grafana.Panel(
        type_val="bargauge",
        targets=_targets(panel, instant=True),
        transformations=_limit_as_colour(panel),
        options=bargauge.Options(
            display_mode=common.BarGaugeDisplayMode.BASIC,
            value_mode=common.BarGaugeValueMode.COLOR,
            name_placement=common.BarGaugeNamePlacement.LEFT,
            orientation=common.VizOrientation.HORIZONTAL,
            reduce_options=LAST,
        ),
        field_config=grafana.FieldConfigSource(
            defaults=_field(
                panel,
                min_val=0,
                max_val=panel.maximum,
                color=_by_value(),
                thresholds=None if panel.limit else _steps(panel.steps),
            )
        ),
    )


def _table(panel: Table) -> grafana.Panel:
    # Grafana calls a value `Value` when it is the only one, else by its query's letter.
    letters = [_letter(index) for index in range(len(panel.queries))]
    columns = ["Value"] if len(letters) == 1 else [f"Value #{letter}" for letter in letters]
    headings = [query.legend for query in panel.queries]
    hidden = ["Time", *([] if panel.values else columns)]
    shown = [*panel.labels, *(columns if panel.values else [])]
    return grafana.Panel(
        type_val="table",
        targets=_targets(panel, instant=True, as_table=True),
        transformations=[
            grafana.DataTransformerConfig(id_val="merge", options={}),
            grafana.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(hidden, True),
                    "indexByName": {name: index for index, name in enumerate(shown)},
                    "renameByName": {
                        **panel.labels,
                        **dict(zip(columns, headings, strict=True)),
                    },
                },
            ),
        ],
        options=table.Options(
            sort_by=[common.TableSortByFieldState(display_name=panel.sort, desc=True)]
            if panel.sort
            else None
        ),
        field_config=grafana.FieldConfigSource(
            defaults=_field(panel, no_value="–"),
            overrides=[
                _override(
                    grafana.MatcherConfig(id_val="byName", options=query.legend),
                    {"unit": query.unit},
                )
                for query in panel.queries
                if query.unit
            ],
        ),
    )


def _timeline(panel: Timeline) -> grafana.Panel:
    return grafana.Panel(
        type_val="state-timeline",
        targets=_targets(panel, instant=False),
        options=statetimeline.Options(
            show_value=common.VisibilityMode.NEVER,
            merge_values=True,
            legend=common.VizLegendOptions(
                display_mode=common.LegendDisplayMode.LIST,
                placement=common.LegendPlacement.BOTTOM,
                show_legend=True,
            ),
            tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE),
        ),
        field_config=grafana.FieldConfigSource(
            defaults=_field(
                panel,
                color=_by_value(),
                mappings=_texts(panel.texts),
                custom=statetimeline.FieldConfig(),
            )
        ),
    )


def _targets(panel: Panel, *, instant: bool, as_table: bool = False) -> list[Dataquery]:
    style = prometheus.PromQueryFormat.TABLE if as_table else prometheus.PromQueryFormat.TIME_SERIES
    return [
        prometheus.Dataquery(
            ref_id=_letter(index),
            datasource=SOURCE,
            editor_mode=prometheus.QueryEditorMode.CODE,
            expr=query.expr,
            legend_format=query.legend or "__auto",
            format_val=style,
            instant=instant,
            range_val=not instant,
        )
        for index, query in enumerate(queries(panel))
    ]


def _letter(index: int) -> str:
    return string.ascii_uppercase[index]


def _field(
    panel: Panel,
    *,
    min_val: float | None = None,
    max_val: float | None = None,
    color: grafana.FieldColor | None = None,
    thresholds: grafana.ThresholdsConfig | None = None,
    mappings: list[grafana.ValueMapping] | None = None,
    no_value: str | None = None,
    custom: common.GraphFieldConfig | statetimeline.FieldConfig | None = None,
) -> grafana.FieldConfig:
    return grafana.FieldConfig(
        unit=panel.unit,
        decimals=panel.decimals,
        min_val=min_val,
        max_val=max_val,
        color=color,
        thresholds=thresholds,
        mappings=mappings,
        no_value=no_value,
        custom=custom,
    )


def _by_value() -> grafana.FieldColor:
    return grafana.FieldColor(mode=grafana.FieldColorModeId.THRESHOLDS)


def _steps(steps: Sequence[Step]) -> grafana.ThresholdsConfig:
    return grafana.ThresholdsConfig(
        mode=grafana.ThresholdsMode.ABSOLUTE,
        steps=[
            grafana.Threshold(value=None, color=GREEN),
            *(grafana.Threshold(value=value, color=color) for value, color in steps),
        ],
    )


def _limit_as_colour(panel: Stat | Bars) -> list[grafana.DataTransformerConfig] | None:
    """Makes the limit's query the value from which on the others are red.

    Without thresholds of the panel's own Grafana makes them: green, and red from this value.
    """
    if not panel.limit:
        return None
    return [
        grafana.DataTransformerConfig(
            id_val="configFromData",
            options={
                "configRefId": _letter(len(panel.queries)),
                "mappings": [
                    {"fieldName": panel.limit.query.legend, "handlerKey": "threshold1"},
                ],
            },
        )
    ]


def _texts(texts: Mapping[int, tuple[str, str]]) -> list[grafana.ValueMapping] | None:
    if not texts:
        return None
    return [
        grafana.ValueMap(
            options={
                str(value): grafana.ValueMappingResult(text=word, color=color, index=index)
                for index, (value, (word, color)) in enumerate(texts.items())
            }
        )
    ]


def _override(
    matcher: grafana.MatcherConfig, properties: Mapping[str, object]
) -> grafana.DashboardFieldConfigSourceOverrides:
    return grafana.DashboardFieldConfigSourceOverrides(
        matcher=matcher,
        properties=[
            grafana.DynamicConfigValue(id_val=name, value=value)
            for name, value in properties.items()
        ],
    )
