"""Sensors of the map: they begin uploaded surveys and request runs. They run without being switched on."""

from functools import partial

import dagster as dg

from imageflow_assets.labels import MAP, sensor
from imageflow_assets.map import dead_runs, requesting
from imageflow_assets.map.adoption import adopt_surveys
from imageflow_assets.map.assets import BY_LAYER, coordinates, overviews
from imageflow_assets.map.checks import OF_COORDINATES, OF_OVERVIEWS, results
from imageflow_assets.map.jobs import map_of_survey
from imageflow_assets.map.states import introduce, report_cancelled, report_upload
from imageflow_assets.silence import SilenceWatch
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_resources.pools import set_pools
from imageflow_surveys.runs import SENSOR
from imageflow_surveys.uploads import notice_uploads

_REFUSED = 20
"""Refused uploads that one tick names; `imageflow refused` lists all."""

_ADOPTING_S = 2.0
"""Of a tick; surveys that are to be made wait for as long."""

_SETTLED: set[str] = set()
"""Homes of the instances that this process has settled; a code location that is loaded again is another process."""

_ADOPTED: set[str] = set()
"""Those of them that know every survey of version 0.4."""


@sensor(MAP, name=SENSOR, job=map_of_survey, minimum_interval_seconds=1)
def request_surveys(
    context: dg.SensorEvaluationContext,
    stores: dg.ResourceParam[Stores],
    silence_watch: dg.ResourceParam[SilenceWatch],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult:
    """Request a run for each planned or uploaded survey, and settle surveys whose run has ended."""
    instance = context.instance
    _settle(context, stores, settings)
    dead = dead_runs.fail_dead_runs(instance, stores, silence_watch)
    if dead:
        context.log.warning("Failed runs whose worker is dead: %s", ", ".join(dead))
    stopped = dead_runs.stop_cancelled_runs(instance, stores)
    if stopped:
        context.log.info("Stopped runs of cancelled surveys: %s", ", ".join(stopped))
    under_way, requests, changed = requesting.advance(instance, stores, settings)
    for survey in changed:
        context.log.info("'%s' is %s. %s", survey.id, survey.state, survey.reason or "")
    cursor = report_cancelled(instance, stores, context.cursor)
    _adopt(instance, stores)
    return dg.SensorResult(
        run_requests=requests,
        cursor=cursor,
        skip_reason=None if requests else f"Nothing to request: {under_way} surveys are planned or running.",
    )


def _settle(context: dg.SensorEvaluationContext, stores: Stores, settings: Settings) -> None:
    """Bring pools and partitions of an instance in line with settings and surveys, once in each process."""
    home = context.instance.root_directory
    if home in _SETTLED:
        return
    set_pools(context.instance, settings)
    added = requesting.rebuild_partitions(context.instance, stores)
    if added:
        context.log.warning("Dagster lacked the partitions of %d surveys: they are there again.", added)
    _SETTLED.add(home)


def _adopt(instance: dg.DagsterInstance, stores: Stores) -> None:
    """Report surveys of version 0.4, some in each tick."""
    if instance.root_directory in _ADOPTED:
        return
    looks = {
        coordinates.key: partial(results, looks=OF_COORDINATES),
        overviews.key: partial(results, looks=OF_OVERVIEWS),
    }
    left = adopt_surveys(
        instance,
        stores,
        tuple(BY_LAYER.values()),
        looks,
        introduce=partial(introduce, instance),
        within_s=_ADOPTING_S,
    )
    if not left:
        _ADOPTED.add(instance.root_directory)


@sensor(MAP, minimum_interval_seconds=10)
def notice_map_uploads(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SkipReason:
    """Begin a survey for each folder under uploads/maps/ that its positions.csv or a _DONE object has closed.

    A folder that begins none is named with the reason, here and by `imageflow refused`.
    """
    noticed = notice_uploads(stores)
    refused = [notice for notice in noticed if notice.survey is None]
    for notice in noticed:
        report_upload(context.instance, notice)
        if notice.survey is None:
            context.log.error("'%s' began no survey: %s", notice.folder.prefix, notice.reason)
        else:
            context.log.info("'%s' began '%s'.", notice.folder.prefix, notice.survey.id)
        for file in notice.skipped:
            context.log.warning("'%s/%s' is skipped: %s.", notice.folder.prefix, file.name, file.reason)
    lines = [f"{len(noticed) - len(refused)} surveys begun by uploads."]
    lines += [f"'{notice.folder.prefix}' began no survey: {notice.reason}" for notice in refused[:_REFUSED]]
    return dg.SkipReason("\n".join(lines))
