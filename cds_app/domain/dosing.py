"""How a drug is given, as far as an order says it in a form that can be computed with."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Open = Literal["dosage", "dose", "maximum", "timing", "length"]
"""What a dosage may leave open, or say in a way that no regular plan follows from."""


class Dosing(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How a drug is to be given, as far as the resource says so in a form that can be computed with.

    Parameters
    ----------
    route : {"iv", "oral", "subcutaneous", "local", "other", ""}
        "": not said.
    interval_h : float or None
        From dose to dose, hours.
    over_h : float or None
        Length of each infusion, hours.
    start : datetime or None
        When an order takes effect, UTC; may lie in the future.
    as_needed : bool
        Whether it is given on demand only.
    once : bool
        Whether it is one dose and no more.
    with_meals : bool
        Whether it goes with meals.
    rated : bool
        Whether it runs at a rate, so much in a time.
    carbohydrate_g : float or None
        Eaten with a dose, as the dosage says; None where it says no one amount.
    start_day : datetime or None
        When the day, month or year begins, UTC, in which an order takes effect, where no more is said of it.
    lasts_h : float or None
        How long the course lasts at least, hours, by the number of its doses or a length; None where neither is said.
    end : datetime or None
        When an order ends, UTC, by its bounds.
    unsettled : tuple of str
        What is said and not settled: ``dosage`` several instructions, ``dose`` or ``timing`` more than one, ``maximum``
        a highest dose that it might exceed, ``length`` a rate or range that makes no one length.
    """

    route: Literal["iv", "oral", "subcutaneous", "local", "other", ""] = ""
    interval_h: float | None = None
    over_h: float | None = None
    start: datetime | None = None
    as_needed: bool = False
    once: bool = False
    with_meals: bool = False
    rated: bool = False
    carbohydrate_g: float | None = None
    start_day: datetime | None = None
    lasts_h: float | None = None
    end: datetime | None = None
    unsettled: tuple[Open, ...] = ()


class Daily(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """So much of a drug, mg, in 24 h or in one piece; ``concepts`` are the drug's ontology keys."""

    concepts: tuple[str, ...]
    mg: float


class Amount(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """So much of something, in the one unit that is used of its kind; for each kg of weight where ``per_kg``."""

    value: float
    unit: Literal["mg", "[iU]", "mmol", "mL"]
    per_kg: bool = False


Way = Literal["iv", "oral", "subcutaneous", "intrathecal", "transdermal", ""]
"""How a drug gets into the body, as far as elements or words say one way; "" for none, another or several."""


class Giving(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How one instruction says that a drug is given, as a reader takes it: in elements, or else in words.

    Unlike `Dosing` it is not for computing a plan with, but for seeing what must not be given so.

    Parameters
    ----------
    way : str
    pushed : bool
        Whether it goes in at once (a push, a bolus, undiluted) and no length of time or rate is said.
    runs : bool
        Whether words say that it runs (a drip, an infusion, titrated), at whatever rate.
    amount : Amount or None
        Given at once, or in ``over_h``, or what is in all that runs.
    rate : Amount or None
        In an hour.
    per_ml : Amount or None
        In a mL of what is given.
    over_h : float or None
        How long each dose runs, hours.
    every_h : float or None
        From dose to dose, hours.
    """

    way: Way = ""
    pushed: bool = False
    runs: bool = False
    amount: Amount | None = None
    rate: Amount | None = None
    per_ml: Amount | None = None
    over_h: float | None = None
    every_h: float | None = None
