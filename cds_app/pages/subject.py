"""Who and what a page speaks of: the patient, the moment, and everything found out about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_app.cards.material import Material
from cds_app.cards.text import ago, clock_time, plain
from cds_app.cards.views import Setting
from cds_app.score.deviation import Deviation, JointDeviation
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState

_ID_TAIL = 4
_NAME = 60
STALE = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One patient at one moment, taken apart.

    Parameters
    ----------
    patient : str
        Bare FHIR id.
    material : Material
        What cards would be made of.
    deviations : tuple of Deviation
        Of every quantity that was seen.
    back_h : float
        How many hours before the present the moment lies; 0 is now.
    hindsight : bool
        Whether the moment lies before Twinline first heard of the patient: then the page shows what the chart says
        today had been measured by then.
    failed : tuple of str
        Parts of the record that could not be read from the EHR this time.
    unreached : bool
        Whether the EHR could not be asked at all: the page shows what was known before.
    """

    patient: str
    material: Material
    state: TwinState
    twin: TwinModel
    deviations: tuple[Deviation, ...]
    joint: JointDeviation
    back_h: float = 0.0
    hindsight: bool = False
    failed: tuple[str, ...] = ()
    unreached: bool = False

    @property
    def setting(self) -> Setting:
        """For whom and when words are written."""
        return self.material.setting

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.material.situation.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The strip on top of every page.

    Parameters
    ----------
    name, sex, age, born, id_tail : str
        What says who it is; each says itself when it is not recorded.
    moment : str
        The time that the page shows.
    data_to : str
        Of the newest measurement; "" where there is none.
    data_age : str
        How long ago that was.
    stale : bool
        Whether that is longer than `STALE`.
    """

    name: str
    sex: str
    age: str
    born: str
    id_tail: str
    moment: str
    data_to: str
    data_age: str
    stale: bool
    deceased: bool


def identity(subject: Subject) -> Identity:
    """Who it is, as far as the record says."""
    situation, zone = subject.material.situation, subject.setting.zone
    who, newest = situation.demographics, _newest(subject)
    born = who.birth_start.date() if who is not None and who.birth_start is not None else None
    whole = who is not None and _is_one_day(who.birth_start, who.birth_end)
    return Identity(
        name=plain(who.name, limit=_NAME) if who is not None and who.name else "Name not recorded",
        sex=who.sex if who is not None else "sex not recorded",
        age="age not recorded" if situation.age_years is None else f"{situation.age_years} years",
        born=f"{born:%d %b %Y}" if whole and born else (f"{born:%Y}" if born else "not recorded"),
        id_tail=subject.patient[-_ID_TAIL:],
        moment=clock_time(situation.now, situation.now, zone),
        data_to=clock_time(newest, situation.now, zone) if newest else "",
        data_age=ago(newest, situation.now) if newest else "",
        stale=newest is None or situation.now - newest > STALE,
        deceased=situation.deceased,
    )


def _is_one_day(start: datetime | None, end: datetime | None) -> bool:
    return start is not None and end is not None and end - start <= timedelta(days=1)


def _newest(subject: Subject) -> datetime | None:
    situation = subject.material.situation
    return max((one.when for one in situation.facts.measurements if one.when <= situation.now), default=None)
