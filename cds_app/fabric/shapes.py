"""Tolerant access to JSON that came from outside: any shape is met with a value or with nothing, never an exception."""

from __future__ import annotations

import unicodedata
from math import isfinite
from typing import Any, Final

Object = dict[str, Any]

MAX_TEXT: Final = 200
MAX_ITEMS: Final = 500
WITH_COMMA: Final = r"(?:0,[0-9]{1,9}|[0-9]{1,9},(?:[0-9]{1,2}|[0-9]{4,9}))"
"""A decimal comma in a pattern. Before three digits it may as well part thousands, and nobody knows which."""


def as_object(value: object) -> Object | None:
    """The value if it is a JSON object."""
    return value if isinstance(value, dict) else None


def objects(value: object) -> list[Object]:
    """The objects in a list, at most 500; one object counts as a list of it (FHIR STU3 shapes that R4 repeats)."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [one for one in value[:MAX_ITEMS] if isinstance(one, dict)]
    return []


def first(value: object) -> Object:
    """The first object of `objects`, else an empty one."""
    found = objects(value)
    return found[0] if found else {}


def word(value: object) -> str:
    """A code, status, unit or text for people: a string on one line, at most 200 characters; "" for anything else.

    Notes
    -----
    Control and format characters are left out and white space is collapsed. No compatibility normalisation: NFKC
    would turn 10² into 102.
    """
    if not isinstance(value, str):
        return ""
    clean = len(value) <= MAX_TEXT and value.isprintable() and value == value.strip()
    return value if clean else _cleaned(value)


def _cleaned(text: str) -> str:
    spaced = "".join(_kept(character) for character in text[: 4 * MAX_TEXT])
    short = " ".join(spaced.split())
    return short if len(short) <= MAX_TEXT else short[: MAX_TEXT - 1] + "…"


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "Z" or character in "\t\n\v\f\r":
        return " "
    return "" if category[0] == "C" else character


def decimal(text: str) -> float:
    """The number in a text that was found to be one, with a point or `WITH_COMMA`."""
    return float(text.replace(",", "."))


def number(value: object) -> float | None:
    """A finite JSON number; a boolean, a string and an integer beyond a double are none."""
    if type(value) is float:
        return value if isfinite(value) else None
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return None
    return None
