"""From what was seen at the positions of a gene to its named alleles: every pair that fits, and none that is guessed.

A position that was not seen may be anything. Where the order on two chromosomes is not known, every order is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Final

from cds_app.domain.facts import UNNAMED, Site
from cds_app.domain.pharmacogenes import INDETERMINATE, Allele, Gene, Position

Couple = tuple[Allele, Allele]
_Copy = frozenset[str]
_MOST_UNPHASED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What positions say of a gene.

    Parameters
    ----------
    couples : tuple of (Allele, Allele)
        Every pair of alleles that fits. One, and nothing lacking: the diplotype.
    unseen : tuple of str
        Positions that were not reported or not called.
    unnamed : str
        What keeps the alleles from being named; "" if nothing does.
    """

    couples: tuple[Couple, ...] = ()
    unseen: tuple[str, ...] = ()
    unnamed: str = ""


def type_gene(gene: Gene, sites: Mapping[int, Site]) -> Typed:
    """Name the alleles of a gene.

    Parameters
    ----------
    sites : mapping of int to Site
        By position; what is not there was not seen.
    """
    called = {one.at: sites[one.at] for one in gene.positions if one.at in sites and sites[one.at].alleles}
    unseen = tuple(one.name for one in gene.positions if one.at not in called)
    strange = next((one.name for one in gene.positions if _is_strange(called.get(one.at))), None)
    if strange is not None:
        return Typed(unseen=unseen, unnamed=f"a change at {strange} has no name")
    ways = _ways(gene, called)
    if ways is None:
        return Typed(unseen=unseen, unnamed="too many changes whose chromosome is not known")
    hidden = frozenset(one.variant(alt) for one in gene.positions if one.at not in called for alt in one.alts)
    couple = _each if gene.naming == "each" else _whole
    found = dict.fromkeys(pair for one, other in ways for pair in couple(gene, one, other, hidden))
    if gene.naming == "each" and not hidden:
        found = dict.fromkeys(_lowest(list(found)))
    if not found:
        return Typed(unseen=unseen, unnamed="these changes together have no name")
    return Typed(couples=tuple(found), unseen=unseen)


def _is_strange(site: Site | None) -> bool:
    return site is not None and UNNAMED in site.alleles


# --- chromosomes


def _ways(gene: Gene, called: Mapping[int, Site]) -> list[tuple[_Copy, _Copy]] | None:
    """Every way in which the changes may lie on two chromosomes; None where there are too many."""
    positions = {one.at: one for one in gene.positions}
    blocks: dict[str, list[tuple[_Copy, _Copy]]] = {}
    for at, site in called.items():
        one, other = (_variant(positions[at], allele) for allele in site.alleles)
        if one == other:
            blocks.setdefault("", []).append((one, other))
        else:
            blocks.setdefault(site.phase or f"alone {at}", []).append((one, other))
    fixed = _joined(blocks.pop("", []))
    loose = [_joined(rows) for rows in blocks.values()]
    if len(loose) > _MOST_UNPHASED:
        return None
    turns = product(*([(False,)] + [(False, True)] * (len(loose) - 1))) if loose else [()]
    return [_joined([fixed, *(_turned(one, turn) for one, turn in zip(loose, way, strict=True))]) for way in turns]


def _variant(position: Position, allele: str) -> _Copy:
    return frozenset() if allele == position.ref else frozenset({position.variant(allele)})


def _joined(rows: Sequence[tuple[_Copy, _Copy]]) -> tuple[_Copy, _Copy]:
    return frozenset[str]().union(*(one for one, _ in rows)), frozenset[str]().union(*(other for _, other in rows))


def _turned(pair: tuple[_Copy, _Copy], turn: bool) -> tuple[_Copy, _Copy]:
    return (pair[1], pair[0]) if turn else pair


# --- names


def _whole(gene: Gene, one: _Copy, other: _Copy, hidden: frozenset[str]) -> Iterator[Couple]:
    """All variants of a chromosome together have one name."""
    first = [allele for allele in gene.defined if allele.fits(one, hidden)]
    second = first if one == other else [allele for allele in gene.defined if allele.fits(other, hidden)]
    if one == other:
        yield from combinations_with_replacement(first, 2)
    else:
        yield from (_ordered(gene, mine, yours) for mine, yours in product(first, second))


def _each(gene: Gene, one: _Copy, other: _Copy, hidden: frozenset[str]) -> Iterator[Couple]:
    """Every variant is an allele: of a chromosome the one with the lowest activity counts."""
    first, second = (list(_counting(gene, copy, hidden)) for copy in (one, other))
    yield from (_ordered(gene, mine, yours) for mine, yours in product(first, second))


def _counting(gene: Gene, copy: _Copy, hidden: frozenset[str]) -> Iterator[Allele]:
    seen = [allele for allele in gene.defined if allele.of and allele.variants <= copy]
    if copy - frozenset[str]().union(*(allele.variants for allele in seen)):
        return  # something on it is no allele by itself
    worst = min(seen, key=_activity, default=_reference(gene))
    yield worst
    perhaps = (one for one in gene.defined if one.of and one not in seen and one.variants <= copy | hidden)
    yield from (one for one in perhaps if _activity(one) < _activity(worst))


def _lowest(couples: Sequence[Couple]) -> Sequence[Couple]:
    """Of several ways round, the one with the two lowest activities, as CPIC counts what is not phased."""
    return [min(couples, key=lambda pair: _activity(pair[0]) + _activity(pair[1]))] if couples else []


def _reference(gene: Gene) -> Allele:
    return next(one for one in gene.defined if not one.of)


def _activity(allele: Allele) -> float:
    return -1.0 if allele.value is None else allele.value


def _ordered(gene: Gene, one: Allele, other: Allele) -> Couple:
    return (one, other) if gene.alleles.index(one) <= gene.alleles.index(other) else (other, one)


def phenotypes_of(gene: Gene, couples: Sequence[Couple]) -> tuple[str, ...]:
    """What the pairs may come to, each once; nothing where none is known."""
    found = dict.fromkeys(gene.phenotype(one, other) for one, other in couples)
    return () if list(found) == [INDETERMINATE] else tuple(found)
