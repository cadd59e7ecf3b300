"""A key is made for a database that holds nothing, never for one that does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_app.adapters.sql.migrate import is_begun, migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.databases import vault_of
from cds_app.errors import SettingsError
from cds_app.settings import Settings
from tests.stores import append, facts


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Settings(data_dir=tmp_path, database_url=url)


def test_a_database_with_entries_is_given_no_new_key(settings: Settings) -> None:
    assert not is_begun(settings.store_url)
    vault = vault_of(settings)
    migrate(settings.store_url)
    assert not is_begun(settings.store_url)
    (settings.data_dir / "master.key").unlink()
    vault = vault_of(settings)  # nothing was written under the first one
    store = SqlStore(settings.store_url, vault)
    append(store, store.pseudonym("local", "p1"), facts=facts())
    store.close()
    assert is_begun(settings.store_url)
    (settings.data_dir / "master.key").unlink()
    with pytest.raises(SettingsError):
        vault_of(settings)
    assert not (settings.data_dir / "master.key").exists()
