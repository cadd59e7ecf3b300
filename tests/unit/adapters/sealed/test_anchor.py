"""The head that is kept outside the database: written over itself, read whole or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_app.adapters.sealed.anchor import Anchor
from cds_app.adapters.sealed.ledger import EMPTY, Head, LogRow, sealed_head
from cds_app.errors import DependencyDown, IntegrityError
from tests.stores import vault

_SECTOR_BYTES = 512


def head(number: int) -> Head:
    blank = LogRow(number, "p", "decision", "id", "", "", None, "", "", "", "", b"", b"", bytes(32))
    return sealed_head(vault(), blank)


def test_nothing_kept_is_the_empty_head(tmp_path: Path) -> None:
    assert Anchor(vault(), tmp_path / "head").read() == EMPTY


@pytest.mark.parametrize("numbers", [(1, 2), (9, 10), (10**12, 3)])
def test_the_newest_head_is_read(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    anchor = Anchor(vault(), tmp_path / "head")
    for number in numbers:
        anchor.keep(head(number))
    assert anchor.read() == head(numbers[-1])
    assert (tmp_path / "head").stat().st_size < _SECTOR_BYTES


def test_a_head_of_an_earlier_release_is_read_and_written_over(tmp_path: Path) -> None:
    old, anchor = head(12), Anchor(vault(), tmp_path / "head")
    (tmp_path / "head").write_text(f"{old.number} {old.mac.hex()} {old.seal.hex()}\n", "ascii")
    assert anchor.read() == old
    anchor.keep(head(13))
    assert anchor.read() == head(13)


def test_a_head_that_was_changed_is_refused(tmp_path: Path) -> None:
    anchor = Anchor(vault(), tmp_path / "head")
    anchor.keep(head(5))
    text = (tmp_path / "head").read_text("ascii")
    (tmp_path / "head").write_text(text.replace("00005 ", "00004 "), "ascii")
    with pytest.raises(IntegrityError, match="anchor"):
        anchor.read()


def test_what_could_not_be_written_is_caught_up(tmp_path: Path) -> None:
    anchor = Anchor(vault(), tmp_path / "later" / "head")
    anchor.keep(head(1))
    with pytest.raises(DependencyDown, match="anchor"):
        anchor.catch_up()
    (tmp_path / "later").mkdir()
    anchor.catch_up()
    assert anchor.read() == head(1)
