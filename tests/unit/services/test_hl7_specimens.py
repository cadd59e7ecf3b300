"""SPM, OBR-15, OBX-17 and OBX-20: of what, where and how a result was taken."""

from __future__ import annotations

from datetime import UTC

import pytest

from cds_app.bootstrap import intake_of
from cds_app.deps import Deps
from cds_app.domain.timeline import Timeline
from cds_app.fabric.hl7.messages import read_message
from cds_app.fabric.hl7.results import Dialect, results_of
from cds_app.fabric.hl7.visits import Registry
from cds_app.fabric.taking import MOST
from cds_app.services.sources.hl7 import Hl7Desk
from cds_app.services.sources.intake import Source
from tests.conftest import FROZEN, MRN
from tests.hl7 import SYSTEMS, ack, message, msh, obx, pid, stamp

WARM, COLD = ("8310-5^Temperature^LN", "37.2", "Cel"), ("8310-5^Temperature^LN", "33.1", "Cel")
HIGH, LOW = ("8480-6^Systolic^LN", "151", "mm[Hg]"), ("8480-6^Systolic^LN", "38", "mm[Hg]")
WEIGHT = ("29463-7^Weight^LN", "80", "kg")


@pytest.fixture
def desk(deps: Deps) -> Hl7Desk:
    intake = intake_of(deps, Source(name="lab", tenant="local"))
    return Hl7Desk(intake=intake, registry=Registry(systems=SYSTEMS), zone=UTC)


def obr(order: str = "F1", source: str = "") -> str:
    return f"OBR|1|P1|{order}|24323-8^CMP^LN|||{stamp(FROZEN)}||||||||{source}"


def sent(desk: Hl7Desk, *rows: str) -> Timeline:
    frame = message(msh("ORU^R01^ORU_R01", "M1", at=FROZEN), pid("4711"), "PV1|1|I|ICU^1^1", *rows)
    assert [ack(one)[0] for one in desk.answer([frame], FROZEN)] == ["AA"]
    alias = desk.intake.identities.alias("local", (MRN, "4711"))
    return Timeline.of(fact for one in desk.intake.store.segments(alias) for fact in one.facts)


@pytest.mark.parametrize(
    "rows",
    [
        (obr(), obx(), "SPM|1|||UR^Urine^HL70487"),
        (obr(), "SPM|1|||UR^Urine^HL70487", obx()),
        (obr(), obx(), "SPM|1|||UR"),
        (obr(), obx(), "SPM|1|||U9^Urine, random^L"),
        (obr(), obx(), "SPM|1|||^24 h urine"),
        (obr(), obx(), "SPM|1|||122575003^Urine^SCT"),
        (obr(), obx(), "SPM|1|||SER^Serum^HL70487", "SPM|2|||UR^Urine^HL70487"),
        (obr(source="UR&Urine&HL70070"), obx()),
        (obr(source="UR"), obx()),
        (obr(source="&Urine"), obx()),
        (obr(), obx(), "NTE|1|L|URINE"),
    ],
)
def test_a_result_of_urine_is_no_result_of_blood(desk: Hl7Desk, rows: tuple[str, ...]) -> None:
    facts = sent(desk, *rows).facts
    assert facts.measurements == ()
    assert [one.taken for one in facts.unknown] == [("urine",)]


@pytest.mark.parametrize(
    "row",
    [
        "SPM|1|||SER^Serum^HL70487", "SPM|1|||BLDV", "SPM|1|||X9^SST^L", "SPM|1", "SPM", "SPM|1|||^^", 'SPM|1|||""',
        "SPM|1|||~UR^Urine^HL70487",
    ],
)  # fmt: skip
def test_blood_and_what_is_not_known_leave_it_one(desk: Hl7Desk, row: str) -> None:
    assert [one.value for one in sent(desk, obr(), obx(), row).measured["potassium"]] == [5.9]


def test_a_specimen_is_of_its_order_alone(desk: Hl7Desk) -> None:
    sodium = obx("2951-2^Sodium^LN", "139")
    rows = (obr("F1"), obx(), "SPM|1|||UR^Urine^HL70487", obr("F2"), sodium, "SPM|1|||SER^Serum^HL70487")
    assert set(sent(desk, *rows).measured) == {"sodium"}


def test_a_message_of_many_specimens_costs_no_more_than_what_is_read_of_them() -> None:
    tubes = [f"SPM|{n}|||SER^Serum^HL70487" for n in range(500)]
    frame = message(msh("ORU^R01^ORU_R01"), pid(), obr(), *[obx(sub=str(n)) for n in range(50)], *tubes)
    found = results_of(read_message(frame), Dialect(source="lab", zone=UTC, subject="Patient/person"))
    assert [len(one["specimen"]) for one in found.observations] == [MOST] * 50


def test_the_state_of_a_specimen_stands_beside_each_of_its_results(desk: Hl7Desk) -> None:
    spm = "SPM|1|||SER^Serum^HL70487" + "|" * 20 + "HEM^Hemolyzed^HL70493"
    (one,) = sent(desk, obr(), obx(), "NTE|1|L|by phone", spm).measured["potassium"]
    assert one.comment == "by phone Hemolyzed"


@pytest.mark.parametrize(
    ("measured", "method", "site", "taken"),
    [
        (WARM, "", "AXL^Axillary^L", ("axilla",)),
        (WARM, "", "^Oral", ()),
        (COLD, "", "^Skin of left foot", None),
        (COLD, "", "29707007^Toe^SCT", None),
        (HIGH, "", "^Left thigh", ("leg",)),
        (HIGH, "ART^Arterial line^L", "^Right radial artery", ("arterial_line",)),
        (LOW, "", "^Pulmonary artery", None),
        (LOW, "", "^Great toe", None),
        (WEIGHT, "^Stated by patient", "", ("told",)),
        (WEIGHT, "^Bed scale", "", ()),
    ],
)
def test_site_and_method_are_told_where_they_are_unusual_and_heeded_where_they_say_another_thing(
    desk: Hl7Desk, measured: tuple[str, str, str], method: str, site: str, taken: tuple[str, ...] | None
) -> None:
    facts = sent(desk, obr(), obx(*measured, tail=f"|||{method}|||{site}")).facts
    assert [one.taken for one in facts.measurements] == ([] if taken is None else [taken])
    assert len(facts.unknown) == (taken is None)
