"""Files and folders that are written: whole or not at all, into a folder that is there before the work begins."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imageflow_domain.errors import StoreUnavailable


def check_folder_of(path: Path) -> None:
    """Raise `StoreUnavailable` where `path` cannot be written, before the work whose result it is to hold."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StoreUnavailable(f"'{path}' cannot be written: '{folder}' is not a folder.")
    _check_open(folder)


def _check_open(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreUnavailable(f"Nothing can be written into '{folder}': it is closed to this account.")


def make_folder(folder: Path) -> None:
    """Make a folder that files are to be written into, before the work whose result they are.

    Raises `StoreUnavailable` where it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"'{folder}' cannot be made: {error.strerror}.") from error
    _check_open(folder)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give another path to write to; it takes the place of `path` once the body has ended well.

    Raises `StoreUnavailable` where that cannot be written; nothing is left half-written.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise StoreUnavailable(f"'{path}' cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # its folder may be none
            partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give another folder to fill; it becomes `path`, which must be empty or not there, once the body has ended well.

    Raises `StoreUnavailable` where that cannot be written; nothing is left half-written.
    """
    partial = path.absolute().with_name(f".{secrets.token_hex(8)}.partial")
    try:
        partial.mkdir()
        yield partial
        partial.replace(path)
    except OSError as error:
        raise StoreUnavailable(f"'{path}' cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
