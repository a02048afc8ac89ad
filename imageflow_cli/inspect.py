"""`imageflow inspect`: judge a folder of pictures on this machine, or hand it to a running stack."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from imageflow_cli.console import errors, print_json, print_table
from imageflow_cli.options import NAME, as_json, with_settings
from imageflow_cli.picture_folder import as_json as skipped_json
from imageflow_cli.picture_folder import files_of, print_skipped
from imageflow_cli.pipeline_output import read_file
from imageflow_cli.signals import on_signals
from imageflow_cli.whole_file import make_folder, whole_file
from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.database.inspection import inspections
from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import BadFile, Cancelled, InvalidInput
from imageflow_domain.file_names import PICTURE_TYPES, derived_name, why_no_picture
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import Batch, Inspection, Judgement, Verdict
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.reinspect import StaleBatch, inspect_again, stale_batches
from imageflow_inspection.results import FoundResult, find_results
from imageflow_inspection.take_in import take_in
from imageflow_inspection.uploading import BatchUpload, new_batch_name

NOT_PASSED = 6
"""The exit status where pictures failed or could not be judged."""
_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNDECIDED: "yellow"}
_PAGE = 500


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--product", type=NAME, help="What the pictures show: a product with a published master.")
@click.option("--batch", type=NAME, help="Name of the batch; the time, if not given.")
@click.option("--upload", is_flag=True, help="Only upload: a running `imageflow up` inspects it by itself.")
@click.option("--marked", type=click.Path(path_type=Path), help="Also write the marked pictures into this folder.")
@click.option("--stale", type=NAME, metavar="PRODUCT", help="List the batches that would be judged otherwise now.")
@click.option(
    "--again",
    is_flag=True,
    help="With --stale: inspect them again; with --batch that one, also if it failed or has what could not be judged.",
)
@as_json
@with_settings
def inspect(
    settings: Settings,
    folder: Path | None,
    product: str | None,
    batch: str | None,
    upload: bool,
    marked: Path | None,
    stale: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Inspect a FOLDER of pictures in this process, without a running stack.

    The same pictures under the same --batch are the same batch: what was interrupted goes on, and nothing is judged
    twice. Exit status: 0 if every picture passed, 6 if some failed or could not be judged, others as for every command.
    """
    if stale is not None:
        if folder is not None or product is not None or upload or (batch is not None and not again):
            raise click.UsageError(
                "--stale goes with --again alone, or with that and --batch: it looks at batches that were inspected."
            )
        _stale(settings, stale, batch, again=again, as_json=as_json)
        return
    if folder is None or product is None or again:
        raise click.UsageError("Name a FOLDER and its --product, or --stale PRODUCT.")
    if upload and marked:
        raise click.UsageError("--marked needs results, and --upload leaves them to the running stack.")
    if marked is not None:
        make_folder(marked)
    stores = open_stores(settings)
    pictures, skipped = _pictures(folder)
    if not as_json:
        print_skipped(skipped)
    with _sent(stores, pictures, product, batch, as_json=as_json) as sent:
        closed = sent.close(datetime.now(UTC))
    if upload:
        _print_upload(closed, skipped, settings.gateway_url, as_json=as_json)
        return
    take_in(stores, closed.id)
    done = _judge(settings, stores, closed, open_models(settings, stores.objects), as_json=as_json)
    _print_result(stores, closed, done, marked, skipped, as_json=as_json)
    if done.passed < done.pictures:
        raise SystemExit(NOT_PASSED)


def _pictures(folder: Path) -> tuple[list[Path], list[BadFile]]:
    """Return the pictures of a folder, by name, and what is skipped; raise `InvalidInput` where there are none."""
    found, skipped = files_of(folder, why_no_picture)
    if not found:
        raise InvalidInput(f"'{folder}' holds no pictures: put {', '.join(PICTURE_TYPES)} into it.")
    return found, skipped


@contextmanager
def _bar(title: str, total: int, *, shown: bool) -> Iterator[Progress]:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=not shown) as bar:
        bar.add_task(title, total=total)
        yield bar


@contextmanager
def _sent(
    stores: Stores, pictures: Sequence[Path], product: str, name: str | None, *, as_json: bool
) -> Iterator[BatchUpload]:
    """Give pictures, put into the store; what the body does not close is taken back."""
    with BatchUpload(stores, product, name or new_batch_name(datetime.now(UTC))) as upload:
        with _bar("Taking in", len(pictures), shown=not as_json) as bar:
            for path in pictures:
                upload.add(path.name, read_file(path))
                bar.advance(bar.task_ids[0])
        yield upload


def _print_upload(sent: Batch, skipped: Sequence[BadFile], gateway_url: str, *, as_json: bool) -> None:
    if as_json:
        facts = {"product": sent.product, "batch": sent.name, "version": sent.version, "pictures": sent.pictures}
        print_json({**facts, "skipped": skipped_json(skipped)})
        return
    click.echo(sent.key)
    click.echo(
        f"{sent.pictures} pictures uploaded. A running stack inspects them by itself: "
        f"{gateway_url}/api/v1/batches?product={sent.product}&name={sent.name} shows the progress.",
        err=True,
    )


def _judge(settings: Settings, stores: Stores, batch: Batch, models: ModelRegistry, *, as_json: bool) -> Inspection:
    stop = Cancellation()
    with (
        StepProcesses() as processes,
        LocalContainers(stores.scratch, program=settings.container_program) as containers,
        _bar("Inspecting", batch.pictures, shown=not as_json) as bar,
        on_signals(partial(stop.cancel, "Interrupted."), signal.SIGINT, signal.SIGTERM),
    ):
        task = bar.task_ids[0]
        try:
            return inspect_batch(
                stores,
                batch.id,
                models=models,
                containers=containers,
                isolation=processes,
                cancellation=stop,
                watch=lambda done, of: bar.update(task, completed=done, total=of),
            )
        except Cancelled as error:
            click.echo(f"What is judged of '{batch.name}' is kept: --batch {batch.name} goes on.", err=True)
            raise click.Abort from error


def _print_result(
    stores: Stores,
    batch: Batch,
    done: Inspection,
    marked: Path | None,
    skipped: Sequence[BadFile],
    *,
    as_json: bool,
) -> None:
    found: list[FoundResult] = []
    while page := find_results(stores, inspection=done.id, after=found[-1].key if found else None, limit=_PAGE).items:
        found += page
    for each in found:
        if marked is not None and each.result.drawn_key is not None:
            _write(stores, each.result.drawn_key, marked / derived_name(each.result.picture.name, ".jpg"))
    drawn = [each.result.drawn_key for each in found if each.result.drawn_key is not None]
    where = None if not drawn else str(marked) if marked else stores.objects.where(drawn[0].rpartition("/")[0])
    if as_json:
        for each in found:
            print_json(_as_json(stores, each))
        counts = {"passed": done.passed, "failed": done.failed, "undecided": done.undecided}
        facts = {"batch": batch.key, "inspection": done.id, "pictures": done.pictures, **counts}
        print_json({**facts, "marked": where, "skipped": skipped_json(skipped)})
        return
    print_table(("picture", "judgement", "confidence", "why"), [_row(each) for each in found])
    click.echo(
        f"{batch.key}: {done.pictures} pictures, {done.passed} passed, {done.failed} failed, "
        f"{done.undecided} undecided, by version {done.master_version} of the master.",
        err=True,
    )
    if where is not None:
        click.echo(f"Marked pictures: {where}", err=True)


def _row(each: FoundResult) -> tuple[str, Text, str, str]:
    result = each.result
    why = [_why(item) for item in result.items if item.verdict is not Verdict.PASS]
    verdict = Text(result.verdict.value, style=_COLOURS[result.verdict])
    return result.picture.name, verdict, f"{result.confidence:.2f}", "; ".join(why)


def _why(item: Judgement) -> str:
    """Return the reason that one line has room for; the details are in the API and in Dagster."""
    if "reason" in item.details:
        return f"{item.item}: {item.details['reason']}"
    return item.item


def _as_json(stores: Stores, each: FoundResult) -> dict[str, object]:
    result = each.result
    return {
        "picture": result.picture.name,
        "verdict": result.verdict,
        "confidence": result.confidence,
        "marked": stores.objects.where(result.drawn_key) if result.drawn_key else None,
        "items": {item.item: {"verdict": item.verdict, "details": item.details} for item in result.items},
    }


def _write(stores: Stores, key: str, path: Path) -> None:
    with whole_file(path) as part:
        part.write_bytes(stores.objects.get(key, next_step="inspect the batch again"))


def _stale(settings: Settings, product: str, batch: str | None, *, again: bool, as_json: bool) -> None:
    stores = open_stores(settings)
    models = open_models(settings, stores.objects)
    if batch is not None:
        _again(settings, stores, product, batch, models, as_json=as_json)
        return
    found: list[StaleBatch] = []
    while page := stale_batches(stores, product, models=models, after=found[-1].batch.name if found else ""):
        found += page
    if as_json and not again:
        for each in found:
            facts = {"batch": each.batch.key, "changes": each.changes, "pictures": each.pictures}
            print_json({**facts, "seconds": each.seconds})
        return
    if not again:
        print_table(
            ("batch", "pictures", "seconds", "what changed"),
            [(each.batch.name, str(each.pictures), f"{each.seconds:.1f}", "; ".join(each.changes)) for each in found],
        )
        click.echo(_cost(product, found), err=True)
        return
    for each in found:
        _print_again(
            each.batch, each.inspection, _judge(settings, stores, each.batch, models, as_json=as_json), as_json=as_json
        )


def _again(
    settings: Settings, stores: Stores, product: str, name: str, models: ModelRegistry, *, as_json: bool
) -> None:
    asked = inspect_again(stores, product, models=models, names=[name])
    if not asked:
        click.echo(f"Nothing of '{name}' would be judged otherwise now, or it waits to be inspected already.", err=True)
    for batch in asked:
        with stores.database.begin() as connection:
            was = inspections.get_many(connection, [batch.inspection_id or 0]).get(batch.inspection_id or 0)
        take_in(stores, batch.id)
        _print_again(batch, was, _judge(settings, stores, batch, models, as_json=as_json), as_json=as_json)


def _print_again(batch: Batch, was: Inspection | None, done: Inspection, *, as_json: bool) -> None:
    if as_json:
        facts = {"passed": done.passed, "failed": done.failed, "undecided": done.undecided}
        print_json({"batch": batch.key, "inspection": done.id, **facts})
        return
    before = "" if was is None else f" (were {was.passed}, {was.failed}, {was.undecided})"
    click.echo(f"{batch.name}: {done.passed} passed, {done.failed} failed, {done.undecided} undecided{before}.")


def _cost(product: str, found: list[StaleBatch]) -> str:
    if not found:
        return f"Every batch of '{product}' is judged as it would be now."
    pictures, seconds = sum(each.pictures for each in found), sum(each.seconds for each in found)
    return (
        f"{len(found)} batches of {pictures:,} pictures, about {seconds:,.0f} s of computing: "
        f"`imageflow inspect --stale {product} --again` inspects them again."
    )
