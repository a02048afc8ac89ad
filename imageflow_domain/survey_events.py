"""Events of a survey: its state, its layers and their blocks; never single tiles."""

from enum import StrEnum

from imageflow_domain.events import Event
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, SurveyState


class LayerChange(StrEnum):
    """What became of a layer, or of one block of it."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    REOPENED = "reopened"
    """It is to be made again."""


def subject_of(survey: str) -> str:
    """Return how the log calls a survey."""
    return f"survey/{survey}"


def state_changed(survey: str, state: SurveyState) -> Event:
    """Return the event of a survey's new state."""
    return Event(subject=subject_of(survey), kind="state", data={"state": state})


def layer_changed(survey: str, layer: Layer, change: LayerChange, block: Block | None = None) -> Event:
    """Return the event of a layer, or of one block of it."""
    data = {"layer": layer, "change": change}
    if block is None:
        return Event(subject=subject_of(survey), kind="layer", data=data)
    return Event(subject=subject_of(survey), kind="block", data={**data, "block": block.key})
