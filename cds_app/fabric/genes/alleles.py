"""Two ways to write one change are one change: alleles of a VCF, trimmed and moved to the left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cds_app.domain.pharmacogenes import Gene


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the reference, as short as can be; an insertion or deletion stands behind the base before it."""

    at: int
    ref: str
    alt: str

    @property
    def name(self) -> str:
        """As alleles of the content name it."""
        return f"{self.at}{self.ref}>{self.alt}"

    @property
    def touched(self) -> range:
        """Places whose bases are exchanged or gone."""
        return range(self.at + (len(self.ref) != len(self.alt)), self.at + len(self.ref))


def changes_of(gene: Gene, at: int, ref: str, alt: str) -> Iterator[Change]:
    """What one ALT of a record changes, in capital letters.

    Notes
    -----
    Exchanges of several bases are taken apart base by base. Insertions and deletions are trimmed at both ends and
    shifted to the left as far as the reference is known: the content knows it wherever a named allele has one.
    """
    if len(ref) == len(alt):
        pairs = enumerate(zip(ref, alt, strict=True))
        yield from (Change(at + n, one, other) for n, (one, other) in pairs if one != other)
    else:
        yield _moved_left(
            {one.start + n: base for one in gene.context for n, base in enumerate(one.bases)}, at, ref, alt
        )


def _moved_left(bases: Mapping[int, str], at: int, ref: str, alt: str) -> Change:
    while True:
        while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        before = bases.get(at - 1)
        if ref[-1] != alt[-1] or before is None:
            break
        at, ref, alt = at - 1, before + ref[:-1], before + alt[:-1]
    return trimmed(at, ref, alt)


def trimmed(at: int, ref: str, alt: str) -> Change:
    """Without what is alike at the end, then at the beginning; one base stays on both sides."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        at, ref, alt = at + 1, ref[1:], alt[1:]
    return Change(at, ref, alt)
