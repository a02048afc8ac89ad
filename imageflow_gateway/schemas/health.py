"""The gateway's own health."""

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """The gateway answers."""

    status: Literal["ok"] = "ok"
