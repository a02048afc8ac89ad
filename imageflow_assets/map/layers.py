"""The map's layers that are done block by block, as graph assets: one step plans shares, one does each, one collects.

The planning step alone decides what is done. A share reads its rows again, so a step that is repeated with an old plan
makes nothing twice. The collecting step materialises the asset only when the layer is whole.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field

from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.working import working
from imageflow_assets.metadata import Shown
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotReady
from imageflow_domain.survey import Layer, Survey
from imageflow_resources.pools import POOL_OF_LAYER, slots_of
from imageflow_surveys.lease import HeldSurvey
from imageflow_surveys.plan_layer import left_of, plan_layer
from imageflow_surveys.shares import Share

T = TypeVar("T")

Work = Callable[[Any, HeldSurvey, Share], T]
"""Does a share with the step's resources."""

Show = Callable[[Stores, Survey, Sequence[T]], Shown]


class Limits(dg.Config):
    """Which part of a layer a run is limited to."""

    blocks: list[str] = Field(
        default=[],
        description="Blocks such as r00c01; empty for all. Named blocks that are whole are made again. The asset is "
        "materialised only if no other block is missing.",
    )


def block_layer(
    layer: Layer,
    made: type[T],
    work: Work[T],
    show: Show[T],
    *,
    upstream: Sequence[str],
    resources: Sequence[str] = (),
    **described: Any,
) -> dg.AssetsDefinition:
    """Return the asset of a layer.

    Args:
        made: What comes of a share; it travels between steps as JSON.
        work: Does a share.
        show: Returns what a person sees of the whole layer.
        resources: Keys of what the work needs besides the stores.
        upstream: Keys of the assets that come before.
        described: The asset's description, kinds and so on.
    """
    ins = {key: dg.In(dg.Nothing) for key in upstream}

    @dg.op(name=f"{layer}_shares", ins=ins, out=dg.DynamicOut(Share), description="Decide which blocks are to be done.")
    def plan(
        context: dg.OpExecutionContext,
        config: Limits,
        stores: dg.ResourceParam[Stores],
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.DynamicOutput[Share]]:
        with working(context, stores, settings) as held:
            shares = plan_layer(stores, held, layer, config.blocks, slots=slots_of(context.instance, layer))
        yield from (dg.DynamicOutput(share, mapping_key=share.key) for share in shares)

    @dg.op(
        name=f"{layer}_share",
        out=dg.Out(made),
        pool=POOL_OF_LAYER[layer],
        required_resource_keys={"stores", "settings", *resources},
        description="Do some of the blocks.",
    )
    def do(context: dg.OpExecutionContext, share: Share) -> T:
        with working(context, context.resources.stores, context.resources.settings) as held:
            return work(context.resources, held, share)

    @dg.op(
        name=f"{layer}_whole",
        ins={"done": dg.In(list[made])},  # type: ignore[valid-type]
        out=dg.Out(dg.Nothing, is_required=False),
        description="Materialise the asset where no block is missing.",
    )
    def collect(
        context: dg.OpExecutionContext,
        config: Limits,
        stores: dg.ResourceParam[Stores],
        settings: dg.ResourceParam[Settings],
        done: list[T],
    ) -> Iterator[dg.Output[None] | dg.AssetObservation]:
        with working(context, stores, settings) as held:
            left = ", ".join(block.key for block in left_of(stores, held.survey, layer))
            if left and not config.blocks:
                raise NotReady(f"{layer} of '{held.survey.id}' is not whole, it lacks {left}: materialise it again.")
            shown = {} if left else show(stores, held.survey, done)
        if left:
            limits = ", ".join(config.blocks)
            context.log.warning("%s is not whole: this run was limited to %s, it lacks %s.", layer, limits, left)
            yield dg.AssetObservation(layer.value, partition=context.partition_key, metadata={"missing_blocks": left})
        else:
            yield dg.Output(None, metadata=dict(shown))

    def compose(**before: Any) -> Any:
        return collect(plan(**before).map(do).collect())

    return dg.graph_asset(
        name=layer.value,
        ins={key: dg.AssetIn(dagster_type=dg.Nothing) for key in upstream},
        config=dg.ConfigMapping(
            config_schema=Limits.to_config_schema().as_field(),
            config_fn=lambda limits: {op.name: {"config": limits} for op in (plan, collect)},
        ),
        partitions_def=SURVEYS,
        **described,
    )(compose)
