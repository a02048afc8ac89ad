"""A folder of pictures on this machine: which of its files are taken, and which are skipped.

It is its owner's, so links are followed wherever they lead.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from game_capture.frames import broken_link
from imageflow_domain.errors import BadFile, InvalidInput
from imageflow_domain.file_names import check_file_names, shown

_SHOWN = 10


def files_of(folder: Path, why_skipped: Callable[[str], str | None]) -> tuple[list[Path], list[BadFile]]:
    """Return the files of a folder that are taken, by name, and all others with the reason.

    Args:
        folder: Only what lies directly inside is taken.
        why_skipped: Gives the reason for a file that is not taken, by its name.

    Raises:
        InvalidInput: Where there is no such folder, or it cannot be read, and with every link that leads to no file.
        BadFileNames: With every file that is to be taken and has a name that no file may have.
    """
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder.")
    taken, skipped, broken = [], [], []
    for path in _entries(folder):
        reason = "a folder" if path.is_dir() else why_skipped(path.name)
        if reason is None and not path.is_file():
            reason = "no file"
            if path.is_symlink():
                broken.append(broken_link(path))
        if reason is None:
            taken.append(path)
        else:
            skipped.append(BadFile(name=shown(path.name), reason=reason))
    if broken:
        raise InvalidInput("\n".join(broken))
    check_file_names(path.name for path in taken)
    return taken, skipped


def print_skipped(skipped: Sequence[BadFile]) -> None:
    """Say on standard error what is skipped, if anything is."""
    if skipped:
        listed = ", ".join(f"{file.name} ({file.reason})" for file in skipped[:_SHOWN])
        more = f" and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        click.echo(f"Skipped: {listed}{more}.", err=True)


def as_json(skipped: Sequence[BadFile]) -> list[dict[str, str]]:
    """Return the skipped files as `--json` prints them."""
    return [{"name": file.name, "reason": file.reason} for file in skipped]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InvalidInput(f"The folder '{folder}' cannot be read: {error.strerror}.") from error
