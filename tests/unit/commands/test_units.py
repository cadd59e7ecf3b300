"""A site's choice of units on the command line: checked before anything is served, and told by what reads a setting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_app import __main__
from cds_app.commands import demo
from cds_app.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ("us", "units: must begin with one of conventional, si"),
        ("si, glucose=mmol", "units: glucose cannot be told in mmol"),
        ("si, sugar=mmol/L", "units: sugar is no quantity that is measured"),
    ],
)
def test_content_check_stops_with_a_line_on_units_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], units: str, said: str
) -> None:
    monkeypatch.setenv("TWINLINE_UNITS", units)
    monkeypatch.setattr("sys.argv", ["twinline", "content", "check"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert line.startswith(f"twinline: {said}")


def test_content_check_names_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLINE_UNITS", "si, pco2=mm[Hg]")
    found = CliRunner().invoke(__main__.twinline, ["content", "check"])
    assert found.exit_code == 0, found.output
    assert "units  si, pco2=mm[Hg]" in found.output.splitlines()


def test_flag_environment_and_file_say_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("site") / "twinline.toml"
    file.write_text('units = "si, hba1c=%"', "utf-8")
    assert Settings().units == "conventional"
    assert load_settings(file=file).units == "si, hba1c=%"
    assert load_settings(environ={"TWINLINE_UNITS": "si, pco2=mm[Hg]"}, file=file).units == "si, pco2=mm[Hg]"
    assert load_settings({"units": "si"}, {"TWINLINE_UNITS": "conventional"}).units == "si"


def test_serve_says_that_there_is_a_choice() -> None:
    assert "--units" in CliRunner().invoke(__main__.twinline, ["serve", "--help"]).output


def test_the_demo_serves_in_the_units_that_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[str] = []

    @contextmanager
    def running(home: Path, *flags: str, **more: object) -> Iterator[str]:
        served.extend(flags)
        yield "http://127.0.0.1:1"

    monkeypatch.setattr(demo, "equip_demo", lambda *said: None)
    monkeypatch.setattr(demo, "running_service", running)
    monkeypatch.setattr("cds_app.sandbox.demo.run_once_demo", lambda *said: 0)
    found = CliRunner().invoke(demo.demo, ["--once", "--units", "si, pco2=mm[Hg]"])
    assert found.exit_code == 0, found.output
    assert served[-2:] == ["--units", "si, pco2=mm[Hg]"]
