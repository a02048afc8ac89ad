"""The code location, built when Dagster loads it, from the environment of that moment."""

import dagster as dg

from imageflow_assets.definitions import build_defs


def defs() -> dg.Definitions:
    return build_defs()
