"""`imageflow model`: learn from good images, train on drawn products, check against a golden set, register, list."""

from pathlib import Path

import click
from rich.text import Text

from imageflow_cli.console import errors, print_json, print_table
from imageflow_cli.options import NAME, as_json, with_settings
from imageflow_cli.picture_folder import files_of, print_skipped
from imageflow_cli.stage_bars import stage_bars
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput
from imageflow_domain.file_names import why_no_picture
from imageflow_domain.inference import ModelTask

_FOLDER = click.Path(path_type=Path)


@click.group()
def model() -> None:
    """Models that pipelines ask: trained, checked, registered."""


@model.command()
@click.argument("folder", type=_FOLDER)
@click.option("--version", type=click.IntRange(1, 10**9 - 1), default=1, show_default=True, help="Of the new models.")
@click.option("--pictures", type=click.IntRange(64), default=10_000, show_default=True, help="Drawn to learn from.")
@click.option("--passes", type=click.IntRange(1), default=5, show_default=True, help="How often each is shown.")
@click.option(
    "--validation",
    type=click.IntRange(60),
    default=3_000,
    show_default=True,
    help="Others that are drawn to set the thresholds by.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def train(folder: Path, version: int, pictures: int, passes: int, validation: int, seed: int) -> None:
    """Train on drawn products, and write two models into FOLDER: one that detects defects, one that heats them.

    Takes about 15 minutes of one core with the defaults, and JAX: pip install 'imageflow[train]'.
    """
    from imageflow_models.recipe import make_models

    def on_progress(what: str) -> None:
        click.echo(what, err=True)

    made = make_models(
        folder,
        version=version,
        pictures=pictures,
        passes=passes,
        validation=validation,
        seed=seed,
        on_progress=on_progress,
    )
    for path in made:
        click.echo(str(path))


@model.command()
@click.argument("name", type=NAME)
@click.option("--good", type=_FOLDER, required=True, help="Photographs of good products: 16 or more.")
@click.option("--bad", type=_FOLDER, help="Photographs of bad ones: only judged, for the report.")
@click.option("--out", type=_FOLDER, help="Folder of the model, made if missing.  [default: NAME]")
@click.option("--version", type=click.IntRange(1, 10**9 - 1), default=1, show_default=True, help="Of the model.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 50, min_open=True),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="Share of good products that may be called bad.",
)
@click.option(
    "--megapixels",
    type=click.FloatRange(0.15, 12),
    default=3.0,
    show_default=True,
    help="Larger photographs are shrunk to this: more finds smaller defects, and takes longer.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def learn(
    name: str,
    good: Path,
    bad: Path | None,
    out: Path | None,
    version: int,
    false_alarms: float,
    megapixels: float,
    seed: int,
) -> None:
    """Learn what good products look like, and write a model NAME that marks what is unlike them.

    Takes a few minutes for 100 photographs. Interrupted, the same command goes on where it was.
    """
    from imageflow_models.learning.learning import REPORT, Listeners, Plan, learn

    folder = out or Path(name)
    plan = Plan(
        good=_photographs(good),
        bad=_photographs(bad) if bad else (),
        rate=false_alarms / 100,
        seed=seed,
        most_px=round(megapixels * 1e6),
    )
    with stage_bars() as on_progress:
        threshold = learn(
            folder,
            name,
            version,
            plan,
            Listeners(on_progress=on_progress, on_message=lambda text: errors.print(Text(text))),
        )
    click.echo(threshold.describe(), err=True)
    click.echo(f"Look at {folder / REPORT}, then: imageflow model register {folder}", err=True)
    click.echo(str(folder))


def _photographs(folder: Path) -> list[Path]:
    taken, skipped = files_of(folder, why_no_picture)
    print_skipped(skipped)
    return taken


@model.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--held-out", type=click.IntRange(20), help="Also score it on so many drawn products that none trained on."
)
@as_json
def check(folder: Path, held_out: int | None, as_json: bool) -> None:
    """Check whether the model in FOLDER can be registered.

    A network must reproduce the answers of its golden set, the part of a reference image must be found by it.
    """
    from imageflow_models.bundle import read_bundle
    from imageflow_models.gate import check_model
    from imageflow_models.judging import OneModel, judge_by_model
    from imageflow_models.products import Split, draw
    from imageflow_models.scoring import score

    bundle = read_bundle(folder)
    card = check_model(bundle)
    rows: tuple[tuple[str, str], ...] = ()
    if held_out is not None:
        if card.task is not ModelTask.DETECT:
            raise InvalidInput(f"Model {card.id} is to {card.task}: only those that detect are scored on products.")
        judge = judge_by_model(OneModel(card, bundle.data), card.id)
        rows = score((draw(Split.HELD_OUT, seed) for seed in range(held_out)), judge).lines()
    if as_json:
        print_json({"model": str(card.id), "digest": card.digest, "golden": len(bundle.golden.names), **dict(rows)})
        return
    if card.task is ModelTask.ALIGN:
        click.echo(f"The part of {card.id} is found in a turned copy of its reference image.", err=True)
        return
    click.echo(f"{card.id} answers {len(bundle.golden.names)} golden pictures as the original did.", err=True)
    if rows:
        print_table(("on held-out products", ""), rows)


@model.command()
@click.argument("folder", type=_FOLDER)
@click.option("--pictures", type=click.IntRange(1, 10_000), default=24, show_default=True)
@click.option("--first", type=click.IntRange(0, 10**9), default=100_000, show_default=True, help="Seed of the first.")
def draw(folder: Path, pictures: int, first: int) -> None:
    """Draw products that no model trained on into FOLDER, with what is wrong with each in truth.csv."""
    from imageflow_models.drawing import draw_batch

    draw_batch(folder, range(first, first + pictures))
    click.echo(f"{pictures} products drawn into {folder}; truth.csv there says what is wrong with them.")


@model.command()
@click.argument("folders", type=_FOLDER, nargs=-1)
@click.option("--shipped", is_flag=True, help="The models that come with ImageFlow.")
@with_settings
def register(settings: Settings, folders: tuple[Path, ...], shipped: bool) -> None:
    """Register the model in each of FOLDERS, if `check` takes it.

    Again the same model changes nothing; another one under the same name and version is refused.
    """
    from imageflow_models import registering

    wanted = (*folders, *(registering.shipped() if shipped else ()))
    if not wanted:
        raise click.UsageError("Name a model's folder, or --shipped.")
    store = ModelStore(open_object_store(settings))
    for folder in wanted:
        click.echo(str(registering.register(store, folder)))
    errors.print("Registered: each model that is listed passed its check.")


@model.command("list")
@as_json
@with_settings
def list_models(settings: Settings, as_json: bool) -> None:
    """List the registered models."""
    store = ModelStore(open_object_store(settings))
    cards = [store.card(each) for each in store.list()]
    if as_json:
        for card in cards:
            print_json(card.model_dump(mode="json"))
        return
    print_table(
        ("model", "task", "labels", "digest"),
        [(str(card.id), card.task, ", ".join(card.labels), card.digest[:12]) for card in cards],
    )
