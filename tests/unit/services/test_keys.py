"""Keys of clients are asked for seldom, kept while they may be, and never taken when they are weak or private."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from cds_app.errors import BadRequest, DataUnavailable, TooLarge
from cds_app.services.callers.keys import FRESH_S, MAX_BYTES, PAUSE_S, STALE_S, Keys, UnusableKey, read_key, usable_keys
from tests.trust import Ehr, PublishedKeys, Ticking, ec_key, key_set, rsa_key

CLIENT = Ehr().client(jwks="", jku="https://ehr.example/keys")
OLD, NEW = ec_key("old"), ec_key("new")
DOWN = DataUnavailable("down")


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


def kids(keys: Keys, *names: str) -> list[bool]:
    return [keys.find(CLIENT, name) is not None for name in names]


def test_keys_that_were_handed_over_need_no_server() -> None:
    reader = PublishedKeys(DOWN)
    assert Keys(reader).find(Ehr(key=OLD).client(), "old") is not None
    assert Keys(reader).find(Ehr(key=OLD).client(), "new") is None
    assert reader.asked == []


def test_known_keys_are_not_asked_for_again_while_fresh(ticking: Ticking) -> None:
    reader = PublishedKeys(key_set(OLD))
    keys = Keys(reader, ticking)
    for _ in range(10):
        ticking.at += FRESH_S / 10 - 1
        assert kids(keys, "old") == [True]
    assert reader.asked == [CLIENT.jku]


def test_unknown_kids_ask_once_a_minute_however_many_they_are(ticking: Ticking) -> None:
    """Abuse case 13."""
    reader = PublishedKeys(key_set(OLD))
    keys = Keys(reader, ticking)
    for second in range(int(3 * PAUSE_S)):
        assert kids(keys, f"nonsense-{second}", "x", "y") == [False] * 3
        assert kids(keys, "old") == [True]
        ticking.at += 1
    assert len(reader.asked) == 3


def test_clients_do_not_use_up_each_others_turns(ticking: Ticking) -> None:
    reader = PublishedKeys(key_set(OLD))
    keys = Keys(reader, ticking)
    other = Ehr(iss="urn:other").client(name="other", jwks="", jku="https://other.example/keys")
    assert keys.find(CLIENT, "x") is keys.find(other, "x") is None
    assert reader.asked == [CLIENT.jku, other.jku]


def test_a_new_key_is_found_and_the_old_one_holds_until_it_is_dropped(ticking: Ticking) -> None:
    """Abuse case 13: rotation."""
    reader = PublishedKeys(key_set(OLD))
    keys = Keys(reader, ticking)
    assert kids(keys, "old", "new") == [True, False]
    reader.document = key_set(OLD, NEW)
    ticking.at += PAUSE_S
    assert kids(keys, "new", "old") == [True, True]
    reader.document = key_set(NEW)
    assert kids(keys, "old") == [True]
    ticking.at += FRESH_S + 1
    assert kids(keys, "old", "new") == [False, True]
    assert len(reader.asked) == 3


def test_a_server_that_is_down_takes_no_key_away_for_a_day(ticking: Ticking) -> None:
    reader = PublishedKeys(key_set(OLD))
    keys = Keys(reader, ticking)
    assert kids(keys, "old") == [True]
    reader.document = DOWN
    ticking.at += STALE_S - 1
    assert kids(keys, "old") == [True]
    ticking.at += 2
    assert kids(keys, "old") == [False]
    reader.document = key_set(OLD)
    ticking.at += PAUSE_S
    assert kids(keys, "old") == [True]


@pytest.mark.parametrize(
    "document", ["", "[]", '{"keys": {}}', '{"keys": 1}', "{", '{"keys": [' + "{}," * 100 + "{}]}"]
)
def test_a_set_that_cannot_be_read_is_as_good_as_none(ticking: Ticking, document: str) -> None:
    reader = PublishedKeys(key_set(OLD))
    keys = Keys(reader, ticking)
    assert kids(keys, "old") == [True]
    reader.document = document
    ticking.at += FRESH_S + 1
    assert kids(keys, "old") == [True]
    with pytest.raises((BadRequest, TooLarge)):
        usable_keys(document.encode())


def test_a_set_that_is_too_long_is_not_read() -> None:
    with pytest.raises(TooLarge):
        usable_keys(b" " * (MAX_BYTES + 1))


def test_many_calls_at_once_ask_once() -> None:
    class Slow(PublishedKeys):
        def read(self, url: str) -> bytes:
            turn.wait(0.05)
            return super().read(url)

    turn = threading.Event()
    reader = Slow(key_set(OLD))
    keys = Keys(reader)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(keys.find(CLIENT, "old"))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    assert None not in found
    assert len(reader.asked) == 1


def test_who_has_a_key_does_not_wait_for_who_asks_again(ticking: Ticking) -> None:
    class Hanging(PublishedKeys):
        def read(self, url: str) -> bytes:
            if self.asked:
                asking.set()
                going_on.wait(10)
            return super().read(url)

    asking, going_on = threading.Event(), threading.Event()
    keys = Keys(Hanging(key_set(OLD)), ticking)
    assert kids(keys, "old") == [True]
    ticking.at += FRESH_S + 1
    asker = threading.Thread(target=kids, args=(keys, "old"))
    asker.start()
    assert asking.wait(10)
    assert kids(keys, "old") == [True]
    assert asker.is_alive(), "it was waited for"
    going_on.set()
    asker.join()


# --- which keys may be used


def public(key: ECKey | RSAKey, **change: Any) -> dict[str, Any]:
    made = {**key.as_dict(private=False), **change}
    return {name: value for name, value in made.items() if value is not ...}


@pytest.mark.parametrize(
    "stated",
    [
        public(OLD),
        public(rsa_key()),
        public(OLD, use="sig", alg="ES384", x5c=["MIIB"]),
        public(OLD, key_ops=["verify"]),
        public(OLD, use=None, key_ops=None, d=None, oth=None),
    ],
)
def test_strong_public_keys_are_taken(stated: dict[str, Any]) -> None:
    assert read_key(stated)[0] == stated["kid"]


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ("text", "kid"),
        (public(OLD, kid=...), "kid"),
        (public(OLD, kid=""), "kid"),
        (public(OLD, kid=7), "kid"),
        (OLD.as_dict(private=True), "private"),
        (rsa_key().as_dict(private=True), "private"),
        ({"kty": "oct", "kid": "a", "k": "c2VjcmV0"}, "private or shared"),
        ({"kty": "oct", "kid": "a"}, "private or shared"),
        (public(OLD, use="enc"), "signatures"),
        (public(OLD, key_ops=["encrypt"]), "signatures"),
        (public(OLD, key_ops=5), "signatures"),
        (public(ec_key("p256", "P-256")), "P-384"),
        (public(ec_key("p521", "P-521")), "P-384"),
        (public(rsa_key("weak", 1024)), "2048"),
        ({"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "AAAA"}, "neither"),
        (public(OLD, kty=...), "neither"),
        (public(OLD, x=...), "read"),
        (public(OLD, x="AAAA"), "read"),
        (public(rsa_key(), n="!"), "read"),
        (public(OLD, crv="P-1"), "read"),
    ],
)
def test_other_keys_are_not(stated: object, why: str) -> None:
    with pytest.raises(UnusableKey, match=why) as caught:
        read_key(stated)
    assert len(str(caught.value)) < 60


def test_of_a_published_set_the_usable_keys_count_and_no_doubled_kid_does() -> None:
    twin = public(NEW, kid="old")
    document = json.dumps({"keys": [public(OLD), twin, public(NEW), rsa_key().as_dict(private=True), 7]})
    assert set(usable_keys(document.encode())) == {"new"}
