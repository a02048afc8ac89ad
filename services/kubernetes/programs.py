"""The cluster's programs, built once from Go modules: 20 minutes on two cores, 8 GB meanwhile."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from services.build import helm_program
from services.go import Go, cache_folder, kept

VERSION = "v1.34.4"
"""The last minor version whose kubelet accepts Debian 12's containerd, and version 1 of control groups."""

_MODULES = Path(__file__).with_name("modules")
_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet")
_INSTALLED = {
    "coredns": ("github.com/coredns/coredns", "v1.14.7"),
    "kwok": ("sigs.k8s.io/kwok/cmd/kwok", "v0.8.0"),
}
_ETCD = "v3.6.6"


def programs() -> Mapping[str, Path]:
    """Return the cluster's programs by name, building what is not kept.

    Raises `Unavailable` where they cannot be built.
    """
    found = {**kept(cache_folder("kubernetes", VERSION), _KUBERNETES, _kubernetes)}
    found |= kept(cache_folder("etcd", _ETCD), ("etcd",), lambda go: go.build(_MODULES / "etcd", ["."], variables={}))
    for name, (package, version) in _INSTALLED.items():
        found |= kept(cache_folder(name, version), (name,), partial(_install, package, version, name))
    return {**found, "helm": helm_program()}


def _install(package: str, version: str, name: str, go: Go) -> Iterable[Path]:
    return [go.install(package, version, name)]


def _kubernetes(go: Go) -> Iterable[Path]:
    major, minor, _ = VERSION.removeprefix("v").split(".")
    version = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES]
    said = {f"k8s.io/component-base/version.{name}": value for name, value in version.items()}
    return go.build(_MODULES / "kubernetes", packages, variables=said)
