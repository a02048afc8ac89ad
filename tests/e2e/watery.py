"""A city of which a map is doubtful: its survey is completed, and one of its checks fails."""

from tests.e2e.dagster_ui import Check, Ui

WATERY = {"view": [480, 384], "drift_px": 12, "paused": True, "water": 0.95, "seed": 2}
"""Of its 4 x 4 screenshots, 13 are anchored."""


def assert_doubted(ui: Ui, survey: str) -> None:
    """One check of the survey has failed, and only that one; each was evaluated once."""
    checks = ui.checks("coordinates", survey) | ui.checks("overviews", survey)
    (doubt,) = checks.pop("mostly_anchored")
    assert (doubt.status, doubt.partition, doubt.severity) == ("FAILED", survey, "WARN")
    assert doubt.description.startswith("81% of 16 screenshots are anchored; 90% are wanted.")
    assert {name: _shown(found) for name, found in checks.items()} == {name: [("SUCCEEDED", survey)] for name in checks}
    assert len(checks) == 6


def _shown(found: list[Check]) -> list[tuple[str, str]]:
    return [(check.status, check.partition) for check in found]
