"""Where ``hooks/``, ``templates/`` and ``models/`` are, and what an artefact in ``models/`` holds.

An artefact is a folder ``models/<name>/<version>/`` (of a drug: ``models/pkpd/<name>/<version>/``) with a
``manifest.json`` that lists every other file in the folder with its SHA-256, but for ``card.md``, which is made from
them for readers. Nothing is read from an artefact before all of its files match, and nothing that is not listed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cds_app.errors import ContentError

FOLDERS: Final = ("hooks", "templates", "models")
MANIFEST: Final = "manifest.json"
CARD: Final = "card.md"
"""What is said of an artefact, for readers; made from its other files, and no part of what it is."""

_PACKAGE: Final = Path(__file__).resolve().parent
_NAME: Final = re.compile(r"(?:pkpd/)?[a-z0-9]+(?:[-_][a-z0-9]+)*")
_VERSION: Final = re.compile(r"v?\d+(?:[.-]\d+)*")
_FILE: Final = re.compile(r"\w[\w.-]*", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Content(BaseModel):
    """What all content has in common: nothing unknown in it, no number that is none, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


ContentT = TypeVar("ContentT", bound=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One version of one artefact, all of its files verified.

    Parameters
    ----------
    name, version : str
        The two folder names under ``models/``.
    root : Path
        The folder itself.
    manifest : Mapping[str, Any]
        ``manifest.json``; its ``files`` maps each file name to the SHA-256 of the file, in hex.
    sha256 : str
        Identity of the artefact: hash of the manifest in canonical JSON and, through the hashes in it,
        of every file.
    """

    name: str
    version: str
    root: Path
    manifest: Mapping[str, Any]
    sha256: str

    def read_bytes(self, name: str) -> bytes:
        """Return a listed file's bytes; ContentError when it is not listed or has changed since loading."""
        expected = self.manifest["files"].get(name)
        if expected is None:
            raise _error(self.root, name, "is not listed in the manifest")
        return _verified_bytes(self.root, name, expected)

    def digest(self, *, without: str) -> str:
        """SHA-256 in hex of all that the manifest says but the hash of one file, in which it can be kept."""
        files = {name: one for name, one in self.manifest["files"].items() if name != without}
        return hashlib.sha256(canonical_json({**self.manifest, "files": files})).hexdigest()

    def read_json(self, name: str) -> Any:
        """Return a listed JSON file's value; ContentError also for NaN, infinities and repeated keys."""
        return _parse_json(self.read_bytes(name), self.root, name)

    def _worded(self, name: str, worded: Callable[[str], str]) -> Any:
        try:
            text = worded(self.read_bytes(name).decode())
        except UnicodeDecodeError as error:
            raise _error(self.root, name, "is not UTF-8") from error
        except ContentError as error:
            raise _error(self.root, name, f"says: {error.message}") from error
        return _parse_json(text.encode(), self.root, name)

    def read(self, name: str, kind: type[ContentT], worded: Callable[[str], str] | None = None) -> ContentT:
        """Return what a listed JSON file says; ContentError naming the first place that is not as its kind has it.

        Parameters
        ----------
        worded : callable, optional
            What becomes of the file's text first: limits are told as the site reads them.
        """
        try:
            return kind.model_validate(self.read_json(name) if worded is None else self._worded(name, worded))
        except ValidationError as error:
            place, problem = wrong(error)[0]
            said = f"{place or 'as a whole'}: {problem}"
            raise ContentError(f"{_place(self.root, name)} {said}", field=f"{name}#{place}") from error


def wrong(error: ValidationError) -> list[tuple[str, str]]:
    """Each place that is not as it should be, and why; never what stands there."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in found]


def content_root(package: Path = _PACKAGE) -> Path:
    """Return the folder that holds ``hooks/``, ``templates/`` and ``models/``.

    Parameters
    ----------
    package : Path
        Where the package ``cds_app`` is; other than the default in tests only.

    Returns
    -------
    Path
        ``cds_app/_content`` of an installed wheel, or else the root of the checkout.

    Raises
    ------
    ContentError
        When neither holds all three.
    """
    for candidate in (package / "_content", package.parent):
        if all((candidate / folder).is_dir() for folder in FOLDERS):
            return candidate
    raise ContentError("hooks/, templates/ and models/ are neither in cds_app/_content nor beside cds_app")


def artefact(name: str, version: str, *, root: Path | None = None) -> Artefact:
    """Load and verify one version of an artefact.

    Parameters
    ----------
    name, version : str
        As in ``models/<name>/<version>/``.
    root : Path, optional
        The folder that holds ``models/``; by default `content_root`.

    Raises
    ------
    ContentError
        Naming the file, when one is missing, differs from its hash, or is there without being listed.
    """
    return _load(_versions_folder(name, root) / _matching(version, _VERSION, "version"))


def latest(name: str, *, root: Path | None = None) -> Artefact:
    """Load and verify the highest version of an artefact, by number: 1.10.0 comes after 1.9.0.

    Raises
    ------
    ContentError
        When there is no version, or a folder whose name is none, or for what `artefact` raises it.
    """
    folder = _versions_folder(name, root)
    versions = [entry for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    if not versions:
        raise _error(folder, "*", "has no version")
    return _load(max(versions, key=lambda entry: _version_order(entry.name)))


def newest(root: Path | None = None) -> dict[str, str]:
    """The highest version of every artefact, by the names of the folders alone: nothing is read or verified."""
    folder = (root or content_root()) / "models"
    places = [one for one in folder.iterdir() if one.is_dir() and one.name != "pkpd"]
    places += [one for one in (folder / "pkpd").glob("*") if one.is_dir()]
    found = {one.relative_to(folder).as_posix(): [entry.name for entry in one.iterdir()] for one in places}
    return {name: max(held, key=_version_order) for name, held in sorted(found.items()) if held}


def is_place(folder: Path, name: str) -> bool:
    """Whether a folder is one for a version of an artefact: ``.../<name>/<version>``."""
    return folder.parent.name == name and _VERSION.fullmatch(folder.name) is not None


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> Artefact:
    """Write ``manifest.json`` for a finished artefact folder, and load the result.

    Parameters
    ----------
    folder : Path
        ``.../<name>/<version>``, with every file but the manifest in place.
    manifest : Mapping[str, Any]
        What is to be said of the artefact; ``name``, ``version`` and ``files`` are filled in from the folder.
    """
    names = sorted(_file_names(folder) - {MANIFEST, CARD})
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    complete = {**manifest, "name": folder.parent.name, "version": folder.name, "files": hashes}
    (folder / MANIFEST).write_bytes(canonical_json(complete))
    return _load(folder)


def canonical_json(value: object) -> bytes:
    """Return a value as JSON the one way it is written here: sorted keys, 2 spaces, final newline, UTF-8."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _versions_folder(name: str, root: Path | None) -> Path:
    return (root or content_root()) / "models" / _matching(name, _NAME, "name")


def _load(folder: Path) -> Artefact:
    manifest = _read_manifest(folder)
    listed: Mapping[str, str] = manifest["files"]
    for unlisted in sorted(_file_names(folder) - {MANIFEST, CARD} - set(listed)):
        raise _error(folder, unlisted, "is not listed in the manifest")
    for name, expected in listed.items():
        _verified_bytes(folder, name, expected)
    return Artefact(
        name=folder.parent.name,
        version=folder.name,
        root=folder,
        manifest=manifest,
        sha256=hashlib.sha256(canonical_json(dict(manifest))).hexdigest(),
    )


def _read_manifest(folder: Path) -> Mapping[str, Any]:
    manifest = _parse_json(_read(folder, MANIFEST), folder, MANIFEST)
    if not isinstance(manifest, dict):
        raise _error(folder, MANIFEST, "is not an object")
    for field, value in (("name", folder.parent.name), ("version", folder.name)):
        if manifest.get(field, value) != value:
            raise _error(folder, MANIFEST, f"has another {field} than its folder")
    _check_listing(manifest.get("files"), folder)
    return MappingProxyType(manifest)


def _check_listing(files: object, folder: Path) -> None:
    if not isinstance(files, dict):
        raise _error(folder, MANIFEST, "has no object `files`")
    for name, expected in files.items():
        if not _FILE.fullmatch(name) or name == MANIFEST:
            raise _error(folder, MANIFEST, "lists something else than a file beside it")
        if not isinstance(expected, str) or not _SHA256.fullmatch(expected):
            raise _error(folder, name, "is listed without a SHA-256 in lower-case hex")


def _verified_bytes(folder: Path, name: str, expected: str) -> bytes:
    content = _read(folder, name)
    if hashlib.sha256(content).hexdigest() != expected:
        raise _error(folder, name, "does not match its hash in the manifest")
    return content


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _error(folder, name, "is missing or cannot be read") from error


def _file_names(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise _error(folder, "", "is missing or cannot be read") from error


def _parse_json(content: bytes, folder: Path, name: str) -> Any:
    try:
        return json.loads(content, object_pairs_hook=_unrepeated, parse_constant=_finite_only)
    except ValueError as error:
        raise _error(folder, name, "is not JSON, or repeats a key, or holds NaN or an infinity") from error


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("repeated key")
    return found


def _finite_only(_constant: str) -> float:
    raise ValueError("not a finite number")


def _version_order(version: str) -> tuple[tuple[int, ...], str]:
    _matching(version, _VERSION, "version")
    return tuple(int(part) for part in re.findall(r"\d+", version)), version


def _matching(value: str, pattern: re.Pattern[str], field: str) -> str:
    if not pattern.fullmatch(value):
        raise ContentError(f"an artefact's {field} must match {pattern.pattern}", field=field)
    return value


def _error(folder: Path, name: str, problem: str) -> ContentError:
    where = _place(folder, name)
    return ContentError(f"{where} {problem}", field=where)


def _place(folder: Path, name: str) -> str:
    below = folder.parts[-3:] if folder.parent.parent.name == "pkpd" else folder.parts[-2:]
    return "/".join(("models", *below, name)).rstrip("/")
