"""The synthetic patients: who they are, what their charts come to hold, and when a clinician opens them.

Nothing here was ever measured on anybody: every number comes from `physiology` and a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from cds_app.sandbox.people.resources import Person, TimedResource
from cds_app.sandbox.people.scribe import Scribe
from cds_app.sandbox.people.stories import STORIES, Expected, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPatient:
    """One invented patient.

    Parameters
    ----------
    id : str
        FHIR id of the Patient.
    given : str
        First name.
    title, story : str
        A few words, and one plain sentence.
    expected : Expected
        What decision support should make of the stay.
    resources : tuple of TimedResource
        Every version of every resource, in the order in which the chart comes to hold them.
    opens : tuple of datetime
        When a clinician opens the chart, ascending.
    orders : tuple of (datetime, str)
        What a clinician then means to order, and should not.
    """

    id: str
    given: str
    title: str
    story: str
    expected: Expected
    resources: tuple[TimedResource, ...]
    opens: tuple[datetime, ...]
    orders: tuple[tuple[datetime, str], ...]


def cohort(seed: int, start: datetime) -> tuple[SyntheticPatient, ...]:
    """The synthetic patients, all admitted at ``start``.

    Parameters
    ----------
    seed : int
        The same seed gives the same charts. Each patient draws from a stream of their own.
    start : datetime
        Hour 0, aware.

    Raises
    ------
    ValueError
        If ``start`` has no time zone.
    """
    if start.tzinfo is None:
        raise ValueError("start must be an aware datetime")
    streams = np.random.SeedSequence(seed).spawn(len(STORIES))
    numbered = enumerate(zip(STORIES, streams, strict=True), start=1)
    return tuple(_patient(at, story, start, np.random.default_rng(stream)) for at, (story, stream) in numbered)


def _patient(number: int, story: Story, start: datetime, rng: np.random.Generator) -> SyntheticPatient:
    name = f"synthetic-{number:03d}"
    person = Person(id=name, given=story.given, family=f"Synthetic-{number:03d}", gender=story.gender, born=story.born)
    scribe = Scribe(person, start, rng)
    story.write(scribe, story.hours, rng)
    return SyntheticPatient(
        id=name,
        given=story.given,
        title=story.title,
        story=story.text,
        expected=story.expected,
        resources=tuple(sorted(scribe.written, key=lambda one: one.known_at)),
        opens=tuple(start + timedelta(hours=hour) for hour in story.opens),
        orders=tuple((start + timedelta(hours=hour), drug) for hour, drug in story.orders),
    )
