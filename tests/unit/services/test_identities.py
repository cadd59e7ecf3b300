"""Whose an identifier is: told by explicit statements, in any order, never guessed."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from cds_app.adapters.cabinet import MemoryCabinet
from cds_app.adapters.memory_store import MemoryStore
from cds_app.services.identities import MOST_TIED, Identities, Tie
from tests.conftest import FrozenClock
from tests.stores import NOW, vault

MRN = "urn:oid:1.2.36.146.595.217.0.1"


@pytest.fixture
def identities() -> Identities:
    return Identities(MemoryCabinet(), MemoryStore(vault()).pseudonym, FrozenClock(at=NOW), frozenset({MRN}))


def merge(to: str, minutes: int = 0) -> Tie:
    return Tie(to=to, by="merge", at=NOW + timedelta(minutes=minutes))


def test_a_patients_record_ties_its_identifiers_of_known_systems(identities: Identities) -> None:
    identities.learn("north", "pat", [(MRN, "1"), ("http://ssn.example", "2"), (MRN, "3")])
    one, three = (identities.alias("north", (MRN, value)) for value in "13")
    assert set(identities.tied("pat")) == {one, three}
    assert identities.owner(one) == "pat"
    assert identities.owner(identities.alias("north", ("http://ssn.example", "2"))) == ""


def test_an_identifier_is_one_only_within_its_tenant_and_never_a_fhir_id(identities: Identities) -> None:
    names = {identities.alias(tenant, (MRN, "1")) for tenant in ("north", "south")}
    names.add(identities.alias("north", ("http://other.example", "1")))
    names.add(identities.pseudonym("north", "1"))
    assert len(names) == 4


def test_an_identifier_in_two_records_is_neither_patients(identities: Identities) -> None:
    alias = identities.alias("north", (MRN, "1"))
    identities.learn("north", "a", [(MRN, "1")])
    identities.learn("north", "b", [(MRN, "1")])
    identities.learn("north", "a", [(MRN, "1")])
    assert (identities.owner(alias), identities.tied("a"), identities.tied("b")) == ("", (), ())
    identities.tie(alias, Tie(to="b", by="operator", at=NOW))
    assert identities.owner(alias) == "b"


def test_a_merge_brings_what_was_told_under_the_older_number_and_its_undoing_takes_it_back(
    identities: Identities,
) -> None:
    identities.learn("north", "pat", [(MRN, "new")])
    old, new = (identities.alias("north", (MRN, value)) for value in ("old", "new"))
    assert identities.tie(old, merge(new)) == "tied"
    assert identities.tied("pat") == tuple(sorted((old, new)))
    assert identities.owner(old) == "pat"
    assert identities.tie(old, merge("", 1)) == "tied"
    assert identities.tied("pat") == (new,)
    assert identities.owner(old) == ""


def test_merges_end_alike_in_whatever_order_they_arrive(identities: Identities) -> None:
    told = [("a", merge("b", 1)), ("a", merge("", 2)), ("a", merge("c", 3))]
    for number, order in enumerate(permutations(told)):
        for name, tie in order:
            to = f"{number}{tie.to}" if tie.to else ""
            identities.tie(f"{number}{name}", Tie(to=to, by=tie.by, at=tie.at))
        assert identities.tied(f"{number}b") == ()
        assert identities.tied(f"{number}c") == (f"{number}a",)


def test_a_statement_that_is_repeated_later_is_as_new_as_its_repetition(identities: Identities) -> None:
    for tie in (merge("b", 1), merge("b", 3), merge("", 2)):
        identities.tie("a", tie)
    assert identities.tied("b") == ("a",)


def test_a_record_does_not_overrule_a_merge(identities: Identities) -> None:
    old = identities.alias("north", (MRN, "old"))
    identities.tie(old, merge("survivor"))
    identities.learn("north", "pat", [(MRN, "old")])
    assert identities.tied("pat") == ()


def test_nobody_is_merged_into_themselves(identities: Identities) -> None:
    assert identities.tie("a", merge("b")) == "tied"
    assert identities.tie("b", merge("c")) == "tied"
    assert identities.tie("c", merge("a")) == "circular"
    assert identities.tie("c", merge("c")) == "circular"
    assert identities.tied("c") == ("a", "b")


def test_who_claims_too_many_identifiers_is_no_person(identities: Identities) -> None:
    for number in range(MOST_TIED):
        identities.tie(f"n{number}", merge("pat"))
    assert identities.tie("more", merge("pat")) == "too-many"
    assert identities.owner("more") == ""


def test_half_a_tie_is_made_whole_when_it_is_told_again(identities: Identities) -> None:
    identities.tie("a", merge("pat"))
    taken = identities.cabinet.take("tied", "pat", NOW)
    assert taken is not None
    assert identities.tied("pat") == ()
    assert identities.tie("a", merge("pat")) == "known"
    assert identities.tied("pat") == ("a",)
