"""Stores of their own, and a product that a plain pipeline judges, for benches of inspection."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_inspection.masters import create_product, publish_items

_SPEC = {
    "pipeline": "bench",
    "steps": {
        "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
        "smooth": {"use": "blur@1", "with": {"radius_px": 3}, "from": {"image": "decode.image"}},
        "dark": {"use": "threshold@1", "with": {"level": 60, "dark": True}, "from": {"image": "smooth.image"}},
        "spots": {"use": "blobs@1", "with": {"mm_per_px": 0.1, "min_area_mm2": 1}, "from": {"mask": "dark.mask"}},
    },
    "outputs": {"defects": "spots.detections"},
}
_ITEM = {"code": "spots", "name": "Spots", "type": "VISUAL", "pipeline": "bench@1", "criteria": {}}


@contextmanager
def own_stores() -> Iterator[Stores]:
    """Open empty stores in a temporary home."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        stores = open_stores(Settings(home=home))
        try:
            yield stores
        finally:
            stores.database.close()
            EmbeddedPostgres(home / "postgres").stop()


def publish(stores: Stores, product: str) -> None:
    """Make a product whose pictures fail where there are dark spots on them."""
    publish_pipeline(stores, _SPEC)
    create_product(stores, product, product)
    publish_items(stores, product, [_ITEM])
