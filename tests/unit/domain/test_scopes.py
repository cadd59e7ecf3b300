"""Which granted scopes allow what: both versions, wildcards, levels, and what is only part of a permission."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.domain.scopes import Interaction, allows, missing, read_scopes, resource_scope

INTERACTIONS: tuple[Interaction, ...] = ("create", "read", "update", "delete", "search")


@pytest.mark.parametrize(
    ("granted", "letters"),
    [
        ("patient/Observation.read", "rs"),
        ("patient/Observation.write", "cud"),
        ("patient/Observation.*", "cruds"),
        ("patient/Observation.rs", "rs"),
        ("patient/Observation.cruds", "cruds"),
        ("patient/Observation.c", "c"),
        ("patient/*.read", "rs"),
        ("patient/*.rs", "rs"),
        ("user/Observation.u", "u"),
        ("user/*.*", "cruds"),
        # what is no permission on all Observations
        ("patient/Condition.rs", ""),
        ("system/Observation.rs", ""),
        ("patient/Observation.rs?category=vital-signs", ""),
        ("patient/Observation.read?x=y", ""),
        ("patient/Observation.sr", ""),  # out of order: not SMART 2.2
        ("patient/Observation.rrs", ""),
        ("patient/Observation.", ""),
        ("patient/Observation", ""),
        ("patient/observation.rs", ""),
        ("Patient/Observation.rs", ""),
        ("patient/Observation.READ", ""),
        ("patient/Observation.rs ", ""),
        ("xpatient/Observation.rs", ""),
        ("launch/patient", ""),
        ("openid", ""),
        ("", ""),
    ],
)
def test_a_scope_allows_its_interactions_and_no_other(granted: str, letters: str) -> None:
    allowed = {one for one in INTERACTIONS if allows({granted}, one, "Observation")}
    names = dict(zip("cruds", INTERACTIONS, strict=True))
    assert allowed == {names[letter] for letter in letters}


def test_several_scopes_together_allow_what_each_of_them_does() -> None:
    granted = {"patient/Observation.r", "user/Observation.s", "patient/ServiceRequest.cu", "openid"}
    assert allows(granted, "read", "Observation")
    assert allows(granted, "search", "Observation")
    assert not allows(granted, "search", "Observation", levels=("patient",))
    assert not allows(granted, "create", "Observation")
    assert allows(granted, "create", "ServiceRequest")


def test_the_servers_own_scopes_count_only_where_they_are_asked_about() -> None:
    assert allows({"system/*.rs"}, "read", "Patient", levels=("system",))
    assert not allows({"patient/*.rs"}, "read", "Patient", levels=("system",))


@given(st.text())
def test_any_text_may_be_granted(text: str) -> None:
    for one in read_scopes(text):
        assert " " not in one
        resource_scope(one)


def test_a_list_of_scopes_is_split_at_blanks() -> None:
    assert read_scopes("openid  fhirUser\tx launch") == {"openid", "launch"}
    assert read_scopes("") == frozenset()


@pytest.mark.parametrize(
    ("asked", "granted", "lacks"),
    [
        ("patient/Observation.rs", "patient/Observation.read", ""),
        ("patient/Observation.read", "patient/*.rs", ""),
        ("patient/Observation.rs", "patient/Observation.r patient/Observation.s", ""),
        ("patient/Observation.rs", "patient/Observation.r", "patient/Observation.rs"),
        ("patient/*.rs", "patient/Observation.rs", "patient/*.rs"),
        ("patient/Observation.rs", "user/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/Observation.rs?a=b", "patient/Observation.rs"),
        ("patient/Observation.rs?a=b", "patient/Observation.rs", ""),
        ("openid fhirUser launch offline_access", "", ""),
    ],
)
def test_what_was_not_granted_is_named(asked: str, granted: str, lacks: str) -> None:
    assert missing(read_scopes(asked), read_scopes(granted)) == tuple(lacks.split())
