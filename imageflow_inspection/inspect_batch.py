"""Judge every picture of a batch by every item of its product's master.

A picture's results are committed together, once: after a kill the next call continues with the remaining
pictures, and a second call gives the same rows.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC
from itertools import islice
from time import perf_counter

from imageflow_clients.database.inspection import batches, inspections, reports, statistics
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import Containers
from imageflow_domain.errors import Cancelled, ImageFlowError, InvalidInput, NotReady, StepDied, StepFailed, Unavailable
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import Batch, BatchState, Inspection, Judgement, Picture, Verdict
from imageflow_domain.isolation import Isolation
from imageflow_images.header import read_header
from imageflow_inspection.byte_budget import ByteBudget
from imageflow_inspection.drawing import draw, reader_of
from imageflow_inspection.identity import Judge, judge_now, load_models
from imageflow_inspection.judging import CODE_VERSION, JudgedItem, combine, judge, undecided
from imageflow_inspection.kept_pictures import read_kept
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.values import Encoded, Value

Watch = Callable[[int, int], None]
"""Called with the number of judged pictures and of all pictures."""

_REUSE_BYTES = 256 * 2**20
_MOST_BYTES = 2**30
"""What pictures that are judged at once take together, as `_needs_bytes` sees it."""
_COPIES = 4
"""Of a picture that a pipeline holds: what a step reads and what it makes, and as much again for wider numbers."""


def inspect_batch(
    stores: Stores,
    batch_id: int,
    *,
    models: ModelRegistry | None = None,
    containers: Containers | None = None,
    isolation: Isolation | None = None,
    threads: int | None = None,
    cancellation: Cancellation | None = None,
    watch: Watch | None = None,
) -> Inspection:
    """Inspect a batch by the newest published master of its product, and let that inspection be the one that counts.

    What was judged before by equal criteria, pipelines, models and code is not judged again; what was judged by others
    stays readable.

    Args:
        stores: Where everything is.
        batch_id: Of a batch that was taken in.
        models: The registered ones; needed where a pipeline asks one.
        containers: Runs components that are container images.
        isolation: Runs steps that may be killed; see `Engine`.
        threads: Pictures at once at most, fewer where they are large; as many as this process has cores, if not
            given.
        cancellation: Stops between pictures and within their pipelines.
        watch: Called with the progress, from this thread.

    Raises:
        NotFound: For an unknown batch, pipeline or model.
        InvalidInput: For a model that cannot be run.
        NotReady: Where the batch was not taken in, or its product has no published master.
        Cancelled: When it was stopped.
        Unavailable: When something that it needs is down; it may be called again.
        ObjectMissing: When a picture is gone, see `read_kept`; what was judged before it is kept.
        ObjectDamaged: When a picture is not what was taken in; likewise.
    """
    with stores.database.begin() as connection:
        batch = batches.get(connection, batch_id)
        if batch.source_digest is None:
            raise NotReady(f"The pictures of batch '{batch.key}' were not taken in: materialise batch_images first.")
        by = judge_now(connection, batch.product, models)
    with stores.database.begin() as connection:
        inspection = inspections.begin(
            connection,
            batch_id,
            identity=by.identity,
            master_version=by.master.version,
            code_version=CODE_VERSION,
            judged_by=by.judged_by,
        )
        done = inspections.judged_places(connection, inspection.id)
        pictures = batches.pictures(connection, batch_id)
    left = [picture for picture in pictures if picture.place not in done]
    if left:
        providers = load_models(by, models)
        with stores.database.begin() as connection:
            inspections.note_providers(connection, inspection.id, providers)
    stop = cancellation or Cancellation()
    count = threads or len(os.sched_getaffinity(0))
    # Pictures are what runs side by side: steps of one picture would only wait for each other.
    with Engine(
        models=models, containers=containers, isolation=isolation, threads=1, reuse=Reuse(max_bytes=_REUSE_BYTES)
    ) as engine:
        one = _Inspector(stores, engine, by, batch, inspection.id, stop)
        for finished, _ in enumerate(_side_by_side(one.inspect, left, count), start=len(done) + 1):
            if watch is not None:
                watch(finished, len(pictures))
    with stores.database.begin() as connection:
        former = batches.get(connection, batch_id, lock=True)
        finished_inspection = inspections.finish(connection, inspection.id)
        if finished_inspection.pictures < len(pictures):  # see `inspect_again`
            raise Unavailable(f"Pictures of '{batch.key}' wait to be judged again: inspect the batch again.")
        if former.inspection_id != inspection.id or former.state is not BatchState.INSPECTED:
            batches.set_inspected(connection, batch_id, inspection.id)
            reports.set_unreported(connection, inspection.id)
            statistics.touch_batch(connection, batch.product, batch.name)
    return finished_inspection


def _side_by_side(work: Callable[[Picture], None], pictures: list[Picture], threads: int) -> Iterator[None]:
    """Do the work on every picture, some at once; yield once for each. The first error ends it."""
    coming = iter(pictures)
    with ThreadPoolExecutor(threads, "inspect") as pool:
        # Few are handed out ahead, so that an error does not wait for thousands.
        waiting: set[Future[None]] = {pool.submit(work, picture) for picture in islice(coming, 2 * threads)}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    yield None
                    waiting |= {pool.submit(work, picture) for picture in islice(coming, 1)}
        finally:
            for future in waiting:
                future.cancel()


def _needs_bytes(data: bytes) -> int:
    """Return about what judging a picture takes, by its header; one that cannot be read takes only itself."""
    try:
        with read_header(data) as header:
            width_px, height_px = header.size
    except InvalidInput:
        return len(data)
    return len(data) + _COPIES * 3 * width_px * height_px


def _drawn(outputs: Mapping[str, Value | None]) -> bytes | None:
    """Return the picture that a pipeline draws itself, at its output `drawn`: one that crops or turns must."""
    drawn = outputs.get("drawn")
    return drawn.data if isinstance(drawn, Encoded) else None


def _died(error: ImageFlowError | None) -> bool:
    """Whether a step's process died, by its input or another cause."""
    return error is not None and isinstance(error.__cause__, StepDied)


class _Inspector:
    """Judges one picture after the other; any number of threads may call at once."""

    def __init__(
        self, stores: Stores, engine: Engine, by: Judge, batch: Batch, inspection: int, stop: Cancellation
    ) -> None:
        self._stores = stores
        self._batch = batch
        self._today = batch.closed_at.astimezone(UTC).date()
        self._engine = engine
        self._by = by
        self._inspection = inspection
        self._stop = stop
        self._memory = ByteBudget(_MOST_BYTES)

    def inspect(self, picture: Picture) -> None:
        """Judge a picture and commit its results."""
        self._stop.check()
        data = read_kept(self._stores, self._batch, picture)
        with self._memory.holding(_needs_bytes(data)):
            self._stop.check()
            self._inspect(picture, data)

    def _inspect(self, picture: Picture, data: bytes) -> None:
        judged: dict[str, tuple[bool, JudgedItem]] = {}
        items = []
        for item in self._by.master.items:
            begun_s = perf_counter()
            answer = self._judge(item.code, data)
            judged[item.code] = (item.required, answer)
            items.append(
                Judgement(
                    item=item.code,
                    verdict=answer.verdict,
                    confidence=answer.confidence,
                    seconds=perf_counter() - begun_s,
                    details=answer.details,
                )
            )
        verdict, confidence = combine(judged)
        drawn_key = None if verdict is Verdict.PASS else self._draw(picture, data, judged, items)
        with self._stores.database.begin() as connection:
            inspections.add_result(
                connection,
                self._inspection,
                picture.place,
                verdict=verdict,
                confidence=confidence,
                seconds=sum(item.seconds for item in items),
                drawn_key=drawn_key,
                items=items,
            )

    def _judge(self, code: str, data: bytes) -> JudgedItem:
        plan = self._by.plans[code]
        item = next(each for each in self._by.master.items if each.code == code)
        execution = self._run(plan, data)
        if _died(execution.error):
            execution = self._run(plan, data)  # what died with it may have been to blame
        match execution.error:
            case None:
                return replace(judge(item, execution.outputs, today=self._today), picture=_drawn(execution.outputs))
            case Cancelled() as error:
                raise error
            case StepFailed(__cause__=Unavailable() as cause) as error if not _died(error):
                raise cause  # the picture is not to blame
            case error:
                return undecided(str(error))

    def _run(self, plan: Plan, data: bytes) -> Execution:
        return self._engine.run(plan, {plan.spec.inputs[0]: data}, cancellation=self._stop)

    def _draw(
        self, picture: Picture, data: bytes, judged: dict[str, tuple[bool, JudgedItem]], items: list[Judgement]
    ) -> str | None:
        wrong = {code: answer for code, (_, answer) in judged.items() if answer.verdict is not Verdict.PASS}
        found = [each for _, answer in judged.values() for each in answer.drawn]
        own = next((answer.picture for answer in wrong.values() if answer.picture is not None), None)
        reader = reader_of(self._by.plans[next(iter(wrong))])
        try:
            drawn = draw(own or data, [] if own else found, items, reader)
        except InvalidInput:
            return None  # nothing that could be drawn on; the items say what is wrong with it
        key = keys.drawn_picture(self._inspection, picture.place)
        self._stores.objects.put(key, drawn)
        return key
