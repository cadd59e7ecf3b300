"""Payloads come back as they were, and nothing else comes back at all."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.domain.codec import decode_decision, decode_facts, decode_feedback, encode
from cds_app.domain.decisions import Decision, Feedback, Suppression
from cds_app.domain.facts import (
    KINDS,
    Allergy,
    CodedFinding,
    Condition,
    Demographics,
    Facts,
    GeneResult,
    Measurement,
    Medication,
    Procedure,
    Report,
    Site,
    Stay,
    UnknownFinding,
)
from cds_app.errors import BadRequest, IntegrityError

WHEN = datetime(2031, 3, 30, 0, 59, 59, 123456, tzinfo=UTC)
CODES = (("http://loinc.org", "2823-3"), ("urn:örtlich", "K\u0000+"))

MEASUREMENT = Measurement(ref="Observation/1", version="2", when=WHEN, learned=WHEN, variable="potassium", value=4.1)
FACTS = Facts(
    measurements=(
        MEASUREMENT,
        msgspec.structs.replace(MEASUREMENT, bound="<=", implausible=True, encounter="Encounter/1", void=True),
    ),
    coded=(CodedFinding(ref="a", version="", when=WHEN, learned=WHEN, variable="acvpu", codes=CODES, concepts=("c",)),),
    unknown=(UnknownFinding(ref="b", version="", when=WHEN, learned=WHEN, codes=CODES, text="?"),),
    demographics=(
        Demographics(
            ref="c", version="", when=WHEN, learned=WHEN, birth_start=None, birth_end=WHEN, sex="other", name="Zoë 💉"
        ),
    ),
    stays=(Stay(ref="d", version="", when=WHEN, learned=WHEN, status="in-progress", class_code="IMP"),),
    conditions=(
        Condition(
            ref="e",
            version="",
            when=WHEN,
            learned=WHEN,
            concepts=(),
            codes=CODES,
            text="",
            clinical="active",
            verification="",
            abated=WHEN,
        ),
    ),
    medications=(
        Medication(
            ref="f",
            version="",
            when=WHEN,
            learned=WHEN,
            source="administration",
            status="",
            intent="",
            concepts=("loop-diuretic",),
            codes=(),
            text="",
            dose_value=0.1 + 0.2,
        ),
    ),
    procedures=(
        Procedure(
            ref="g", version="", when=WHEN, learned=WHEN, source="request", status="", concepts=(), codes=(), text=""
        ),
    ),
    allergies=(
        Allergy(
            ref="h",
            version="",
            when=WHEN,
            learned=WHEN,
            concepts=(),
            codes=(),
            text="",
            clinical="",
            verification="",
            criticality="high",
        ),
    ),
    reports=(
        Report(
            ref="i", version="", when=WHEN, learned=WHEN, status="", concepts=(), codes=(), text="", results=("a", "b")
        ),
    ),
    genes=(
        GeneResult(
            ref="j",
            version="",
            when=WHEN,
            learned=WHEN,
            gene="CYP2C9",
            source="vcf",
            sites=(Site(place="chr10:94942290", ref="C", alleles=("C", "T"), phase="|"),),
        ),
    ),
)
DECISION = Decision(
    id="0b5e",
    service="twinline-patient-view",
    topic="sepsis",
    tier=3,
    points=None,
    at=WHEN,
    suppression=Suppression.SNOOZED,
    trigger="risk",
    pins={"seed": "1", "": "empty"},
    card=b'{"a":"\xc3\xa9"}',
    extents={"potassium": 12.5, "ph": -0.1},
)
FEEDBACK = Feedback(
    card="0b5e", service="s", topic="", outcome="accepted", at=WHEN, received=WHEN, suggestions=("x", "y"), comment="n"
)


def test_facts_of_every_kind_come_back() -> None:
    back = decode_facts(encode(FACTS))
    assert all(getattr(FACTS, kind) for kind in KINDS)
    assert back == FACTS
    assert hash(back) == hash(FACTS)  # tuples stayed tuples, all the way down
    assert {fact.when.tzinfo for fact in back} == {UTC}


def test_decisions_and_feedback_come_back() -> None:
    for decision in (DECISION, replace(DECISION, points=31.7, suppression=Suppression.NONE, pins={})):
        back = decode_decision(encode(decision))
        assert back == decision
        assert type(back.suppression) is Suppression
    assert decode_feedback(encode(FEEDBACK)) == FEEDBACK


@given(value=st.floats(allow_nan=False), when=st.datetimes(timezones=st.just(UTC)), text=st.text())
def test_every_number_instant_and_text_comes_back_exactly(value: float, when: datetime, text: str) -> None:
    fact = msgspec.structs.replace(MEASUREMENT, value=value, when=when, ref=text)
    (back,) = decode_facts(encode(Facts(measurements=(fact,)))).measurements
    assert back == fact
    assert math.copysign(1, back.value) == math.copysign(1, value)


def test_an_instant_of_another_zone_comes_back_in_utc() -> None:
    fact = msgspec.structs.replace(MEASUREMENT, when=WHEN.astimezone(timezone(timedelta(hours=5, minutes=45))))
    (back,) = decode_facts(encode(Facts(measurements=(fact,)))).measurements
    assert (back.when, back.when.tzinfo) == (WHEN, UTC)


def test_a_payload_of_another_version_is_refused() -> None:
    payload = encode(FACTS)
    for broken in (b"", b"\x00" + payload[1:], b"\x02" + payload[1:]):
        with pytest.raises(IntegrityError, match="version"):
            decode_facts(broken)


def test_the_first_version_stays_readable() -> None:
    """Bytes as version 1 wrote them: this test may be added to, its bytes never change."""
    written = bytes.fromhex(
        "018ba463617264a430623565a773657276696365a173a5746f706963a0a76f7574636f6d65a86163636570746564a26174d7"
        "ff1d6f280073311e0fa87265636569766564d7ff1d6f280073311e0fab73756767657374696f6e7392a178a179ad72656173"
        "6f6e5f73797374656da0ab726561736f6e5f636f6465a0ae726561736f6e5f646973706c6179a0a7636f6d6d656e74a16e"
    )
    assert decode_feedback(written) == FEEDBACK


def test_facts_of_the_first_version_stay_readable_and_come_out_as_they_were_written() -> None:
    """Bytes from before a value's interpretation and specimen were kept: they never change either."""
    written = bytes.fromhex(
        "0183ac6d6561737572656d656e74739188a3726566ad4f62736572766174696f6e2f31a776657273696f6ea132a47768656e"
        "d7ff1d6f280073311e0fa76c6561726e6564d7ff1d6f280073311e0fa87661726961626c65a9706f7461737369756da57661"
        "6c7565cb4010666666666666a7636f6d6d656e74a16ea9757375616c5f6c6f77cb400c000000000000a5636f6465649187a3"
        "726566a161a776657273696f6ea0a47768656ed7ff1d6f280073311e0fa76c6561726e6564d7ff1d6f280073311e0fa87661"
        "726961626c65a56163767075a5636f6465739292b0687474703a2f2f6c6f696e632e6f7267a6323832332d3392ac75726e3a"
        "c3b672746c696368a34b002ba8636f6e636570747391a163a7756e6b6e6f776e9186a3726566a162a776657273696f6ea0a4"
        "7768656ed7ff1d6f280073311e0fa76c6561726e6564d7ff1d6f280073311e0fa5636f6465739292b0687474703a2f2f6c6f"
        "696e632e6f7267a6323832332d3392ac75726e3ac3b672746c696368a34b002ba474657874a13f"
    )
    facts = Facts(
        measurements=(msgspec.structs.replace(MEASUREMENT, usual_low=3.5, comment="n"),),
        coded=FACTS.coded,
        unknown=FACTS.unknown,
    )
    assert decode_facts(written) == facts
    assert encode(facts) == written


@given(st.binary())
def test_bytes_that_were_not_encoded_never_decode_to_something_else_than_an_error(noise: bytes) -> None:
    for decode in (decode_decision, decode_feedback):
        with pytest.raises(IntegrityError) as caught:
            decode(b"\x01" + noise)
        assert caught.value.__cause__ is None


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        encode(replace(FEEDBACK, comment="Ada \ud800"))
    assert "Ada" not in str(caught.value)
    assert caught.value.__suppress_context__
