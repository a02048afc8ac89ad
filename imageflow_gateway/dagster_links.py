"""Addresses of Dagster's UI: the very run, asset and partition."""

from dataclasses import dataclass
from urllib.parse import quote

from imageflow_clients.settings import EVERY_ADDRESS, Settings
from imageflow_domain.survey import Layer
from imageflow_surveys.runs import PARTITION_TAG


@dataclass(frozen=True, kw_only=True)
class DagsterLinks:
    """Spells addresses as Dagster's webserver reads them."""

    base_url: str
    """Without a slash at the end."""

    def run(self, run_id: str) -> str:
        """The page of one run."""
        return f"{self.base_url}/runs/{quote(run_id, safe='')}"

    def runs_of(self, survey: str) -> str:
        """The runs over a survey's partition."""
        return f"{self.base_url}/runs?q[0]={quote(f'tag:{PARTITION_TAG}={survey}', safe='')}"

    def asset(self, layer: Layer) -> str:
        """The page of the asset that makes a layer."""
        return f"{self.base_url}/assets/{layer}"

    def partition(self, layer: Layer, survey: str) -> str:
        """The asset's page at a survey."""
        return f"{self.asset(layer)}?view=partitions&partition={quote(survey, safe='')}"

    def batch(self, key: str) -> str:
        """The results of a batch, by its partition."""
        return f"{self.base_url}/assets/inspection_results?view=partitions&partition={quote(key, safe='')}"


def links_for(settings: Settings, hostname: str | None) -> DagsterLinks:
    """Return links that work for the client that used `hostname`.

    Args:
        hostname: Of the request's address; by it Dagster too is reached where this machine serves on every address
            and no setting names another.
    """
    is_named = settings.dagster_public_url is not None or settings.dagster_url is not None
    if settings.host in EVERY_ADDRESS and hostname and not is_named:
        name = f"[{hostname}]" if ":" in hostname else hostname
        return DagsterLinks(base_url=f"http://{name}:{settings.dagster_port}")
    return DagsterLinks(base_url=settings.dagster_pages_url)
