"""What is unknown stays unknown for the trees, and has a term of its own for the linear part."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from cds_app.errors import ContentError
from cds_app.score.warfarin.dose import alleles, typed_genes
from cds_app.score.warfarin.features import FEATURES, Filling, as_if_answered, row, terms, without
from cds_app.score.warfarin.subject import Listed, Subject
from tests.warfarin import SOMEBODY

ROWS = np.stack([row(SOMEBODY), row(replace(SOMEBODY, male=False, race="asian", height_cm=155.0, weight_kg=50.0))])
FILLING = Filling.of(ROWS)


def value(subject: Subject, name: str) -> float:
    return float(row(subject)[FEATURES.index(name)])


def term(subject: Subject, name: str) -> float:
    names, values = terms(row(subject)[None], FILLING)
    return float(values[0, names.index(name)])


def test_names_are_unique() -> None:
    assert len(set(FEATURES)) == len(FEATURES)
    names = terms(ROWS, FILLING)[0]
    assert len(set(names)) == len(names)


def test_of_somebody_unknown_only_what_a_list_holds_and_who_is_unknown_is_a_number() -> None:
    known = {name for name, one in zip(FEATURES, row(Subject()), strict=True) if np.isfinite(one)}
    said = {name for name in FEATURES if name.startswith(("takes_", "has_"))}
    assert known == said | {
        *("asian", "black", "race_unknown", "hispanic", "ethnicity_unknown"),
        *("medicines_listed", "medicines_count", "conditions_listed"),
    }


def test_alleles_other_than_the_three_common_ones_are_counted_as_rare() -> None:
    rare = replace(SOMEBODY, cyp2c9=(2, 11))
    assert [value(rare, f"cyp2c9_{one}") for one in ("2", "3", "rare")] == [1.0, 0.0, 1.0]
    assert [float(one[0]) for one in alleles(row(rare)[None])] == [1.0, 2.0]


def test_a_list_that_names_nothing_differs_from_no_list() -> None:
    nothing = replace(SOMEBODY, medicines=Listed(named=frozenset({"none"}), entries=0))
    assert (value(nothing, "medicines_listed"), value(SOMEBODY, "medicines_listed")) == (1.0, 0.0)
    assert (value(nothing, "takes_none"), value(SOMEBODY, "takes_none")) == (1.0, 0.0)


def test_the_linear_part_has_no_gaps() -> None:
    names, values = terms(np.stack([row(Subject()), row(SOMEBODY)]), FILLING)
    assert values.shape == (2, len(names))
    assert np.isfinite(values).all()


def test_height_and_weight_are_filled_in_from_people_of_that_sex_and_race() -> None:
    small = Subject(male=False, race="asian")
    assert (term(small, "height_cm"), term(small, "weight_kg")) == (155.0, 50.0)
    assert term(Subject(male=True, race="white"), "height_cm") == 175.0
    assert term(Subject(male=True, race="black"), "height_cm") == 165.0, "nobody there: of everybody"


def test_an_unknown_genotype_is_a_term_and_no_genotype() -> None:
    unknown = replace(SOMEBODY, vkorc1={}, cyp2c9=None)
    said = [term(unknown, f"vkorc1_{one}") for one in ("0", "1", "2", "unknown")]
    assert (said, term(unknown, "cyp2c9_unknown")) == ([0.0, 0.0, 0.0, 1.0], 1.0)


def test_hiding_a_gene_equals_not_having_typed_it() -> None:
    np.testing.assert_array_equal(without(ROWS[:1], "vkorc1")[0], row(replace(SOMEBODY, vkorc1={})))
    np.testing.assert_array_equal(without(ROWS[:1], "cyp2c9")[0], row(replace(SOMEBODY, cyp2c9=None)))
    typed = [typed_genes(without(ROWS[:1], *genes)) for genes in ((), ("vkorc1",), ("cyp2c9",), ("vkorc1", "cyp2c9"))]
    assert typed == [["both"], ["cyp2c9_only"], ["vkorc1_only"], ["neither"]]


def test_as_if_answered_says_nothing_of_what_was_left_open() -> None:
    silent = replace(SOMEBODY, recorded={}, height_cm=None, target_inr=None, vkorc1={"rs9923231": 1, "rs7294": 1})
    answered = dict.fromkeys(("amiodarone", "smoker"), False)
    asked = replace(silent, recorded=answered, height_cm=175.0, conditions=Listed(named=frozenset(), entries=0))
    asked = replace(asked, target_inr=SOMEBODY.target_inr, vkorc1={"rs9923231": 1})
    one, other = (as_if_answered(row(who)[None], FILLING) for who in (silent, asked))
    np.testing.assert_array_equal(one, other)
    assert typed_genes(one) == ["both"]


def test_medians_that_lack_a_group_are_refused() -> None:
    content = asdict(FILLING)
    assert Filling.from_json(content) == FILLING
    del content["height_cm"]["male_black"]
    with pytest.raises(ContentError, match="medians"):
        Filling.from_json(content)
