"""The map's six assets: which partition, call down, what to show."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import dagster as dg

from imageflow_assets.failures import explained
from imageflow_assets.map import metadata as shown
from imageflow_assets.map.partitions import HALO, SURVEY_BLOCKS, SURVEYS, WHOLE_SURVEY, blocks_of_run
from imageflow_assets.metadata import Shown
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey
from imageflow_resources.pools import POOL_OF_LAYER
from imageflow_surveys import blocks, carry
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.runs import layers_of, partition_key

_GROUP = "map"
CODE_VERSION = "1"

T = TypeVar("T")


_Work = Callable[[Stores, Survey, Iterable[Block], Callable[[Block, T], None]], T]
"""A use case over blocks of one survey, which reports each block as soon as it is whole."""


def _of_blocks(
    context: dg.AssetExecutionContext,
    stores: Stores,
    layer: Layer,
    work: _Work[T],
    show: Callable[[Sequence[T], float], Shown],
) -> Iterator[dg.MaterializeResult[None]]:
    """Do a run's blocks, survey by survey: a backfill may span several.

    Where nothing else in the run waits for the result, each block is reported as soon as it is whole: what a crash
    leaves undone is then no more than that. Dagster itself reports a range only as a whole, at its end.
    """
    begin = last = time.monotonic()
    alone = context.run.asset_selection == {context.asset_key}
    done = []
    with explained(context.retry_number):
        for survey_id, blocks_ in blocks_of_run(context).items():
            survey = carry.read(stores, survey_id)

            def report(block: Block, made: T, survey: Survey = survey) -> None:
                nonlocal last
                before, last = last, time.monotonic()
                if alone:
                    context.log_event(_materialization(context.asset_key, survey, block, show([made], last - before)))

            wanted = blocks_ if not layers_of(context.run.tags) else carry.missing(stores, survey, layer, blocks_)
            done.append(work(stores, survey, wanted, report))
    if not alone:
        yield dg.MaterializeResult(metadata=show(done, time.monotonic() - begin))


def _materialization(asset: dg.AssetKey, survey: Survey, block: Block, metadata: Shown) -> dg.AssetMaterialization:
    # Dagster itself notes the version with results only, not with events that are reported on the way
    tags = {"dagster/code_version": CODE_VERSION}
    return dg.AssetMaterialization(asset, partition=partition_key(survey.id, block), metadata=metadata, tags=tags)


# Neighbouring assets with equal backfill policies are merged into one run and then split, which breaks the halo's
# order; different policies keep it.
@dg.asset(
    partitions_def=SURVEY_BLOCKS,
    output_required=False,
    backfill_policy=dg.BackfillPolicy.multi_run(10),
    pool=POOL_OF_LAYER[Layer.SCREENSHOTS],
    code_version=CODE_VERSION,
    group_name=_GROUP,
    kinds={"image"},
)
def screenshots(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]
) -> Iterator[dg.MaterializeResult[None]]:
    """Settled pictures of a block's areas, from a driven game or from uploaded frames, stored without loss."""
    yield from _of_blocks(context, stores, Layer.SCREENSHOTS, blocks.capture_blocks, shown.captured)


@dg.asset(
    partitions_def=SURVEY_BLOCKS,
    output_required=False,
    deps=[dg.AssetDep(screenshots, partition_mapping=HALO)],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL_OF_LAYER[Layer.PAIR_OFFSETS],
    code_version=CODE_VERSION,
    group_name=_GROUP,
)
def pair_offsets(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]
) -> Iterator[dg.MaterializeResult[None]]:
    """Verified whole-pixel offsets from a block's screenshots to their neighbours, the block's halo included."""
    yield from _of_blocks(context, stores, Layer.PAIR_OFFSETS, blocks.register_blocks, shown.registered)


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
    output_required=False,
    deps=[dg.AssetDep(coordinates, partition_mapping=WHOLE_SURVEY)],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL_OF_LAYER[Layer.TILES],
    code_version=CODE_VERSION,
    group_name=_GROUP,
    kinds={"image"},
)
def tiles(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> Iterator[dg.MaterializeResult[None]]:
    """Tiles of a block's squares: native zoom, and the parents that lie inside a square."""
    yield from _of_blocks(context, stores, Layer.TILES, blocks.cut_blocks, shown.cut)


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
