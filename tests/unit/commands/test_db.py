"""``twinline db`` where there is nothing that it could do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_app.commands.db import db
from cds_app.errors import SettingsError


@pytest.mark.parametrize(
    ("url", "said"), [("postgresql://u:p@h/n", "pg_restore"), ("sqlite:////srv/other.sqlite", "leave database_url out")]
)
def test_what_cannot_be_restored_here_is_refused_before_anybody_is_asked(tmp_path: Path, url: str, said: str) -> None:
    result = CliRunner().invoke(db, ["restore", str(tmp_path / "copy"), "--database-url", url])
    assert isinstance(result.exception, SettingsError)
    assert said in result.exception.message
    assert "[y/N]" not in result.output


def test_whoever_does_not_say_yes_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    result = CliRunner().invoke(db, ["restore", str(tmp_path / "copy"), "--data-dir", str(folder)], input="n\n")
    assert result.exit_code == 1
    assert "[y/N]" in result.output
    assert not folder.exists()
