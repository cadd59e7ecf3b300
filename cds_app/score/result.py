"""What a score, a deviation or a risk answers: a value with its parts, or a named abstention.

`Abstained` is the one type for "no number" in all of `score` (clinical scores, risks, deviations): an
undefined risk must never read as a number.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cds_app.domain.facts import CodedFinding, Condition, Measurement, Medication, Procedure
from cds_app.domain.sentences import Sentence

Why = Literal["missing", "stale", "bound-only", "out-of-population", "unsuitable", "unavailable"]
Evidence = Measurement | CodedFinding | Condition | Medication | Procedure


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for which something could not be computed.

    Parameters
    ----------
    name : str
        Input by its ontology key (``lactate``), or ``age``, ``sex``, ``model``.
    why : str
        ``missing`` never seen; ``stale`` seen but too old; ``bound-only`` a comparator leaves it open;
        ``out-of-population`` the patient is none of those it was made for; ``unsuitable`` the situation
        forbids it; ``unavailable`` a model or another stage is not there.
    age_h : float or None
        How old the newest value is, hours.
    text : str
        What a reader needs beyond that, in plain English; no patient values.
    """

    name: str
    why: Why
    age_h: float | None = None
    text: str = ""


class Abstained(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing could be said, and why.

    Parameters
    ----------
    name : str
        What was asked for (``news2``, ``sepsis``).
    reasons : tuple of Lack
        Never empty.
    """

    name: str
    reasons: tuple[Lack, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a score.

    Parameters
    ----------
    label : str
        Name of the part (``respiratory rate``).
    points : float
        What it adds.
    evidence : tuple of Fact
        What it rests on.
    finding : str
        What was found, with its unit, where that is none of the facts but computed from them.
    """

    label: str
    points: float
    evidence: tuple[Evidence, ...] = ()
    finding: str = ""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A clinical score.

    Parameters
    ----------
    name : str
        ``news2``, ``qsofa``, ``sofa``, ``kdigo``, ``egfr``, ``shock_index``, ``sodium_corrected``.
    value : float
        The total.
    bound : {"=", ">="}
        ``>=`` when parts are missing: the total is at least this.
    parts : tuple of Part
        What it is made of.
    band : str
        The table's own word for it.
    source : str
        Who published the table.
    lacks : tuple of Lack
        Parts that could not be had.
    notes : tuple of str
        What to know of it for this patient: whom it was not made for, what it does not see. Sentences without their
        full stop, which stand behind it wherever its parts are told.
    proviso : Sentence, optional
        A choice in reading this patient that a clinician may have to make otherwise.
    """

    name: str
    value: float
    parts: tuple[Part, ...]
    band: str
    source: str
    bound: Literal["=", ">="] = "="
    lacks: tuple[Lack, ...] = ()
    notes: tuple[str, ...] = ()
    proviso: Sentence | None = None

    @property
    def inputs(self) -> tuple[Evidence, ...]:
        """Every fact the score rests on, once, each with its own time."""
        return tuple(dict.fromkeys(fact for part in self.parts for fact in part.evidence))
