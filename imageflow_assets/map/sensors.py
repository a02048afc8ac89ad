"""Sensors of the map: they begin uploaded surveys and carry started ones. They run without being switched on."""

import dagster as dg

from imageflow_assets.map import carrying
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.silence import SilenceWatch
from imageflow_clients.database import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, SurveyState
from imageflow_resources.pools import set_pools
from imageflow_surveys.runs import SENSOR
from imageflow_surveys.uploads import notice_uploads

_REFUSED = 20
"""Refused uploads that one tick names; `imageflow refused` lists all."""

_SETTLED: set[str] = set()
"""Homes of the instances that this process has settled; a code location that is loaded again is another process."""


@dg.sensor(
    name=SENSOR,
    asset_selection=dg.AssetSelection.assets(*BY_LAYER.values()),
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def advance_surveys(
    context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores], silence_watch: dg.ResourceParam[SilenceWatch]
) -> dg.SensorResult:
    """Ask for what each started survey needs next, and find those that stopped moving."""
    instance = context.instance
    _settle(context, stores)
    dead = carrying.fail_dead_runs(instance, stores, silence_watch)
    if dead:
        context.log.warning("Failed runs whose worker is dead: %s", ", ".join(dead))
    stopped = carrying.stop_cancelled_runs(instance, stores)
    if stopped:
        context.log.info("Stopped runs of cancelled surveys: %s", ", ".join(stopped))
    with stores.database.begin() as connection:
        surveys = rows.find(connection, states=(SurveyState.PLANNED, SurveyState.RUNNING))
    asked: list[dg.RunRequest] = []
    for survey in surveys:
        match survey.carrier:
            case Carrier.SENSOR:
                asked += carrying.carry_on(instance, stores, survey)
            case Carrier.COMMAND_LINE:
                carrying.settle_stalled(stores, survey, silence_watch)
            case Carrier.OPERATOR:
                carrying.settle_operators(stores, survey)
    return dg.SensorResult(
        run_requests=asked,
        skip_reason=None if asked else f"Nothing to ask for: {len(surveys)} surveys are under way.",
    )


def _settle(context: dg.SensorEvaluationContext, stores: Stores) -> None:
    """Bring pools and partitions of an instance in line with settings and surveys, once in each process."""
    home = context.instance.root_directory
    if home in _SETTLED:
        return
    set_pools(context.instance, Settings())
    added = carrying.rebuild_partitions(context.instance, stores)
    if added:
        context.log.warning("Dagster lacked the partitions of %d surveys: they are there again.", added)
    _SETTLED.add(home)


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def notice_map_uploads(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SkipReason:
    """Begin a survey for each folder under uploads/maps/ that its positions.csv or a _DONE object has closed.

    A folder that begins none is named with the reason, here and by `imageflow refused`.
    """
    noticed = notice_uploads(stores)
    refused = [notice for notice in noticed if notice.survey is None]
    for notice in noticed:
        if notice.survey is None:
            context.log.error("'%s' began no survey: %s", notice.folder.prefix, notice.reason)
        else:
            context.log.info("'%s' began '%s'.", notice.folder.prefix, notice.survey.id)
        for file in notice.skipped:
            context.log.warning("'%s/%s' is skipped: %s.", notice.folder.prefix, file.name, file.reason)
    told = [f"{len(noticed) - len(refused)} surveys begun by uploads."]
    told += [f"'{notice.folder.prefix}' began no survey: {notice.reason}" for notice in refused[:_REFUSED]]
    return dg.SkipReason("\n".join(told))
