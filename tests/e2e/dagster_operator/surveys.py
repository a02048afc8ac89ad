"""Surveys of the simulated city on the operator's stack: how they are asked for, and how they must end."""

from collections.abc import Mapping
from typing import Any

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid_text import parse_grid
from imageflow_domain.survey import Carrier, SurveySpec
from imageflow_surveys.plan import plan_survey
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.stack import wait_for

SMALL = {"view": [320, 256], "drift_px": 8, "paused": True}


def planned(ui: Ui, stores: Stores, save: str, grid: str, parameters: Mapping[str, Any], **more: Any) -> str:
    """Register a survey as the job `plan_survey` does, without the start of a run, and return its id."""
    asked = {
        "game": "city",
        "save": save,
        "driver": {"name": "city", "parameters": parameters},
        "grid": parse_grid(grid),
        **more,
    }
    survey = plan_survey(stores, SurveySpec.model_validate(asked), Carrier.OPERATOR)
    ui.add_partition(survey.id)
    return survey.id


def assert_completed(ui: Ui, *surveys: str) -> None:
    """Every partition of these is there and fresh, and the survey is published."""
    for survey in surveys:
        facts = ui.stack.await_state(survey, "completed", 120)
        assert facts["reason"] is None
        assert facts["revision"] is not None
        assert {asset: ui.stale(asset, survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")


def written(stores: Stores, survey: str) -> Mapping[str, object]:
    """Return when each screenshot was written, by its key."""
    return {one.key: one.last_modified for one in stores.objects.list(f"{keys.survey_prefix(survey)}/screenshots/")}


def await_screenshots(ui: Ui, stores: Stores, survey: str, count: int) -> None:
    def are_there() -> bool | None:
        return True if len(written(stores, survey)) >= count else None

    wait_for(are_there, 120, lambda: f"{survey}: {ui.runs_of(survey)}", every_s=0.2)
