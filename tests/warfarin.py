"""Invented people on warfarin, as rows of the IWPC's columns and as subjects."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cds_app.learn.warfarin.iwpc import COLUMNS, DOSE, STABLE
from cds_app.score.warfarin.subject import Subject, Target

Cells = dict[str, str]

RS9923231, RS9934438 = "VKORC1 -1639 consensus", "VKORC1 1173 consensus"
SOMEBODY = Subject(
    age_decade=6,
    male=True,
    race="white",
    hispanic=False,
    height_cm=175.0,
    weight_kg=80.0,
    vkorc1={"rs9923231": 1},
    cyp2c9=(1, 1),
    recorded={"amiodarone": False, "carbamazepine": False, "smoker": False},
    indications=frozenset({3}),
    target_inr=Target(value=2.5, low=2.0, high=3.0),
)


def cells() -> Cells:
    """A row where little is known."""
    known = {"Age": "60 - 69", "Gender": "male", "Race": "White", RS9923231: "A/G", "CYP2C9 consensus": "*1/*1"}
    return dict.fromkeys((*COLUMNS, STABLE, DOSE), "") | known | {STABLE: "1", DOSE: "35.0"}


def cohort(people: int, seed: int = 0) -> list[Cells]:
    """Rows whose dose follows age, weight and genotype, with noise; genotypes of some are missing."""
    rng = np.random.default_rng(seed)
    return [_one(rng, number) for number in range(people)]


def _one(rng: np.random.Generator, number: int) -> Cells:
    decade, weight, copies = int(rng.integers(2, 9)), float(rng.normal(80.0, 12.0)), int(rng.integers(0, 3))
    variant, amiodarone = int(rng.random() < 0.2), bool(rng.random() < 0.1)
    root = (
        6.5 - 0.25 * decade + 0.012 * weight - 0.85 * copies - 0.7 * variant - 0.5 * amiodarone + rng.normal(0.0, 0.6)
    )
    untyped = number % 20 == 0
    return cells() | {
        "Age": f"{10 * decade} - {10 * decade + 9}",
        "Gender": str(rng.choice(["male", "female"])),
        "Race": str(rng.choice(["White", "Asian", "Black or African American", "Unknown"])),
        "Height (cm)": f"{rng.normal(170.0, 8.0):.1f}",
        "Weight (kg)": f"{weight:.1f}",
        RS9923231: "" if untyped else ("G/G", "A/G", "A/A")[copies],
        "CYP2C9 consensus": "" if untyped and number % 40 else ("*1/*1", "*1/*3")[variant],
        "Amiodarone (Cordarone)": str(int(amiodarone)),
        "Target INR": "2.5",
        "Medications": "amiodarone; not aspirin" if amiodarone else "not amiodarone",
        DOSE: f"{max(root, 1.5) ** 2:.2f}",
    }


def save(path: Path, rows: Sequence[Mapping[str, str]], *, but: Sequence[str] = (), zipped: bool = False) -> Path:
    """Write rows as CSV, without some columns."""
    names = [name for name in rows[0] if name not in but]
    with gzip.open(path, "wt", encoding="utf-8-sig") if zipped else path.open("w", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path
