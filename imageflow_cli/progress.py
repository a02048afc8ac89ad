"""Progress bars of a survey, drawn from the database: they are right whichever process does the work."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from imageflow_cli.console import errors
from imageflow_clients.database.maps import layers
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_domain.survey import Layer, ShotCount, Survey
from imageflow_domain.survey import Progress as SurveyProgress

_POLL_S = 0.4
_TITLES = {
    Layer.SCREENSHOTS: "Screenshots",
    Layer.PAIR_OFFSETS: "Offsets (blocks)",
    Layer.COORDINATES: "Coordinates",
    Layer.TILES: "Tiles",
    Layer.OVERVIEWS: "Overviews",
    Layer.CLEANUP: "Cleanup",
}


@contextmanager
def survey_bars(stores: Stores, survey: Survey, *, shown: bool) -> Iterator[None]:
    """Draw one bar a layer while the body runs."""
    columns = (TextColumn("{task.description:<17}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    over = threading.Event()
    with Progress(*columns, console=errors, disable=not shown) as bars:
        tasks = {layer: bars.add_task(title, total=None, start=False) for layer, title in _TITLES.items()}
        thread = threading.Thread(target=_watch, args=(stores, survey, bars, tasks, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _watch(stores: Stores, survey: Survey, bars: Progress, tasks: dict[Layer, TaskID], over: threading.Event) -> None:
    while True:
        last = over.wait(_POLL_S)
        try:
            with stores.database.begin() as connection:
                progress = layers.progress(connection, survey.id)
                shots = layers.shots(connection, survey.id)
        except DatabaseUnavailable:
            # the work itself says so; bars only stand still
            pass
        else:
            _draw(bars, tasks, progress, shots)
        if last:
            return


def _draw(bars: Progress, tasks: dict[Layer, TaskID], progress: SurveyProgress, shots: ShotCount) -> None:
    blocks = len(progress.blocks)
    begun = False
    for layer in reversed(Layer):
        done, total = _count(progress, shots, layer, blocks)
        begun = begun or done > 0
        if begun:
            bars.start_task(tasks[layer])
        bars.update(tasks[layer], completed=done, total=total)
        if total and done >= total:
            bars.stop_task(tasks[layer])


def _count(progress: SurveyProgress, shots: ShotCount, layer: Layer, blocks: int) -> tuple[int, int | None]:
    if layer is Layer.SCREENSHOTS:
        return shots.planned if _whole(progress, layer) else shots.taken, shots.planned
    if layer is Layer.PAIR_OFFSETS:
        return len(progress.done_blocks[layer]), blocks
    if layer is Layer.TILES:
        if _whole(progress, layer):
            return progress.tiles_cut, progress.tiles_cut
        return progress.tiles_cut, round(progress.tiles_planned * 21 / 16) or None  # native, and two levels of parents
    return int(layer in progress.done_layers), 1


def _whole(progress: SurveyProgress, layer: Layer) -> bool:
    return progress.done_blocks[layer] == progress.blocks
