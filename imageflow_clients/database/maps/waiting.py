"""How many blocks wait for each layer, of all surveys that are under way, in one query."""

from collections.abc import Mapping

from sqlalchemy import Connection, and_, case, func, or_, select

from imageflow_clients.database.maps import schema
from imageflow_domain.survey import Carrier, Layer, SurveyState
from imageflow_domain.waiting import Waiting

_MOST_SURVEYS = 1000


def waiting_blocks(connection: Connection) -> Mapping[Layer, Waiting]:
    """Count the blocks whose layer is due; of the thousand surveys that were begun first.

    Surveys that an operator planned wait for the operator, and count once they run.
    """
    s, b = schema.surveys, schema.blocks
    begins_by_itself = and_(s.c.state == SurveyState.PLANNED, s.c.carrier != Carrier.OPERATOR)
    under_way = (
        select(s.c.id, s.c.created_at, s.c.placed_at, s.c.revision)
        .where(or_(s.c.state == SurveyState.RUNNING, begins_by_itself))
        .order_by(s.c.created_at)
        .limit(_MOST_SURVEYS)
        .subquery()
    )
    uncut = or_(b.c.cut_at.is_(None), b.c.cut_revision.is_distinct_from(under_way.c.revision))
    since = {
        Layer.SCREENSHOTS: case((b.c.captured_at.is_(None), under_way.c.created_at)),
        Layer.PAIR_OFFSETS: case((b.c.registered_at.is_(None), b.c.captured_at)),
        Layer.TILES: case((uncut, under_way.c.placed_at)),
    }
    columns = [
        column
        for at in since.values()
        for column in (func.count(at), func.coalesce(func.extract("epoch", func.now() - func.min(at)), 0))
    ]
    found = connection.execute(select(*columns).select_from(under_way.join(b, b.c.survey_id == under_way.c.id))).one()
    pairs = zip(found[::2], found[1::2], strict=True)
    return {layer: Waiting(units=units, oldest_s=float(age)) for layer, (units, age) in zip(since, pairs, strict=True)}
