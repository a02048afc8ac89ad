"""Partitions of survey and block: ranges cover what is asked, and the halo's mapping is the registration's."""

import dagster as dg
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_assets.map.partitions import BLOCKS, HALO, SURVEY_BLOCKS, SURVEYS
from imageflow_domain.grid import Block, Grid, block_of, forward_neighbours
from imageflow_surveys.runs import contiguous, partition_key

_KEYS = list(BLOCKS.get_partition_keys())
_BLOCKS = [Block.parse(key) for key in _KEYS]


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from(_BLOCKS), min_size=1))
def test_ranges_cover_exactly_the_blocks_asked_for(blocks: set[Block]) -> None:
    covered = [
        key
        for span in contiguous(sorted(blocks))
        for key in _KEYS[_KEYS.index(span[0].key) : _KEYS.index(span[-1].key) + 1]
    ]
    assert sorted(covered) == sorted(block.key for block in blocks)


def test_a_square_survey_is_one_range() -> None:
    for side in range(1, 11):
        assert len(contiguous(Grid(rows=10 * side, cols=10 * side).blocks(10))) == 1


def test_a_partition_s_key_is_spelt_as_dagster_spells_it() -> None:
    block = Block(row=3, col=12)
    key = dg.MultiPartitionKey({"survey": "city-test-0001", "block": block.key})
    assert partition_key("city-test-0001", block) == str(key)


def test_a_block_of_offsets_needs_exactly_the_blocks_that_its_pairs_reach() -> None:
    grid = Grid(rows=100, cols=100)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(str(SURVEYS.name), ["city-test-0001"])
        for block in (Block(row=0, col=0), Block(row=4, col=7), Block(row=9, col=9)):
            reached = {
                block_of(near, 10)
                for cell in grid.cells_of(block, 10)
                for near in (cell, *forward_neighbours(cell))
                if 0 <= near.row < 100 and 0 <= near.col < 100
            }
            downstream = SURVEY_BLOCKS.subset_with_partition_keys([partition_key("city-test-0001", block)])
            needed = HALO.get_upstream_mapped_partitions_result_for_partitions(
                downstream, SURVEY_BLOCKS, SURVEY_BLOCKS, dynamic_partitions_store=instance
            ).partitions_subset
            assert {Block.parse(str(key).split("|")[0]) for key in needed.get_partition_keys()} == reached
