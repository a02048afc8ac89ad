"""Batches to report to Dagster because a published master judges them otherwise.

Published pipelines and registered models never change: another one always comes with another master.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import batches, inspections, masters
from imageflow_clients.stores import Stores
from imageflow_domain.errors import ImageFlowError, NotReady, Unavailable
from imageflow_domain.inference import ModelRegistry
from imageflow_inspection.identity import Judge, judge_now
from imageflow_inspection.judging import CODE_VERSION

_PAGE = 1000


class ReportedRules(BaseModel):
    """What was reported to Dagster so far."""

    model_config = ConfigDict(frozen=True)

    code_version: int = CODE_VERSION
    masters: dict[str, int] = {}
    """The newest master, by product, of which every batch was reported."""
    after: tuple[str, int, str] | None = None
    """Product, master and batch behind which the telling goes on."""

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Return what `write` wrote; nothing for none, or for what other code wrote: all is reported anew."""
        try:
            reported = cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
        return reported if reported.code_version == CODE_VERSION else cls()

    def write(self) -> str:
        """Return text that `read` takes, as a sensor's cursor keeps it."""
        return self.model_dump_json()


@dataclass(frozen=True, kw_only=True)
class BatchRules:
    """By what a batch would be judged now."""

    batch: str
    """Its key."""
    judge: Judge


@dataclass(frozen=True, kw_only=True)
class RuleChanges:
    """What is to be reported to Dagster next."""

    reported: ReportedRules
    """Once `rules` were reported to Dagster."""
    rules: tuple[BatchRules, ...]
    faults: tuple[str, ...]
    """Of products whose batches cannot be judged now."""


def changed_rules(
    stores: Stores,
    reported: ReportedRules,
    *,
    models: ModelRegistry | None = None,
    limit: int = 200,
    looked_at: int = 20_000,
) -> RuleChanges:
    """Return up to `limit` batches, products in order, whose rules are not those that were reported.

    Of a product of which nothing was reported yet, only batches that were judged by other rules are returned.

    Args:
        stores: Where everything is.
        reported: What the call before returned.
        models: The registered ones.
        limit: How many are returned at most.
        looked_at: How many are looked at; the next call goes on behind them.
    """
    known = dict(reported.masters)
    left = looked_at
    found: list[BatchRules] = []
    faults: list[str] = []
    with stores.database.begin() as connection:
        for product, version in masters.published_versions(connection).items():
            if known.get(product) == version:
                continue
            try:
                judge = judge_now(connection, product, models)
            except Unavailable:
                raise
            except ImageFlowError as error:
                faults.append(f"{product}: {error}")
                continue
            last = reported.after[2] if reported.after is not None and reported.after[:2] == (product, version) else ""
            for name, rules in _rules(connection, judge, last, everything=product in known):
                if len(found) == limit or left == 0:
                    here = ReportedRules(masters=known, after=(product, version, last))
                    return RuleChanges(reported=here, rules=tuple(found), faults=tuple(faults))
                last, left = name, left - 1
                if rules is not None:
                    found.append(rules)
            known[product] = version
    return RuleChanges(reported=ReportedRules(masters=known), rules=tuple(found), faults=tuple(faults))


def changed_meanwhile(stores: Stores, batch_id: int, *, models: ModelRegistry | None = None) -> BatchRules | None:
    """Return by what a batch would be judged now, where that is not what judged it.

    `changed_rules` passes over a batch whose first inspection goes on while a master is published: whoever finishes it
    looks here. Raises as `judge_now` does, and `NotReady` for a batch that is not inspected.
    """
    with stores.database.begin() as connection:
        batch = batches.get(connection, batch_id)
        if batch.inspection_id is None:
            raise NotReady(f"Batch '{batch.key}' is not inspected yet.")
        judge = judge_now(connection, batch.product, models)
        is_other = inspections.get(connection, batch.inspection_id).identity != judge.identity
    return BatchRules(batch=batch.key, judge=judge) if is_other else None


def _rules(
    connection: Connection, judge: Judge, after: str, *, everything: bool
) -> Iterator[tuple[str, BatchRules | None]]:
    """Yield a product's inspected batches by name, with the rules of those that are to be reported."""
    while page := batches.latest_inspected(connection, judge.master.product, after=after, limit=_PAGE):
        counting = inspections.get_many(connection, [each.inspection_id or 0 for each in page])
        for batch in page:
            is_other = counting[batch.inspection_id or 0].identity != judge.identity
            yield batch.name, BatchRules(batch=batch.key, judge=judge) if everything or is_other else None
        after = page[-1].name
