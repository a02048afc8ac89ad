"""`imageflow pipeline` as a user has it: results as files or text, every fault with an exit code of its kind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.cli.here import command_line
from tests.e2e.stack import Cli
from tests.pipelines.pictures import code, encoded, mask_of, scene
from tests.pipelines.specs import JUDGED


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    with command_line(tmp_path / "home") as cli:
        yield cli


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "judged.yaml"
    path.write_text(JUDGED)
    return str(path)


def _picture(path: Path, *rectangles: tuple[int, int, int, int]) -> str:
    Pillow.fromarray(mask_of(*rectangles).pixels).save(path)
    return str(path)


def test_each_picture_is_told_and_its_outputs_are_written(cli: Cli, spec: str, tmp_path: Path) -> None:
    marked = _picture(tmp_path / "marked.png", (10, 10, 8, 4), (50, 50, 2, 2))
    plain = _picture(tmp_path / "plain.png")
    said = cli.run("pipeline", "run", spec, marked, plain, "--out", str(tmp_path / "out")).stdout
    assert said.index("marked.png: ") < said.index("plain.png: ")
    assert "count 2, total_area 9 mm2, largest_area 8 mm2" in said
    drawn = np.asarray(Pillow.open(tmp_path / "out" / "marked.picture.png"))
    assert (drawn != np.asarray(Pillow.open(marked).convert("RGB"))).any()
    untouched = np.asarray(Pillow.open(tmp_path / "out" / "plain.picture.png"))
    assert np.array_equal(untouched, np.asarray(Pillow.open(plain).convert("RGB")))
    counted = json.loads((tmp_path / "out" / "marked.counted.json").read_text())
    assert counted[0] == {"name": "count", "value": 2.0, "unit": ""}


def test_json_tells_outputs_steps_and_times(cli: Cli, spec: str, tmp_path: Path) -> None:
    told = cli.json("pipeline", "run", spec, _picture(tmp_path / "a.png", (1, 1, 4, 4)), "--set", "blobs.mm_per_px=1")
    assert told["error"] is None
    assert told["outputs"]["counted"][1] == {"name": "total_area", "value": 16.0, "unit": "mm2"}
    assert told["steps"]["decode"]["status"] == "done"
    assert told["files"] == {}


def test_nothing_is_written_without_a_folder(cli: Cli, spec: str, tmp_path: Path) -> None:
    picture = _picture(tmp_path / "a.png")
    before = set(tmp_path.rglob("*"))
    assert "--out FOLDER keeps them" in cli.run("pipeline", "run", spec, picture).stdout
    assert set(tmp_path.rglob("*")) == before


def test_steps_are_shown_with_their_times(cli: Cli, spec: str, tmp_path: Path) -> None:
    said = cli.run("pipeline", "run", spec, _picture(tmp_path / "a.png"), "--steps").stdout
    assert "drawn\tskipped" in said
    assert "mask\tdone" in said


def test_one_bad_picture_does_not_keep_the_others(cli: Cli, spec: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(encoded(scene()).data[:300])
    done = cli.run("pipeline", "run", spec, str(bad), _picture(tmp_path / "good.png"), expect=2)
    assert "good.png: " in done.stdout
    assert "bad.png: Step 'decode': " in done.stderr
    assert "1 of 2 pictures failed" in done.stderr
    alone = cli.run("pipeline", "run", spec, str(bad), expect=2).stderr
    assert "Error: Step 'decode': " in alone


def test_all_faults_of_a_spec_are_told_with_their_paths(cli: Cli, spec: str, tmp_path: Path) -> None:
    Path(spec).write_text(JUDGED.replace("level: 128", "level: 999").replace("mm_per_px", "mm"))
    for command in (("check", spec), ("run", spec, _picture(tmp_path / "a.png"))):
        said = cli.run("pipeline", *command, expect=2).stderr
        assert "The pipeline has 3 faults:" in said
        assert "steps.mask.with.level: " in said
        assert "steps.blobs.with.mm_per_px: Field required" in said


def test_a_spec_in_order_is_told_so(cli: Cli, spec: str) -> None:
    said = cli.run("pipeline", "check", spec).stdout
    assert said.strip() == "judged 3: decode -> mask -> blobs -> any -> drawn -> either -> out"
    assert cli.json("pipeline", "check", spec)["order"][0] == "decode"


CODES = """
pipeline: codes
steps:
  decode: {use: decode@1, from: {picture: inputs.picture}}
  codes: {use: barcodes@1, from: {image: decode.image}}
outputs: {text: codes.text, found: codes.detections}
"""


def test_older_versions_of_components_are_told_with_what_newer_ones_change(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "codes.yaml"
    path.write_text(CODES)
    said = cli.run("pipeline", "check", str(path)).stderr
    assert "codes uses barcodes@1, the newest is barcodes@2.\n" in said
    assert "barcodes@2: UPC-A has its 12 printed digits" in said
    told = cli.json("pipeline", "check", str(path))["older_versions"]
    assert ["codes", "barcodes@1", "barcodes@2"] in [[each["step"], each["uses"], each["newest"]] for each in told]
    path.write_text(CODES.replace("barcodes@1", "barcodes@2"))
    assert "barcodes" not in cli.run("pipeline", "check", str(path)).stderr


def test_published_pipelines_are_listed_with_the_older_versions_that_they_use(cli: Cli, tmp_path: Path) -> None:
    assert cli.run("pipeline", "list").stdout == ""
    product = {"product": "box", "name": "A box", "pipelines": ["codes.yaml", "newer.yaml", "plain.yaml"]}
    item = {"code": "a", "name": "A", "type": "TEXT", "pipeline": "codes@1", "criteria": {"expected": "x"}}
    (tmp_path / "box.yaml").write_text(json.dumps({**product, "items": [item]}))
    (tmp_path / "codes.yaml").write_text(CODES)
    (tmp_path / "newer.yaml").write_text(f"{CODES.replace('barcodes@1', 'barcodes@2')}version: 2\n")
    (tmp_path / "plain.yaml").write_text(
        "{pipeline: plain, steps: {m: {use: merge@1, from: {values: [inputs.picture]}}}, outputs: {out: m.value}}"
    )
    cli.run("product", "publish", str(tmp_path / "box.yaml"))
    listed = cli.run("pipeline", "list")
    rows = dict(line.split("\t") for line in listed.stdout.splitlines())
    assert list(rows) == ["codes@1", "codes@2", "plain@1"]
    assert "codes uses barcodes@1, the newest is barcodes@2" in rows["codes@1"]
    assert "barcodes" not in rows["codes@2"]
    assert rows["plain@1"] == ""
    assert listed.stderr.count("barcodes@2: UPC-A has") == 1
    older = cli.run("pipeline", "list", "--older").stdout
    assert "codes@1" in older
    assert "plain@1" not in older
    told = [json.loads(line) for line in cli.run("pipeline", "list", "--json").stdout.splitlines()]
    assert [each["pipeline"] for each in told] == list(rows)
    changes = {name: text for older in told[0]["older_versions"] for name, text in older["changes"].items()}
    assert changes.keys() == {"decode@2", "barcodes@2"}
    assert "`upca`" in changes["barcodes@2"]


def test_a_pipeline_is_published_once_and_shown_by_name_or_version(cli: Cli, tmp_path: Path) -> None:
    first, second, other = (tmp_path / f"{name}.yaml" for name in ("first", "second", "other"))
    spec = CODES.replace("pipeline: codes", "pipeline: shown")
    first.write_text(spec)
    second.write_text(f"{spec}version: 2\n")
    other.write_text(spec.replace("barcodes@1", "barcodes@2"))
    for file, reference in ((first, "shown@1"), (first, "shown@1"), (second, "shown@2")):
        assert cli.run("pipeline", "publish", str(file)).stdout == f"{reference}\n"
    assert "publish yours as version 3" in cli.run("pipeline", "publish", str(other), expect=1).stderr
    assert cli.json("pipeline", "show", "shown")["pipeline"] == "shown@2"
    told = cli.json("pipeline", "show", "shown@1")
    assert told["spec"]["steps"]["codes"]["use"] == "barcodes@1"
    printed = tmp_path / "printed.yaml"
    printed.write_text(cli.run("pipeline", "show", "shown@1").stdout)
    assert cli.json("pipeline", "publish", str(printed)) == {"pipeline": "shown@1", "digest": told["digest"]}
    assert "No pipeline 'missing' is published" in cli.run("pipeline", "show", "missing", expect=3).stderr
    assert "there is shown@1, shown@2" in cli.run("pipeline", "show", "shown@9", expect=3).stderr


def test_what_codes_say_reaches_a_terminal_without_its_control_characters(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "codes.yaml"
    path.write_text(CODES.replace("barcodes@1", "barcodes@2"))
    Pillow.fromarray(code("a\x1db\x1b[31m<GS>\x9b")).save(tmp_path / "code.png")
    said = cli.run("pipeline", "run", str(path), str(tmp_path / "code.png")).stdout
    assert "text: a\u241db\u241b[31m<GS>\\x9b\n" in said
    assert "found: qr 1.00 a\u241db\u241b[31m<GS>\\x9b\n" in said
    told = cli.json("pipeline", "run", str(path), str(tmp_path / "code.png"))
    assert told["outputs"]["text"] == "a\x1db\x1b[31m<GS>\x9b"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nope.yaml", "{picture}"), 3, "There is no file 'nope.yaml'"),
        (("{spec}", "nope.png"), 3, "There is no file 'nope.png'"),
        (("{picture}", "{picture}"), 2, "is not text in UTF-8"),
        (("{spec}", "{picture}", "--set", "level=1"), 2, "'level' is not STEP.PARAMETER"),
        (("{spec}", "{picture}", "--set", "mask"), 2, "'mask' is not NAME=VALUE"),
        (("{spec}", "{picture}", "--set", "nope.level=1"), 2, "there is no such step"),
        (("{spec}", "{picture}", "--set", "mask.level=999"), 2, "steps.mask.with.level"),
        (("{spec}", "{picture}", "--input", "picture={picture}"), 2, "name a picture for all but one"),
        (("{spec}", "{picture}", "{picture}", "--out", "{home}/out"), 2, "would have the same names"),
        (("{spec}", "{picture}", "--out", "{spec}/out"), 4, "cannot be made"),
        (("{spec}",), 2, "Missing argument"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(
    cli: Cli, spec: str, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    picture = _picture(tmp_path / "a.png")
    given = (argument.format(spec=spec, picture=picture, home=tmp_path) for argument in arguments)
    assert said in cli.run("pipeline", "run", *given, expect=code).stderr


def test_another_input_is_the_same_for_every_picture(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "find.yaml"
    spec.write_text(
        """
        pipeline: find
        inputs: [picture, part]
        steps:
          p: {use: decode@1, from: {picture: inputs.picture}}
          t: {use: decode@1, from: {picture: inputs.part}}
          m: {use: template_match@1, from: {image: p.image, template: t.image}}
        outputs: {found: m.detections}
        """
    )
    Pillow.fromarray(scene().pixels).save(tmp_path / "whole.png")
    Pillow.fromarray(scene().pixels[10:30, 40:70]).save(tmp_path / "part.png")
    told = cli.json("pipeline", "run", str(spec), str(tmp_path / "whole.png"), "--input", f"part={tmp_path}/part.png")
    assert told["outputs"]["found"][0]["box"] == {"x_px": 40.0, "y_px": 10.0, "width_px": 30.0, "height_px": 20.0}


def test_a_model_that_is_not_registered_is_told(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "classify.yaml"
    spec.write_text(
        """
        pipeline: classify
        steps:
          decode: {use: decode@1, from: {picture: inputs.picture}}
          net: {use: classify@1, with: {model: nothing@1}, from: {image: decode.image}}
        outputs: {found: net.detections}
        """
    )
    said = cli.run("pipeline", "run", str(spec), _picture(tmp_path / "a.png"), expect=2).stderr
    assert "Step 'net': " in said
    assert "nothing@1" in said


def test_components_are_listed_and_shown(cli: Cli) -> None:
    assert "resize@1\timage\timage\tScale a picture" in cli.run("pipeline", "components").stdout
    said = cli.run("pipeline", "components", "morphology@1").stdout
    assert "with.operation\tdilate | erode | open | close | outline\trequired" in said
    assert "from.mask\tmask\trequired" in said
    assert "Against version 1: UPC-A has" in cli.run("pipeline", "components", "barcodes@2").stdout
    assert cli.json("pipeline", "components", "crop@1")["parameters"]["properties"]["width_px"]["minimum"] == 1
    assert "there is resize@1" in cli.run("pipeline", "components", "resise@1", expect=3).stderr


def test_an_interrupted_run_ends_at_once_and_says_so(spec: str, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Pillow.fromarray(scene(1500, 1000).pixels).save(path, compress_level=0)
    pictures = [str(path)] * 3000  # half a minute, so that they are not over before the signal comes
    command = [
        sys.executable,
        "-m",
        "imageflow_cli.main",
        "pipeline",
        "run",
        spec,
        *pictures,
        "--set",
        "mask.level=255",
    ]
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # a shell that begins these tests in the background lets SIGINT be ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert running.stdout is not None
    assert running.stdout.readline()  # the first picture is done
    running.send_signal(signal.SIGINT)
    begun_s = time.perf_counter()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.strip().endswith("Interrupted.")
    assert "Traceback" not in said
    assert time.perf_counter() - begun_s < 10
