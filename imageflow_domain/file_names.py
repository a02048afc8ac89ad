"""Names of uploaded files: which are good, and which name no picture. A name is kept as it was given, to the byte.

Names that look alike but are spelled otherwise (NFC, NFD) are different names.
"""

import hashlib
import unicodedata
from collections.abc import Collection, Iterable

from imageflow_domain.errors import BadFile, BadFileNames

PICTURE_TYPES = (".png", ".webp", ".jpg", ".jpeg", ".bmp")
LIST_TYPE = ".csv"
MOST_NAME_BYTES = 255
"""In UTF-8: what file systems hold."""

_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
_NONCHARACTERS = "\ufffe\uffff"  # XML, in which S3 lists keys, cannot spell them
_SHOWN = MOST_NAME_BYTES

_CLUTTER_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information"})
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_PARTIAL = (".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".tmp", ".bak", "~")
_SIDECARS = (
    ".aae", ".csv", ".db", ".htm", ".html", ".ini", ".json", ".log", ".md", ".md5", ".pp3", ".rst", ".sha256", ".thm",
    ".tsv", ".txt", ".xml", ".xmp", ".yaml", ".yml",
)  # fmt: skip
_NOTES = frozenset({"readme", "license", "licence"})


def holds_control(text: str) -> bool:
    """Tell whether a text holds a character that no name may: control, line separator, half of a surrogate pair."""
    return any(unicodedata.category(sign) in _CONTROL or sign in _NONCHARACTERS for sign in text)


def fault_of(name: str) -> str | None:
    """Return what is wrong with a file's name, to go on after it; `None` for a good one."""
    if name in ("", ".", ".."):
        return "names no file"
    if "/" in name or "\\" in name:
        return "holds a path separator"
    if any(unicodedata.category(sign) == "Cs" for sign in name):  # Python's way to spell other bytes
        return "is no UTF-8"
    if holds_control(name):
        return "holds a control character"
    size = len(name.encode())
    if size > MOST_NAME_BYTES:
        return f"has {size} bytes in UTF-8, more than {MOST_NAME_BYTES}"
    return None


def check_file_name(name: str) -> str:
    """Return `name` if a file may be called so; raise `BadFileNames` otherwise."""
    check_file_names([name])
    return name


def check_file_names(names: Iterable[str]) -> None:
    """Raise `BadFileNames` that lists every name that no file may have."""
    faults = tuple(bad for name in names if (bad := bad_name(name)) is not None)
    if faults:
        raise BadFileNames(faults)


def bad_name(name: str) -> BadFile | None:
    """Return the name and the reason for refusing it; `None` for a valid name."""
    fault = fault_of(name)
    return None if fault is None else BadFile(name=shown(name), reason=f"is not a valid file name: it {fault}")


def shown(name: str) -> str:
    """Return a name for a message: on one line, control characters escaped, cut after 255 characters."""
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name[:_SHOWN])
    return f"{text}..." if len(name) > _SHOWN else text


def why_skipped(name: str) -> str | None:
    """Return why a file is skipped by its name alone, without reading it; `None` where it may be a picture.

    One rule for folders, forms and buckets, for batches and for surveys.

    Args:
        name: Of the file, or its path with "/" below the folder of pictures.
    """
    *folders, last = name.lower().split("/")
    if any(folder in _CLUTTER_FOLDERS or is_hidden(folder) for folder in folders):
        return "in a folder of the system's own"
    if is_hidden(last):
        return "a hidden file"
    if last in _SYSTEM_FILES:
        return "a file of the system's own"
    if last.endswith(_PARTIAL) or last.startswith("~$"):
        return "an unfinished or temporary file"
    if last.endswith(_SIDECARS) or last in _NOTES:
        return "a note or a sidecar"
    return None


def is_hidden(part: str) -> bool:
    """Tell whether a file or folder of this name is hidden, as a Mac's notes on each picture are (`._A.JPG`)."""
    return part.startswith(".") and part not in (".", "..")


def why_no_picture(name: str) -> str | None:
    """Return why a file is not taken for a picture: as `why_skipped` has it, or by its ending; `None` for a picture."""
    return why_skipped(name) or (None if name.lower().endswith(PICTURE_TYPES) else "not of a type that is read")


def why_no_map_file(name: str) -> str | None:
    """Return why a file is not taken for a map; `None` for a picture, and for a list (.csv)."""
    is_list = name.lower().endswith(LIST_TYPE) and not is_hidden(name)
    return None if is_list else why_no_picture(name)


def bad_picture(name: str) -> BadFile | None:
    """Return why a file cannot be a picture of a batch, by its name; `None` where it can."""
    if (bad := bad_name(name)) is not None or why_no_picture(name) is None:
        return bad
    return BadFile(name=shown(name), reason=f"is not taken: upload {', '.join(PICTURE_TYPES)}")


def derived_name(name: str, ending: str) -> str:
    """Return the name of a file that is made from another: with another ending behind it, shortened where it must be.

    Args:
        name: Of a file, or its path with "/".
        ending: With its dot; short.
    """
    derived = f"{name}{ending}"
    if fault_of(derived) is None:
        return derived
    distinct = f"~{hashlib.sha256(name.encode()).hexdigest()[:16]}{ending}"
    kept = name.replace("/", "_").encode()[: MOST_NAME_BYTES - len(distinct.encode())]
    return f"{kept.decode(errors='ignore')}{distinct}"


class NameIndex:
    """Finds the files that a list means: programs and file systems spell 'é' in two ways, and lists travel.

    Args:
        names: All files that there are.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._alike: dict[str, list[str]] = {}
        for name in self._names:
            self._alike.setdefault(unicodedata.normalize("NFC", name), []).append(name)

    def find(self, wanted: str) -> str | None:
        """Return the file of exactly that name, or else the only one of equal NFC; `None` where there is none."""
        if wanted in self._names:
            return wanted
        alike = self._alike.get(unicodedata.normalize("NFC", wanted), [])
        return alike[0] if len(alike) == 1 else None
