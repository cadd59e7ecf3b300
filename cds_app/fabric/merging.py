"""Patients who were merged into one another, as ``Patient.link`` says it (R4, Patient, "Linking patients").

Only ``replaced-by`` and ``replaces`` make one record of two: the first must no longer be used, the second points back
to an inactive record whose results are to be consulted. ``refer`` and ``seealso`` leave two records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cds_app.fabric.references import is_id, reference_text, typed
from cds_app.fabric.shapes import objects, word

_PATIENT: Final = "Patient/"
_MOST: Final = 50


def links_of(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and bare id of the Patients of this server that a Patient is linked to."""
    for link in objects(resource.get("link")):
        name = typed(reference_text(link.get("other")))
        key = name.removeprefix(_PATIENT)
        if name.startswith(_PATIENT) and is_id(key):
            yield word(link.get("type")), key


def merged_into(people: Iterable[Mapping[str, Any]], patient: str) -> frozenset[str]:
    """Bare ids of those whose results are this patient's, through all merges.

    Parameters
    ----------
    people : iterable of mapping
        Patient resources, the newest of each id last.

    Returns
    -------
    frozenset of str
        Without whom the records do not agree on: one that two others replace, one in use (``active``) that does not say
        that it is replaced, and everybody where the merges run in a circle.
    """
    newest = {key: one for one in people if isinstance(key := one.get("id"), str)}
    heirs = _heirs(newest)
    found, todo = set[str](), [patient]
    while todo and len(found) < _MOST:
        heir = todo.pop()
        below = [old for old, those in heirs.items() if those == {heir} and old not in found]
        found.update(below)
        todo.extend(below)
    return frozenset() if patient in found else frozenset(found)


def _heirs(people: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """By whom each is replaced."""
    heirs: dict[str, set[str]] = {}
    for key, one in people.items():
        for kind, other in links_of(one):
            if kind == "replaced-by":
                heirs.setdefault(key, set()).add(other)
            elif kind == "replaces" and not _in_use(people.get(other)):
                heirs.setdefault(other, set()).add(key)
    return heirs


def _in_use(person: Mapping[str, Any] | None) -> bool:
    """Whether a Patient says that it is in use, and of nobody who goes on in its place."""
    if person is None or person.get("active") is not True:
        return False
    return all(kind != "replaced-by" for kind, _ in links_of(person))
