"""Whether the positions of a survey's frames are known; `arrange` finds them where they are not."""

from game_capture.positions import tell_no_cell
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.survey import SurveySpec
from imageflow_surveys.camera import frames_of


def is_unordered(stores: Stores, spec: SurveySpec) -> bool:
    """Tell whether a survey's frames have to be arranged first.

    They do where the parameters of the folder driver say so, and where their places are unknown: no `positions.csv`,
    no name like `r03_c11.png`, no grid and no step.
    """
    if spec.driver.name != "folder":
        return False
    if spec.driver.parameters.get("unordered"):
        return True
    frames = frames_of(stores, spec.source, spec.driver.parameters)
    is_stated = spec.grid is not None or spec.driver.parameters.get("step") is not None
    return frames is not None and not is_stated and tell_no_cell(frames.names())


def check_ordered(stores: Stores, spec: SurveySpec) -> None:
    """Raise `InvalidInput` where a survey's frames have to be arranged first, which takes longer than a request may."""
    if is_unordered(stores, spec):
        raise InvalidInput(
            f"The positions of the frames of '{spec.game}' are unknown. Upload them (`imageflow upload`), or survey "
            "them by `imageflow survey run --driver folder`: both arrange them first. Or give the game file a grid "
            "or a step."
        )
