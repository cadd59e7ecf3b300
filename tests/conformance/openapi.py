"""The OpenAPI file, and its schemas as checkers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FILE = Path(__file__).resolve().parents[2] / "deploy" / "docs" / "openapi.json"


@cache
def document() -> dict[str, Any]:
    """The whole file."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


@cache
def schema(name: str) -> Draft202012Validator:
    """One of its schemas, with the others within reach."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document()["components"]})


def breaches(name: str, value: object) -> list[str]:
    """Where a value differs from a schema."""
    return [f"{one.json_path}: {one.message[:200]}" for one in schema(name).iter_errors(value)]


def resolved(response: dict[str, Any]) -> dict[str, Any]:
    """A response of an operation, looked up where it is a reference."""
    name = response.get("$ref", "").rpartition("/")[2]
    return document()["components"]["responses"][name] if name else response


def described(path: str, method: str, status: int) -> dict[str, Any] | None:
    """What the file says of one answer: media types and schemas; None if the status is not in it."""
    found = document()["paths"][path][method]["responses"].get(str(status))
    return None if found is None else resolved(found).get("content", {})
