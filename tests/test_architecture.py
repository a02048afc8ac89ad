"""The import contracts hold every package, and each of them finds what it forbids."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture import ROOT, contracts, redrawn, rows

VIOLATIONS = {
    "Packages import downwards only, and those of one row not each other": (
        "imageflow_surveys/game_reference.py",
        "import imageflow_inspection",
    ),
    "Domains of the database do not import each other": (
        "imageflow_clients/database/inspection/batches.py",
        "import imageflow_clients.database.maps.surveys",
    ),
    "Routes receive use cases: they import no database, mosaic or game": (
        "imageflow_gateway/rest/maps/surveys.py",
        "import imageflow_clients.database.maps.surveys",
    ),
    "The gateway's app is above REST, live and pages, which do not import each other": (
        "imageflow_gateway/live/watching.py",
        "import imageflow_gateway.rest.health",
    ),
    "Domains of the REST API do not import each other": (
        "imageflow_gateway/rest/catalog/pipelines.py",
        "import imageflow_gateway.rest.inspection.masters",
    ),
    "Only assets, resources and the command line import Dagster": ("imageflow_gateway/app.py", "import dagster"),
    "Only the gateway imports HTTP frameworks": (
        "imageflow_edge/admission.py",
        "import starlette",
    ),
    "Only rpc, the client and one health check import gRPC": (
        "imageflow_gateway/app.py",
        "import grpc",
    ),
    "Capture imports no HTTP, store or database": ("game_capture/display.py", "import httpx"),
    "Domain, images, mosaic and pipelines do no I/O": ("imageflow_mosaic/plane.py", "import subprocess"),
    "Drivers do not import each other": ("game_capture/drivers/folder.py", "import game_capture.drivers.city"),
    "Components do not import each other": (
        "imageflow_pipelines/components/crop.py",
        "import imageflow_pipelines.components.resize",
    ),
    "No package has a cycle among its modules": ("imageflow_models/canvas.py", "import imageflow_models.products"),
    "Assets of the map, of inspection and of pipelines do not import each other": (
        "imageflow_assets/map/requesting.py",
        "import imageflow_assets.inspection.follow_up",
    ),
    "Commands do not import each other": ("imageflow_cli/up.py", "import imageflow_cli.migrate"),
    "Clients do not import each other; stores join them": (
        "imageflow_clients/objects.py",
        "import imageflow_clients.database.core.heartbeats",
    ),
    "Executions are started, executed and kept by modules of their own": (
        "imageflow_executions/start.py",
        "import imageflow_executions.execute",
    ),
    "What the engine executes and its gRPC service do not import each other": (
        "imageflow_engine/resident.py",
        "import imageflow_engine.rpc.service",
    ),
    "Methods of the gRPC service are above messages, images in chunks and calls": (
        "imageflow_engine/rpc/requests.py",
        "import imageflow_engine.rpc.assembly",
    ),
    "The edge's hub and its admission do not import each other": (
        "imageflow_edge/admission.py",
        "import imageflow_edge.hub",
    ),
    "Containers of this machine and pods do not import each other": (
        "imageflow_clients/containers/pods.py",
        "import imageflow_clients.containers.local",
    ),
    "Inference runtimes are below what chooses one": (
        "imageflow_clients/inference/onnx_runtime.py",
        "import imageflow_clients.inference.stored_models",
    ),
    "Kinds of games do not import each other, nor do display and steering": (
        "game_capture/openttd/console.py",
        "import game_capture.x11.keys",
    ),
    "Engine, plan, registry, components and values of pipelines are layers": (
        "imageflow_pipelines/plan.py",
        "import imageflow_pipelines.execution",
    ),
    "Registration, placement and composition do not import each other": (
        "imageflow_mosaic/compose.py",
        "import imageflow_mosaic.placement",
    ),
    "Layers of the map line do not import each other": (
        "imageflow_surveys/cut_block.py",
        "import imageflow_surveys.place",
    ),
    "Steps of an inspection do not import each other": (
        "imageflow_inspection/report.py",
        "import imageflow_inspection.take_in",
    ),
    "The modules that decide what is due and that judge pictures import no store": (
        "imageflow_surveys/settling.py",
        "import imageflow_clients.database.maps.surveys",
    ),
}
"""By contract: the file in which a line breaks it, and that line."""

READ_SETTINGS = {
    "imageflow_assets/assembly.py": "the code location: code server, run workers, their children",
    "imageflow_cli/options.py": "a command",
    "imageflow_engine/__main__.py": "the engine",
    "imageflow_gateway/__main__.py": "the gateway",
    "imageflow_resources/instance_settings.py": "Dagster's own classes, in each process that opens its instance",
}
"""The modules that read the environment into settings, each with the processes that begin there."""


def test_the_page_shows_the_packages_as_the_contracts_have_them() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert redrawn(page) == page, "run `make reference`"


def test_every_package_is_in_a_row() -> None:
    packages = {path.parent.name for path in ROOT.glob("imageflow*/__init__.py")} | {"game_capture"}
    assert {package for row in rows() for package in row} == packages


def test_every_package_is_searched_for_cycles() -> None:
    (searched,) = [one["ancestors"] for one in contracts() if one["type"] == "acyclic_siblings"]
    assert set(searched) == {package for row in rows() for package in row}


def test_no_route_opens_a_transaction_holds_stores_or_makes_a_client() -> None:
    routes = [path for part in ("rest", "live", "pages") for path in (ROOT / "imageflow_gateway" / part).rglob("*.py")]
    assert len(routes) > 40
    found = {str(path.relative_to(ROOT)): _beyond_use_cases(path.read_text(encoding="utf-8")) for path in routes}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_route_that_opens_a_transaction_holds_stores_or_makes_a_client_is_found() -> None:
    opens = "def read(gateway):\n    with gateway.database.begin() as connection:\n        return connection\n"
    holds = "def read(gateway):\n    return find(gateway.stores)\n"
    makes = "def read(gateway):\n    return runs(Dagster(url=gateway.settings.dagster_url))\n"
    assert [_beyond_use_cases(source) for source in (opens, holds, makes)] == [[2], [2], [2]]


def _beyond_use_cases(source: str) -> list[int]:
    """Return the lines that open a transaction, take the stores of a gateway, or make a client of Dagster."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "begin")
        or (isinstance(node, ast.Attribute) and node.attr == "stores")
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Dagster")
    ]


def test_settings_are_read_where_a_process_begins_and_passed_down_from_there() -> None:
    found = {
        str(path.relative_to(ROOT))
        for row in rows()
        for package in row
        for path in (ROOT / package).rglob("*.py")
        if _reads_settings(path.read_text(encoding="utf-8"))
    }
    assert found == set(READ_SETTINGS)


def test_settings_that_are_read_elsewhere_are_found() -> None:
    calls = "def url():\n    return Settings(home=HOME).gateway_url\n"
    of_module = "url = settings.Settings().gateway_url\n"
    hands_on = "url = cache(Settings)().gateway_url\n"
    takes = "def url(settings: Settings) -> str:\n    return settings.gateway_url\n"
    assert [_reads_settings(source) for source in (calls, of_module, hands_on, takes)] == [True, True, True, False]


def _reads_settings(source: str) -> bool:
    """Whether a module makes settings, or hands their class to what makes them."""
    return any(
        isinstance(node, ast.Call) and any(_is_settings(part) for part in (node.func, *node.args))
        for node in ast.walk(ast.parse(source))
    )


def _is_settings(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "Settings") or (
        isinstance(node, ast.Attribute) and node.attr == "Settings"
    )


def test_only_the_edge_names_the_principal_of_calls_without_login() -> None:
    named = {
        str(path.relative_to(ROOT))
        for row in rows()
        for package in row
        for path in (ROOT / package).rglob("*.py")
        if "LOCAL_OPERATOR" in path.read_text(encoding="utf-8")
    }
    assert named == {"imageflow_domain/access.py", "imageflow_edge/admission.py"}


def test_each_contract_finds_a_violation(tmp_path: Path) -> None:
    assert {one["name"] for one in contracts()} == set(VIOLATIONS)
    for row in rows():
        for package in row:
            ignored = shutil.ignore_patterns("static", "__pycache__")
            shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, line in VIOLATIONS.values():
        with (tmp_path / file).open("a") as source:
            source.write(f"\n{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    # The installed packages are this checkout's: those of the copy come first.
    done = subprocess.run(
        [str(linter), "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."}
    )
    assert set(re.findall(r"^(.+) BROKEN(?: \(.+\))?$", done.stdout, re.MULTILINE)) == set(VIOLATIONS), (
        done.stdout + done.stderr
    )
