"""What an inspection's verdicts depend on beside the pictures, and its digest: equal identity, equal verdicts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from imageflow_catalog.pipelines import find_pipeline, models_of, plan_of
from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import masters
from imageflow_domain.errors import NotReady
from imageflow_domain.inference import ModelId, ModelRegistry, ModelTask
from imageflow_domain.inspection import JudgedBy
from imageflow_domain.masters import Item, Master
from imageflow_domain.pipelines import PublishedPipeline
from imageflow_inspection.judging import CODE_VERSION
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.engine import NoModels
from imageflow_pipelines.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A master that is ready to judge."""

    master: Master
    plans: Mapping[str, Plan]
    """By item."""
    judged_by: tuple[JudgedBy, ...]
    identity: str


def judge_now(connection: Connection, product: str, models: ModelRegistry | None) -> Judge:
    """Return who judges a product's batches now; models are looked up, and not loaded.

    Raises:
        NotFound: For an unknown product, pipeline or model.
        NotReady: Where the product has no published master.
    """
    masters.get_product(connection, product)
    master = masters.find_published(connection, product)
    if master is None:
        raise NotReady(f"The product '{product}' has no published master: publish one first.")
    plans, judged_by = {}, []
    for item in master.items:
        pipeline = find_pipeline(connection, item.pipeline)
        plans[item.code] = plan_of(connection, pipeline)
        judged_by.append(_judged_by(item, pipeline, plans[item.code], models or NoModels()))
    return Judge(master=master, plans=plans, judged_by=tuple(judged_by), identity=_identity(judged_by, CODE_VERSION))


def load_models(judge: Judge, models: ModelRegistry | None) -> frozenset[str]:
    """Load every model that a judge asks, so that no picture is blamed for one that cannot run.

    Returns the names of their runtimes, e.g. 'cpu' or 'triton'; none where no pipeline uses a network.

    Raises:
        NotFound: For an unknown model.
        InvalidInput: For one that cannot be run, or is not the one that was registered.
        Unavailable: The inference server is down.
    """
    known = models or NoModels()
    wanted = sorted({ModelId.parse(name) for by in judge.judged_by for name in by.models})
    providers = set()
    for model in wanted:
        if known.describe(model).task is ModelTask.ALIGN:
            known.reference(model)
        else:
            providers.add(known.open(model).provider)
    return frozenset(providers)


def _judged_by(item: Item, pipeline: PublishedPipeline, wanted: Plan, models: ModelRegistry) -> JudgedBy:
    return JudgedBy(
        code=item.code,
        type=item.type.value,
        required=item.required,
        criteria=item.criteria,
        pipeline=item.pipeline,
        pipeline_digest=pipeline.digest,
        models={str(model): models.describe(model).digest for model in models_of(wanted)},
        images=pipeline.images,
    )


def _identity(judged_by: list[JudgedBy], code_version: int) -> str:
    content = {
        "code": code_version,
        "items": sorted((each.to_data() for each in judged_by), key=lambda each: each["code"]),
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()
