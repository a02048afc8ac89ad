"""The map's six assets: which partition, call down, what to show."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import dagster as dg

from imageflow_assets.failures import explained
from imageflow_assets.map import metadata as shown
from imageflow_assets.map.partitions import HALO, SURVEY_BLOCKS, SURVEYS, WHOLE_SURVEY, blocks_of_run
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey
from imageflow_resources.pools import POOL_OF_LAYER
from imageflow_surveys import blocks, carry
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey

_GROUP = "map"
CODE_VERSION = "1"

T = TypeVar("T")


def _of_each_survey(
    context: dg.AssetExecutionContext, stores: Stores, work: Callable[[Stores, Survey, Iterable[Block]], T]
) -> list[T]:
    """Do a run's blocks, survey by survey: a backfill may span several."""
    with explained(context.retry_number):
        return [work(stores, carry.read(stores, survey), own) for survey, own in blocks_of_run(context).items()]


# Neighbouring assets with equal backfill policies are merged into one run and then split, which breaks the halo's
# order; different policies keep it.
@dg.asset(
    partitions_def=SURVEY_BLOCKS,
    backfill_policy=dg.BackfillPolicy.multi_run(10),
    pool=POOL_OF_LAYER[Layer.SCREENSHOTS],
    code_version=CODE_VERSION,
    group_name=_GROUP,
    kinds={"image"},
)
def screenshots(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Settled pictures of a block's areas, from a driven game or from uploaded frames, stored without loss."""
    begin = time.monotonic()
    done = _of_each_survey(context, stores, blocks.capture_blocks)
    return dg.MaterializeResult(metadata=shown.captured(done, time.monotonic() - begin))


@dg.asset(
    partitions_def=SURVEY_BLOCKS,
    deps=[dg.AssetDep(screenshots, partition_mapping=HALO)],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL_OF_LAYER[Layer.PAIR_OFFSETS],
    code_version=CODE_VERSION,
    group_name=_GROUP,
)
def pair_offsets(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Verified whole-pixel offsets from a block's screenshots to their neighbours, the block's halo included."""
    begin = time.monotonic()
    done = _of_each_survey(context, stores, blocks.register_blocks)
    return dg.MaterializeResult(metadata=shown.registered(done, time.monotonic() - begin))


@dg.asset(
    partitions_def=SURVEYS,
    deps=[dg.AssetDep(pair_offsets, partition_mapping=WHOLE_SURVEY)],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    code_version=CODE_VERSION,
    group_name=_GROUP,
    kinds={"postgres"},
)
def coordinates(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Where each screenshot lies in the save's frame, to the pixel, and how sure that is."""
    begin = time.monotonic()
    with explained(context.retry_number):
        placed = place_survey(stores, carry.read(stores, context.partition_key))
    return dg.MaterializeResult(metadata=shown.placed(placed, time.monotonic() - begin))


@dg.asset(
    partitions_def=SURVEY_BLOCKS,
    deps=[dg.AssetDep(coordinates, partition_mapping=WHOLE_SURVEY)],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL_OF_LAYER[Layer.TILES],
    code_version=CODE_VERSION,
    group_name=_GROUP,
    kinds={"image"},
)
def tiles(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """Tiles of a block's squares: native zoom, and the parents that lie inside a square."""
    begin = time.monotonic()
    done = _of_each_survey(context, stores, blocks.cut_blocks)
    return dg.MaterializeResult(metadata=shown.cut(done, time.monotonic() - begin))


@dg.asset(
    partitions_def=SURVEYS,
    deps=[dg.AssetDep(tiles, partition_mapping=WHOLE_SURVEY)],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    code_version=CODE_VERSION,
    group_name=_GROUP,
    kinds={"image"},
)
def overviews(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[None]:
    """The levels above the squares; its last step switches "latest" to this survey."""
    begin = time.monotonic()
    with explained(context.retry_number):
        survey = carry.read(stores, context.partition_key)
        made = make_overviews(stores, survey)
    return dg.MaterializeResult(metadata=shown.overviews(survey, made, time.monotonic() - begin))


@dg.asset(
    partitions_def=SURVEYS,
    deps=[overviews],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    code_version=CODE_VERSION,
    group_name=_GROUP,
)
def screenshot_cleanup(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]
) -> dg.MaterializeResult[None]:
    """The sealed record of placement and lineage; then screenshots that no tile needs are deleted, or kept."""
    begin = time.monotonic()
    with explained(context.retry_number):
        cleaned = clean_up(stores, carry.read(stores, context.partition_key))
    return dg.MaterializeResult(metadata=shown.cleaned(cleaned, time.monotonic() - begin))


BY_LAYER = {
    Layer.SCREENSHOTS: screenshots,
    Layer.PAIR_OFFSETS: pair_offsets,
    Layer.COORDINATES: coordinates,
    Layer.TILES: tiles,
    Layer.OVERVIEWS: overviews,
    Layer.CLEANUP: screenshot_cleanup,
}
