"""What a rule-based card says of its grounds: every kind of fact by name, scores and refusals in short."""

from __future__ import annotations

import dataclasses
from datetime import UTC

import pytest
from msgspec.structs import replace

from cds_app.cards.grounds import (
    Source,
    named_facts,
    not_asked_again,
    option_views,
    score_text,
    shared_source,
    short_name,
    told_refusals,
    unmeasured,
)
from cds_app.cards.material import Advice
from cds_app.cards.views import Setting
from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.sentences import Sentence, sentence
from cds_app.explain.reasons import Reason
from cds_app.mitigate.catalogue import Guideline
from cds_app.mitigate.concerns import Concern
from cds_app.mitigate.gates import Caution, Gate, Refusal
from cds_app.mitigate.options import Option
from cds_app.score.result import Part, Score
from cds_app.services.content.knowledge import Knowledge
from cds_app.twin.state import TwinState
from tests.chart import NOW, ONTOLOGY, drug, finding, measured, problem, procedure
from tests.sentences import TEMPLATES, read

NOTHING_SEEN = TwinState(model_sha256="", tracks={})
SETTING = Setting(ontology=ONTOLOGY, zone=UTC, now=NOW, sex=None, groups={}, state=NOTHING_SEEN)


def said(*facts: Fact) -> list[tuple[str, str]]:
    concern = Concern(topic="t", title="T", tier=2, tier_word="w", readings=(), facts=facts)
    return [(one.text, one.how) for one in named_facts(concern, SETTING)]


def viewed(option: Option, said: Source | None = None) -> dict[str, object]:
    (found,) = option_views([option], TEMPLATES, said)
    return found


def test_each_kind_of_fact_is_named_by_how_it_is_known_newest_first() -> None:
    facts = [
        replace(drug("digoxin", hours=1), text="Digoxin"),
        replace(drug("digoxin", hours=2, source="request"), text="Digoxin"),
        replace(problem("sepsis", hours=3), text="Sepsis, unspecified"),
        replace(procedure("ecg", hours=4), text="ECG"),
        replace(finding("consciousness_acvpu", "alert", hours=5), text="Alert"),
        measured("potassium", 5.0),
    ]
    assert said(*facts) == [
        ("Digoxin", "given"),
        ("Digoxin", "ordered"),
        ("Sepsis, unspecified", "recorded"),
        ("ECG", "done"),
        ("Alert", "found"),
    ]


def test_the_same_drug_given_often_is_named_once() -> None:
    assert said(*(replace(drug("digoxin", hours=h), text="Digoxin") for h in (1, 5, 3))) == [("Digoxin", "given")]


def test_foreign_text_is_one_bounded_line_without_links() -> None:
    nasty = replace(problem("sepsis"), text="x\n" * 90 + "http://evil.example/a")
    ((text, _),) = said(nasty)
    assert "\n" not in text
    assert len(text) <= 60


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("Consider IV furosemide at 1-2 times the daily oral dose (20-40 mg if none is taken).", "IV furosemide"),
        ("Consider norepinephrine if the mean pressure stays below 65 mmHg.", "Norepinephrine"),
        ("Acidosis with high carbon dioxide: consider non-invasive ventilation.", "Non-invasive ventilation"),
        ("Consider two sets of blood cultures before antimicrobials, if quick.", "Two sets of blood cultures"),
        ("Consider adding vasopressin 0.03 units/min if it does not suffice.", "Vasopressin 0.03 units/min"),
    ],
)
def test_a_refused_option_is_called_by_its_thing(option: str, name: str) -> None:
    assert short_name(option) == name


def refusal(option: str, gate: Gate) -> Refusal:
    return Refusal(option=option, gate=gate, reason=gate)


def test_protection_is_told_first_once_per_option_and_what_was_not_expected_never() -> None:
    refused = [refusal("a", "already"), refusal("b", "requires"), refusal("a", "allergy"), refusal("c", "renal")]
    assert [(one.option, one.gate) for one in told_refusals(refused, 2)] == [("a", "allergy"), ("c", "renal")]
    assert len(told_refusals(refused, 9)) == 2


def score(band: str, value: float, *parts: Part, bound: str = "=") -> Score:
    return Score(name="s", value=value, parts=parts, band=band, source="", bound=">=" if bound == ">=" else "=")


def test_scores_say_their_total_once_and_what_made_it() -> None:
    pulse, urine = Part(label="pulse", points=2), Part(label="urine output", points=2, finding="0.4 mL/kg/h over 12 h")
    calm = Part(label="temperature", points=0)
    assert score_text(score("medium", 5, pulse, calm, bound=">="), "NEWS2") == "NEWS2 at least 5 (medium: pulse 2)"
    assert score_text(score("stage 2", 2, urine), "KDIGO stage") == "KDIGO stage 2 (urine output 0.4 mL/kg/h over 12 h)"
    sofa = score("at least 4 of 24, from 2 of 6 parts", 4, pulse, bound=">=")
    assert score_text(sofa, "SOFA") == "SOFA at least 4 of 24, from 2 of 6 parts (pulse 2)"


def test_what_to_know_of_a_score_stands_behind_it() -> None:
    told = replace(score("medium", 5, Part(label="pulse", points=2)), notes=("Not for children", "Seen in part"))
    assert score_text(told, "NEWS2") == "NEWS2 5 (medium: pulse 2). Not for children. Seen in part"


def an_option(org: str = "KDIGO", *, review: bool = False, strength: str = "1B (grade unconfirmed)") -> Option:
    guideline = Guideline(org=org, year=2012, section="3.1")
    return Option(
        id="o", topic="t", text="Consider it.", strength=strength, rank=1, guideline=guideline, needs_review=review
    )


def test_the_guideline_of_all_options_is_said_once_and_of_one_or_of_different_ones_beside_each() -> None:
    alike, unlike = [an_option(), an_option(review=True)], [an_option(), an_option("NICE")]
    shared = shared_source(alike)
    assert shared is not None
    assert (shared.guideline, shared.review) == ("KDIGO 2012", False)
    assert [viewed(one, shared)["guideline"] for one in alike] == [None, None]
    assert shared_source(unlike) is None
    assert [viewed(one)["guideline"] for one in unlike] == ["KDIGO 2012", "NICE 2012"]
    assert shared_source([an_option()]) is None


def test_what_is_pending_review_is_always_told_once_where_all_are_else_beside_each() -> None:
    some, every = [an_option(), an_option(review=True)], [an_option(review=True)] * 2
    told_of_some, told_of_all = shared_source(some), shared_source(every)
    assert [viewed(one, told_of_some)["review"] for one in some] == [False, True]
    assert told_of_all is not None
    assert told_of_all.review
    assert [viewed(one, told_of_all)["review"] for one in every] == [False, False]


def test_an_unconfirmed_grade_is_told_unless_the_whole_option_is_pending_review() -> None:
    assert viewed(an_option())["strength"] == "1B, grade unconfirmed"
    assert viewed(an_option(review=True))["strength"] == "1B"


@pytest.mark.parametrize(
    ("moved", "silent"),
    [
        ({"time_in_unit": 7.0, "potassium": -0.9}, True),
        ({"time_in_unit": 7.0, "potassium": 0.4}, True),
        ({"time_in_unit": 7.0, "potassium": 0.6}, False),
        ({"time_in_unit": 7.0, "sirs": 0.6}, False),
        ({"time_in_unit": 7.0, "lactate": 0.6}, True),
    ],
)
def test_where_nothing_measured_raises_an_estimate_the_card_says_so(moved: dict[str, float], silent: bool) -> None:
    setting = dataclasses.replace(SETTING, groups={"time_in_unit": "Time in the unit", "sirs": "Signs"})
    newest = measured("potassium", 5.0)
    assert isinstance(newest, Measurement)
    told = [Reason(quantity=one, points=by, now=newest if one == "potassium" else None) for one, by in moved.items()]
    assert list(unmeasured(told, setting)) == (["0.5"] if silent else [])
    assert list(unmeasured((), setting)) == []


def test_what_is_asked_for_again_is_not_told_to_be_there_already(knowledge: Knowledge) -> None:
    topic = knowledge.catalogue.topics["sepsis"]
    again = dataclasses.replace(an_option(), id="sepsis_lactate_again")
    refused = (refusal("sepsis_lactate", "already"), refusal("sepsis_antimicrobials", "already"))
    concern = Concern(topic="sepsis", title="T", tier=2, tier_word="w", readings=(), facts=())
    advice = Advice(concern=concern, topic=topic, offered=(again,), refused=refused, risk=None, earlier=lambda: None)
    assert [one.option for one in not_asked_again(advice)] == ["sepsis_antimicrobials"]
    assert len(not_asked_again(dataclasses.replace(advice, offered=()))) == 2


def test_what_is_to_be_weighed_of_several_options_is_said_once() -> None:
    weighed = [dataclasses.replace(an_option(), cautions=(Caution(said="Potassium may accumulate."),))] * 2
    alone = dataclasses.replace(weighed[0], cautions=(*weighed[0].cautions, Caution(said="Recheck early.")))
    said = [one["cautions"] for one in option_views([*weighed, alone], TEMPLATES)]
    assert said == ["Potassium may accumulate", "As above", "Recheck early. As above"]


def test_a_measurement_that_was_made_is_no_refusal_worth_telling() -> None:
    made = Refusal(option="o", gate="already", reason="Measured.", evidence=(measured("lactate", 2.0),))
    given = Refusal(option="p", gate="already", reason="Given.", evidence=(drug("digoxin"),))
    assert told_refusals([made, given], 2) == [given]


_OUTPUT = "Urine output is per kg of the weight charted,"
_OBESE = "In obesity that finds more injury than ideal weight does; KDIGO does not say which."


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (sentence("proviso_scale_2"), "Saturation by scale 2 (88–92 %): hypercapnic respiratory failure is recorded."),
        (
            sentence("proviso_scale_1"),
            "Saturation by scale 1, though COPD is recorded: scale 2 (88–92 %) is for hypercapnic failure that a"
            " clinician has confirmed.",
        ),
        (sentence("proviso_sodium"), "How much glucose lowers sodium is from memory, pending clinical review."),
        (sentence("proviso_weight", weight_kg="120", obese=False), f"{_OUTPUT} 120 kg."),
        (sentence("proviso_weight", weight_kg="96.7", obese=False), f"{_OUTPUT} 96.7 kg."),
        (sentence("proviso_weight", weight_kg="97.5", obese=True), f"{_OUTPUT} 97.5 kg. {_OBESE}"),
    ],
)
def test_a_proviso_of_a_score_is_said_in_a_sentence(one: Sentence, text: str) -> None:
    assert read(one) == text
