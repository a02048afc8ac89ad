"""What `dg dev` and `dagster dev` in the repository's root read of the project."""

import tomllib

from dagster._core.workspace.load_target import ModuleTarget, get_target_from_toml_data
from yaml import safe_load

from imageflow_clients.dagster import LOCATION
from tests.e2e.stack import ROOT


def test_project_and_workspace_name_the_same_code_location() -> None:
    project = get_target_from_toml_data(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    assert isinstance(project, ModuleTarget)
    (entry,) = safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    workspace = entry["python_module"]
    assert (project.module_name, project.location_name) == (workspace["module_name"], workspace["location_name"])
    assert project.location_name == LOCATION
