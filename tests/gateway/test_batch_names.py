"""Batches over the API by any names that files have; clutter is skipped, wrong names are told at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from imageflow_clients.database.inspection import batches
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.file_names import shown
from imageflow_inspection.intake import IntakeCursor, notice_batches
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.take_in import take_in
from tests.domain.names import ANY_NAMES, CLUTTER, NO_NAMES
from tests.gateway.answers import V1, ok
from tests.inspection.lids import lid


def _form(names: Sequence[str]) -> dict[str, Any]:
    """A form of pictures by these names, spelled as browsers and curl spell them."""
    parts = []
    for name in names:
        spelled = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").encode(errors="surrogateescape")
        head = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="' + spelled + b'"\r\n\r\n'
        parts.append(head + lid() + b"\r\n")
    return {
        "content": b"".join(parts) + b"--x--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=x"},
    }


def test_pictures_of_any_name_are_one_batch_by_form_and_by_bucket(client: Any, stores: Stores, product: str) -> None:
    sent = ok(client.post(f"{V1}/batches", params={"product": product, "name": "b1"}, **_form(ANY_NAMES)), 202)
    assert (sent["pictures"], sent["skipped"]) == (len(ANY_NAMES), [])
    for name in ANY_NAMES:
        stores.objects.put(f"{keys.inspection_upload(product, 'b2')}/{name}", lid())
    close_batch(stores, product, "b2", now=datetime.now(UTC))
    notice_batches(stores, IntakeCursor(), now=datetime.now(UTC))
    with stores.database.begin() as connection:
        by_form, by_bucket = (batches.latest(connection, product, name) for name in ("b1", "b2"))
    taken_in = [take_in(stores, batch.id) for batch in (by_form, by_bucket)]
    assert {picture.name for picture in taken_in[0]} == set(ANY_NAMES)
    with stores.database.begin() as connection:
        first, second = (batches.get(connection, batch.id) for batch in (by_form, by_bucket))
    assert first.source_digest == second.source_digest


def test_a_quotation_mark_is_read_as_every_client_spells_it(client: Any, stores: Stores, product: str) -> None:
    name = 'a"b".png'
    sent = client.post(
        f"{V1}/batches", params={"product": product, "name": "b1"}, files=[("pictures", (name, lid(), "image/png"))]
    )
    assert ok(sent, 202)["pictures"] == 1
    backslashed = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a\\"b\\".png"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    body = backslashed + lid() + b"\r\n--x--\r\n"
    again = client.post(f"{V1}/batches", params={"product": product, "name": "b1"}, content=body, headers=headers)
    assert ok(again, 202)["id"] == sent.json()["id"]
    assert stores.objects.exists(f"{keys.inspection_upload(product, 'b1')}/{name}")


def test_files_that_are_no_pictures_are_skipped_and_listed(client: Any, stores: Stores, product: str) -> None:
    names = [*CLUTTER, "a.png"]
    sent = ok(client.post(f"{V1}/batches", params={"product": product, "name": "b1"}, **_form(names)), 202)
    assert sent["pictures"] == 1
    assert [file["name"] for file in sent["skipped"]] == [name.replace("\r", "\\r") for name in CLUTTER]
    assert {"name": ".DS_Store", "reason": "a hidden file"} in sent["skipped"]
    folder = keys.inspection_upload(product, "b1")
    assert [stored.key for stored in stores.objects.list(folder)] == [f"{folder}/a.png"]


def test_every_name_that_is_wrong_is_told_at_once_and_nothing_stays(client: Any, stores: Stores, product: str) -> None:
    wrong = [*(name for name in NO_NAMES if name and "\\" not in name and "\0" not in name), "b.tif"]
    names = ["a.png", ".DS_Store", *wrong, "c.png"]
    answer = client.post(f"{V1}/batches", params={"product": product, "name": "b1"}, **_form(names))
    error = ok(answer, 400)["error"]
    assert [file["name"] for file in error["details"]["files"]] == [shown(name) for name in wrong]
    assert f"{len(wrong)} files cannot be taken" in error["message"]
    assert list(stores.objects.list(f"{keys.inspection_upload(product, 'b1')}/")) == []


def test_a_form_of_nothing_but_clutter_holds_no_pictures(client: Any, product: str) -> None:
    answer = client.post(f"{V1}/batches", params={"product": product, "name": "b1"}, **_form([".DS_Store"]))
    assert "There are no pictures" in ok(answer, 400)["error"]["message"]
