"""Files that lie beside a game's YAML, as drivers request them, wherever they are stored."""

from collections.abc import Callable

from imageflow_domain.errors import InvalidInput

ReadBeside = Callable[[str], bytes]
"""Returns the file of a relative path; raises `InvalidInput` or `NotFound`."""


def nothing_beside(name: str) -> bytes:
    """Say that there is no such file, because the game's configuration came without a folder."""
    raise InvalidInput(
        f"'{name}' lies beside no file: survey the game by the YAML file that names it, with --config or from the "
        "folder of games."
    )
