"""Dagster's UI shows what is meant, with any names of pictures."""

import re

import pytest

from imageflow_assets.metadata import listed, picture, plain
from tests.domain.names import ANY_NAMES

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
"""CommonMark 0.31, section 2.4: a backslash before ASCII punctuation shows that as it is."""


@pytest.mark.parametrize("name", [*ANY_NAMES, "a](http://x)![b.jpg", "<img src=x>.jpg", "__bold__.jpg", "a\\b.jpg"])
def test_a_name_is_no_markup(name: str) -> None:
    shown = plain(name)
    assert _ESCAPED.sub(r"\1", shown) == name
    assert not re.search(r"[`*\[\]<>&~|!$#]", _ESCAPED.sub("", shown))
    assert not re.search(r"\b_|_\b", _ESCAPED.sub("-", shown)), "only one within a word marks nothing (section 6.2)"
    assert picture(name, b"-", "png") == f"![{shown}](data:image/png;base64,LQ==)"
    assert listed([name]).value == f"- {shown}"
