"""Fixtures of the tests of use cases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_app.content import content_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the content, to be spoiled."""
    for folder in ("hooks", "templates", "models"):
        shutil.copytree(content_root() / folder, tmp_path / folder)
    return tmp_path
