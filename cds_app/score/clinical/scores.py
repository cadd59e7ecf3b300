"""All clinical scores of a situation, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.score.clinical.bands import current
from cds_app.score.clinical.kidney import egfr, kdigo
from cds_app.score.clinical.news2 import news2, qsofa
from cds_app.score.clinical.sodium import NAME as SODIUM_CORRECTED
from cds_app.score.clinical.sodium import corrected_sodium
from cds_app.score.clinical.sofa import sofa
from cds_app.score.result import Abstained, Lack, Part, Score
from cds_app.score.situation import Situation

TAKEN_TOGETHER: Final = timedelta(hours=1)
_RAISED, _HIGH = 0.7, 1.0


def clinical_scores(situation: Situation) -> Mapping[str, Score | Abstained]:
    """Every score of `NAMES`, each a value with its parts or an abstention that names what is lacking."""
    return _Scores(situation)


class _Scores(Mapping[str, Score | Abstained]):
    """Each is worked out when it is first asked for: few charts need all."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._found: dict[str, Score | Abstained] = {}

    def __getitem__(self, name: str) -> Score | Abstained:
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._made(name)
        return found

    def _made(self, name: str) -> Score | Abstained:
        if name == "egfr":
            return egfr(self._situation, self["kdigo"])
        return _BY_NAME[name](self._situation)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


def shock_index(situation: Situation) -> Score | Abstained:
    """Heart rate over systolic pressure (Allgoewer and Burri, Dtsch Med Wochenschr 1967;92:1947).

    Notes
    -----
    Both must be current and at most one hour apart. Healthy adults lie between 0.5 and 0.7.
    """
    pulse, systolic = current(situation, "heart_rate"), current(situation, "sbp")
    if isinstance(pulse, Lack) or isinstance(systolic, Lack):
        lacks = tuple(one for one in (pulse, systolic) if isinstance(one, Lack))
        return Abstained(name="shock_index", reasons=lacks)
    if abs(pulse.when - systolic.when) > TAKEN_TOGETHER:
        return Abstained(name="shock_index", reasons=(_apart(situation, pulse, systolic),))
    value = pulse.value / systolic.value
    return Score(
        name="shock_index",
        value=value,
        parts=(Part(label="heart rate / systolic pressure", points=value, evidence=(pulse, systolic)),),
        band="high" if value >= _HIGH else "raised" if value > _RAISED else "usual",
        source="Allgoewer and Burri, Dtsch Med Wochenschr 1967;92:1947",
    )


def _apart(situation: Situation, pulse: Measurement, systolic: Measurement) -> Lack:
    older, name = (pulse, "heart_rate") if pulse.when < systolic.when else (systolic, "sbp")
    return Lack(name=name, why="stale", age_h=situation.age_h(older), text="heart rate and pressure over 1 h apart")


_BY_NAME: Final[Mapping[str, Callable[[Situation], Score | Abstained]]] = {
    "news2": news2,
    "qsofa": qsofa,
    "sofa": sofa,
    "kdigo": kdigo,
    "egfr": egfr,
    "shock_index": shock_index,
    SODIUM_CORRECTED: corrected_sodium,
}
NAMES: Final = tuple(_BY_NAME)
