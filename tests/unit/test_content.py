"""`cds_app.content`: where content is found, and that no artefact is read unless every file of it matches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_app.content import FOLDERS, Artefact, Content, artefact, canonical_json, content_root, latest, write_manifest
from cds_app.errors import ContentError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "models" / "risk" / "1.2.0"
    made.mkdir(parents=True)
    (made / "thresholds.json").write_text('{"sepsis": 0.25}', encoding="utf-8")
    (made / "booster.ubj").write_bytes(b"\x00\x01trees")
    return made


@pytest.fixture
def written(folder: Path) -> Artefact:
    return write_manifest(folder, {"kind": "risk-model"})


def with_content(folder: Path) -> Path:
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    return folder


def test_content_of_an_installed_package_comes_before_a_checkout_around_it(tmp_path: Path) -> None:
    package = tmp_path / "cds_app"
    checkout = with_content(tmp_path)
    assert content_root(package) == checkout
    installed = with_content(package / "_content")
    assert content_root(package) == installed


def test_a_root_with_two_of_the_three_folders_is_not_content(tmp_path: Path) -> None:
    (with_content(tmp_path) / "hooks").rmdir()
    with pytest.raises(ContentError, match="hooks/, templates/ and models/"):
        content_root(tmp_path / "cds_app")


def test_an_artefact_is_read_as_it_was_written(written: Artefact, tmp_path: Path) -> None:
    loaded = artefact("risk", "1.2.0", root=tmp_path)
    assert loaded == written
    assert loaded.manifest["kind"] == "risk-model"
    assert (loaded.name, loaded.version) == ("risk", "1.2.0")
    assert loaded.read_json("thresholds.json") == {"sepsis": 0.25}
    assert loaded.read_bytes("booster.ubj") == b"\x00\x01trees"


def test_writing_the_manifest_again_changes_nothing(written: Artefact) -> None:
    before = (written.root / "manifest.json").read_bytes()
    assert write_manifest(written.root, {"kind": "risk-model"}) == written
    assert (written.root / "manifest.json").read_bytes() == before


def test_identity_does_not_depend_on_how_the_manifest_is_laid_out(written: Artefact, tmp_path: Path) -> None:
    (written.root / "manifest.json").write_text(json.dumps(dict(written.manifest)), encoding="utf-8")
    assert artefact("risk", "1.2.0", root=tmp_path).sha256 == written.sha256


def test_identity_changes_with_any_byte_of_any_file(written: Artefact) -> None:
    (written.root / "booster.ubj").write_bytes(b"\x00\x01treez")
    assert write_manifest(written.root, {"kind": "risk-model"}).sha256 != written.sha256


def test_a_manifest_cannot_be_changed_after_loading(written: Artefact) -> None:
    with pytest.raises(TypeError):
        written.manifest["kind"] = "other"  # type: ignore[index]


def spoil_a_file(folder: Path) -> None:
    (folder / "booster.ubj").write_bytes(b"other trees")


def remove_a_file(folder: Path) -> None:
    (folder / "booster.ubj").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "notes.md").write_text("unsigned", encoding="utf-8")


def add_a_folder(folder: Path) -> None:
    (folder / "old").mkdir()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil_a_file, r"models/risk/1\.2\.0/booster\.ubj does not match its hash"),
        (remove_a_file, r"models/risk/1\.2\.0/booster\.ubj is missing"),
        (add_a_file, r"models/risk/1\.2\.0/notes\.md is not listed"),
        (add_a_folder, r"models/risk/1\.2\.0/old is not listed"),
    ],
)
def test_a_changed_folder_is_refused_and_the_file_named(
    written: Artefact, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(written.root)
    with pytest.raises(ContentError, match=message):
        artefact("risk", "1.2.0", root=tmp_path)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "is not JSON"),
        ('{"files": {}, "files": {}}', "repeats a key"),
        ('{"threshold": NaN, "files": {}}', "holds NaN"),
        ("[]", "is not an object"),
        ("{}", "has no object `files`"),
        ('{"files": ["booster.ubj"]}', "has no object `files`"),
        ('{"name": "other", "files": {}}', "another name than its folder"),
        ('{"version": "1.2.1", "files": {}}', "another version than its folder"),
        ('{"files": {"../1.1.0/booster.ubj": "00"}}', "something else than a file beside it"),
        ('{"files": {"manifest.json": "00"}}', "something else than a file beside it"),
        ('{"files": {"booster.ubj": "00"}}', "without a SHA-256"),
        ('{"files": {"booster.ubj": null}}', "without a SHA-256"),
    ],
)
def test_a_manifest_that_says_less_than_it_must_is_refused(
    folder: Path, tmp_path: Path, manifest: str, message: str
) -> None:
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(ContentError, match=message):
        artefact("risk", "1.2.0", root=tmp_path)


@pytest.mark.parametrize(("name", "version"), [("risk", "9"), ("absent", "1.2.0")])
def test_an_artefact_that_is_not_there_is_refused(written: Artefact, tmp_path: Path, name: str, version: str) -> None:
    with pytest.raises(ContentError, match=r"manifest\.json is missing"):
        artefact(name, version, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "version", "field"),
    [
        ("../models/risk", "1.2.0", "name"),
        ("", "1.2.0", "name"),
        ("risk", "..", "version"),
        ("risk", "", "version"),
    ],
)
def test_a_name_cannot_lead_out_of_models(
    written: Artefact, tmp_path: Path, name: str, version: str, field: str
) -> None:
    with pytest.raises(ContentError) as refusal:
        artefact(name, version, root=tmp_path)
    assert refusal.value.field == field


def test_a_file_that_is_not_listed_cannot_be_read(written: Artefact) -> None:
    with pytest.raises(ContentError, match=r"manifest\.json is not listed"):
        written.read_bytes("manifest.json")


def test_a_file_that_changed_after_loading_cannot_be_read(written: Artefact) -> None:
    spoil_a_file(written.root)
    with pytest.raises(ContentError, match="does not match its hash"):
        written.read_bytes("booster.ubj")


def test_json_in_an_artefact_is_strict(written: Artefact) -> None:
    (written.root / "thresholds.json").write_text('{"sepsis": 0.25, "sepsis": 0.5}', encoding="utf-8")
    rewritten = write_manifest(written.root, {})
    with pytest.raises(ContentError, match=r"thresholds\.json is not JSON, or repeats a key"):
        rewritten.read_json("thresholds.json")


class Thresholds(Content):
    """What `folder` says."""

    sepsis: float


def test_a_file_is_read_as_what_it_should_say(written: Artefact) -> None:
    assert written.read("thresholds.json", Thresholds) == Thresholds(sepsis=0.25)


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"sepsis": "secret"}, "sepsis"),
        ({"sepsis": "inf"}, "sepsis"),
        ({"sepsis": 0.25, "aki": 1}, "aki"),
        ([], ""),
    ],
)
def test_what_a_file_should_not_say_is_refused_by_its_place_and_not_repeated(
    written: Artefact, said: object, place: str
) -> None:
    (written.root / "thresholds.json").write_bytes(canonical_json(said))
    with pytest.raises(ContentError) as refusal:
        write_manifest(written.root, {}).read("thresholds.json", Thresholds)
    assert refusal.value.message.startswith(f"models/risk/1.2.0/thresholds.json {place or 'as a whole'}: ")
    assert refusal.value.field == f"thresholds.json#{place}"
    assert "secret" not in refusal.value.message


def test_latest_goes_by_number_not_by_letter(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.11"):
        made = tmp_path / "models" / "risk" / version
        made.mkdir(parents=True)
        write_manifest(made, {})
    assert latest("risk", root=tmp_path).version == "1.10.0"


def test_latest_refuses_an_artefact_without_versions(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="has no version"):
        latest("risk", root=tmp_path)


def test_latest_refuses_a_folder_that_is_no_version(written: Artefact, tmp_path: Path) -> None:
    (tmp_path / "models" / "risk" / "draft").mkdir()
    with pytest.raises(ContentError, match="version must match"):
        latest("risk", root=tmp_path)


def test_a_manifest_cannot_be_written_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"risk/1 is missing"):
        write_manifest(tmp_path / "models" / "risk" / "1", {})


def test_canonical_json_is_sorted_indented_utf8_and_finite() -> None:
    assert canonical_json({"b": "µg", "a": [1]}) == '{\n  "a": [\n    1\n  ],\n  "b": "µg"\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
