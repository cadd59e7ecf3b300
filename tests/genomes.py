"""VCF files and laboratory reports of pharmacogenes, as tests need them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cds_app.content import latest
from cds_app.domain.facts import GeneResult
from cds_app.domain.pharmacogenes import Pharmacogenes, load_pharmacogenes
from cds_app.fabric.genes.vcf import read_vcf, results_of
from tests.conftest import FROZEN

HEADER = (
    "##fileformat=VCFv4.2",
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last place">',
    "##contig=<ID=chr7,length=159345973>",
    "##contig=<ID=chr10,length=133797422,assembly=GRCh38>",
)
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNA1"

POSITIONS = {
    "CYP2C9*2": (94942290, "T"), "CYP2C9*3": (94981296, "C"), "VKORC1": (31096368, "T"),
    "CYP3A5*3": (99672916, "C"), "CYP2C19*17": (94761900, "T"), "SLCO1B1*5": (21178615, "C"),
    "TPMT*3C": (18130687, "C"), "TPMT*3B": (18138997, "T"), "NUDT15*3": (48045719, "T"),
    "DPYD*2A": (97450058, "T"), "DPYD 2846": (97082391, "A"),
}  # fmt: skip


@cache
def pharmacogenes() -> Pharmacogenes:
    """The content, read once."""
    return load_pharmacogenes(latest("pharmacogenomics"))


def record(chrom: str, at: int, ref: str, alt: str, genotype: str, **more: str) -> str:
    """One line; ``filter``, ``info`` and any field of FORMAT by name."""
    passed, info = more.pop("filter", "PASS"), more.pop("info", ".")
    keys, values = ":".join(["GT", *more]), ":".join([genotype, *more.values()])
    return "\t".join([chrom, str(at), ".", ref, alt, ".", passed, info, keys, values])


def genome(
    changes: Mapping[int, tuple[str, str]] | None = None, *, without: Collection[int] = (), more: Collection[str] = ()
) -> list[str]:
    """A file in which every position of every gene is called: as the reference, but for ``changes`` (ALT, GT)."""
    rows = []
    for gene in pharmacogenes().genes.values():
        for one in gene.positions:
            if one.at not in without:
                alt, genotype = (changes or {}).get(one.at, (one.alts[0], "0/0"))
                rows.append(record(gene.chrom, one.at, one.ref, alt, genotype))
    return [*HEADER, COLUMNS, *rows, *more]


def carrying(*names: str, genotype: str = "0/1") -> dict[int, tuple[str, str]]:
    """Changes by the names in `POSITIONS`."""
    return {POSITIONS[one][0]: (POSITIONS[one][1], genotype) for one in names}


def sequenced(lines: Collection[str], when: datetime = FROZEN - timedelta(days=90)) -> list[GeneResult]:
    """Results of a file, as they are stored."""
    return list(results_of(read_vcf(lines, pharmacogenes()), name="sample", when=when, learned=when))


def reported(key: str, code: str, value: object, gene: str = "", **more: Any) -> dict[str, Any]:
    """An Observation of the Genomics Reporting guide."""
    concept = value if isinstance(value, dict) else {"text": value}
    studied = [
        component(
            "48018-6", {"coding": [{"system": "http://www.genenames.org/geneId", "code": "HGNC:1", "display": gene}]}
        )
    ]
    return {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (FROZEN - timedelta(days=30)).isoformat(),
        "performer": [{"display": "Genetics laboratory"}],
        "valueCodeableConcept": concept,
        **more,
        "component": [*(studied if gene else []), *more.get("component", [])],
    }


def component(code: str, value: object) -> dict[str, Any]:
    """A component with a coded value or a text."""
    kind = {"valueString": value} if isinstance(value, str) else {"valueCodeableConcept": value}
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **kind}


def coded(code: str, system: str = "http://loinc.org") -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def genotype(gene: str, text: str, key: str = "") -> dict[str, Any]:
    """A diplotype that a laboratory reports."""
    return reported(key or f"genotype-{gene}".lower(), "84413-4", text, gene)
