"""What fires, read from the decision log: rates against baselines, answers of clinicians, and the storm breaker."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from cds_app.cards.policy import ABSTENTION
from cds_app.domain.decisions import Suppression
from cds_app.domain.switches import Mode, Switch, Switches, fold
from cds_app.errors import Conflict
from cds_app.governance.firing import (
    LEAST_DAYS,
    TRAINING_DAYS,
    Baseline,
    Cusum,
    Day,
    alarms_of,
    baseline_of,
    is_silent,
    is_storm,
    run,
)
from cds_app.ports import Clock, Count, Meter, TwinStore

WATCHED_DAYS: Final = 28
_LATELY_DAYS: Final = 7
_HOUR: Final = timedelta(hours=1)
_COUNTED_AGAIN: Final = timedelta(minutes=15)
_FIRED: Final = frozenset({Suppression.NONE.value, Suppression.SHADOW.value})
_BREAKER: Final = "twinline"
_WHY: Final = "storm breaker: more cards in an hour than expected"
_PERSON_RULES_H: Final = 24  # after a person turned a topic on again, the breaker leaves it so long
_LOG = structlog.get_logger("twinline")

Topic = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """How one topic of one service fires.

    Parameters
    ----------
    per_day : float
        Mean of the last seven complete days.
    baseline : Baseline or None
        None while too few days are known: then nothing is judged.
    last_hour : int
        Count of the last 60 minutes.
    alarms : tuple of str
        ``rising``, ``falling``, ``jump``, ``silent``, ``storm``.
    shown, accepted, overridden, undone : int
        In the last four weeks: cards, what clinicians answered, and how many answers they took back. Which answer was
        taken back is sealed: it stays counted as given.
    untaken : int
        Of those that were shown, how many no caller took.
    share : float
        Part of all cards of the service in the last four weeks.
    """

    service: str
    topic: str
    per_day: float
    baseline: Baseline | None
    cusum: Cusum
    last_hour: int
    alarms: tuple[str, ...]
    shown: int
    accepted: int
    overridden: int
    undone: int
    untaken: int
    share: float

    @property
    def name(self) -> str:
        """Service and topic."""
        return f"{self.service}/{self.topic}"

    @property
    def is_abstention(self) -> bool:
        """Whether its share is the share of "cannot estimate"."""
        return self.topic == ABSTENTION


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """Hours of one topic in site time, before the current hour."""

    hours: Mapping[tuple[date, int], int]
    first: date
    now: datetime

    def days(self) -> list[Day]:
        """Complete days without gaps, oldest first."""
        by_day: Counter[date] = Counter()
        for (on, _), number in self.hours.items():
            by_day[on] += number
        length = (self.now.date() - self.first).days
        return [Day(on=on, count=by_day[on]) for on in (self.first + timedelta(i) for i in range(length))]

    def by_hour(self, days: Sequence[Day]) -> list[int]:
        """Counts by hour of the day over some days."""
        kept = {one.on for one in days}
        found: Counter[int] = Counter()
        for (on, hour), number in self.hours.items():
            found[hour] += number if on in kept else 0
        return [found[hour] for hour in range(24)]

    def expected_since_last(self, baseline: Baseline) -> float:
        """How much was expected, in whole hours, since something was heard."""
        heard = max((key for key, number in self.hours.items() if number), default=(self.first, 0))
        at = datetime(heard[0].year, heard[0].month, heard[0].day, heard[1], tzinfo=self.now.tzinfo) + _HOUR
        expected = 0.0
        while at + _HOUR <= self.now:
            expected += baseline.in_hour(at.date(), at.hour)
            at += _HOUR
        return expected


def firings(store: TwinStore, zone: ZoneInfo, now: datetime) -> tuple[Firing, ...]:
    """Every topic that fired in the last twelve weeks, by service and topic.

    Raises
    ------
    DependencyDown
    """
    return firings_of(_long(store, now), store.counts(now - _HOUR, now), zone, now)


def firings_of(
    counts: Sequence[Count], last_hour: Sequence[Count], zone: ZoneInfo, now: datetime
) -> tuple[Firing, ...]:
    """Every topic in counts of twelve weeks, which may be some minutes old, and of the last hour, which must not."""
    recent = _fired(last_hour)
    hours = _by_topic(counts, zone)
    first = {service: min(one for (name, _), held in hours.items() if name == service for one, _ in held)
             for service, _ in hours}  # fmt: skip
    judged = {
        topic: _judge(_History(hours=held, first=first[topic[0]], now=now.astimezone(zone)), recent[topic])
        for topic, held in sorted(hours.items())
    }
    answers = _answers(counts, now - timedelta(days=WATCHED_DAYS))
    return tuple(_firing(topic, verdict, answers) for topic, verdict in judged.items())


def storms(found: Sequence[Firing], switches: Switches, now: datetime) -> tuple[Switch, ...]:
    """Turns that the storm breaker makes: into storm, unless a switch says less already or a person ruled lately."""
    raging = [one for one in found if "storm" in one.alarms]
    return tuple(
        Switch(service=one.service, topic=one.topic, mode=Mode.STORM, before=Mode.ON, by=_BREAKER, reason=_WHY, at=now)
        for one in raging
        if _may_trip(switches, one, now)
    )


class FiringWatch:
    """Looks at what fires now and then, trips the storm breaker, and remembers the alarms.

    Parameters
    ----------
    turn : callable
        Turns a switch.
    """

    def __init__(
        self, store: TwinStore, zone: ZoneInfo, clock: Clock, meter: Meter, turn: Callable[[Switch], None]
    ) -> None:
        self._store = store
        self._zone = zone
        self._clock = clock
        self._meter = meter
        self._turn = turn
        self._counts: tuple[datetime, Sequence[Count]] | None = None
        self._said: frozenset[str] = frozenset()

    def alarms(self) -> tuple[str, ...]:
        """What was found last."""
        return tuple(sorted(self._said))

    def look(self) -> None:
        """Look now.

        Raises
        ------
        DependencyDown, IntegrityError
        """
        now = self._clock.now()
        found = firings_of(self._long_counts(now), self._store.counts(now - _HOUR, now), self._zone, now)
        said = {f"{one.name} {alarm}": 1.0 for one in found for alarm in one.alarms}
        for name in sorted(said.keys() - self._said):
            _LOG.warning("firing alarm", check=name)
        self._meter.stands("alarms", dict.fromkeys(self._said - said.keys(), 0.0) | said)
        self._said = frozenset(said)
        for switch in storms(found, fold(self._store.turns()), now):
            self._trip(switch)

    def _long_counts(self, now: datetime) -> Sequence[Count]:
        """Twelve weeks change little in some minutes, and are long to count."""
        if self._counts is None or not timedelta() <= now - self._counts[0] < _COUNTED_AGAIN:
            self._counts = now, _long(self._store, now)
        return self._counts[1]

    def _trip(self, switch: Switch) -> None:
        try:
            self._turn(switch)
        except Conflict:
            return  # another worker was faster, or a person
        _LOG.warning("storm breaker", service=switch.service, check=switch.topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    per_day: float
    baseline: Baseline | None
    cusum: Cusum
    last_hour: int
    alarms: tuple[str, ...]


def _judge(history: _History, last_hour: int) -> _Verdict:
    days = history.days()
    lately = [one.count for one in days[-_LATELY_DAYS:]]
    per_day = sum(lately) / len(lately) if lately else 0.0
    cut = max(LEAST_DAYS, len(days) - WATCHED_DAYS)
    training, watched = days[max(0, cut - TRAINING_DAYS) : cut], days[cut:]
    baseline = baseline_of(training, history.by_hour(training))
    if baseline is None:
        return _Verdict(per_day=per_day, baseline=None, cusum=Cusum(), last_hour=last_hour, alarms=())
    alarms = list(alarms_of(baseline, watched))
    if not last_hour and is_silent(history.expected_since_last(baseline), baseline.per_day):
        alarms.append("silent")
    if is_storm(last_hour, baseline.in_hour(history.now.date(), history.now.hour)):
        alarms.append("storm")
    cusum = run(baseline, watched)
    return _Verdict(per_day=per_day, baseline=baseline, cusum=cusum, last_hour=last_hour, alarms=tuple(alarms))


def _long(store: TwinStore, now: datetime) -> Sequence[Count]:
    return store.counts(now - timedelta(days=TRAINING_DAYS + WATCHED_DAYS + 1), now)


def _by_topic(counts: Sequence[Count], zone: ZoneInfo) -> dict[Topic, dict[tuple[date, int], int]]:
    hours: dict[Topic, dict[tuple[date, int], int]] = defaultdict(lambda: defaultdict(int))
    for one in counts:
        if _has_fired(one):
            at = one.hour.astimezone(zone)
            hours[one.service, one.topic][at.date(), at.hour] += one.number
    return hours


def _fired(counts: Sequence[Count]) -> Counter[Topic]:
    found: Counter[Topic] = Counter()
    for one in counts:
        found[one.service, one.topic] += one.number if _has_fired(one) else 0
    return found


def _has_fired(one: Count) -> bool:
    """A card that was shown, or would have been but for shadow mode."""
    return not one.outcome and one.suppression in _FIRED


def _answers(counts: Sequence[Count], since: datetime) -> Mapping[Topic, Counter[str]]:
    found: dict[Topic, Counter[str]] = defaultdict(Counter)
    for one in counts:
        if one.hour >= since:
            kind = one.outcome or ("shown" if one.suppression == Suppression.NONE.value else "held")
            found[one.service, one.topic][kind] += one.number
            found[one.service, ""][kind] += one.number
    return found


def _firing(topic: Topic, verdict: _Verdict, answers: Mapping[Topic, Counter[str]]) -> Firing:
    own, every = answers.get(topic, Counter()), answers.get((topic[0], ""), Counter())
    return Firing(
        service=topic[0],
        topic=topic[1],
        per_day=verdict.per_day,
        baseline=verdict.baseline,
        cusum=verdict.cusum,
        last_hour=verdict.last_hour,
        alarms=verdict.alarms,
        shown=own["shown"],
        accepted=own["accepted"],
        overridden=own["overridden"],
        undone=own["undone"],
        untaken=own["untaken"],
        share=own["shown"] / every["shown"] if every["shown"] else 0.0,
    )


def _may_trip(switches: Switches, one: Firing, now: datetime) -> bool:
    if switches.of(one.service) is not Mode.ON:
        return False
    last = switches.newest.get((one.service, one.topic))
    if last is None:
        return True
    return last.mode is Mode.ON and now - last.at >= timedelta(hours=_PERSON_RULES_H)
