"""Resources that a history Bundle says are no more (R4, "history": an entry without a resource, ``request`` DELETE)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from cds_app.domain.corrections import AFTER
from cds_app.fabric.context import version_of
from cds_app.fabric.references import local_reference, typed
from cds_app.fabric.shapes import Object, as_object, word

_GONE: Final = "410"
_VERSION: Final = re.compile(r"(?:W/)?\"?([0-9]{1,20})\"?")
_HISTORY: Final = "/_history/"


class Deletion(msgspec.Struct, frozen=True):
    """What stands in the place of a resource that was deleted.

    Parameters
    ----------
    name : str
        ``Type/id``.
    version : str
        Sorts with the versions of the resource.
    """

    name: str
    version: str


def deletion_in(entry: object, older: Sequence[object]) -> Deletion | None:
    """What an entry of a history says was deleted; None if it says nothing of the kind.

    Parameters
    ----------
    entry : object
        One without a resource.
    older : sequence
        The entries after it: a history tells the newest first.
    """
    found = as_object(entry) or {}
    request, response = as_object(found.get("request")) or {}, as_object(found.get("response")) or {}
    if request.get("method") != "DELETE" and not word(response.get("status")).startswith(_GONE):
        return None
    url = word(request.get("url"))
    name = typed(url) or typed(word(found.get("fullUrl")))
    if not name:
        return None
    number = _VERSION.fullmatch(word(response.get("etag")) or url.partition(_HISTORY)[2])
    said = version_of({"meta": {"versionId": number[1] if number else "", "lastUpdated": response.get("lastModified")}})
    return Deletion(name, _after(said, max(_versions(name, older), default="")))


def _versions(name: str, entries: Sequence[object]) -> list[str]:
    resources: list[Object] = [as_object((as_object(one) or {}).get("resource")) or {} for one in entries]
    return [version_of(one) for one in resources if local_reference(one) == name]


def _after(said: str, older: str) -> str:
    """The version of a deletion, in the terms of the one before it where it says less."""
    number, _, stamp = said.partition("/")
    if not older or number:
        return said
    return f"{older.partition('/')[0]}/{stamp}" if stamp else f"{older}{AFTER}"
