"""The client without asyncio: threads, forks and Ctrl-C."""

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest

from imageflow.client import Client
from tests.client.stub_gateway import EXECUTION, Request, event, execution, stub_gateway


def completed(_: Request) -> Iterator[bytes]:
    yield execution("completed")


def program(text: str, *arguments: str) -> str:
    """Return what a program of its own process prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_threads_that_begin_at_once_share_one_loop() -> None:
    printed = program("""
        import sys, threading
        from imageflow.client import Client

        sys.setswitchinterval(1e-6)
        clients = [Client("http://127.0.0.1:9") for _ in range(32)]
        together = threading.Barrier(len(clients))

        def close(client):
            together.wait()
            client.close()

        threads = [threading.Thread(target=close, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(sum(thread.name == "imageflow-client" for thread in threading.enumerate()))
    """)
    assert printed.split() == ["1"]


def test_a_forked_process_makes_clients_of_its_own() -> None:
    with stub_gateway(completed) as url:
        printed = program(
            """
            import os, signal, sys
            from uuid import UUID
            from imageflow.client import Client

            url, execution = sys.argv[1], UUID(sys.argv[2])
            with Client(url) as client:
                client.get(execution)
            child = os.fork()
            if child == 0:
                signal.alarm(30)  # ends it where nothing answers
                with Client(url) as client:
                    print(client.get(execution).state, flush=True)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            sys.exit(os.waitstatus_to_exitcode(status) != 0)
            """,
            url,
            str(EXECUTION),
        )
    assert printed.split() == ["completed"]


def test_ctrl_c_ends_the_following_of_an_execution() -> None:
    over = threading.Event()

    def running(_: Request) -> Iterator[bytes]:
        yield event(1, "snapshot", state="running", steps=[])
        over.wait(60)

    main = threading.main_thread().ident
    assert main is not None
    press = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    with stub_gateway(running) as url, Client(url, protocol="rest") as client:
        changes = client.watch(EXECUTION)
        assert next(changes).is_snapshot
        press.start()
        with pytest.raises(KeyboardInterrupt):
            next(changes)
        over.set()
    press.join()
