"""What the sandbox grants opens nothing that was not asked for, and nothing that is not allowed."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from cds_app.sandbox.smart.scopes import Reach, granted, reach

TYPES = ("Patient", "Observation", "Task")
LEVELS = ("patient", "user", "system")
LETTERS = "cruds"
_PERMISSIONS = st.one_of(
    st.sampled_from(("read", "write", "*")),
    st.sets(st.sampled_from(LETTERS), min_size=1).map(lambda some: "".join(one for one in LETTERS if one in some)),
)
SCOPES = st.lists(
    st.builds("{}/{}.{}".format, st.sampled_from(LEVELS), st.sampled_from((*TYPES, "*")), _PERMISSIONS), max_size=4
)
OLD = {"read": "rs", "write": "cud", "*": "cruds"}


def opened(scopes: list[str]) -> set[tuple[str, str, str]]:
    """Level, type and letter of everything that these scopes open, spelled out."""
    found = set()
    for scope in scopes:
        level, _, rest = scope.partition("/")
        kind, _, permission = rest.partition(".")
        kinds = TYPES if kind == "*" else (kind,)
        found |= set(product((level,), kinds, OLD.get(permission, permission)))
    return found


@given(SCOPES, SCOPES)
def test_granted_is_exactly_what_is_asked_for_and_allowed(asked: list[str], allowed: list[str]) -> None:
    assert opened(list(granted(asked, allowed))) == opened(asked) & opened(allowed)


@given(SCOPES)
def test_how_far_scopes_reach_is_what_they_spell_out(scopes: list[str]) -> None:
    for kind, letter in product(TYPES, LETTERS):
        levels = {level for level, one, other in opened(scopes) if (one, other) == (kind, letter)}
        expected = Reach.ALL if levels - {"patient"} else Reach.PATIENT if levels else Reach.NOTHING
        assert reach(scopes, kind, letter) is expected
