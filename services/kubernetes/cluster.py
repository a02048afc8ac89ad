"""A cluster of one node in namespaces of its own: when it ends, nothing of it goes on running.

Processes, mounts, network devices and packet filters of the node, its pods included, live in the namespaces of one
process (`node.py`) and end with it. Images that were loaded stay in the cluster's folder.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import yaml

from imageflow_domain.errors import Conflict, Unavailable
from services.child import die_with_starter
from services.kubernetes import network
from services.kubernetes.images import build, build_base, load, load_pinned, tag
from services.kubernetes.node import FAKE_LABEL
from services.kubernetes.programs import programs

_HERE = Path(__file__).parent
_NEEDED = {
    "/usr/bin/containerd": "containerd",
    "/usr/sbin/runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "/usr/sbin/iptables": "iptables",
    "/usr/bin/buildah": "buildah",
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/bin/openssl": "openssl",
    "/usr/bin/unshare": "util-linux",
    "/usr/sbin/ip": "iproute2",
}
_OF_LAST_TIME = ("ready", "joined", "etcd", "kubelet", "keys", "cni-addresses", "logs", "pids", "containerd/state")
_LOCK = Path("/run/imageflow-kubernetes.lock")
_VOLUMES = 12
_VOLUME_GIB = 20
_READY_S = 120.0
_END_S = 20.0
_LOOK_S = 0.1
_LOG_TAIL = 15


class Cluster:
    """One cluster in a folder. It ends with the thread that starts it."""

    def __init__(self, folder: Path) -> None:
        """Check that this machine has what it needs, and build programs and images that are not kept.

        Raises `Unavailable` where something is missing, with what to install.
        """
        _check_machine()
        self._folder = folder.resolve()
        self._programs = programs()
        base = build_base()
        pause = build(_HERE / "images" / "pause.Dockerfile", name="localhost/pause", context=_HERE, base=base)
        dns = build(
            _HERE / "images" / "coredns.Dockerfile", name="localhost/coredns", context=self._programs["coredns"].parent
        )
        self._images = {"pause": pause, "coredns": dns}
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._folder / "keys" / "admin.kubeconfig"

    def start(self) -> None:
        """Start it empty, and return once its node takes pods and they find each other by name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _only_cluster()
        for name in _OF_LAST_TIME:
            path = self._folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with (self._folder / "node.log").open("wb") as log:
            self._node = subprocess.Popen(
                (
                    *("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"),
                    *("--mount-proc", sys.executable, "-m", "services.kubernetes.node"),
                    *(self._folder, self._images["pause"]),
                ),
                cwd=_HERE.parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_starter,
            )
        try:
            self._await(lambda: self._first_process() is not None, "has no first process")
            network.join(self._first_process() or 0)
            (self._folder / "joined").touch()
            self._await((self._folder / "ready").exists, "did not get ready")
            self.load(list(self._images.values()))
            self._set_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it with everything in it, and wait until it is gone."""
        if self._node is None:
            return
        network.leave()
        first = self._first_process()
        if first is not None:
            os.kill(first, signal.SIGKILL)
        self._node.kill()
        self._node.wait(_END_S)
        self._node = None
        self._lock.close()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what `kubectl` prints; raise `Unavailable` with its message where it fails."""
        return self.run("kubectl", *arguments, stdin=stdin)

    def run(self, program: str, *arguments: str | Path, stdin: str | None = None) -> str:
        """Return what one of the cluster's programs, such as `helm`, prints as the cluster's administrator."""
        done = subprocess.run(
            (self._programs[program], *arguments),
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Unavailable(f"{program} {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def load(self, images: Sequence[str]) -> None:
        """Put images into the node, those that it has not yet."""
        load(self._socket, images)

    def load_pinned(self, image: str) -> str:
        """Put an image into the node, and return it by its digest."""
        return load_pinned(self._socket, image)

    @property
    def _socket(self) -> Path:
        return self._folder / "containerd.sock"

    def tag(self, image: str, version: str) -> str:
        """Give an image of the node another tag, and return its name with it."""
        return tag(self._folder / "containerd.sock", image, version)

    @contextmanager
    def fake_node(
        self, name: str, resources: Mapping[str, str], *, taint: str, labels: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Add a node without a machine for a `with` block: its pods are said to run until they are deleted.

        Args:
            name: The node's.
            resources: What it has, such as `{"cpu": "4", "nvidia.com/gpu": "1"}`.
            taint: The key that its pods have to tolerate.
            labels: By which pods choose it.
        """
        key, value = FAKE_LABEL.split("=")
        has = {"pods": "100", **resources}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {key: value, **(labels or {})}},
            "spec": {"taints": [{"key": taint, "value": "present", "effect": "NoSchedule"}]},
            "status": {"allocatable": has, "capacity": has},
        }
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(node))
        self.kubectl("wait", "--for=condition=Ready", f"node/{name}", f"--timeout={_READY_S:.0f}s")
        try:
            yield
        finally:
            self.kubectl("delete", "node", name)

    def _set_up(self) -> None:
        for file in sorted((_HERE / "manifests").glob("*.yaml")):
            manifest = file.read_text(encoding="utf-8").replace("localhost/coredns", self._images["coredns"])
            self.kubectl("apply", "-f", "-", stdin=manifest)
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(self._volumes()))
        self.kubectl("wait", "--for=condition=Ready", "node", "--all", f"--timeout={_READY_S:.0f}s")
        dns = ("-n", "kube-system", "deployment/coredns")
        self.kubectl("rollout", "status", f"--timeout={_READY_S:.0f}s", *dns)

    def _volumes(self) -> list[dict[str, object]]:
        """Return local volumes of the storage class `local`, each a folder."""
        anywhere = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
        there: list[dict[str, object]] = []
        for number in range(_VOLUMES):
            folder = self._folder / "volumes" / str(number)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            spec = {
                "capacity": {"storage": f"{_VOLUME_GIB}Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "local",
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [anywhere]}},
            }
            metadata = {"name": f"local-{number}"}
            there.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})
        return there

    def _first_process(self) -> int | None:
        """Return the process that is the first of the namespaces: what `unshare` started."""
        if self._node is None or self._node.poll() is not None:
            return None
        return next((child.pid for child in psutil.Process(self._node.pid).children()), None)

    def _await(self, happened: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _READY_S
        while not happened():
            if self._node is None or self._node.poll() is not None or time.monotonic() > deadline:
                log = self._folder / "node.log"
                end = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])
                raise Unavailable(f"The cluster {otherwise}. Its log, '{log}', ends:\n{end}")
            time.sleep(_LOOK_S)


def _only_cluster() -> IO[bytes]:
    """Return the lock of this machine's one cluster; raise `Conflict` for another, which has the same addresses."""
    lock = _LOCK.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise Conflict("Another cluster runs on this machine already.") from error
    return lock


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise Unavailable("A cluster needs the rights of root, for its containers and its network.")
    missing = [package for path, package in _NEEDED.items() if not Path(path).exists()]
    if missing:
        raise Unavailable(f"A cluster needs more of Debian's packages: apt-get install {' '.join(missing)}")
