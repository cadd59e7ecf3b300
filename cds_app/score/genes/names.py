"""How laboratories write alleles, and which allele of the content is meant. What is not known is None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cds_app.domain.facts import Site
from cds_app.domain.pharmacogenes import Allele, Gene, Position

_COPIES: Final = re.compile(r"(.+?)\s*[x×]\s*([1-9]\d?|N)", re.IGNORECASE)
_MOST_COPIES: Final = 13
_SUB: Final = re.compile(r"(\*\d+)(?:\.\d{3}|[A-Z])")
_LETTERS: Final = re.compile(r"([ACGT])\s*[/|]?\s*([ACGT])")
_PREFIX: Final = re.compile(r"^(?:rs\d+|c?\.?-?\d+\s*[ACGT]?\s*>?\s*[ACGT]?)[\s:;,]+", re.IGNORECASE)
_COMPLEMENT: Final = str.maketrans("ACGT", "TGCA")


def couple_of(gene: Gene, symbol: str, texts: tuple[str, ...]) -> tuple[tuple[Allele, Allele], ...] | None:
    """The pairs that a reported genotype may mean: one, or several for a number of copies that is not said.

    Parameters
    ----------
    symbol : str
        Of the gene, which texts may repeat: ``CYP2C9 *2/*5``.
    texts : tuple of str
        One text for both alleles, or two.

    Returns
    -------
    tuple of (Allele, Allele) or None
        None where it names anything that the content does not know.
    """
    parts = [_bare(one, symbol) for one in texts]
    if gene.spoken and len(parts) == 1:
        return _letters(gene, parts[0])
    if len(parts) == 1:
        parts = [one.strip() for one in re.split(r"[/|]|\s\+\s", parts[0])]
    if len(parts) != 2:
        return None
    first, second = (tuple(_named(gene, one)) for one in parts)
    found = tuple((one, other) for one in first for other in second)
    return tuple((one, other) if _at(gene, one) <= _at(gene, other) else (other, one) for one, other in found) or None


def _bare(text: str, symbol: str) -> str:
    bare = re.sub(rf"\b{re.escape(symbol)}\b[:\s]*|(?<=/)\s*{re.escape(symbol)}\s*", "", text.strip()).strip("[] ")
    return bare[1:-1] if bare.startswith("(") and bare.endswith(")") else bare


def _named(gene: Gene, text: str) -> Iterator[Allele]:
    """The allele, with its copies counted; several where their number is not said."""
    text = text.strip("[] ")
    known = _single(gene, text)
    if known is not None:
        yield known
        return
    copies = _COPIES.fullmatch(text)
    one = _single(gene, copies[1]) if copies else None
    if copies is None or one is None or one.value is None:
        return
    said = copies[2].upper()
    numbers = range(2, _MOST_COPIES + 1) if said == "N" else [int(said)]
    yield from (one.model_copy(update={"name": text, "value": one.value * number}) for number in numbers)


def _single(gene: Gene, text: str) -> Allele | None:
    """By its name, without its sub-allele: ``*1.001`` and ``*1A`` are ``*1``."""
    found = gene.named.get(text)
    if found is not None:
        return found
    sub = _SUB.fullmatch(text)
    return gene.named.get(sub[1]) if sub else None


def _at(gene: Gene, allele: Allele) -> int:
    """Its place in the content; that of many copies, after all others."""
    return next((n for n, one in enumerate(gene.alleles) if one is allele), len(gene.alleles))


def _letters(gene: Gene, text: str) -> tuple[tuple[Allele, Allele], ...] | None:
    """A single position that is spoken of by bases, of either strand: ``GG``, ``G/A``, ``rs9923231 C/T``.

    Bases of both strands in one text mean nothing.
    """
    letters = _LETTERS.fullmatch(_PREFIX.sub("", text).strip("() "))
    if letters is None:
        return None
    one, other = letters[1], letters[2]
    for strand in (str.maketrans("", ""), _COMPLEMENT):
        pair = [gene.named.get(base.translate(strand)) for base in (one, other)]
        if pair[0] is not None and pair[1] is not None:
            first, second = sorted((pair[0], pair[1]), key=lambda allele: _at(gene, allele))
            return ((first, second),)
    return None


# --- variants


def site_at(gene: Gene, refseq: str, site: Site) -> tuple[int, Site] | None:
    """Which position of the gene a reported variant is at, its bases as on the plus strand.

    Notes
    -----
    By dbSNP id or by its place on the RefSeq record of the build: a place on another record is another place. Reported
    bases of a gene on the minus strand may be those of the coding strand. Where bases are complementary to each other
    (A and T, C and G) the strand cannot be told from them, and without a place nothing is.
    """
    for position in gene.positions:
        placed = site.place in (f"{refseq}:{position.at}", f"{gene.chrom}:{position.at}")
        if not placed and (not position.rsid or site.place != position.rsid):
            continue
        known = {position.ref, *position.alts}
        said = {one for one in (site.ref, *site.alleles) if one}
        if not site.ref and not site.alleles:
            return position.at, _on_plus(site, position, ())
        mirrored = {one.translate(_COMPLEMENT)[::-1] for one in said}
        ambiguous = not placed and gene.strand == "-" and bool(known & {one.translate(_COMPLEMENT) for one in known})
        if ambiguous:
            return None
        if said <= known and site.ref in ("", position.ref):
            return position.at, _on_plus(site, position, site.alleles)
        if not placed and gene.strand == "-" and mirrored <= known:
            turned = tuple(one.translate(_COMPLEMENT)[::-1] for one in site.alleles)
            return position.at, _on_plus(site, position, turned)
        return None
    return None


def _on_plus(site: Site, position: Position, alleles: tuple[str, ...]) -> Site:
    """The site with bases of the plus strand; uncalled where one change of several is absent: another may be there."""
    open_ = len(position.alts) > 1 and set(alleles) == {position.ref}
    return Site(place=site.place, ref=position.ref, alleles=() if open_ else alleles, phase=site.phase)
