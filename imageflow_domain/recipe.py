"""Where a survey's driver parameters came from: the YAML file of its game, and the files beside that."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """A game's YAML as a survey found it."""

    model_config = ConfigDict(frozen=True)

    path: str
    """Of the file, absolute: `survey resume` reads it again."""
    content: dict[str, Any]
    """Its content: other parameters of the survey came from options."""
    files: dict[str, str] = Field(default_factory=dict)
    """The files beside it that the driver uses, by name: keys of the objects that were stored with the survey, so that
    every process of a deployment has them."""
