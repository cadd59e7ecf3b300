"""Shadow mode: what is decided as if it were shown, and is shown to nobody.

A card in shadow is judged as it would be live: against everything that was shown or would have been. A card that may be
shown is judged against what clinicians really saw, and takes its place in the response, whatever lies in shadow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cds_app.cards.definition import HIGHEST_TIER
from cds_app.cards.policy import Candidate, Past
from cds_app.domain.decisions import Decision, Suppression
from cds_app.domain.switches import Mode

Judge = Callable[[Sequence[Candidate], Past], Sequence[Suppression]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What of one service lies in shadow.

    Parameters
    ----------
    service : Mode
        Of the whole service.
    topics : mapping of str to Mode
        Of single topics.
    """

    service: Mode = Mode.ON
    topics: Mapping[str, Mode] = field(default_factory=dict)

    def covers(self, topic: str, tier: int) -> bool:
        """Whether a card is kept back. A storm is no reason to keep back what must be acted on now."""
        modes = {self.service, self.topics.get(topic, Mode.ON)}
        return Mode.SHADOW in modes or (Mode.STORM in modes and tier < HIGHEST_TIER)

    def stated(self) -> dict[str, str]:
        """All of it that is not on, as plain texts: `read_shadow` makes the same again."""
        every = {"": self.service, **self.topics}
        return {name: mode.value for name, mode in every.items() if mode is not Mode.ON}


NO_SHADOW: Final = Shadow()


def read_shadow(stated: Mapping[str, str]) -> Shadow:
    """Inverse of `Shadow.stated`."""
    modes = {name: Mode(text) for name, text in stated.items()}
    return Shadow(service=modes.pop("", Mode.ON), topics=modes)


def judged(candidates: Sequence[Candidate], past: Past, judge: Judge, shadow: Shadow) -> tuple[Suppression, ...]:
    """A verdict for each candidate; SHADOW for what would have been shown and is not.

    Parameters
    ----------
    past : sequence of Decision, Feedback or Untaken
        What was shown and what would have been, and what became of it, oldest first.
    judge : callable
        The alert policy, over candidates and a past.
    """
    hidden = [shadow.covers(one.topic, one.tier) for one in candidates]
    open_ones = [one for one, is_hidden in zip(candidates, hidden, strict=True) if not is_hidden]
    live = iter(judge(open_ones, past))
    if not any(hidden):
        return tuple(live)
    as_if = judge(candidates, [_as_shown(one) if isinstance(one, Decision) else one for one in past])
    return tuple(
        _in_shadow(verdict) if is_hidden else next(live) for verdict, is_hidden in zip(as_if, hidden, strict=True)
    )


def _as_shown(decision: Decision) -> Decision:
    in_shadow = decision.suppression is Suppression.SHADOW
    return replace(decision, suppression=Suppression.NONE) if in_shadow else decision


def _in_shadow(verdict: Suppression) -> Suppression:
    return Suppression.SHADOW if verdict is Suppression.NONE else verdict
