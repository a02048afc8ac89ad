"""Names of files: any that a file can have is good, clutter is distinguished from pictures, look-alikes stay apart."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageflow_domain import keys
from imageflow_domain.errors import BadFileNames
from imageflow_domain.file_names import (
    NameIndex,
    bad_picture,
    check_file_name,
    check_file_names,
    derived_name,
    fault_of,
    shown,
    why_no_picture,
    why_skipped,
)
from tests.domain.names import ANY_NAMES, CLUTTER, NFC, NFD, NO_NAMES


@pytest.mark.parametrize("name", ANY_NAMES)
def test_any_name_of_a_file_is_good_and_stands_in_its_key_as_it_was_given(name: str) -> None:
    assert check_file_name(name) == name
    assert why_no_picture(name) is None
    assert keys.inspection_upload_file("lid", "b1", name) == f"uploads/inspection/lid/b1/{name}"
    assert keys.map_upload_file("city", "home", "b1", name) == f"uploads/maps/city/home/b1/{name}"


@pytest.mark.parametrize(("name", "why"), NO_NAMES.items())
def test_a_name_that_no_file_can_have_is_refused_with_the_reason(name: str, why: str) -> None:
    for spell in (
        check_file_name,
        lambda each: keys.inspection_upload_file("lid", "b1", each),
        lambda each: keys.map_upload_file("city", "home", "b1", each),
    ):
        with pytest.raises(BadFileNames, match=f"is not a valid file name: it {why}. Rename the file"):
            spell(name)


def test_all_wrong_names_are_listed_at_once_on_a_line_each() -> None:
    with pytest.raises(BadFileNames) as caught:
        check_file_names([*ANY_NAMES, *NO_NAMES])
    assert len(caught.value.files) == len(NO_NAMES)
    assert len(str(caught.value).splitlines()) == len(NO_NAMES) + 2
    assert str(caught.value).isprintable() is False  # it has lines, and else nothing that moves the cursor
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.parametrize("name", CLUTTER)
def test_clutter_is_skipped_by_its_name_whatever_its_case(name: str) -> None:
    for spelled in (name, name.upper(), name.lower()):
        assert why_skipped(spelled) is not None
        assert why_no_picture(spelled) is not None


@pytest.mark.parametrize("name", ["a.tif", "a.heic", "a.gif", "a", "a.jpg.pdf", "jpg"])
def test_what_may_be_meant_as_a_picture_is_not_taken_for_clutter(name: str) -> None:
    assert why_skipped(name) is None
    assert why_no_picture(name) == "not of a type that is read"
    assert bad_picture(name) is not None


@given(st.text(max_size=300))
def test_every_text_is_a_good_name_or_has_a_fault_that_can_be_shown(name: str) -> None:
    assert (fault_of(name) is None) == (
        name not in ("", ".", "..")
        and not set(name) & set("/\\\ufffe\uffff")
        and all(unicodedata.category(sign) not in ("Cc", "Cs", "Zl", "Zp") for sign in name)
        and len(name.encode("utf-8", "surrogatepass")) <= 255
    )
    assert len(shown(name).splitlines()) <= 1


@pytest.mark.parametrize("name", [*ANY_NAMES, "sub/a.png", "sub/" + "x" * 251 + ".png"])
def test_a_file_that_is_made_from_another_has_a_good_name_of_its_own(name: str) -> None:
    derived = derived_name(name, ".jpg")
    assert fault_of(derived) is None
    assert derived.endswith(".jpg")
    assert derived == f"{name}.jpg" or len(f"{name}.jpg".encode()) > 255 or "/" in name


def test_long_names_that_begin_alike_stay_apart_when_they_are_shortened() -> None:
    names = ["x" * 251 + ending for ending in (".jpg", ".png", ".bmp")] + ["a/b.jpg", "a_b.jpg"]
    assert len({derived_name(name, ".jpg") for name in names}) == len(names)


def test_a_listed_name_is_the_same_or_the_only_one_of_equal_nfc() -> None:
    assert NFC != NFD
    both = NameIndex([NFC, NFD])
    assert (both.find(NFC), both.find(NFD), both.find("e.jpg")) == (NFC, NFD, None)
    assert NameIndex([NFD, "e.jpg"]).find(NFC) == NFD
    assert NameIndex([NFC]).find(NFD) == NFC
    angstroms = NameIndex(["\u212b.jpg", "A\u030a.jpg"])
    assert angstroms.find("\u00c5.jpg") is None  # either may be meant
