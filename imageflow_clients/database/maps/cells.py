"""Conditions on many cells at once."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, SmallInteger, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from imageflow_domain.grid import Cell


def among(row: ColumnElement[int], col: ColumnElement[int], cells: Iterable[Cell]) -> ColumnElement[bool]:
    """Whether row and column are those of one of the cells.

    As two arrays: a list of ten thousand pairs is more than PostgreSQL's parser has stack for.
    """
    wanted = sorted(cells)
    pairs = (
        func.unnest(
            cast([cell.row for cell in wanted], ARRAY(SmallInteger)),
            cast([cell.col for cell in wanted], ARRAY(SmallInteger)),
        )
        .table_valued("row", "col")
        .render_derived()
    )
    return tuple_(row, col).in_(select(pairs.c.row, pairs.c.col))
