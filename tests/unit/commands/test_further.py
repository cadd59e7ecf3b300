"""The help of ``twinline serve``: every setting stands there, with what it is."""

from __future__ import annotations

from click.testing import CliRunner

from cds_app.commands.further import further_settings
from cds_app.commands.serve import serve
from cds_app.settings import Settings


def test_every_setting_is_told_as_a_flag_or_by_its_name() -> None:
    told = CliRunner().invoke(serve, ["--help"]).output
    flags = {one.name for one in serve.params}
    for name in Settings.model_fields:
        said = f"--{name.replace('_', '-')}" if name in flags else f"  TWINLINE_{name.upper()} "
        assert said in told


def test_what_a_setting_is_stands_beside_it_with_its_default() -> None:
    told = dict(further_settings(set(Settings.model_fields) - {"max_waiting", "metrics", "master_key"}))
    assert told["TWINLINE_MAX_WAITING"].startswith("How many calls may wait")
    assert told["TWINLINE_MAX_WAITING"].endswith("Default: 12.")
    assert told["TWINLINE_METRICS"].endswith("Default: false.")
    assert "Default" not in told["TWINLINE_MASTER_KEY"]
    assert len(told) == 3
    assert all(field.description for field in Settings.model_fields.values())
