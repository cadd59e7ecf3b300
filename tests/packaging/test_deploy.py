"""What deploy/ holds fits the code: the image's locked packages and files, the compose file, the chart.

The chart is rendered by a few lines that know the expressions it uses and refuse any other.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cds_app.commands.ingesting import ingest
from cds_app.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "twinline"
_PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_COPIED = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)
_EXPRESSION = re.compile(r"\{\{-? (?:(toYaml) )?\.([A-Za-z.]+)(?: \| (quote|nindent \d+))? -?\}\}")


def pinned(lock: Path) -> set[tuple[str, str, frozenset[str]]]:
    rows = _PINNED.findall(lock.read_text("utf-8"))
    return {(name, version, frozenset(re.findall(r"sha256:[0-9a-f]{64}", rest))) for name, version, rest in rows}


def test_the_image_installs_a_part_of_what_the_tests_run_on() -> None:
    served = pinned(DEPLOY / "requirements.lock")
    assert {"flask", "gunicorn", "msgspec", "sqlalchemy"} <= {name for name, _, _ in served}
    assert served < pinned(ROOT / "requirements.lock")
    assert all(hashes for _, _, hashes in served)


def test_the_image_is_built_from_files_that_make_the_whole_wheel(tmp_path: Path) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in (one for line in _COPIED.findall(dockerfile) for one in line.split()):
        assert f"!{name}" in ignored, name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / Path(name).name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {"cds_app/wsgi.py", "cds_app/_content/hooks/twinline-patient-view/service.json"} <= held


def test_the_image_runs_as_nobody_special() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert "--require-hashes" in dockerfile
    assert dockerfile.index("USER 10001:10001") < dockerfile.index("ENTRYPOINT")


def test_the_compose_file_publishes_on_loopback_and_takes_rights_away() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    ours = services["twinline"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert ours["ports"] == ["127.0.0.1:8717:8717"]
    assert "ports" not in services["database"]
    assert {name.removeprefix("TWINLINE_").lower() for name in ours["environment"]} <= Settings.model_fields.keys()


def test_sources_of_the_compose_file_are_commands_that_there_are() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    for name in ("hl7v2", "mqtt"):
        one = services[name]
        found = ingest.get_command(click.Context(ingest), one["command"][1])
        assert found is not None
        options = {option for given in found.params for option in given.opts}
        assert {word for word in one["command"] if word.startswith("--")} <= options
        assert one["profiles"] == ["sources"]
        assert all(port.startswith("127.0.0.1:") for port in one["ports"])
        assert one["cap_drop"] == ["ALL"]


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    known = {"Values": values, "Release": {"Name": "night"}, "Chart": {"AppVersion": _chart()["appVersion"]}}
    return [yaml.safe_load(_fill(file, known)) for file in sorted((CHART / "templates").glob("*.yaml"))]


def _fill(file: Path, known: dict[str, Any]) -> str:
    def put(found: re.Match[str]) -> str:
        value: Any = known
        for name in found[2].split("."):
            value = value[name]
        if found[1]:
            indent = "\n" + " " * int(str(found[3]).split()[1])
            block: str = yaml.safe_dump(value)
            return indent + block.strip().replace("\n", indent)
        said = str(value)
        return json.dumps(said) if found[3] else said

    text = _EXPRESSION.sub(put, file.read_text("utf-8"))
    assert "{{" not in text, f"{file.name} uses an expression that this test cannot render"
    return text


def _chart() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    return found


@pytest.fixture
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    return found


def test_every_value_is_in_the_schema_and_every_required_one_is_given(values: dict[str, Any]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert set(schema["required"]) == values.keys() == schema["properties"].keys() - {"global"}
    for name in ("image", "network"):
        assert set(schema["properties"][name]["required"]) == values[name].keys()


def test_the_chart_asks_for_what_the_service_has(values: dict[str, Any]) -> None:
    kinds = {one["kind"]: one for one in rendered(values)}
    assert kinds.keys() == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    names = {one["name"].removeprefix("TWINLINE_").lower() for one in container["env"]}
    assert names <= Settings.model_fields.keys()
    assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness")} == {"/healthz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default


def test_the_pod_is_locked_down_and_talks_to_few(values: dict[str, Any]) -> None:
    kinds = {one["kind"]: one for one in rendered(values)}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    policy = kinds["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [[one["port"] for one in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [5432], [443]]
    selector = policy["podSelector"]["matchLabels"]
    assert selector == kinds["Service"]["spec"]["selector"] == kinds["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= kinds["Deployment"]["spec"]["template"]["metadata"]["labels"].items()


def test_versions_of_chart_and_package_are_one() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert {_chart()["version"], _chart()["appVersion"]} == {version[1]}
