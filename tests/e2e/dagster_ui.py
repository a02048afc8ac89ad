"""What an operator does in Dagster's UI, by the calls that the UI itself sends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imageflow_domain.survey import Layer
from tests.e2e.stack import Stack, wait_for

LAYERS = tuple(layer.value for layer in Layer)
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})

_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } ... on RunConfigValidationInvalid { errors { message } } }
}"""
_RUN = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { status jobName tags { key value }
  stepStats { stepKey status startTime endTime } } } }"""
_STATUS = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
_RUNS = """
query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results {
  runId status rootRunId tags { key value } } } } }"""
_PLANNED = """
query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename
  ... on ExecutionStepOutputEvent { metadataEntries { label ... on TextMetadataEntry { text } } } } } } }"""
_FAILURES = """
query($id: ID!, $cursor: String) { logsForRun(runId: $id, afterCursor: $cursor) { ... on EventConnection {
  cursor hasMore events { __typename
    ... on ExecutionStepFailureEvent { stepKey error { message } failureMetadata { description } }
    ... on RunFailureEvent { message error { message } } } } } }"""
_BACKFILL_STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""
_PARTITIONS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionKeysByDimension { partitionKeys }
  partitionStats { numPartitions numMaterialized numMaterializing numFailed }
  assetPartitionStatuses { ... on DefaultPartitionStatuses {
    materializedPartitions unmaterializedPartitions failedPartitions materializingPartitions } } } } }"""
_STALE = """
query($key: AssetKeyInput!, $partition: String!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  staleStatus(partition: $partition) staleCauses(partition: $partition) { reason key { path } } } } }"""
_MATERIALISED = """
query($key: AssetKeyInput!, $partition: String!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(partitions: [$partition], limit: 50) { partition runId timestamp metadataEntries { label
    ... on MarkdownMetadataEntry { mdStr } ... on IntMetadataEntry { intValue }
    ... on TextMetadataEntry { text } } } } } }"""
_CHECKS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError {
  ... on AssetChecks { checks { name } } } } } }"""
_EXECUTIONS = """
query($key: AssetKeyInput!, $name: String!, $partition: String) {
  assetCheckExecutions(assetKey: $key, checkName: $name, limit: 50, partition: $partition) { runId status
    evaluation { partition success severity description } } }"""
_ADD_PARTITION = """
mutation($selector: RepositorySelector!, $key: String!) {
  addDynamicPartition(repositorySelector: $selector, partitionsDefName: "surveys", partitionKey: $key) {
    __typename ... on PythonError { message } } }"""
_DELETE_PARTITIONS = """
mutation($selector: RepositorySelector!, $keys: [String!]!) {
  deleteDynamicPartitions(repositorySelector: $selector, partitionsDefName: "surveys", partitionKeys: $keys) {
    __typename ... on PythonError { message } } }"""
_REPOSITORY = {"repositoryLocationName": "imageflow", "repositoryName": "__repository__"}


@dataclass(frozen=True, kw_only=True)
class Materialised:
    """One materialisation of an asset's partition."""

    run_id: str
    at: float
    """Seconds since 1970."""
    shown: Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """What an asset's page counts."""

    materialised: frozenset[str]
    failed: frozenset[str]
    missing: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One evaluation of a check."""

    status: str
    partition: str
    severity: str
    description: str


@dataclass(frozen=True)
class Ui:
    """Dagster's UI of a running stack."""

    stack: Stack

    def launch(
        self,
        job: str,
        *,
        partition: str | None = None,
        assets: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """Launch a run and return its id."""
        selector: dict[str, Any] = {**_REPOSITORY, "jobName": job}
        if assets:
            selector["assetSelection"] = [{"path": [asset]} for asset in assets]
        tags = [] if partition is None else [{"key": "dagster/partition", "value": partition}]
        params = {
            "selector": selector,
            "runConfigData": config or {},
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        launched = self.stack.graphql(_LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def materialise(
        self, assets: Sequence[str], partition: str, *, config: Mapping[str, Any] | None = None, timeout_s: float = 240
    ) -> str:
        """Materialise assets of one partition, as the button does; return the run's id once it has ended."""
        run = self.launch("__ASSET_JOB", assets=assets, partition=partition, config=config)
        self.await_end(run, timeout_s)
        return run

    def plan(self, save: str, grid: str, **config: Any) -> str:
        """Register a survey of the city by the job for it, and return its id, as the run's page shows it."""
        asked = {"game": "city", "save": save, "driver": "city", "grid": grid, "lossless_method": 0, **config}
        run = self.launch("plan_survey", config={"ops": {"register_survey": {"config": asked}}})
        assert self.await_end(run, 120) == "SUCCESS", self.why(run)
        events = self.stack.graphql(_PLANNED, id=run)["logsForRun"]["events"]
        (survey,) = (
            entry["text"]
            for event in events
            for entry in event.get("metadataEntries", ())
            if event["__typename"] == "ExecutionStepOutputEvent" and entry["label"] == "survey"
        )
        return str(survey)

    def run(self, run: str) -> dict[str, Any]:
        told: dict[str, Any] = self.stack.graphql(_RUN, id=run)["runOrError"]
        return told

    def await_end(self, run: str, timeout_s: float) -> str:
        """Return how a run ended."""

        def ended() -> str | None:
            status: str = self.stack.graphql(_STATUS, id=run)["runOrError"]["status"]
            return status if status in ENDED else None

        return wait_for(ended, timeout_s, lambda: f"run {run}: {self.run(run)}")

    def runs_of(self, survey: str) -> list[dict[str, Any]]:
        """Return all runs of a survey, the newest first."""
        wanted = {"tags": [{"key": "dagster/partition", "value": survey}]}
        runs: list[dict[str, Any]] = self.stack.graphql(_RUNS, filter=wanted)["runsOrError"]["results"]
        return runs

    def why(self, run: str) -> str:
        """Return what a run's page says of its failed steps."""
        said: list[str] = []
        cursor = None
        while True:
            page = self.stack.graphql(_FAILURES, id=run, cursor=cursor)["logsForRun"]
            for event in page["events"]:
                if event["__typename"] == "ExecutionStepFailureEvent":
                    described = (event["failureMetadata"] or {}).get("description")
                    said.append(described or (event["error"] or {}).get("message", ""))
            cursor = page["cursor"]
            if not page["hasMore"]:
                return "\n".join(said)

    def await_backfill(self, backfill: str, *, timeout_s: float = 400) -> str:
        """Return how a backfill ended."""

        def ended() -> str | None:
            found = self.stack.graphql(_BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]
            status: str = found["status"]
            return status if status not in {"REQUESTED", "CANCELING", "FAILING"} else None

        return wait_for(ended, timeout_s, lambda: f"backfill {backfill}")

    def partitions(self, asset: str) -> Partitions:
        """Return which partitions of an asset are in which state."""
        node = self.stack.graphql(_PARTITIONS, key={"path": [asset]})["assetNodeOrError"]
        states = node["assetPartitionStatuses"]
        found = Partitions(
            materialised=frozenset(states["materializedPartitions"]),
            failed=frozenset(states["failedPartitions"]),
            missing=frozenset(states["unmaterializedPartitions"]) - frozenset(states["failedPartitions"]),
        )
        assert node["partitionStats"]["numMaterialized"] == len(found.materialised), node["partitionStats"]
        assert node["partitionStats"]["numFailed"] == len(found.failed), node["partitionStats"]
        return found

    def stale(self, asset: str, partition: str) -> str:
        """Return whether a partition is FRESH, STALE or MISSING."""
        node = self.stack.graphql(_STALE, key={"path": [asset]}, partition=partition)["assetNodeOrError"]
        return str(node["staleStatus"])

    def materialised(self, asset: str, partition: str) -> list[Materialised]:
        """Return the materialisations of a partition, the newest first."""
        node = self.stack.graphql(_MATERIALISED, key={"path": [asset]}, partition=partition)["assetNodeOrError"]
        return [
            Materialised(
                run_id=event["runId"],
                at=float(event["timestamp"]) / 1000,
                shown={
                    entry["label"]: next(value for name, value in entry.items() if name != "label")
                    for entry in event["metadataEntries"]
                    if len(entry) > 1
                },
            )
            for event in node["assetMaterializations"]
        ]

    def checks(self, asset: str, partition: str) -> dict[str, list[Check]]:
        """Return every evaluation of each check of a partition, the newest first."""
        key = {"path": [asset]}
        checks = self.stack.graphql(_CHECKS, key=key)["assetNodeOrError"]["assetChecksOrError"]["checks"]
        found: dict[str, list[Check]] = {}
        for check in checks:
            executions = self.stack.graphql(_EXECUTIONS, key=key, name=check["name"], partition=partition)
            found[check["name"]] = [
                Check(
                    status=one["status"],
                    partition=one["evaluation"]["partition"],
                    severity=one["evaluation"]["severity"],
                    description=one["evaluation"]["description"],
                )
                for one in executions["assetCheckExecutions"]
                if one["evaluation"] is not None
            ]
        return found

    def add_partition(self, survey: str) -> None:
        """Add a partition, as the dialog on the asset's page does, where it is not there yet.

        A sensor's first tick after a start adds those of surveys that are planned already.
        """
        done = self.stack.graphql(_ADD_PARTITION, selector=_REPOSITORY, key=survey)["addDynamicPartition"]
        assert done["__typename"] in {"AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"}, done

    def delete_partition(self, survey: str) -> None:
        """Delete a partition, as the menu on the asset's page does."""
        done = self.stack.graphql(_DELETE_PARTITIONS, selector=_REPOSITORY, keys=[survey])["deleteDynamicPartitions"]
        assert done["__typename"] == "DeleteDynamicPartitionsSuccess", done
