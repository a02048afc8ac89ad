"""Kinds of values that every asset shows in Dagster's UI."""

import base64
import re
from collections.abc import Iterable, Mapping

import dagster as dg

# An underscore between letters or digits marks nothing.
_MARKS = re.compile(r"[\\`*\[\]<>&~|!$#]|(?<![^\W_])_|_(?![^\W_])")

Shown = Mapping[str, dg.MetadataValue]


def table(rows: Iterable[Mapping[str, str | int | float]]) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Show rows; the text "none" where there is none."""
    records = [dg.TableRecord(dict(row)) for row in rows]
    # Dagster cannot infer the columns of a table without rows
    return dg.MetadataValue.table(records) if records else dg.MetadataValue.text("none")


def listed(lines: Iterable[str]) -> dg.MarkdownMetadataValue:
    """Show lines of plain text as a list."""
    return dg.MetadataValue.md("\n".join(f"- {plain(line)}" for line in lines) or "none")


def plain(text: str) -> str:
    """Return Markdown that shows a text as it is: pictures may be called `a[1].jpg`, or `_a_<b>.jpg`."""
    return _MARKS.sub(r"\\\g<0>", text)


def megabytes(size: int) -> dg.FloatMetadataValue:
    """Show bytes as millions of them, to two decimals."""
    return dg.MetadataValue.float(round(size / 1e6, 2))


def seconds(spent: float) -> dg.FloatMetadataValue:
    """Show seconds, to two decimals."""
    return dg.MetadataValue.float(round(spent, 2))


def picture(name: str, data: bytes, kind: str) -> str:
    """Return a picture as markdown that holds its bytes.

    Args:
        name: Text for readers that cannot see the picture.
        data: The file.
        kind: jpeg, png or webp.
    """
    return f"![{plain(name)}](data:image/{kind};base64,{base64.b64encode(data).decode()})"
