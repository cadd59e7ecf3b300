"""A person as the numbers that the dose of warfarin is estimated from.

`row` is what the trees read: unknown is NaN. `terms` is what the linear part reads: unknown is said by terms of its
own, and height, weight and age are filled in from people alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats, Matrix
from cds_app.errors import ContentError
from cds_app.score.warfarin.subject import CONDITIONS, INDICATIONS, INDUCERS, MEDICINES, RECORDED, Subject

Columns = dict[str, Floats]

_MARKERS: Final = ("rs7294", "rs2884737", "rs17880887", "rs8050894", "rs2359612")
_VKORC1: Final = ("vkorc1", *_MARKERS)
_CYP2C9: Final = ("cyp2c9_2", "cyp2c9_3", "cyp2c9_rare")
_INR: Final = ("inr_target", "inr_low", "inr_high")

FEATURES: Final = (
    *("age_decade", "male", "asian", "black", "race_unknown", "hispanic", "ethnicity_unknown"),
    *("height_cm", "weight_kg", *_VKORC1, *_CYP2C9, *RECORDED),
    *(f"indication_{one}" for one in INDICATIONS),
    *_INR,
    *(f"takes_{one}" for one in MEDICINES),
    *("medicines_listed", "medicines_count"),
    *(f"has_{one}" for one in CONDITIONS),
    "conditions_listed",
)
"""What a row holds, in order."""

GENOTYPES: Final[Mapping[str, tuple[str, ...]]] = {"vkorc1": _VKORC1, "cyp2c9": _CYP2C9}
"""The features that come from typing one gene."""

_FOLK: Final = ("asian", "black", "other")
_UNSAID: Final = (
    *("smoker", "diabetes", "heart_failure", "valve_replacement", "supplements", "aspirin", "paracetamol"),
    *("amiodarone", "carbamazepine", "rs7294", "rs2884737", "rs17880887"),
)
_WITH_VKORC1: Final = ("age_decade", "weight_kg", "asian", "black", "amiodarone", "cyp2c9_2", "cyp2c9_3")
_NOT_LINEAR: Final = frozenset({"vkorc1", "rs8050894", "rs2359612", "inr_low", "inr_high"})
USUAL_INR: Final = 2.5
"""In the middle of what was aimed at, where nobody said it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What stands in for an unknown measure of the body in the linear part: medians of the training subjects.

    Parameters
    ----------
    height_cm, weight_kg : mapping of str to float
        By sex and race: ``male_asian``, ``female_other``, ...
    age_decade : float
    """

    height_cm: Mapping[str, float]
    weight_kg: Mapping[str, float]
    age_decade: float

    @classmethod
    def of(cls, rows: Matrix) -> Filling:
        """Medians of rows, of all of them where a group has nobody who was measured."""
        column = _columns(rows)
        group = _groups(column)

        def medians(name: str) -> dict[str, float]:
            values = column[name]
            known = np.isfinite(values)
            overall = values[known]
            inside = {one: values[known & (group == one)] for one in _group_names()}
            return {one: float(np.median(found if len(found) else overall)) for one, found in inside.items()}

        return cls(
            height_cm=medians("height_cm"),
            weight_kg=medians("weight_kg"),
            age_decade=float(np.nanmedian(column["age_decade"])),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Filling:
        """Read what training wrote; ContentError where a group is missing."""
        if any(set(content[name]) != set(_group_names()) for name in ("height_cm", "weight_kg")):
            raise ContentError("the medians of a group are missing", field="model.filling")
        return cls(
            height_cm={one: float(value) for one, value in content["height_cm"].items()},
            weight_kg={one: float(value) for one, value in content["weight_kg"].items()},
            age_decade=float(content["age_decade"]),
        )

    def body(self, rows: Matrix) -> Columns:
        """Age, height and weight of rows, none unknown."""
        column = _columns(rows)
        group = _groups(column)
        found = {"age_decade": np.where(np.isnan(column["age_decade"]), self.age_decade, column["age_decade"])}
        for name, medians in (("height_cm", self.height_cm), ("weight_kg", self.weight_kg)):
            usual = np.array([medians[one] for one in group])
            found[name] = np.where(np.isnan(column[name]), usual, column[name])
        return found


def row(subject: Subject) -> Matrix:
    """The features of one person.

    Returns
    -------
    ndarray of float32, shape (features,)
        In the order of `FEATURES`; NaN is unknown.
    """
    values: dict[str, float | None] = {**_person(subject), **_genotype(subject), **_care(subject)}
    return np.array([np.nan if values[name] is None else values[name] for name in FEATURES], np.float32)


def _person(who: Subject) -> dict[str, float | None]:
    return {
        "age_decade": who.age_decade,
        "male": who.male,
        "asian": who.race == "asian",
        "black": who.race == "black",
        "race_unknown": who.race == "unknown",
        "hispanic": bool(who.hispanic),
        "ethnicity_unknown": who.hispanic is None,
        "height_cm": who.height_cm,
        "weight_kg": who.weight_kg,
    }


def _genotype(who: Subject) -> dict[str, float | None]:
    common = (who.copies(1), who.copies(2), who.copies(3))
    rare = None if who.cyp2c9 is None else 2 - sum(one for one in common if one is not None)
    return {
        "vkorc1": who.sensitive_alleles,
        **{snp: who.vkorc1.get(snp) for snp in _MARKERS},
        "cyp2c9_2": common[1],
        "cyp2c9_3": common[2],
        "cyp2c9_rare": rare,
    }


def _care(who: Subject) -> dict[str, float | None]:
    target, takes, has = who.target_inr, who.medicines, who.conditions
    return {
        **{name: who.recorded.get(name) for name in RECORDED},
        **{f"indication_{one}": None if who.indications is None else one in who.indications for one in INDICATIONS},
        "inr_target": target.value if target else None,
        "inr_low": target.low if target else None,
        "inr_high": target.high if target else None,
        **{f"takes_{one}": takes is not None and one in takes.named for one in MEDICINES},
        "medicines_listed": takes is not None,
        "medicines_count": takes.entries if takes else 0,
        **{f"has_{one}": has is not None and one in has.named for one in CONDITIONS},
        "conditions_listed": has is not None,
    }


def without(rows: Matrix, *genes: str) -> Matrix:
    """The same people as if these genes had not been typed."""
    found = rows.copy()
    hidden = [FEATURES.index(name) for gene in genes for name in GENOTYPES[gene]]
    found[:, hidden] = np.nan
    return found


def as_if_answered(rows: Matrix, filling: Filling) -> Matrix:
    """The same people as if every question had been asked alike, so that what was left open says nothing.

    What is not recorded is a no, height, weight and age are filled in, the target is the usual one, and positions that
    only some places typed are hidden. Genotypes that decide the dose stay as they are.
    """
    found = rows.copy()
    asked = [FEATURES.index(name) for name in (*RECORDED, *(f"indication_{one}" for one in INDICATIONS))]
    found[:, asked] = np.nan_to_num(found[:, asked])
    found[:, [FEATURES.index(name) for name in _MARKERS]] = np.nan
    constant = {"inr_low": 2.0, "inr_high": 3.0, "ethnicity_unknown": 0.0, "medicines_listed": 1.0}
    for name, value in {**constant, "conditions_listed": 1.0}.items():
        found[:, FEATURES.index(name)] = value
    target = FEATURES.index("inr_target")
    found[:, target] = np.where(np.isnan(found[:, target]), USUAL_INR, found[:, target])
    for name, values in filling.body(rows).items():
        found[:, FEATURES.index(name)] = values
    return found


def terms(rows: Matrix, filling: Filling) -> tuple[tuple[str, ...], Floats]:
    """What the linear part reads of rows.

    Parameters
    ----------
    rows : ndarray of float32, shape (people, features)

    Returns
    -------
    names : tuple of str
    values : ndarray of float64, shape (people, terms)
        All finite.
    """
    column = _columns(rows)
    plain = {name: value for name, value in column.items() if name not in _NOT_LINEAR} | filling.body(rows)
    plain["inr_target"] = np.where(np.isnan(column["inr_target"]), USUAL_INR, column["inr_target"])
    known = {name: np.nan_to_num(value) for name, value in plain.items()}
    found = known | _size(known) | _genes(column, known) | _unsaid(column)
    for gene in ("vkorc1_1", "vkorc1_2"):
        found |= {f"{gene}*{other}": found[gene] * known[other] for other in _WITH_VKORC1}
    return tuple(found), np.stack(list(found.values()), axis=1)


def _columns(rows: Matrix) -> Columns:
    return {name: rows[:, i].astype(np.float64) for i, name in enumerate(FEATURES)}


def _group_names() -> tuple[str, ...]:
    return tuple(f"{sex}_{folk}" for sex in ("male", "female") for folk in _FOLK)


def _groups(column: Columns) -> NDArray[np.str_]:
    """Sex and race of each row, as `Filling` names them; an unknown sex counts as female."""
    sex = np.where(column["male"] == 1.0, "male_", "female_")
    folk = np.where(column["asian"] == 1.0, "asian", np.where(column["black"] == 1.0, "black", "other"))
    return np.char.add(sex, folk)


def _size(known: Columns) -> Columns:
    age, height, weight = known["age_decade"], known["height_cm"], known["weight_kg"]
    return {
        "surface_m2": np.sqrt(height * weight / 3600.0),  # Mosteller 1987
        "log_weight": np.log(weight),
        "age*weight": age * weight,
        "age*age": age * age,
        "weight*weight": weight * weight,
    }


def _genes(column: Columns, known: Columns) -> Columns:
    vkorc1, two, three = column["vkorc1"], known["cyp2c9_2"], known["cyp2c9_3"]
    untyped = np.isnan(vkorc1) * 1.0
    return {
        **{f"vkorc1_{copies}": (vkorc1 == copies) * 1.0 for copies in (0, 1, 2)},
        "vkorc1_unknown": untyped,
        "vkorc1_unknown*asian": untyped * known["asian"],
        "vkorc1_unknown*black": untyped * known["black"],
        "cyp2c9_22": (two == 2.0) * 1.0,
        "cyp2c9_33": (three == 2.0) * 1.0,
        "cyp2c9_23": two * three,
        "cyp2c9_unknown": np.isnan(column["cyp2c9_2"]) * 1.0,
        "inducer": np.maximum.reduce([known[name] for name in INDUCERS]),
    }


def _unsaid(column: Columns) -> Columns:
    said = {name: np.isnan(column[name]) * 1.0 for name in (*_UNSAID, "indication_1", "inr_target")}
    return {f"{name}_unknown": value for name, value in said.items()}
