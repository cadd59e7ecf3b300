"""Whose an identifier is: told by explicit statements, in any order, never guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.sql.cabinet import MemoryCabinet
from cds_app.services.sources.identities import MOST_TIED, Identities, Tie
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


def test_what_was_taken_away_is_nobodys_though_the_process_ended_before_the_second_document(
    identities: Identities,
) -> None:
    identities.tie("a", merge("b"))
    kept = identities.cabinet.read("tied", "b", NOW)
    assert kept is not None
    identities.tie("a", merge("", 1))
    emptied = identities.cabinet.read("tied", "b", NOW)
    assert emptied is not None
    identities.cabinet.write(replace(emptied, content=kept.content), NOW)  # as it was before
    assert identities.tied("b") == ()
    assert identities.tie("a", merge("b", 2)) == "tied"
    assert identities.tied("b") == ("a",)


def test_a_number_that_was_parted_is_tied_again_by_the_record_that_still_carries_it(identities: Identities) -> None:
    identities.learn("north", "pat", [(MRN, "old")])
    old = identities.alias("north", (MRN, "old"))
    identities.tie(old, merge("survivor"))
    identities.tie(old, merge("", 1))
    identities.learn("north", "pat", [(MRN, "old")])
    assert identities.tied("pat") == (old,)


def test_an_old_merge_that_comes_again_undoes_no_parting_that_a_record_followed(identities: Identities) -> None:
    old = identities.alias("north", (MRN, "old"))
    identities.tie(old, merge("survivor"))
    identities.tie(old, merge("", 1))
    identities.learn("north", "pat", [(MRN, "old")])
    assert identities.tie(old, merge("survivor")) == "older"
    assert identities.owner(old) == "pat"
    identities.learn("north", "another", [(MRN, "old")])
    assert identities.tie(old, merge("survivor")) == "older"
    assert identities.tie(old, merge("survivor", 2)) == "tied"


def test_all_that_was_merged_into_a_patient_is_theirs_however_much_it_is(identities: Identities) -> None:
    for above in range(3):
        identities.tie(f"a{above}", merge("pat"))
        for below in range(MOST_TIED // 2):
            identities.tie(f"b{above}-{below}", merge(f"a{above}"))
    assert len(identities.tied("pat")) == 3 * (1 + MOST_TIED // 2)


def test_a_number_that_a_source_told_first_is_not_contested_by_its_own_patient(identities: Identities) -> None:
    identities.learn("north", "pat", [(MRN, "national")])
    identities.same("north", (MRN, "ward"), [(MRN, "national")])
    identities.learn("north", "pat", [(MRN, "national"), (MRN, "ward")])
    assert identities.owner(identities.alias("north", (MRN, "ward"))) == "pat"
    assert len(identities.tied("pat")) == 2


@pytest.mark.parametrize("merged_first", [True, False])
def test_a_number_that_the_one_who_goes_on_takes_over_is_contested_by_nobody(
    identities: Identities, merged_first: bool
) -> None:
    alias = identities.alias("north", (MRN, "1"))
    identities.learn("north", "given-up", [(MRN, "1")])
    if merged_first:
        identities.tie("given-up", merge("goes-on"))
    identities.learn("north", "goes-on", [(MRN, "1")])
    assert identities.owner(alias) == ("goes-on" if merged_first else "")
    identities.tie("given-up", merge("goes-on"))
    identities.learn("north", "goes-on", [(MRN, "1")])
    assert identities.owner(alias) == "goes-on"
    identities.learn("north", "stranger", [(MRN, "1")])
    assert identities.owner(alias) == ""


def test_a_number_that_more_records_carry_than_one_person_may_have_stays_contested(identities: Identities) -> None:
    for number in range(MOST_TIED + 1):
        identities.learn("north", f"p{number}", [(MRN, "000")])
    for number in range(MOST_TIED + 1):
        identities.tie(f"p{number}", merge("q" if number < 60 else "r"))
    identities.tie("r", merge("q"))
    identities.learn("north", "q", [(MRN, "000")])
    assert identities.owner(identities.alias("north", (MRN, "000"))) == ""


def test_whoever_is_called_by_several_numbers_is_found_by_each(identities: Identities) -> None:
    identities.learn("north", "pat", [(MRN, "2")])
    identities.same("north", (MRN, "1"), [(MRN, "2"), (MRN, "3")])
    assert {identities.owner(identities.alias("north", (MRN, value))) for value in "123"} == {"pat"}


def test_whether_statements_can_be_followed_is_found_without_writing(identities: Identities) -> None:
    assert identities.refusal([("a", merge("b")), ("b", merge("c"))]) is None
    assert identities.refusal([("a", merge("b")), ("b", merge("a"))]) == "circular"
    assert identities.refusal([(f"n{number}", merge("b")) for number in range(MOST_TIED + 1)]) == "too-many"
    assert identities.tied("b") == ()
