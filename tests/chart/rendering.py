"""What the chart makes of its values, as Helm renders it: no cluster is needed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from imageflow_domain.errors import Unavailable
from services.build import helm_program
from tests.e2e.stack import ROOT

CHART = ROOT / "helm" / "imageflow"
EXAMPLES = [CHART / "values.yaml", CHART / "values-demo.yaml", *sorted((CHART / "examples").glob("*.yaml"))]
OLDEST = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"].removeprefix(">=").removesuffix("-0")
"""The oldest version of Kubernetes that the chart takes."""
NEWEST = "1.37.0"
"""The newest one whose schemas are at hand."""


def helm(*arguments: str | Path) -> str:
    """Return what Helm prints; raise `Unavailable` with its reason."""
    done = subprocess.run([helm_program(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(done.stderr)
    return done.stdout


def manifests(*options: str, kubernetes: str = NEWEST) -> list[dict[str, Any]]:
    """Return what the chart makes for a version of Kubernetes."""
    made = helm("template", "imageflow", CHART, "--kube-version", kubernetes, *options)
    return [document for document in yaml.safe_load_all(made) if document]


def pod_templates(made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the templates of all pods."""
    specs = [document.get("spec", {}) for document in made]
    owners = [spec.get("jobTemplate", {}).get("spec", spec) for spec in specs]
    return [owner["template"] for owner in owners if "template" in owner]
