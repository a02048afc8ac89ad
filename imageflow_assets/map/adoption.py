"""Surveys that a version before 0.5 completed: they are reported to Dagster once, for all assets of the map.

Up to 0.4, three of the assets had a partition for each block of a survey. Now all are partitioned by survey, and such
a survey would look missing, stale or failed. Nothing is computed anew, and the older events stay.
"""

import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    compute_logical_data_version,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.instance.utils import RUNLESS_RUN_ID

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey, SurveyState

Look = Callable[[Stores, Survey], Sequence[dg.AssetCheckResult]]
"""Makes the checks of one asset, each with its name, as the asset's own step does."""

_LEFT = "imageflow/surveys_to_adopt"
"""The key in Dagster's own storage, with which it would be lost together with the events."""

_BATCH = 10

_SHOWN = {"made_by": dg.MetadataValue.text("A version before 0.5: this asset's older events show when and how.")}


def adopt_surveys(
    instance: dg.DagsterInstance,
    stores: Stores,
    assets: Sequence[dg.AssetsDefinition],
    looks: Mapping[dg.AssetKey, Look],
    *,
    introduce: Callable[[Sequence[Survey]], None],
    within_s: float = math.inf,
) -> int:
    """Report completed surveys, newest first, as materialised and fresh; return how many the next call has to do.

    The first call in the life of an instance notes which ones are to be reported, and what is completed later never is.
    A call may be killed at any moment: the next one goes on.

    Args:
        assets: All assets of the map, each partitioned by survey and with a code version, in topological order.
        looks: By asset; what a look finds becomes the state of the asset's checks.
        introduce: Reports the surveys' partitions of the external asset that the first of the assets depends on.
        within_s: Once these seconds have passed, no further batch is begun.
    """
    deadline = time.monotonic() + within_s
    left = _left(instance, stores)
    while left:
        _adopt(instance, stores, assets, looks, introduce, left[:_BATCH])
        left = left[_BATCH:]
        _note(instance, left)
        if time.monotonic() > deadline:
            break
    return len(left)


def _left(instance: dg.DagsterInstance, stores: Stores) -> list[str]:
    noted = instance.daemon_cursor_storage.get_cursor_values({_LEFT}).get(_LEFT)
    if noted is not None:
        names: list[str] = json.loads(noted)
        return names
    with stores.database.begin() as connection:
        left = [survey.id for survey in rows.find(connection, states=(SurveyState.COMPLETED,), limit=None)]
    _note(instance, left)
    return left


def _note(instance: dg.DagsterInstance, left: Sequence[str]) -> None:
    instance.daemon_cursor_storage.set_cursor_values({_LEFT: json.dumps(left)})


def _adopt(
    instance: dg.DagsterInstance,
    stores: Stores,
    assets: Sequence[dg.AssetsDefinition],
    looks: Mapping[dg.AssetKey, Look],
    introduce: Callable[[Sequence[Survey]], None],
    names: Sequence[str],
) -> None:
    with stores.database.begin() as connection:
        # others were deleted or taken up again since
        completed = rows.names(connection, of=names, state=SurveyState.COMPLETED)
        surveys = [rows.get(connection, name) for name in completed]
    introduce(surveys)
    before = {survey.id: 0 for survey in surveys}
    pointers: dict[dg.AssetKey, Mapping[str, int]] = {}
    for asset in _versioned(instance, assets) if surveys else ():
        newest = _newest(instance, asset.key, before)
        # An event that follows that of the asset before is this version's, or a killed call's.
        for name in (name for name in before if newest.get(name, 0) <= before[name]):
            tags = asset.tags_after({key: found[name] for key, found in pointers.items()})
            instance.report_runless_asset_event(
                dg.AssetMaterialization(asset.key, partition=name, metadata=_SHOWN, tags=tags)
            )
        before = pointers[asset.key] = _newest(instance, asset.key, before)
        if asset.key in looks:
            _look(instance, stores, asset.key, looks[asset.key], surveys, before)


def _look(
    instance: dg.DagsterInstance,
    stores: Stores,
    asset: dg.AssetKey,
    look: Look,
    surveys: Sequence[Survey],
    newest: Mapping[str, int],
) -> None:
    """Report the checks of an asset that are not yet reported of its newest event, where no run made that."""
    targets = _targets(instance, asset, newest)
    results = [(survey, result) for survey in surveys if survey.id in targets for result in look(stores, survey)]
    if not results:
        return
    keys = {dg.AssetCheckKey(asset, str(result.check_name)) for _, result in results}
    states = instance.event_log_storage.get_asset_check_partition_info(list(keys), partition_keys=list(targets))
    reported = {(state.partition_key, state.check_key.name) for state in states if state.is_current}
    for survey, result in results:
        # Dagster refuses a second evaluation of a check and partition that no run made.
        if (survey.id, result.check_name) not in reported:
            instance.report_runless_asset_event(_evaluation(asset, survey, result, targets[survey.id]))


@dataclass(frozen=True, kw_only=True)
class _Versioned:
    """An asset with the versions by which Dagster takes it for fresh: they are the same in all partitions."""

    key: dg.AssetKey
    upstream: frozenset[dg.AssetKey]
    tags: Mapping[str, str]

    def tags_after(self, pointers: Mapping[dg.AssetKey, int]) -> Mapping[str, str]:
        """Return the tags of a materialisation that follows events of assets upstream; others have none."""
        after = {get_input_event_pointer_tag(key): str(pointers.get(key, NULL_EVENT_POINTER)) for key in self.upstream}
        return {**self.tags, **after}


def _versioned(instance: dg.DagsterInstance, assets: Sequence[dg.AssetsDefinition]) -> list[_Versioned]:
    found: list[_Versioned] = []
    versions: dict[dg.AssetKey, dg.DataVersion] = {}
    for asset in assets:
        upstream = asset.asset_deps[asset.key]
        inputs = {key: versions.get(key) or _version_outside(instance, key) for key in upstream}
        code_version = str(asset.code_versions_by_key[asset.key])
        versions[asset.key] = compute_logical_data_version(code_version, inputs)
        tags = {CODE_VERSION_TAG: code_version, DATA_VERSION_TAG: versions[asset.key].value}
        of_inputs = {get_input_data_version_tag(key): version.value for key, version in inputs.items()}
        found.append(_Versioned(key=asset.key, upstream=frozenset(upstream), tags={**tags, **of_inputs}))
    return found


def _version_outside(instance: dg.DagsterInstance, key: dg.AssetKey) -> dg.DataVersion:
    """Return the version of an asset that begins the lineage of the map."""
    record = instance.get_latest_data_version_record(key)
    version = extract_data_version_from_entry(record.event_log_entry) if record else None
    return version or DEFAULT_DATA_VERSION


def _newest(instance: dg.DagsterInstance, asset: dg.AssetKey, names: Collection[str]) -> dict[str, int]:
    found = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION, partitions=set(names)
    )
    return dict(found)


def _targets(
    instance: dg.DagsterInstance, asset: dg.AssetKey, newest: Mapping[str, int]
) -> Mapping[str, AssetCheckEvaluationTargetMaterializationData]:
    """Return by partition what a check says that it looked at, but for events that a run made."""
    wanted = dg.AssetRecordsFilter(asset_key=asset, storage_ids=list(newest.values()))
    return {
        str(record.partition_key): AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in instance.fetch_materializations(wanted, limit=len(newest)).records
        if record.run_id == RUNLESS_RUN_ID
    }


def _evaluation(
    asset: dg.AssetKey,
    survey: Survey,
    result: dg.AssetCheckResult,
    target: AssetCheckEvaluationTargetMaterializationData,
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        target_materialization_data=target,
        partition=survey.id,
    )
