"""Names of keys, as X and xdotool spell them.

Each argument of xdotool must be one word: its language can start programs.
"""

import difflib
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _words(text: str) -> list[str]:
    return text.split()


_PUNCTUATION = dict(
    zip(
        " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        _words(
            "space exclam quotedbl numbersign dollar percent ampersand apostrophe parenleft parenright asterisk plus "
            "comma minus period slash colon semicolon less equal greater question at bracketleft backslash "
            "bracketright asciicircum underscore grave braceleft bar braceright asciitilde"
        ),
        strict=True,
    )
)
_NAMES = frozenset(
    [
        *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        *_PUNCTUATION.values(),
        *_words("alt ctrl control meta super shift enter return"),  # xdotool's own short names
        *_words(
            "Return Escape BackSpace Tab Linefeed Clear Pause Scroll_Lock Sys_Req Delete Multi_key Home Left Up Right "
            "Down Prior Page_Up Next Page_Down End Begin Select Print Execute Insert Undo Redo Menu Find Cancel Help "
            "Break Mode_switch Num_Lock Caps_Lock Shift_Lock Shift_L Shift_R Control_L Control_R Meta_L Meta_R Alt_L "
            "Alt_R Super_L Super_R Hyper_L Hyper_R ISO_Level3_Shift ISO_Left_Tab KP_Space KP_Tab KP_Enter KP_Home "
            "KP_Left KP_Up KP_Right KP_Down KP_Prior KP_Page_Up KP_Next KP_Page_Down KP_End KP_Begin KP_Insert "
            "KP_Delete KP_Equal KP_Multiply KP_Add KP_Separator KP_Subtract KP_Decimal KP_Divide KP_F1 KP_F2 "
            "KP_F3 KP_F4"
        ),
        *(f"KP_{digit}" for digit in range(10)),
        *(f"F{number}" for number in range(1, 36)),
    ]
)
_OTHERS = re.compile(r"U[0-9A-Fa-f]{4,6}|XF86[A-Za-z0-9]{1,28}")
_BY_LOWER_CASE = {name.lower(): name for name in sorted(_NAMES, reverse=True)}
_MOST_AT_ONCE = 4


def _key(value: Any) -> Any:
    """Return the key that a scalar of YAML stands for, as xdotool spells it."""
    if isinstance(value, bool):
        raise ValueError("must be the name of a key in quotes: YAML reads this word as true or false")
    if isinstance(value, int) and 0 <= value <= 9:
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be the name of a key, such as Return, a, 7 or ctrl+p")
    if value in _PUNCTUATION:
        return _PUNCTUATION[value]
    parts = value.split("+")
    if len(parts) > _MOST_AT_ONCE:
        raise ValueError(f"must be at most {_MOST_AT_ONCE} keys joined by +")
    for part in parts:
        _check(part)
    return value


def _check(name: str) -> None:
    if name in _NAMES or _OTHERS.fullmatch(name):
        return
    shown = name if name.isprintable() and len(name) <= 32 else "this"
    lower = name.lower()
    near = difflib.get_close_matches(lower, _BY_LOWER_CASE, n=1, cutoff=0.7)
    meant = _PUNCTUATION.get(name) or _BY_LOWER_CASE.get(lower) or (_BY_LOWER_CASE[near[0]] if near else None)
    raise ValueError(
        f"'{shown}' is no key's name in X, such as Return, F5, KP_Add, comma, ctrl+p or a character's code U00E9"
        f"{f': did you mean {meant}?' if meant else ''}"
    )


def key_of_character(character: str) -> str:
    """Return the name of the key that types a printable character."""
    return f"U{ord(character):04X}"


Key = Annotated[
    str, BeforeValidator(_key), Field(pattern=r"^[A-Za-z0-9_]{1,32}(\+[A-Za-z0-9_]{1,32}){0,3}$", examples=["ctrl+p"])
]
"""One key, or several joined by +."""
