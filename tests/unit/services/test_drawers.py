"""What belongs to one browser opens for it alone, and goes along when its secret is renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.adapters.sql.cabinet import MemoryCabinet
from cds_app.errors import Conflict, IntegrityError
from cds_app.ports import Document
from cds_app.services.smart.drawers import MOST, Drawer, Index, Item, Kept, content, new_secret
from tests.conftest import FROZEN

UNTIL = FROZEN + timedelta(hours=1)


def kept(plain: bytes = b"zqx", version: int = 0) -> Kept:
    return Kept(version=version, plain=plain, until=UNTIL)


@pytest.fixture
def cabinet() -> MemoryCabinet:
    return MemoryCabinet()


@pytest.fixture
def drawer(cabinet: MemoryCabinet) -> Drawer:
    return Drawer(cabinet, new_secret())


def test_what_is_put_in_is_found_by_its_browser_only(cabinet: MemoryCabinet, drawer: Drawer) -> None:
    drawer.put("visit", "1", kept(), FROZEN, until=UNTIL)
    assert drawer.read("visit", "1", FROZEN) == kept(version=1)
    assert drawer.index(FROZEN).items == (Item(kind="visit", key="1", until=UNTIL),)
    assert drawer.read("launch", "1", FROZEN) is None
    assert Drawer(cabinet, new_secret()).read("visit", "1", FROZEN) is None


def test_nothing_in_it_can_be_read_from_the_cabinet(cabinet: MemoryCabinet, drawer: Drawer) -> None:
    drawer.put("visit", "key-1", kept(), FROZEN, until=UNTIL)
    assert cabinet._kept
    for document in cabinet._kept.values():
        assert b"zqx" not in document.content
        assert "key-1" not in document.name


def test_a_document_that_was_exchanged_is_not_opened(cabinet: MemoryCabinet, drawer: Drawer) -> None:
    for key in ("1", "2"):
        drawer.put("visit", key, kept(), FROZEN, until=UNTIL)
    one, other = cabinet.all("visit", FROZEN)
    cabinet._kept["visit", one.name] = replace(one, content=other.content)
    with pytest.raises(IntegrityError):
        [drawer.read("visit", key, FROZEN) for key in ("1", "2")]


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(100)])
def test_bytes_that_were_never_sealed_are_not_opened(cabinet: MemoryCabinet, drawer: Drawer, sealed: bytes) -> None:
    name = drawer._name("visit", "1")
    cabinet.write(Document(kind="visit", name=name, version=0, content=sealed, until=UNTIL), FROZEN)
    with pytest.raises(IntegrityError):
        drawer.read("visit", "1", FROZEN)


def test_a_content_of_another_kind_is_not_believed_and_not_repeated() -> None:
    with pytest.raises(IntegrityError) as caught:
        content(kept(b'{"items": "zqx"}'), Index)
    assert caught.value.__cause__ is None
    assert "zqx" not in caught.value.message


def test_the_oldest_makes_room_in_the_index(drawer: Drawer) -> None:
    for number in range(MOST + 3):
        drawer.put("launch", str(number), kept(), FROZEN, until=UNTIL)
    assert [one.key for one in drawer.index(FROZEN).items] == [str(number) for number in range(3, MOST + 3)]


def test_what_is_over_leaves_the_index(drawer: Drawer) -> None:
    drawer.put("launch", "old", kept(), FROZEN, until=FROZEN + timedelta(minutes=10))
    later = FROZEN + timedelta(minutes=10)
    drawer.put("launch", "new", kept(), later, until=UNTIL)
    assert [one.key for one in drawer.index(later).items] == ["new"]


def test_everything_goes_along_and_nothing_stays(cabinet: MemoryCabinet, drawer: Drawer) -> None:
    for kind, key in (("visit", "1"), ("launch", "2"), ("visit", "gone")):
        drawer.put(kind, key, kept(key.encode()), FROZEN, until=UNTIL)
    drawer.take("visit", "gone", FROZEN)
    drawer.change(lambda index: replace(index, realm="r", patient="p"), FROZEN)
    names = {one.name for one in cabinet._kept.values()}
    other = drawer.move(new_secret(), FROZEN)
    assert not names & {one.name for one in cabinet._kept.values()}
    assert drawer.index(FROZEN) == Index()
    found = other.index(FROZEN)
    assert ([one.key for one in found.items], found.realm, found.patient) == (["1", "2"], "r", "p")
    assert other.read("visit", "1", FROZEN) == kept(b"1", version=1)


def test_an_empty_drawer_can_be_moved(drawer: Drawer) -> None:
    assert drawer.move(new_secret(), FROZEN).index(FROZEN).items == ()


def test_a_change_that_meets_another_is_made_again(cabinet: MemoryCabinet, drawer: Drawer) -> None:
    drawer.put("visit", "1", kept(), FROZEN, until=UNTIL)
    calls = []

    def meddled(index: Index) -> Index:
        calls.append(index)
        if len(calls) == 1:
            drawer.change(lambda there: replace(there, realm="theirs"), FROZEN)
        return replace(index, patient="mine")

    drawer.change(meddled, FROZEN)
    found = drawer.index(FROZEN)
    assert (found.realm, found.patient, len(calls)) == ("theirs", "mine", 2)


def test_a_change_that_always_meets_another_gives_up(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object) -> None:
        raise Conflict("always")

    monkeypatch.setattr(drawer, "write", lose)
    with pytest.raises(Conflict):
        drawer.change(lambda index: index, FROZEN)
