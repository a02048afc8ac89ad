"""Read models of people's verdicts, and of those that differ from the pipelines'."""

from imageflow_clients.database.inspection import verifications as rows
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Disagreement, Verification
from imageflow_domain.page import Page, cut


def list_verifications(
    stores: Stores, *, inspector: str | None = None, after: int | None = None, limit: int = 100
) -> Page[Verification]:
    """Return verdicts, newest first, whose id is below `after`; of one person, if that is given."""
    with stores.database.begin() as connection:
        found = rows.page(connection, inspector=inspector and _storable(inspector), before=after, limit=limit + 1)
    return cut(found, limit, lambda each: str(each.id))


def list_disagreements(
    stores: Stores, *, product: str | None = None, after: int | None = None, limit: int = 100
) -> Page[Disagreement]:
    """Return people's latest verdicts that are not the pipelines', newest first; only of inspections that count.

    Args:
        stores: Where they are.
        product: Only of this one.
        after: Only those whose verification's id is below.
        limit: At most so many.
    """
    with stores.database.begin() as connection:
        found = rows.disagreements(connection, product=product, before=after, limit=limit + 1)
    return cut(found, limit, lambda each: str(each.verification.id))


def _storable(name: str) -> str:
    """Return a name that a database can search for; no stored name has other characters."""
    return name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
