"""*Why now*: the lines that say what a concern rests on. Each is written once, whatever a card then has room for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from cds_app.cards.detail import Changes, Lines, in_words, say
from cds_app.cards.grounds import named_facts, score_text, unmeasured
from cds_app.cards.material import Advice, Material
from cds_app.cards.text import Trusted, points
from cds_app.cards.views import ReasonView, SeenView, also, compared, reason, seen
from cds_app.domain.facts import Measurement
from cds_app.explain.reasons import Reason
from cds_app.mitigate.concerns import Reading
from cds_app.score.chronology import Asked
from cds_app.score.result import Score

_READINGS = 3
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Why:
    """What a card says of why it is there; with ``as_sent`` also what came, where that is another number or unit."""

    advice: Advice
    material: Material
    as_sent: bool = True

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """The scores that a topic asks for, as far as they say something.

        Beside a learned risk alone none with a proviso: it is not what the card rests on.
        """
        scores = [self.material.scores.get(name) for name in self.advice.topic.scores]
        known = [one for one in scores if isinstance(one, Score) and one.value > 0]
        return tuple([one for one in known if not (self.advice.concern.estimated and one.proviso)])

    def label(self, score: Score) -> str:
        """What a score is called."""
        return self.material.labels.get(f"score:{score.name}", score.name)

    @cached_property
    def totals(self) -> Lines:
        """The same scores in words."""
        return tuple([score_text(one, self.label(one)) for one in self.scores])

    @cached_property
    def provisos(self) -> Lines:
        """What in reading the patient for these scores a clinician may have to decide otherwise."""
        templates = self.material.templates
        return tuple([in_words(one.proviso, templates) for one in self.scores if one.proviso])

    def explained(self, reasons: Sequence[Reason], shown: int, *, comments: bool = True) -> Changes:
        """The lines that depend on how much of an estimate is taken apart."""
        return {**self.told(reasons, shown), "evidence": self._evidence(reasons[:shown], comments=comments)}

    def told(self, reasons: Sequence[Reason], shown: int) -> Changes:
        """The estimate itself taken apart."""
        templates, setting = self.material.templates, self.material.setting
        alone = self.advice.concern.estimated
        return {
            "reasons": (
                *say(templates, "reason", map(self._reason, reasons[:shown])),
                *say(templates, "unmeasured", unmeasured(reasons, setting) if alone else ()),
            ),
            "others": say(templates, "others", _others(reasons[shown:])),
        }

    @cached_property
    def seen(self) -> Mapping[str, SeenView]:
        """By quantity, what was measured."""
        readings = {one.quantity: one for one in self.advice.concern.readings}
        return Asked(lambda quantity: self._seen(readings[quantity]))

    def _seen(self, one: Reading) -> SeenView:
        """A measurement beside the one that the concern compares it with, where it does, else the usual one."""
        situation, setting, advice = self.material.situation, self.material.setting, self.advice
        quantities = situation.ontology.variables
        older = [
            fact
            for fact in advice.concern.facts
            if isinstance(fact, Measurement)
            and fact.when < one.latest.when
            and quantities[fact.variable].quantity == one.quantity
        ]
        earlier = older[0] if older else self._compared(one.latest)
        view = seen(one.latest, earlier, setting, as_sent=self.as_sent)
        span = None if one.quantity in advice.topic.led else view.range
        return msgspec.structs.replace(view, range=span, also=also(one.latest, situation, setting))

    def _compared(self, one: Measurement) -> Measurement | None:
        return compared(one, self.material.situation, self.material.setting, self.material.service.policy.change_h)

    def _reason(self, one: Reason) -> ReasonView:
        earlier = self._compared(one.now) if one.now is not None else None
        return reason(one, earlier, self.material.setting, as_sent=self.as_sent)

    def _evidence(self, told: Sequence[Reason], *, comments: bool) -> Lines:
        """What it rests on, the most telling first, then what is shown besides: the end is left out first."""
        concern = self.advice.concern
        said = {one.now.ref for one in told if one.now is not None}
        current = (one for one in concern.readings if not one.stale or one.quantity in concern.measured)
        rows = [one for one in current if one.latest.ref not in said][:_READINGS]
        seen_rows = [self._lines[one.quantity] for one in rows]
        if not comments:
            seen_rows[1:] = [self._uncommented(one.quantity) for one in rows[1:]]
        first = min(sum(one.quantity in concern.measured for one in rows), 1)
        rests = max(first, sum(one.latest.ref in self._grounds for one in rows))
        score, others = self.totals[:1], seen_rows[first:rests]
        middle = (*score, *others) if self._grounded else (*others, *score)
        return (*seen_rows[:first], *self._named[:1], *middle, *self._named[1:], *seen_rows[rests:])

    @cached_property
    def _lines(self) -> Mapping[str, Trusted]:
        return Asked(lambda quantity: say(self.material.templates, "evidence", [self.seen[quantity]])[0])

    def _uncommented(self, quantity: str) -> Trusted:
        view = msgspec.structs.replace(self.seen[quantity], comment="")
        return say(self.material.templates, "evidence", [view])[0]

    @cached_property
    def _named(self) -> Lines:
        return say(self.material.templates, "named", named_facts(self.advice.concern, self.material.setting)[:_NAMED])

    @cached_property
    def _grounds(self) -> frozenset[str]:
        return frozenset(fact.ref for fact in self.advice.concern.facts)

    @cached_property
    def _grounded(self) -> bool:
        """Whether the concern rests on everything that the first score does."""
        return bool(self.scores) and self._grounds.issuperset(fact.ref for fact in self.scores[0].inputs)


def _others(rest: Sequence[Reason]) -> Iterator[Mapping[str, object]]:
    if rest:
        yield {"count": len(rest), "points": points(sum(one.points for one in rest))}
