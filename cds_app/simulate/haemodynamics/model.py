"""The circulation's artefact read into values; every number there carries its source and its verification tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_app.errors import ContentError
from cds_app.simulate.haemodynamics.reference import Baroreflex, Constants
from cds_app.simulate.haemodynamics.surface import Surface, surface_of

if TYPE_CHECKING:
    from cds_app.content import Artefact

FILE = "circulation.json"
_SURFACE = "surface.json"
_TAGS = frozenset({"V", "2x", "G", "M"})


def mechanics(artefact: Artefact) -> tuple[Constants, Baroreflex]:
    """The reference adult and the baroreflex.

    Raises
    ------
    ContentError
        If the artefact lacks a number or has one too many.
    """
    groups = artefact.read_json(FILE)
    try:
        reflex = {**values(groups, "baroreflex"), **values(groups, "pressure_sensing")}
        return Constants(**values(groups, "constants")), Baroreflex(**reflex)
    except TypeError as error:
        raise ContentError(f"{FILE} does not hold what the circulation needs", field=FILE) from error


def surface(artefact: Artefact) -> Surface:
    """The fitted surface; ContentError if it is incomplete."""
    try:
        return surface_of(artefact.read_json(_SURFACE))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ContentError(f"{_SURFACE} is incomplete", field=_SURFACE) from error


def values(groups: Any, name: str) -> dict[str, Any]:
    """The numbers of a group; ContentError unless it says where they come from."""
    try:
        group = groups[name]
        told = bool(group["source"]) and set(group["tag"].split(", ")) <= _TAGS
        reviewed = group["needs-review"] is ("M" in group["tag"])
        found: dict[str, Any] = dict(group["values"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ContentError("a group of numbers has no source, tag or values", field=name) from error
    if not (told and reviewed):
        raise ContentError("a group of numbers must say its source, its tag and whether it needs review", field=name)
    return found
