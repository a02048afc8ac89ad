"""A preview by any protocol: its spec is checked here, so that every fault is answered, and an engine computes it."""

from anyio import to_thread

from imageflow.client.preview_request import PreviewRequest
from imageflow_executions import preview
from imageflow_gateway.gateway import Gateway
from imageflow_gateway.previews_schema import PreviewedSample


async def previewed(gateway: Gateway, asked: PreviewRequest) -> list[PreviewedSample]:
    """Return what a step gives for each sample.

    Raises as `plan_preview` does, and as `EngineCalls.preview` does.
    """
    request = preview.PreviewRequest(
        spec=asked.spec,
        step=asked.step,
        samples=[{name: image.sha256 for name, image in sample.items()} for sample in asked.samples],
        longest_side_px=asked.longest_side_px,
    )
    await to_thread.run_sync(gateway.use(preview.plan_preview), request)
    found = await gateway.engine.preview(asked)
    return [PreviewedSample.of(each, images) for each, images in zip(found, asked.samples, strict=True)]
