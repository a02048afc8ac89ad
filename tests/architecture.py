"""The packages in `docs/architecture.md`, drawn from the import contracts: `python -m tests.architecture FILE`."""

import ast
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGIN = "<!-- Drawn by `make reference` from the import contracts in pyproject.toml. -->"
END = "<!-- End of the drawing. -->"


def contracts() -> Sequence[Mapping[str, Any]]:
    """Return the import contracts as pyproject.toml has them."""
    found: Sequence[Mapping[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    return found


def rows() -> tuple[tuple[str, ...], ...]:
    """Return the packages row by row, the uppermost first."""
    (layers,) = [one["layers"] for one in contracts() if one["type"] == "layers" and "containers" not in one]
    return tuple(tuple(name.strip() for name in layer.split("|")) for layer in layers)


def drawing() -> str:
    """Return the diagram and what each package is, in Markdown."""
    lines = ["```mermaid", "flowchart TB"]
    for number, row in enumerate(rows()):
        lines += [f'  subgraph row{number}[" "]', *(f"    {package}" for package in row), "  end"]
    lines += [f"  row{number} --> row{number + 1}" for number in range(len(rows()) - 1)]
    table = ["| package | what |", "|---|---|"]
    table += [f"| `{package}` | {_about(package)} |" for row in rows() for package in row]
    held = [f"- {one['name']}." for one in contracts()]
    return "\n\n".join([BEGIN, "\n".join([*lines, "```"]), "\n".join(table), "\n".join(held), END])


def redrawn(page: str) -> str:
    """Return a page with its drawing made anew; raise `ValueError` where it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks the lines '{BEGIN}' and '{END}'")
    return f"{before}{drawing()}{after}"


def _about(package: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")))
    if text is None:
        raise ValueError(f"{package}/__init__.py has no docstring, which says what belongs into the package")
    return text.split("\n\n", 1)[0].replace("\n", " ")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(redrawn(file.read_text(encoding="utf-8")), encoding="utf-8")
