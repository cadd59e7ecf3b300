"""A state that is near is a concern of its topic, of the lowest tier; a state that is there is called by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from cds_app.domain.facts import Fact
from cds_app.mitigate.concerns import Concern, assess
from cds_app.mitigate.conditions import View
from cds_app.mitigate.options import options_for
from cds_app.score.clinical.scores import clinical_scores
from tests.chart import measured, problem, situation
from tests.sentences import read
from tests.spec.mitigations.concerns import CATALOGUE, vital_signs


@dataclass(frozen=True)
class Named:
    name: str


@dataclass(frozen=True)
class Tiered:
    tier: str | None
    tiers: Sequence[Named] = (Named("watch"), Named("high"))

    @property
    def due(self) -> bool:
        """The alert policy of this one begins where its tiers do."""
        return self.tier is not None


def view(risk: str, tier: str | None, *facts: Fact) -> View:
    here = situation(*facts)
    return View(situation=here, scores=clinical_scores(here), risks={risk: Tiered(tier)})


def concerns(seen: View) -> dict[str, Concern]:
    return {one.topic: one for one in assess(CATALOGUE, seen.situation, seen.scores, seen.risks)}


NEAR = pytest.mark.parametrize(
    ("risk", "topic", "what"),
    [
        ("hypotension", "hypotension", "low blood pressure"),
        ("hypoxaemia", "hypoxia", "low saturation"),
        ("aki", "aki", "kidney injury"),
    ],
)


@NEAR
@pytest.mark.parametrize(("tier", "word"), [("watch", "raised"), ("high", "high")])
def test_a_state_that_is_near_is_for_information(risk: str, topic: str, what: str, tier: str, word: str) -> None:
    seen = view(risk, tier, *vital_signs(), measured("creatinine", 1.0))
    found = concerns(seen)
    assert found.keys() == {topic}
    assert (found[topic].tier, found[topic].tier_word) == (1, f"{word} risk of {what}")
    assert found[topic].estimated
    offered, _ = options_for(found[topic], CATALOGUE, seen, patient="p1", offered=())
    assert offered
    # what treats the state waits until it is there
    assert not {"hypotension_fluid", "hypotension_norepinephrine"} & {one.id for one in offered}


@NEAR
def test_a_risk_below_the_threshold_is_no_concern(risk: str, topic: str, what: str) -> None:
    assert not concerns(view(risk, None, *vital_signs(), measured("creatinine", 1.0)))


@pytest.mark.parametrize(
    ("risk", "topic", "chart", "word"),
    [
        (
            "hypotension",
            "hypotension",
            [*vital_signs(sbp=104), measured("sbp", 165, 5)],
            "systolic fell by more than 40",
        ),
        ("hypoxaemia", "hypoxia", vital_signs(spo2=93), "just below target"),
        ("aki", "aki", [*vital_signs(), measured("creatinine", 1.0, 20), measured("creatinine", 1.4)], "KDIGO stage 1"),
    ],
)
def test_what_was_measured_is_named_before_what_is_estimated(
    risk: str, topic: str, chart: Sequence[Fact], word: str
) -> None:
    found = concerns(view(risk, "high", *chart))[topic]
    assert (found.tier, found.tier_word, found.estimated) == (1, word, False)


def test_a_low_target_of_saturation_does_not_hide_what_is_near() -> None:
    facts = (*vital_signs(spo2=91), problem("copd"))
    found = concerns(view("hypoxaemia", "watch", *facts))["hypoxia"]
    assert (found.tier, found.estimated) == (1, True)


def test_where_no_infection_is_known_a_risk_of_sepsis_first_asks_how_likely_one_is() -> None:
    def asks(*facts: Fact) -> bool:
        seen = view("sepsis", "high", *vital_signs(body_temp=38.4), *facts)
        options, _ = options_for(concerns(seen)["sepsis"], CATALOGUE, seen, patient="p1", offered=())
        (drugs,) = (one for one in options if one.id == "sepsis_antimicrobials")
        return any(read(one.said).startswith("No infection is recorded") for one in drugs.cautions)

    assert asks()
    for known in (problem("infection", hours=5), measured("neutrophils_abs", 0.2), problem("neutropenia")):
        assert not asks(known)
