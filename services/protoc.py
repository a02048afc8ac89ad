"""The compiler of protocol buffers, and what it makes of our .proto files: `python -m services.protoc` writes it.

The modules that it makes are kept in the repository, as neither a wheel nor `pip install -e` needs a compiler so; a
test compiles them anew and compares.
"""

import subprocess
import sys
from pathlib import Path

from imageflow_domain.errors import ImageFlowError, InvalidInput
from services.environment import Environment

ENVIRONMENT = Environment("protoc")
ROOT = Path(__file__).parents[1]
PROTOS = (
    "imageflow/v1/image_processing.proto",
    "imageflow/v1/preview.proto",
    "imageflow/v1/video.proto",
    "imageflow_engine/rpc/reflection.proto",
)


def compile_protos(out: Path) -> None:
    """Write the modules and their types below a folder; raise `InvalidInput` for a .proto that is wrong."""
    ENVIRONMENT.install()
    own = Path(_said([str(ENVIRONMENT.python), "-c", "import grpc_tools; print(grpc_tools.__path__[0])"]).strip())
    command = [str(ENVIRONMENT.python), "-m", "grpc_tools.protoc", f"-I{ROOT}", f"-I{own / '_proto'}"]
    _said([*command, f"--python_out={out}", f"--pyi_out={out}", *PROTOS])


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InvalidInput(f"The .proto files were not compiled:\n{done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    try:
        compile_protos(ROOT)
    except ImageFlowError as error:
        sys.exit(str(error))
