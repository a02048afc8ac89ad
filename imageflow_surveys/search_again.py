"""Search for the screenshots of a survey that are not anchored farther away than they are believed to lie.

What is found counts as any other verified offset. Where all screenshots are anchored, nothing is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_domain.survey import Survey
from imageflow_mosaic.search import Searched, search
from imageflow_surveys.shots import Shots
