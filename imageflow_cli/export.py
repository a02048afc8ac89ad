"""`imageflow survey export`: files that are whole or not there, a progress bar, and a page beside a folder's tiles."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from imageflow_cli.console import errors
from imageflow_cli.whole_file import check_folder_of, whole_file, whole_folder
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.survey import Survey
from imageflow_gateway.pages.documents import STATIC
from imageflow_surveys import export
from imageflow_surveys.export import Advance, Exported

_PAGE = Path(__file__).with_name("viewer.html")
_VIEWER = (
    *(STATIC / "app" / "viewer" / name for name in ("viewer.js", "viewer.css", "LICENSE")),
    STATIC / "icon.svg",
)


def write_pmtiles(stores: Stores, survey: Survey, path: Path, *, bar: bool) -> Exported:
    """Write a survey's map into a PMTiles file that does not exist yet."""
    survey.published()
    check_folder_of(path)
    _check_free(path)
    with _bar(shown=bar) as advance, whole_file(path) as partial, partial.open("wb") as file:
        return export.export_archive(stores, survey, file, advance)


def write_folder(stores: Stores, survey: Survey, folder: Path, *, bar: bool) -> Exported:
    """Write a survey's map into a folder that does not exist yet or is empty, with a page that shows it."""
    survey.published()
    check_folder_of(folder)
    _check_free(folder)
    missing = [path.name for path in _VIEWER if not path.is_file()]
    if missing:
        raise NotFound(f"The map page lacks {', '.join(missing)}: `make webui` builds it.")
    with _bar(shown=bar) as advance, whole_folder(folder) as partial:
        done = export.export_folder(stores, survey, partial, advance)
        (partial / "viewer").mkdir()
        for path in _VIEWER:
            shutil.copyfile(path, partial / "viewer" / path.name)
        shutil.copyfile(_PAGE, partial / "index.html")
    return done


def _check_free(path: Path) -> None:
    is_empty_folder = path.is_dir() and not any(path.iterdir())
    if path.exists() and not is_empty_folder:
        raise InvalidInput(f"'{path}' exists already: name another place, or remove it first.")


@contextmanager
def _bar(*, shown: bool) -> Iterator[Advance]:
    columns = (TextColumn("Tiles"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=not shown) as bars:
        task = bars.add_task("Tiles", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
