"""`imageflow product` and `imageflow inspect`, as a user has them: from a file and a folder to judgements."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import SecretStr

from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain import keys
from imageflow_inspection.results import FoundResult, find_results
from tests.cli.here import Here, command_line
from tests.domain.names import ANY_NAMES, CLUTTER
from tests.e2e.stack import wait_for
from tests.inspection.drawn import EXAMPLE
from tests.inspection.lids import items, lid, lid_pipeline

PRODUCT = str(EXAMPLE / "product.yaml")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    """A machine on which the shipped models are registered, and a product of lids is published."""
    home = tmp_path_factory.mktemp("inspect")
    with command_line(home / "home", databases()) as cli:
        (home / "lids.json").write_text(json.dumps(lid_pipeline()))
        _write(home / "lid.yaml", items())
        cli.run("product", "publish", str(home / "lid.yaml"))
        yield cli


def _write(path: Path, wanted: list[dict[str, object]]) -> str:
    path.write_text(yaml.safe_dump({"product": "lid", "name": "A lid", "pipelines": ["lids.json"], "items": wanted}))
    return str(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    for name, data in {"a.png": lid(), "b.png": lid(spots=1), "c.png": b"no picture", "notes.txt": b""}.items():
        (folder / name).write_bytes(data)
    return folder


def test_the_example_judges_drawn_parts_right(cli: Here, tmp_path: Path) -> None:
    cli.run("model", "register", "--shipped")
    cli.run("model", "draw", str(tmp_path / "parts"), "--pictures", "40")
    assert cli.run("product", "publish", PRODUCT).stdout == "part: version 1 is published.\n"
    assert cli.run("product", "publish", PRODUCT).stdout == "part: version 1 stands.\n"
    done = cli.run("inspect", str(tmp_path / "parts"), "--product", "part", "--batch", "drawn", expect=6)
    judged = [line.split("\t") for line in done.stdout.splitlines()]
    with (tmp_path / "parts" / "truth.csv").open() as file:
        truth = {row["file"]: row["defects"].split() for row in csv.DictReader(file)}
    wrong = [name for name, verdict, *_ in judged if (verdict == "fail") != bool(truth[name])]
    assert len(wrong) <= 1, wrong
    assert len(judged) == len(truth) == 40


def test_a_folder_of_links_is_judged_and_a_link_to_no_file_is_named(cli: Here, pictures: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "a.png").symlink_to(pictures / "a.png")
    done = cli.run("inspect", str(linked), "--product", "lid")
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [["a.png", "pass"]]
    (linked / "b.png").symlink_to("gone.png")
    (linked / "c.png").symlink_to("c.png")
    for command in (("inspect", "--product", "lid"), ("upload", "--game", "g", "--save", "never")):
        said = cli.run(command[0], str(linked), *command[1:], expect=2).stderr
        assert "'b.png' is a link to 'gone.png', where there is no file." in said
        assert "'c.png' is a link to 'c.png', where there is no file." in said


def test_a_folder_is_judged_and_what_is_marked_is_shown(cli: Here, pictures: Path, tmp_path: Path) -> None:
    marked = tmp_path / "out" / "marked"
    done = cli.run("inspect", str(pictures), "--product", "lid", "--marked", str(marked), expect=6)
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        ["a.png", "pass"],
        ["b.png", "fail"],
        ["c.png", "undecided"],
    ]
    assert "Skipped: notes.txt (a note or a sidecar)." in done.stderr
    assert "3 pictures, 1 passed, 1 failed, 1 undecided" in done.stderr
    assert f"Marked pictures: {marked}" in done.stderr
    assert [path.name for path in marked.iterdir()] == ["b.png.jpg"]
    drawn = np.asarray(Image.open(marked / "b.png.jpg")).astype(int)
    original = np.asarray(Image.open(pictures / "b.png").convert("RGB"))
    assert (np.abs(drawn - original).max(axis=2) > 60).sum() > 50


def test_pictures_of_any_name_are_judged_and_clutter_is_listed(cli: Here, tmp_path: Path) -> None:
    folder, marked = tmp_path / "shots", tmp_path / "marked"
    folder.mkdir()
    clutter = [name for name in CLUTTER if "/" not in name]
    for name in (*ANY_NAMES, *clutter):
        (folder / name).write_bytes(lid(spots=1))
    (folder / "__MACOSX").mkdir()
    told = cli.run("inspect", str(folder), "--product", "lid", "--marked", str(marked), "--json", expect=6).stdout
    *results, summary = map(json.loads, told.splitlines())
    assert {each["picture"] for each in results} == set(ANY_NAMES)
    assert len(list(marked.iterdir())) == len(ANY_NAMES)
    skipped = {each["name"]: each["reason"] for each in summary["skipped"]}
    assert skipped.keys() == {*(name.replace("\r", "\\r") for name in clutter), "__MACOSX"}
    assert skipped["._A.JPG"] == "a hidden file"


def test_every_wrong_name_is_told_before_anything_is_sent(cli: Here, tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "good.png").write_bytes(lid())
    for name in (b"a\n.png", b"b\\.png", b"c\xff.png"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(lid())
    said = cli.run("inspect", str(folder), "--product", "lid", "--batch", "wrong", expect=2).stderr
    assert "3 files cannot be taken" in said
    for shown in ("'a\\n.png'", "'b\\.png'", "'c\\udcff.png'"):
        assert f"{shown} is not a valid file name" in said
    assert not list((cli.home / "objects").glob("uploads/inspection/lid/wrong/*"))


def test_the_same_batch_again_is_not_judged_again(cli: Here, pictures: Path) -> None:
    command = ("inspect", str(pictures), "--product", "lid", "--batch", "twice", "--json")
    first, second = (cli.run(*command, expect=6).stdout.splitlines() for _ in range(2))
    assert first == second
    assert json.loads(first[-1])["batch"] == "lid-twice"
    assert json.loads(first[1])["items"]["spots"]["verdict"] == "fail"
    assert Path(json.loads(first[1])["marked"]).read_bytes()[:2] == b"\xff\xd8"
    (pictures / "d.png").write_bytes(lid())
    assert cli.json("inspect", str(pictures), "--product", "lid", "--batch", "twice", expect=6)["pictures"] == 4
    (pictures / "a.png").write_bytes(lid(spots=4))
    said = cli.run("inspect", str(pictures), "--product", "lid", "--batch", "twice", expect=1).stderr
    assert "There is a batch 'twice' of 'lid' already. It has another 'a.png'" in said


def test_only_good_pictures_end_with_status_0(cli: Here, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(lid())
    done = cli.run("inspect", str(tmp_path), "--product", "lid")
    assert done.stdout.startswith("good.png\tpass\t")
    assert "Marked pictures" not in done.stderr


def test_an_upload_is_closed_by_a_manifest_and_judges_nothing(cli: Here, pictures: Path) -> None:
    told = cli.json("inspect", str(pictures), "--product", "lid", "--batch", "sent", "--upload")
    assert (told["batch"], told["pictures"], told["version"]) == ("sent", 3, 1)
    objects = cli.home / "objects"
    manifests = [json.loads(path.read_text()) for path in (objects / keys.INBOX).iterdir()]
    assert {"product": "lid", "batch": "sent"} in manifests
    assert len(list((objects / keys.inspection_upload("lid", "sent")).iterdir())) == 3
    assert "shows the progress" in cli.run("inspect", str(pictures), "--product", "lid", "--upload").stderr


def test_stale_batches_are_listed_with_their_cost_and_judged_again(cli: Here, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "lids.json").write_text(json.dumps({**lid_pipeline(), "pipeline": "other_lids"}))
    file = tmp_path / "lid.yaml"

    def publish(most_spots: int) -> None:
        wanted = items("other_lids@1", most_spots=most_spots)
        file.write_text(
            yaml.safe_dump({"product": "cap", "name": "A cap", "pipelines": ["lids.json"], "items": wanted})
        )
        cli.run("product", "publish", str(file))

    publish(0)
    cli.run("inspect", str(pictures), "--product", "cap", "--batch", "b1", expect=6)
    assert "judged as it would be now" in cli.run("inspect", "--stale", "cap").stderr
    publish(1)
    listed = cli.run("inspect", "--stale", "cap")
    assert listed.stdout.startswith("b1\t3\t")
    assert listed.stdout.endswith("\titem 'spots': criteria\n")
    assert "`imageflow inspect --stale cap --again`" in listed.stderr
    again = cli.run("inspect", "--stale", "cap", "--again").stdout
    assert again == "b1: 2 passed, 0 failed, 1 undecided (were 1, 1, 1).\n"
    assert cli.run("inspect", "--stale", "cap").stdout == ""
    named = ("inspect", "--stale", "cap", "--again", "--batch")
    assert cli.run(*named, "b1").stdout == "b1: 2 passed, 0 failed, 1 undecided (were 2, 0, 1).\n"
    assert "Nothing of 'b2' would be judged otherwise now" in cli.run(*named, "b2").stderr


def test_an_interrupted_inspection_says_how_to_go_on_and_does(cli: Here, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for place in range(600):
        (folder / f"{place:03d}.png").write_bytes(lid(spots=place % 2))
    command = [sys.executable, "-m", "imageflow_cli.main", "inspect", str(folder), "--product", "lid", "--batch", "cut"]
    running = subprocess.Popen(command, env=cli.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stores = open_stores(Settings(home=cli.home))
    try:
        wait_for(lambda: judged(stores) or None, 60, lambda: "nothing is judged", every_s=0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, out) == (130, ""), err
        assert "--batch cut goes on" in err
        before = judged(stores)
        assert 0 < len(before) < 600
        assert cli.json("inspect", str(folder), "--product", "lid", "--batch", "cut", expect=6)["failed"] == 300
        after = judged(stores)
    finally:
        stores.database.close()
    assert len(after) == 600
    assert {each.result.judged_at for each in before} <= {each.result.judged_at for each in after}


def judged(stores: Stores) -> Sequence[FoundResult]:
    """Return what is judged so far of the batch 'cut'."""
    with stores.database.begin() as connection:
        found = batches.page(connection, product="lid", name="cut")
        made = [each.id for batch in found for each in inspections.of_batch(connection, batch.id)]
    return find_results(stores, inspection=max(made, default=0), limit=1000).items


def test_a_product_is_shown_as_the_file_that_publishes_it(cli: Here, tmp_path: Path) -> None:
    shown = cli.run("product", "show", "lid").stdout
    (tmp_path / "shown.yaml").write_text(shown)
    assert cli.run("product", "publish", str(tmp_path / "shown.yaml")).stdout == "lid: version 1 stands.\n"
    listed = [line.split("\t") for line in cli.run("product", "list").stdout.splitlines()]
    assert ["lid", "A lid", "1", "spots, length, count"] in listed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"items": [{**items()[0], "criteria": {"min_score": 2}}]}, "items.0: criteria of VISUAL: min_score"),
        ({"items": [{**items()[0], "pipeline": "nowhere@1"}]}, "items.0.pipeline: No pipeline 'nowhere@1'"),
        ({"product": "A Lid"}, "product: 'A Lid' is not a valid name"),
        ({"pipelines": ["../x.yaml"]}, "pipelines.0: is no file beside this one"),
        ({"pipelines": ["bad.yaml"]}, "steps.decode.use: There is no component 'decoda@1'"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_every_fault_of_a_products_file_is_told_with_its_path(
    cli: Here, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    bad = lid_pipeline()
    bad["steps"]["decode"]["use"] = "decoda@1"
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(bad))
    told = {"product": "bad", "name": "Bad", "items": items(), **change}
    (tmp_path / "product.yaml").write_text(yaml.safe_dump(told))
    assert said in cli.run("product", "publish", str(tmp_path / "product.yaml"), expect=2).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((".", "--product", "nothing"), 3, "no product 'nothing'"),
        (("/nowhere", "--product", "lid"), 2, "is not a folder"),
        ((".",), 2, "Name a FOLDER and its --product"),
        ((".", "--product", "lid", "--stale", "lid"), 2, "goes with --again alone"),
        (("--stale", "lid", "--batch", "b1"), 2, "goes with --again alone"),
        ((".", "--product", "A b"), 2, "is not a valid name"),
    ],
)
def test_what_cannot_be_inspected_ends_with_a_sentence(
    cli: Here, pictures: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(pictures)
    assert said in cli.run("inspect", *arguments, expect=code).stderr
