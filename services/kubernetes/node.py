"""The first process of the cluster's namespaces: starts its programs, and starts those again that end.

`cluster.py` starts `python -m services.kubernetes.node FOLDER PAUSE_IMAGE`. Its end ends everything in the namespaces,
pods included.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from services.child import Child
from services.kubernetes import network
from services.kubernetes.keys import Keys
from services.kubernetes.programs import programs

API_PORT = 6443
NAME = "node"
_ETCD = "http://127.0.0.1:2379"
_STREAM_PORT = 10010
_LOOK_S = 0.5
_CNI_PROGRAMS = "/usr/lib/cni"
_STAGES = Path(__file__).with_name("fake_pods.yaml")

FAKE_LABEL = "imageflow/node=fake"
"""Of nodes without a machine: their pods are said to run until they are deleted, and nothing is executed."""


@dataclass(frozen=True, kw_only=True)
class _Program:
    """One program of the node, which is started again when it ends."""

    name: str
    command: Sequence[str | Path]
    port: int
    """Where it listens on 127.0.0.1 once it works."""


class Node:
    """All programs of one node in a folder."""

    def __init__(self, folder: Path, pause: str) -> None:
        """List its programs.

        Args:
            folder: For all that it keeps.
            pause: The image that holds a pod's namespaces.
        """
        self._folder = folder
        self._pause = pause
        self._programs = self._list_programs(programs())
        self._children: dict[str, Child] = {}

    def run(self) -> None:
        """Start everything, say so by the file `ready`, and keep it up until this process is ended."""
        for program in self._programs:
            self._start(program)
        (self._folder / "ready").touch()
        while True:
            time.sleep(_LOOK_S)
            for program in self._programs:
                if not self._children[program.name].alive:
                    self._start(program)
            self._bury()

    def _start(self, program: _Program) -> None:
        log = self._folder / "logs" / f"{program.name}.log"
        self._children[program.name] = Child(
            program.command, log=log, port=program.port, environment={"PATH": os.environ["PATH"]}
        )
        (self._folder / "pids" / program.name).write_text(str(self._children[program.name].pid), encoding="ascii")

    def _bury(self) -> None:
        """Take note of the ends of processes that were left to this one, as the first of its namespace."""
        own = {child.pid for child in self._children.values()}
        for process in psutil.Process().children():
            if process.pid not in own and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)

    def _list_programs(self, found: Mapping[str, Path]) -> tuple[_Program, ...]:
        folder = self._folder
        keys = Keys(
            folder / "keys",
            server=f"https://{network.NODE}:{API_PORT}",
            node=NAME,
            addresses=(network.NODE, network.API_SERVICE, "127.0.0.1"),
        )
        for part in ("logs", "pids", "cni", "containerd"):
            (folder / part).mkdir(exist_ok=True)
        self._write_configurations()
        path = keys.path
        return (
            _Program(
                name="containerd",
                command=("/usr/bin/containerd", "--config", folder / "containerd.toml"),
                port=_STREAM_PORT,
            ),
            _Program(
                name="etcd",
                command=(
                    found["etcd"],
                    f"--data-dir={folder / 'etcd'}",
                    f"--listen-client-urls={_ETCD}",
                    f"--advertise-client-urls={_ETCD}",
                    "--unsafe-no-fsync",  # a cluster that ends with this process
                ),
                port=2379,
            ),
            _Program(
                name="apiserver",
                command=(
                    found["kube-apiserver"],
                    f"--etcd-servers={_ETCD}",
                    f"--secure-port={API_PORT}",
                    f"--advertise-address={network.NODE}",
                    f"--service-cluster-ip-range={network.SERVICES}",
                    f"--client-ca-file={path('ca.crt')}",
                    f"--tls-cert-file={path('apiserver.crt')}",
                    f"--tls-private-key-file={path('apiserver.key')}",
                    f"--kubelet-client-certificate={path('apiserver-kubelet.crt')}",
                    f"--kubelet-client-key={path('apiserver-kubelet.key')}",
                    "--kubelet-preferred-address-types=InternalIP",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-account-key-file={path('accounts.pub')}",
                    f"--service-account-signing-key-file={path('accounts.key')}",
                    "--authorization-mode=Node,RBAC",
                    "--enable-admission-plugins=NodeRestriction",
                ),
                port=API_PORT,
            ),
            _Program(
                name="controller-manager",
                command=(
                    found["kube-controller-manager"],
                    f"--kubeconfig={path('controller-manager.kubeconfig')}",
                    f"--service-account-private-key-file={path('accounts.key')}",
                    f"--root-ca-file={path('ca.crt')}",
                    "--use-service-account-credentials",
                    "--leader-elect=false",
                ),
                port=10257,
            ),
            _Program(
                name="scheduler",
                command=(
                    found["kube-scheduler"],
                    f"--kubeconfig={path('scheduler.kubeconfig')}",
                    "--leader-elect=false",
                ),
                port=10259,
            ),
            _Program(
                name="kubelet",
                command=(
                    found["kubelet"],
                    f"--config={folder / 'kubelet.yaml'}",
                    f"--kubeconfig={path('kubelet.kubeconfig')}",
                    f"--root-dir={folder / 'kubelet'}",
                    f"--cert-dir={folder / 'keys'}",
                    f"--hostname-override={NAME}",
                    f"--node-ip={network.NODE}",
                ),
                port=10248,
            ),
            _Program(name="kube-proxy", command=(found["kube-proxy"], f"--config={folder / 'proxy.yaml'}"), port=10256),
            _Program(
                name="kwok",
                command=(
                    found["kwok"],
                    f"--config={_STAGES}",
                    f"--kubeconfig={path('admin.kubeconfig')}",
                    f"--manage-nodes-with-label-selector={FAKE_LABEL}",
                    "--server-address=127.0.0.1:10247",
                ),
                port=10247,
            ),
        )

    def _write_configurations(self) -> None:
        socket = f"unix://{self._folder / 'containerd.sock'}"
        (self._folder / "containerd.toml").write_text(
            _CONTAINERD.format(folder=self._folder, stream_port=_STREAM_PORT, cni=_CNI_PROGRAMS, pause=self._pause),
            encoding="utf-8",
        )
        pods = {"type": "host-local", "ranges": [[{"subnet": network.PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
        pods["dataDir"] = str(self._folder / "cni-addresses")
        plugins = [{"type": "ptp", "ipam": pods}, {"type": "portmap", "capabilities": {"portMappings": True}}]
        self._write("cni/pods.conflist", {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}, json.dumps)
        keys = self._folder / "keys"
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": socket,
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(keys / "ca.crt")},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDNS": [network.DNS_SERVICE],
            "clusterDomain": "cluster.local",
            "cgroupDriver": "cgroupfs",
            # the pods' own limits hold; groups of all pods would need more of this machine than it gives
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "oomScoreAdj": 0,
            "failSwapOn": False,
            "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": str(self._folder / "pod-logs"),
        }
        self._write("kubelet.yaml", kubelet)
        proxy = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": network.PODS,
            "hostnameOverride": NAME,
            "clientConnection": {"kubeconfig": str(keys / "kube-proxy.kubeconfig")},
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        self._write("proxy.yaml", proxy)

    def _write(self, name: str, content: object, write: object = yaml.safe_dump) -> None:
        (self._folder / name).write_text(write(content), encoding="utf-8")  # type: ignore[operator]


_CONTAINERD = """\
version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "{stream_port}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/containerd/opt"
"""


def main() -> None:
    """Run the node in the namespaces that this process was started in."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # what is mounted here stays in this namespace, and what pods mount is seen by the kubelet
    subprocess.run(("mount", "--make-rshared", "/"), check=True)
    folder = Path(sys.argv[1]).resolve()
    while not (folder / "joined").exists():
        time.sleep(0.05)
    network.set_up_node()
    Node(folder, sys.argv[2]).run()


if __name__ == "__main__":
    main()
