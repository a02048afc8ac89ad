"""Parts of addresses, checked before a route sees them."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator

from imageflow_domain.errors import InvalidInput
from imageflow_domain.executions import parse_id
from imageflow_domain.ids import Name, check_survey_id
from imageflow_domain.inference import ModelId

_INT32 = 2**31


def _survey_id(value: str) -> str:
    try:
        return check_survey_id(value)
    except InvalidInput as error:  # pydantic collects ValueErrors only
        raise ValueError(str(error)) from error


def _execution_id(value: UUID) -> UUID:
    try:
        return parse_id(str(value))
    except InvalidInput as error:  # pydantic collects ValueErrors only
        raise ValueError(str(error)) from error


SurveyId = Annotated[str, AfterValidator(_survey_id), Path(examples=["city-first-0001"])]
SurveyQuery = Annotated[str, AfterValidator(_survey_id), Query(examples=["city-first-0001"])]
Revision = Annotated[str, Path(pattern="^[0-9a-f]{32,64}$")]
GamePart = Annotated[Name, Path(examples=["openttd"])]
SavePart = Annotated[Name, Path(examples=["home"])]
GameQuery = Annotated[Name | None, Query(description="Only this game; goes with `save`.")]
SaveQuery = Annotated[Name | None, Query(description="Only this save of the game.")]
Zoom = Annotated[int, Path(ge=-_INT32, lt=_INT32)]
Column = Annotated[int, Path(ge=-_INT32, lt=_INT32)]
Row = Annotated[int, Path(ge=-_INT32, lt=_INT32)]
Product = Annotated[Name, Path(examples=["lid"], description="A product's code.")]
ProductQuery = Annotated[Name | None, Query(description="Only this product.")]
Reference = Annotated[
    str,
    Path(pattern="^[a-z0-9_]{1,64}@[1-9][0-9]{0,8}$", examples=["scratches@1"], description="As name@version."),
]
Place = Annotated[int, Path(ge=0, lt=_INT32, description="Of the picture in its batch, from 0.")]
Version = Annotated[int, Path(ge=1, lt=_INT32)]
ExecutionId = Annotated[UUID, AfterValidator(_execution_id), Path(examples=["0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31"])]
RowId = Annotated[int, Path(ge=1, lt=2**63)]
AfterId = Annotated[int | None, Query(ge=1, lt=2**63, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]


def model_id(reference: str) -> ModelId:
    """Return the id that a checked reference spells."""
    return ModelId.parse(reference)
