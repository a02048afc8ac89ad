"""How the map's assets are partitioned: by survey."""

import dagster as dg

from imageflow_surveys.runs import SURVEYS_PARTITIONS

SURVEYS = dg.DynamicPartitionsDefinition(name=SURVEYS_PARTITIONS)
