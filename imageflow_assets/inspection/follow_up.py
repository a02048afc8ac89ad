"""Which runs of the inspection are tried again by the sensors; nothing here knows an asset."""

import dagster as dg

from imageflow_inspection.runs import RUN_TAG, is_report

DAY_TAG = "imageflow/statistics"
"""Which change of a day a run counts."""

TRIES = 3
"""Of one report, or of one change of a day."""


def is_followed_up(run: dg.DagsterRun) -> bool:
    """Whether a failed run needs no alert of its own.

    The sensors request another one, or, of the last run that inspects a batch, the batch is given up with an alert.
    """
    last = f"/{TRIES - 1}"
    if (key := run.tags.get(RUN_TAG)) is not None:
        return not (is_report(key) and key.endswith(last))
    return DAY_TAG in run.tags and not run.tags.get("dagster/run_key", "").endswith(last)
