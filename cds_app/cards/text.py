"""Words for cards: everything that is not our own is made inert before it meets markdown.

A template's own words pass as they stand. What a template prints passes only as `Trusted`; any other text is taken
to come from FHIR and becomes inert: no markup, no links, no control or direction characters, bounded length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from jinja2 import BaseLoader, Environment, StrictUndefined

from cds_app.domain.time import is_end_of_day

_PUNCTUATION = re.compile(r"[!-$&-+\-/:<-@\[-`{-~]")  # all of ASCII but , . % ; which mark nothing up mid-line
_LINK = re.compile(r"(?i)\S*(?:[a-z][a-z0-9+.\-]*:\S*/|www\.)\S*|\S+@\S+")
_DOMAIN = re.compile(r"(?<=\S)\.(?=[^\W\d_]{2})")  # evil.com: some readers link it, whatever the dot is written as
_NUMBERED = re.compile(r"^(\d{1,9})\.(?!\S)")  # a list, where it begins a line
_SPACES = re.compile(r"\s+")
_GONE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_LONGEST_FOREIGN = 120
_DAY = timedelta(hours=24)
_FINEST = 0.01


class Trusted(str):
    """Text of ours (content, formatted numbers) that needs no escaping."""

    __slots__ = ()


def plain(text: object, *, limit: int = 200) -> str:
    """Text as one bounded line without control, format, private or unassigned characters and without links.

    A name of a host in it is taken apart and not removed: "Inj.Amoxicillin" looks like one.
    NFC, not NFKC: compatibility folding would turn "10²" into "102", a hazard in a dose.
    """
    folded = unicodedata.normalize("NFC", str(text)[: 8 * limit])
    spaced = "".join(" " if one.isspace() or unicodedata.category(one) in {"Zl", "Zp"} else one for one in folded)
    kept = "".join(one for one in spaced if unicodedata.category(one) not in _GONE)
    apart = _DOMAIN.sub(". ", _LINK.sub("(link removed)", kept))
    line = _SPACES.sub(" ", apart).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def capital(text: str) -> str:
    """Our own words as they stand at the beginning of a line: with a capital, and else as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def inert(text: object) -> Trusted:
    """Text that no markdown reader turns into anything but itself: punctuation as numeric entities."""
    escaped = _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", plain(text, limit=_LONGEST_FOREIGN))
    return Trusted(_NUMBERED.sub(r"\1&#46;", escaped))


def _finalize(value: object) -> object:
    return value if isinstance(value, (Trusted, int, float)) else inert(value)


def environment(loader: BaseLoader) -> Environment:
    """A jinja environment for card texts: unknown names are errors, foreign text becomes inert."""
    made = Environment(
        loader=loader,
        autoescape=False,  # noqa: S701 - markdown: `_finalize` makes more than HTML's five characters inert
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
        cache_size=-1,  # all of them, without the lock that a bounded cache needs
    )
    made.globals.clear()  # no template asks for them, and every rendering would copy them
    made.filters["ours"] = Trusted
    return made


def number(value: float, decimals: int) -> Trusted:
    """A value with a fixed number of decimals."""
    return Trusted(f"{value:.{decimals}f}")


def simulated(value: float) -> Trusted:
    """A simulated amount, not negative: two digits, whole from 10, and nothing finer than a hundredth."""
    if 0.0 < value < _FINEST:
        return Trusted(f"<{_FINEST}")
    return number(value, 2 if value < 1.0 else 1 if value < 9.95 else 0)


def hours_ahead(horizon_h: float | None) -> Trusted:
    """Whole hours that a risk looks ahead; nothing where it is the rest of the stay, which templates say in words."""
    return Trusted("") if horizon_h is None else number(horizon_h, 0)


def hundred(probability: float) -> Trusted:
    """A probability as a whole number in 100."""
    share = 100.0 * probability
    if share < 1.0:
        return Trusted("<1")
    return Trusted(">99" if share > 99.0 else f"{share:.0f}")


def points(value: float) -> Trusted:
    """Signed points in 100: whole ones from one up, else one decimal; what rounds to nothing has no sign."""
    tenths = round(value, 1)
    if tenths == 0.0:
        return Trusted("0")
    text = f"{value:+.0f}" if abs(tenths) >= 1.0 else f"{tenths:+.1f}"
    return Trusted(text.replace("-", "−"))


def clock_time(at: datetime, now: datetime, zone: tzinfo) -> Trusted:
    """Time of day; with the date when more than a day away, and the date alone where no time of day was said."""
    local = at.astimezone(zone)
    if is_end_of_day(at, zone):
        return Trusted(f"{local:%d %b %Y}")
    time = f"{local.hour:02}:{local.minute:02}"
    return Trusted(time if abs(now - at) < _DAY else f"{local:%d %b %Y} {time}")


def ago(at: datetime, now: datetime) -> Trusted:
    """How long before ``now``, in the unit a clinician would say it."""
    minutes = (now - at).total_seconds() / 60.0
    if minutes < 90:
        return Trusted(f"{max(minutes, 0):.0f} min")
    if minutes < 48 * 60:
        return Trusted(f"{minutes / 60:.0f} h")
    return Trusted(f"{minutes / 1440:.0f} d")


def apart(at: datetime, later: datetime, zone: tzinfo) -> Trusted:
    """How long one time was before another; in days where of either no time of day was said."""
    if not (is_end_of_day(at, zone) or is_end_of_day(later, zone)):
        return ago(at, later)
    days = (later.astimezone(zone).date() - at.astimezone(zone).date()).days
    return Trusted(f"{days} d" if days else "under 1 d")


def against(now: str, before: str, at: str, *, rose: bool) -> Trusted:
    """A number beside an earlier one, both as shown; of what lay between nothing is said, for it may have moved."""
    if now == before:
        return Trusted(f"the same at {at}")
    return Trusted(f"{'up' if rose else 'down'} from {before} at {at}")


def render(templates: Environment, name: str, values: Mapping[str, object]) -> str:
    """Fill a template."""
    return templates.get_template(name).render(values).strip()
