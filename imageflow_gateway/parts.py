"""Bodies of several files (multipart/form-data, RFC 7578), one file after the other; only small ones lie in memory."""

import errno
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from imageflow_domain.errors import InvalidInput, StoreUnavailable, TooLarge
from imageflow_domain.file_names import shown

_FORM = b"multipart/form-data"
_SLICE_BYTES = 64 * 2**10
"""Of a body that is taken apart at once, and of a part that stays in memory: however many parts end within a slice, at
most two of them are open files."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One field of a form. Its file is closed when the next one is asked for."""

    name: str
    file_name: str | None
    """`None` for a field that is no file."""
    file: IO[bytes]
    """At its beginning."""
    size: int


async def parts(request: Request, *, most_bytes: int, scratch: Path) -> AsyncIterator[Part]:
    """Yield the parts of a request's body as they arrive.

    Args:
        request: Whose body it is.
        most_bytes: Of one part.
        scratch: Where parts lie while they are looked at, in files without names.

    Raises:
        InvalidInput: For a body that is no form, or breaks off.
        TooLarge: For a part of more bytes.
        StoreUnavailable: Where `scratch` cannot hold them.
    """
    reader = _Reader(_boundary(request.headers.get("content-type", "")), most_bytes, scratch)
    try:
        async for chunk in request.stream():
            for begin in range(0, len(chunk), _SLICE_BYTES):
                for part in reader.feed(chunk[begin : begin + _SLICE_BYTES]):
                    yield part
                    part.file.close()
        reader.end()
    except FormParserError as error:
        raise InvalidInput(f"The body is no form with files (multipart/form-data): {error}.") from error
    except OSError as error:
        raise cannot_hold(scratch, error) from error
    finally:
        reader.close()


def cannot_hold(scratch: Path, error: OSError) -> StoreUnavailable:
    """Return the error of an upload that could not be kept."""
    return StoreUnavailable(
        f"'{scratch}' cannot hold the upload ({error.strerror}): {_NEXT_STEPS.get(error.errno or 0, _WRITABLE)}, "
        "then try again."
    )


_WRITABLE = "let the gateway write there"
_NEXT_STEPS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EMFILE: "let the gateway open more files",
    errno.ENFILE: "let the machine open more files",
}


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != _FORM or not options.get(b"boundary"):
        raise InvalidInput("Send the files as a form (multipart/form-data), each as a part of its own.")
    return options[b"boundary"]


class _Reader:
    """Turns chunks of a body into parts."""

    def __init__(self, boundary: bytes, most_bytes: int, scratch: Path) -> None:
        self._most_bytes = most_bytes
        self._scratch = scratch
        self._whole: list[Part] = []
        self._file: IO[bytes] | None = None
        self._field, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part,
                "on_end": self._on_end,
            },
        )

    def feed(self, chunk: bytes) -> list[Part]:
        """Return the parts that end within a chunk."""
        self._parser.write(chunk)
        whole, self._whole = self._whole, []
        return whole

    def end(self) -> None:
        self._parser.finalize()
        if not self._ended:
            raise InvalidInput("The body breaks off: send all of it again.")

    def close(self) -> None:
        for file in (self._file, *(part.file for part in self._whole)):
            if file is not None:
                file.close()

    def _begin(self) -> None:
        self._headers = {}
        # A file without a name: whatever ends this process, nothing of it is left.
        self._file = tempfile.SpooledTemporaryFile(_SLICE_BYTES, dir=str(self._scratch))  # noqa: SIM115 - closed by its reader

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        assert self._file is not None  # noqa: S101 - a part has begun
        if self._file.tell() + end - start > self._most_bytes:
            raise TooLarge(f"{self._said()} is larger than the {self._most_bytes:,} bytes that are taken: shrink it.")
        self._file.write(data[start:end])

    def _on_part(self) -> None:
        assert self._file is not None  # noqa: S101 - a part has begun
        size = self._file.tell()
        self._file.seek(0)
        options = self._options()
        name = _text(options.get(b"name", b""))
        file_name = _file_name(options[b"filename"]) if b"filename" in options else None
        self._whole.append(Part(name=name, file_name=file_name, file=self._file, size=size))
        self._file = None

    def _on_end(self) -> None:
        self._ended = True

    def _options(self) -> dict[bytes, bytes]:
        return parse_options_header(self._headers.get(b"content-disposition", b""))[1]

    def _said(self) -> str:
        options = self._options()
        return f"'{shown(_file_name(options.get(b'filename') or options.get(b'name', b'')))}'"


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("The name of a field is no UTF-8: send files as the API's description has it.") from error


def _file_name(data: bytes) -> str:
    """Return a file's name; bytes that are no UTF-8 stay in it, and the check of names refuses them.

    Browsers, curl and HTTP libraries spell quotation marks and line ends so (WHATWG, HTML, "multipart form data").
    """
    given = data.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n")
    return given.decode(errors="surrogateescape")
