"""Several ways into one."""

from typing import ClassVar

from imageflow_pipelines.component import AnyValue, Component, Needs


class Merge(Component):
    """Pass on the first of `values` that is there: what a branch did not take is not."""

    name: ClassVar[str] = "merge"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0, bytes_per_px=0)

    def __call__(self, values: tuple[AnyValue, ...]) -> AnyValue:
        """Take at least one value: the engine gives those that are there, in the order of the edges."""
        return values[0]
