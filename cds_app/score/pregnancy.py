"""Whether a patient is pregnant by what was recorded, and by which record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cds_app.domain.facts import CodedFinding, Condition, Procedure
from cds_app.fabric.times import UNDATED

LASTS: Final = timedelta(weeks=43)
PUERPERIUM: Final = timedelta(weeks=6)
"""After a birth, what is recorded of a pregnancy is the one that ended."""

Said = tuple[bool | None, tuple[Condition | CodedFinding, ...]]


def pregnancy_said(
    problems: Sequence[Condition],
    findings: Sequence[CodedFinding],
    births: Sequence[Condition],
    ended: Sequence[Procedure],
    *,
    now: datetime,
) -> Said:
    """Whether a pregnancy is recorded or denied, or None, and the record that says so.

    Parameters
    ----------
    problems : sequence of Condition
        Pregnancies that are recorded and not over by their own words.
    findings : sequence of CodedFinding
        Of being pregnant or not, oldest first.
    births, ended : sequence of Condition and of Procedure
        Births and other ends of pregnancies. Of one without a date nobody knows which pregnancy it ended.

    Notes
    -----
    What was recorded over 43 weeks ago says nothing. A record without a date counts from when it was learned.
    """
    over = max((one.when for one in (*births, *ended)), default=UNDATED)
    since = max(now - LASTS, over + PUERPERIUM if over > UNDATED else UNDATED)
    standing = tuple(one for one in problems if _since(one) >= since)
    if standing:
        return True, standing
    last = findings[-1] if findings and findings[-1].when >= since else None
    return (None, ()) if last is None else ("not_pregnant" not in last.concepts, (last,))


def _since(one: Condition) -> datetime:
    return one.when if one.when > UNDATED else one.learned
