"""The map's six assets: which partition, call down, what to show."""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from sqlalchemy import Table

from imageflow_assets.labels import MAP, rows_of
from imageflow_assets.map import metadata as shown
from imageflow_assets.map.checks import OF_COORDINATES, OF_OVERVIEWS, results, specs
from imageflow_assets.map.layers import block_layer
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.states import map_uploads, surveys
from imageflow_assets.map.working import working
from imageflow_clients.database.maps import schema, tile_schema
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Layer
from imageflow_surveys import trust
from imageflow_surveys.attempt import attempt
from imageflow_surveys.blocks import (
    CapturedBlocks,
    CutBlocks,
    RegisteredBlocks,
    capture_blocks,
    cut_blocks,
    register_blocks,
)
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey

CODE_VERSION = "1"


def _described(table: Table, kind: str) -> dict[str, Any]:
    """Return what Dagster shows of an asset: its line, and the columns of the rows that it stands for."""
    return {
        "code_version": CODE_VERSION,
        "group_name": MAP.name,
        "owners": MAP.owners,
        "tags": MAP.tags,
        "kinds": {kind},
        "metadata": rows_of(table),
    }


screenshots = block_layer(
    Layer.SCREENSHOTS,
    CapturedBlocks,
    lambda resources, held, share: capture_blocks(
        resources.stores, held.survey, share.blocks, run_id=held.lease.run_id, staging=resources.games
    ),
    shown.captured,
    upstream=(surveys.key.to_user_string(),),
    resources=("games",),
    description="Settled pictures of a survey's areas, from a driven game or uploaded frames, stored without loss.",
    **_described(schema.screenshots, "image"),
)

pair_offsets = block_layer(
    Layer.PAIR_OFFSETS,
    RegisteredBlocks,
    lambda resources, held, share: register_blocks(
        resources.stores, held.survey, share.blocks, run_id=held.lease.run_id
    ),
    shown.registered,
    upstream=(Layer.SCREENSHOTS.value,),
    description="Verified offsets between neighbouring screenshots.",
    **_described(schema.pair_offsets, "postgres"),
)


@dg.asset(
    partitions_def=SURVEYS,
    deps=[pair_offsets],
    check_specs=specs(Layer.COORDINATES, OF_COORDINATES),
    code_version=CODE_VERSION,
    group_name=MAP.name,
    owners=MAP.owners,
    tags=MAP.tags,
    metadata=rows_of(schema.coordinates),
    kinds={"postgres"},
)
def coordinates(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult[None]]:
    """Where each screenshot lies in the save's frame, to the pixel, and how sure that is."""
    begin = time.monotonic()
    with working(context, stores, settings) as held:
        survey = held.survey
        if held.keeps(Layer.COORDINATES):
            metadata = shown.kept(survey, Layer.COORDINATES)
        else:
            with attempt(stores, survey.id, Layer.COORDINATES, None, held.lease.run_id):
                placed = place_survey(stores, survey)
            metadata = shown.placed(placed, time.monotonic() - begin)
        checks = results(stores, survey, OF_COORDINATES)
    yield dg.MaterializeResult(metadata=metadata, check_results=checks)


tiles = block_layer(
    Layer.TILES,
    CutBlocks,
    lambda resources, held, share: cut_blocks(resources.stores, held.survey, share.blocks, run_id=held.lease.run_id),
    shown.cut,
    upstream=(Layer.COORDINATES.value,),
    description="Tiles of the native zoom, and the parents that lie inside a square of 2,048 pixels.",
    **_described(tile_schema.tiles, "image"),
)


@dg.asset(
    partitions_def=SURVEYS,
    deps=[tiles],
    check_specs=specs(Layer.OVERVIEWS, OF_OVERVIEWS),
    code_version=CODE_VERSION,
    group_name=MAP.name,
    owners=MAP.owners,
    tags=MAP.tags,
    metadata=rows_of(tile_schema.tiles),
    kinds={"image"},
)
def overviews(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult[None]]:
    """The levels above the squares; the last step publishes the survey, unless a check found an error."""
    begin = time.monotonic()
    with working(context, stores, settings) as held:
        survey = held.survey
        if held.keeps(Layer.OVERVIEWS):
            metadata, checks = shown.kept(survey, Layer.OVERVIEWS), results(stores, survey, OF_OVERVIEWS)
        else:
            with attempt(stores, survey.id, Layer.OVERVIEWS, None, held.lease.run_id):
                made = make_overviews(stores, survey, publish_despite_errors=settings.publish_despite_errors)
            metadata = shown.overviews(survey, made, settings.map_url, time.monotonic() - begin)
            checks = [shown.check_result(made.tiles_whole, trust.tiles_whole.__name__)]
    yield dg.MaterializeResult(metadata=metadata, check_results=checks)


@dg.asset(
    partitions_def=SURVEYS,
    deps=[overviews],
    code_version=CODE_VERSION,
    group_name=MAP.name,
    owners=MAP.owners,
    tags=MAP.tags,
    metadata=rows_of(schema.screenshots),
    kinds={"s3"},
)
def screenshot_cleanup(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """The sealed record of placement and lineage; then screenshots that no tile needs are deleted, or kept."""
    begin = time.monotonic()
    with working(context, stores, settings) as held:
        survey = held.survey
        if held.keeps(Layer.CLEANUP):
            return dg.MaterializeResult(metadata=shown.kept(survey, Layer.CLEANUP))
        with attempt(stores, survey.id, Layer.CLEANUP, None, held.lease.run_id):
            cleaned = clean_up(stores, survey)
    return dg.MaterializeResult(metadata=shown.cleaned(cleaned, time.monotonic() - begin))


BY_LAYER = {
    Layer.SCREENSHOTS: screenshots,
    Layer.PAIR_OFFSETS: pair_offsets,
    Layer.COORDINATES: coordinates,
    Layer.TILES: tiles,
    Layer.OVERVIEWS: overviews,
    Layer.CLEANUP: screenshot_cleanup,
}

ASSETS: tuple[dg.AssetSpec | dg.AssetsDefinition, ...] = (map_uploads, surveys, *BY_LAYER.values())
