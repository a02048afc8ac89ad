"""Sensors of the map: they begin uploaded surveys and carry started ones. They run without being switched on."""

import dagster as dg

from imageflow_assets.map import carrying
from imageflow_assets.map.assets import BY_LAYER
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, SurveyState
from imageflow_surveys.uploads import notice_uploads


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(*BY_LAYER.values()),
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def advance_surveys(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
    """Ask for what each started survey needs next, and find those that stopped moving."""
    instance = context.instance
    dead = carrying.fail_dead_runs(instance, stores)
    if dead:
        context.log.warning("Failed runs whose worker is dead: %s", ", ".join(dead))
    with stores.database.begin() as connection:
        surveys = rows.find(connection, states=(SurveyState.PLANNED, SurveyState.RUNNING))
    asked: list[dg.RunRequest] = []
    for survey in surveys:
        match survey.carrier:
            case Carrier.SENSOR:
                asked += carrying.carry_on(instance, stores, survey)
            case Carrier.COMMAND_LINE:
                carrying.settle_stalled(stores, survey)
            case Carrier.OPERATOR:
                carrying.settle_operators(stores, survey)
    return dg.SensorResult(
        run_requests=asked,
        skip_reason=None if asked else f"Nothing to ask for: {len(surveys)} surveys are under way.",
    )


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def notice_map_uploads(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SkipReason:
    """Begin a survey for each folder under uploads/maps/ that its positions.csv or a _DONE object has closed."""
    noticed = notice_uploads(stores)
    for notice in noticed:
        if notice.survey is None:
            context.log.error("'%s' began no survey: %s", notice.folder.prefix, notice.reason)
        else:
            context.log.info("'%s' began '%s'.", notice.folder.prefix, notice.survey.id)
    return dg.SkipReason(f"{len(noticed)} uploads noticed; advance_surveys carries what they began.")
