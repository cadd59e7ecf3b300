"""The genes as content: every rule gives what CPIC's own tables give."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact, content_root, write_manifest
from cds_app.domain.pharmacogenes import load_pharmacogenes
from cds_app.errors import ContentError
from tests.genomes import pharmacogenes

# Diplotypes by phenotype, PharmCAT phenotype tables, data version 2025-11-05.
PUBLISHED = {
    "CYP2B6": "Indeterminate 741, Intermediate 154, Normal 21, Poor 253, Rapid 6, Ultrarapid 1",
    "CYP2C19": "Indeterminate 315, Intermediate 96, Likely Intermediate 69, Likely Poor 72, Normal 28, Poor 78,"
    " Rapid 7, Ultrarapid 1",
    "CYP2C9": "Indeterminate 2184, Intermediate 299, Normal 3, Poor 364",
    "CYP3A4": "Intermediate 11, Normal 1, Poor 66",
    "CYP3A5": "Indeterminate 9, Intermediate 3, Normal 1, Poor 6, Possible Intermediate 2",
    "DPYD": "Intermediate 1596, Normal 1596, Poor 378",
    "NAT2": "Indeterminate 690, Intermediate 72, Poor 666, Rapid 3",
    "NUDT15": "Indeterminate 20, Intermediate 3, Normal 1, Poor 6, Possible Intermediate 15",
    "SLCO1B1": "Decreased 44, Increased 3, Indeterminate 368, Normal 7, Poor 66, Possible Decreased 253",
    "TPMT": "Indeterminate 527, Intermediate 11, Normal 1, Poor 66, Possible Intermediate 341",
    "UGT1A1": "Indeterminate 9, Intermediate 12, Normal 3, Poor 21",
    "VKORC1": "-1639 AA 1, -1639 AG 1, -1639 GG 1",
}


@pytest.mark.parametrize("symbol", sorted(PUBLISHED))
def test_pairs_of_alleles_come_to_the_phenotypes_that_are_published(symbol: str) -> None:
    gene = pharmacogenes().genes[symbol]
    pairs = combinations_with_replacement(gene.alleles, 2)
    found = Counter(gene.phenotype(*pair).replace(" Metabolizer", "").replace(" Function", "") for pair in pairs)
    assert ", ".join(f"{name} {count}" for name, count in sorted(found.items())) == PUBLISHED[symbol]


@pytest.mark.parametrize(
    ("symbol", "one", "other", "score", "phenotype"),
    [
        ("CYP2C9", "*2", "*3", 0.5, "Poor Metabolizer"), ("CYP2C9", "*1", "*3", 1.0, "Intermediate Metabolizer"),
        ("CYP2C19", "*1", "*17", None, "Rapid Metabolizer"), ("CYP2C19", "*2", "*17", None, "Intermediate Metabolizer"),
        ("SLCO1B1", "*1", "*5", None, "Decreased Function"), ("CYP3A5", "*1", "*3", None, "Intermediate Metabolizer"),
        ("DPYD", "Reference", "c.1905+1G>A", 1.0, "Intermediate Metabolizer"),
        ("DPYD", "Reference", "c.2846A>T", 1.5, "Intermediate Metabolizer"),
        ("CYP2D6", "*4", "*5", 0.0, "Poor Metabolizer"), ("CYP2D6", "*10", "*41", 0.75, "Intermediate Metabolizer"),
    ],
)  # fmt: skip
def test_the_known_pairs_come_to_what_is_known(
    symbol: str, one: str, other: str, score: float | None, phenotype: str
) -> None:
    gene = pharmacogenes().genes[symbol]
    assert gene.score(gene.named[one], gene.named[other]) == score
    assert gene.phenotype(gene.named[one], gene.named[other]) == phenotype


def test_every_allele_that_positions_define_has_variants_at_positions_of_grch38() -> None:
    genes = pharmacogenes()
    assert sum(len(gene.positions) for gene in genes.genes.values()) == 397
    assert {name for name, gene in genes.genes.items() if not gene.positions} == {"CYP2D6", "HLA-A", "HLA-B", "NAT2"}
    assert all(gene.why_not_called for gene in genes.genes.values() if not gene.positions)


def _first_allele(genes: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = genes["genes"]["TPMT"]["alleles"][1]
    return found


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda genes: _first_allele(genes).update(of=["1A>C"]), "at no position"),
        (lambda genes: _first_allele(genes).update(of=[]), "same variants"),
        (lambda genes: _first_allele(genes).update(name="*1"), "stands twice"),
        (lambda genes: genes["genes"]["TPMT"]["pairs"][0].update(of=["good", "normal"]), "no allele has"),
        (lambda genes: genes["genes"]["TPMT"]["positions"].reverse(), "in order"),
        (lambda genes: genes["genes"]["TPMT"].update(chrom="chr99"), "no chromosome"),
        (lambda genes: genes["genes"]["NAT2"].update(why_not_called=""), "says why"),
    ],
)
def test_content_that_does_not_fit_together_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], said: str
) -> None:
    folder = tmp_path / "models" / "pharmacogenomics" / "1.0.0"
    shutil.copytree(content_root() / "models" / "pharmacogenomics" / "1.0.0", folder)
    genes = json.loads((folder / "genes.json").read_text("utf-8"))
    edit(genes)
    (folder / "genes.json").write_text(json.dumps(genes), "utf-8")
    write_manifest(folder, {})
    with pytest.raises(ContentError, match=said):
        load_pharmacogenes(artefact("pharmacogenomics", "1.0.0", root=tmp_path))
