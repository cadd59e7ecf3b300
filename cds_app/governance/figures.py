"""Tables of a model card from a training report: cells of plain text, nothing computed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]
Rows = tuple[tuple[str, ...], ...]

_ALERTS: tuple[tuple[str, str, bool], ...] = (  # key, what it is, whether it is a share
    ("sensitivity_hours", "Sensitivity, hours", True),
    ("ppv_hours", "Positive predictive value, hours", True),
    ("sensitivity_patients", "Sensitivity, patients", True),
    ("sensitivity_before_onset", "Patients alerted before onset", True),
    ("onsets_warned", "Onsets with an alert within the horizon before", True),
    ("ppv_patients", "Positive predictive value, patients", True),
    ("patients_alerted", "Patients ever alerted", True),
    ("hours_alerted", "Hours alerted", True),
    ("alerts_per_100_patient_days", "Alerts in 100 patient-days", False),
    ("lead_time_h", "Median lead of the first alert, hours", False),
)
_OF_STAYS: tuple[tuple[str, str], ...] = (
    ("lesser_of_both", "Lesser of sensitivity and precision at the threshold"),
    ("sensitivity", "Sensitivity at the threshold"),
    ("precision", "Precision at the threshold"),
    ("alerted", "Part of the patients at or above the threshold"),
    ("days_left", "Median days from the estimate to death, of those at or above the threshold who died"),
)
_KINDS = (("by_sex", "Sex"), ("by_age", "Age"), ("by_site", "Hospital"), ("by_unit", "Unit"))
_TOO_FEW = "too few"
_FIT_TREES = "test_of_fit_trees"
_LEVEL = "95 % interval"
_ERROR = "Expected calibration error"
_BY_CHANCE = "Calibration error that a right risk stays below in 19 of 20 samples of as many patients"
_ERRORS = frozenset({_ERROR, _BY_CHANCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its heading and a sentence on how to read it; with fewer rows than ``least`` it says nothing."""

    title: str
    heads: tuple[str, ...]
    rows: Rows
    note: str = ""
    least: int = 1


def tables(manifest: Figures, report: Figures) -> tuple[Table, ...]:
    """Every table that the report has the figures for.

    Parameters
    ----------
    manifest, report : mapping
        ``manifest.json`` and ``training.json`` of a learned risk.
    """
    test = report["test"]
    found = (
        _splits(report),
        _main(test["overall"]),
        _interval(report.get("interval"), report["calibration"]),
        _alerts(test["overall"], manifest),
        _tiers(manifest["tiers"]),
        _policy(manifest.get("policy")),
        _compared(test),
        _groups(test),
        _variants(report),
        _transfer(report.get("transfer")),
        _outside(report.get("population"), _unit(test["overall"])),
        _explanations(report.get("explanations")),
    )
    return tuple(one for one in found if one is not None and len(one.rows) >= one.least)


def _splits(report: Figures) -> Table:
    data, note = report["data"], ""
    parts = [(name, data[name]) for name in ("fit", "calibrate", "test") if name in data]
    if _FIT_TREES in report:
        note = (
            "All of them grew the trees that are shipped. Calibration, threshold and figures come from what trees of "
            f"the other patients said of each, in {report['calibration']['folds']} folds. Only alert policy, ablation, "
            "travel between hospitals and the trial of explanations rest on trees of fit patients: chosen on "
            "calibration patients, measured on test patients."
        )
    return Table(
        title="Patients",
        note=note,
        heads=("part", "patients", "with the outcome", "rows"),
        rows=tuple(
            (name, str(one["patients"]), str(one["patients_with_outcome"]), str(one["rows"])) for name, one in parts
        ),
    )


def _main(overall: Figures) -> Table:
    between, fit = overall.get("intervals", {}), overall["calibration"]
    ranks = [(title, overall[key], between.get(key)) for key, title in (("auroc", "AUROC"), ("auprc", "AUPRC"))]
    if "utility" in overall:
        ranks.append(("Normalised utility of the Challenge", overall["utility"], between.get("utility")))
    ranks += [(title, overall[key], between.get(key)) for key, title in _OF_STAYS if key in overall]
    fits = [
        (title, fit[key], between.get("calibration", {}).get(key))
        for key, title in (
            ("slope", "Calibration slope"),
            ("intercept", "Calibration intercept"),
            ("ece", _ERROR),
            ("ece_by_chance", _BY_CHANCE),
        )
        if key in fit
    ]
    return Table(
        title="Discrimination and calibration",
        note="Intervals: 95 of 100 bootstrap resamples of patients.",
        heads=("figure", "value", _LEVEL),
        rows=(
            *((title, _number(value), _between(interval)) for title, value, interval in ranks),
            *((title, _fine(title, value), _fine_pair(title, interval)) for title, value, interval in fits),
        ),
    )


def _unit(overall: Figures) -> str:
    """What a row of the data is: an hour that may be alerted, or a whole stay."""
    return "hours" if "alerts" in overall else "stays"


def _interval(found: Figures | None, calibration: Figures) -> Table | None:
    if found is None:
        return None
    cells = found["cells"]
    return Table(
        title="Does the interval hold",
        note="The interval of an estimate says where the rate among patients with that estimate lies, at "
        f"{100 * found['level']:g} of 100. Cells are fifths of the estimate, of everybody and of each group below, "
        "with at least ten patients with the outcome.",
        heads=("", "value"),
        rows=(
            ("How many times as wide as its bootstrap", f"{calibration['interval_widened']:.1f}"),
            ("Cells of test patients", str(cells)),
            (
                "... whose observed share lay within the interval and the chance of the cell",
                _part(found["held"], cells),
            ),
            ("... within the interval alone", _part(found["held_by_interval_alone"], cells)),
        ),
    )


def _part(some: int, cells: int) -> str:
    return f"{some} ({percent(some / cells)})" if cells else "not defined"


def _alerts(overall: Figures, manifest: Figures) -> Table | None:
    live = f" ({percent(manifest['threshold'])} in the model that is shipped)" if "threshold" in manifest else ""
    policy = " Whom cards interrupt is decided by the alert policy below, with its own figures."
    alerts, between = overall.get("alerts", {}), overall.get("intervals", {}).get("alerts", {})
    return Table(
        title="At the live threshold",
        note=f"An alert begins where the estimate reaches the threshold{live} and did not in the hour before."
        f"{policy if manifest.get('policy') else ''}",
        heads=("figure", "value", _LEVEL),
        rows=tuple(
            (title, _amount(alerts[key], share), _amounts(between.get(key), share))
            for key, title, share in _ALERTS
            if key in alerts
        ),
    )


def _tiers(tiers: Sequence[Figures]) -> Table:
    return Table(
        title="Tiers",
        note="At or above the limit.",
        heads=("tier", "from", "hours that were right", "hours found", "of 100 patients alerted, had the outcome"),
        rows=tuple(
            (one["name"], percent(one["lowest"]), percent(one["ppv"]), percent(one["sensitivity"]), str(one["of_100"]))
            for one in tiers
        ),
    )


def _policy(policy: Figures | None) -> Table | None:
    if policy is None:
        return None
    rows = [
        ("Alert from", percent(policy["threshold"])),
        ("Quiet after an alert for", f"{policy['lockout_h']:g} h"),
        ("Unless the estimate rises by", f"{policy['rise_points']:g} in 100"),
        ("Alert budget", f"{policy['budget']:g} in 100 patient-days"),
        ("Alerts on test patients", f"{policy['alerts_per_100_patient_days']:.1f} in 100 patient-days"),
        ("Positive predictive value, patients", percent(policy["ppv"])),
        ("Sensitivity, patients", percent(policy["sensitivity"])),
    ]
    if "onsets_warned" in policy:
        rows.append(("Onsets with an alert within the horizon before", percent(policy["onsets_warned"])))
    return Table(
        title="Alert policy in force",
        note="What finds most within the budget, simulated over whole stays: chosen on calibration patients, measured "
        "on test patients. Cards that rest on this estimate follow it and quote its figures.",
        heads=("", ""),
        rows=tuple(rows),
    )


def _compared(test: Figures) -> Table:
    whole = test["overall"]
    rows = [("this model", *_rival(whole), "", "")]
    for one in test.get("comparators", {}).values():
        ahead = one.get("ahead", {})
        rows.append((_partial(one), *_rival(one), *(_ahead(ahead.get(key)) for key in ("auroc", "auprc"))))
    return Table(
        title="Beside what is used or simple",
        note=f"On the same patients and {_unit(whole)}. The last two columns: how far this model is ahead, with 95 % "
        "intervals.",
        heads=(
            "", "AUROC", "AUPRC", "sensitivity, patients", "PPV, patients", "alerts in 100 patient-days",
            "ahead in AUROC", "ahead in AUPRC",
        ),
        rows=tuple(rows),
        least=2,
    )  # fmt: skip


def _rival(found: Figures) -> tuple[str, ...]:
    if "auroc" not in found:
        return (_TOO_FEW, "", "", "", "")
    ranks, alerts = (_number(found["auroc"]), _number(found["auprc"])), found.get("alerts")
    if alerts is None:
        stays = (_amount(found[key], True) if key in found else "" for key in ("sensitivity", "precision"))
        return (*ranks, *stays, "")
    shares = (_amount(alerts[key], True) for key in ("sensitivity_patients", "ppv_patients"))
    return (*ranks, *shares, _amount(alerts["alerts_per_100_patient_days"], False))


def _partial(one: Figures) -> str:
    lacks = one.get("partial", ())
    return f"{one['title']} ({'; '.join(lacks)})" if lacks else str(one["title"])


def _groups(test: Figures) -> Table:
    rows = [(kind, name, *_group(found)) for key, kind in _KINDS for name, found in test.get(key, {}).items()]
    return Table(
        title="By group",
        note="Predicted and observed: mean risk, and part with the outcome. The intercept is where the line of "
        "calibration passes a risk of 50 in 100; where the outcome is rare that is far from most risks, and the "
        f"intercept moves with the slope. The last column: {_BY_CHANCE[0].lower()}{_BY_CHANCE[1:]}.",
        heads=(
            "", "group", "patients", "with the outcome", "AUROC", _LEVEL, "AUPRC", "predicted", "observed", "slope",
            "intercept", _LEVEL, "ECE", "by chance",
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _group(found: Figures) -> tuple[str, ...]:
    counts = (str(found["patients"]), str(found["patients_with_outcome"]))
    if "auroc" not in found:
        return (*counts, _TOO_FEW, *[""] * 9)
    fit, between = found["calibration"], found.get("intervals", {})
    ranks = (_number(found["auroc"]), _between(between.get("auroc")), _number(found["auprc"]))
    rates = (percent(fit["mean_predicted"]), percent(fit["observed"]))
    line = (f"{fit['slope']:.2f}", f"{fit['intercept']:.2f}", _pair(between.get("calibration", {}).get("intercept")))
    errors = (f"{fit[key]:.4f}" if key in fit else "" for key in ("ece", "ece_by_chance"))
    return (*counts, *ranks, *rates, *line, *errors)


def _variants(report: Figures) -> Table:
    lines = [("this model", report["test"]["overall"])]
    if (of_fit := report.get(_FIT_TREES)) is not None:
        lines = [("trees of fit patients, on test patients", of_fit)]
    if (ablated := report.get("test_without_count_and_age_features")) is not None:
        lines.append(("without features of whether, when and how often something was measured", ablated))
    keys = [key for key in ("auroc", "auprc", "utility") if all(key in one for _, one in lines)]
    return Table(
        title="Without the habits of measuring",
        note="The difference is what the model owes to the worry of the staff rather than to physiology. Those habits "
        "differ between hospitals.",
        heads=("", *(key.upper() if key != "utility" else key for key in keys)),
        rows=tuple((name, *(_number(one[key]) for key in keys)) for name, one in lines),
        least=2,
    )


def _transfer(transfer: Figures | None) -> Table | None:
    if transfer is None:
        return None
    keys = [key for key in ("auroc", "auprc", "utility") if all(key in one for one in transfer.values())]
    return Table(
        title="Trained in one hospital, tested in the other",
        heads=("trained and tested", *keys),
        rows=tuple((name, *(_number(one[key]) for key in keys)) for name, one in transfer.items()),
    )


def _outside(found: Figures | None, unit: str) -> Table | None:
    if found is None:
        return None
    rows = [
        (f"Test patients, {unit}", found["overall"]),
        ("Test patients, ever", found["patients_ever"]),
        (f"{unit.capitalize()} with the outcome ahead", found["with_outcome"]),
        *((f"{kind}, {name}", one) for key, kind in _KINDS for name, one in found.get(key, {}).items()),
        *((f"Made up: {name}", one) for name, one in found["shifted"].items()),
    ]
    return Table(
        title="Outside the population",
        note="No estimate is given where measurements are jointly unlike those in training. Of test patients few "
        f"should be refused; of {unit} made up from theirs, all but the athlete's.",
        heads=("of whom", "how many", "refused"),
        rows=tuple((name, str(one["of"]), _amount(one["refused"], True)) for name, one in rows),
    )


def _explanations(found: Figures | None) -> Table | None:
    if found is None:
        return None
    stable, faithful = found["stability"], found["faithfulness"]
    moved = faithful["moved_by_place"]
    return Table(
        title="Do the explanations hold",
        note=f"On the highest estimate of each of {found['rows']} test patients. Values are disturbed by their "
        f"measurement error. A measurement is withheld with all of its features; only the {faithful['withheld']} that "
        "may be absent in use are, not age, sex and times.",
        heads=("", "value"),
        rows=(
            ("Same first reason after disturbance", percent(stable["same_first"])),
            ("First three reasons kept", percent(stable["top_3_kept"])),
            ("First reason pulls the same way", percent(stable["same_direction"])),
            ("Log-odds moved by withholding the first measurement among the reasons", f"{moved[0]:.2f}"),
            ("... the second", f"{moved[1]:.2f}"),
            ("... the fifth", f"{moved[4]:.2f}"),
            ("... one of the others", f"{faithful['moved_by_other']:.2f}"),
            ("The first moves it most of these five", percent(faithful["first_moves_most"])),
        ),
    )


def _ahead(one: Figures | None) -> str:
    if one is None:
        return ""
    between = "" if one["interval"] is None else " ({:+.3f} to {:+.3f})".format(*one["interval"])
    return f"{one['value']:+.3f}{between}"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _fine(title: str, value: float) -> str:
    """With a digit more for an error, which is small where the outcome is rare."""
    return f"{value:.4f}" if title in _ERRORS else _number(value)


def _fine_pair(title: str, interval: Sequence[float] | None) -> str:
    if interval is None or title not in _ERRORS:
        return _between(interval)
    return "{:.4f} to {:.4f}".format(*interval)


def percent(value: float) -> str:
    """A share as tables have it."""
    return f"{100 * value:.1f} %"


def _amount(value: float | None, share: bool) -> str:
    if value is None:
        return "not defined"
    return percent(value) if share else f"{value:.1f}"


def _amounts(interval: Sequence[float] | None, share: bool) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %" if share else f"{low:.1f} to {high:.1f}"


def _pair(interval: Sequence[float] | None) -> str:
    return "" if interval is None else "{:.2f} to {:.2f}".format(*interval)


def _between(interval: Sequence[float] | None) -> str:
    return "" if interval is None else "{:.3f} to {:.3f}".format(*interval)
