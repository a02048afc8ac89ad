"""Anomaly models of one's own product, learned from good images alone. No store, no Dagster, no command line.

The method is PatchCore (Roth and others, "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022): features
of a pretrained network at each place of an image are compared with the nearest ones that good images have. Two things
are added: the distance at a place is divided by the one that is usual there, so that borders and shadows do not hide
defects, and the threshold comes from good images alone.
"""
