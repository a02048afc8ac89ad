"""Addresses of Dagster's UI: the very run, asset and partition."""

from dataclasses import dataclass
from urllib.parse import quote

from imageflow_clients.settings import EVERY_ADDRESS, Settings
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer
from imageflow_surveys.runs import SURVEY_TAG, partition_key


@dataclass(frozen=True, kw_only=True)
class DagsterLinks:
    """Spells addresses as Dagster's webserver reads them."""

    base_url: str
    """Without a slash at the end."""

    def run(self, run_id: str) -> str:
        return f"{self.base_url}/runs/{quote(run_id, safe='')}"

    def runs_of(self, survey: str) -> str:
        """The runs of a survey, by their tag."""
        return f"{self.base_url}/runs?q[0]={quote(f'tag:{SURVEY_TAG}={survey}', safe='')}"

    def asset(self, layer: Layer) -> str:
        return f"{self.base_url}/assets/{layer}"

    def partition(self, layer: Layer, survey: str, block: Block | None = None) -> str:
        """The asset's page at one partition; of a survey and a block, the page of the survey where none is given."""
        if layer not in BLOCK_LAYERS:
            return f"{self.asset(layer)}?view=partitions&partition={quote(survey, safe='')}"
        if block is None:
            return f"{self.asset(layer)}?view=partitions"
        return f"{self.asset(layer)}?view=partitions&partition={quote(partition_key(survey, block), safe='')}"

    def batch(self, key: str) -> str:
        """The results of a batch, by its partition."""
        return f"{self.base_url}/assets/inspection_results?view=partitions&partition={quote(key, safe='')}"


def links_for(settings: Settings, hostname: str | None) -> DagsterLinks:
    """Return links that whoever asked under `hostname` can follow.

    Args:
        hostname: Of the request's address; by it Dagster too is reached where this machine serves on every address.
    """
    if settings.host in EVERY_ADDRESS and hostname:
        name = f"[{hostname}]" if ":" in hostname else hostname
        return DagsterLinks(base_url=f"http://{name}:{settings.dagster_port}")
    return DagsterLinks(base_url=settings.dagster_url)
