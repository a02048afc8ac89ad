"""A survey's areas in the API: columns, because ten thousand objects would be ten times as large."""

from typing import Literal

from pydantic import BaseModel

from imageflow_domain.geometry import Size
from imageflow_surveys.areas import SurveyAreas

AreaStatus = Literal["planned", "anchored", "ambiguous", "unplaced"]


class AreaColumns(BaseModel):
    """Areas row by row; every list is as long."""

    placed: bool
    """Whether x and y lie in the map's frame; until the survey is placed, they lie in the driver's own plane."""
    view: Size
    """Of each screenshot: its outline is x, y and this."""
    row: list[int]
    col: list[int]
    x: list[int]
    """Top left corner, in game pixels."""
    y: list[int]
    statuses: list[AreaStatus] = ["planned", "anchored", "ambiguous", "unplaced"]
    status: list[int]
    """Each a place in `statuses`."""
    confidence: list[float]
    """Probability that the place is exact to the pixel, 0 to 1; 0 before it is placed."""
    kept: list[bool]
    """Whether the screenshot is stored still."""

    @staticmethod
    def of(areas: SurveyAreas) -> "AreaColumns":
        """Turn statuses into numbers and round confidence to four digits; nothing is validated."""
        states = areas.states
        numbers = {None: 0, "anchored": 1, "ambiguous": 2, "unplaced": 3}
        # Read from our own rows a moment ago: checking seventy thousand numbers again takes longer than reading them.
        return AreaColumns.model_construct(
            placed=areas.placed,
            view=areas.survey.view,
            row=list(states.row),
            col=list(states.col),
            x=list(states.x_px),
            y=list(states.y_px),
            statuses=["planned", "anchored", "ambiguous", "unplaced"],
            status=[numbers[word] for word in states.status],
            confidence=[round(sure or 0.0, 4) for sure in states.confidence],
            kept=list(states.kept),
        )
