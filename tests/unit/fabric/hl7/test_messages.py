"""HL7 v2 is taken apart as the standard says, and as an independent library does it."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.fabric.hl7.messages import Delimiters, Unusable, read_message, time_of, unescaped
from tests.hl7 import SYSTEMS, message, msh, obx, oru, pid

_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="|^~\\&"), max_size=8)
_PART = st.lists(st.lists(_TEXT, min_size=1, max_size=3).map("&".join), min_size=1, max_size=3).map("^".join)
_FIELD = st.lists(_PART, min_size=1, max_size=3).map("~".join)


@settings(max_examples=40)
@given(fields=st.lists(_FIELD, min_size=1, max_size=5))
def test_parts_are_those_that_another_parser_finds(fields: list[str]) -> None:
    text = "\r".join((msh("ORU^R01"), "ZZZ|" + "|".join(fields), "ZZY|the other one strips the end")) + "\r"
    ours = read_message(text.encode()).segments[1]
    theirs = hl7.parse(text).segments("ZZZ")[0]
    for number in range(1, len(fields) + 1):
        assert ours.raw(number) == str(theirs[number])
        for at, row in enumerate(ours.repeats(number)):
            assert row == str(theirs[number][at])
            components = theirs[number][at] if isinstance(theirs[number][at], hl7.Repetition) else [row]
            for place, component in enumerate(components, start=1):
                assert ours.part(row, place) == str(component).split("&")[0]


def test_escapes_mean_what_they_stand_for() -> None:
    marks = Delimiters()
    assert unescaped(r"5 \T\ 6 \F\ \S\ \R\ \E\ x", marks) == "5 & 6 | ^ ~ \\ x"
    assert unescaped("\\H\\bold\\N\\ a\\.br\\b \\X4B\\ \\Zmine\\", marks) == "bold a b K "
    assert unescaped("100\\ mg", marks) == "100\\ mg"


@pytest.mark.parametrize(
    ("name", "codec"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8"), ("GB 18030-2000", "gb18030"), ("", "cp1252")]
)
def test_a_message_is_read_in_its_own_character_set(name: str, codec: str) -> None:
    text = "\r".join((msh("ORU^R01", charset=name), "PID|1||1^^^HOSP^MR||M\xfcller"))
    assert read_message(text.encode(codec), charset="cp1252").segments[1].text(5) == "M\xfcller"


def test_delimiters_are_the_messages_own() -> None:
    read = read_message(b"MSH$%*!?$LAB$HOSP$$$20260301$$ORU%R01$M1$P$2.5\rPID$1$$47!S!11%%%HOSP%MR\r")
    assert (read.kind, read.event) == ("ORU", "R01")
    assert read.segments[1].text(3) == "47%11"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "garbled"),
        (b"PID|1||4711", "garbled"),
        (b"MSH|||||||", "garbled"),
        (b"MSH|^^~&|LAB", "garbled"),
        (msh("ORU^R01", charset="UNICODE UTF-16").encode(), "encoding"),
        (msh("ORU^R01", charset="KLINGON").encode(), "encoding"),
        (msh("ORU^R01").encode() + b"\rPID|1||\xff\xfe", "encoding"),
        (msh("ORU^R01").encode() + b"\rnot a segment|1", "garbled"),
        (b"MSH|^~\\&|" + b"\r" * 4 + b"{}", "garbled"),
    ],
)
def test_what_is_no_message_says_why(frame: bytes, reason: str) -> None:
    with pytest.raises(Unusable) as raised:
        read_message(frame)
    assert raised.value.reason == reason


@settings(max_examples=60)
@given(st.binary(max_size=200).map(lambda tail: oru()[:60] + tail) | st.binary(max_size=60))
def test_no_frame_brings_the_reader_down(frame: bytes) -> None:
    try:
        read = read_message(frame)
    except Unusable:
        return
    for segment in read.segments:
        segment.text(3, 2, 2)


def test_times_with_and_without_zones() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    assert time_of("20260301093000.1234-0500", vienna) == "2026-03-01T14:30:00.123400+00:00"
    assert time_of("202607010930", vienna) == "2026-07-01T07:30:00+00:00"
    assert time_of("2026070109", vienna) == "2026-07-01"
    assert time_of("202607", UTC) == "2026-07"
    assert [time_of(text, UTC) for text in ("", "yesterday", "20261301093000", "99999999999999")] == ["", "", "", ""]


def test_a_field_that_is_not_there_is_empty_and_null_is_nothing() -> None:
    segment = read_message(message(msh("ORU^R01"), 'PID|1||""')).segments[1]
    assert (segment.text(3), segment.text(40), segment.repeats(3)) == ("", "", ())


def test_helpers_write_what_the_other_parser_reads() -> None:
    found = hl7.parse(message(msh("ORU^R01"), pid(), obx()).decode())
    assert str(found.segments("OBX")[0][5]) == "5.9"
    assert SYSTEMS
