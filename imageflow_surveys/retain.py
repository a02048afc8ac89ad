"""Which old surveys and superseded revisions are kept no longer. What is published last is always kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from imageflow_clients.database.maps import saves, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey, SurveyState

REVISION_LIFE = timedelta(days=30)
"""So long a tile's address may be cached, and is answered after a newer revision has taken its place."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The rule. A survey goes only where both limits allow it."""

    keep: int | None = None
    """How many published surveys of each save stay, the newest ones; `None`: all."""
    older_than: timedelta = timedelta(0)
    """Younger surveys stay, whatever their number."""


def expired_surveys(stores: Stores, rule: Retention) -> tuple[Survey, ...]:
    """Return the surveys that a rule no longer keeps, oldest first: never a save's latest, nor one that is under way.

    Failed and cancelled surveys without a map, and those whose map was withheld, go by their age alone.
    """
    if rule.keep is None:
        return ()
    before = datetime.now(UTC) - rule.older_than
    with stores.database.begin() as connection:
        surveys = rows.find(connection, limit=None)
        latest = saves.latest_ids(connection)
    kept: dict[tuple[str, str], int] = {}
    expired: list[Survey] = []
    for survey in surveys:  # newest first
        of = (survey.spec.game, survey.spec.save)
        if survey.published_revision is not None:
            kept[of] = kept.get(of, 0) + 1
            surplus = kept[of] > rule.keep
        else:
            surplus = survey.withheld is not None or survey.state in {SurveyState.FAILED, SurveyState.CANCELLED}
        under_way = survey.state in {SurveyState.PLANNED, SurveyState.RUNNING}
        if surplus and not under_way and survey.created_at < before and survey.id not in latest:
            expired.append(survey)
    return tuple(reversed(expired))


def retire_revisions(stores: Stores, *, older_than: timedelta = REVISION_LIFE, dry_run: bool = False) -> int:
    """Delete the tiles' rows of revisions that a newer one has superseded so long ago; return how many there were."""
    return sum(1 for _ in _retired(stores, older_than, dry_run=dry_run))


def _retired(stores: Stores, older_than: timedelta, *, dry_run: bool) -> Iterator[int]:
    with stores.database.begin() as connection:
        superseded = tiles.superseded(connection, datetime.now(UTC) - older_than)
    for layer in superseded:
        if not dry_run:
            with stores.database.begin() as connection:
                tiles.retire(connection, layer)
        yield layer.id
