"""A TCP port for a game's own server. Games that start at once get different ones."""

import random
from pathlib import Path

_PORTS = range(20_000, 30_000)
"""Below those that Linux hands out by itself."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def free_port() -> int:
    """Return a port of this machine that nothing uses now, by chance: another game may ask in the same moment."""
    used = {
        int(line.split()[1].rpartition(":")[2], 16)
        for table in _TABLES
        if table.exists()
        for line in table.read_text().splitlines()[1:]
    }
    return random.choice([port for port in _PORTS if port not in used])  # noqa: S311  no secret
