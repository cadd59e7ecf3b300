"""``twinline monitor``: what fires, beside what is expected."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import click

from cds_app.adapters.clock import SystemClock
from cds_app.commands.stores import open_store, with_store
from cds_app.services.watch.firing import Firing, firings


@click.command()
@with_store
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic and line.")
def monitor(as_json: bool, **flags: Any) -> None:
    """Rates per topic against their baselines, alarms, and what clinicians answered."""
    with open_store(flags) as (settings, store):
        found = firings(store, ZoneInfo(settings.timezone), SystemClock().now())
    for one in found:
        click.echo(json.dumps(_stated(one), sort_keys=True) if as_json else _told(one))
    if not found and not as_json:
        click.echo("nothing fired in the last twelve weeks")


def _stated(one: Firing) -> dict[str, object]:
    return {
        "service": one.service,
        "topic": one.topic,
        "per_day": round(one.per_day, 2),
        "baseline_per_day": round(one.baseline.per_day, 2) if one.baseline else None,
        "cusum_high": round(one.cusum.high, 2),
        "cusum_low": round(one.cusum.low, 2),
        "last_hour": one.last_hour,
        "alarms": list(one.alarms),
        "shown": one.shown,
        "not_taken": one.untaken,
        "accepted": _share(one.accepted, one.shown),
        "overridden": _share(one.overridden, one.shown),
        "taken_back": _share(one.undone, one.shown),
        "share_of_cards": round(one.share, 4),
        "is_abstention": one.is_abstention,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _told(one: Firing) -> str:
    expected = f"{one.baseline.per_day:.1f} expected" if one.baseline else "too few days to expect anything"
    answered = f"{one.accepted} accepted, {one.overridden} overridden, {one.undone} taken back of {one.shown}"
    lost = f", {one.untaken} not taken by the EHR" if one.untaken else ""
    cusum = f"CUSUM +{one.cusum.high:.1f} -{one.cusum.low:.1f}"
    alarms = ", ".join(one.alarms) or "no alarm"
    share = f", {100 * one.share:.0f} % of all cards" if one.is_abstention else ""
    return f"{one.name}: {one.per_day:.1f} a day ({expected}); {cusum}; {alarms}; {answered}{lost}{share}"
