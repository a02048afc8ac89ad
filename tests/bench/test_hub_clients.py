"""What a client of the bench `hub` read becomes what it received, and when."""

import json

from bench.hub_clients import Received


def _event(number: int, **done: str) -> bytes:
    blocks = [{"key": key, "layers": [{"layer": layer, "state": "done"}]} for key, layer in done.items()]
    return f"1a\r\nid: epoch-{number}\nevent: progress\ndata: {json.dumps({'blocks': blocks})}\n\n\r\n".encode()


def test_an_event_is_received_with_its_last_line_however_it_is_split() -> None:
    first, second = _event(1, r00c00="tiles"), _event(2, r00c00="tiles", r00c01="tiles")
    half = len(first) // 2
    received = Received.of([(1.0, b"HTTP/1.1 200 OK\r\n\r\n" + first[:half]), (2.0, first[half:]), (3.0, second)])
    assert received.done_at == {("r00c00", "tiles"): 2.0, ("r00c01", "tiles"): 3.0}
    assert received.twice == 0


def test_an_event_that_comes_again_is_counted() -> None:
    event = _event(1, r00c00="tiles")
    assert Received.of([(1.0, event), (2.0, event), (3.0, _event(2))]) == Received({("r00c00", "tiles"): 1.0}, 1)
