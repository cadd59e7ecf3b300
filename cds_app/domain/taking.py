"""Of what a value was taken, where and how (``Observation.specimen``, ``bodySite``, ``method``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from cds_app.domain.facts import Code

Element = Literal["specimen", "bodySite", "method"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # one object per artefact, and a key of what is remembered
class Kind:
    """A material, a place or a way.

    Parameters
    ----------
    key : str
        Name in the ontology (``pleural_fluid``).
    element : {"specimen", "bodySite", "method"}
        By which it is said.
    label : str
        How it is said (``pleural fluid``).
    parents : tuple of str
        Keys of kinds that say less of the same thing: arterial blood is blood.
    codes : tuple of Code
    names : tuple of str
        Whole words that name it where no code is known.
    """

    key: str
    element: Element
    label: str
    parents: tuple[str, ...]
    codes: tuple[Code, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How a variable is taken, by one element.

    Parameters
    ----------
    accepted : frozenset of str or None
        Keys of the kinds that its codes may be of: the usual one, what says less, and what says more. None: any.
    shown : frozenset of str
        Keys of those of them that are told beside the value.
    """

    accepted: frozenset[str] | None
    shown: frozenset[str]


class Judged(msgspec.Struct, frozen=True):
    """What to tell beside a value, and the kind by which it is none of the variable, if any."""

    shown: tuple[str, ...] = ()
    foreign: Kind | None = None


NOTHING = Judged()


def judged(usual: Mapping[tuple[str, Element], Usual], variable: str, found: Iterable[Kind]) -> Judged:
    """Hold what was said of a value against how its variable is taken.

    One kind that speaks against the variable is enough. What a code of the variable says and what is said of its
    specimen contradict each other then: neither is believed, and the value is no other variable's either.
    """
    shown = []
    for kind in found:
        expected = usual.get((variable, kind.element))
        if expected is None:
            continue
        if expected.accepted is not None and kind.key not in expected.accepted:
            return Judged(foreign=kind)
        if kind.key in expected.shown:
            shown.append(kind.key)
    return Judged(tuple(shown))
