"""What an HL7 v2 message does to the twin, and what its sender is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cds_app.bootstrap import identities_of, intake_of
from cds_app.deps import Deps
from cds_app.domain.facts import Measurement
from cds_app.domain.timeline import Timeline
from cds_app.fabric.hl7.visits import Registry
from cds_app.services.sources.hl7 import Hl7Desk
from cds_app.services.sources.intake import Source
from tests.conftest import FROZEN, MRN
from tests.hl7 import SYSTEMS, ack, adt, message, msh, obx, oru, pid, stamp

LATER = FROZEN + timedelta(hours=1)


@pytest.fixture
def desk(deps: Deps) -> Hl7Desk:
    intake = intake_of(deps, Source(name="lab", tenant="local"))
    return Hl7Desk(intake=intake, registry=Registry(systems=SYSTEMS), zone=UTC)


def timeline(desk: Hl7Desk, mrn: str = "4711") -> Timeline:
    alias = desk.intake.identities.alias("local", (MRN, mrn))
    return Timeline.of(fact for one in desk.intake.store.segments(alias) for fact in one.facts)


def send(desk: Hl7Desk, *frames: bytes, at: datetime = FROZEN) -> list[tuple[str, str, str]]:
    return [ack(one) for one in desk.answer(frames, at)]


def values(desk: Hl7Desk, variable: str = "potassium") -> list[float]:
    return [one.value for one in timeline(desk).measured.get(variable, ())]


def test_a_result_is_acknowledged_and_there(desk: Hl7Desk) -> None:
    assert send(desk, oru(obx())) == [("AA", "M1", "")]
    (one,) = timeline(desk).measured["potassium"]
    assert (one.value, one.when, one.preliminary) == (5.9, FROZEN, False)
    assert one.provenance is not None
    assert (one.provenance.source, one.provenance.method) == ("lab", "charted")


def test_what_the_laboratory_wrote_below_a_result_stands_beside_it_and_no_other(desk: Hl7Desk) -> None:
    sodium = obx("2951-2^Sodium^LN", "139")
    lost = "NTE|1|L|of the order"
    send(desk, oru(lost, obx(), "NTE|1|L|Haemolysed~please \\T\\ repeat", "NTE|2|L|", "NTE|3|L|by phone", sodium))
    (potassium,) = timeline(desk).measured["potassium"]
    (other,) = timeline(desk).measured["sodium"]
    assert (potassium.comment, other.comment) == ("Haemolysed please & repeat by phone", "")


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("3.3-5.1", 3.3, 5.1),
        ("3.3 - 5.1", 3.3, 5.1),
        ("5.1-3.3", None, None),
        ("<5.1", None, 5.1),
        (">3.3", 3.3, None),
        ("-", None, None),
    ],
)
def test_the_usual_range_of_the_laboratory_goes_with_its_result(
    desk: Hl7Desk, written: str, low: float | None, high: float | None
) -> None:
    row = obx().split("|")
    send(desk, oru("|".join([*row[:7], written, *row[8:]])))
    (one,) = timeline(desk).measured["potassium"]
    assert (one.usual_low, one.usual_high) == (low, high)


@pytest.mark.parametrize(
    ("written", "kept", "used"),
    [
        ("H", "high", True), ("HH", "critically_high", True), ("H~HH~U", "critically_high", True),
        ("HH^Critical high^HL70078", "critically_high", True), ("High", "high", True),
        ("L", "low", False), ("HH~LL", "", True), ("S", "", True), ('""', "", True), ("~^~", "", True),
    ],
)  # fmt: skip
def test_what_the_laboratory_calls_its_result_goes_with_it(desk: Hl7Desk, written: str, kept: str, used: bool) -> None:
    row = obx().split("|")
    send(desk, oru("|".join([*row[:8], written, *row[9:]])))
    (one,) = timeline(desk).measured["potassium"]
    assert (one.interpretation, one.implausible) == (kept, not used)


def test_the_answer_goes_back_to_who_asked_in_a_form_that_others_read(desk: Hl7Desk) -> None:
    (answer,) = desk.answer([oru(obx(), control="X&Y")], FROZEN)
    head = answer.decode().split("\r")[0].split("|")
    assert head[2:6] == ["TWIN", "HOSP", "LAB", "HOSP"]
    assert head[8] == "ACK^R01"
    assert ack(answer) == ("AA", "X&Y", "")


def test_the_same_message_twice_is_one_result_and_two_acknowledgements(desk: Hl7Desk) -> None:
    assert send(desk, oru(obx()), oru(obx())) == [("AA", "M1", "")] * 2
    assert values(desk) == [5.9]


def test_a_control_id_that_comes_again_with_another_result_is_another_message(desk: Hl7Desk) -> None:
    send(desk, oru(obx(), order="F1"), oru(obx(code="2160-0^Creatinine^LN", value="1.2", unit="mg/dL"), order="F2"))
    assert values(desk) == [5.9]
    assert len(values(desk, "creatinine")) == 1


@pytest.mark.parametrize("order", ["in order", "reversed"])
def test_a_correction_replaces_a_deletion_removes_whatever_the_order_of_arrival(desk: Hl7Desk, order: str) -> None:
    first = oru(obx(), obx(code="2951-2^Sodium^LN", value="140"), control="M1")
    second = oru(
        obx(value="4.9", status="C"),
        obx(code="2951-2^Sodium^LN", value="", status="D"),
        control="M2",
        at=LATER,
    )
    frames = (first, second) if order == "in order" else (second, first)
    for frame in frames:
        send(desk, frame, at=LATER)
    assert values(desk) == [4.9]
    assert values(desk, "sodium") == []


def test_a_result_of_the_wrong_patient_is_taken_back(desk: Hl7Desk) -> None:
    send(desk, oru(obx()), oru(obx(status="W"), control="M2", at=LATER), at=LATER)
    assert values(desk) == []


@pytest.mark.parametrize("status", ["X", "I", "N", "O", "", "?"])
def test_what_is_no_result_is_none(desk: Hl7Desk, status: str) -> None:
    assert send(desk, oru(obx(status=status)))[0][0] == "AA"
    assert values(desk) == []


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("NM", "5.9", (5.9, "=")),
        ("NM", " +5.90 ", (5.9, "=")),
        ("NM", "<5.9", (5.9, "<")),
        ("ST", ">=5.9", (5.9, ">=")),
        ("SN", "<^5.9", (5.9, "<")),
        ("SN", "^5.9", (5.9, "=")),
        ("SN", "^5.9^+", (5.9, ">=")),
        ("SN", "^5.9^-^7", (5.9, ">=")),
        ("NM", "5,9", (5.9, "=")),
        ("ST", "<5,90", (5.9, "<")),
        ("SN", ">^5,9", (5.9, ">")),
    ],
)
def test_numbers_are_read_with_their_bounds(desk: Hl7Desk, kind: str, value: str, found: tuple[float, str]) -> None:
    send(desk, oru(obx(kind=kind, value=value)))
    (one,) = timeline(desk).measured["potassium"]
    assert (one.value, one.bound) == found


@pytest.mark.parametrize(
    ("kind", "value"),
    [("NM", "haemolysed"), ("NM", "1e999"), ("SN", "^x"), ("NM", ""), ("NM", "5,900"), ("ST", "5,900")],
)
def test_what_is_no_number_is_no_measurement(desk: Hl7Desk, kind: str, value: str) -> None:
    assert send(desk, oru(obx(kind=kind, value=value)))[0][0] == "AA"
    assert values(desk) == []


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("mg/dL", 1.2),
        ("mg/dL^milligram^UCUM", 1.2),
        ("MGDL^^L^mg/dL^^UCUM", 1.2),
        ("umol/L", 106.08 / 88.4),
        ("furlong", None),
        ("", None),
    ],
)
def test_units_are_converted_or_refused_never_guessed(desk: Hl7Desk, unit: str, expected: float | None) -> None:
    value = "106.08" if unit == "umol/L" else "1.2"
    send(desk, oru(obx(code="2160-0^Creatinine^LN", value=value, unit=unit)))
    found = values(desk, "creatinine")
    assert found == ([] if expected is None else [pytest.approx(expected, rel=2e-3)])


def test_a_local_code_is_found_by_its_alternate(desk: Hl7Desk) -> None:
    send(desk, oru(obx(code="K^Kalium^L^2823-3^Potassium^LN")), oru(obx(code="ZZ^Own^99LAB"), control="M2"))
    assert values(desk) == [5.9]
    assert [one.codes for one in timeline(desk).facts.unknown] == [(("urn:twinline:source:lab", "ZZ"),)]


def test_texts_codes_and_rows_of_one_text(desk: Hl7Desk) -> None:
    rows = [
        obx(code="600-7^Culture^LN", kind="CE", value="112283007^E coli^SCT", unit="", sub="1"),
        obx(code="6463-4^Comment^LN", kind="TX", value="Gram \\T\\ stain~second row", unit="", sub="2"),
        obx(code="11111-1^When^LN", kind="DT", value="20260301", unit="", sub="3"),
    ]
    assert send(desk, oru(*rows))[0][0] == "AA"
    facts = timeline(desk).facts
    assert [one.codes for one in facts.coded if one.variable == "blood_culture"] == [
        (("http://snomed.info/sct", "112283007"),)
    ]


def test_a_device_that_nobody_answers_for_is_named(desk: Hl7Desk) -> None:
    send(desk, oru(obx(code="8867-4^HR^LN", value="80", unit="/min", tail="||||MON-3^IP")))
    (one,) = timeline(desk).measured["heart_rate"]
    assert one.provenance is not None
    assert (one.provenance.method, one.provenance.device) == ("device", "MON-3")


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b"garbage", ("AR", "", "garbled")),
        (oru(obx()).replace(b"|P|", b"|T|"), ("AR", "M1", "test-message")),
        (oru(obx()).replace(b"2.5.1", b"3.0"), ("AR", "M1", "unsupported-version")),
        (oru(obx()).replace(b"ORU^R01^ORU_R01", b"MDM^T02"), ("AR", "M1", "unsupported-type")),
        (oru(obx(), control=""), ("AR", "", "no-message-id")),
        (oru(obx()).replace(b"4711^^^HOSP^MR", b""), ("AR", "M1", "no-identifier")),
        (oru(obx()).replace(b"HOSP^MR", b"ELSE^MR"), ("AR", "M1", "unknown-identifier")),
        (oru(obx()).replace(b"\rPID", b"\rZZZ"), ("AR", "M1", "no-identifier")),
        (oru(obx(), pid("4712"), obx(value="7.9")), ("AR", "M1", "several-patients")),
        (adt("A08", pid("4712")), ("AR", "A1", "several-patients")),
        (adt("A37"), ("AR", "A1", "no-identifier")),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_counted(
    desk: Hl7Desk, frame: bytes, answer: tuple[str, str, str]
) -> None:
    assert send(desk, frame) == [answer]
    assert [one.refused for one in desk.intake.store.arrived()] == [answer[2]]
    assert b"4711" not in desk.answer([frame], FROZEN)[0]


def test_one_bad_message_does_not_hold_up_the_others(desk: Hl7Desk) -> None:
    found = send(desk, oru(obx()), b"garbage", oru(obx(value="4.0"), control="M3", order="F3"))
    assert [one[0] for one in found] == ["AA", "AR", "AA"]


def test_a_store_that_is_down_is_no_acknowledgement(desk: Hl7Desk) -> None:
    desk.intake.store.close()
    assert send(desk, oru(obx()), b"garbage") == [("AE", "M1", "store"), ("AE", "", "store")]
    assert ack(desk.refuse("oversize", b"x", FROZEN)) == ("AE", "", "store")


def test_an_erased_patient_is_not_begun_again(desk: Hl7Desk) -> None:
    send(desk, oru(obx()))
    desk.intake.store.erase(desk.intake.identities.alias("local", (MRN, "4711")), FROZEN)
    assert send(desk, oru(obx(value="4.0"), control="M2")) == [("AR", "M2", "erased")]


# --- stays and numbers


def visit(start: datetime | None = FROZEN, end: datetime | None = None, number: str = "V1") -> str:
    fields = ["1", "I", "ICU^1^1", *[""] * 15, number, *[""] * 24]
    return "PV1|" + "|".join((*fields, stamp(start) if start else "", stamp(end) if end else ""))


def test_a_stay_begins_moves_and_ends(desk: Hl7Desk) -> None:
    begun = FROZEN - timedelta(days=2)
    send(desk, adt("A01", visit(begun), at=begun))
    (stay,) = timeline(desk).facts.stays
    assert (stay.status, stay.class_code, stay.when, stay.end) == ("in-progress", "IMP", begun, None)
    send(desk, adt("A03", visit(begun, FROZEN), control="A2"))
    (stay,) = timeline(desk).facts.stays
    assert (stay.status, stay.end) == ("finished", FROZEN)
    send(desk, adt("A13", visit(begun), control="A3", at=LATER), at=LATER)
    (stay,) = timeline(desk).facts.stays
    assert (stay.status, stay.end) == ("in-progress", None)
    send(desk, adt("A11", visit(None), control="A4", at=LATER + timedelta(minutes=1)), at=LATER)
    assert timeline(desk).facts.stays == ()


@pytest.mark.parametrize("event", ["A02", "A08"])
def test_an_update_after_the_end_does_not_begin_a_stay_again(desk: Hl7Desk, event: str) -> None:
    begun = FROZEN - timedelta(days=2)
    send(desk, adt("A03", visit(begun, FROZEN)))
    send(desk, adt(event, visit(begun, FROZEN), control="A2", at=LATER), at=LATER)
    (stay,) = timeline(desk).facts.stays
    assert (stay.status, stay.end) == ("finished", FROZEN)


@pytest.mark.parametrize("event", ["A02", "A04", "A08", "A31"])
def test_other_events_of_a_person_are_taken(desk: Hl7Desk, event: str) -> None:
    assert send(desk, adt(event, visit()))[0][0] == "AA"
    assert len(timeline(desk).facts.stays) == (event != "A31")


def test_a_merge_and_its_undoing_change_whose_results_they_are(desk: Hl7Desk, deps: Deps) -> None:
    send(desk, oru(obx(), mrn="old"), oru(obx(value="4.0"), control="M2", order="F2", mrn="new"))
    identities = identities_of(deps)
    old, new = (identities.alias("local", (MRN, name)) for name in ("old", "new"))
    merged = adt("A40", "MRG|old^^^HOSP^MR", mrn="new")
    assert send(desk, merged) == [("AA", "A1", "")]
    assert identities.tied(new) == (old,)
    parted = adt("A37", "PV1|1|I", pid("old"), "PV1|1|I", control="A2", at=LATER, mrn="new")
    assert send(desk, parted, at=LATER) == [("AA", "A2", "")]
    assert identities.tied(new) == ()
    assert send(desk, merged.replace(b"|A1|", b"|A3|")) == [("AA", "A3", "")]
    assert identities.tied(new) == ()  # said before it was undone, whenever it arrives


@pytest.mark.parametrize(("mrg", "reason"), [("MRG|", "no-identifier"), ("MRG|1^^^X", "unknown-identifier")])
def test_a_merge_of_nobody_known_is_refused(desk: Hl7Desk, mrg: str, reason: str) -> None:
    assert send(desk, adt("A40", mrg)) == [("AR", "A1", reason)]


def test_a_merge_in_a_circle_is_refused(desk: Hl7Desk) -> None:
    send(desk, adt("A40", "MRG|a^^^HOSP^MR", mrn="b"))
    assert send(desk, adt("A40", "MRG|b^^^HOSP^MR", mrn="a", control="A2")) == [("AR", "A2", "impossible-merge")]


def test_a_message_without_results_is_still_a_message(desk: Hl7Desk) -> None:
    assert send(desk, message(msh("ORU^R01"), pid())) == [("AA", "M1", "")]
    assert len(timeline(desk)) == 0


def test_results_of_one_order_at_two_times_are_two(desk: Hl7Desk) -> None:
    earlier = stamp(FROZEN - timedelta(hours=1))
    send(
        desk,
        oru(
            obx(value="80", code="8867-4^HR^LN", unit="/min", at=earlier),
            obx(value="90", code="8867-4^HR^LN", unit="/min"),
        ),
    )
    assert all(isinstance(one, Measurement) for one in timeline(desk).facts.measurements)
    assert values(desk, "heart_rate") == [80.0, 90.0]
