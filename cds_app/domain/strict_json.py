"""JSON read strictly: what two parsers could read differently, or what would break later, is refused here."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from cds_app.errors import BadRequest, TooLarge

MAX_DEPTH: Final = 64
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_DIGITS: Final = 400

_UNSURE: Final = object()
_SPACED_KEY: Final = re.compile(rb'"[ \t\n\r]+:')
_DIGITS: Final = bytes(0x30 if chr(one).isascii() and chr(one).isdigit() else 0x20 for one in range(256))
_TOO_MANY_DIGITS: Final = b"0" * (MAX_DIGITS + 1)
_BOM: Final = b"\xef\xbb\xbf"
_SURROGATE: Final = (b"\\ud", b"\\uD")


def loads(data: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES, field: str = "body") -> Any:
    """Read one JSON value from UTF-8 bytes.

    Parameters
    ----------
    data : bytes
        The whole document.
    max_depth : int
        How deep arrays and objects may nest; a scalar has depth 0.
    max_bytes : int
        How long the document may be.
    field : str
        What the document is, for the error.

    Raises
    ------
    TooLarge
        If it is longer or deeper than allowed.
    BadRequest
        If it is not UTF-8 without a byte order mark, not JSON (RFC 8259; NaN and Infinity are not), repeats a key,
        holds half a surrogate pair, a number beyond a double or an integer of more than 400 digits.

    Notes
    -----
    Errors carry no cause: the parser's own error holds the whole document.
    """
    if len(data) > max_bytes:
        raise TooLarge("too many bytes", field=field)
    if data.startswith(_BOM):
        raise BadRequest("starts with a byte order mark", field=field)
    value = _parse_quickly(data)
    if value is _UNSURE:
        value = _parse(data, field)
    if _keys(value, max_depth, field) != _at_most(data):  # a key is repeated, or a text looks like one
        value = _parse(data, field)
    if any(mark in data for mark in _SURROGATE):
        _check_surrogates(value, field)
    return value


def _parse_quickly(data: bytes) -> Any:
    """What msgspec reads, which is all of JSON but for repeated keys; whatever it refuses is looked at again."""
    if _TOO_MANY_DIGITS in data.translate(_DIGITS):
        return _UNSURE
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _UNSURE


def _parse(data: bytes, field: str) -> Any:
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except BadRequest as error:
        raise BadRequest(error.message, field=field) from None
    except RecursionError:
        raise TooLarge("nested too deeply", field=field) from None
    except ValueError:
        raise BadRequest("not JSON in UTF-8", field=field) from None


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    pairs = dict(found)
    if len(pairs) != len(found):
        raise BadRequest("repeats a key in one object")
    return pairs


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadRequest("holds a number that no double can hold")
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise BadRequest("holds an integer with too many digits")
    return int(text)


def _constant(_: str) -> float:
    raise BadRequest("holds NaN or Infinity, which are not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_float, parse_int=_int, parse_constant=_constant
)


def _at_most(data: bytes) -> int:
    """How many keys there can be: every key is followed by a colon."""
    return data.count(b'":') + len(_SPACED_KEY.findall(data))


def _keys(value: Any, max_depth: int, field: str) -> int:
    """How many keys all objects have together; refuses what is nested too deeply on the way."""
    level = [value] if isinstance(value, (dict, list)) else []
    depth = keys = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise TooLarge("nested too deeply", field=field)
        keys += sum(len(outer) for outer in level if type(outer) is dict)
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
    return keys


def _check_surrogates(value: Any, field: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest("holds half a surrogate pair", field=field) from None
