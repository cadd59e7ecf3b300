"""What records of a VCF say at the positions of a gene, and what they say together."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cds_app.domain.facts import UNNAMED, Site
from cds_app.domain.pharmacogenes import Gene, Position
from cds_app.errors import DataError
from cds_app.fabric.genes.alleles import Change, changes_of, trimmed

NOTHING_ELSE: Final = frozenset({"<NON_REF>", "<*>", "<X>"})
"""What an ALT is called that stands for all others."""
_FARTHEST: Final = 100
"""Bases that a change can be moved to the left within the stretches of the content."""
_Changes = tuple[Change, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line of a VCF at or over a gene.

    Parameters
    ----------
    at, last : int
        First and last place that it speaks of.
    ref, alts
        As in the line, capital letters.
    copies : (int, int) or None
        Which allele each copy has, 0 for ``ref``; None where that was not called.
    phase : str
        As `Site.phase`.
    copy_number : bool
        Whether it says that there are more or fewer copies than two.
    genes : tuple of str
        Symbols of those that it touches.
    """

    at: int
    last: int
    ref: str
    alts: tuple[str, ...]
    copies: tuple[int, int] | None
    phase: str
    genes: tuple[str, ...]
    copy_number: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """What one record says at one position; ``about`` is which other alleles it asks of, None if of all."""

    alleles: tuple[str, ...]
    phase: str
    about: frozenset[str] | None


@dataclass(slots=True)
class Observed:
    """What was seen of one gene so far."""

    said: dict[int, list[_Said]] = field(default_factory=dict)
    structural: bool = False


def observe(record: Record, gene: Gene, seen: Observed) -> None:
    """Add what a record says.

    Raises
    ------
    DataError
        If its reference is not the one of the positions.
    """
    _check_reference(record, gene)
    if _is_structural(record):
        seen.structural |= _has_symbol(record)
        return
    changes = [_changes(gene, record, alt) for alt in record.alts]
    found = {one: _copies(record, one, changes) for one in _around(record, gene) if _speaks_of(record, one, changes)}
    differing = sum(len(set(alleles)) > 1 for alleles in found.values())
    phase = record.phase or (f"record {record.at}" if differing > 1 else "")  # what one allele changes lies on one copy
    for position, alleles in found.items():
        said = _Said(alleles, phase, _about(record, position, changes))
        seen.said.setdefault(position.at, []).append(said)


def fold(gene: Gene, seen: Observed) -> tuple[Site, ...]:
    """One site a position. Records that contradict each other leave it uncalled."""
    positions = {one.at: one for one in gene.positions}
    return tuple(
        Site(place=f"{gene.chrom}:{at}", ref=positions[at].ref, alleles=alleles, phase=phase)
        for at, rows in sorted(seen.said.items())
        for alleles, phase in [_together(positions[at], rows)]
    )


def _together(position: Position, rows: Sequence[_Said]) -> tuple[tuple[str, ...], str]:
    distinct = list(dict.fromkeys(rows))
    if len(distinct) == 1:
        return distinct[0].alleles, distinct[0].phase
    asked = [one.about for one in distinct if one.about is not None and one.alleles]
    if len(asked) < len(distinct) or sum(map(len, asked)) > len(frozenset().union(*asked)):
        return (), ""  # the same was asked twice and answered in two ways
    if all(one.phase for one in distinct) and len({one.phase for one in distinct}) == 1:
        copies = [_one_copy(position, [one.alleles[n] for one in distinct]) for n in (0, 1)]
        return ((), "") if None in copies else (tuple(map(str, copies)), distinct[0].phase)
    changed = Counter(allele for one in distinct for allele in one.alleles if allele != position.ref)
    if changed.total() > 2:
        return (), ""
    alleles = sorted(changed.elements())
    return (*[position.ref] * (2 - len(alleles)), *alleles), ""


def _one_copy(position: Position, alleles: Sequence[str]) -> str | None:
    changed = [one for one in alleles if one != position.ref]
    return None if len(changed) > 1 else (changed[0] if changed else position.ref)


# --- one record, one position


def _check_reference(record: Record, gene: Gene) -> None:
    exempt = "" if any(alt.isalpha() for alt in record.alts) else "N"  # what spells no bases may leave out its first
    for position in _around(record, gene):
        n = position.at - record.at
        if 0 <= n < len(record.ref) and record.ref[n] not in (position.ref[0], exempt):
            raise DataError("REF is not that of the build: another build, or another strand", field="vcf.build")


def _around(record: Record, gene: Gene) -> tuple[Position, ...]:
    """Positions that a record may speak of: its own, and those whose change it may be spelled elsewhere."""
    first = bisect_left(gene.places, record.at - _FARTHEST)
    return gene.positions[first : bisect_right(gene.places, record.last)]


def _is_structural(record: Record) -> bool:
    return record.copy_number or any(_is_symbol(alt) for alt in record.alts)


def _is_symbol(alt: str) -> bool:
    return alt not in NOTHING_ELSE and alt != "*" and not alt.isalpha()


def _has_symbol(record: Record) -> bool:
    """Whether one of the two copies is lost, gained or rearranged, or may be."""
    if record.copy_number or record.copies is None:
        return True
    return any(one and _is_symbol(record.alts[one - 1]) for one in record.copies)


def _changes(gene: Gene, record: Record, alt: str) -> tuple[Change, ...] | None:
    """None for an ALT that is no bases (``*``, whatever else there may be)."""
    return tuple(changes_of(gene, record.at, record.ref, alt)) if alt.isalpha() else None


def _speaks_of(record: Record, position: Position, changes: Sequence[_Changes]) -> bool:
    covered = record.at <= position.at <= record.last
    if not any(one is not None for one in changes):
        return covered
    if position.substitution:
        return covered and position.at < record.at + len(record.ref)
    return any(_is_at(change, position) for one in changes for change in one or ())


def _is_at(change: Change, position: Position) -> bool:
    """Whether a change is an insertion or deletion of where this position has one."""
    if len(change.ref) == len(change.alt):
        return False
    gone = range(position.at + 1, position.at + len(position.ref))
    overlap = range(max(gone.start, change.touched.start), min(gone.stop, change.touched.stop))
    return change.at == position.at or len(overlap) > 0


def _copies(record: Record, position: Position, changes: Sequence[_Changes]) -> tuple[str, ...]:
    return tuple(_allele(position, one, changes) for one in record.copies or ())


def _about(record: Record, position: Position, changes: Sequence[_Changes]) -> frozenset[str] | None:
    """Which alleles there a record asks of; those without a name by what its ALT is."""
    if all(one is None for one in changes):
        return None
    found = ((alt, _allele(position, n, changes)) for n, alt in enumerate(record.alts, 1) if changes[n - 1] is not None)
    return frozenset(alt if allele == UNNAMED else allele for alt, allele in found) - {position.ref}


def _allele(position: Position, index: int, changes: Sequence[_Changes]) -> str:
    if index == 0:
        return position.ref
    made = changes[index - 1]
    if made is None:
        return UNNAMED
    variants = {trimmed(position.at, position.ref, alt): alt for alt in position.alts}
    named = next((variants[one] for one in made if one in variants), None)
    if named is not None:
        return named
    if position.substitution:
        return UNNAMED if any(position.at in one.touched for one in made) else position.ref
    return UNNAMED if any(_is_at(one, position) for one in made) else position.ref
