"""Folders of frames: what is read, what is converted, and every way in which a file can be wrong."""

import csv
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from game_capture.drivers.folder import FolderDriver, FolderParameters
from game_capture.frames import LocalFrames
from game_capture.picture import decode_rgb
from imageflow_domain.errors import BadFrames, InvalidInput, NotFound, PositionUnreachable
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.ports import Area
from tests.domain.names import ANY_NAMES, NFC, NFD

WIDTH, HEIGHT = 40, 30


def noise(seed: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *, bits: int = 8) -> bytes:
    """A PNG whose header promises what its body does not hold."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """2 x 2 good frames, named by cell."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(4):
        noise(number).save(frames / f"r{number // 2:02d}_c{number % 2:02d}.png")
    return frames


def opened(folder: Path, **parameters: Any) -> FolderDriver:
    frames = LocalFrames(folder, follow_links=parameters.get("follow_links", False))
    return FolderDriver(FolderParameters(**parameters), frames=frames)


def faults(folder: Path, **parameters: Any) -> dict[str, list[str]]:
    with pytest.raises(BadFrames) as caught:
        opened(folder, **parameters).check()
    listed: dict[str, list[str]] = {}
    for file in caught.value.files:
        listed.setdefault(file.name, []).append(file.reason)
    return listed


def test_names_tell_cells_and_a_step_tells_positions(folder: Path) -> None:
    areas = opened(folder).areas(None)
    assert [area.cell for area in areas] == list(Grid(rows=2, cols=2).cells())
    assert {area.position for area in areas} == {None}
    assert areas[3].file == "r01_c01.png"
    assert opened(folder, step=(30, 20)).areas(None)[3].position == Position(x_px=30.0, y_px=20.0)


def test_positions_come_from_the_list_and_names_do_not_matter(folder: Path) -> None:
    (folder / "r00_c00.png").rename(folder / "first picture.png")
    rows = ["y,x,file,row,col", "0.5,-3,first picture.png,0,0", "0,30,r00_c01.png,0,1"]
    rows += ["20,0,r01_c00.png,7,0", "", "20,30,r01_c01.png,7,1"]
    (folder / "positions.csv").write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    areas = opened(folder).areas(None)
    assert areas[0] == Area(cell=Cell(row=0, col=0), position=Position(x_px=-3.0, y_px=0.5), file="first picture.png")
    assert [area.cell.row for area in areas] == [0, 0, 7, 7]
    with pytest.raises(InvalidInput, match="leave out the step"):
        opened(folder, step=(30, 20)).areas(None)


def test_a_smaller_grid_takes_a_part_and_a_larger_one_has_holes(folder: Path) -> None:
    driver = opened(folder)
    assert len(driver.areas(Grid(rows=1, cols=2))) == 2
    assert len(driver.areas(Grid(rows=9, cols=9))) == 4
    with pytest.raises(PositionUnreachable, match="hole"):
        driver.grab(Area(cell=Cell(row=5, col=5), position=None))


def test_notes_markers_and_hidden_files_are_no_frames(folder: Path) -> None:
    for name in ("README", "README.md", "meta.json", "truth.csv", "notes.txt", ".DS_Store", "_DONE"):
        (folder / name).write_bytes(b"")
    (folder / "sub").mkdir()
    assert len(opened(folder).areas(None)) == 4


@pytest.mark.parametrize(
    "kind", ["grey", "palette", "one bit", "opaque alpha", "opaque palette", "grey alpha", "bmp", "webp"]
)
def test_pictures_are_converted_without_loss(kind: str) -> None:
    colours = noise()
    grey = colours.convert("L")
    few = colours.quantize(16)
    with_alpha = colours.copy()
    with_alpha.putalpha(255)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(255)
    data, wanted = {
        "grey": (encoded(grey), grey),
        "palette": (encoded(few), few),
        "one bit": (encoded(colours.convert("1")), colours.convert("1")),
        "opaque alpha": (encoded(with_alpha), colours),
        "opaque palette": (encoded(few, transparency=255), few),
        "grey alpha": (encoded(grey_alpha), grey),
        "bmp": (encoded(colours, "BMP"), colours),
        "webp": (encoded(colours, "WEBP", lossless=True), colours),
    }[kind]
    pixels = decode_rgb(data)
    assert np.array_equal(pixels, np.asarray(wanted.convert("RGB")))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


BAD_FILES = {
    "empty": (b"", "0 bytes"),
    "text": (b"not a picture at all", "no JPEG, PNG, WebP or BMP picture"),
    "cut": (encoded(noise())[:-200], "cut short"),
    "tail": (encoded(noise())[:-6], "cut short"),
    "flipped": (encoded(noise())[:700] + b"\x55\xaa" + encoded(noise())[702:], "damaged"),
    "cut webp": (encoded(noise(), "WEBP", lossless=True)[:-300], "damaged or cut short"),
    "cut jpeg": (encoded(noise(), "JPEG")[:-300], "cut short"),
    "cut bmp": (encoded(noise(), "BMP")[:-300], "cut short"),
    "small": (encoded(noise(width=39)), "39x30 px, but most frames are 40x30"),
    "sixteen": (encoded(Image.fromarray(np.zeros((HEIGHT, WIDTH), dtype=np.uint16))), "16 bits"),
    "sixteen colours": (png(WIDTH, HEIGHT, bits=16), "16 bits"),
    "clear": (encoded(Image.new("RGBA", (WIDTH, HEIGHT), (1, 2, 3, 254))), "transparent"),
    "clear palette": (encoded(noise().quantize(16), transparency=0), "transparent"),
    "bomb": (png(60_000, 60_000), "pixels"),
    "small bomb": (png(9_000, 9_000), "pixels"),
    "wide": (png(16_384, 10), "16,383"),
    "animation": (encoded(noise(1), "PNG", save_all=True, append_images=[noise(2)]), "animation"),
    "cmyk": (encoded(noise().convert("CMYK"), "JPEG"), "CMYK"),
    "tiff": (encoded(noise(), "TIFF"), "no JPEG, PNG, WebP or BMP picture"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_with_its_reason(kind: str, folder: Path) -> None:
    data, reason = BAD_FILES[kind]
    (folder / "r01_c01.png").write_bytes(data)
    listed = faults(folder)
    assert list(listed) == ["r01_c01.png"]
    with pytest.raises(BadFrames, match=reason):
        opened(folder).check()


def test_every_bad_file_is_listed_at_once_and_can_be_skipped(folder: Path) -> None:
    for number, (data, _) in enumerate(BAD_FILES.values()):
        (folder / f"r02_c{number:02d}.png").write_bytes(data)
    (folder / "holiday.png").write_bytes(encoded(noise()))
    (folder / "r0_c0.png").write_bytes(encoded(noise()))
    (folder / "r1000_c0.png").write_bytes(encoded(noise()))
    assert len(faults(folder)) == len(BAD_FILES) + 3
    driver = opened(folder, skip_bad=True)
    assert [area.cell for area in driver.areas(None)] == list(Grid(rows=2, cols=2).cells())
    assert len(driver.skipped) == len(BAD_FILES) + 3
    assert driver.capabilities.view == Size(width_px=WIDTH, height_px=HEIGHT)


def test_frames_in_no_order_may_differ_in_size_until_one_size_is_asked_for(folder: Path) -> None:
    noise(9).resize((WIDTH * 2, HEIGHT)).save(folder / "wide.png")
    driver = opened(folder, unordered=True)
    assert "wide.png" in driver.usable
    assert driver.picture("wide.png").shape == (HEIGHT, WIDTH * 2, 3)
    assert driver.capabilities.view == Size(width_px=WIDTH, height_px=HEIGHT)
    wide = driver.of_size(Size(width_px=WIDTH * 2, height_px=HEIGHT))
    assert wide.usable == ("wide.png",)
    assert wide.capabilities.view == Size(width_px=WIDTH * 2, height_px=HEIGHT)
    area = Area(cell=Cell(row=0, col=0), position=None, file="r00_c00.png")
    with pytest.raises(BadFrames, match=rf"r00_c00\.png: is {WIDTH}x{HEIGHT} px instead of {WIDTH * 2}x"):
        wide.grab(area)


def test_frames_of_another_size_than_the_one_asked_for_are_left_out(folder: Path) -> None:
    noise(9).resize((WIDTH * 2, HEIGHT)).save(folder / "r02_c00.png")
    assert len(opened(folder, size=(WIDTH, HEIGHT)).areas(None)) == 4
    assert [area.file for area in opened(folder, size=(WIDTH * 2, HEIGHT)).areas(None)] == ["r02_c00.png"]
    with pytest.raises(InvalidInput, match="has no frame of 7x7 px: leave out the size"):
        opened(folder, size=(7, 7)).check()


def test_nothing_but_bad_files_is_refused_even_when_they_may_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "r00_c00.png").write_bytes(b"")
    with pytest.raises(BadFrames):
        opened(tmp_path, skip_bad=True).areas(None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("r01_c01.png,1,1,abc,20", "x 'abc' is not a number"),
        ("r01_c01.png,1,1,30,nan", "y 'nan' is not a number"),
        ("r01_c01.png,1,1,inf,20", "x 'inf' is not a number"),
        ("r01_c01.png,1,1,1_0,20", "x '1_0' is not a number"),
        ("r01_c01.png,1,1,1e300,20", "beyond"),
        ("r01_c01.png,-1,1,30,20", "row -1 is not between"),
        ("r01_c01.png,1.5,1,30,20", "row '1.5' is not a whole number"),
        ("r01_c01.png,1,1000,30,20", "col 1000 is not between"),
        ("r01_c01.png,1,1,30", "4 values instead of 5"),
        ("r01_c01.png,0,0,30,20", "row 0, col 0 is taken by line 2"),
        ("r00_c00.png,1,1,30,20", "'r00_c00.png' is listed in line 2"),
        ("gone.png,1,1,30,20", "there is no file 'gone.png'"),
        ("../r01_c01.png,1,1,30,20", "there is no file"),
        (",1,1,30,20", "there is no file ''"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(row: str, reason: str, folder: Path) -> None:
    good = ["file,row,col,x,y", "r00_c00.png,0,0,0,0", "r00_c01.png,0,1,30,0", "r01_c00.png,1,0,0,20"]
    (folder / "positions.csv").write_text("\n".join([*good, row]))
    listed = faults(folder)
    assert any(reason in text for text in listed["positions.csv line 5"])
    assert len(opened(folder, skip_bad=True).areas(None)) == 3


@pytest.mark.parametrize("name", ANY_NAMES)
def test_a_frame_of_any_name_is_found_by_the_list(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(encoded(noise()))
    with (tmp_path / "positions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "row", "col", "x", "y"), (name, 0, 0, 0, 0)])
    driver = opened(tmp_path)
    (area,) = driver.areas(None)
    assert area.file == name
    assert np.array_equal(driver.grab(area).picture, np.asarray(noise()))


def test_a_name_that_a_list_spells_in_the_other_form_is_the_one_file_of_that_name(folder: Path) -> None:
    (folder / "r00_c00.png").rename(folder / NFD)
    rows = [f"{NFC},0,0,0,0", "r00_c01.png,0,1,30,0", "r01_c00.png,1,0,0,20", "r01_c01.png,1,1,30,20"]
    (folder / "positions.csv").write_text("\n".join(["file,row,col,x,y", *rows]), encoding="utf-8")
    assert opened(folder).areas(None)[0].file == NFD
    (folder / NFC).write_bytes(encoded(noise(7)))
    listed = faults(folder)
    assert list(listed) == [NFD]  # it has no row now: the list names the other one exactly
    (folder / "positions.csv").write_text("\n".join(["file,row,col,x,y", *rows, f"{NFD},2,0,0,40"]), encoding="utf-8")
    assert {area.file for area in opened(folder).areas(None)} >= {NFC, NFD}


def test_a_picture_without_a_row_is_a_fault(folder: Path) -> None:
    (folder / "positions.csv").write_text("file,row,col,x,y\nr00_c00.png,0,0,0,0\n")
    assert set(faults(folder)) == {"r00_c01.png", "r01_c00.png", "r01_c01.png"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"file,row,col,x\n", "columns are"),
        (b"file,row,col,x,y,z\n", "columns are"),
        (b"r00_c00.png,0,0,0,0\n", "columns are"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'file,row,col,x,y\n"r00', "comma-separated"),
    ],
)
def test_an_unreadable_list_is_refused_even_when_bad_files_may_be_skipped(
    data: bytes, reason: str, folder: Path
) -> None:
    (folder / "positions.csv").write_bytes(data)
    with pytest.raises(BadFrames, match=reason):
        opened(folder, skip_bad=True).areas(None)


def test_missing_and_empty_folders_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        opened(tmp_path / "nowhere").areas(None)
    with pytest.raises(InvalidInput, match="is empty"):
        opened(tmp_path).areas(None)
    (tmp_path / "README.md").write_text("soon")
    with pytest.raises(InvalidInput, match="holds no pictures"):
        opened(tmp_path).areas(None)


def test_links_that_lead_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    noise().save(tmp_path / "secret.png")
    (folder / "r02_c00.png").symlink_to(tmp_path / "secret.png")
    (folder / "r02_c01.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "r02_c02.png").symlink_to(folder / "r00_c00.png")
    assert set(faults(folder)) == {"r02_c00.png", "r02_c01.png"}
    with pytest.raises(InvalidInput, match="leads out"):
        LocalFrames(folder).read("../secret.png")
    with pytest.raises(NotFound):
        LocalFrames(folder).read("r09_c09.png")


def test_links_of_the_readers_own_folder_are_read_wherever_they_lead(folder: Path, tmp_path: Path) -> None:
    linked, real = tmp_path / "linked", tmp_path / "real"
    linked.mkdir()
    real.symlink_to(folder)
    for path in folder.iterdir():
        (linked / path.name).symlink_to(real / path.name)
    (tmp_path / "again").symlink_to(linked)
    driver = opened(tmp_path / "again", follow_links=True)
    assert len(driver.areas(None)) == 4
    with driver:
        assert np.array_equal(driver.grab(driver.areas(None)[3]).picture, np.asarray(noise(3)))


@pytest.mark.parametrize("follow_links", [False, True])
def test_links_that_lead_to_no_file_are_named(folder: Path, follow_links: bool) -> None:
    (folder / "r02_c00.png").symlink_to("r02_c00.png")
    (folder / "r02_c01.png").symlink_to("r02_c02.png")
    (folder / "r02_c02.png").symlink_to("r02_c01.png")
    (folder / "r02_c03.png").symlink_to("gone.png")
    (folder / "r02_c04.png").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    (folder / "r02_c05.png").symlink_to("pipe")
    found = faults(folder, follow_links=follow_links)
    assert set(found) == {f"r02_c{col:02d}.png" for col in range(6)}
    assert found["r02_c03.png"] == ["'r02_c03.png' is a link to 'gone.png', where there is no file."]
    assert all("where there is no file" in reason for (reason,) in found.values())


def test_a_name_that_leads_out_of_the_folder_is_refused_where_links_are_followed(folder: Path, tmp_path: Path) -> None:
    noise().save(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), ".."):
        with pytest.raises((InvalidInput, NotFound)):
            LocalFrames(folder, follow_links=True).read(name)


def test_a_position_list_that_is_a_link_out_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("file,row,col,x,y\n")
    (folder / "positions.csv").symlink_to(tmp_path / "other.csv")
    assert "leads out" in faults(folder)["positions.csv"][0]


def test_the_example_frames_are_read_with_their_positions() -> None:
    examples = Path(__file__).parents[2] / "examples" / "openttd-small"
    driver = opened(examples)
    areas = driver.areas(None)
    assert [area.cell for area in areas] == list(Grid(rows=6, cols=6).cells())
    assert areas[1].position == Position(x_px=1024.0, y_px=184.0)
    with Image.open(examples / "r05_c05.png") as image, driver:
        assert image.mode == "P"
        assert np.array_equal(driver.grab(areas[-1]).picture, np.asarray(image.convert("RGB")))
