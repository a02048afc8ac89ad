"""Whether a process can work: its database and its object store answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from imageflow_clients.stores import Stores
from imageflow_domain.errors import ImageFlowError

_PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What each store complains of; `None` for one that answers."""

    database: str | None
    store: str | None


async def readiness(stores: Stores) -> Readiness:
    """Ask both stores at once, and wait up to 5 seconds for them."""
    database, store = await asyncio.gather(_problem(stores, _ask_database), _problem(stores, _ask_store))
    return Readiness(database=database, store=store)


async def _problem(stores: Stores, ask: Callable[[Stores], None]) -> str | None:
    try:
        await asyncio.wait_for(asyncio.to_thread(ask, stores), _PATIENCE_S)
    except ImageFlowError as error:
        return str(error)
    except TimeoutError:
        return f"It did not answer within {_PATIENCE_S:.0f} s: look at the gateway's log, then ask again."
    return None


def _ask_database(stores: Stores) -> None:
    with stores.database.begin():
        pass  # a connection is pinged as it is taken


def _ask_store(stores: Stores) -> None:
    stores.objects.check()
