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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cds_app.commands.ingest import ingest
from cds_app.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "twinline"
_PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_COPIED = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)
_EXPRESSION = re.compile(r"\{\{-? (?:(toYaml) )?(\$?[A-Za-z.]*)(?: \| (quote|nindent \d+))? -?\}\}")
_BLOCK = re.compile(r"\s*\{\{- (?:(range|if) (.+?)|(else)|(end)) \}\}")
_RANGE = re.compile(r"\$(\w+), \$(\w+) := (\S+)")


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
    for name in ("hl7v2", "mqtt", "subscriptions"):
        one = services[name]
        assert_is_a_source(one["command"])
        assert one["healthcheck"] == {"disable": True}
        assert one["profiles"] == ["sources"]
        assert all(port.startswith("127.0.0.1:") for port in one["ports"])
        assert one["cap_drop"] == ["ALL"]


def assert_is_a_source(words: list[str]) -> None:
    assert words[0] == "ingest"
    found = ingest.get_command(click.Context(ingest), words[1])
    assert found is not None
    assert {word for word in words if word.startswith("--")} <= {option for one in found.params for option in one.opts}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    known = {"Values": values, "Release": {"Name": "night"}, "Chart": {"AppVersion": _chart()["appVersion"]}}
    texts = ["\n".join(_chosen(iter(file.read_text("utf-8").splitlines()), known)) for file in _templates()]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def _templates() -> list[Path]:
    return sorted((CHART / "templates").glob("*.yaml"))


def _chosen(lines: Iterator[str], known: dict[str, Any]) -> list[str]:
    """Lines up to the end of a block, with `range` and `if` inside it carried out."""
    kept: list[str] = []
    for line in lines:
        found = _BLOCK.fullmatch(line)
        if found is None:
            kept.append(_filled(line, known))
        elif found[4]:
            return kept
        elif found[1] == "if":
            yes, no = _parted(_inner(lines))
            kept += _chosen(iter(yes if _value(found[2], known) else no), known)
        else:
            names = _RANGE.fullmatch(found[2])
            assert names is not None, f"{line} is a block that this test cannot render"
            body = _inner(lines)
            for key, value in sorted(_value(names[3], known).items()):
                kept += _chosen(iter(body), {**known, f"${names[1]}": key, f"${names[2]}": value})
    return kept


def _inner(lines: Iterator[str]) -> list[str]:
    """What stands in a block, others inside it included."""
    held: list[str] = []
    depth = 1
    for line in lines:
        found = _BLOCK.fullmatch(line)
        depth += 0 if found is None or found[3] else -1 if found[4] else 1
        if depth == 0:
            return held
        held.append(line)
    raise AssertionError("a block has no end")


def _parted(body: list[str]) -> tuple[list[str], list[str]]:
    at = next((i for i, line in enumerate(body) if "{{- else }}" in line), len(body))
    return body[:at], body[at + 1 :]


def _value(path: str, known: dict[str, Any]) -> Any:
    first, *rest = path.split(".")
    value = known if first in ("", "$") else known[first]
    for name in rest:
        value = value[name]
    return value


def _filled(line: str, known: dict[str, Any]) -> str:
    def put(found: re.Match[str]) -> str:
        value = _value(found[2], known)
        if found[1]:
            indent = "\n" + " " * int(str(found[3]).split()[1])
            block: str = yaml.safe_dump(value)
            return indent + block.strip().replace("\n", indent)
        said = str(value)
        return json.dumps(said) if found[3] else said

    text = _EXPRESSION.sub(put, line)
    assert "{{" not in text, f"{line} uses an expression that this test cannot render"
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
    kinds = {one["kind"]: one for one in rendered({**values, "sources": {}})}
    assert kinds.keys() == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    names = {one["name"].removeprefix("TWINLINE_").lower() for one in container["env"]}
    assert names <= Settings.model_fields.keys()
    assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness")} == {"/healthz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default


def test_the_pod_is_locked_down_and_talks_to_few(values: dict[str, Any]) -> None:
    kinds = {one["kind"]: one for one in rendered({**values, "sources": {}})}
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


def test_each_source_is_a_set_of_locked_down_pods_with_names_that_stay(values: dict[str, Any]) -> None:
    of_sources = [one for one in rendered(values) if one["metadata"]["name"] != "night"]
    for name, source in values["sources"].items():
        kinds = {one["kind"]: one for one in of_sources if one["metadata"]["name"] == f"night-{name}"}
        assert kinds.keys() == {"StatefulSet", "NetworkPolicy", "Service"}
        made, policy, service = (kinds[kind]["spec"] for kind in ("StatefulSet", "NetworkPolicy", "Service"))
        assert (made["replicas"], made["serviceName"]) == (0, f"night-{name}")
        pod = made["template"]["spec"]
        (container,) = pod["containers"]
        assert_is_a_source(container["args"])
        assert {one["name"].removeprefix("TWINLINE_").lower() for one in container["env"]} - {"mqtt_password"} <= (
            Settings.model_fields.keys()
        )
        assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"]) == (True, False)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        labels = made["template"]["metadata"]["labels"]
        assert labels == made["selector"]["matchLabels"] == policy["podSelector"]["matchLabels"] == service["selector"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        heard = [port["port"] for rule in policy.get("ingress", []) for port in rule["ports"]]
        given = [port["port"] for port in service.get("ports", [])]
        assert heard == given == ([source["port"]] if source["port"] else [])
        assert ("clusterIP" in service) == (not source["port"])


def test_no_pod_of_a_source_gets_calls_of_the_service(values: dict[str, Any]) -> None:
    made = rendered(values)
    (service,) = (one for one in made if (one["kind"], one["metadata"]["name"]) == ("Service", "night"))
    selector = service["spec"]["selector"]
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in made if one["kind"] == "StatefulSet"]
    assert pods
    assert not any(selector.items() <= labels.items() for labels in pods)


def test_versions_of_chart_and_package_are_one() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert {_chart()["version"], _chart()["appVersion"]} == {version[1]}
