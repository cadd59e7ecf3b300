"""Real people whose drug levels were published, read into what the simulation takes.

Theophylline (Boeckmann, Sheiner and Beal 1994, NONMEM users guide), warfarin (O'Reilly, Circulation 1968;38:169, as in
Holford, Clin Pharmacokinet 1986;11:483), quinidine (Verme, Ther Drug Monit 1992, as in Pinheiro and Bates 2000) and
remifentanil (Minto, Anesthesiology 1997;86:10): published teaching sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cds_app.errors import DataError
from cds_app.simulate.kinetics.covariates import Covariates, Sex
from cds_app.simulate.kinetics.patients import Level, Patient, Stage
from cds_app.simulate.plans import Dose

_LEVEL = "level"
_STEADY_DOSES = 12  # after so many at one interval nothing changes any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Somebody with doses and levels.

    Parameters
    ----------
    doses : tuple of Dose
        Hours from the first dose.
    levels : tuple of Level
        Ascending, all after the first dose.
    """

    name: str
    covariates: Covariates
    doses: tuple[Dose, ...]
    levels: tuple[Level, ...]

    def known(self, count: int) -> Patient:
        """The subject with the first levels only."""
        stages = (Stage(from_h=min(one.at_h for one in self.doses), covariates=self.covariates),)
        return Patient(stages=stages, history=self.doses, levels=self.levels[:count])


def theophylline(file: Path) -> list[Subject]:
    """12 people, one oral dose in mg/kg, mg/L for a day."""
    rows = _table(file, ("Subject", "Wt", "Dose", "Time", "conc"))
    found = []
    for name, some in rows.groupby("Subject"):
        weight = float(some["Wt"].iloc[0])
        dose = Dose(at_h=0.0, amount_mg=float(some["Dose"].iloc[0]) * weight, route="oral")
        found.append(
            _subject(f"theophylline {name}", Covariates(weight_kg=weight), (dose,), some["Time"], some["conc"])
        )
    return found


def warfarin(file: Path) -> list[Subject]:
    """32 people, one oral dose, mg/L for five days; the effect (DVID 2) is left out."""
    rows = _table(file, ("ID", "TIME", "WEIGHT", "AGE", "SEX", "AMOUNT", "DVID", "DV"))
    found = []
    numbers = rows.assign(amount=_numeric(rows["AMOUNT"]), kind=_numeric(rows["DVID"]), value=_numeric(rows["DV"]))
    for name, some in numbers.groupby("ID"):
        given, seen = some[some["amount"] > 0], some[(some["kind"] == 1) & some["value"].notna()]
        first = some.iloc[0]
        person = Covariates(
            age_years=float(first["AGE"]), weight_kg=float(first["WEIGHT"]), sex=_sex(str(first["SEX"]) == "1")
        )
        doses = tuple(
            Dose(at_h=float(at), amount_mg=float(amount), route="oral")
            for at, amount in zip(given["TIME"].to_numpy(), given["amount"].to_numpy(), strict=True)
        )
        if doses:
            found.append(_subject(f"warfarin {name}", person, doses, seen["TIME"], seen["value"]))
    return [one for one in found if one.levels]


def quinidine(file: Path) -> list[Subject]:
    """136 patients on oral quinidine, mg/L, 1 to 11 levels each, over days to months.

    Notes
    -----
    Where a row gives an interval, the dose had been taken so for long: as many doses before it are put in, back to the
    one recorded last.
    """
    rows = _table(file, ("Subject", "time", "conc", "dose", "interval", "Age", "Weight"))
    found = []
    for name, some in rows.groupby("Subject"):
        person = Covariates(age_years=float(some["Age"].iloc[0]), weight_kg=float(some["Weight"].iloc[0]))
        given, seen = some[some["dose"].notna()], some[some["conc"].notna()]
        table = given[["time", "dose", "interval"]].to_numpy(np.float64)
        if len(table) and len(seen):
            found.append(_subject(f"quinidine {name}", person, _steady(table), seen["time"], seen["conc"]))
    return [one for one in found if one.levels]


def _steady(table: np.ndarray) -> tuple[Dose, ...]:
    """Doses from rows (time h, mg, interval h or NaN)."""
    found: dict[float, float] = {}
    last = -np.inf
    for at, amount, interval in table:
        before = int(_STEADY_DOSES) if interval > 0.0 else 0
        for n in range(before, -1, -1):
            earlier = float(at - n * interval) if n else float(at)
            if earlier > last:
                found[earlier] = float(amount)
        last = float(at)
    return tuple(Dose(at_h=at, amount_mg=amount, route="oral") for at, amount in sorted(found.items()))


def remifentanil(file: Path) -> list[Subject]:
    """65 people, an infusion in ug/min, ng/mL; times in minutes."""
    rows = _table(file, ("ID", "Time", "conc", "Rate", "Age", "Sex", "Ht", "Wt"))
    found = []
    for name, some in rows.groupby("ID"):
        first = some.iloc[0]
        covariates = Covariates(
            age_years=float(first["Age"]),
            weight_kg=float(first["Wt"]),
            height_cm=float(first["Ht"]),
            sex=_sex(first["Sex"] == "Male"),
        )
        seen = some[some["conc"].notna()]
        doses = tuple(_infusions(some["Time"].to_numpy() / 60.0, some["Rate"].to_numpy() * 60e-3))
        found.append(_subject(f"remifentanil {name}", covariates, doses, seen["Time"] / 60.0, seen["conc"]))
    return found


def _infusions(times_h: np.ndarray, rates_mg_per_h: np.ndarray) -> list[Dose]:
    """Infusions from the rate that holds from each record to the next, equal rates joined."""
    found: list[Dose] = []
    start = 0
    for n in range(1, len(times_h)):
        if rates_mg_per_h[n] == rates_mg_per_h[start] and n < len(times_h) - 1:
            continue
        over_h = float(times_h[n] - times_h[start])
        if rates_mg_per_h[start] > 0.0 and over_h > 0.0:
            amount = float(rates_mg_per_h[start]) * over_h
            found.append(Dose(at_h=float(times_h[start]), amount_mg=amount, over_h=over_h))
        start = n
    return found


def _subject(
    name: str, covariates: Covariates, doses: tuple[Dose, ...], times_h: pd.Series, values: pd.Series
) -> Subject:
    first = min(one.at_h for one in doses)
    pairs = sorted((float(at), float(value)) for at, value in zip(times_h, values, strict=True))
    levels = tuple(Level(at_h=at, value=value, quantity=_LEVEL) for at, value in pairs if at > first and value > 0.0)
    return Subject(name=name, covariates=covariates, doses=doses, levels=levels)


def _numeric(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce")


def _sex(male: bool) -> Sex:
    return "male" if male else "female"


def _table(file: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        rows = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise DataError("cannot be read as a table", field=file.name) from error
    if missing := sorted(set(columns) - set(rows.columns)):
        raise DataError(f"lacks the column {missing[0]}", field=file.name)
    return rows
