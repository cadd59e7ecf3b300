"""The data of the International Warfarin Pharmacogenetics Consortium: the one place that knows its columns.

Source: IWPC, N Engl J Med 2009;360:753-764; data from PharmGKB, CC BY-SA. A file is CSV, plain or gzip. What cannot
be read is refused with its column and row, counted from 0 as in the predictions.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cds_app.errors import DataError
from cds_app.learn.data_set import DataSet
from cds_app.learn.warfarin.words import CONDITION_WORDS, MEDICINE_WORDS, listed
from cds_app.score.warfarin.subject import RECORDED, SNPS, Alleles, Race, Subject, Target

_T = TypeVar("_T")

DATA_SET: Final = DataSet(
    credit="International Warfarin Pharmacogenetics Consortium (IWPC), N Engl J Med 2009;360:753-764; data from "
    "PharmGKB, CC BY-SA",
    credit_short="IWPC, PharmGKB, CC BY-SA",
    licence="CC BY-SA",
    inclusion="People on warfarin whom research groups of several countries treated and genotyped; learned from those "
    "who had reached a stable dose.",
    relevance="Adults on warfarin after the first weeks. Diet, adherence and kidney function are not in the data.",
    input="Demographics, height, weight, indication, conditions, medicines, target INR, CYP2C9 and VKORC1 genotypes.",
    external="No other source has been tested.",
)

DOSE: Final = "Therapeutic Dose of Warfarin"
STABLE: Final = "Subject Reached Stable Dose of Warfarin"
_AGES: Final[Mapping[str, int]] = {f"{10 * one} - {10 * one + 9}": one for one in range(9)} | {"90+": 9}
_RACES: Final[Mapping[str, Race]] = {"Asian": "asian", "Black or African American": "black", "White": "white"}
_ETHNICITIES: Final[Mapping[str, bool | None]] = {
    "Hispanic or Latino": True,
    "not Hispanic or Latino": False,
    "Unknown": None,
    "": None,
}
_SNP_COLUMNS: Final[Mapping[str, str]] = {
    "rs9923231": "VKORC1 -1639 consensus",
    "rs9934438": "VKORC1 1173 consensus",
    "rs2359612": "VKORC1 2255 consensus",
    "rs8050894": "VKORC1 1542 consensus",
    "rs7294": "VKORC1 3730 consensus",
    "rs2884737": "VKORC1 497 consensus",
    "rs17880887": "VKORC1 -4451 consensus",
}
_RECORDED_COLUMNS: Final[Mapping[str, str]] = dict(
    zip(
        RECORDED,
        (
            "Amiodarone (Cordarone)",
            "Carbamazepine (Tegretol)",
            "Phenytoin (Dilantin)",
            "Rifampin or Rifampicin",
            "Sulfonamide Antibiotics",
            "Macrolide Antibiotics",
            "Anti-fungal Azoles",
            "Aspirin",
            "Acetaminophen or Paracetamol (Tylenol)",
            "Simvastatin (Zocor)",
            "Atorvastatin (Lipitor)",
            "Fluvastatin (Lescol)",
            "Lovastatin (Mevacor)",
            "Pravastatin (Pravachol)",
            "Rosuvastatin (Crestor)",
            "Herbal Medications, Vitamins, Supplements",
            "Current Smoker",
            "Diabetes",
            "Congestive Heart Failure and/or Cardiomyopathy",
            "Valve Replacement",
        ),
        strict=True,
    )
)
_INDICATION, _TARGET = "Indication for Warfarin Treatment", "Target INR"
_RANGE = "Estimated Target INR Range Based on Indication"
_CYP2C9, _CYP2C9_TYPED = "CYP2C9 consensus", "Cyp2C9 genotypes"
_OTHERS: Final = ("Gender", "Race", "Ethnicity", "Age", "Height (cm)", "Weight (kg)", "Medications", "Comorbidities")
COLUMNS: Final = (
    *_OTHERS,
    *_RECORDED_COLUMNS.values(),
    *_SNP_COLUMNS.values(),
    *(_INDICATION, _TARGET, _RANGE, _CYP2C9, _CYP2C9_TYPED),
)
"""What a file must have; the dose and whether it was stable are read where they are there."""

_MOST_STARS: Final = 85  # alleles that PharmVar has named
_MOST_INR: Final = 6.0
_BYTES_AT_MOST: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What was read otherwise than it stands there, or is in doubt."""

    row: int
    column: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The rows of a file.

    Parameters
    ----------
    subjects : tuple of Subject
        In file order.
    doses : tuple of (float or None) or None
        mg a week; None where the file does not have the column.
    stable : tuple of bool or None
    remarks : tuple of Remark
    """

    subjects: tuple[Subject, ...]
    doses: tuple[float | None, ...] | None
    stable: tuple[bool, ...] | None
    remarks: tuple[Remark, ...]


def load(path: Path) -> People:
    """Read a file of the IWPC's columns.

    Raises
    ------
    DataError
        Naming the column or the row: a column is missing or there twice, a row has another number of cells, or a cell
        is no number, age band, sex, yes or no, or genotype.
    """
    names, rows = _cells(path)
    for name in COLUMNS:
        if names.count(name) != 1:
            said = "lacks the column" if name not in names else "has more than once the column"
            raise DataError(f"the file {said} {name}", field=name)
    cells = [_Row(number=i, cells=dict(zip(names, one, strict=True))) for i, one in enumerate(rows)]
    if not cells:
        raise DataError("the file has no rows", field="data")
    return People(
        subjects=tuple(one.subject() for one in cells),
        doses=tuple(one.positive(DOSE) for one in cells) if DOSE in names else None,
        stable=tuple(bool(one.answer(STABLE)) for one in cells) if STABLE in names else None,
        remarks=tuple(remark for one in cells for remark in one.remarks()),
    )


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = _bytes(path).decode("utf-8-sig")
        found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("the file is no CSV in UTF-8, plain or gzip", field="data") from error
    if not found:
        raise DataError("the file is empty", field="data")
    names = [name.strip() for name in found[0]]
    rows = [one for one in found[1:] if one]
    for i, one in enumerate(rows):
        if len(one) != len(names):
            raise DataError(f"row {i} has another number of cells than the first line has names", field=f"row {i}")
    return names, rows


def _bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
        content = stream.read(_BYTES_AT_MOST + 1)
    if len(content) > _BYTES_AT_MOST:
        raise DataError("the file is longer than 512 MiB", field="data")
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row, by column; knows where it stands."""

    number: int
    cells: Mapping[str, str]

    def subject(self) -> Subject:
        return Subject(
            age_decade=self._one_of("Age", _AGES, "an age band"),
            male=self._one_of("Gender", {"male": True, "female": False}, "male or female"),
            race=_RACES.get(self._text("Race"), "unknown"),
            hispanic=_ETHNICITIES.get(self._text("Ethnicity")),
            height_cm=self.number_of("Height (cm)"),
            weight_kg=self.number_of("Weight (kg)"),
            vkorc1=self._vkorc1(),
            cyp2c9=self._stars(_CYP2C9) or self._stars(_CYP2C9_TYPED),
            recorded=self._recorded(),
            indications=_indications(self._text(_INDICATION)),
            target_inr=self._target(),
            medicines=listed(self._text("Medications"), MEDICINE_WORDS),
            conditions=listed(self._text("Comorbidities"), CONDITION_WORDS),
        )

    def remarks(self) -> list[Remark]:
        """What is in doubt about it."""
        vkorc1 = self._vkorc1()
        pair = [vkorc1.get(snp) for snp in ("rs9923231", "rs9934438")]
        doubts = {
            "Race": self._text("Race") not in (*_RACES, "Unknown", "") and "not a race of the IWPC: read as unknown",
            "Ethnicity": self._text("Ethnicity") not in _ETHNICITIES and "not known: read as unknown",
            _INDICATION: bool(self._text(_INDICATION))
            and _indications(self._text(_INDICATION)) is None
            and "not codes 1 to 8: read as unknown",
            _SNP_COLUMNS["rs9923231"]: None not in pair
            and pair[0] != pair[1]
            and _contradiction(self.subject().contradicts_itself),
        }
        return [Remark(row=self.number, column=name, text=text) for name, text in doubts.items() if text]

    def number_of(self, column: str) -> float | None:
        """A finite number, or None for an empty cell."""
        text = self._text(column)
        if not text:
            return None
        value = _parsed(text)
        if value is None:
            raise self._error(column, "is no number")
        return value

    def positive(self, column: str) -> float | None:
        """A number above 0, or None for an empty cell."""
        value = self.number_of(column)
        if value is not None and value <= 0.0:
            raise self._error(column, "is not above 0")
        return value

    def answer(self, column: str) -> bool | None:
        """Yes, no, or None for an empty cell."""
        return self._one_of(column, {"1": True, "0": False, "1.0": True, "0.0": False}, "0 or 1")

    def _text(self, column: str) -> str:
        text = self.cells[column].strip()
        return "" if text in ("NA", "N/A") else text

    def _one_of(self, column: str, known: Mapping[str, _T], what: str) -> _T | None:
        text = self._text(column)
        if text and text not in known:
            raise self._error(column, f"is not {what}")
        return known[text] if text else None

    def _recorded(self) -> dict[str, bool]:
        answers = {name: self.answer(column) for name, column in _RECORDED_COLUMNS.items()}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _vkorc1(self) -> dict[str, int]:
        found = {snp: self._copies(column, SNPS[snp]) for snp, column in _SNP_COLUMNS.items()}
        return {snp: copies for snp, copies in found.items() if copies is not None}

    def _copies(self, column: str, alleles: tuple[str, str]) -> int | None:
        """Copies of the second allele."""
        pair = self._text(column).split("/")
        if pair == [""]:
            return None
        if len(pair) != 2 or not set(pair) <= set(alleles):
            raise self._error(column, f"is no genotype of {alleles[0]} and {alleles[1]}")
        return pair.count(alleles[1])

    def _stars(self, column: str) -> Alleles | None:
        text = self._text(column)
        if not text:
            return None
        found = re.fullmatch(r"\*(\d{1,2})/\*(\d{1,2})", text, re.ASCII)
        pair = [int(one) for one in found.groups()] if found else []
        if len(pair) != 2 or not all(1 <= one <= _MOST_STARS for one in pair):
            raise self._error(column, "is no pair of star alleles of CYP2C9")
        return pair[0], pair[1]

    def _target(self) -> Target | None:
        value, text = self.number_of(_TARGET), self._text(_RANGE)
        ends = [_parsed(one.strip()) for one in text.split("-")] if text else [None, None]
        low, high = ends if len(ends) == 2 else (None, None)
        if text and (low is None or high is None or not 1.0 <= low <= high <= _MOST_INR):
            raise self._error(_RANGE, f"is no range of INRs from 1 to {_MOST_INR:g}")
        if value is not None and not 1.0 <= value <= _MOST_INR:
            raise self._error(_TARGET, f"is no INR from 1 to {_MOST_INR:g}")
        if value is None and low is not None and high is not None:
            value = (low + high) / 2.0
        return None if value is None else Target(value=value, low=low, high=high)

    def _error(self, column: str, problem: str) -> DataError:
        return DataError(f"{column} {problem} in row {self.number}, counted from 0", field=f"row {self.number}")


def _parsed(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and text.isascii() and "_" not in text else None


def _indications(text: str) -> frozenset[int] | None:
    """Codes 1 to 8 out of "1; 2", "1,2" and "1 or 2"; None for none and for anything else."""
    parts = [one.strip() for one in re.split(r"[;,]|\bor\b|\band\b", text)]
    codes = [one for one in parts if one]
    return frozenset(int(one) for one in codes) if codes and all(re.fullmatch("[1-8]", one) for one in codes) else None


def _contradiction(opposite: bool) -> str:
    if opposite:
        return "and 1173 are opposite homozygotes: VKORC1 is read as unknown"
    return "and 1173 differ in one allele: -1639 is used"
