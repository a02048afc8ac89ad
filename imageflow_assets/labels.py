"""Owners and tags of assets, jobs and sensors, and the columns of the rows behind an asset."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.metadata import TableMetadataSet
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from imageflow_resources import queue
from imageflow_resources.queue import LINE_TAG

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types


@dataclass(frozen=True, kw_only=True)
class LineLabels:
    """A line of runs: its group, its owners and its tags."""

    name: str

    @property
    def owners(self) -> list[str]:
        """Teams, as Dagster spells them."""
        return [f"team:{self.name}"]

    @property
    def tags(self) -> dict[str, str]:
        """By which Dagster's UI finds what belongs to the line."""
        return {LINE_TAG: self.name}


MAP = LineLabels(name=queue.RunLine.MAP.value)
INSPECTION = LineLabels(name=queue.RunLine.INSPECTION.value)
EXECUTIONS = LineLabels(name=queue.RunLine.EXECUTIONS.value)
SHORT = {LINE_TAG: queue.RunLine.UPKEEP.value}
"""Tags of jobs that make no asset: their runs do not wait in the queue behind those of surveys and batches."""


def sensor(line: LineLabels, **options: Any) -> Callable[[Callable[..., Any]], dg.SensorDefinition]:
    """Make a sensor of a line, which runs by default; Dagster shows the function's docstring as its description.

    Args:
        options: Of `dg.sensor`.
    """

    def labelled(evaluate: Callable[..., Any]) -> dg.SensorDefinition:
        decorate = dg.sensor(
            description=inspect.getdoc(evaluate),
            owners=line.owners,
            tags=line.tags,
            default_status=dg.DefaultSensorStatus.RUNNING,
            **options,
        )
        return decorate(evaluate)

    return labelled


def rows_of(table: Table) -> Mapping[str, object]:
    """Return the metadata of an asset that stands for the rows of a table: its name and its column schema."""
    return dict(TableMetadataSet(table_name=table.name, column_schema=column_schema(table)))


def column_schema(table: Table) -> dg.TableSchema:
    """Return the columns of a table: name, PostgreSQL's type, what they hold, and whether they may be empty.

    Columns are described by their `doc`.
    """
    return dg.TableSchema(columns=[_column(column) for column in table.columns])


def _column(column: Column[object]) -> dg.TableColumn:
    return dg.TableColumn(
        name=column.name,
        type=column.type.compile(dialect=_POSTGRESQL).lower(),
        description=column.doc,
        constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        tags={"primary_key": ""} if column.primary_key else None,
    )
