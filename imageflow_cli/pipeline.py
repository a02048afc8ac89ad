"""`imageflow pipeline`: run a pipeline on pictures, check one, list those that are published, and the components."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml

from imageflow_cli.component_output import print_component, print_components
from imageflow_cli.console import print_json, print_table
from imageflow_cli.options import as_json, with_settings
from imageflow_cli.pipeline_output import Written, check_pictures, read_file, summary, write
from imageflow_cli.preview_output import show_preview, write_preview
from imageflow_clients.settings import Settings
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelRegistry
from imageflow_pipelines.component import ports_of
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution, StepStatus
from imageflow_pipelines.older_versions import OlderVersion, older_versions
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.registry import RELEASED, Registry, describe
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import parse_spec, read_spec, read_value

_PATH = click.Path(path_type=Path)


@click.group()
def pipeline() -> None:
    """Run pictures through a graph of components."""


@pipeline.command()
@click.argument("spec", type=_PATH)
@click.argument("images", type=_PATH, nargs=-1, required=True)
@click.option("--out", type=_PATH, help="Folder for the outputs, made if missing. Without it they are only summed up.")
@click.option("--set", "overrides", multiple=True, metavar="STEP.PARAMETER=VALUE", help="Replace a parameter.")
@click.option("--input", "others", multiple=True, metavar="NAME=FILE", help="A picture for another of its inputs.")
@click.option("--steps", is_flag=True, help="Also show how long each step took.")
@as_json
@with_settings
def run(
    settings: Settings,
    spec: Path,
    images: tuple[Path, ...],
    out: Path | None,
    overrides: tuple[str, ...],
    others: tuple[str, ...],
    steps: bool,
    as_json: bool,
) -> None:
    """Run the pipeline that the file SPEC describes (YAML or JSON) on each IMAGE."""
    from imageflow_clients.containers.local import LocalContainers
    from imageflow_clients.step_process import StepProcesses

    asked = _spec(spec).with_parameters(_overrides(overrides))
    wanted = plan(asked, _registry(settings, asked))
    rest = {name: read_file(Path(file)) for name, file in map(_pair, others)}
    first = _first_input(wanted, rest)
    check_pictures(images, out)
    failures = []
    with (
        StepProcesses() as processes,
        LocalContainers(settings.scratch_path, program=settings.container_program) as containers,
        Engine(models=_models(settings, wanted), containers=containers, isolation=processes) as engine,
    ):
        for image, execution in _executions(engine, wanted, images, first, rest):
            written = write(execution, image, out) if execution.error is None else ()
            if len(images) > 1 or execution.error is None or as_json:
                _show(image, execution, written, steps=steps, as_json=as_json)
            if execution.error is not None:
                failures.append(execution.error)
    if len(images) == 1 and failures:
        raise failures[0]
    if failures:
        raise InvalidInput(
            f"{len(failures)} of {len(images)} pictures failed for the reasons above; the others are done."
        )


@pipeline.command()
@click.argument("spec", type=_PATH)
@click.argument("images", type=_PATH, nargs=-1, required=True)
@click.option("--step", required=True, help="The step whose outputs are wanted.")
@click.option(
    "--server", help="Address of the gateway, or of an engine alone as grpc://host:port (default: this machine's)."
)
@click.option("--out", type=_PATH, help="Folder for the outputs, made if missing. Without it they are only listed.")
@click.option(
    "--side",
    "longest_side_px",
    type=click.IntRange(16, 4096),
    default=1024,
    show_default=True,
    help="Pixels that are larger are reduced to this length of their longer side.",
)
@click.option("--steps", is_flag=True, help="Also show how long each step took.")
@as_json
@with_settings
def preview(
    settings: Settings,
    spec: Path,
    images: tuple[Path, ...],
    step: str,
    server: str | None,
    out: Path | None,
    longest_side_px: int,
    steps: bool,
    as_json: bool,
) -> None:
    """Show what one step of the pipeline in the file SPEC gives for up to 8 IMAGES, by an engine of a running server.

    Nothing is stored. What has not changed since the last preview is not computed again.
    """
    from imageflow.client import Client

    asked = _spec(spec).to_data()
    check_pictures(images, out)
    with Client(server or settings.gateway_url) as client:
        previews = client.preview(
            [read_file(image) for image in images], spec=asked, step=step, longest_side_px=longest_side_px
        )
    for image, shown in zip(images, previews, strict=True):
        show_preview(shown, image, write_preview(shown, image, out), steps=steps, as_json=as_json)
    failed = [each.error for each in previews if each.error is not None]
    if failed:
        raise InvalidInput(f"The step gave nothing for {len(failed)} of {len(images)} images: {failed[0].message}")


@pipeline.command()
@click.argument("spec", type=_PATH)
@as_json
@with_settings
def check(settings: Settings, spec: Path, as_json: bool) -> None:
    """Validate the pipeline in the file SPEC: list all its faults, or the order of its steps."""
    asked = _spec(spec)
    registry = _registry(settings, asked)
    checked = plan(asked, registry)
    older = older_versions(asked, registry)
    if as_json:
        facts = {"pipeline": checked.spec.pipeline, "version": checked.spec.version, "order": list(checked.steps)}
        print_json({**facts, "older_versions": [asdict(each) for each in older]})
        return
    click.echo(f"{checked.spec.pipeline} {checked.spec.version}: {' -> '.join(checked.steps)}")
    for each in older:
        click.echo(f"{_older(each)}.", err=True)
    _print_changes(older)


@pipeline.command()
@click.argument("spec", type=_PATH)
@as_json
@with_settings
def publish(settings: Settings, spec: Path, as_json: bool) -> None:
    """Publish the pipeline in the file SPEC under the name and version that stand in it.

    A published pipeline never changes: the same file again changes nothing, another one needs the next version.
    """
    from imageflow_catalog.pipelines import publish_pipeline
    from imageflow_clients.stores import open_stores

    published = publish_pipeline(open_stores(settings), _spec(spec).to_data())
    if as_json:
        print_json({"pipeline": published.reference, "digest": published.digest})
    else:
        click.echo(published.reference)


@pipeline.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@as_json
@with_settings
def show(settings: Settings, reference: str, as_json: bool) -> None:
    """Print a published pipeline as a file that `run` and `publish` take; without @VERSION the newest."""
    from imageflow_catalog.pipelines import look_up_pipeline
    from imageflow_clients.stores import open_stores

    with open_stores(settings).database.begin() as connection:
        published = look_up_pipeline(connection, reference)
    if as_json:
        facts = {"pipeline": published.reference, "digest": published.digest, "images": dict(published.images)}
        print_json({**facts, "spec": dict(published.spec)})
    else:
        click.echo(yaml.safe_dump(dict(published.spec), sort_keys=False, allow_unicode=True), nl=False)


@pipeline.command(name="list")
@click.option("--older", is_flag=True, help="Only those that use an older version of a component.")
@as_json
@with_settings
def list_pipelines(settings: Settings, older: bool, as_json: bool) -> None:
    """List the published pipelines, with their steps that use an older version of a component, and what changed since.

    A published pipeline never changes: to use a newer component, publish the pipeline's next version.
    """
    from imageflow_catalog.components import registry_of
    from imageflow_catalog.pipelines import all_pipelines
    from imageflow_clients.stores import open_stores

    with open_stores(settings).database.begin() as connection:
        registry = registry_of(connection)
        listed = [(each, older_versions(parse_spec(dict(each.spec)), registry)) for each in all_pipelines(connection)]
    shown = [(published, steps) for published, steps in listed if steps or not older]
    if as_json:
        for published, steps in shown:
            print_json({"pipeline": published.reference, "older_versions": [asdict(each) for each in steps]})
        return
    print_table(
        ("pipeline", "older versions"),
        [(published.reference, "; ".join(map(_older, steps))) for published, steps in shown],
    )
    _print_changes([each for _, steps in shown for each in steps])


@pipeline.command()
@click.argument("name", required=False)
@as_json
def components(name: str | None, as_json: bool) -> None:
    """List ImageFlow's own components, or show the parameters and ports of NAME, e.g. resize@1.

    `imageflow component list` also lists the registered container components.
    """
    found = [RELEASED.find(name)] if name else [release.component for release in RELEASED]
    if as_json:
        for each in found:
            print_json(describe(each))
    elif name:
        print_component(found[0])
    else:
        print_components(found)


def _older(each: OlderVersion) -> str:
    return f"{each.step} uses {each.uses}, the newest is {each.newest}"


def _print_changes(older: Iterable[OlderVersion]) -> None:
    """Say what later versions change, each once."""
    facts = {reference: changes for each in older for reference, changes in each.changes.items()}
    for reference, changes in facts.items():
        click.echo(f"{reference}: {changes}", err=True)


def _spec(path: Path) -> PipelineSpec:
    try:
        return read_spec(read_file(path).decode())
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{path}' is not text in UTF-8: name the YAML or JSON file of a pipeline.") from error


def _registry(settings: Settings, spec: PipelineSpec) -> Registry:
    """Return the components; the stores are opened only where the spec names one that is not ImageFlow's own."""
    if all(RELEASED.has(step.use) for step in spec.steps.values()):
        return RELEASED
    from imageflow_catalog.components import get_registry
    from imageflow_clients.stores import open_stores

    return get_registry(open_stores(settings))


def _models(settings: Settings, wanted: Plan) -> ModelRegistry | None:
    """Return the registered models, if any step asks one; the stores are left alone otherwise."""
    if not any(ports_of(type(step.component)).context for step in wanted.steps.values()):
        return None
    from imageflow_clients.inference.opening import open_models
    from imageflow_clients.object_stores import open_object_store

    return open_models(settings, open_object_store(settings))


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InvalidInput(f"'{text}' is not NAME=VALUE.")
    return name, value


def _overrides(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in map(_pair, texts):
        step, dot, parameter = name.partition(".")
        if not dot:
            raise InvalidInput(f"'{name}' is not STEP.PARAMETER.")
        found.setdefault(step, {})[parameter] = read_value(value)
    return found


def _first_input(wanted: Plan, rest: dict[str, bytes]) -> str:
    """Return the one input that each picture is for."""
    left = [name for name in wanted.spec.inputs if name not in rest]
    if len(left) != 1:
        raise InvalidInput(
            f"The pipeline takes {', '.join(wanted.spec.inputs)}: name a picture for all but one by --input NAME=FILE."
        )
    return left[0]


def _executions(
    engine: Engine, wanted: Plan, images: Sequence[Path], first: str, rest: dict[str, bytes]
) -> Iterator[tuple[Path, Execution]]:
    """Run pictures side by side, as many as there are cores; give them in their own order."""
    stop = Cancellation()

    def execute(image: Path) -> Execution:
        return engine.run(wanted, {first: read_file(image), **rest}, cancellation=stop)

    with ThreadPoolExecutor(min(len(images), len(os.sched_getaffinity(0)))) as threads:
        try:
            yield from zip(images, threads.map(execute, images), strict=True)
        finally:
            stop.cancel("Interrupted.")


def _show(image: Path, execution: Execution, written: Sequence[Written], *, steps: bool, as_json: bool) -> None:
    if as_json:
        print_json(summary(image, execution, written))
        return
    if execution.error is not None:
        click.echo(f"{image}: {execution.error}", err=True)
        return
    click.echo(f"{image}: {execution.seconds * 1000:.1f} ms")
    for each in written:
        click.echo(f"  {each.output}: {each.said}")
    if steps:
        rows = [
            (name, record.status.value, f"{record.seconds * 1000:.2f} ms" if record.status is StepStatus.DONE else "")
            for name, record in execution.steps.items()
        ]
        print_table(("step", "status", "time"), rows)
