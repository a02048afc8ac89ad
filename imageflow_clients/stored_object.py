"""An object as listed, and which files of a folder are none."""

import re
from dataclasses import dataclass
from datetime import datetime

UNFINISHED = re.compile(r"#\d+$")
"""A folder's store keeps unfinished objects under such names and shows none of them."""


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object as listed. Another content under the key has another `etag`."""

    key: str
    size: int
    etag: str
    last_modified: datetime
