"""Dagster assets, checks, sensors and jobs. Bodies call down; no loops, SQL or image code here."""
