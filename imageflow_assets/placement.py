"""What the pods of each stage need, and where they may be: the chart's `runs.stages`, applied to runs and steps."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kubernetes.utils import parse_quantity
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Quantity = str | int | float


class Resources(BaseModel):
    """A container's resources, such as `{"memory": "4Gi", "nvidia.com/gpu": 1}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: Mapping[str, Quantity] = Field(default_factory=dict)
    limits: Mapping[str, Quantity] = Field(default_factory=dict)

    def over(self, below: "Resources") -> "Resources":
        """Return these, and those of `below` that are not among them."""
        return Resources(requests={**below.requests, **self.requests}, limits={**below.limits, **self.limits})

    def most(self, other: "Resources") -> "Resources":
        """Return the larger of both, of each resource."""
        return Resources(requests=_most(self.requests, other.requests), limits=_most(self.limits, other.limits))


class Needs(BaseModel):
    """What the pods of one stage need beyond what all runs have."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    image: str = ""
    """Empty: that of the run."""
    resources: Resources = Resources()
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()

    def k8s_config(self) -> dict[str, Any]:
        """Return them as Dagster's tag `dagster-k8s/config` has them."""
        container: dict[str, Any] = {"resources": self.resources.model_dump()}
        if self.image:
            container["image"] = self.image
        return {
            "container_config": container,
            "pod_spec_config": {
                "node_selector": dict(self.node_selector),
                "tolerations": [dict(each) for each in self.tolerations],
            },
        }


def joined(stages: Sequence[Needs], all_runs: Resources) -> Needs:
    """Return the needs of one pod in which several stages are done, one after another.

    It has the most that any of them needs of each resource. Where stages name different images, or different values of
    a node's label, those of the first stage count.

    Args:
        stages: In the order in which they are done.
        all_runs: The resources of a stage that names none.
    """
    resources = all_runs
    for stage in stages:
        resources = resources.most(stage.resources.over(all_runs))
    labels: dict[str, str] = {}
    for stage in reversed(stages):
        labels.update(stage.node_selector)
    return Needs(
        image=next((stage.image for stage in stages if stage.image), ""),
        resources=resources,
        node_selector=labels,
        tolerations=tuple(_each_once(toleration for stage in stages for toleration in stage.tolerations)),
    )


def _most(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> dict[str, Quantity]:
    larger = {
        name: quantity
        for name, quantity in one.items()
        if name not in other or _number(quantity) > _number(other[name])
    }
    return {**other, **larger}


def _number(quantity: Quantity) -> Decimal:
    return Decimal(parse_quantity(quantity))


def _each_once(tolerations: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for toleration in tolerations:
        if toleration not in found:
            found.append(toleration)
    return found
