"""The runs that carry a survey: which layers over which blocks one run makes, and the tags that tell so. Pure.

Who asks Dagster for them, and when, is the business of the sensor, the gateway and the command line.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Step, Survey

PARTITION_TAG = "dagster/partition"
"""Dagster's own, on each run over one partition: the run of a survey bears the survey's id."""

SURVEY_TAG = "imageflow/survey"
JOB_TAG = "imageflow/job"
LAYER_TAG = "imageflow/layer"
ATTEMPT_TAG = "imageflow/attempt"
SURVEYS_PARTITIONS = "surveys"
"""Name of Dagster's dynamic partitions, a survey each."""
SENSOR = "advance_surveys"

_BLOCK_GRID_SIDE = 10
"""Blocks on a side of Dagster's static block partitions."""


@dataclass(frozen=True, kw_only=True)
class _Share:
    """How much of a layer one run makes, in screenshots."""

    fewest: int
    """About ten seconds of work: a worker takes three seconds of a processor to start, and is not worth it for less."""
    most: int
    """A minute and a half: so long may a run work on alone when all others are done, or after one of them crashed."""


_SHARES = {
    Layer.SCREENSHOTS: _Share(fewest=64, most=400),
    # forty registered a second: starting workers would take as long as they work
    Layer.PAIR_OFFSETS: _Share(fewest=600, most=2000),
    Layer.TILES: _Share(fewest=64, most=600),
}

_SMALL_SURVEY = 128
"""Screenshots which one run takes and registers."""

RANGE_TAGS = _RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Dagster's own, on a run over several partitions; their values are partition keys."""


def _in_shells(block: Block) -> tuple[int, Block]:
    """Order blocks so that every square survey is one contiguous range of keys."""
    return max(block.row, block.col), block


ALL_BLOCKS = tuple(
    sorted(
        (Block(row=row, col=col) for row in range(_BLOCK_GRID_SIDE) for col in range(_BLOCK_GRID_SIDE)),
        key=_in_shells,
    )
)
"""Every block that Dagster knows, in the order of its partition keys."""

_INDEX = {block: index for index, block in enumerate(ALL_BLOCKS)}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run makes."""

    survey: str
    layers: tuple[Layer, ...]
    """One layer, or neighbouring ones that have the same partitions."""
    blocks: tuple[Block, ...]
    """A contiguous range of keys; empty for layers that are partitioned by survey alone."""

    def key(self, attempt: int) -> str:
        """Name the run, so that it is never asked for twice within an attempt."""
        span = f"/{self.blocks[0].key}-{self.blocks[-1].key}" if self.blocks else ""
        return f"{self.survey}/{self.layers[0]}{span}/{attempt}"

    def tags(self, job: int | None) -> dict[str, str]:
        """Return the tags by which a carrier finds the run again, and which blocks it covers.

        Args:
            job: Number of the job that began the survey, where one did.
        """
        tags = {
            SURVEY_TAG: self.survey,
            LAYER_TAG: "+".join(self.layers),
            "dagster/max_retries": "0",  # what failed is asked for again by whoever carries the survey
        }
        if job is not None:
            tags[JOB_TAG] = str(job)
        if self.blocks:
            tags[_RANGE_START] = partition_key(self.survey, self.blocks[0])
            tags[_RANGE_END] = partition_key(self.survey, self.blocks[-1])
        return tags


def partition_key(survey: str, block: Block) -> str:
    """Spell a key of the partitions by survey and block as Dagster does: dimensions by name."""
    return f"{block.key}|{survey}"


def survey_of_key(key: str) -> str:
    """Return the survey of a partition, by survey and block or by survey alone."""
    return key.rpartition("|")[2]


def surveys_of_range(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the surveys in which the range of a run begins and ends."""
    return tuple(survey_of_key(tags[tag]) for tag in RANGE_TAGS if tag in tags)


def layers_of(tags: Mapping[str, str]) -> tuple[Layer, ...]:
    """Return the layers that a run of ours makes; none for anybody else's run."""
    return tuple(Layer(name) for name in tags.get(LAYER_TAG, "").split("+") if name)


def blocks_of(tags: Mapping[str, str]) -> tuple[Block, ...]:
    """Return the blocks that a run of ours covers; none where it is over a whole survey."""
    if _RANGE_START not in tags:
        return ()
    first, last = (_INDEX[Block.parse(tags[tag].partition("|")[0])] for tag in (_RANGE_START, _RANGE_END))
    return ALL_BLOCKS[first : last + 1]


def runs_of(survey: Survey, step: Step, *, at_once: int | None, busy: Collection[Block] = ()) -> tuple[Run, ...]:
    """Cut what a survey needs next into runs, those first that are to be asked for first.

    A small survey takes and registers its screenshots in one run, the halo being inside it. What is left of a large
    layer is shared evenly by all slots of its pool, in as few rounds of runs as may be, so that they end together.

    Args:
        at_once: Slots of the layer's pool; `None` for a carrier that works alone and cuts nothing.
        busy: Blocks of the step that a run is at work on.
    """
    if step.layer not in BLOCK_LAYERS:
        # nothing that takes long lies between overviews and cleanup
        layers = (Layer.OVERVIEWS, Layer.CLEANUP) if step.layer is Layer.OVERVIEWS else (step.layer,)
        return (Run(survey=survey.id, layers=layers, blocks=()),)
    shots = {block: len(survey.grid.cells_of(block, survey.block_side)) for block in step.blocks if block not in busy}
    spans = contiguous(shots)
    whole = step.layer is Layer.SCREENSHOTS and len(shots) == len(survey.blocks()) and len(spans) == 1
    if whole and sum(shots.values()) <= _SMALL_SURVEY:
        return (Run(survey=survey.id, layers=(Layer.SCREENSHOTS, Layer.PAIR_OFFSETS), blocks=spans[0]),)
    if at_once is not None:
        share = _SHARES[step.layer]
        left = sum(shots.values())
        rounds = max(1, ceil(left / (at_once * share.most)))
        a_run = max(share.fewest, left / (at_once * rounds))
        spans = tuple(part for span in spans for part in _cut(span, shots, a_run))
    return tuple(Run(survey=survey.id, layers=(step.layer,), blocks=span) for span in spans)


def contiguous(blocks: Iterable[Block]) -> tuple[tuple[Block, ...], ...]:
    """Cover exactly these blocks with as few contiguous ranges of keys as there can be."""
    ordered = sorted(blocks, key=_in_shells)
    groups = groupby(enumerate(ordered), key=lambda numbered: _INDEX[numbered[1]] - numbered[0])
    return tuple(tuple(block for _, block in group) for _, group in groups)


def _cut(span: Sequence[Block], shots: Mapping[Block, int], a_run: float) -> Iterator[tuple[Block, ...]]:
    """Cut a range where a run would hold more than `a_run` screenshots; one block is never cut."""
    part: list[Block] = []
    for block in span:
        if part and sum(shots[b] for b in part) + shots[block] > a_run:
            yield tuple(part)
            part = []
        part.append(block)
    if part:
        yield tuple(part)
