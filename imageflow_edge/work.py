"""How much work waits for each pool, and how old the backups are: what operators alert and scale on."""

from collections.abc import Mapping
from dataclasses import dataclass

from imageflow_clients.database.core import backups
from imageflow_clients.database.core.backups import BackupKind
from imageflow_clients.database.inspection import batches
from imageflow_clients.database.maps.waiting import waiting_blocks
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Layer
from imageflow_domain.waiting import Waiting

_POOLS = {Layer.SCREENSHOTS: "capture", Layer.PAIR_OFFSETS: "coords", Layer.TILES: "tiles"}


@dataclass(frozen=True, kw_only=True)
class Work:
    """The state of the whole deployment, whichever process reads it."""

    waiting: Mapping[str, Waiting]
    """By pool."""
    backup_ages_s: Mapping[BackupKind, float]
    """Only of what was backed up."""


def read_work(stores: Stores) -> Work:
    """Read it in three queries over indexes and small tables."""
    with stores.database.begin() as connection:
        blocks = waiting_blocks(connection)
        inspection = batches.count_waiting(connection)
        ages = backups.ages_s(connection)
    return Work(
        waiting={**{pool: blocks[layer] for layer, pool in _POOLS.items()}, "inspection": inspection},
        backup_ages_s=ages,
    )
