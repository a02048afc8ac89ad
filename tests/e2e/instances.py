"""What Dagster's webserver shows of its instance, for every way to start it."""

from typing import Any

from tests.e2e.stack import HTTP

_LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
  name locationOrLoadError { __typename ... on PythonError { message causes { message } } } } } } }"""
_SENSORS = """
{ sensorsOrError(repositorySelector: {repositoryLocationName: "imageflow", repositoryName: "__repository__"}) {
  ... on Sensors { results { name sensorState { id status ticks(limit: 1) { timestamp status } } } } } }"""
_PARTITIONS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 20) { partition } } } }"""


def ask(address: str, query: str, **variables: Any) -> Any:
    answer = HTTP.post(f"{address}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def locations(address: str) -> list[dict[str, Any]]:
    """Return the code locations, each with whether it loaded."""
    found: list[dict[str, Any]] = ask(address, _LOCATIONS)["workspaceOrError"]["locationEntries"]
    return found


def sensors(address: str) -> dict[str, dict[str, Any]]:
    """Return the state of each sensor; nothing while the code server is away."""
    found = ask(address, _SENSORS)["sensorsOrError"].get("results", [])
    return {sensor["name"]: sensor["sensorState"] for sensor in found}


def materialised(address: str, asset: str) -> set[str]:
    """Return the partitions of an asset's newest materialisations."""
    found = ask(address, _PARTITIONS, key={"path": [asset]})["assetNodeOrError"]["assetMaterializations"]
    return {materialisation["partition"] for materialisation in found}
