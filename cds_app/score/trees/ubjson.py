"""UBJSON (Draft 12) as far as xgboost writes it: a model file is read without loading xgboost.

Numbers are big-endian; an array of one numeric type comes as one block and is read as a NumPy array.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np

_BLOCKS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_NUMBERS = {
    marker: Struct(kind) for marker, kind in zip(_BLOCKS, (">b", ">B", ">h", ">i", ">q", ">f", ">d"), strict=True)
}
_WORDS = {b"Z": None, b"T": True, b"F": False}


def loads(content: bytes) -> Any:
    """Read one UBJSON value.

    Returns
    -------
    object
        Objects as dict, arrays as list or, where they are typed, as ndarray in the machine's byte order.

    Raises
    ------
    ValueError
        If the bytes are cut short, hold a marker that xgboost does not write, or go on after the value.
    """
    cursor = _Cursor(content)
    try:
        value = cursor.value(cursor.take(1))
    except (KeyError, RecursionError) as error:
        raise ValueError("not UBJSON") from error
    if cursor.at != len(content):
        raise ValueError("bytes after the value")
    return value


class _Cursor:
    """A place in the bytes, moved on by everything that is read."""

    __slots__ = ("at", "content")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, count: int) -> bytes:
        """So many bytes from here."""
        if count < 0 or self.at + count > len(self.content):
            raise ValueError("cut short")
        self.at += count
        return self.content[self.at - count : self.at]

    def value(self, marker: bytes) -> Any:
        """The value that a marker announces."""
        if (number := _NUMBERS.get(marker)) is not None:
            return number.unpack(self.take(number.size))[0]
        if marker in _WORDS:
            return _WORDS[marker]
        if marker == b"S":
            return self._text()
        if marker == b"[":
            return self._array()
        if marker == b"{":
            return self._object()
        raise ValueError("unknown marker")

    def _text(self) -> str:
        return self.take(self._length()).decode()

    def _length(self) -> int:
        length = self.value(self.take(1))
        if not isinstance(length, int):
            raise ValueError("a length that is no integer")
        return length

    def _array(self) -> Any:
        marker = self.take(1)
        if marker == b"$":
            return self._block(np.dtype(_BLOCKS[self.take(1)]))
        if marker == b"#":
            return [self.value(self.take(1)) for _ in range(self._length())]
        found = []
        while marker != b"]":
            found.append(self.value(marker))
            marker = self.take(1)
        return found

    def _block(self, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
        if self.take(1) != b"#":
            raise ValueError("a typed array without a count")
        count = self._length()
        return np.frombuffer(self.take(count * kind.itemsize), kind).astype(kind.newbyteorder("="))

    def _object(self) -> dict[str, Any]:
        found = {}
        while (marker := self.take(1)) != b"}":
            self.at -= len(marker)
            name = self._text()
            found[name] = self.value(self.take(1))
        return found
