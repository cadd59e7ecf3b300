"""A missing genotype is never read as the reference one, and a linked position stands in only where it is linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cds_app.score.warfarin.subject import Race, Subject
from tests.warfarin import SOMEBODY


@pytest.mark.parametrize(
    ("race", "typed", "copies"),
    [
        ("white", {"rs9923231": 2}, 2),
        ("black", {"rs9934438": 1}, 1),
        ("white", {"rs2359612": 1}, 1),
        ("asian", {"rs8050894": 2}, 2),
        ("black", {"rs2359612": 1, "rs8050894": 1}, None),
        ("unknown", {"rs2359612": 1}, None),
        ("white", {"rs7294": 1, "rs2884737": 1, "rs17880887": 1}, None),
        ("white", {}, None),
        ("white", {"rs9923231": 1, "rs9934438": 2}, 1),
        ("white", {"rs9923231": 0, "rs9934438": 2}, None),
    ],
)
def test_vkorc1_is_read_from_where_the_consortium_read_it(
    race: Race, typed: Mapping[str, int], copies: int | None
) -> None:
    assert replace(SOMEBODY, race=race, vkorc1=typed).sensitive_alleles == copies


def test_opposite_homozygotes_at_linked_positions_contradict_each_other() -> None:
    assert replace(SOMEBODY, vkorc1={"rs9923231": 2, "rs9934438": 0}).contradicts_itself
    assert not replace(SOMEBODY, vkorc1={"rs9923231": 2}).contradicts_itself


def test_star_alleles_that_are_not_known_are_not_counted() -> None:
    assert (Subject().copies(1), replace(SOMEBODY, cyp2c9=(2, 2)).copies(2)) == (None, 2)
