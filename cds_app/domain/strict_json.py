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
_DIGITS: Final = bytes(0x30 if chr(one).isascii() and chr(one).isdigit() else 0x20 for one in range(256))
_TOO_MANY_DIGITS: Final = b"0" * (MAX_DIGITS + 1)
_STRIDE: Final = 40
_MANY_DIGITS: Final = b"0" * (MAX_DIGITS // _STRIDE)  # every fortieth byte of too many
_BRACKETS: Final = bytes.maketrans(b"[]", b"{}")
_BUT_MARKS: Final = bytes(set(range(256)) - set(b'"[]{}'))
_QUOTED: Final = re.compile(rb'"[^"]*"')
_BOM: Final = b"\xef\xbb\xbf"


def loads(
    data: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES, field: str = "body", spare: str = ""
) -> Any:
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
    spare : str
        Member of the outermost object in which a number that cannot be held stands as its text instead of refusing the
        document: where many resources are read, each for itself, a text where a number belongs costs that one.

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
    value = _read_quickly(data, max_depth)
    return _read_carefully(data, max_depth, field, spare) if value is _UNSURE else value


def read_object(
    data: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES, spare: str = ""
) -> dict[str, Any] | None:
    """One JSON object, read as by `loads`; None if it is anything else."""
    try:
        value = loads(data, max_depth=max_depth, max_bytes=max_bytes, spare=spare)
    except (BadRequest, TooLarge):
        return None
    return value if isinstance(value, dict) else None


def _read_quickly(data: bytes, max_depth: int) -> Any:
    """What msgspec reads, if it is certain that nothing in it is to be refused.

    Notes
    -----
    msgspec reads all of JSON but lets the last of repeated keys win. Then what it read, written again, has fewer
    strings than what came, and so other marks.
    """
    if _may_have_too_many_digits(data):
        return _UNSURE
    try:
        value = msgspec.json.decode(data)
        again = msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _UNSURE
    marks = _marks(data)
    return value if marks == _marks(again) and _is_within(marks, max_depth) else _UNSURE


def _may_have_too_many_digits(data: bytes) -> bool:
    return _MANY_DIGITS in data[::_STRIDE].translate(_DIGITS) and _TOO_MANY_DIGITS in data.translate(_DIGITS)


def _marks(data: bytes) -> bytes:
    """Two quotes for every string of a document, and all brackets as braces, those inside of strings too."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return data.translate(_BRACKETS, _BUT_MARKS)


def _is_within(marks: bytes, max_depth: int) -> bool:
    """Whether nothing nests too deeply: strings out, then the innermost pairs, once for every level."""
    pairs = _QUOTED.sub(b"", marks.replace(b'""', b""))
    for _ in range(max_depth):
        if not pairs:
            break
        pairs = pairs.replace(b"{}", b"")
    return not pairs


def _read_carefully(data: bytes, max_depth: int, field: str, spare: str = "") -> Any:
    value = _parse(data, field)
    _check_depth(value, max_depth, field)
    value = _held(value, field, spare)
    _check_surrogates(value, field)
    return value


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


class _Immense(str):
    """A number that cannot be held, as it came."""

    __slots__ = ()


def _float(text: str) -> float | _Immense:
    value = float(text)
    return _Immense(text) if value in (float("inf"), float("-inf")) else value


def _int(text: str) -> int | _Immense:
    return _Immense(text) if len(text) > MAX_DIGITS else int(text)


def _held(value: Any, field: str, spare: str) -> Any:
    """The value without numbers that cannot be held."""
    spared = isinstance(value, dict) and spare in value
    others = [one for name, one in value.items() if name != spare] if spared else value
    if _is_immense(others):
        raise BadRequest("holds a number that no double can hold, or an integer with too many digits", field=field)
    return {**value, spare: _as_told(value[spare])} if spared else value


def _is_immense(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return any(map(_is_immense, inner)) if isinstance(value, (dict, list)) else isinstance(value, _Immense)


def _as_told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_told(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_as_told(one) for one in value]
    return str(value) if isinstance(value, _Immense) else value


def _constant(_: str) -> float:
    raise BadRequest("holds NaN or Infinity, which are not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_float, parse_int=_int, parse_constant=_constant
)


def _check_depth(value: Any, max_depth: int, field: str) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise TooLarge("nested too deeply", field=field)
        inner = (one for outer in level for one in (outer.values() if isinstance(outer, dict) else outer))
        level = [one for one in inner if isinstance(one, (dict, list))]


def _check_surrogates(value: Any, field: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest("holds half a surrogate pair", field=field) from None
