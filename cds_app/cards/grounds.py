"""What a rule-based concern rests on, and what was held back, as views for the templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from jinja2 import Environment

from cds_app.cards.detail import in_words
from cds_app.cards.material import Advice
from cds_app.cards.text import Trusted, capital, number, plain
from cds_app.cards.views import Setting
from cds_app.domain.facts import CodedFinding, Condition, Fact, GeneResult, Measurement, Medication, Procedure, Report
from cds_app.explain.reasons import Reason
from cds_app.mitigate.catalogue import Topic
from cds_app.mitigate.concerns import Concern
from cds_app.mitigate.gates import Refusal
from cds_app.mitigate.options import Option
from cds_app.score.result import Part, Score

_TEXT = 60
_CIRCUMSTANCES = frozenset({"age", "sex", "kind_of_unit", "measurement_activity", "time_before_unit", "time_in_unit"})
_SEEN_POINTS = 0.5
_GATES = ("allergy", "contraindicated", "renal", "pregnancy", "weight", "already")
_HOW_TAKEN = {"administration": "given", "request": "ordered", "statement": "taken"}
_HOW_KNOWN: dict[type, str] = {Condition: "recorded", Procedure: "done", Report: "done", CodedFinding: "found"}
_UNCONFIRMED = " (grade unconfirmed)"
_FIRST_WORDS = re.compile(r"^(?:.*?\b)?[Cc]onsider (?:adding |starting )?")
_REST = re.compile(r"(?: \(|[;:,]|\.(?!\d)| if | where | before | within | every | for | at | to | and ).*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A fact that is no measurement: ``how`` is the word for it, ``text`` stands as it was sent."""

    text: str
    how: str
    time: Trusted


def named_facts(concern: Concern, setting: Setting) -> tuple[Named, ...]:
    """Problems, drugs, procedures and findings that a concern rests on: of the same the newest, newest first."""
    latest: dict[tuple[str, str], Named] = {}
    for fact in sorted(concern.facts, key=lambda one: one.when):
        said = _named(fact, setting)
        if said is not None:
            how, text = said
            latest.pop(said, None)
            latest[said] = Named(text=plain(text, limit=_TEXT), how=how, time=setting.clock(fact.when))
    return tuple(reversed(latest.values()))


def named_of(fact: Fact, setting: Setting) -> Named | None:
    """One fact that is no measurement, in words."""
    said = _named(fact, setting)
    return None if said is None else Named(text=plain(said[1], limit=_TEXT), how=said[0], time=setting.clock(fact.when))


def _named(fact: Fact, setting: Setting) -> tuple[str, str] | None:
    if isinstance(fact, Medication):
        return _HOW_TAKEN[fact.source], _text(fact, setting)
    if isinstance(fact, GeneResult):
        return ("sequenced" if fact.source == "vcf" else "reported"), _gene_text(fact)
    if isinstance(fact, Condition | Procedure | Report | CodedFinding):
        return _HOW_KNOWN[type(fact)], _text(fact, setting)
    return None


def _text(fact: Medication | Condition | Procedure | Report | CodedFinding, setting: Setting) -> str:
    """What was sent in words; else what the ontology calls it, or its code."""
    labels = [setting.ontology.concepts[key].label for key in getattr(fact, "concepts", ())]
    codes = [code for _, code in getattr(fact, "codes", ())]
    return fact.text or next(iter((*labels, *codes)), "")


def _gene_text(fact: GeneResult) -> str:
    said = " ".join((*fact.alleles, fact.phenotype)).strip()
    return said if said.startswith(fact.gene) else f"{fact.gene} {said}".strip()


def score_text(score: Score, label: str) -> Trusted:
    """A score with what made it, ``NEWS2 7 (high: respiratory rate 3, ...)``, and what to know of it."""
    least = "at least " if score.bound == ">=" else ""
    value, band = f"{score.value:g}", score.band.removeprefix("at least ")
    stage = is_stage(score)
    parts = ", ".join(_part_text(part, points=not stage) for part in score.parts if part.points)
    if stage or band.startswith(f"{value} of "):
        said, inside = (value if stage else band), parts
    else:
        said, inside = value, ": ".join(filter(None, (band, parts)))
    return Trusted(". ".join((f"{label} {least}{said}{f' ({inside})' if inside else ''}", *score.notes)))


def is_stage(score: Score) -> bool:
    """Whether its value is a stage and no sum of points."""
    return score.band.removeprefix("at least ").startswith("stage ")


def score_total(score: Score, label: str) -> Trusted:
    """A score without its parts, with what gives most: ``NEWS2 7, most for oxygen saturation``."""
    most = max(score.parts, key=lambda part: part.points, default=None)
    why = f", most for {most.label}" if most is not None and most.points else ""
    return Trusted(f"{score_value(score, label)}{why}")


def score_value(score: Score, label: str) -> Trusted:
    """A score by its number alone: ``NEWS2 at least 7``."""
    return Trusted(f"{label} {'at least ' if score.bound == '>=' else ''}{score.value:g}")


def _part_text(part: Part, *, points: bool) -> str:
    return " ".join(filter(None, (part.label, part.finding or (format(part.points, "g") if points else ""))))


def computed(score: Score, lead: Fact) -> Trusted | None:
    """What gave a score its points where that is no single measurement: ``Urine output 0.3 mL/kg/h over 12 h``."""
    found = (part for part in score.parts if part.points and part.finding and lead in part.evidence)
    top = next(found, None)
    return Trusted(f"{capital(top.label)} {top.finding}") if top is not None else None


def told_refusals(refused: Sequence[Refusal], most: int) -> list[Refusal]:
    """Those that protect come before those that spare a repetition; one per option.

    What is only not known to apply is not told: nobody expected it. Nor that a measurement is not offered which was
    made: it stands on the card.
    """
    news = (one for one in refused if one.gate in _GATES and not _measured_already(one))
    told = sorted(news, key=lambda one: _GATES.index(one.gate))
    first: dict[str, Refusal] = {}
    for one in told:
        first.setdefault(one.option, one)
    return list(first.values())[:most]


def not_asked_again(advice: Advice) -> list[Refusal]:
    """Refusals but for what was done already of which an offered option asks to do it again."""
    codes = {entry.id: entry.draft and entry.draft.code for entry in advice.topic.options}
    again = {codes[one.id] for one in advice.offered} - {None}
    return [one for one in advice.refused if one.gate != "already" or codes[one.option] not in again]


def _measured_already(refusal: Refusal) -> bool:
    found = refusal.evidence
    return refusal.gate == "already" and bool(found) and all(isinstance(one, Measurement) for one in found)


def unmeasured(explained: Sequence[Reason], setting: Setting) -> Iterator[Trusted]:
    """That nothing measured raises an estimate by as much as would be seen: whoever reads it looks for what did."""
    measured = (one for one in explained if one.now is not None or one.quantity in setting.groups)
    raising = max((one.points for one in measured if one.quantity not in _CIRCUMSTANCES), default=0.0)
    if explained and raising < _SEEN_POINTS:
        yield number(_SEEN_POINTS, 1)


def refusal_view(refusal: Refusal, topic: Topic, templates: Environment) -> dict[str, Trusted]:
    """What is not offered, and why, in the middle of a line."""
    name, why = held_back(refusal, topic, templates)
    return {"text": Trusted(name), "why": Trusted(why.rstrip("."))}


def held_back(refusal: Refusal, topic: Topic, templates: Environment) -> tuple[str, str]:
    """What is not offered, by its short name, and why."""
    text = next(entry.text for entry in topic.options if entry.id == refusal.option)
    return short_name(text), str(in_words(refusal.reason, templates))


@cache  # asked of options of the catalogue alone
def short_name(text: str) -> str:
    """The thing itself out of an option's sentence: no "consider", no dose, no condition."""
    return capital(_REST.sub("", _FIRST_WORDS.sub("", text, count=1), count=1))


class Source(msgspec.Struct, frozen=True):
    """Who recommends all of several options, and whether all are pending clinical review."""

    guideline: Trusted
    review: bool


def shared_source(options: Sequence[Option]) -> Source | None:
    """What several options have in common, to be said once; None where they name different guidelines."""
    named = {_guideline(one) for one in options}
    if len(options) < 2 or len(named) > 1:
        return None
    return Source(named.pop(), all(one.needs_review for one in options))


def _guideline(option: Option) -> Trusted:
    return Trusted(option.guideline.cited)


def option_views(
    options: Sequence[Option], templates: Environment, said: Source | None = None
) -> Iterator[dict[str, object]]:
    """Options in words. What is to be weighed of several is said once."""
    told: set[str] = set()
    for option in options:
        cautions = [in_words(one.said, templates).rstrip(".") + "." for one in option.cautions]
        news = [one for one in cautions if one not in told]
        if len(cautions) > len(news):
            news.append("As above.")
        told.update(cautions)
        yield _option_view(option, said, news)


def _option_view(option: Option, said: Source | None, cautions: Sequence[str]) -> dict[str, object]:
    """An option with who recommends it how strongly, as far as that was not said for all options.

    "Pending clinical review" covers an unconfirmed grade.
    """
    strength = option.strength.replace(_UNCONFIRMED, "" if option.needs_review else ", grade unconfirmed")
    return {
        "text": Trusted(option.text.rstrip(".")),
        "guideline": _guideline(option) if said is None else None,
        "strength": Trusted(strength),
        "review": option.needs_review and (said is None or not said.review),
        "cautions": Trusted(" ".join(cautions).removesuffix(".")),
    }
