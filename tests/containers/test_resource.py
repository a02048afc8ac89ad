"""Containers in a run of Dagster: podman's, or pods that its launcher says how to make."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import instance_for_test

from imageflow_clients.containers.pods import PodMaker
from imageflow_domain.containers import Containers
from imageflow_resources.containers import ContainersResource
from tests.containers.api_server import ApiServer
from tests.containers.images import left_containers
from tests.containers.launcher import StandInLauncher
from tests.containers.test_rogue_components import GOOD, ask


@dg.op(config_schema={"image": str})
def asked(context: dg.OpExecutionContext, containers: dg.ResourceParam[Containers]) -> None:
    ask(containers, context.op_config["image"], "", GOOD)


@dg.job
def judged() -> None:
    asked()


def _run(instance: dg.DagsterInstance, image: str, scratch: Path, program: str | None) -> dg.ExecuteInProcessResult:
    return judged.execute_in_process(
        run_config={"ops": {"asked": {"config": {"image": image}}}},
        resources={"containers": ContainersResource(program=program, scratch=str(scratch))},
        instance=instance,
        raise_on_error=False,
    )


def test_a_run_makes_pods_as_its_launcher_says_and_leaves_none(
    cluster: tuple[ApiServer, PodMaker], rogue_image: str, tmp_path: Path
) -> None:
    server = cluster[0]
    launcher = {
        "module": StandInLauncher.__module__,
        "class": StandInLauncher.__name__,
        "config": {"api_server": server.url},
    }
    with instance_for_test(overrides={"run_launcher": launcher}) as instance:
        done = _run(instance, rogue_image, tmp_path, "kubernetes")
    assert done.success
    (pod,) = server.bodies
    assert pod["metadata"]["labels"]["dagster/run-id"] == done.run_id
    assert left_containers() == []


def test_a_run_that_is_no_pod_says_how_to_run_containers_here(rogue_image: str, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = _run(instance, rogue_image, tmp_path, "kubernetes")
    assert not done.success
    (failed,) = done.get_step_failure_events()
    assert "this run is no pod of a cluster" in str(failed.step_failure_data.error)


def test_without_a_setting_the_program_that_is_installed_runs_them(rogue_image: str, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert _run(instance, rogue_image, tmp_path, None).success
    assert left_containers() == []


@pytest.mark.parametrize("program", ["podman", "kubernetes"])
def test_a_run_without_a_container_component_needs_neither(tmp_path: Path, program: str) -> None:
    @dg.op
    def idle(containers: dg.ResourceParam[Containers]) -> None: ...

    @dg.job
    def nothing() -> None:
        idle()

    resource = ContainersResource(program=program, scratch=str(tmp_path))
    assert nothing.execute_in_process(resources={"containers": resource}).success
