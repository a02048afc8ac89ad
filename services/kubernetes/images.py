"""Container images built with buildah on a base of Debian's packages, and put into the cluster without a registry."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from imageflow_domain.errors import Unavailable
from services.build import minio_client, minio_program
from services.go import cache_root

ROOT = Path(__file__).parents[2]
_FILES = Path(__file__).with_name("images")
_PACKAGES = ("ca-certificates", "python3", "python3-venv", "tini")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_LOG_TAIL = 15
BASE = "localhost/imageflow-base"


def build_base() -> str:
    """Build the image that the others begin with: Debian 12 with its Python; a minute where it is not kept.

    It comes from where this machine's apt has its packages from.
    """
    kept = cache_root() / f"debian-{hashlib.sha256(' '.join(_PACKAGES).encode()).hexdigest()[:12]}" / "base.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_suffix(".part")
        sources = sorted(Path("/etc/apt").glob("sources.list.d/debian.sources")) or [Path("/etc/apt/sources.list")]
        include = f"--include={','.join(_PACKAGES)}"
        _run(("mmdebstrap", "--format=tar", "--variant=minbase", include, "bookworm", made, *sources))
        made.replace(kept)
    return build(_FILES / "base.Dockerfile", name=BASE, context=kept.parent)


def build_all() -> Mapping[str, str]:
    """Build what the chart installs, by the names `imageflow`, `capture-openttd`, `postgres`, `minio` and `nginx`.

    The first time takes ten minutes on two cores.
    """
    base = build_base()
    of_debian = {"PYTHON_IMAGE": base}
    own = {
        name: build(ROOT / "Dockerfile", name=f"localhost/{name}", context=ROOT, target=name, arguments=of_debian)
        for name in ("imageflow", "capture-openttd")
    }
    with tempfile.TemporaryDirectory() as folder:
        for program in (minio_program(), minio_client()):
            shutil.copy2(program, folder)
        contexts = {"postgres": _FILES, "nginx": _FILES, "minio": Path(folder)}
        servers = {
            name: build(_FILES / f"{name}.Dockerfile", name=f"localhost/{name}", context=context, base=base)
            for name, context in contexts.items()
        }
    return {**own, **servers}


def build(
    file: Path,
    *,
    name: str,
    context: Path,
    base: str | None = None,
    target: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> str:
    """Build an image and return its name with a tag that is its content's, so that a pod never meets another one.

    Args:
        file: The Dockerfile.
        name: Without a tag.
        context: What the Dockerfile copies from.
        base: The image that its build argument `BASE` names.
        target: One of its stages.
        arguments: Its build arguments.
    """
    options = [f"--build-arg={key}={value}" for key, value in (arguments or {}).items()]
    if base is not None:
        options.append(f"--build-arg=BASE={base}")
    if target is not None:
        options.append(f"--target={target}")
    with tempfile.NamedTemporaryFile() as file_of_id:
        command = ("buildah", "build", "--quiet", "--layers", "--isolation=chroot", "--network=host")
        options += [f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro", f"--iidfile={file_of_id.name}"]
        _run((*command, *options, "--file", file, "--tag", name, context))
        digest = Path(file_of_id.name).read_text(encoding="ascii").strip().removeprefix("sha256:")
    tagged = f"{name}:{digest[:12]}"
    _run(("buildah", "tag", name, tagged))
    return tagged


def load_pinned(socket: Path, image: str) -> str:
    """Put an image into a containerd, and return it as pods name it by its digest, `repository@sha256:...`.

    Its digest is another one than here: layers are compressed when they leave.
    """
    ctr = _images_of(socket)
    repository = image.partition("@")[0]
    name = f"{repository}:pinned"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        _run(("buildah", "push", "--quiet", image, f"oci-archive:{archive}:{name}"))
        _run((*ctr, "import", "--snapshotter=overlayfs", f"--base-name={repository}", archive))
    (digest,) = [line.split()[2] for line in _run((*ctr, "ls")).splitlines() if line.split()[0] == name]
    pinned = f"{repository}@{digest}"
    _run((*ctr, "tag", "--force", name, pinned))
    return pinned


def load(socket: Path, images: Sequence[str]) -> None:
    """Put images into a containerd, those that it has not yet."""
    ctr = _images_of(socket)
    there = set(_run((*ctr, "ls", "-q")).split())
    for image in images:
        if image not in there:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder) / "image.tar"
                _run(("buildah", "push", "--quiet", image, f"docker-archive:{archive}:{image}"))
                _run((*ctr, "import", "--snapshotter=overlayfs", archive))


def tag(socket: Path, image: str, version: str) -> str:
    """Give an image of a containerd another tag, as a later version has, and return its name with it."""
    name = f"{image.rpartition(':')[0]}:{version}"
    _run((*_images_of(socket), "tag", "--force", image, name))
    return name


def _images_of(socket: Path) -> tuple[str | Path, ...]:
    return ("ctr", "--address", socket, "--namespace", "k8s.io", "images")


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode != 0:
        reason = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-_LOG_TAIL:])
        raise Unavailable(f"'{command[0]}' failed:\n{reason}")
    return done.stdout
