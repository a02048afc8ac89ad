"""The cluster's network: a namespace of its own, joined to this machine by one pair of devices; no packet leaves it."""

import subprocess
from pathlib import Path

MACHINE = "10.213.0.1"
"""This machine, as the cluster's node sees it."""
NODE = "10.213.0.2"
"""The node: this machine reaches the API server and NodePorts there."""
PODS = "10.214.0.0/16"
SERVICES = "10.215.0.0/16"
API_SERVICE = "10.215.0.1"
DNS_SERVICE = "10.215.0.10"

_OUTSIDE, _INSIDE = "imageflow-k8s", "uplink"


def join(pid: int) -> None:
    """Give this machine an address beside the network namespace of a process."""
    leave()
    _ip("link", "add", _OUTSIDE, "type", "veth", "peer", "name", _INSIDE, "netns", str(pid))
    _ip("address", "add", f"{MACHINE}/30", "dev", _OUTSIDE)
    _ip("link", "set", _OUTSIDE, "up")


def leave() -> None:
    """Take back what `join` gave, where it is there; the namespace's end would do so a little later."""
    if Path("/sys/class/net", _OUTSIDE).exists():
        _ip("link", "delete", _OUTSIDE)


def set_up_node() -> None:
    """Give the node, in whose namespace this process is, its address, and let it forward packets between pods."""
    _ip("link", "set", "lo", "up")
    _ip("address", "add", f"{NODE}/30", "dev", _INSIDE)
    _ip("link", "set", _INSIDE, "up")
    _ip("route", "add", "default", "via", MACHINE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True)
