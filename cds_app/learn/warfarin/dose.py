"""``twinline train warfarin-dose`` and ``twinline evaluate warfarin-dose``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from cds_app.content import CARD, Artefact, canonical_json, latest, write_manifest
from cds_app.domain.arrays import Flags, Floats, Ints, Matrix
from cds_app.errors import DataError
from cds_app.learn import outputs
from cds_app.learn.data_set import file_sha256
from cds_app.learn.warfarin.card import dose_card
from cds_app.learn.warfarin.figures import FIXED_MG_PER_WEEK, by_group, figures
from cds_app.learn.warfarin.growing import HIDDEN, Fitted, Held, Recipe, fit, held
from cds_app.learn.warfarin.iwpc import DATA_SET, DOSE, People, Remark, load
from cds_app.score.result import Lack
from cds_app.score.warfarin.dose import NAME, TREES, Dose, DoseModel, Limits
from cds_app.score.warfarin.features import FEATURES, Filling, as_if_answered, row, without
from cds_app.score.warfarin.published import NAME as PUBLISHED
from cds_app.score.warfarin.published import published
from cds_app.score.warfarin.subject import Listed, Subject, Target

LIMITS: Final[Mapping[str, Any]] = {"min_age_decade": 1, "height_cm": [100.0, 230.0], "weight_kg": [25.0, 270.0]}
"""A little beyond the training subjects: 125 to 202 cm, 34 to 238 kg."""
_LEAST_PEOPLE: Final = 200
_DECIMALS: Final = 4
_HEADER: Final = ("row", "dose_mg_per_week", "lo90", "hi90")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Learned:
    """People of whom it is known what they needed."""

    index: Ints
    rows: Matrix
    needed: Floats

    def only(self, chosen: Flags) -> _Learned:
        return _Learned(index=self.index[chosen], rows=self.rows[chosen], needed=self.needed[chosen])


def train(data: Path, out: Path, seed: int, *, recipe: Recipe | None = None) -> Artefact:
    """Fit on everybody with a stable dose, test by cross-validation, write the artefact with its card.

    Parameters
    ----------
    data : Path
        CSV of the IWPC, plain or gzip.
    out : Path
        Folder ``.../warfarin_dose/<version>``; is made.
    seed : int
        For folds and trees.
    recipe : Recipe, optional
        In place of the shipped model's own.

    Raises
    ------
    DataError
        For what `iwpc.load` raises it, and where too few have a stable dose.
    """
    recipe = recipe or Recipe()
    people = load(data)
    learned = _learned(people, stable=True)
    if learned is None or len(learned.needed) < _LEAST_PEOPLE:
        raise DataError(f"fewer than {_LEAST_PEOPLE} people have a dose that is said to be stable", field=DOSE)
    found = held(learned.rows, learned.needed, recipe, seed)
    fitted = fit(learned.rows, learned.needed, recipe, seed)
    out.mkdir(parents=True, exist_ok=True)
    report = _report(learned, found, fitted.filling) | {"recipe": asdict(recipe), "seed": seed}
    report["terms"] = len(fitted.linear.names)
    report["as_if_answered"] = _ablation(learned, fitted.filling, recipe, seed)
    report["data"] = {"sha256": file_sha256(data), "subjects": len(people.subjects), "people": len(learned.needed)}
    return _write(out, fitted, found, report)


def _write(out: Path, fitted: Fitted, found: Held, report: dict[str, Any]) -> Artefact:
    spreads = found.spreads()
    model = {
        "features": FEATURES,
        "filling": asdict(fitted.filling),
        "linear": {name: np.asarray(one).tolist() for name, one in asdict(fitted.linear).items()},
        "share_of_trees": fitted.share_of_trees,
        "spread": {typed: asdict(spread) for typed, spread in spreads.items()},
    }
    (out / TREES).write_bytes(fitted.booster.save_raw("ubj"))
    (out / "model.json").write_bytes(canonical_json(model))
    (out / "golden.json").write_bytes(canonical_json(_golden(fitted, spreads)))
    (out / "training.json").write_bytes(canonical_json(report))
    manifest = _manifest(report)
    artefact = write_manifest(out, manifest)
    DoseModel.from_artefact(artefact).self_check()
    (out / CARD).write_text(dose_card(artefact.manifest, artefact.read_json("training.json")), encoding="utf-8")
    return artefact


def _manifest(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "dose",
        "title": "Stable weekly dose of warfarin",
        "outcome": "Weekly dose of warfarin, mg, at which the INR was stable",
        "population": DATA_SET.inclusion,
        "limits": dict(LIMITS),
        "split": report["split"],
        "seed": report["seed"],
        "data_sha256": report["data"]["sha256"],
        "credit": DATA_SET.credit,
        "credit_short": DATA_SET.credit_short,
        "licence": DATA_SET.licence,
        "about": asdict(DATA_SET),
        "comparators": PUBLISHED,
        "owner": "Clinical decision support group",
        "status": "not reviewed by a clinician",
    }


def _learned(people: People, *, stable: bool) -> _Learned | None:
    """Those with a dose, within the limits, and stable where that is asked for; None where the file does not say."""
    if people.doses is None or (stable and people.stable is None):
        return None
    limits = Limits.from_json(LIMITS)
    steady = people.stable if stable and people.stable is not None else (True,) * len(people.subjects)
    index = [
        i
        for i, (who, dose, kept) in enumerate(zip(people.subjects, people.doses, steady, strict=True))
        if dose is not None and kept and not limits.refuse(who)
    ]
    rows = np.array([row(people.subjects[i]) for i in index], np.float32).reshape(-1, len(FEATURES))
    needed = np.array([people.doses[i] for i in index], np.float64)
    return _Learned(index=np.array(index, np.int64), rows=rows, needed=needed)


def _report(learned: _Learned, found: Held, filling: Filling) -> dict[str, Any]:
    """What cross-validation says; the interval of each person comes from the errors of people in other folds."""
    needed, rows = learned.needed, learned.rows
    low, high = found.intervals("both")
    said = found.said["both"] ** 2
    each = [figures(needed, *one) for one in zip(said, low**2, high**2, strict=True)]
    folds, repeats = int(found.fold.max()) + 1, len(found.fold)
    return {
        "split": {"by": "random folds", "folds": folds, "repeats": repeats},
        "tested": f"people whom the models had not seen, in {folds}-fold cross-validation, {repeats} times over",
        "figures": {name: {"mean": _mean(each, name), "sd_of_repeats": _sd(each, name)} for name in each[0]},
        "comparators": _comparators(rows, needed, filling),
        "groups": _mean_of_groups([by_group(rows, needed, *one) for one in zip(said, low**2, high**2, strict=True)]),
        "hidden": {typed: _hidden(found, typed, needed) for typed, genes in HIDDEN.items() if genes},
    }


def _ablation(learned: _Learned, filling: Filling, recipe: Recipe, seed: int) -> dict[str, float]:
    """Figures where it is hidden what was asked and what was left open; one repeat."""
    rows = as_if_answered(learned.rows, filling)
    found = held(rows, learned.needed, replace(recipe, repeats=1), seed)
    return figures(learned.needed, found.said["both"][0] ** 2)


def _hidden(found: Held, typed: str, needed: Floats) -> dict[str, float]:
    """Figures where a genotype is hidden from the models, of everybody."""
    low, high = found.intervals(typed)
    each = [figures(needed, *one) for one in zip(found.said[typed] ** 2, low**2, high**2, strict=True)]
    return {name: _mean(each, name) for name in each[0]}


def _mean(each: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(np.mean([one[name] for one in each]))


def _sd(each: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(np.std([one[name] for one in each], ddof=1)) if len(each) > 1 else 0.0


def _mean_of_groups(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        kind: {
            name: {figure: _mean([one[kind][name] for one in each], figure) for figure in figures_of}
            for name, figures_of in groups.items()
        }
        for kind, groups in each[0].items()
    }


def _comparators(rows: Matrix, needed: Floats, filling: Filling) -> dict[str, Any]:
    """The fixed dose and the published algorithms for the same people."""
    fixed = np.full(len(needed), FIXED_MG_PER_WEEK)
    others = {name: one.doses(rows, filling) for name, one in published(latest(PUBLISHED)).items()}
    return {name: figures(needed, said) for name, said in {"fixed_35": fixed, **others}.items()}


def _golden(fitted: Fitted, spreads: Mapping[str, Any]) -> dict[str, Any]:
    """Invented people, and what the training libraries say of them."""
    shown = np.stack([row(one) for one in _INVENTED])
    found, ends = [], []
    for typed, genes in HIDDEN.items():
        rows = without(shown, *genes)
        root = fitted.roots(rows)
        low, high = spreads[typed].interval(root, rows)
        found.append(rows)
        ends.append(np.stack([root, low, high], axis=1) ** 2)
    rows = np.concatenate(found)
    kept = [[None if np.isnan(value) else float(value) for value in one] for one in rows]
    return {"rows": kept, "doses": np.concatenate(ends).tolist()}


_INVENTED: Final = (
    Subject(
        age_decade=6,
        male=True,
        race="white",
        hispanic=False,
        height_cm=176.0,
        weight_kg=82.0,
        vkorc1={"rs9923231": 1, "rs9934438": 1},
        cyp2c9=(1, 2),
        recorded={"amiodarone": False, "smoker": False, "aspirin": True},
        indications=frozenset({3}),
        target_inr=Target(value=2.5, low=2.0, high=3.0),
    ),
    Subject(
        age_decade=7,
        male=False,
        race="asian",
        height_cm=152.0,
        weight_kg=54.0,
        vkorc1={"rs9923231": 2},
        cyp2c9=(1, 3),
        recorded={"amiodarone": True},
        medicines=Listed(named=frozenset({"amiodarone", "digoxin"}), entries=3),
        conditions=Listed(named=frozenset({"valve", "heart_failure"}), entries=2),
    ),
    Subject(
        age_decade=3,
        male=True,
        race="black",
        weight_kg=104.0,
        vkorc1={"rs9934438": 0, "rs7294": 1},
        cyp2c9=(1, 11),
        recorded={"carbamazepine": True, "smoker": True},
        indications=frozenset({1, 2}),
    ),
    Subject(vkorc1={"rs9923231": 0}, cyp2c9=(3, 3)),
)


def evaluate(
    data: Path, predictions: Path, report: Path | None = None, artefact: Artefact | None = None
) -> dict[str, Any]:
    """Estimate a dose for every row of a file and, where doses are given, measure how good the estimates are.

    Parameters
    ----------
    data : Path
        As for `train`; the dose and whether it was stable may be missing.
    predictions : Path
        CSV to write: ``row`` from 0 in file order, ``dose_mg_per_week``, ``lo90``, ``hi90``; empty where the model
        abstains, which the report explains.
    report : Path, optional
        JSON to write.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.
    """
    artefact = artefact or latest(NAME)
    model = DoseModel.from_artefact(artefact)
    model.self_check()
    people = load(data)
    refused = [model.limits.refuse(who) for who in people.subjects]
    asked = [i for i, reasons in enumerate(refused) if not reasons]
    doses = dict(zip(asked, model.doses([people.subjects[i] for i in asked]), strict=True))
    found = _about(model, artefact, data) | {
        "rows": len(people.subjects),
        "abstained": [_abstention(i, reasons) for i, reasons in enumerate(refused) if reasons],
        "remarks": _remarks(people.remarks),
        "measured": _measured(people, doses, model.filling),
    }
    files: dict[Path, outputs.Writer] = {
        predictions: partial(_write_predictions, rows=len(people.subjects), doses=doses)
    }
    if report is not None:
        files[report] = outputs.document(found)
    outputs.write(files)
    return found


def _about(model: DoseModel, artefact: Artefact, data: Path) -> dict[str, Any]:
    theirs = file_sha256(data)
    return {
        "model": f"{model.name} {model.version}",
        "model_sha256": model.sha256,
        "seed": artefact.manifest["seed"],
        "data_sha256": theirs,
        "learned_from_this_file": theirs == artefact.manifest["data_sha256"],
    }


def _abstention(number: int, reasons: Sequence[Lack]) -> dict[str, Any]:
    return {"row": number, "why": [lack.text for lack in reasons]}


def _remarks(remarks: Sequence[Remark]) -> list[dict[str, Any]]:
    said = dict.fromkeys((one.column, one.text) for one in remarks)
    return [
        {
            "column": column,
            "text": text,
            "rows": [one.row for one in remarks if (one.column, one.text) == (column, text)],
        }
        for column, text in said
    ]


def _write_predictions(path: Path, rows: int, doses: Mapping[int, Dose]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_HEADER)
        for number in range(rows):
            one = doses.get(number)
            values = ("", "", "") if one is None else (one.dose_mg_per_week, one.low, one.high)
            writer.writerow([number, *(value if value == "" else round(float(value), _DECIMALS) for value in values)])


def _measured(people: People, doses: Mapping[int, Dose], filling: Filling) -> dict[str, Any]:
    """Figures of those who were stable and of all with a dose, beside the comparators; empty where no dose is known."""
    found: dict[str, Any] = {}
    for name, stable in (("stable", True), ("any_dose", False)):
        learned = _learned(people, stable=stable)
        if learned is not None and len(learned.needed):
            found[name] = _compared(learned, doses, filling)
    return found


def _compared(learned: _Learned, doses: Mapping[int, Dose], filling: Filling) -> dict[str, Any]:
    asked = learned.only(np.array([int(i) in doses for i in learned.index]))
    theirs = [doses[int(i)] for i in asked.index]
    said, low, high = (
        np.array([getattr(one, name) for one in theirs], np.float64) for name in ("dose_mg_per_week", "low", "high")
    )
    return {
        "model": figures(asked.needed, said, low, high),
        **_comparators(asked.rows, asked.needed, filling),
        "groups": by_group(asked.rows, asked.needed, said, low, high),
    }
