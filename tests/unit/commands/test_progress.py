"""Progress: for people at a terminal, and nothing for pipes."""

from __future__ import annotations

import pytest

from cds_app.commands.progress import track, working


def test_where_nobody_looks_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with working("Training"):
        assert list(track([1, 2, 3], "Replaying")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_who_waits_at_a_terminal_sees_what_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert list(track([1, 2], "Replaying")) == [1, 2]
    with working("Training"):
        pass
    out, said = capsys.readouterr()
    assert out == ""
    assert "Replaying" in said
    assert "2/2" in said
    assert "Training" in said
