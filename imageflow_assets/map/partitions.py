"""How the map's assets are partitioned, and how partitions of one need those of another. Built-in mappings only:
a custom one is dropped from the snapshot that Dagster's daemon reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import dagster as dg

from imageflow_domain.grid import BLOCK_GRID_SIDE, Block

SURVEYS = dg.DynamicPartitionsDefinition(name="surveys")


def _in_shells(block: Block) -> tuple[int, Block]:
    """Order blocks so that every square survey is one contiguous range of keys."""
    return max(block.row, block.col), block


_ALL = sorted(
    (Block(row=row, col=col) for row in range(BLOCK_GRID_SIDE) for col in range(BLOCK_GRID_SIDE)), key=_in_shells
)
_INDEX = {block: index for index, block in enumerate(_ALL)}

BLOCKS = dg.StaticPartitionsDefinition([block.key for block in _ALL])
SURVEY_BLOCKS = dg.MultiPartitionsDefinition({"survey": SURVEYS, "block": BLOCKS})


def _needing(block: Block) -> set[str]:
    """The blocks whose pairs reach into `block`: a pair belongs to the block of its first shot."""
    steps = ((0, 0), (0, -1), (0, 1), (-1, -1), (-1, 0), (-1, 1))
    near = (Block(row=block.row + row, col=block.col + col) for row, col in steps)
    return {b.key for b in near if b in _INDEX}


HALO = dg.MultiPartitionMapping(
    {
        "survey": dg.DimensionPartitionMapping("survey", dg.IdentityPartitionMapping()),
        "block": dg.DimensionPartitionMapping(
            "block", dg.StaticPartitionMapping({block.key: _needing(block) for block in _ALL})
        ),
    }
)
"""From a block of screenshots to the blocks of offsets that need it."""

WHOLE_SURVEY = dg.MultiToSingleDimensionPartitionMapping("survey")
"""Between survey x block and survey, either way."""


@dataclass(frozen=True, kw_only=True)
class BlockRange:
    """A contiguous range of block keys of one survey, both ends included."""

    survey: str
    first: Block
    last: Block

    @property
    def tags(self) -> dict[str, str]:
        """Run tags that make a run cover the range."""
        return {
            "dagster/asset_partition_range_start": partition_key(self.survey, self.first),
            "dagster/asset_partition_range_end": partition_key(self.survey, self.last),
        }


def partition_key(survey: str, block: Block) -> str:
    return dg.MultiPartitionKey({"survey": survey, "block": block.key})


def ranges(survey: str, blocks: Sequence[Block]) -> tuple[BlockRange, ...]:
    """Cover exactly these blocks with as few contiguous ranges of keys as there can be."""
    ordered = sorted(blocks, key=_in_shells)
    runs = groupby(enumerate(ordered), key=lambda numbered: _INDEX[numbered[1]] - numbered[0])
    groups = ([block for _, block in run] for _, run in runs)
    return tuple(BlockRange(survey=survey, first=group[0], last=group[-1]) for group in groups)


def blocks_of_run(context: dg.AssetExecutionContext) -> dict[str, tuple[Block, ...]]:
    """Return the blocks that a run covers, by survey."""
    blocks: dict[str, list[Block]] = {}
    for key in context.partition_keys:
        dimensions = SURVEY_BLOCKS.get_partition_key_from_str(key).keys_by_dimension
        blocks.setdefault(dimensions["survey"], []).append(Block.parse(dimensions["block"]))
    return {survey: tuple(found) for survey, found in blocks.items()}
