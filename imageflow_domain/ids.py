"""Names that stand in keys, addresses and partitions, and their one check.

A `|`, `,` or `/` in a partition key breaks Dagster's pages or object keys, so every edge calls these.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

from imageflow_domain.errors import InvalidInput

_NAME = re.compile(r"[a-z0-9_]{1,64}")
_SURVEY = re.compile(r"([a-z0-9_]{1,64})-([a-z0-9_]{1,64})-([0-9]{4,9})")


def check_name(value: str) -> str:
    """Return `value` if it may name a game, save, product or batch; raise `InvalidInput` otherwise."""
    if not _NAME.fullmatch(value):
        raise InvalidInput(f"'{value}' is not a valid name: use 1 to 64 of a-z, 0-9 and _.")
    return value


def is_survey_id(value: str) -> bool:
    """Whether `value` has the form `{game}-{save}-{0001}`."""
    return _SURVEY.fullmatch(value) is not None


def check_survey_id(value: str) -> str:
    """Return `value` if it has the form `{game}-{save}-{0001}`; raise `InvalidInput` otherwise."""
    if not _SURVEY.fullmatch(value):
        raise InvalidInput(f"'{value}' is not a survey id: it looks like 'openttd-home-0001'.")
    return value


def parts_of_survey_id(value: str) -> tuple[str, str, int]:
    """Return game, save and number of a survey's id; raise `InvalidInput` where it is none."""
    found = _SURVEY.fullmatch(check_survey_id(value))
    assert found is not None  # noqa: S101 - checked
    return found[1], found[2], int(found[3])


def survey_id(game: str, save: str, number: int) -> str:
    """Spell the id of the `number`-th survey of a save."""
    return f"{check_name(game)}-{check_name(save)}-{number:04d}"


def _as_value_error(value: str) -> str:
    try:
        return check_name(value)
    except InvalidInput as error:  # pydantic collects ValueErrors only
        raise ValueError(str(error)) from error


Name = Annotated[str, AfterValidator(_as_value_error)]
"""A `check_name`d string as a pydantic field."""
