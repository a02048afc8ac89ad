"""Re-inspection lists exactly what changed; alerts are raised once, and arrive signed or are given up."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import batches
from imageflow_clients.database.inspection.alerts import BadShare, shares_before
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_clients.webhooks import SIGNATURE, Webhooks
from imageflow_domain.errors import Forbidden, InvalidInput
from imageflow_domain.inspection import AlertKind, BatchState
from imageflow_inspection.alerts import deliver_alerts, quality_limits, raise_alerts
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import ATTEMPTS, run_gave_up, try_again
from imageflow_inspection.reinspect import inspect_again, stale_batches
from tests.inspection.lids import items, lid, lid_pipeline, next_master, published, taken

SECRET = "a secret of the tests"  # noqa: S105


def test_only_batches_that_would_be_judged_otherwise_are_stale_and_each_is_judged_once_more(stores: Stores) -> None:
    published(stores)
    judged = [inspect_batch(stores, taken(stores, f"b{place}", [lid(), lid(spots=1)]).id) for place in range(3)]
    assert stale_batches(stores, "lid") == ()
    next_master(stores, "lid", [{**item, "name": "Other words"} for item in items()])
    assert stale_batches(stores, "lid") == ()
    next_master(stores, "lid", items(most_spots=1))
    newer = inspect_batch(stores, taken(stores, "b3", [lid()]).id)
    stale = stale_batches(stores, "lid")
    assert [each.batch.name for each in stale] == ["b0", "b1", "b2"]
    assert [each.inspection for each in stale] == judged
    assert {each.changes for each in stale} == {("item 'spots': criteria",)}
    assert [each.seconds for each in stale] == [inspection.seconds for inspection in judged]
    assert stale_batches(stores, "lid", after="b0", limit=1) == stale[1:2]
    again = [inspect_batch(stores, each.batch.id) for each in stale]
    assert stale_batches(stores, "lid") == ()
    assert {inspection.master_version for inspection in (*again, newer)} == {3}
    next_master(stores, "lid", items())
    assert [(each.batch.name, each.seconds > 0) for each in stale_batches(stores, "lid")] == [
        ("b0", False),  # judged so before: switching back costs nothing
        ("b1", False),
        ("b2", False),
        ("b3", True),
    ]


def test_another_pipeline_version_makes_stale_once_a_master_names_it(stores: Stores) -> None:
    published(stores)
    inspect_batch(stores, taken(stores, "b0", [lid()]).id)
    publish_pipeline(stores, lid_pipeline(version=2, level=100))
    assert stale_batches(stores, "lid") == ()
    wanted = items()
    wanted[1]["pipeline"] = "lids@2"
    next_master(stores, "lid", wanted)
    (stale,) = stale_batches(stores, "lid")
    assert stale.changes == ("item 'length': pipeline",)


def test_batches_that_failed_wait_again_with_the_stale_ones(stores: Stores) -> None:
    published(stores)
    inspected, failed, never = (taken(stores, name, [lid()]) for name in ("b0", "b1", "b2"))
    for batch in (inspected, failed):
        inspect_batch(stores, batch.id)
    next_master(stores, "lid", items(most_spots=1))
    with stores.database.begin() as connection:
        batches.ask_again(connection, "lid", ["b1"], most=ATTEMPTS)
    for each in (failed, never):
        for _ in range(3):
            with stores.database.begin() as connection:
                batch = batches.get(connection, each.id)
            batch = run_gave_up(stores, batch, "no model")
        assert batch.state is BatchState.FAILED
    assert [each.name for each in inspect_again(stores, "lid", names=["b2"])] == ["b2"]
    asked = inspect_again(stores, "lid")
    assert [(each.name, each.state, each.attempts, each.reason) for each in asked] == [
        ("b0", BatchState.TAKEN, 3, None),
        ("b1", BatchState.TAKEN, 6, None),
    ]
    with stores.database.begin() as connection:
        assert len(batches.waiting(connection, 10)) == 3, "none of them pauses"


def test_a_batch_with_failed_pictures_raises_one_alert(stores: Stores) -> None:
    published(stores)
    good = taken(stores, "good", [lid()])
    assert raise_alerts(stores) == ()
    inspect_batch(stores, good.id)
    assert raise_alerts(stores) == ()
    bad = taken(stores, "bad", [lid(), lid(spots=1), b"no picture"])
    inspect_batch(stores, bad.id)
    (alert,) = raise_alerts(stores)
    assert alert.kind is AlertKind.PICTURES_FAILED
    assert alert.message.startswith("1 of 3 pictures of batch 'lid-bad' failed, and 1 could not be judged")
    assert raise_alerts(stores) == ()
    inspect_batch(stores, bad.id)
    assert raise_alerts(stores) == (), "the same inspection counts as before"


def test_a_batch_that_is_given_up_raises_an_alert_with_the_reason(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid()])
    for _ in range(3):
        with stores.database.begin() as connection:
            batch = batches.get(connection, batch.id)
        batch = run_gave_up(stores, batch, "the worker had no memory")
    (alert,) = raise_alerts(stores)
    assert alert.kind is AlertKind.INSPECTION_FAILED
    assert "after 3 runs: the worker had no memory" in alert.message
    try_again(stores, batch.id)
    for attempts in (3, 4, 5):
        batch = run_gave_up(stores, replace(batch, attempts=attempts), "it has none again")
    (again,) = raise_alerts(stores)
    assert "after 6 runs: it has none again" in again.message


def test_a_batch_that_somebody_took_up_again_before_it_was_told_raises_nothing(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid()])
    run_gave_up(stores, batch, "it was cancelled", for_good=True)
    try_again(stores, batch.id)
    assert raise_alerts(stores) == ()


def test_every_inspection_that_came_to_count_is_told_of_though_another_one_counts_by_now(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(spots=1)])
    first = inspect_batch(stores, batch.id)
    next_master(stores, "lid", items(length_mm=10))
    second = inspect_batch(stores, batch.id)
    assert [alert.details["inspection"] for alert in raise_alerts(stores)] == [first.id, second.id]


def test_limits_are_those_of_a_p_chart() -> None:
    before = [BadShare(batch=f"b{place}", pictures=200, bad=10) for place in range(5)]
    limits = quality_limits(before, 100)
    assert limits is not None
    assert limits.usual == pytest.approx(50.5 / 1001)
    assert limits.most == pytest.approx(0.0504496 + 3 * 0.0218871, abs=1e-5)
    assert limits.least == 0
    assert quality_limits(before[:4], 100) is None
    assert quality_limits([BadShare(batch="b", pictures=10, bad=0)] * 5, 100) is None


def test_a_drift_is_told_with_its_rule(stores: Stores) -> None:
    published(stores)
    for place in range(5):
        inspect_batch(stores, taken(stores, f"b{place}", [lid()] * 20).id)
    usual = taken(stores, "b5", [lid()] * 20)
    inspect_batch(stores, usual.id)
    assert raise_alerts(stores) == ()
    worse = taken(stores, "b6", [lid()] * 15 + [lid(spots=1)] * 5)
    inspect_batch(stores, worse.id)
    kinds = {alert.kind: alert for alert in raise_alerts(stores)}
    assert set(kinds) == {AlertKind.PICTURES_FAILED, AlertKind.QUALITY_DRIFT}
    assert "25.0%" in kinds[AlertKind.QUALITY_DRIFT].message
    assert "three-sigma limits" in kinds[AlertKind.QUALITY_DRIFT].message


def test_limits_are_those_of_what_counts_now_of_other_batches(stores: Stores) -> None:
    published(stores)
    for name, pictures in (
        ("other", [lid(spots=1)] * 3),
        ("replaced", [lid(spots=2)] * 3),
        ("other", [lid()] * 4),
        ("own", [lid(spots=1)] * 2),
        ("own", [lid()] * 3),
    ):
        batch = taken(stores, name, pictures)
        inspect_batch(stores, batch.id)
    taken(stores, "other", [lid()] * 5)  # nobody has judged it: the version before it still counts
    inspect_batch(stores, taken(stores, "replaced", [lid()] * 4).id)  # closed later: none of it was before
    with stores.database.begin() as connection:
        found = shares_before(connection, batch, 25)
    assert found == (BadShare(batch="other", pictures=4, bad=0),)


class Receiver(HTTPServer):
    """Keeps what it gets; answers with `status`."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/alerts"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version: ClassVar[str] = "HTTP/1.0"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers[SIGNATURE], body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _with_an_alert(stores: Stores, address: str) -> None:
    published(stores)
    batch = taken(stores, "bad", [lid(spots=1)])
    inspect_batch(stores, batch.id)
    raise_alerts(stores, addresses=[address])


def test_an_alert_arrives_once_and_signed(stores: Stores, receiver: Receiver) -> None:
    _with_an_alert(stores, receiver.address)
    webhooks = Webhooks([receiver.address], SECRET)
    assert deliver_alerts(stores, webhooks).arrived == 1
    assert deliver_alerts(stores, webhooks).arrived == 0
    ((signature, body),) = receiver.got
    assert json.loads(body)["kind"] == "pictures_failed"
    seconds = signature.removeprefix("t=").partition(",")[0]
    expected = hmac.new(SECRET.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == f"t={seconds},v1={expected}"


@pytest.mark.parametrize("status", [500, 302])
def test_an_alert_that_is_not_taken_is_sent_again_later_and_given_up_in_the_end(
    stores: Stores, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    _with_an_alert(stores, receiver.address)
    webhooks = Webhooks([receiver.address], SECRET)
    waits: list[int | None] = []
    given_up: list[str] = []
    for _ in range(10):
        sent = deliver_alerts(stores, webhooks)
        assert sent.arrived == 0
        given_up += sent.given_up
        assert deliver_alerts(stores, webhooks).arrived == 0  # it is not due yet
        with stores.database.begin() as connection:
            waits.append(
                connection.execute(
                    text("SELECT round(extract(epoch FROM next_at - now()) / 30) FROM alert_deliveries")
                ).scalar_one()
            )
            connection.execute(text("UPDATE alert_deliveries SET next_at = now() WHERE next_at IS NOT NULL"))
    assert waits == [1, 2, 4, 8, 16, 32, 64, None, None, None]
    assert len(receiver.got) == 8
    (said,) = given_up
    assert f"is not sent to '{receiver.address}' again" in said
    assert "1 of 1 pictures of batch 'lid-bad' failed" in said


def test_nothing_is_sent_to_an_address_that_the_settings_do_not_name(stores: Stores, receiver: Receiver) -> None:
    _with_an_alert(stores, receiver.address)
    assert deliver_alerts(stores, Webhooks(["http://127.0.0.1:9/other"], SECRET)).arrived == 0
    assert receiver.got == []
    with pytest.raises(Forbidden, match="IMAGEFLOW_ALERT_WEBHOOKS"):
        Webhooks([], SECRET).post(receiver.address, b"{}")


def test_settings_without_a_secret_or_with_other_addresses_are_refused() -> None:
    with pytest.raises(InvalidInput, match="IMAGEFLOW_ALERT_SECRET"):
        Webhooks.of(Settings(alert_webhooks="https://example.org/a"))
    with pytest.raises(InvalidInput, match=r"IMAGEFLOW_ALERT_WEBHOOKS holds 'file:///etc/passwd': .* parted by spaces"):
        Webhooks.of(Settings(alert_webhooks="https://example.org/a file:///etc/passwd", alert_secret=SecretStr(SECRET)))
    assert Webhooks.of(Settings()).addresses == ()
    several = Settings(alert_webhooks="https://example.org/a http://[::1]:8/b", alert_secret=SecretStr(SECRET))
    assert Webhooks.of(several).addresses == ("https://example.org/a", "http://[::1]:8/b")
