"""Samples become minutes: alike in any order, once however often they come, wrong clocks put right or refused."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.bootstrap import intake_of
from cds_app.content import latest
from cds_app.deps import Deps
from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Range
from cds_app.domain.timeline import Timeline
from cds_app.errors import DependencyDown
from cds_app.fabric.devices.telemetry import NAME, Channel, Minute, Monitoring, joined, summarised
from cds_app.services.sources.erasing import erase_all
from cds_app.services.sources.identities import MINUTE, Tie
from cds_app.services.sources.intake import Source
from cds_app.services.sources.telemetry import Came, Telemetry
from tests.conftest import MRN, FrozenClock

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
HR, ART, CUFF = "MDC_ECG_HEART_RATE", "MDC_PRESS_BLD_ART_ABP_SYS", "MDC_PRESS_BLD_NONINV_SYS"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(at=START)


@pytest.fixture
def monitor(deps: Deps) -> Telemetry:
    monitoring = Monitoring.of(latest(NAME), deps.knowledge.ontology)
    return Telemetry(intake_of(deps, Source(name="monitors", tenant="local")), deps.ehrs.cabinet, monitoring)


def came(second: float, values: dict[str, float], *, mrn: str = "4711", clock_s: float = 0.0, **more: Any) -> Came:
    """What a device says at a second after START, by a clock that is ahead by so much."""
    at = START.timestamp() + second + clock_s
    packet: dict[str, Any] = {
        "device": "mon-3",
        "patient": {"system": MRN, "value": mrn},
        "sent": at,
        "samples": [[at, channel, value] for channel, value in values.items()],
        **more,
    }
    return Came(payload=json.dumps({key: value for key, value in packet.items() if value is not None}).encode())


def minute(values: dict[str, float] | None = None, **more: Any) -> list[Came]:
    return [came(second, values or {HR: 80.0 + second % 3}, **more) for second in range(60)]


def timeline(monitor: Telemetry, mrn: str = "4711") -> Timeline:
    alias = monitor.intake.identities.alias("local", (MRN, mrn))
    return Timeline.of(fact for one in monitor.intake.store.segments(alias) for fact in one.facts)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def rate(monitor: Telemetry) -> Measurement:
    (one,) = timeline(monitor).measured["heart_rate"]
    return one


def refusals(monitor: Telemetry) -> dict[str, int]:
    return {one.refused: one.number for one in monitor.intake.store.arrived() if one.refused}


def test_a_minute_of_samples_is_one_value_with_how_it_came_about(monitor: Telemetry) -> None:
    assert monitor.take(minute(), after(61)) == 60
    assert monitor.close(after(61)) == 0  # its last samples may still come
    assert monitor.close(after(90)) == 1
    one = rate(monitor)
    assert (one.value, one.when, one.implausible) == (81.0, START, False)
    assert one.provenance is not None
    assert (one.provenance.method, one.provenance.device, one.provenance.samples) == ("device", "mon-3", 60)
    assert one.provenance.flags == ()
    assert (monitor.close(after(100)), monitor.waiting(after(100))) == (0, 0)


def test_order_repetition_and_number_of_workers_change_nothing(monitor: Telemetry, deps: Deps) -> None:
    messages = minute() * 2
    random.Random(7).shuffle(messages)
    other = replace(monitor, cabinet=deps.ehrs.cabinet)
    for number, one in enumerate(messages):
        (monitor if number % 2 else other).take([one], after(61))
    assert (monitor.close(after(90)), other.close(after(90))) == (1, 0)
    assert (rate(monitor).value, rate(monitor).provenance.samples) == (81.0, 60)  # type: ignore[union-attr]


def test_late_samples_are_added_and_a_fragment_that_comes_much_later_replaces_nothing(monitor: Telemetry) -> None:
    monitor.take(minute()[:30], after(31))
    monitor.close(after(90))
    assert rate(monitor).provenance.samples == 30  # type: ignore[union-attr]
    monitor.take(minute()[30:], after(95))
    monitor.close(after(95))
    assert rate(monitor).provenance.samples == 60  # type: ignore[union-attr]
    monitor.take(minute()[:5], after(5000))
    monitor.close(after(5000))
    assert rate(monitor).provenance.samples == 60  # type: ignore[union-attr]


def test_artefacts_are_left_out_and_said(monitor: Telemetry) -> None:
    messages = [came(second, {HR: 80.0 if second % 10 else 290.0}) for second in range(50)]
    messages += [came(second, {HR: -1.0}) for second in range(50, 60)]
    monitor.take(messages, after(61))
    monitor.close(after(90))
    one = rate(monitor)
    assert (one.value, one.implausible) == (80.0, False)
    assert one.provenance is not None
    assert (one.provenance.samples, one.provenance.flags) == (45, ("limits", "spikes"))


def test_a_flat_arterial_line_and_a_handful_of_samples_are_shown_and_not_used(monitor: Telemetry) -> None:
    monitor.take(minute({ART: 120.0, HR: 80.0}), after(61))
    monitor.take([came(61, {HR: 80.0})], after(62))
    monitor.close(after(200))
    (pressure,) = timeline(monitor).measured["sbp"]
    steady, few = timeline(monitor).measured["heart_rate"]
    assert [(one.implausible, one.provenance.flags) for one in (pressure, steady, few)] == [  # type: ignore[union-attr]
        (True, ("flat",)),
        (False, ()),
        (True, ("sparse",)),
    ]


def test_one_reading_of_a_cuff_is_a_reading(monitor: Telemetry) -> None:
    monitor.take([came(10, {CUFF: 118.0})], after(11))
    monitor.close(after(200))
    (one,) = timeline(monitor).measured["sbp_noninvasive"]
    assert (one.implausible, one.provenance.method) == (False, "cuff")  # type: ignore[union-attr]


def test_a_clock_that_is_ahead_is_put_right(monitor: Telemetry) -> None:
    for second, message in enumerate(minute(clock_s=3600.0)):
        monitor.take([message], after(second + 0.1 + second % 7))
    monitor.close(after(120))
    one = rate(monitor)
    assert one.when == START
    assert one.provenance is not None
    assert one.provenance.flags == ("clock",)


def test_a_clock_that_is_behind_is_put_right_where_a_gateway_tells(monitor: Telemetry) -> None:
    slow = [came(second, {HR: 80.0}, clock_s=-600.0, relayed=START.timestamp() + second) for second in range(60)]
    monitor.take(slow, after(61))
    monitor.close(after(120))
    assert (rate(monitor).when, rate(monitor).provenance.flags) == (START, ("clock",))  # type: ignore[union-attr]


def test_a_message_that_was_long_underway_is_no_slow_clock(monitor: Telemetry) -> None:
    monitor.take(minute(), after(7200))
    monitor.close(after(7300))
    assert (rate(monitor).when, rate(monitor).provenance.flags) == (START, ())  # type: ignore[union-attr]


@pytest.mark.parametrize("clock_s", [86400.0, 43201.0, -8 * 86400.0])
def test_a_clock_that_is_a_day_off_is_refused(monitor: Telemetry, clock_s: float) -> None:
    assert monitor.take([came(0, {HR: 80.0}, clock_s=clock_s)], after(1)) == 0
    assert refusals(monitor) == {"clock": 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Came(payload=b"{"), "malformed"),
        (Came(payload=b"\xff\xfe\x00"), "malformed"),
        (Came(payload=b'{"device": "a", "sent": 1e999, "samples": []}'), "malformed"),
        (Came(payload=b"[" * 100_000), "malformed"),
        (came(0, {HR: 80.0}, device=""), "malformed"),
        (came(0, {"a\nb": 80.0}), "malformed"),
        (came(0, {HR: 80.0}, patient=None), "no-identifier"),
        (came(0, {HR: 80.0}, patient={"system": "urn:else", "value": "1"}), "unknown-identifier"),
        (came(0, {}, samples=[[1e308, HR, 80.0]]), "clock"),
        (replace(came(0, {HR: 80.0}), retained=True), "retained"),
    ],
)
def test_poison_is_refused_by_name_and_holds_nobody_up(monitor: Telemetry, message: Came, reason: str) -> None:
    assert monitor.take([message, *minute(), message], after(61)) == 60
    assert refusals(monitor) == {reason: 1}
    monitor.close(after(120))
    assert rate(monitor).value == 81.0


def test_a_flood_is_bounded_and_said(monitor: Telemetry) -> None:
    at = START.timestamp()
    samples = [[at + number / 100, HR, 80.0] for number in range(5000)]
    monitor.take([came(0, {}, samples=samples)], after(61))
    monitor.close(after(120))
    found = rate(monitor).provenance
    assert found is not None
    assert (found.samples, found.flags) == (600, ("flooded",))


def test_a_channel_that_nobody_knows_is_counted_and_not_kept(monitor: Telemetry, deps: Deps) -> None:
    monitor.take(minute({"MDC_SOMETHING_NEW": 5.0}), after(61))
    monitor.close(after(120))
    assert [one.codes[0][1] for one in timeline(monitor).facts.unknown] == ["MDC_SOMETHING_NEW"]
    assert 'twinline_unknown_codes_total{service="monitors"} 1.0' in deps.meter.page().decode()


def test_nothing_is_taken_that_is_not_durable(monitor: Telemetry) -> None:
    monitor.intake.store.close()
    monitor.take(minute(), after(61))
    with pytest.raises(DependencyDown):
        monitor.close(after(120))
    assert monitor.waiting(after(120)) == 1


def test_two_people_at_one_device_are_two(monitor: Telemetry) -> None:
    monitor.take([*minute({HR: 60.0})[:30], *minute({HR: 90.0}, mrn="4712")[30:]], after(61))
    monitor.close(after(120))
    assert [timeline(monitor, mrn).measured["heart_rate"][0].value for mrn in ("4711", "4712")] == [60.0, 90.0]


_SAMPLES = st.dictionaries(st.integers(0, 59_999), st.floats(-1e300, 1e300), max_size=5)
_PART = st.dictionaries(st.sampled_from([HR, ART]), _SAMPLES, max_size=2)


@settings(max_examples=40)
@given(st.lists(st.tuples(_PART, st.none() | st.floats(-100, 100)), min_size=1, max_size=4), st.randoms())
def test_minutes_are_joined_alike_in_any_order(parts: list[tuple[Any, float | None]], dice: random.Random) -> None:
    def whole(some: list[tuple[Any, float | None]]) -> Minute:
        made = [
            Minute(system="s", value="v", device="d", minute=1, samples=one, behind_s=behind) for one, behind in some
        ]
        found = made[0]
        for one in made[1:]:
            found = joined(found, one)
        return found

    shuffled = list(parts)
    dice.shuffle(shuffled)
    assert whole(parts) == whole(shuffled)


@settings(max_examples=60)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40))
def test_a_summary_lies_within_the_limits_or_is_none(values: list[float]) -> None:
    channel = Channel(channel=HR, loinc="8867-4", unit="/min", method="device", least_spread=3.0)
    limits = Range(low=10.0, high=300.0)
    monitoring = Monitoring(channels={HR: channel}, limits={HR: limits}, spike_spreads=6.0, fewest_samples=10)
    found = summarised(values, channel, limits, monitoring)
    assert found.samples == len(values) >= found.used
    assert (found.value is None) == (found.used == 0)
    assert found.value is None or limits.holds(found.value)


def test_samples_of_an_erased_patient_are_gone_before_they_are_summarised_and_after(monitor: Telemetry) -> None:
    monitor.take([*minute(), *minute(mrn="4712")], after(61))
    monitor.close(after(90))
    monitor.take([came(120, {HR: 80.0})], after(121))
    identities = monitor.intake.identities
    own, other = (identities.alias("local", (MRN, mrn)) for mrn in ("4711", "4712"))
    identities.tie(own, Tie(to="pat", by="operator", at=after(0)))
    erase_all(monitor.intake.store, identities, "pat", after(125))
    assert [one.name.split("/")[:2] for one in monitor.cabinet.all(MINUTE, after(125))] == [["monitors", other]]
    assert monitor.close(after(300)) == 0


def test_a_source_summarises_its_own_samples_only(monitor: Telemetry, deps: Deps) -> None:
    monitor.take(minute(), after(61))
    ward = replace(monitor, intake=intake_of(deps, Source(name="ward", tenant="local")))
    assert (ward.close(after(90)), monitor.close(after(90))) == (0, 1)
