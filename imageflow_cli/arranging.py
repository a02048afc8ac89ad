"""What `survey arrange`, and `survey run` on frames in no order, do and print."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from imageflow_cli.console import errors
from imageflow_cli.whole_file import make_folder, whole_file
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_mosaic.comparison import OnProgress
from imageflow_surveys.arrange import ArrangedFrames, arrange_frames, of_another_size, of_one_size, positions_csv

_SHOWN = 20
_TITLES = {
    "looking": "Looking at frames",
    "comparing": "Comparing pairs",
    "correlating": "Correlating frames",
    "rescaling": "Trying scales",
}


def arrange(
    stores: Stores, source: str | None, parameters: Mapping[str, Any], masks: Sequence[Rect], *, bars: bool
) -> ArrangedFrames:
    """Arrange frames under progress bars, and print what came of it; arguments and errors are `arrange_frames`'s."""
    with _progress_bar(shown=bars) as on_progress:
        frames = arrange_frames(stores, source, parameters, masks, on_progress)
    _print(frames)
    return frames


def arrange_only(
    settings: Settings, source: Path, masks: Sequence[Rect], folder: Path | None, *, skip_bad: bool, bars: bool
) -> dict[str, Any]:
    """Arrange a folder's frames, write each group's positions.csv where asked, and return the report."""
    if folder is not None:
        make_folder(folder)
    frames = arrange(
        open_stores(settings), str(source.absolute()), {"skip_bad": skip_bad, "follow_links": True}, masks, bars=bars
    )
    if folder is not None:
        for number, group in enumerate(frames.arrangement.groups, start=1):
            path = folder / f"group_{number}.csv"
            with whole_file(path) as partial:
                partial.write_bytes(positions_csv(group))
            click.echo(f"{len(of_one_size(group))} positions written to {path}.", err=True)
    return report(frames)


def report(frames: ArrangedFrames, surveys: Sequence[Survey] = ()) -> dict[str, Any]:
    """Return what became of each frame, for programs.

    Args:
        surveys: Of the groups, in their order, where they were surveyed.
    """
    found = frames.arrangement
    names: list[str | None] = [survey.id for survey in surveys] or [None] * len(found.groups)
    return {
        "groups": [
            {
                "survey": name,
                "overlaps": group.overlaps,
                "frames": [
                    {
                        "file": one.name,
                        "row": one.cell.row,
                        "col": one.cell.col,
                        "x": round(one.position.x_px),
                        "y": round(one.position.y_px),
                    }
                    for one in of_one_size(group)
                ],
                "width": group.size.width_px,
                "height": group.size.height_px,
                "of_another_size": [
                    {
                        "file": one.name,
                        "x": round(one.position.x_px),
                        "y": round(one.position.y_px),
                        "width": one.size.width_px,
                        "height": one.size.height_px,
                    }
                    for one in of_another_size(group)
                ],
            }
            for name, group in zip(names, found.groups, strict=True)
        ],
        "strays": list(found.strays),
        "doubles": [{"file": double.name, "same_as": double.of} for double in found.doubles],
        "rescaled": [
            {"file": one.name, "same_place_as": one.of, "scale": round(one.scale, 3)} for one in found.rescaled
        ],
        "not_believed": [{"first": doubt.first, "second": doubt.second} for doubt in found.doubts],
        "left_out": [{"file": bad.name, "reason": bad.reason} for bad in frames.left_out],
    }


def _print(frames: ArrangedFrames) -> None:
    found = frames.arrangement
    sizes = [len(group.pictures) for group in found.groups]
    click.echo(f"{sum(sizes)} frames overlap, in {_count(sizes, 'group')}: {_listed(map(str, sizes))}.", err=True)
    if len(sizes) > 1:
        click.echo("Each group is a map of its own: the positions of groups to one another are unknown.", err=True)
    _say(f"{_count(found.strays, 'frame')} belong to no group", found.strays)
    _say(
        f"{_count(found.doubles, 'frame')} show the same as another and are left out",
        [f"{double.name} (as {double.of})" for double in found.doubles],
    )
    for number, group in enumerate(found.groups, start=1):
        others = of_another_size(group)
        view = f"{group.size.width_px}x{group.size.height_px} px"
        _say(
            f"{_count(others, 'frame')} of group {number} have another size than {view} and are left out of its map; "
            "cut all frames to one size to use them",
            [f"{one.name} ({one.size.width_px}x{one.size.height_px} px)" for one in others],
        )
    _say(
        f"{_count(found.rescaled, 'frame')} show a place at another scale; resize them to use them",
        [f"{one.name} (the same place as {one.of} at {one.scale:.4g} times the size)" for one in found.rescaled],
    )
    _say(
        f"{_count(found.doubts, 'pair')} may overlap, but the evidence is too weak, or other frames contradict it",
        [f"{doubt.first} and {doubt.second}" for doubt in found.doubts],
    )
    _say(
        f"{_count(frames.left_out, 'file')} cannot be used",
        [f"{bad.name}: {bad.reason}" for bad in frames.left_out],
    )


def _say(what: str, of: Sequence[str]) -> None:
    if of:
        click.echo(f"{what}: {_listed(of)}.", err=True)


def _count(of: Sequence[object], noun: str) -> str:
    return f"{len(of)} {noun}{'' if len(of) == 1 else 's'}"


def _listed(names: Sequence[str] | Iterator[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more if every else "none"


@contextmanager
def _progress_bar(*, shown: bool) -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=not shown) as bars:
        tasks = {what: bars.add_task(title, total=None, start=False) for what, title in _TITLES.items()}

        def on_progress(what: str, done: int, total: int) -> None:
            bars.start_task(tasks[what])
            bars.update(tasks[what], completed=done, total=total)

        yield on_progress
