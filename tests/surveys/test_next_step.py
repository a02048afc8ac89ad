"""What a survey needs next follows from what it has, also after a kill."""

from hypothesis import given
from hypothesis import strategies as st

from imageflow_domain.grid import Block, Grid
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Progress
from imageflow_surveys.next_step import next_step

_BLOCKS = frozenset(Grid(rows=15, cols=12).blocks(10))


def _progress(done_blocks: dict[Layer, frozenset[Block]], done_layers: frozenset[Layer]) -> Progress:
    return Progress(
        blocks=_BLOCKS,
        done_blocks={layer: done_blocks.get(layer, frozenset()) for layer in BLOCK_LAYERS},
        done_layers=done_layers,
        failures=0,
        tiles_planned=0,
        tiles_cut=0,
    )


def test_a_new_survey_needs_the_screenshots_of_every_block() -> None:
    step = next_step(_progress({}, frozenset()))
    assert step is not None
    assert step.layer is Layer.SCREENSHOTS
    assert set(step.blocks) == _BLOCKS


def test_only_the_missing_blocks_are_asked_for() -> None:
    some = frozenset([Block(row=0, col=0), Block(row=1, col=1)])
    step = next_step(_progress({Layer.SCREENSHOTS: _BLOCKS, Layer.PAIR_OFFSETS: some}, frozenset()))
    assert step is not None
    assert step.layer is Layer.PAIR_OFFSETS
    assert set(step.blocks) == _BLOCKS - some


def test_a_survey_with_every_layer_needs_nothing() -> None:
    whole = dict.fromkeys(BLOCK_LAYERS, _BLOCKS)
    assert next_step(_progress(whole, frozenset(set(Layer) - set(BLOCK_LAYERS)))) is None


@given(st.data())
def test_following_the_steps_always_ends_in_layer_order(data: st.DataObject) -> None:
    some = st.frozensets(st.sampled_from(sorted(_BLOCKS)))
    done = {layer: data.draw(some) for layer in BLOCK_LAYERS}
    layers = data.draw(st.frozensets(st.sampled_from([layer for layer in Layer if layer not in BLOCK_LAYERS])))
    order = list(Layer)
    seen: list[int] = []
    for _ in range(len(order) + 1):
        step = next_step(_progress(done, layers))
        if step is None:
            break
        seen.append(order.index(step.layer))
        if step.layer in BLOCK_LAYERS:
            done[step.layer] = done[step.layer] | set(step.blocks)
        else:
            layers = layers | {step.layer}
    assert next_step(_progress(done, layers)) is None
    assert seen == sorted(set(seen))
