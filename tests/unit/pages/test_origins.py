"""Where a value came from, and why another one does not count, is told in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cds_app.domain.facts import Measurement, Provenance
from cds_app.domain.timeline import Timeline
from cds_app.pages.origins import aside_of, origin_of, out_of
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def pressure(ref: str, variable: str = "sbp", **provenance: Any) -> Measurement:
    source = Provenance(source="monitors", **provenance) if provenance else None
    given: dict[str, Any] = {"version": "", "when": AT, "learned": AT, "provenance": source}
    return Measurement(ref=ref, variable=variable, value=120.0, **given)


def test_a_summary_says_what_it_rests_on_and_what_was_wrong() -> None:
    summary = pressure("a", method="arterial", samples=58, flags=("spikes", "clock"))
    assert origin_of(summary) == (
        "arterial line, median of 58 samples; spikes left out; time put right by the device's clock"
    )
    assert origin_of(pressure("b")) == ""
    assert origin_of(pressure("c", method="charted")) == ""
    assert origin_of(pressure("d", "sbp_noninvasive", method="cuff", samples=1)) == "cuff"


def test_what_does_not_count_says_for_what(knowledge: Knowledge) -> None:
    line = pressure("a", method="arterial", samples=58)
    cuff = pressure("b", "sbp_noninvasive", method="cuff", samples=1)
    for facts, words in (
        ([line, cuff], {"b": "set aside: the arterial line of the same minute counts"}),
        ([line, pressure("c")], {"a": "set aside: the recorded value of the same minute counts"}),
    ):
        timeline = Timeline.of(facts)
        now = AT.replace(minute=40)
        situation = Situation(ontology=knowledge.ontology, facts=timeline.facts, now=now, contested=timeline.contested)
        assert {one.ref: text for one, text in aside_of(situation, "sbp", 6).items()} == words
        assert aside_of(situation, "sbp", 0.1) == {}
        assert aside_of(situation, "heart_rate", 6) == {}
        span = knowledge.ontology.variables["sbp"].reference_for(None)
        assert [out_of(span, value) for value in (50.0, 110.0, 200.0)] == [
            "below the usual range",
            "",
            "above the usual range",
        ]
