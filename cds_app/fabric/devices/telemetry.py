"""A minute of a monitor's numerics as one value: the median of what is no artefact, and what was wrong with the rest.

Samples are kept by device time, so that one that comes twice is one, and a minute is the same whatever the order in
which its samples came. How wrong the device's clock is, is said apart and put right when the minute is summarised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from statistics import median
from typing import Any, Final, Literal, cast

import msgspec

from cds_app.content import Artefact
from cds_app.domain.facts import Provenance
from cds_app.domain.ontology import Ontology, Range
from cds_app.errors import ContentError
from cds_app.fabric.codes import LOINC
from cds_app.fabric.hl7.results import UCUM, identity

NAME: Final = "telemetry"
MINUTE_S: Final = 60
STEADY_S: Final = 5.0
"""A clock that is wrong by less is left alone: networks are no better."""
UNUSABLE: Final = frozenset({"flat", "sparse"})
"""Flags of a summary that is shown and that the twin does not use."""
_SCALED: Final = 1.4826  # of a normal distribution, standard deviation over median absolute deviation (Hampel 1974)
_MOST_SAMPLES: Final = 600  # of a channel in a minute: beyond, a flood
_MOST_CHANNELS: Final = 64

Method = Literal["device", "arterial", "cuff"]


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One numeric of a monitor.

    Parameters
    ----------
    channel : str
        As it is called in messages.
    loinc, unit : str
        What it is, in which UCUM unit.
    method : {"device", "arterial", "cuff"}
    least_spread : float
        Resolution, in the unit.
    flat_samples : int
        Over so many samples without any change it is no signal; 0 where it may well stay the same.
    """

    channel: str
    loinc: str
    unit: str
    method: Method
    least_spread: float
    flat_samples: int = 0


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    channels: tuple[Channel, ...]
    spike_spreads: float
    fewest_samples: int
    source: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What monitors measure, and how a minute of it is summarised."""

    channels: Mapping[str, Channel]
    limits: Mapping[str, Range]
    spike_spreads: float
    fewest_samples: int

    @classmethod
    def of(cls, artefact: Artefact, ontology: Ontology) -> Monitoring:
        """Read ``channels.json``. Raises ContentError on a channel that the ontology does not know in that unit."""
        try:
            found = msgspec.json.decode(artefact.read_bytes("channels.json"), type=_File)
        except msgspec.MsgspecError as error:
            raise ContentError("telemetry: channels.json has another form") from error
        limits = {}
        for one in found.channels:
            variable = ontology.variable([(LOINC, one.loinc)])
            if variable is None or variable.unit != one.unit:
                raise ContentError(f"telemetry: {one.channel} is not in the ontology in this unit")
            limits[one.channel] = variable.plausible
        return cls(
            channels={one.channel: one for one in found.channels},
            limits=limits,
            spike_spreads=found.spike_spreads,
            fewest_samples=found.fewest_samples,
        )


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one device and person in one minute of the device's clock.

    Parameters
    ----------
    system, value : str
        Identifier of the person.
    device : str
    minute : int
        Minutes since 1970.
    samples : mapping of str to mapping of int to float
        By channel, by milliseconds within the minute.
    behind_s : float or None
        How far the device's clock was behind at most, seconds; None where nobody could tell.
    flooded : bool
        Whether there was more than is kept.
    summed : int
        How many samples the newest summary rests on.
    """

    system: str
    value: str
    device: str
    minute: int
    samples: dict[str, dict[int, float]]
    behind_s: float | None = None
    flooded: bool = False
    summed: int = 0

    @property
    def number(self) -> int:
        """How many samples there are."""
        return sum(map(len, self.samples.values()))


_MINUTE: Final = msgspec.msgpack.Decoder(Minute)
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_minute(minute: Minute) -> bytes:
    """Bytes of a minute."""
    return _ENCODER.encode(minute)


def decode_minute(content: bytes) -> Minute:
    """Inverse of `encode_minute`. Raises msgspec.MsgspecError."""
    return _MINUTE.decode(content)


def joined(one: Minute, other: Minute) -> Minute:
    """All samples of both; the first to be kept stands. The same, but for floods, in whatever order they are joined."""
    samples = {channel: dict(found) for channel, found in one.samples.items()}
    flooded = one.flooded or other.flooded
    for channel, found in other.samples.items():
        if channel not in samples and len(samples) >= _MOST_CHANNELS:
            flooded = True
            continue
        kept = samples.setdefault(channel, {})
        for at, value in found.items():
            if at in kept:
                kept[at] = min(kept[at], value)  # two values of one instant: whichever came first is not known later
            elif len(kept) < _MOST_SAMPLES:
                kept[at] = value
            else:
                flooded = True
    behind = [value for value in (one.behind_s, other.behind_s) if value is not None]
    return msgspec.structs.replace(
        one,
        samples=samples,
        behind_s=min(behind, default=None),  # whatever held a message up made the clock look further behind,
        flooded=flooded,
        summed=max(one.summed, other.summed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A channel's minute. ``value`` is None where no sample is usable; flags say what was wrong."""

    value: float | None
    samples: int
    used: int
    flags: tuple[str, ...]


def summarised(values: Iterable[float], channel: Channel, limits: Range, monitoring: Monitoring) -> Summary:
    """The median of samples within physiologic limits that are no spikes.

    Notes
    -----
    Spikes by Hampel's identifier: further from the median than ``spike_spreads`` scaled median absolute deviations,
    which are never taken to be less than the channel's resolution.
    """
    whole = sorted(values)
    inside = [value for value in whole if isfinite(value) and limits.holds(value)]
    flags = ["limits"] if len(inside) < len(whole) else []
    if not inside:
        return Summary(value=None, samples=len(whole), used=0, flags=tuple(flags))
    middle = median(inside)
    spread = max(_SCALED * median(abs(value - middle) for value in inside), channel.least_spread)
    used = [value for value in inside if abs(value - middle) <= monitoring.spike_spreads * spread]
    if len(used) < len(inside):
        flags.append("spikes")
    if channel.flat_samples and len(used) >= channel.flat_samples and used[0] == used[-1]:
        flags.append("flat")
    if len(used) < monitoring.fewest_samples and channel.method != "cuff":
        flags.append("sparse")
    return Summary(value=median(used), samples=len(whole), used=len(used), flags=tuple(flags))


def observations_of(
    minute: Minute, monitoring: Monitoring, source: str, subject: str
) -> tuple[list[dict[str, Any]], dict[str, Provenance]]:
    """A minute as FHIR Observations, and by ``ref`` how each came about.

    A summary of more samples replaces one of fewer, whichever is written first.
    """
    observations: list[dict[str, Any]] = []
    provenance: dict[str, Provenance] = {}
    shifted = abs(minute.behind_s or 0.0) > STEADY_S
    when = datetime.fromtimestamp(MINUTE_S * minute.minute, UTC)
    when += timedelta(seconds=round(minute.behind_s or 0.0)) if shifted else timedelta()
    general = [*(["clock"] if shifted else []), *(["flooded"] if minute.flooded else [])]
    for name, samples in sorted(minute.samples.items()):
        channel = monitoring.channels.get(name)
        if channel is None:
            observations.append(_unknown(name, minute, when, source, subject))
            continue
        summary = summarised(samples.values(), channel, monitoring.limits[name], monitoring)
        if summary.value is None:
            continue
        one = _observation(channel, summary, minute, when, source, subject)
        observations.append(one)
        provenance[f"Observation/{one['id']}"] = Provenance(
            source=source,
            device=minute.device,
            method=channel.method,
            samples=summary.used,
            flags=(*summary.flags, *general),
        )
    return observations, provenance


def _observation(
    channel: Channel, summary: Summary, minute: Minute, when: datetime, source: str, subject: str
) -> dict[str, Any]:
    value = cast("float", summary.value)
    return {
        **_frame(channel.channel, minute, when, source, subject),
        "meta": {"versionId": str(summary.samples)},
        "code": {"coding": [{"system": LOINC, "code": channel.loinc}]},
        "valueQuantity": {"value": value, "unit": channel.unit, "system": UCUM, "code": channel.unit},
    }


def _unknown(name: str, minute: Minute, when: datetime, source: str, subject: str) -> dict[str, Any]:
    """A channel that nobody knows here: counted as an unknown code, its values left out."""
    coding = {"system": f"urn:twinline:source:{source}", "code": name}
    return {**_frame(name, minute, when, source, subject), "code": {"coding": [coding]}}


def _frame(name: str, minute: Minute, when: datetime, source: str, subject: str) -> dict[str, Any]:
    parts = (source, minute.system, minute.value, minute.device, str(minute.minute), name)
    return {
        "resourceType": "Observation",
        "id": identity(*parts),
        "status": "final",
        "subject": {"reference": subject},
        "effectiveDateTime": when.isoformat(),
    }
