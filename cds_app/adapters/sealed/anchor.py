"""The head of the decision log, kept outside the database: a log that was rolled back as a whole shows against it."""

from __future__ import annotations

import os
from pathlib import Path

from cds_app.adapters.sealed.ledger import EMPTY, Head, is_genuine
from cds_app.adapters.sealed.vault import Vault
from cds_app.errors import DependencyDown, IntegrityError


class Anchor:
    """A small file with the newest head that this process wrote.

    It may lag behind the log (it is written after each group, without waiting for the disk), never run ahead of it.
    Heads are texts of one length within one sector of a disk, so a new one may be written over the old one: it is
    there whole or not at all. A new file in its place would be as safe, but makes some file systems wait for the disk.
    """

    __slots__ = ("_path", "_stale", "_vault")

    def __init__(self, vault: Vault, path: Path) -> None:
        self._vault = vault
        self._path = path
        self._stale: Head | None = None

    def read(self) -> Head:
        """The head that was kept; the empty one if there is no file.

        Raises
        ------
        IntegrityError
            If the file was changed.
        """
        try:
            return self._read_once()
        except IntegrityError:
            return self._read_once()  # the first look may have met a writer half-way

    def keep(self, head: Head) -> None:
        """Write the head. The entries are durable without it, so a failure here waits for `catch_up` to tell."""
        text = f"{head.number:020} {head.mac.hex()} {head.seal.hex()}\n".encode("ascii")
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(handle, text, 0)
            finally:
                os.close(handle)
        except OSError:
            self._stale = head
        else:
            self._stale = None

    def catch_up(self) -> None:
        """Write what could not be written before. Raises DependencyDown if it still cannot be."""
        if self._stale is not None:
            self.keep(self._stale)
        if self._stale is not None:
            raise DependencyDown("the anchor of the log cannot be written")

    def _read_once(self) -> Head:
        try:
            number, mac, seal = self._path.read_text("ascii").split()
            head = Head(number=int(number), mac=bytes.fromhex(mac), seal=bytes.fromhex(seal))
        except FileNotFoundError:
            return EMPTY
        except ValueError:
            raise IntegrityError("the anchor of the log was changed") from None
        if not is_genuine(self._vault, head):
            raise IntegrityError("the anchor of the log was changed")
        return head
