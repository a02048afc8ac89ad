"""Dagster's runs of one survey."""

from dataclasses import dataclass

from imageflow_clients.dagster import Dagster, DagsterRun
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Layer
from imageflow_surveys import states
from imageflow_surveys.runs import PARTITION_TAG

_MOST_RUNS = 300
"""The newest ones of a survey."""


@dataclass(frozen=True, kw_only=True)
class SurveyRun:
    """One run, and the layers of the map that it was launched for."""

    run: DagsterRun
    layers: tuple[Layer, ...]


def list_runs(stores: Stores, dagster: Dagster, survey: str) -> tuple[SurveyRun, ...]:
    """Return what `runs_of_survey` does; raise `NotFound` where there is no such survey."""
    states.read(stores, survey)
    return runs_of_survey(dagster, survey)


def runs_of_survey(dagster: Dagster, survey: str) -> tuple[SurveyRun, ...]:
    """Return the runs over a survey that make assets of the map, newest first; raise `DagsterUnavailable`."""
    found = dagster.runs({PARTITION_TAG: survey}, limit=_MOST_RUNS)
    runs = [SurveyRun(run=run, layers=_layers(run)) for run in found]
    return tuple(run for run in runs if run.layers)


def _layers(run: DagsterRun) -> tuple[Layer, ...]:
    if not run.assets:
        return tuple(Layer)  # nothing was selected: it is a run of a job over all of them
    return tuple(layer for layer in Layer if layer.value in run.assets)
