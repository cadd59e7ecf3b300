"""What belongs to one browser, sealed once more under a key that only its cookie holds.

The database and the master key together do not open a drawer: names are hashes over the cookie's secret, and contents
are sealed under a key derived from it (HKDF, RFC 5869). A browser whose secret is renewed takes its things along.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cds_app.errors import Conflict, IntegrityError
from cds_app.ports import Cabinet, Document

INDEX: Final = "browser"
MOST: Final = 16
"""Things in one drawer; the oldest makes room."""
_TRIES: Final = 8
_NONCE_BYTES: Final = 12
_SECRET: Final = re.compile(r"[A-Za-z0-9_\-]{43}")

_Content = TypeVar("_Content")


def new_secret() -> str:
    """256 random bits, for a cookie."""
    return secrets.token_urlsafe(32)


def is_secret(text: str) -> bool:
    """Whether this can be one of `new_secret`."""
    return _SECRET.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A thing in the drawer."""

    kind: str
    key: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What is in the drawer, oldest first, and whom the newest launch was for."""

    items: tuple[Item, ...] = ()
    realm: str = ""
    patient: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A thing as it lies there.

    Parameters
    ----------
    version : int
        0 for one that is not there yet.
    """

    version: int = 0
    plain: bytes = field(repr=False)
    until: datetime


class Drawer:
    """One browser's things.

    Parameters
    ----------
    browser : str
        Secret of its cookie, one of `new_secret`.
    """

    def __init__(self, cabinet: Cabinet, browser: str) -> None:
        self._cabinet = cabinet
        self._browser = browser
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"twinline/browser/1").derive(browser.encode())
        self._aead = AESGCM(derived)

    def read(self, kind: str, key: str, now: datetime) -> Kept | None:
        """A thing; None if it is not there, or over."""
        return self._opened(kind, key, self._cabinet.read(kind, self._name(kind, key), now))

    def take(self, kind: str, key: str, now: datetime) -> Kept | None:
        """Take a thing out: exactly one of those who ask gets it."""
        return self._opened(kind, key, self._cabinet.take(kind, self._name(kind, key), now))

    def write(self, kind: str, key: str, kept: Kept, now: datetime) -> Kept:
        """Put a thing back, changed. Raises Conflict if somebody else changed it first."""
        sealed = self._seal(kept.plain, kind, key)
        document = Document(
            kind=kind, name=self._name(kind, key), version=kept.version, content=sealed, until=kept.until
        )
        return replace(kept, version=self._cabinet.write(document, now).version)

    def put(self, kind: str, key: str, kept: Kept, now: datetime, *, until: datetime) -> None:
        """Put a new thing in. Its end may be moved later, up to ``until``."""
        self.write(kind, key, kept, now)
        self.change(lambda index: _with(index, Item(kind=kind, key=key, until=until), now), now)

    def index(self, now: datetime) -> Index:
        """What is in it."""
        return self._index(now)[0]

    def change(self, change: Callable[[Index], Index], now: datetime) -> None:
        """Write the index that a function makes of the one that is there."""
        for left in reversed(range(_TRIES)):
            index, version = self._index(now)
            changed = change(index)
            until = max((one.until for one in changed.items), default=now)
            kept = Kept(version=version, plain=msgspec.json.encode(changed), until=until)
            try:
                self.write(INDEX, "", kept, now)
            except Conflict:
                if not left:
                    raise
                continue
            return

    def move(self, browser: str, now: datetime) -> Drawer:
        """Everything in the drawer of a new secret; this one is left empty.

        Who writes to a thing meanwhile finds it gone, and has to be told that his visit is over.
        """
        other = Drawer(self._cabinet, browser)
        index = self.index(now)
        moved = []
        for item in index.items:
            kept = self.take(item.kind, item.key, now)
            if kept is not None:
                other.write(item.kind, item.key, replace(kept, version=0), now)
                moved.append(item)
        other.change(lambda _: replace(index, items=tuple(moved)), now)
        self._cabinet.take(INDEX, self._name(INDEX, ""), now)
        return other

    def _index(self, now: datetime) -> tuple[Index, int]:
        kept = self.read(INDEX, "", now)
        return (content(kept, Index), kept.version) if kept else (Index(), 0)

    def _name(self, kind: str, key: str) -> str:
        return hashlib.sha256(msgspec.msgpack.encode(("twinline", kind, key, self._browser))).hexdigest()

    def _seal(self, plain: bytes, kind: str, key: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, msgspec.msgpack.encode((kind, key)))

    def _opened(self, kind: str, key: str, document: Document | None) -> Kept | None:
        if document is None or document.until is None:
            return None
        nonce, rest = document.content[:_NONCE_BYTES], document.content[_NONCE_BYTES:]
        try:
            plain = self._aead.decrypt(nonce, rest, msgspec.msgpack.encode((kind, key)))
        except (InvalidTag, ValueError):
            raise IntegrityError("a browser's document does not match its seal") from None
        return Kept(version=document.version, plain=plain, until=document.until)


def content(kept: Kept, kind: type[_Content]) -> _Content:
    """What is written in a thing. Raises IntegrityError."""
    try:
        return msgspec.json.decode(kept.plain, type=kind)
    except msgspec.MsgspecError:
        raise IntegrityError("a browser's document is malformed") from None  # the cause may quote a token


def _with(index: Index, item: Item, now: datetime) -> Index:
    live = (one for one in index.items if one.until > now and (one.kind, one.key) != (item.kind, item.key))
    return replace(index, items=(*live, item)[-MOST:])
