"""What the Helm chart takes from elsewhere in the repository, made by `make reference`; a test finds it stale.

The schema of its values follows `values.yaml`, whose defaults show each value's type, and the settings' classes.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import SecretStr

from imageflow_clients.settings import Settings

_FROM_ELSEWHERE = {
    "home",
    "host",
    "gateway_port",
    "dagster_port",
    "engine_grpc_port",
    "engine_address",
    "grpc_address",
    "open",
    "object_store_url",
    "public_url",
    "dagster_url",
    "dagster_public_url",
    "trusted_proxies",
    "container_program",
    "backup_url",
    "backup_endpoint_url",
    "backup_region",
    "backup_access_key_id",
    "backup_recipients",
    "backup_keep_days",
}
"""Settings that the chart sets itself, from values of their own."""

_KUBERNETES = {"resources", "nodeSelector", "annotations", "labels"}
"""Values that Kubernetes itself checks."""

_ONE_OF = {"pullPolicy": ["Always", "IfNotPresent", "Never"], "type": ["ClusterIP", "NodePort", "LoadBalancer"]}


def values_schema(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the chart's values, from their defaults."""
    schema = _schema("", values)
    schema["properties"]["settings"] = _settings_schema()
    schema["properties"]["global"] = {"type": "object"}  # Helm adds it where the chart is another one's dependency
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of ImageFlow's chart", **schema}


def _schema(name: str, default: Any) -> dict[str, Any]:
    if name in _ONE_OF and isinstance(default, str):
        return {"enum": _ONE_OF[name]}
    match default:
        case dict() if name in _KUBERNETES or not default:
            return {"type": "object"}
        case dict():
            properties = {key: _schema(key, value) for key, value in default.items()}
            return {"type": "object", "additionalProperties": False, "properties": properties}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer", "minimum": 0}
        case list():
            return {"type": "array"}
        case None:
            return {"type": ["integer", "null"]}
    return {"type": "string"}


def _settings_schema() -> dict[str, Any]:
    prefix = Settings.model_config["env_prefix"]
    of_users = {
        name: field
        for name, field in Settings.model_fields.items()
        if name not in _FROM_ELSEWHERE and SecretStr not in (field.annotation, *get_args(field.annotation))
    }
    properties = {
        f"{prefix}{name.upper()}": {
            "type": ["string", "number", "boolean"],
            "description": str(field.description).replace("\n", " "),
        }
        for name, field in of_users.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def made_files(root: Path) -> Mapping[Path, str]:
    """Return the chart's files that are made, by their paths, from those of the repository at `root`."""
    chart = root / "helm" / "imageflow"
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    policy = root / "services" / "bucket-policy.json"
    return {
        chart / "values.schema.json": json.dumps(values_schema(values), indent=2) + "\n",
        chart / "files" / "dagster.yaml": (root / "dagster.yaml").read_text(encoding="utf-8"),
        chart / "files" / "demo" / policy.name: policy.read_text(encoding="utf-8"),
    }


if __name__ == "__main__":
    for path, content in made_files(Path(sys.argv[1])).items():
        path.write_text(content, encoding="utf-8")
