"""The program beside a component in its pod: moves files into and out of the folder that both containers share.

`python -m imageflow_clients.containers.exchange_server FOLDER` reads requests from standard input and answers each one
on standard output: a line of JSON, and behind it as many bytes as its `size` says. It imports little, to start at once.
"""

import json
import os
import socket
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from imageflow_clients.containers.exchange_folder import ExchangeFolder, WrongOutput

CHUNK_BYTES = 2**18


def serve(folder: ExchangeFolder, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until they end."""
    while line := requests.readline():
        asked = json.loads(line)
        try:
            _answer(folder, asked, requests, answers)
        except WrongOutput as error:
            _say(answers, wrong=str(error))
        except OSError as error:
            _say(answers, failed=str(error))


def _answer(folder: ExchangeFolder, asked: dict[str, Any], requests: BinaryIO, answers: BinaryIO) -> None:
    match asked["do"]:
        case "write":
            data = _read(requests, asked["size"])
            try:
                path = folder.write(asked["name"], data)
            finally:
                deque(data, maxlen=0)  # what could not be written is not the next request
            _say(answers, path=path)
        case "read":
            _send(folder.open(asked["name"]), answers)
        case "look":
            _say(answers, is_overfull=folder.is_overfull())
        case "clear":
            folder.clear()
            _say(answers)
        case "dial":
            _say(answers, is_reached=_is_reached(asked["host"], asked["port"], asked["wait_s"]))
        case unknown:
            raise ValueError(f"'{unknown}' is no request.")


def _send(file: BinaryIO | None, answers: BinaryIO) -> None:
    if file is None:
        _say(answers, is_missing=True)
        return
    with file:
        left = os.fstat(file.fileno()).st_size
        _say(answers, size=left)
        while left:
            # The component may shorten the file meanwhile: zeros take the place of what is gone.
            data = file.read(min(left, CHUNK_BYTES)) or bytes(min(left, CHUNK_BYTES))
            answers.write(data)
            left -= len(data)
        answers.flush()


def _say(answers: BinaryIO, **answer: Any) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _read(requests: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        data = requests.read(min(left, CHUNK_BYTES))
        if not data:
            raise EOFError("The requests ended within a file.")
        left -= len(data)
        yield data


def _is_reached(host: str, port: int, wait_s: float) -> bool:
    """Return whether a server that is known to listen can be reached from this pod."""
    try:
        with socket.create_connection((host, port), timeout=wait_s):
            return True
    except OSError:  # dropped, rejected or no way there: a network policy holds
        return False


if __name__ == "__main__":
    serve(ExchangeFolder(Path(sys.argv[1])), sys.stdin.buffer, sys.stdout.buffer)
