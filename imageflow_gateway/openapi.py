"""`python -m imageflow_gateway.openapi`: print the API's description, from which the page's types are made."""

import json
import sys
from typing import Any

from imageflow_gateway.app import describe_api


def openapi() -> dict[str, Any]:
    """Return OpenAPI 3.1 of every route, without opening a store."""
    return describe_api().openapi()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n")
