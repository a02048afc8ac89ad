"""Make a survey's map in this process: the job that the sensor requests, executed here."""

import signal
import time
from pathlib import Path

import dagster as dg

from imageflow_assets.map import requesting
from imageflow_assets.map.alone import map_job
from imageflow_assets.map.dead_runs import fail_dead_runs
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.states import report_state
from imageflow_assets.running import execute
from imageflow_assets.runs import error_of, picture_of, why_it_ended
from imageflow_assets.silence import SilenceWatch
from imageflow_cli.session import Session
from imageflow_cli.signals import on_signals
from imageflow_cli.whole_file import whole_file
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import jobs, leases
from imageflow_clients.stores import Stores
from imageflow_domain import errors
from imageflow_domain.errors import ImageFlowError, NotFound, StoreUnavailable
from imageflow_domain.survey import Survey, SurveyState
from imageflow_resources.pools import set_pools
from imageflow_surveys import states
from imageflow_surveys.runs import tags_of

_LOOK_S = 1.0


class SurveyFailed(ImageFlowError):
    """The map of a survey could not be made."""

    def __init__(self, said: str, *, cause: type[ImageFlowError] = ImageFlowError) -> None:
        self.cause = cause
        """The error of the failed step, which determines the exit code."""
        super().__init__(said)


def make_map(session: Session, survey: Survey) -> Survey:
    """Make what a survey lacks, and return it completed.

    Raises:
        SurveyFailed: With the failed step's own words; what was made is kept, and the survey can be resumed.
        KeyboardInterrupt: On SIGINT or SIGTERM; the survey says that it can be resumed.
    """
    instance, stores = session.instance, session.stores
    instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    set_pools(instance, session.settings)
    _end_dead_run(session, survey)
    with stores.database.begin() as connection:
        job = jobs.find_of_survey(connection, survey.id)
    try:
        with on_signals(_interrupt, signal.SIGTERM):
            record = execute(instance, dg.reconstructable(map_job), survey.id, tags_of(None if job is None else job.id))
        if record.dagster_run.status is dg.DagsterRunStatus.CANCELED:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        states.cancel(stores, survey.id, f"Interrupted: `imageflow survey resume {survey.id}` goes on.")
        report_state(instance, states.read(stores, survey.id))
        raise
    requesting.settle(instance, stores, session.settings, survey.id, [record])
    made = states.read(stores, survey.id)
    report_state(instance, made)
    if made.state is not SurveyState.COMPLETED:
        why = why_it_ended(instance, record.dagster_run)
        cause = _cause(error_of(instance, record.dagster_run))
        picture = picture_of(instance, record.dagster_run)
        if picture is not None:
            why = f"{why} {_written_picture(stores, survey, picture)}"
        raise SurveyFailed(
            f"'{survey.id}' has no map: {why}\n`imageflow survey resume {survey.id}` goes on.", cause=cause
        )
    return made


def _cause(name: str | None) -> type[ImageFlowError]:
    """Return the domain error of a name; the root of all for one that is not known."""
    found = getattr(errors, name or "", None)
    return found if isinstance(found, type) and issubclass(found, ImageFlowError) else ImageFlowError


def _written_picture(stores: Stores, survey: Survey, key: str) -> str:
    """Write what a game showed when its capture failed into the current folder, and say where, or why not."""
    path = Path(f"{survey.id}-no-map.png").absolute()
    try:
        picture = stores.objects.get(key, next_step=f"resume '{survey.id}', which looks again")
        with whole_file(path) as partial:
            partial.write_bytes(picture)
    except (NotFound, StoreUnavailable) as error:  # what stopped the survey is said all the same
        return str(error)
    return f"Open '{path}' to see it."


def _interrupt() -> None:
    raise KeyboardInterrupt


def _end_dead_run(session: Session, survey: Survey) -> None:
    """Let Dagster know that the run which had the survey is dead: without a running stack nobody else does."""
    watch = SilenceWatch()
    while True:
        with session.stores.database.begin() as connection:
            lease = leases.find(connection, survey.id)
            silent_s = None if lease is None else heartbeats.silent_for_s(connection, lease.run_id)
        run = None if lease is None else session.instance.get_run_by_id(lease.run_id)
        if run is None or run.is_finished or silent_s is None or silent_s < states.SILENCE_S:
            return
        fail_dead_runs(session.instance, session.stores, watch)
        time.sleep(_LOOK_S)
