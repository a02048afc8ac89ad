"""What is sent to start an execution, the same over every protocol."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from imageflow.v1.limits import IMAGE, MOST_MESSAGE_BYTES
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.executions import Priority
from imageflow_domain.idempotency import check_key, image_key

Image = bytes | str | Path
"""An encoded image, or the path of its file."""

_OTHER_BYTES = 64 * 2**10
"""What a message may have beside images, spec and parameters."""


@dataclass(frozen=True, kw_only=True)
class StartRequest:
    """An execution to start."""

    images: Mapping[str, bytes]
    """By input of the pipeline."""
    pipeline: str | None
    spec: Mapping[str, Any] | None
    parameters: Mapping[str, str]
    """As text: the same request over another protocol is the same one under its key."""
    priority: Priority
    client_id: str
    correlation_id: str
    key: str
    """Idempotency key."""

    @property
    def size(self) -> int:
        """Bytes of all images."""
        return sum(map(len, self.images.values()))

    @property
    def fits_one_message(self) -> bool:
        """Whether it fits into one message of gRPC."""
        others = len(json.dumps([self.spec, dict(self.parameters)], ensure_ascii=False).encode())
        return self.size + others + _OTHER_BYTES <= MOST_MESSAGE_BYTES

    @property
    def correlation(self) -> str:
        """The correlation id that is sent: chunks need one."""
        return self.correlation_id or ("" if self.fits_one_message else IMAGE)

    @property
    def execution_key(self) -> str:
        """The key under which the server knows its execution: images in chunks have keys of their own in a stream."""
        return self.key if self.fits_one_message else image_key(self.key, self.correlation)


class Options(TypedDict, total=False):
    """What an execution may be asked to do: a pipeline or a spec, and the rest as needed."""

    pipeline: str
    """name or name@version of a published pipeline."""
    spec: Mapping[str, Any]
    """A whole pipeline, in place of a published one."""
    parameters: Mapping[str, Any]
    """Replaced parameters: step.parameter, or parameter where only one step has it, to its value."""
    priority: Priority
    """Which of several waiting executions goes first; normal by default."""
    client_id: str
    """What the client calls itself."""
    correlation_id: str
    """The client's own id of the request."""
    key: str
    """Idempotency key: the same request with it is the same execution. By default a new one for each call."""


def start_request(images: Image | Mapping[str, Image], options: Options) -> StartRequest:
    """Return the request; raise `NotFound` or `InvalidInput` for a file that cannot be read or a wrong key."""
    named = images if isinstance(images, Mapping) else {IMAGE: images}
    return StartRequest(
        images={name: read_image(image) for name, image in named.items()},
        pipeline=options.get("pipeline"),
        spec=options.get("spec"),
        parameters={
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in options.get("parameters", {}).items()
        },
        priority=options.get("priority", Priority.NORMAL),
        client_id=options.get("client_id", ""),
        correlation_id=options.get("correlation_id", ""),
        key=_checked_key(options.get("key") or uuid.uuid4().hex),
    )


def _checked_key(key: str) -> str:
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise InvalidInput(
            "The idempotency key has printable ASCII characters, without spaces around them: headers take no others."
        )
    return check_key(key)


def read_image(image: Image) -> bytes:
    """Return the bytes of an image; raise `NotFound` or `InvalidInput` for a file that cannot be read."""
    if isinstance(image, bytes):
        return image
    try:
        return Path(image).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file '{image}'.") from error
    except OSError as error:
        raise InvalidInput(f"'{image}' cannot be read: {error.strerror}.") from error
