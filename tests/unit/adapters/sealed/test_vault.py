"""Keys come from one master key, and seals hold."""

from __future__ import annotations

import base64
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cds_app.adapters.sealed.vault import Vault, key_file, read_master_key
from cds_app.errors import IntegrityError, SettingsError

MASTER = bytes(range(32))


def hkdf(master: bytes, info: bytes) -> bytes:
    """RFC 5869, one block, written down a second time."""
    extracted = hmac.digest(bytes(32), master, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_pseudonyms_are_the_hmac_of_tenant_nul_patient() -> None:
    key = hkdf(MASTER, b"twinline/pseudonym/1")
    expected = hmac.new(key, b"north\x00pat-1", hashlib.sha256).hexdigest()
    assert Vault(MASTER).pseudonym("north", "pat-1") == expected
    assert Vault(bytes(32)).pseudonym("north", "pat-1") != expected


def test_a_tenant_cannot_borrow_anothers_patients() -> None:
    with pytest.raises(ValueError, match="tenant"):
        Vault(MASTER).pseudonym("north\0pat", "1")


def test_what_is_sealed_opens_with_the_same_key_and_binding_only() -> None:
    vault = Vault(MASTER)
    mine, theirs = vault.new_key("a"), vault.new_key("b")
    sealed = vault.cipher(mine, "a").seal(b"plain", "segment", "a", 1)
    assert vault.cipher(mine, "a").open(sealed, "segment", "a", 1) == b"plain"
    for key, patient, binding in (
        (theirs, "b", ("segment", "a", 1)),
        (mine, "a", ("segment", "b", 1)),
        (mine, "a", ("segment", "a", 2)),
        (mine, "a", ("decision", "a", 1)),
        (mine, "a", ("segmenta", 1)),
    ):
        with pytest.raises(IntegrityError):
            vault.cipher(key, patient).open(sealed, *binding)


@pytest.mark.parametrize("position", [0, 11, 12, 20, -1])
def test_a_changed_byte_does_not_open(position: int) -> None:
    cipher = Vault(MASTER).cipher(Vault(MASTER).new_key("a"), "a")
    sealed = bytearray(cipher.seal(b"plaintext", "x"))
    sealed[position] ^= 1
    with pytest.raises(IntegrityError):
        cipher.open(bytes(sealed), "x")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(28)])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    cipher = Vault(MASTER).cipher(Vault(MASTER).new_key("a"), "a")
    with pytest.raises(IntegrityError):
        cipher.open(sealed, "x")


def test_a_wrapped_key_opens_for_its_patient_and_master_only() -> None:
    wrapped = Vault(MASTER).new_key("a")
    with pytest.raises(IntegrityError):
        Vault(MASTER).cipher(wrapped, "b")
    with pytest.raises(IntegrityError):
        Vault(bytes(32)).cipher(wrapped, "a")


def test_the_same_plain_text_is_never_sealed_twice_the_same() -> None:
    cipher = Vault(MASTER).cipher(Vault(MASTER).new_key("a"), "a")
    assert len({cipher.seal(b"plain", "x") for _ in range(100)}) == 100


@pytest.mark.parametrize("text", [MASTER.hex(), f" {MASTER.hex().upper()}\n", base64.b64encode(MASTER).decode()])
def test_a_master_key_can_be_given_in_hexadecimal_or_base64(text: str) -> None:
    assert read_master_key(text) == MASTER


@pytest.mark.parametrize("text", ["", "secret", MASTER.hex()[:-2], MASTER.hex() + "00", "zz" * 32, "é" * 64])
def test_another_master_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_master_key(text)
    assert not text or text not in str(caught.value)


def test_a_vault_takes_no_short_key() -> None:
    with pytest.raises(SettingsError):
        Vault(b"short")


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "master.key"
    key = key_file(path)
    assert key_file(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: key_file(tmp_path / "master.key"), range(16)))
    assert len(keys) == 1


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666, 0o620, 0o602])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    key_file(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match="open to others"):
        key_file(path)


def test_a_key_file_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="64 hexadecimal"):
        key_file(path)


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be used: Is a directory"):
        key_file(tmp_path)
