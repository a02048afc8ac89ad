"""What compose.yaml and the Dockerfile say, against what the code and the tests' servers are."""

import json
import re
import subprocess
import tomllib
from fnmatch import fnmatch

import yaml

from imageflow_clients.settings import Settings
from services.build import VERSION
from services.minio import POLICY
from services.s3_server import BUCKET
from tests.clients.servers import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_minio_is_the_version_that_is_tested() -> None:
    assert re.findall(r"MINIO_VERSION=(\S+)", DOCKERFILE) == [VERSION]


def test_minio_is_healthy_when_the_tests_would_use_it() -> None:
    asked = re.search(r"HEALTHCHECK .*http://127\.0\.0\.1:9000(\S+)\"\]", DOCKERFILE)
    assert asked is not None
    assert asked[1] in (ROOT / "services" / "minio.py").read_text()
    assert re.search(r"apt-get install .* curl\b", DOCKERFILE), "what asks must be there"


def test_the_image_holds_every_package_of_the_wheel() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) <= set(re.findall(r"^COPY (\w+) /src/\1$", DOCKERFILE, re.MULTILINE))


def test_the_build_context_has_all_that_the_image_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    given = [line.removeprefix("!") for line in lines if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert [path for path in copied if not any(fnmatch(path, pattern) for pattern in given)] == []


def test_every_setting_is_one_that_imageflow_reads_and_every_secret_comes_from_outside() -> None:
    variables = COMPOSE["services"]["imageflow"]["environment"]
    ours = {name.removeprefix("IMAGEFLOW_").lower() for name in variables if name.startswith("IMAGEFLOW_")}
    assert ours <= set(Settings.model_fields)
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|DATABASE_URL|MC_HOST", name):
                assert re.search(r"\$\{\w+", value), name
    assert not re.search("SECRET|PASSWORD", DOCKERFILE)


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    example = dict(
        line.split("=", 1)
        for line in (ROOT / "compose.env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text())) == set(example)
    assert {name for name, value in example.items() if re.search("PASSWORD|SECRET", name) and value} == set()
    ignored = subprocess.run(["git", "check-ignore", "compose.env"], cwd=ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_the_policy_names_the_bucket_that_compose_makes() -> None:
    assert f"here/{BUCKET}" in json.dumps(COMPOSE["services"]["bucket"]["command"])
    assert {one.split(":::")[1].split("/")[0] for rule in POLICY["Statement"] for one in rule["Resource"]} == {BUCKET}


def test_images_run_as_ordinary_users() -> None:
    final = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    for stage in final[1:]:
        name = re.match(r"\S+ AS (\S+)", stage)
        assert name is not None
        if not name[1].endswith("build"):
            assert re.search(r"^USER (?!root)", stage, re.MULTILINE), name[1]
            assert "HEALTHCHECK" in stage
