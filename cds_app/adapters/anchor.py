"""The head of the decision log, kept outside the database: a log that was rolled back as a whole shows against it."""

from __future__ import annotations

import os
from pathlib import Path

from cds_app.adapters.ledger import EMPTY, Head, is_genuine
from cds_app.adapters.vault import Vault
from cds_app.errors import DependencyDown, IntegrityError


class Anchor:
    """A small file with the newest head that this process wrote.

    It may lag behind the log (it is written after each group, without waiting for the disk), never run ahead of it.
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
            return self._parse(self._path.read_text("ascii"))
        except FileNotFoundError:
            return EMPTY
        except ValueError:
            raise IntegrityError("the anchor of the log was changed") from None

    def keep(self, head: Head) -> None:
        """Replace the file. The entries are durable without it, so a failure here waits for `catch_up` to tell."""
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            draft.write_text(f"{head.number} {head.mac.hex()} {head.seal.hex()}\n", "ascii")
            draft.replace(self._path)
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

    def _parse(self, text: str) -> Head:
        number, mac, seal = text.split()
        head = Head(number=int(number), mac=bytes.fromhex(mac), seal=bytes.fromhex(seal))
        if not is_genuine(self._vault, head):
            raise IntegrityError("the anchor of the log was changed")
        return head
