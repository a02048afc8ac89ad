"""How the map's assets are partitioned, and how partitions of one need those of another. Built-in mappings only:
a custom one is dropped from the snapshot that Dagster's daemon reads."""

import dagster as dg

from imageflow_domain.grid import Block
from imageflow_surveys.runs import ALL_BLOCKS, SURVEYS_PARTITIONS

SURVEYS = dg.DynamicPartitionsDefinition(name=SURVEYS_PARTITIONS)
BLOCKS = dg.StaticPartitionsDefinition([block.key for block in ALL_BLOCKS])
SURVEY_BLOCKS = dg.MultiPartitionsDefinition({"survey": SURVEYS, "block": BLOCKS})


def _needing(block: Block) -> set[str]:
    """The blocks whose pairs reach into `block`: a pair belongs to the block of its first shot."""
    steps = ((0, 0), (0, -1), (0, 1), (-1, -1), (-1, 0), (-1, 1))
    near = (Block(row=block.row + row, col=block.col + col) for row, col in steps)
    return {b.key for b in near if b in ALL_BLOCKS}


HALO = dg.MultiPartitionMapping(
    {
        "survey": dg.DimensionPartitionMapping("survey", dg.IdentityPartitionMapping()),
        "block": dg.DimensionPartitionMapping(
            "block", dg.StaticPartitionMapping({block.key: _needing(block) for block in ALL_BLOCKS})
        ),
    }
)
"""From a block of screenshots to the blocks of offsets that need it."""

WHOLE_SURVEY = dg.MultiToSingleDimensionPartitionMapping("survey")
"""Between survey x block and survey, either way."""


def blocks_of_run(context: dg.AssetExecutionContext) -> dict[str, tuple[Block, ...]]:
    """Return the blocks that a run covers, by survey."""
    blocks: dict[str, list[Block]] = {}
    for key in context.partition_keys:
        dimensions = SURVEY_BLOCKS.get_partition_key_from_str(key).keys_by_dimension
        blocks.setdefault(dimensions["survey"], []).append(Block.parse(dimensions["block"]))
    return {survey: tuple(found) for survey, found in blocks.items()}
