"""JSON Schema of the YAML that describes a game, for editors and for people."""

from typing import Any

from game_capture.registry import DRIVERS, driver_schema
from imageflow_surveys.games import GameFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def game_schema() -> dict[str, Any]:
    """Return the schema of a game file, with the parameters of every driver."""
    schema = GameFile.model_json_schema()
    definitions = dict(schema.pop("$defs"))
    kinds = []
    for name in sorted(DRIVERS):
        parameters = driver_schema(name)
        definitions |= parameters.pop("$defs", {})
        kinds.append(
            {
                "type": "object",
                "title": name,
                "properties": {
                    "name": {"const": name, "description": "Name of the driver."},
                    "parameters": {**parameters, "description": f"How the {name} driver surveys the game."},
                },
                "required": ["name"],
                "additionalProperties": False,
            }
        )
    schema["properties"]["driver"] = {"oneOf": kinds, "description": schema["properties"]["driver"]["description"]}
    definitions.pop("DriverSpec")
    return {"$schema": _DIALECT, **schema, "$defs": definitions}


def parameters_schema(driver: str) -> dict[str, Any]:
    """Return the schema of a file with one driver's parameters alone; raise `NotFound` for an unknown name."""
    return {"$schema": _DIALECT, **driver_schema(driver)}
