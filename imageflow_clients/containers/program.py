"""The program that runs containers, podman or docker: its command lines, and the containers that it still has."""

import os
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from imageflow_clients.containers.exchange_folder import FILE_BYTES, INSIDE
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerImage
from imageflow_domain.errors import Unavailable

KUBERNETES = "kubernetes"
"""In place of a program: components are pods, and runs of batches make them."""

_LABEL = "imageflow.owner"
_ANSWER_S = 300
_PULL_S = 1800
_NOBODY = 65534
_PIDS = 128
_TMP = "/tmp:rw,size=64m,mode=1777"  # noqa: S108 - the container's own
_INSTALL = "install podman (Debian and Ubuntu: apt-get install podman) or docker"


@dataclass(frozen=True)
class ContainerProgram:
    """podman or docker, by its path."""

    path: str

    @property
    def is_podman(self) -> bool:
        """Whether it takes podman's options."""
        return Path(self.path).name.startswith("podman")

    def run_command(self, name: str, image: ContainerImage, folder: Path) -> list[str]:
        """Return the command that starts a container over the folders `in` and `out` of `folder`.

        The container has no network, no capabilities and a file system that it cannot write, but for `/tmp` and the
        folder of its outputs. The container's log goes to this process alone: the program would keep it on disk.
        """
        limits = image.limits
        memory = f"{limits.memory_mb}m"
        own = ["--no-hosts", "--http-proxy=false", "--read-only-tmpfs=false"] if self.is_podman else []
        return [
            *(self.path, "run", "--interactive", "--name", name, "--label", f"{_LABEL}={owner()}", "--pull", "never"),
            *("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--tmpfs", _TMP, "--log-driver", "none", "--user", self.user),
            *("--memory", memory, "--memory-swap", memory, "--cpus", f"{limits.cpus:g}", "--pids-limit", str(_PIDS)),
            # The programs' own defaults are more than an unprivileged host may set.
            *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", "--ulimit", "core=0:0"),
            *("--ulimit", f"fsize={FILE_BYTES}:{FILE_BYTES}"),
            *("--volume", f"{folder / 'in'}:{INSIDE}/in:ro,Z", "--volume", f"{folder / 'out'}:{INSIDE}/out:rw,Z"),
            *own,
            image.image,
        ]

    def remove_command(self, name: str) -> list[str]:
        """Return the command that kills and removes a container."""
        return [self.path, "rm", "--force", *(["--time", "0"] if self.is_podman else []), name]

    @property
    def user(self) -> str:
        """The user and group that a container runs as: never root of this machine."""
        if os.getuid() == 0:
            return f"{_NOBODY}:{_NOBODY}"
        # Rootless podman maps root of the container to the user who runs it.
        return "0:0" if self.is_podman else f"{os.getuid()}:{os.getgid()}"

    def give_folder(self, folder: Path) -> None:
        """Let a container write to a folder."""
        if os.getuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)

    def check_image(self, image: ContainerImage, cancellation: Cancellation) -> None:
        """Pull an image that is not here; raise `Unavailable` where that fails."""
        if self._ask("image", "inspect", image.image).returncode == 0:
            return
        with subprocess.Popen(
            [self.path, "pull", "--quiet", image.image],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as pull:
            timer = threading.Timer(_PULL_S, pull.kill)
            timer.start()
            try:
                with cancellation.interrupting(pull.kill):
                    said = pull.communicate()[1]
            finally:
                timer.cancel()
                pull.kill()
        cancellation.check()
        if pull.returncode != 0:
            raise Unavailable(
                f"The image of '{image.component}', {image.image}, is not on this machine and could not be pulled: "
                f"{_last_line(said)}. Push it to a registry that this machine reaches, or log in there."
            )

    def sweep(self) -> tuple[str, ...]:
        """Remove the containers of processes of this machine that have ended; return their names."""
        listed = self._ask("ps", "--all", "--filter", f"label={_LABEL}", "--format", "{{.Names}}")
        if listed.returncode != 0:
            raise Unavailable(f"{self.path} does not list its containers: {_last_line(listed.stderr)}.")
        left = tuple(name for name in listed.stdout.split() if _is_gone(self._owner_of(name)))
        for name in left:
            self._ask(*self.remove_command(name)[1:])
        return left

    def _owner_of(self, name: str) -> str:
        """Return the owner of a container; nothing where another process has removed it meanwhile."""
        return self._ask("inspect", "--format", f'{{{{index .Config.Labels "{_LABEL}"}}}}', name).stdout.strip()

    def _ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [self.path, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ANSWER_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"'{self.path} {arguments[0]}' did not answer within {_ANSWER_S} s.") from error


def find_program(name: str | None, component: str) -> ContainerProgram:
    """Return the program of that name or path, or the first one that is installed; raise `Unavailable`."""
    if name == KUBERNETES:
        raise Unavailable(
            f"Component '{component}' is a container image, and only runs of batches make pods for components on this "
            "cluster: inspect a batch, or run the pipeline on a machine with podman."
        )
    for each in (name,) if name else ("podman", "docker"):
        path = shutil.which(each)
        if path is not None:
            return ContainerProgram(path)
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        raise Unavailable(
            f"Component '{component}' is a container image, and this installation makes no pods for components: set "
            "`components.enabled` in the chart's values, or run the pipeline on a machine with podman."
        )
    wanted = f"'{name}' (IMAGEFLOW_CONTAINER_PROGRAM)" if name else "neither podman nor docker"
    missing = f"{wanted} is not installed" if name else f"{wanted} is installed"
    raise Unavailable(f"Component '{component}' is a container image, and {missing}: {_INSTALL}.")


def owner(pid: int | None = None) -> str:
    """Return what tells a process, by default this one, from every other one that may use the same program."""
    pid = os.getpid() if pid is None else pid
    return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').stat().st_ino}/{pid}/{_started(pid)}"


def _started(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks; nothing for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.rpartition(")")[2].split()[19]


def _is_gone(label: str) -> bool:
    """Return whether the process of a label has ended; never of one that this process cannot see."""
    host, _, rest = label.partition("/")
    namespace, _, rest = rest.partition("/")
    if not rest or [host, namespace] != owner().split("/")[:2]:
        return False
    pid = rest.partition("/")[0]
    return owner(int(pid)) != label


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it gave no reason"
