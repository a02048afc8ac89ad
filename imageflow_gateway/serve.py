"""Serving the gateway with Granian, in this one process: killed, it leaves nothing behind that holds the port."""

import asyncio
import gc
import logging
import signal

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_edge.logs import configure_logs
from imageflow_edge.openness import check_openness
from imageflow_edge.ports import check_port
from imageflow_executions.months import prepare_months
from imageflow_gateway.app import create_app
from imageflow_gateway.live.live_gateway import LiveGateway
from imageflow_gateway.open_files import allow_open_files

_LOG = logging.getLogger(__name__)

_GRACE_S = 5.0
"""What requests that have begun get to end by themselves."""

_STOPS = (signal.SIGINT, signal.SIGTERM)

_LEFT_TO_US = {"version": 1, "disable_existing_loggers": False, "formatters": {}, "handlers": {}, "loggers": {}}


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        Unavailable: Where the port is in use, or a store cannot be opened.
        InvalidInput: Where the host is no address of this machine, or other machines would reach it unasked.
    """
    check_openness(settings)
    check_port(settings.host, settings.gateway_port, "IMAGEFLOW_GATEWAY_PORT")
    configure_logs()
    stores = open_stores(settings)
    prepare_months(stores)
    app = create_app(settings, stores)
    gateway: LiveGateway = app.state.gateway
    capacity = gateway.capacity
    allow_open_files(capacity.connections)
    gc.collect()
    gc.freeze()  # A full collection stops every stream, for 0.3 s where it goes through all loaded modules as well.
    server = Server(
        app,
        address=settings.host,
        port=settings.gateway_port,
        interface=Interfaces.ASGINL,
        websockets=True,
        backlog=capacity.short_connections,
        backpressure=capacity.connections,
        log_level=LogLevels.error,
        log_dictconfig=_LEFT_TO_US,
    )
    try:
        uvloop.run(_until_signalled(server, gateway))
    finally:
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)  # the loop that the handlers call is closed
        stores.database.close()


async def _until_signalled(server: Server, gateway: LiveGateway) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPS:
        # Not add_signal_handler: its pipe is full where a thousand clients leave at once, and the signal is lost.
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(asked.set))
    serving = asyncio.create_task(server.serve())
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait({serving, asking}, return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    # Streams that wait for events, and requests that wait for executions, would delay the end.
    gateway.watching.close()
    gateway.ends.close()
    server.stop()  # type: ignore[no-untyped-call]  # Granian states no types here
    # Granian itself would wait indefinitely for the rest of a body that its sender does not send.
    await asyncio.wait({serving}, timeout=_GRACE_S)
    if serving.done():
        serving.result()
    else:
        _LOG.warning("stopping: requests that had not ended after %s s were cut off", _GRACE_S)
        logging.disable()  # each layer would complain of it again
        serving.cancel()
