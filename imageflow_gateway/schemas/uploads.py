"""Uploads as the API tells them."""

from pydantic import BaseModel


class Uploaded(BaseModel):
    """A file that lies in the store whole."""

    key: str
    bytes: int
