"""Dagster's assets, checks, sensors and jobs. Bodies call down; no loops, SQL or image code."""

import gc
import warnings

import dagster as dg

# What is loaded from here on stays: to look for garbage among it again and again takes a tenth of a worker's start.
gc.set_threshold(50_000, 10, 10)

# Partitioned checks and mappings between survey and block are marked as beta; the pinned version is tested.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
