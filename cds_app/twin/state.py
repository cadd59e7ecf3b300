"""The twin of one patient: a filtered track per quantity, kept equal to a rebuild whatever the order of arrival."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import msgspec

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.precedence import repeated
from cds_app.domain.time import to_hours
from cds_app.domain.timeline import Change, Timeline
from cds_app.twin.filter import Belief, run
from cds_app.twin.model import Dynamics, TwinModel

_COLUMNS = ("hours", "values", "baseline", "deviation", "p_bb", "p_bd", "p_dd", "z", "weight", "pending")

Sample = tuple[float, str, float]
"""One usable value: hours, ref, value; the order of samples is the order of tuples."""


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """The filtered history of one quantity; immutable by convention. All sequences have the same length.

    Parameters
    ----------
    hours : array of float
        Sample times, ascending, hours since 1970-01-01T00:00Z.
    values : array of float
        In the canonical unit.
    refs : tuple of str
        Identity of the `Measurement` behind each sample.
    baseline, deviation, p_bb, p_bd, p_dd : array of float
        Belief after each sample, transformed scale.
    z : array of float
        Innovation of each sample in standard deviations of the prediction.
    weight : array of float
        1 used fully, below 1 less, 0 set aside as an artefact.
    pending : array of float
        Sign of the innovation if it was a surprise, twice that if it was set aside; else 0.
    """

    quantity: str
    refs: tuple[str, ...]
    hours: array[float]
    values: array[float]
    baseline: array[float]
    deviation: array[float]
    p_bb: array[float]
    p_bd: array[float]
    p_dd: array[float]
    z: array[float]
    weight: array[float]
    pending: array[float]

    def __len__(self) -> int:
        """How many samples."""
        return len(self.hours)

    def until(self, hours: float) -> int:
        """How many samples are not later than an instant."""
        return bisect_right(self.hours, hours)

    def belief(self, index: int) -> Belief:
        """What was believed right after a sample."""
        return Belief(
            self.hours[index], self.baseline[index], self.deviation[index], self.p_bb[index], self.p_bd[index],
            self.p_dd[index], int(self.pending[index]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinState:
    """Tracks by quantity.

    Parameters
    ----------
    model_sha256 : str
        Which parameters the tracks were filtered with.
    tracks : mapping of str to Track
        Only quantities that were seen, in alphabetical order.
    """

    model_sha256: str
    tracks: Mapping[str, Track]

    def set_aside(self, quantity: str, ref: str) -> bool:
        """Whether a measurement was set aside as a possible artefact."""
        track = self.tracks.get(quantity)
        return track is not None and ref in track.refs and track.weight[track.refs.index(ref)] == 0.0


def rebuild(model: TwinModel, ontology: Ontology, timeline: Timeline) -> TwinState:
    """Filter the whole timeline."""
    found = _by_quantity(model, ontology, timeline.facts.measurements)
    tracks = {name: _filtered(model.dynamics[name], _once(found[name])) for name in sorted(found)}
    return TwinState(model_sha256=model.sha256, tracks=tracks)


def update(model: TwinModel, ontology: Ontology, state: TwinState, timeline: Timeline, change: Change) -> TwinState:
    """Bring a state up to date with what a timeline's extension changed.

    Parameters
    ----------
    timeline : Timeline
        After the change.

    Returns
    -------
    TwinState
        Equal, byte for byte, to ``rebuild(model, ontology, timeline)``. Untouched tracks are the same objects.
    """
    if state.model_sha256 != model.sha256:
        return rebuild(model, ontology, timeline)
    added = _by_quantity(model, ontology, change.added)
    removed = _by_quantity(model, ontology, change.removed)
    if not added and not removed:
        return state
    for name, gone in removed.items():  # what said the same as one of them, and did not count, does now
        instants = {hours for hours, _, _ in gone}
        rows = (one for key in ontology.measuring(name) for one in timeline.measured.get(key, ()))
        left = _by_quantity(model, ontology, (one for one in rows if to_hours(one.when) in instants))
        added.setdefault(name, []).extend(left.get(name, ()))
    tracks = dict(state.tracks)
    for name in added.keys() | removed.keys():
        track = _merged(model.dynamics[name], tracks.pop(name, None), added.get(name, ()), removed.get(name, ()))
        if len(track):
            tracks[name] = track
    return TwinState(model_sha256=model.sha256, tracks={name: tracks[name] for name in sorted(tracks)})


def track_of(model: TwinModel, quantity: str, hours: Sequence[float], values: Sequence[float]) -> Track:
    """Filter bare numbers, times ascending: the entry for training and verification."""
    samples = [(float(at), "", float(value)) for at, value in zip(hours, values, strict=True)]
    return _filtered(model.dynamics[quantity], samples)


def _by_quantity(model: TwinModel, ontology: Ontology, facts: Iterable[Fact]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    variables, dynamics = ontology.variables, model.dynamics
    for fact in facts:
        if not isinstance(fact, Measurement) or fact.bound != "=" or fact.implausible or fact.void:
            continue
        variable = variables.get(fact.variable)
        if variable is not None and variable.quantity in dynamics and isfinite(fact.value):
            found.setdefault(variable.quantity, []).append((to_hours(fact.when), fact.ref, fact.value))
    return found


def _merged(dynamics: Dynamics, track: Track | None, added: Sequence[Sample], removed: Sequence[Sample]) -> Track:
    """A track with samples added and removed: what lies before the first of them stays as it is."""
    if track is None:
        return _filtered(dynamics, _once(added))
    keep = bisect_left(track.hours, min(hours for hours, _, _ in (*added, *removed)))
    gone = {(hours, ref) for hours, ref, _ in removed}
    later = zip(track.hours[keep:], track.refs[keep:], track.values[keep:], strict=True)
    tail = [(hours, ref, value) for hours, ref, value in later if (hours, ref) not in gone]
    samples = _once({*tail, *added})
    return _joined(track, keep, _filtered(dynamics, samples, track.belief(keep - 1) if keep else None))


def _once(samples: Collection[Sample]) -> list[Sample]:
    """Samples of one quantity in order, each once, by whatever resources it was told."""
    if len({hours for hours, _, _ in samples}) == len(samples):
        return sorted(samples)
    again = repeated(((hours, value), ref) for hours, ref, value in samples)
    return sorted(one for one in samples if one[1] not in again)


def _filtered(dynamics: Dynamics, samples: Sequence[Sample], start: Belief | None = None) -> Track:
    """A track of some samples, ascending, from what was believed before them."""
    if not samples:
        empty = dict.fromkeys(_COLUMNS, array("d"))
        return Track(quantity=dynamics.quantity, refs=(), **empty)
    hours, refs, values = zip(*samples, strict=True)
    rows = run(dynamics, start, hours, dynamics.on_scale(values))
    columns = (array("d", column) for column in (hours, values, *zip(*rows, strict=True)))
    return Track(quantity=dynamics.quantity, refs=refs, **dict(zip(_COLUMNS, columns, strict=True)))


def _joined(track: Track, keep: int, rest: Track) -> Track:
    """The first ``keep`` samples of a track, and the rest behind them."""
    columns = {name: getattr(track, name)[:keep] + getattr(rest, name) for name in _COLUMNS}
    return Track(quantity=track.quantity, refs=track.refs[:keep] + rest.refs, **columns)
