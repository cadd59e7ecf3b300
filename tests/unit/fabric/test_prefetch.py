from __future__ import annotations

from typing import Any

import pytest

from cds_app.domain.issues import IssueCode
from cds_app.errors import BadRequest, ContentError
from cds_app.fabric.prefetch import PrefetchTemplate, State, resolve
from tests.unit.fabric.conftest import observation, reading

_TEMPLATES = {"patient": "Patient/{{context.patientId}}", "vitals": "Observation?patient={{context.patientId}}"}
_EMPTY_AT_EPIC = {
    "resourceType": "Bundle",
    "type": "searchset",
    "total": 0,
    "entry": [
        {
            "search": {"mode": "outcome"},
            "resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]},
        }
    ],
}


def _bundle(*resources: object, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources], **elements}


def _rows(number: int) -> list[dict[str, Any]]:
    """A list of entries, as it may stand among the entries itself."""
    return [{"resource": observation()} for _ in range(number)]


def _outcome(severity: object = "error") -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity}]}


def test_tokens_are_filled_from_the_context() -> None:
    template = PrefetchTemplate("Observation?patient={{context.patientId}}&encounter={{ context.encounterId }}")
    assert (
        template.expand({"patientId": "a-1.b", "encounterId": "e" * 256})
        == f"Observation?patient=a-1.b&encounter={'e' * 256}"
    )
    user = PrefetchTemplate("Practitioner/{{userPractitionerId}}")
    assert user.expand({"userId": "Practitioner/9"}) == "Practitioner/9"
    assert PrefetchTemplate("Patient").expand({}) == "Patient"


@pytest.mark.parametrize(
    "value",
    ["../Patient?_count=10000", "A&_include=*", "", ".", "..", "a b", "1\n", "ä", "x" * 257, 1, None, ["1"], "a/b"],
)
def test_an_id_that_is_none_is_refused_by_its_field(value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        PrefetchTemplate("Patient/{{context.patientId}}").expand({"patientId": value})
    assert caught.value.field == "context.patientId"


@pytest.mark.parametrize("user", ["PractitionerRole/9", "Practitioner", "Practitioner/", "Practitioner/9/8", None])
def test_a_user_of_another_kind_is_refused(user: object) -> None:
    with pytest.raises(BadRequest) as caught:
        PrefetchTemplate("Practitioner/{{userPractitionerId}}").expand({"userId": user})
    assert caught.value.field == "context.userId"


@pytest.mark.parametrize("text", ["{{today()}}", "{{context.draftOrders.entry}}", "{{context.}}", "{{}}", "x{{y", "}}"])
def test_a_template_that_nobody_could_fill_is_refused(text: str) -> None:
    with pytest.raises(ContentError):
        PrefetchTemplate(text)


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (observation(), State.GIVEN),
        (_bundle(), State.GIVEN),
        (_EMPTY_AT_EPIC, State.GIVEN),
        (_bundle(observation(), _outcome("information")), State.GIVEN),
        (None, State.NULL),
        ("<html>Tomcat</html>", State.ABSENT),
        ({}, State.ABSENT),
        ([], State.ABSENT),
        ({"resourceType": 5}, State.ABSENT),
        (_outcome(), State.OUTCOME),
        (_outcome("information"), State.OUTCOME),
        (_bundle(_outcome("warning")), State.OUTCOME),
        (_bundle(_outcome("warning"), type="searchset"), State.GIVEN),
        (_bundle(_outcome("error"), type="searchset"), State.OUTCOME),
        (_bundle(observation(), _outcome("fatal")), State.OUTCOME),
        (_bundle(observation(), link=[{"relation": "next", "url": "https://x?page=2"}]), State.PAGED),
        (_bundle(observation(), link=[{"relation": "self", "url": "https://x"}, 3]), State.GIVEN),
        (_bundle(observation(), type="searchset", total=1), State.GIVEN),
        (_bundle(observation(), type="searchset", total=2), State.PAGED),
        (_bundle(observation(), total=2), State.GIVEN),
        (_bundle(*[observation()] * 600, type="searchset", total=600), State.GIVEN),
        ({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": ["x", 3]}, State.GIVEN),
        (_bundle(observation(), type="searchset", total="2"), State.GIVEN),
        ({"resourceType": "Bundle", "type": "searchset", "total": 1}, State.PAGED),
        ({"resourceType": "Bundle", "type": "searchset", "total": 0}, State.GIVEN),
        ({"resourceType": "Bundle", "type": "searchset", "total": 2, "entry": [_rows(2)]}, State.GIVEN),
        ({"resourceType": "Bundle", "type": "searchset", "total": 3, "entry": [_rows(2)]}, State.PAGED),
        ({"resourceType": "Bundle", "type": "searchset", "entry": [[{"fullUrl": "Observation/1"}]]}, State.OUTCOME),
        ({"resourceType": "Bundle", "type": "searchset", "entry": {"fullUrl": "Observation/1"}}, State.OUTCOME),
        ({"resourceType": "Bundle", "type": "searchset", "entry": [[{"resource": _outcome()}]]}, State.OUTCOME),
    ],
)
def test_every_state_of_a_key_is_told(value: object, state: State) -> None:
    found = resolve({"vitals": value}, _TEMPLATES)
    assert found.states == {"patient": State.ABSENT, "vitals": state}
    fetch = ("patient",) if state in (State.GIVEN, State.NULL) else ("patient", "vitals")
    assert found.to_fetch == fetch


def test_the_next_page_is_handed_on() -> None:
    found = resolve({"vitals": _bundle(link={"relation": "next", "url": "https://x?page=2"})}, _TEMPLATES)
    assert found.following == {"vitals": "https://x?page=2"}


def test_renamed_keys_are_read_as_well() -> None:
    found = resolve({"-user": observation()}, _TEMPLATES)
    assert [one.at for one in found.items] == ["prefetch.(other)"]


@pytest.mark.parametrize("prefetch", ["x", [1], 3])
def test_prefetch_that_is_no_object_is_all_absent(prefetch: object) -> None:
    found = resolve(prefetch, _TEMPLATES)
    assert set(found.states.values()) == {State.ABSENT}
    assert [issue.code for issue in found.issues] == [IssueCode.UNREADABLE]


@pytest.mark.parametrize("prefetch", [None, {}])
def test_no_prefetch_is_no_problem(prefetch: object) -> None:
    found = resolve(prefetch, _TEMPLATES)
    assert (found.items, found.issues) == ((), ())


def test_a_page_of_html_is_an_issue_without_its_text() -> None:
    found = reading(*resolve({"vitals": "<html>ZQX</html>"}, _TEMPLATES).items)
    assert [(issue.code, issue.ref) for issue in found.issues] == [(IssueCode.UNREADABLE, "prefetch.vitals")]
