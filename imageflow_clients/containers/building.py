"""Images of components from folders of source, and the lock file that says which image a source became."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from imageflow_clients.containers.program import ContainerProgram
from imageflow_domain.errors import InvalidInput, Unavailable

SCRIPT = "build.sh"
"""Runs before the image is built, where the folder has it."""

_IGNORED = "build"
"""The folder in which the script leaves what the image copies."""
_TAIL_LINES = 20


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """The image that a folder of source became."""

    source: str
    """SHA-256 of the folder's files, in hex."""
    image: str
    """As `repository@sha256:...`."""


class ImageLock:
    """A file that keeps the image of each folder, by the folder's path relative to the file."""

    def __init__(self, path: Path) -> None:
        """Read the file; there need not be one yet. Raises `InvalidInput` for one that is no lock."""
        self._path = path
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else "{}"
            self._images = {name: BuiltImage(**each) for name, each in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidInput(f"'{path}' is no lock file of images: restore or delete it.") from error

    def find(self, folder: Path) -> BuiltImage | None:
        """Return what a folder became last."""
        return self._images.get(self._name(folder))

    def keep(self, folder: Path, built: BuiltImage) -> None:
        """Write what a folder became."""
        self._images[self._name(folder)] = built
        data = {name: asdict(each) for name, each in sorted(self._images.items())}
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        part.replace(self._path)

    def _name(self, folder: Path) -> str:
        return Path(os.path.relpath(folder, self._path.parent)).as_posix()


def source_digest(folder: Path) -> str:
    """Return the SHA-256 of the names, modes and contents of a folder's files, but for those that its script makes."""
    digest = hashlib.sha256()
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        executable = os.access(path, os.X_OK)
        digest.update(f"{path.relative_to(folder).as_posix()}\0{executable}\0{content}\n".encode())
    return digest.hexdigest()


def build_image(program: ContainerProgram, folder: Path, tag: str, *, push: bool) -> str:
    """Build the image of a folder under a tag, push it if wanted, and return it by its digest.

    Raises:
        InvalidInput: Where its script or its Containerfile fails; the message has the last lines of the output.
        Unavailable: Where the image cannot be pushed, or has no digest as it was not pushed.
    """
    if (folder / SCRIPT).exists():
        _run([str((folder / SCRIPT).absolute())], folder, InvalidInput, f"The script '{folder / SCRIPT}' failed")
    file = next((folder / name for name in ("Containerfile", "Dockerfile") if (folder / name).exists()), None)
    if file is None:
        raise InvalidInput(f"'{folder}' has no Containerfile: write one that makes the component's image.")
    command = [program.path, "build", "--tag", tag, "--file", str(file.absolute()), str(folder.absolute())]
    _run(command, folder, InvalidInput, f"The image of '{folder}' could not be built")
    repository = tag.rpartition(":")[0]
    return f"{repository}@{_pushed(program, tag) if push else _local_digest(program, tag)}"


def _pushed(program: ContainerProgram, tag: str) -> str:
    said = f"'{tag}' could not be pushed"
    if not program.is_podman:
        _run([program.path, "push", tag], Path(), Unavailable, said)
        return _local_digest(program, tag)
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder) / "digest"
        # Manifests are compressed anew when they are pushed, so that the pushed image has another digest.
        _run([program.path, "push", "--digestfile", str(digest), tag], Path(), Unavailable, said)
        return digest.read_text(encoding="ascii").strip()


def _local_digest(program: ContainerProgram, tag: str) -> str:
    form = "{{.Digest}}" if program.is_podman else '{{join .RepoDigests " "}}'
    command = [program.path, "image", "inspect", "--format", form, tag]
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = [each.rpartition("@")[2] for each in answer.stdout.split()]
    if answer.returncode != 0 or not found:
        raise Unavailable(f"'{tag}' has no digest: docker gives one to images that are pushed, so name a registry.")
    return found[0]


def _run(command: list[str], folder: Path, error: type[InvalidInput | Unavailable], said: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise error(f"{said}:\n" + "\n".join(done.stdout.splitlines()[-_TAIL_LINES:]))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).parts[0] != _IGNORED:
            yield path
