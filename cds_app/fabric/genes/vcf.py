"""VCF 4.x on GRCh38: what one sample shows at the places where pharmacogenes are told apart.

A place without a record is unknown. A build is never guessed: a file of another one, of none, or whose reference bases
are not those of GRCh38 is refused as a whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cds_app.domain.facts import GeneResult, Site
from cds_app.domain.pharmacogenes import Gene, Pharmacogenes
from cds_app.errors import DataError
from cds_app.fabric.genes.positions import NOTHING_ELSE, Observed, Record, fold, observe

_FIXED: Final = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
_FIRST_SAMPLE: Final = 9
_CONTIG: Final = re.compile(r"##contig=<(.*)>")
_PAIR: Final = re.compile(r'(\w+)=("[^"]*"|[^,]*)')
_SAID: Final = re.compile(r"##(?:reference|assembly)=(.*)", re.IGNORECASE)
_BASES: Final = re.compile(r"[ACGTNRYSWKMBDHV]+")
_END: Final = re.compile(r"(?:^|;)END=(\d{1,10})(?:;|$)")
_SVLEN: Final = re.compile(r"(?:^|;)SVLEN=-?(\d{1,10})(?:[;,]|$)")
_DIGITS: Final = 10
_PASSED: Final = frozenset({"PASS", ".", ""})
_NO_READ: Final = re.compile(r"(?:^|;)(?:DP|MIN_DP|MinDP)=0(?:;|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Genotyped:
    """What a file shows of one gene."""

    gene: str
    sites: tuple[Site, ...]
    structural: bool


@dataclass(slots=True)
class _Header:
    """Grows with the lines that begin with ``##``."""

    lengths: Counter[str] = field(default_factory=Counter)
    said: set[str] = field(default_factory=set)
    lines: int = 0


def read_vcf(lines: Iterable[str], genes: Pharmacogenes, sample: str | None = None) -> tuple[Genotyped, ...]:
    """Read one sample of a VCF, line by line.

    Parameters
    ----------
    lines : iterable of str
        Without their line ends.
    sample : str, optional
        Which one; needed where there are several.

    Returns
    -------
    tuple of Genotyped
        The genes of which it shows anything.

    Raises
    ------
    DataError
        If it is no VCF 4, of another build, malformed, or leaves open whose sample is meant. No value is quoted.
    """
    rows = iter(lines)
    column = _begin(rows, genes, sample)
    places = {symbol: gene for symbol, gene in genes.genes.items() if gene.positions}
    near: dict[str, dict[str, Gene]] = {}
    for symbol, gene in places.items():
        for spelled in (gene.chrom, gene.chrom.removeprefix("chr")):
            near.setdefault(spelled, {})[symbol] = gene
    found = {symbol: Observed() for symbol in places}
    for number, line in enumerate(rows, 1):
        record = _near(line, column, genes.least_quality, near, number)
        if record is not None:
            for symbol in record.genes:
                observe(record, places[symbol], found[symbol])
    folded = ((symbol, fold(places[symbol], one), one.structural) for symbol, one in found.items())
    return tuple(
        Genotyped(gene=symbol, sites=sites, structural=lost) for symbol, sites, lost in folded if sites or lost
    )


def _near(line: str, column: int, least: float, near: Mapping[str, Mapping[str, Gene]], number: int) -> Record | None:
    chrom, tab, _ = line.partition("\t")
    here = near.get(chrom)
    if here is None:
        if line and not tab:
            raise DataError("is not a record", field=f"vcf.record.{number}")
        return None
    return _record(line, column, least, here, number)


# --- header


def _begin(rows: Iterator[str], genes: Pharmacogenes, sample: str | None) -> int:
    """The column of the sample, the build checked."""
    header = _Header()
    for line in rows:
        if not line.startswith("##"):
            break
        _header_line(line, header, genes)
    else:
        raise DataError("has no line #CHROM", field="vcf.header")
    _check_build(header, genes)
    return _sample(line.rstrip().split("\t"), sample)


def _header_line(line: str, header: _Header, genes: Pharmacogenes) -> None:
    header.lines += 1
    if header.lines == 1 and not line.startswith("##fileformat=VCFv4."):
        raise DataError("must begin with ##fileformat=VCFv4", field="vcf.fileformat")
    if contig := _CONTIG.match(line):
        pairs = dict(_PAIR.findall(contig[1]))
        chrom, length = _chrom(pairs.get("ID", "")), pairs.get("length", "")
        builds = [name for name, one in genes.assemblies.items() if str(one.lengths.get(chrom, "")) == length]
        header.lengths.update(builds)
        known = any(chrom in one.lengths for one in genes.assemblies.values())
        if known and length and not builds:
            header.lengths["another"] += 1
        header.said |= _named(pairs.get("assembly", ""), genes)
    elif said := _SAID.match(line):
        header.said |= _named(said[1], genes)


def _named(text: str, genes: Pharmacogenes) -> set[str]:
    """Builds whose names stand in a text: as words of their own, or with a patch (``GRCh38.p13``)."""
    words = {word.casefold().partition(".p")[0] for word in re.split(r"[^A-Za-z0-9_.]+", text)}
    words |= {word.casefold() for word in re.split(r"[^A-Za-z0-9]+", text)}
    return {
        name for name, one in genes.assemblies.items() if not words.isdisjoint(known.casefold() for known in one.names)
    }


def _check_build(header: _Header, genes: Pharmacogenes) -> None:
    if not header.lines:
        raise DataError("must begin with ##fileformat=VCFv4", field="vcf.fileformat")
    by_length, said = set(header.lengths), header.said
    if by_length - {genes.used} or said - {genes.used}:
        raise DataError(f"is not on {genes.used}", field="vcf.build")
    if not by_length and not said:
        raise DataError(f"names no build: needs ##contig lengths or ##reference of {genes.used}", field="vcf.build")


def _sample(names: list[str], wanted: str | None) -> int:
    if names[: len(_FIXED)] != _FIXED or names[len(_FIXED) : _FIRST_SAMPLE] != ["FORMAT"]:
        raise DataError("has no line #CHROM with FORMAT and a sample", field="vcf.header")
    samples = names[_FIRST_SAMPLE:]
    if wanted is None and len(samples) == 1:
        return _FIRST_SAMPLE
    if wanted is None or samples.count(wanted) != 1:
        raise DataError(f"must name one of the {len(samples)} samples", field="sample")
    return _FIRST_SAMPLE + samples.index(wanted)


def _chrom(name: str) -> str:
    return name if name.startswith("chr") else f"chr{name}"


# --- records


def _record(line: str, column: int, least: float, near: Mapping[str, Gene], number: int) -> Record | None:
    """A record that lies at or over a gene of its chromosome; None for all others."""
    cells, where = line.split("\t"), f"vcf.record.{number}"
    if len(cells) <= column or not _is_number(cells[1]):
        raise DataError("is not a record", field=where)
    at, ref = int(cells[1]), cells[3].upper()
    if not _BASES.fullmatch(ref):
        raise DataError("REF must be bases", field=where)
    sample = dict(zip(cells[8].split(":"), cells[column].split(":"), strict=False))
    last = _last(at, ref, cells[7], sample.get("LEN", ""))
    genes = tuple(symbol for symbol, gene in near.items() if at <= gene.span[1] and last >= gene.span[0])
    if not genes:
        return None
    alts = () if cells[4] == "." else tuple(cells[4].upper().split(","))
    copies = _copies(sample.get("GT", ""), len(alts), where)
    block = copies == (0, 0) and NOTHING_ELSE.issuperset(alts) and (bool(alts) or last >= at + len(ref))
    usable = _passed(cells[6], sample) and _was_read(cells[7], sample) and _is_sure(sample, least, needed=block)
    return Record(
        at=at,
        last=last,
        ref=ref,
        alts=alts,
        copies=copies if usable else None,
        phase=sample.get("PS", "|") if "|" in sample.get("GT", "") else "",
        genes=genes,
        copy_number=sample.get("CN", ".") not in (".", "2"),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def _last(at: int, ref: str, info: str, length: str) -> int:
    """The last place that a record speaks of: by its END, or by the length of a structural change or of a block."""
    end, changed = _END.search(info), _SVLEN.search(info)
    ends = [int(end[1])] if end else []
    ends += [at + int(changed[1])] if changed else []
    ends += [at + int(length) - 1] if _is_number(length) else []
    return max(at + len(ref) - 1, *ends) if ends else at + len(ref) - 1


def _passed(filtered: str, sample: Mapping[str, str]) -> bool:
    return filtered in _PASSED and sample.get("FT", "") in _PASSED


def _was_read(info: str, sample: Mapping[str, str]) -> bool:
    """False where it is told that not a single read lies there, whatever the genotype says."""
    return "0" not in (sample.get("DP"), sample.get("MIN_DP")) and not _NO_READ.search(info)


def _is_sure(sample: Mapping[str, str], least: float, *, needed: bool) -> bool:
    """By the quality of the genotype, of the reference, or by how unlikely the next genotype is (PL).

    Where none of them is told, unless one is needed.
    """
    told = [one for key in ("GQ", "RGQ") if (one := sample.get(key, ".")) not in (".", "")]
    unlikely = sample.get("PL", ".").split(",")
    try:
        if not told and len(unlikely) > 1:
            return sorted(map(float, unlikely))[1] >= least
        return float(told[0]) >= least if told else not needed
    except ValueError:
        return False


def _copies(text: str, alts: int, where: str) -> tuple[int, int] | None:
    """Indices of the two alleles; None for no call, for half of one, and for another number of copies than two."""
    parts = re.split(r"[|/]", text)
    if len(parts) != 2 or not all(_is_number(one) for one in parts):
        return None
    one, other = int(parts[0]), int(parts[1])
    if max(one, other) > alts:
        raise DataError("GT names an allele that is not there", field=where)
    return one, other


def results_of(seen: Iterable[Genotyped], *, name: str, when: datetime, learned: datetime) -> tuple[GeneResult, ...]:
    """What a file shows as facts, one a gene.

    Parameters
    ----------
    name : str
        Of the file and sample, the same for the same content.
    when : datetime
        When the sample was sequenced, UTC.
    """
    return tuple(
        GeneResult(
            ref=f"MolecularSequence/~{name}#{one.gene}",
            version="",
            when=when,
            learned=learned,
            gene=one.gene,
            source="vcf",
            sites=one.sites,
            structural=one.structural,
            text="sequence (VCF)",
        )
        for one in seen
    )
