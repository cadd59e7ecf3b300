"""Whatever stands in a cell of the file: it is refused by name, or what comes of it is a dose or a named abstention."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_app.content import latest
from cds_app.errors import DataError
from cds_app.learn.warfarin.iwpc import COLUMNS, DOSE, STABLE, load
from cds_app.score.result import Abstained
from cds_app.score.warfarin.dose import NAME, DoseModel
from tests.warfarin import cells, save

MODEL = DoseModel.from_artefact(latest(NAME))
_CELLS = st.text(max_size=12) | st.floats().map(str) | st.integers().map(str)
_CELLS |= st.sampled_from(
    ["NA", "1e400", "-0", "A/G", "*1/*3", "60 - 69", "90+", "2-3", "1; 2", "٣", "0x10", " 70 ", ";"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from([*COLUMNS, DOSE, STABLE]), _CELLS, max_size=3))
def test_a_cell_is_refused_or_leads_to_a_dose_or_an_abstention(tmp_path: Path, changed: dict[str, str]) -> None:
    clean = {name: text.encode("utf-8", "ignore").decode().replace("\0", "") for name, text in changed.items()}
    path = save(tmp_path / "people.csv", [cells() | clean])
    try:
        people = load(path)
    except DataError:
        return
    found = MODEL.estimate(people.subjects[0])
    if isinstance(found, Abstained):
        assert found.reasons
    else:
        assert 0.0 < found.low < found.dose_mg_per_week < found.high < math.inf
