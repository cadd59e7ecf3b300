"""The dose of warfarin from invented people: training, serving, intervals, and what a file lacks."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds_app.content import CARD, Artefact, latest
from cds_app.errors import DataError
from cds_app.learn.warfarin.card import dose_card
from cds_app.learn.warfarin.dose import evaluate, train
from cds_app.learn.warfarin.figures import by_group, figures
from cds_app.learn.warfarin.growing import HIDDEN, Recipe, fit, held
from cds_app.learn.warfarin.iwpc import DOSE, STABLE, load
from cds_app.score.warfarin.dose import NAME, DoseModel
from cds_app.score.warfarin.features import row, without
from tests.warfarin import RS9923231, cells, cohort, save

RECIPE = Recipe(rounds=25, eta=0.2, folds=2, repeats=2, least_child_weight=3.0)
PEOPLE = cohort(300)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    folder = tmp_path_factory.mktemp("warfarin")
    return train(save(folder / "people.csv", PEOPLE), folder / NAME / "1.0.0", 5, recipe=RECIPE)


def evaluated(folder: Path, rows: list[dict[str, str]], model: Artefact, **options: Any) -> list[dict[str, str]]:
    evaluate(save(folder / "data.csv", rows, **options), folder / "out.csv", folder / "out.json", model)
    with (folder / "out.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_training_twice_gives_the_same_model(made: Artefact, tmp_path: Path) -> None:
    again = train(save(tmp_path / "people.csv", PEOPLE), tmp_path / NAME / "1.0.0", 5, recipe=RECIPE)
    assert again.sha256 == made.sha256
    assert (again.root / CARD).read_text("utf-8") == (made.root / CARD).read_text("utf-8")


def test_serving_says_what_the_training_libraries_say(made: Artefact, tmp_path: Path) -> None:
    people = load(save(tmp_path / "people.csv", PEOPLE))
    rows = np.stack([row(one) for one in people.subjects])
    needed = np.array(people.doses, float)
    fitted = fit(rows, needed, RECIPE, 5)
    served = DoseModel.from_artefact(made)
    for genes in HIDDEN.values():
        shown = without(rows, *genes)
        np.testing.assert_allclose(served.roots(shown)[0], fitted.roots(shown), atol=1e-5)  # float32 sums of leaves


def test_a_term_that_never_varies_is_not_blown_up(tmp_path: Path) -> None:
    people = load(save(tmp_path / "people.csv", PEOPLE))  # all aim at an INR of 2.5
    fitted = fit(np.stack([row(one) for one in people.subjects]), np.array(people.doses, float), RECIPE, 5)
    assert fitted.linear.scale[fitted.linear.names.index("inr_target")] == 1.0
    assert np.abs(fitted.linear.weight).max() < 10.0


def test_it_learns_and_is_better_than_a_fixed_dose(made: Artefact, tmp_path: Path) -> None:
    evaluated(tmp_path, cohort(300, seed=9), made)
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))["measured"]["stable"]
    assert set(found) == {"model", "fixed_35", "iwpc_clinical", "iwpc_pharmacogenetic", "groups"}
    assert found["model"]["mae_mg_per_week"] < 0.7 * found["fixed_35"]["mae_mg_per_week"]
    # 300 people: three standard errors of a share of 0.9 are 0.052
    assert found["model"]["covered_90"] == pytest.approx(0.9, abs=0.052)


def test_every_row_is_answered_in_file_order_with_four_columns(made: Artefact, tmp_path: Path) -> None:
    unsteady = cells() | {STABLE: "0", DOSE: ""}
    untyped = cells() | {RS9923231: "", "CYP2C9 consensus": ""}
    found = evaluated(tmp_path, [cells(), unsteady, untyped], made)
    assert list(found[0]) == ["row", "dose_mg_per_week", "lo90", "hi90"]
    assert [one["row"] for one in found] == ["0", "1", "2"]
    numbers = [[float(one[name]) for name in ("lo90", "dose_mg_per_week", "hi90")] for one in found]
    assert all(0.0 < low < dose < high for low, dose, high in numbers)
    assert numbers[0] == numbers[1], "the dose is looked at neither to estimate nor to abstain"
    assert numbers[2][2] - numbers[2][0] > numbers[0][2] - numbers[0][0], "less is known"


def test_the_dose_and_what_came_of_it_are_not_needed_to_estimate(made: Artefact, tmp_path: Path) -> None:
    rows = [dict(one) for one in cohort(30, seed=3)]
    full = evaluated(tmp_path, rows, made)
    assert evaluated(tmp_path, rows, made, but=[DOSE, STABLE]) == full
    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert (report["measured"], report["learned_from_this_file"]) == ({}, False)


def test_without_word_on_stability_all_with_a_dose_are_measured(made: Artefact, tmp_path: Path) -> None:
    evaluated(tmp_path, cohort(30, seed=3), made, but=[STABLE])
    assert set(json.loads((tmp_path / "out.json").read_text("utf-8"))["measured"]) == {"any_dose"}


def test_an_implausible_body_is_named_and_gets_no_number(made: Artefact, tmp_path: Path) -> None:
    rows = [cells(), cells() | {"Weight (kg)": "3"}, cells() | {"Height (cm)": "-170", "Age": "0 - 9"}]
    found = evaluated(tmp_path, rows, made)
    assert [one["dose_mg_per_week"] == one["lo90"] == one["hi90"] == "" for one in found] == [False, True, True]
    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [(one["row"], len(one["why"])) for one in report["abstained"]] == [(1, 1), (2, 2)]
    assert report["abstained"][0]["why"] == ["weight is outside of 25 to 270 kg"]
    assert report["measured"]["stable"]["model"]["people"] == 1


def test_remarks_are_gathered_by_what_they_say(made: Artefact, tmp_path: Path) -> None:
    odd = cells() | {"Race": "Martian"}
    evaluated(tmp_path, [odd, cells(), odd], made)
    remarks = json.loads((tmp_path / "out.json").read_text("utf-8"))["remarks"]
    assert [(one["column"], one["rows"]) for one in remarks] == [("Race", [0, 2])]


def test_a_report_need_not_be_written(made: Artefact, tmp_path: Path) -> None:
    found = evaluate(save(tmp_path / "data.csv", PEOPLE), tmp_path / "out.csv", None, made)
    assert found["learned_from_this_file"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data.csv", "out.csv"]


@pytest.mark.parametrize(
    ("rows", "but"), [(PEOPLE[:50], []), (PEOPLE, [DOSE]), (PEOPLE, [STABLE])], ids=["few", "no dose", "not stable"]
)
def test_too_few_people_to_learn_from_are_refused(rows: list[dict[str, str]], but: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer than 200"):
        train(save(tmp_path / "people.csv", rows, but=but), tmp_path / NAME / "1.0.0", 5, recipe=RECIPE)


def test_intervals_hold_for_people_of_other_folds(tmp_path: Path) -> None:
    people = load(save(tmp_path / "people.csv", PEOPLE))
    rows, needed = np.stack([row(one) for one in people.subjects]), np.array(people.doses, float)
    found = held(rows, needed, replace(RECIPE, folds=4, repeats=1), 1)
    for typed, least in (("both", 0.848), ("neither", 0.848)):  # 300 people: three standard errors are 0.052
        low, high = found.intervals(typed)
        covered = ((low[0] ** 2 <= needed) & (needed <= high[0] ** 2)).mean()
        assert least <= covered <= (0.952 if typed == "both" else 1.0)


def test_where_everybody_is_typed_no_interval_is_widened(tmp_path: Path) -> None:
    typed = [one for one in cohort(120, seed=4) if one[RS9923231] and one["CYP2C9 consensus"]]
    people = load(save(tmp_path / "people.csv", typed))
    rows, needed = np.stack([row(one) for one in people.subjects]), np.array(people.doses, float)
    found = held(rows, needed, replace(RECIPE, repeats=1, rounds=5), 1)
    assert found.spreads() == {name: found._spread(name, None) for name in HIDDEN}


def test_figures_are_those_of_a_sum_by_hand() -> None:
    needed, said = np.array([10.0, 20.0, 40.0]), np.array([12.0, 15.0, 41.0])
    found = figures(needed, said, said - 1.5, said + 1.5)
    assert found == pytest.approx(
        {
            "people": 3,
            "mae_mg_per_week": 8.0 / 3.0,
            "within_20_percent": 2.0 / 3.0,
            "bias_mg_per_week": -2.0 / 3.0,
            "covered_90": 1.0 / 3.0,
            "width_mg_per_week": 3.0,
        }
    )
    assert figures(needed[:0], said[:0]) == {"people": 0}


def test_everybody_is_in_one_group_of_each_kind(tmp_path: Path) -> None:
    people = load(save(tmp_path / "people.csv", PEOPLE))
    rows, needed = np.stack([row(one) for one in people.subjects]), np.array(people.doses, float)
    for groups in by_group(rows, needed, needed, needed, needed).values():
        assert sum(one["people"] for one in groups.values()) == len(PEOPLE)


@pytest.mark.parametrize("shipped", [False, True])
def test_the_card_says_what_manifest_and_report_say(shipped: bool, made: Artefact) -> None:
    model = latest(NAME) if shipped else made
    text = (model.root / CARD).read_text("utf-8")
    assert text == dose_card(model.manifest, model.read_json("training.json"))
    assert model.manifest["credit"] in text
    assert "Not a cleared medical device" in text
