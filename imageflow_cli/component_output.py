"""Components as the command line shows them: one in full, many as rows."""

from collections.abc import Sequence
from typing import Any

import click

from imageflow_cli.console import print_table
from imageflow_pipelines.component import Component
from imageflow_pipelines.registry import describe, one_line


def print_components(found: Sequence[type[Component]]) -> None:
    """Print a row a component: what it takes, gives and does."""
    rows = [
        (each.reference(), _takes(facts), _gives(facts), one_line(each)) for each in found for facts in [describe(each)]
    ]
    print_table(("component", "takes", "gives", "does"), rows)


def print_component(component: type[Component]) -> None:
    """Print what a component does, its ports, parameters and, of a container, its image and limits."""
    each = describe(component)
    click.echo(f"{each['name']}@{each['version']}\n\n{each['description']}\n")
    if each["changes"]:
        click.echo(f"Against version {each['version'] - 1}: {each['changes']}\n")
    rows = [(f"from.{port['name']}", " or ".join(port["kinds"]), _wanted(port)) for port in each["inputs"]]
    schema = each["parameters"]
    for name, field in schema.get("properties", {}).items():
        bounds = " ".join(f"{key} {field[key]}" for key in _BOUNDS if key in field)
        default = "required" if name in schema.get("required", ()) else f"default {field.get('default')}"
        rows.append((f"with.{name}", f"{_kind(field)} {bounds}".strip(), default))
    rows += [(port["name"], port["kind"], "output") for port in each["outputs"]]
    if component.container is not None:
        limits = component.container.limits
        rows.append(("image", component.container.image, ""))
        rows.append(("limits", f"{limits.cpus:g} cores, {limits.memory_mb} MB, {limits.time_s:g} s an image", ""))
    print_table(("", "kind", ""), rows)


_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength", "maxLength", "pattern")


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"])
    return str(field.get("type", field.get("const", "value")))


def _wanted(port: dict[str, Any]) -> str:
    return ("required" if port["required"] else "optional") + (", many" if port["many"] else "")


def _takes(each: dict[str, Any]) -> str:
    return ", ".join(port["name"] + ("" if port["required"] else "?") for port in each["inputs"])


def _gives(each: dict[str, Any]) -> str:
    return ", ".join(port["name"] for port in each["outputs"])
