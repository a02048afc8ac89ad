"""What Dagster's webserver refuses, or answers in the place of GraphQL, becomes one sentence."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from imageflow_clients.dagster import Dagster
from imageflow_domain.errors import DagsterUnavailable, Unavailable

Serve = Callable[[Any], Dagster]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a webserver that gives one answer to everything."""
    servers: list[ThreadingHTTPServer] = []

    def begin(answer: Any) -> Dagster:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return Dagster(url=f"http://127.0.0.1:{servers[-1].server_address[1]}")

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_nobody_at_the_address_is_told_with_what_to_do() -> None:
    with pytest.raises(Unavailable, match=r"does not answer at http://127.0.0.1:9 .*imageflow up"):
        Dagster(url="http://127.0.0.1:9").alive({"imageflow/survey": "city-one-0001"})


def test_something_else_at_the_address_is_no_dagster(serve: Serve) -> None:
    with pytest.raises(DagsterUnavailable, match="does not answer"):
        serve(b"<html>").launch(["tiles"], {})


def test_a_code_location_that_is_not_loaded_launches_nothing(serve: Serve) -> None:
    refused = {"__typename": "PipelineNotFoundError", "message": "Could not find Pipeline __ASSET_JOB"}
    with pytest.raises(DagsterUnavailable, match="launched no run: Could not find Pipeline"):
        serve({"data": {"launchRun": refused}}).launch(["tiles"], {})


def test_a_partition_that_is_there_is_no_error_and_one_that_is_refused_is(serve: Serve) -> None:
    there = {"__typename": "DuplicateDynamicPartitionError"}
    serve({"data": {"addDynamicPartition": there}}).add_partition("surveys", "city-one-0001")
    refused = {"__typename": "UnauthorizedError", "message": "read only"}
    with pytest.raises(DagsterUnavailable, match="took no partition 'city-one-0001': read only"):
        serve({"data": {"addDynamicPartition": refused}}).add_partition("surveys", "city-one-0001")


def test_runs_that_cannot_be_told_or_stopped_are_no_empty_answer(serve: Serve) -> None:
    broken = {"__typename": "PythonError", "message": "no storage"}
    with pytest.raises(DagsterUnavailable, match="no storage"):
        serve({"data": {"runsOrError": broken}}).alive({})
    with pytest.raises(DagsterUnavailable, match="no storage"):
        serve({"data": {"terminateRuns": broken}}).stop(["a-run"])


def test_a_dagster_that_speaks_otherwise_is_told_in_its_own_words(serve: Serve) -> None:
    with pytest.raises(DagsterUnavailable, match="does not understand the query: Unknown field"):
        serve({"errors": [{"message": "Unknown field"}]}).alive({})
