"""Dagster over its webserver's GraphQL, for processes that do not load Dagster: launch runs, find them, stop them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from imageflow_domain.errors import DagsterUnavailable

if TYPE_CHECKING:
    import httpx

LOCATION = "imageflow"
"""The name under which Dagster loads our code."""

_CONNECT_S = 2.0
_REPOSITORY = "__repository__"
_CODE_VERSION = "dagster/code_version"
_ALIVE = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")

_ADD_PARTITION = """
mutation($repository: RepositorySelector!, $definition: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $definition, partitionKey: $key) {
    __typename ... on PythonError { message } ... on UnauthorizedError { message }
  }
}"""
_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
_FIND = """
query($filter: RunsFilter!) {
  runsOrError(filter: $filter) { __typename ... on Runs { results { runId } } ... on PythonError { message } }
}"""
_LIST = """
query($filter: RunsFilter!, $limit: Int!) {
  runsOrError(filter: $filter, limit: $limit) {
    __typename
    ... on Runs { results { runId status startTime endTime tags { key value } assetSelection { path } } }
    ... on PythonError { message }
  }
}"""
_STOP = """
mutation($runs: [String!]!) {
  terminateRuns(runIds: $runs) {
    __typename
    ... on TerminateRunsResult { terminateRunResults { __typename ... on PythonError { message } } }
    ... on PythonError { message }
  }
}"""


@dataclass(frozen=True, kw_only=True)
class DagsterRun:
    """A run as Dagster's webserver reports it."""

    id: str
    status: str
    """In Dagster's words: STARTED, SUCCESS and so on."""
    tags: Mapping[str, str]
    assets: tuple[str, ...]
    """Keys of the assets that it was asked for; empty where a whole job was."""
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_alive(self) -> bool:
        """Whether it is still to do something: queued and cancelling runs count, too."""
        return self.status in _ALIVE


@dataclass(frozen=True, kw_only=True)
class Materialization:
    """The newest event of one partition of an asset."""

    run_id: str
    code_version: str | None
    """Of the asset when it was made."""


@dataclass(frozen=True, kw_only=True)
class Dagster:
    """A webserver of Dagster that has loaded our code location."""

    url: str
    """Without a slash at the end."""
    patience_s: float = 20.0
    """How long an answer may take."""

    def add_partition(self, definition: str, key: str) -> None:
        """Add a key to dynamic partitions, unless it is there.

        Raises:
            DagsterUnavailable: Where no webserver answers, or it has not loaded our code.
        """
        variables = {
            "repository": {"repositoryLocationName": LOCATION, "repositoryName": _REPOSITORY},
            "definition": definition,
            "key": key,
        }
        added = self._ask(_ADD_PARTITION, variables)["addDynamicPartition"]
        if added["__typename"] not in {"AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"}:
            raise DagsterUnavailable(f"Dagster took no partition '{key}': {added.get('message', added['__typename'])}")

    def launch(self, job: str, tags: Mapping[str, str]) -> str:
        """Launch a run of a job, and return its id.

        Args:
            job: Its name.
            tags: Among them the one that says which partition the run is for.

        Raises:
            DagsterUnavailable: Where the run was not launched, or nobody could say whether it was.
        """
        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": _REPOSITORY,
                "jobName": job,
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": name, "value": value} for name, value in tags.items()]},
        }
        launched = self._ask(_LAUNCH, {"params": params})["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            said = launched.get("message") or launched.get("errors") or launched["__typename"]
            raise DagsterUnavailable(f"Dagster launched no run: {said}")
        return str(launched["run"]["runId"])

    def alive(self, tags: Mapping[str, str]) -> tuple[str, ...]:
        """Return the ids of all runs that bear these tags and have not ended; raise `DagsterUnavailable`."""
        wanted = {"tags": [{"key": name, "value": value} for name, value in tags.items()], "statuses": _ALIVE}
        found = self._ask(_FIND, {"filter": wanted})["runsOrError"]
        if found["__typename"] != "Runs":
            raise DagsterUnavailable(f"Dagster does not list its runs: {found.get('message', found['__typename'])}")
        return tuple(run["runId"] for run in found["results"])

    def runs(self, tags: Mapping[str, str], *, limit: int) -> tuple[DagsterRun, ...]:
        """Return the newest runs that bear these tags, newest first; raise `DagsterUnavailable`."""
        wanted = {"tags": [{"key": name, "value": value} for name, value in tags.items()]}
        found = self._ask(_LIST, {"filter": wanted, "limit": limit})["runsOrError"]
        if found["__typename"] != "Runs":
            raise DagsterUnavailable(f"Dagster does not list its runs: {found.get('message', found['__typename'])}")
        return tuple(
            DagsterRun(
                id=run["runId"],
                status=run["status"],
                tags={tag["key"]: tag["value"] for tag in run["tags"]},
                assets=tuple("/".join(asset["path"]) for asset in run["assetSelection"] or ()),
                started_at=_instant(run["startTime"]),
                ended_at=_instant(run["endTime"]),
            )
            for run in found["results"]
        )

    def materializations(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Materialization]:
        """Return the newest materialisation of some partitions, in one request; raise `DagsterUnavailable`.

        Args:
            wanted: Keys of assets and of their partitions; a few dozen.
        """
        if not wanted:
            return {}
        heads = ", ".join(f"$k{n}: AssetKeyInput!, $p{n}: [String!]" for n in range(len(wanted)))
        asked = "\n".join(
            f"a{n}: assetNodeOrError(assetKey: $k{n}) {{ ... on AssetNode {{ "
            f"assetMaterializations(partitions: $p{n}, limit: 1) {{ runId tags {{ key value }} }} }} }}"
            for n in range(len(wanted))
        )
        variables: dict[str, Any] = {}
        for n, (asset, partition) in enumerate(wanted):
            variables |= {f"k{n}": {"path": [asset]}, f"p{n}": [partition]}
        answered = self._ask(f"query({heads}) {{ {asked} }}", variables)
        found = {}
        for n, key in enumerate(wanted):
            for event in answered[f"a{n}"].get("assetMaterializations", ()):
                tags = {tag["key"]: tag["value"] for tag in event["tags"]}
                found[key] = Materialization(run_id=event["runId"], code_version=tags.get(_CODE_VERSION))
        return found

    def stop(self, runs: Sequence[str]) -> None:
        """Ask the workers of runs to end; raise `DagsterUnavailable`. A run that has ended meanwhile is left alone."""
        if runs:
            stopped = self._ask(_STOP, {"runs": list(runs)})["terminateRuns"]
            if stopped["__typename"] != "TerminateRunsResult":
                raise DagsterUnavailable(f"Dagster stopped no run: {stopped.get('message', stopped['__typename'])}")

    def _ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        import httpx  # which a survey by command line does not need

        try:
            answer = _client().post(
                f"{self.url}/graphql",
                json={"query": query, "variables": variables},
                timeout=httpx.Timeout(self.patience_s, connect=_CONNECT_S),
            )
            answer.raise_for_status()
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DagsterUnavailable(
                f"Dagster does not answer at {self.url} ({type(error).__name__}): start it with `imageflow up`."
            ) from error
        if body.get("errors"):
            raise DagsterUnavailable(f"Dagster does not understand what it is asked: {body['errors'][0]['message']}")
        return body["data"]


def _instant(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


@cache
def _client() -> "httpx.Client":
    """Return one client for the whole process: each new one reads all certificates, which takes 20 ms."""
    import httpx

    # The address is this machine's or the cluster's own: a proxy of the environment has no part in it. No connection is
    # kept: Dagster's webserver may be restarted between two requests.
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
