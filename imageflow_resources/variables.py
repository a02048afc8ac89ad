"""Secrets, and addresses that may hold some, reach resources as names of variables: Dagster's UI shows no value."""

import os

import dagster as dg

from imageflow_clients import s3_account


def env_var(name: str) -> dg.EnvVar | None:
    """Return a reference to one of our variables, in whichever case it is written; `None` where it is not set."""
    written = next((variable for variable in os.environ if variable.upper() == name), None)
    return None if written is None else dg.EnvVar(written)


def account_var(field: str) -> dg.EnvVar | None:
    """Return a reference to the variable that gives a field of `S3Account`; `None` where none is set."""
    name = s3_account.variable_of(field)
    return None if name is None else dg.EnvVar(name)
