"""Two workers share the tests: one has the running stack, which mostly waits, the other one all the rest."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a fixture together: the stack's tests, and those of one folder."""
    for item in items:
        folder = Path(item.path).parent.name
        item.add_marker(pytest.mark.xdist_group("stack" if folder == "e2e" else "rest"))
