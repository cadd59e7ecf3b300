"""Keys, and what they seal.

One master key; from it, by HKDF (RFC 5869), a key for pseudonyms, one for names of resources, one that wraps patients'
keys, one for the chain of the decision log and one for documents that belong to no patient. Every patient has a random
key of their own, which is stored only wrapped: destroy it, and what it sealed is gone. Sealing is AES-256-GCM (NIST SP
800-38D) with a random nonce; what a sealed value belongs to is bound to it as associated data, so that it opens nowhere
else.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import stat
from collections.abc import Iterable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cds_app.errors import IntegrityError, SettingsError

KEY_BYTES: Final = 32
MENTION_BYTES: Final = 8
_NONCE_BYTES: Final = 12


class Cipher:
    """Seals and opens under one key."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, *binding: str | int) -> bytes:
        """Nonce, ciphertext and tag; opens only with the same ``binding``."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, msgspec.msgpack.encode(binding))

    def open(self, sealed: bytes, *binding: str | int) -> bytes:
        """What was sealed.

        Raises
        ------
        IntegrityError
            If the bytes, the key or the binding are not those of the sealing.
        """
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, rest, msgspec.msgpack.encode(binding))
        except (InvalidTag, ValueError, TypeError):  # ValueError: too short; TypeError: a text where bytes belong
            raise IntegrityError("a stored payload does not match its seal") from None


class Vault:
    """Everything that needs the master key.

    Parameters
    ----------
    master : bytes
        32 random bytes, from `read_master_key` or `key_file`.

    Attributes
    ----------
    documents : Cipher
        Seals what belongs to no patient (`cds_app.adapters.sql.cabinet`).
    """

    __slots__ = ("_chain", "_mentioning", "_naming", "_wrapping", "documents")

    def __init__(self, master: bytes) -> None:
        if len(master) != KEY_BYTES:
            raise SettingsError("master_key: must be 32 bytes", field="master_key")
        self._naming = _derive(master, b"twinline/pseudonym/1")
        self._mentioning = _derive(master, b"twinline/mentions/1")
        self._wrapping = Cipher(_derive(master, b"twinline/patient-keys/1"))
        self._chain = HMAC(_derive(master, b"twinline/decision-log/1"), SHA256())
        self.documents = Cipher(_derive(master, b"twinline/documents/1"))

    def pseudonym(self, tenant: str, patient: str) -> str:
        """HMAC-SHA256 of tenant, NUL and patient id, as 64 hexadecimal digits."""
        if "\0" in tenant:
            raise ValueError("tenant: must not contain NUL")
        return hmac.digest(self._naming, f"{tenant}\0{patient}".encode(), "sha256").hex()

    def mentions(self, realm: str, resources: Iterable[str]) -> bytes:
        """`MENTION_BYTES` for each resource of a realm, keyed BLAKE2b: who lacks the key cannot tell which it is."""
        begun, found = blake2b(f"{realm}\0".encode(), key=self._mentioning, digest_size=MENTION_BYTES), []
        for one in resources:
            digest = begun.copy()
            digest.update(one.encode(errors="surrogatepass"))
            found.append(digest.digest())
        return b"".join(found)

    def new_key(self, patient: str) -> bytes:
        """A random key for a patient, wrapped: opens only for this patient."""
        return self._wrapping.seal(secrets.token_bytes(KEY_BYTES), "key", patient)

    def cipher(self, wrapped: bytes, patient: str) -> Cipher:
        """The patient's cipher. Raises IntegrityError if the wrapped key is another's or was changed."""
        return Cipher(self._wrapping.open(wrapped, "key", patient))

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 under the key of the decision log."""
        begun = self._chain.copy()  # half of the work of a short message is to begin with the key
        begun.update(message)
        return begun.finalize()


def read_master_key(text: str) -> bytes:
    """The master key from settings: 64 hexadecimal digits, or 32 bytes in base64.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    for read in (bytes.fromhex, partial(base64.b64decode, validate=True)):
        try:
            key = read(text.strip())
        except ValueError:
            continue
        if len(key) == KEY_BYTES:
            return key
    raise SettingsError("master_key: must be 64 hexadecimal digits or 32 bytes in base64", field="master_key")


def key_file(path: Path) -> bytes:
    """The master key from its file, which is made, for its owner only, if there is none.

    Two processes that start together get the same key.

    Raises
    ------
    SettingsError
        If anybody but the owner may write the file, or anybody outside its group read it; if it holds no key, or
        can be neither read nor made.
    """
    try:
        if not path.exists():
            _make_key_file(path)
        return _read_key_file(path)
    except OSError as error:
        why = f"master_key: the key file cannot be used: {error.strerror}"
        raise SettingsError(why, field="master_key") from error


def _make_key_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        _link(draft, path)
    finally:
        draft.unlink()


def _link(draft: Path, path: Path) -> None:
    """Give the finished file its name, unless another process was faster."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_key_file(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & 0o037:
            raise SettingsError("master_key: the key file must not be open to others", field="master_key")
        content = file.read(1024)
    return read_master_key(content.decode("ascii", errors="replace"))


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(master)
