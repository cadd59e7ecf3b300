"""States of twins, compared to the last bit."""

from __future__ import annotations

from array import array

import msgspec

from cds_app.twin.state import TwinState


def bits(state: TwinState) -> list[tuple[object, ...]]:
    """Parameters and every column of every track, in order, as bytes: also minus zero and NaN are told apart."""
    columns = [msgspec.structs.astuple(one) for one in state.tracks.values()]
    tracks = [tuple(one.tobytes() if isinstance(one, array) else one for one in row) for row in columns]
    return [(state.model_sha256,), tuple(state.tracks), *tracks]
