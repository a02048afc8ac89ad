"""What `imageflow pipeline preview` writes and shows."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imageflow_cli.console import print_json, print_table, visible
from imageflow_cli.media_endings import ending_of
from imageflow_cli.whole_file import whole_file
from imageflow_domain.file_names import derived_name

if TYPE_CHECKING:
    from imageflow.client import PreviewOutput, SamplePreview

_SHOWN_CHARS = 200
_JSON = "application/json"


def write_preview(preview: "SamplePreview", image: Path, out: Path | None) -> dict[str, Path]:
    """Write the outputs, `{stem}.{output}.{ending}`; return the files by output."""
    if out is None:
        return {}
    outputs = {name: each for name, each in preview.outputs.items() if each is not None}
    files = {
        name: out / derived_name(image.stem, f".{name}.{ending_of(each.media_type)}") for name, each in outputs.items()
    }
    for name, file in files.items():
        with whole_file(file) as partial:
            partial.write_bytes(outputs[name].data)
    return files


def show_preview(preview: "SamplePreview", image: Path, files: dict[str, Path], *, steps: bool, as_json: bool) -> None:
    """Print what a step gave for an image."""
    if as_json:
        print_json(_facts(preview, image, files))
        return
    click.echo(f"{image}: {visible(preview.error.message) if preview.error else f'{preview.seconds * 1000:.0f} ms'}")
    for name, output in preview.outputs.items():
        click.echo(f"  {name}: {files.get(name) or _said(output)}")
    if steps:
        print_table(
            ("step", "status", "time"),
            [(step.step, step.status, f"{step.seconds * 1000:.2f} ms") for step in preview.steps],
        )


def _said(output: "PreviewOutput | None") -> str:
    if output is None:
        return "nothing: a branch went another way"
    if output.media_type == _JSON:
        text = output.data.decode()
        return visible(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}...")
    size = f", {output.width_px} x {output.height_px} px" if output.width_px else ""
    return f"{output.media_type}{size}, {len(output.data):,} bytes"


def _facts(preview: "SamplePreview", image: Path, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "image": str(image),
        "error": preview.error and preview.error.message,
        "seconds": preview.seconds,
        "outputs": {
            name: output
            and {
                "kind": output.kind,
                "media_type": output.media_type,
                "sha256": output.sha256,
                "width_px": output.width_px or None,
                "height_px": output.height_px or None,
                "file": str(files[name]) if name in files else None,
                **({"value": json.loads(output.data)} if output.media_type == _JSON else {}),
            }
            for name, output in preview.outputs.items()
        },
        "steps": [{"step": step.step, "status": step.status, "seconds": step.seconds} for step in preview.steps],
    }
