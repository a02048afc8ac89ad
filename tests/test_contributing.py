"""CONTRIBUTING.md names the Debian packages that CI installs, and the variables that `make soak` sets."""

import re

from tests.architecture import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def packages(text: str) -> set[str]:
    """Return the packages that the only apt-get install of a text names, options left out."""
    (words,) = re.findall(r"apt-get install ((?:[^\n\\>]|\\\n)+)", text)
    return {word for word in words.replace("\\\n", " ").split() if not word.startswith("-")}


def test_packages_are_read_over_line_ends_and_options_left_out() -> None:
    assert packages("sudo apt-get install -y make \\\n    git\nmake test") == {"make", "git"}
    assert packages("apt-get install -qq openssl podman >/dev/null\n") == {"openssl", "podman"}


def test_the_page_names_the_packages_that_ci_installs() -> None:
    assert packages(PAGE) == packages((ROOT / ".ci" / "run").read_text(encoding="utf-8"))


def test_the_page_names_every_variable_by_which_the_soak_repeats_more() -> None:
    (soak,) = re.findall(r"^soak:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    variables = re.findall(r"(IMAGEFLOW_\w+)=", soak)
    assert variables
    assert [name for name in variables if f"`{name}" not in PAGE] == []
