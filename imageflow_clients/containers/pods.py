"""Containers of components as pods of a cluster, made by the pod of a run."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import Any

from typing_extensions import override

from imageflow_clients.containers.attached import AttachedStdio, EndedStdio, RemoteFolder
from imageflow_clients.containers.channels import Channels
from imageflow_clients.containers.cluster_pods import ClusterPods
from imageflow_clients.containers.exchange_folder import FolderLost
from imageflow_clients.containers.pod_spec import PodRules, component_pod
from imageflow_clients.containers.pod_states import exit_of, image_fault, is_working, start_fault, why_waiting
from imageflow_clients.containers.running import Exit, Means, RunningContainer, is_first_line
from imageflow_clients.containers.stdio import Stdio
from imageflow_clients.containers.warm import WarmContainers
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerAnswer, ContainerImage, ContainerRequest
from imageflow_domain.errors import StepDied, Unavailable

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.2
_DIAL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class PodMaker:
    """How a run makes pods."""

    pods: ClusterPods
    rules: PodRules
    owner: Mapping[str, Any]
    """A reference to the run's pod."""
    api_server: tuple[str, int] | None
    """Host and port, which no component's pod may reach; `None` where the network is not checked."""
    policy_s: float = 15.0
    """For the cluster's network to begin to enforce a policy for a new pod."""


class PodContainers(WarmContainers):
    """Runs components as pods. A context manager: at its end all pods are deleted."""

    def __init__(self, connect: Callable[[], PodMaker]) -> None:
        """Make none yet.

        Args:
            connect: Called before the first pod is made.
        """
        super().__init__()
        self._connect = connect
        self._connecting = Lock()
        self._maker: PodMaker | None = None
        self._turns: BoundedSemaphore | None = None

    @override
    def call(self, image: ContainerImage, request: ContainerRequest, *, cancellation: Cancellation) -> ContainerAnswer:
        _, turns = self._ready()
        while not turns.acquire(timeout=_LOOK_S):
            cancellation.check()
        try:
            return super().call(image, request, cancellation=cancellation)
        finally:
            turns.release()

    @override
    def start(self, image: ContainerImage, cancellation: Cancellation) -> RunningContainer:
        maker, _ = self._ready()
        name = maker.pods.create(component_pod(image, maker.rules, maker.owner))
        try:
            _await_start(maker, image, name, cancellation)
            means = _PodMeans(maker.pods, name)
        except BaseException:
            _delete(maker.pods, name)
            raise
        container = RunningContainer(image, means)
        try:
            _check_network(maker, image, means.folder, cancellation)
        except FolderLost as error:
            container.end()
            raise StepDied(f"The pod of '{image.component}' was lost before it was ready. {error}") from error
        except BaseException:
            container.end()
            raise
        return container

    def _ready(self) -> tuple[PodMaker, BoundedSemaphore]:
        with self._connecting:
            if self._maker is None or self._turns is None:
                self._maker = self._connect()
                self._turns = BoundedSemaphore(self._maker.rules.most)
            return self._maker, self._turns


class _PodMeans(Means):
    """A pod, and the connections to both of its containers."""

    folder: RemoteFolder

    def __init__(self, pods: ClusterPods, name: str) -> None:
        """Connect to a pod that works, or whose component has ended already."""
        self._pods = pods
        self._name = name
        self._exchange = pods.serve_exchange(name)
        self.folder = RemoteFolder(self._exchange)
        self._attached: Channels | None = None
        try:
            self.stdio: Stdio = self._attach()
        except BaseException:
            self._exchange.close()
            raise

    def _attach(self) -> Stdio:
        try:
            self._attached = self._pods.attach(self._name)
        except Unavailable:
            if self._exit() is None:
                raise
            return EndedStdio(self._log)
        return AttachedStdio(self._attached, self._log, is_first_line)

    def _log(self) -> bytes:
        return self._pods.log(self._name)

    def _exit(self) -> Exit | None:
        pod = self._pods.find(self._name)
        return Exit(why="Its pod is gone.") if pod is None else exit_of(pod)

    @override
    def exit(self, wait_s: float) -> Exit | None:
        deadline_s = time.monotonic() + wait_s
        while (found := self._exit()) is None:
            if time.monotonic() > deadline_s:
                return Exit(why="The connection to its pod was lost.")
            time.sleep(_LOOK_S)
        return found

    @override
    def kill(self) -> None:
        for each in (self._attached, self._exchange):
            if each is not None:
                each.shut()

    @override
    def end(self) -> None:
        self._exchange.close()
        _delete(self._pods, self._name)


def _delete(pods: ClusterPods, name: str) -> None:
    try:
        pods.delete(name)
    except Unavailable as error:
        # it is the run's pod's, and goes with it
        _LOG.warning("%s", error)


def _await_start(maker: PodMaker, image: ContainerImage, name: str, cancellation: Cancellation) -> None:
    """Wait until both containers were started."""
    deadline_s = time.monotonic() + maker.rules.start_s
    said = f"The container of '{image.component}'"
    while True:
        pod = maker.pods.find(name)
        if pod is None:
            raise Unavailable(f"{said} could not be started: its pod '{name}' was deleted. Run the step again.")
        if (fault := image_fault(pod)) is not None:
            raise Unavailable(
                f"The image of '{image.component}', {image.image}, could not be pulled. {fault}. Push it to a registry "
                "that the cluster's nodes reach, and name the registry's Secret in `image.pullSecrets`."
            )
        if (fault := start_fault(pod)) is not None:
            raise Unavailable(f"{said} could not be started. {fault}")
        if is_working(pod) or exit_of(pod) is not None:
            return
        if time.monotonic() > deadline_s:
            raise Unavailable(f"{said} was not started within {maker.rules.start_s:g} s. {why_waiting(pod)}")
        cancellation.wait(_LOOK_S)


def _check_network(maker: PodMaker, image: ContainerImage, folder: RemoteFolder, cancellation: Cancellation) -> None:
    """Make sure that the pod reaches nothing, before its component sees any image."""
    if maker.api_server is None:
        return
    deadline_s = time.monotonic() + maker.policy_s
    while folder.reaches(*maker.api_server, wait_s=_DIAL_S):
        if time.monotonic() > deadline_s:
            raise Unavailable(
                f"The pod of '{image.component}' reaches the network, and no component may: the cluster does not "
                "enforce network policies. Install a network that does, or, where you trust every component, set "
                "`components.requireNetworkPolicies: false` in the chart's values."
            )
        cancellation.wait(_LOOK_S)
