"""The rules of CDS Hooks 2.0 for what a service answers, as a checker that lists every rule that is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
INDICATORS = ("info", "warning", "critical")
_CARD = {"uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior", "overrideReasons",
         "links", "extension"}  # fmt: skip
_SUGGESTION = {"label", "uuid", "isRecommended", "actions", "extension"}
_ACTION = {"type", "description", "resource", "resourceId", "extension"}

Found = Iterator[str]


def violations(answer: object) -> list[str]:
    """Every rule that a service's response breaks, with its place."""
    if not isinstance(answer, dict) or not isinstance(answer.get("cards"), list):
        return ["cards: required, an array"]
    found = [*_unknown(answer, {"cards", "systemActions", "extension"}, "response")]
    for index, card in enumerate(answer["cards"]):
        found += _empties(card, f"cards[{index}]")
        found += _card(card, f"cards[{index}]") if isinstance(card, dict) else [f"cards[{index}]: an object"]
    return found


def discovery_violations(answer: object) -> list[str]:
    """Every rule that a discovery response breaks."""
    if not isinstance(answer, dict) or not isinstance(answer.get("services"), list):
        return ["services: required, an array"]
    found: list[str] = []
    for index, service in enumerate(answer["services"]):
        at = f"services[{index}]"
        found += _empties(service, at)
        found += _texts(service, ("hook", "description", "id"), at)
        prefetch = service.get("prefetch", {"x": "x"})
        if not all(isinstance(one, str) for one in (*prefetch, *prefetch.values())):
            found.append(f"{at}.prefetch: template strings")
    return found


def _card(card: Mapping[str, Any], at: str) -> Found:
    yield from _unknown(card, _CARD, at)
    yield from _texts(card, ("summary", "indicator"), at)
    if len(str(card.get("summary", ""))) >= 140:
        yield f"{at}.summary: less than 140 characters"
    if card.get("indicator") not in INDICATORS:
        yield f"{at}.indicator: one of {INDICATORS}"
    if not isinstance(card.get("detail", ""), str):
        yield f"{at}.detail: a string"
    yield from _uuid(card, at)
    yield from _source(card.get("source"), f"{at}.source")
    yield from _suggestions(card, at)
    for index, reason in enumerate(card.get("overrideReasons", ())):
        yield from _coding(reason, f"{at}.overrideReasons[{index}]", display=True)
    for index, link in enumerate(card.get("links", ())):
        yield from _link(link, f"{at}.links[{index}]")
    yield from _extension(card, at)


def _source(source: object, at: str) -> Found:
    if not isinstance(source, dict):
        yield f"{at}: required, an object"
        return
    yield from _unknown(source, {"label", "url", "icon", "topic"}, at)
    yield from _texts(source, ("label",), at)
    for name in ("url", "icon"):
        if name in source and not _absolute(source[name]):
            yield f"{at}.{name}: an absolute URL"
    if "topic" in source:
        yield from _coding(source["topic"], f"{at}.topic")


def _suggestions(card: Mapping[str, Any], at: str) -> Found:
    suggestions = card.get("suggestions")
    if (suggestions is None) != ("selectionBehavior" not in card):
        yield f"{at}.selectionBehavior: if, and only if, there are suggestions"
    if card.get("selectionBehavior", "any") not in ("any", "at-most-one"):
        yield f"{at}.selectionBehavior: any or at-most-one"
    for index, suggestion in enumerate(suggestions or ()):
        yield from _suggestion(suggestion, f"{at}.suggestions[{index}]")
    recommended = [one for one in suggestions or () if one.get("isRecommended")]
    if len(recommended) > 1 and card.get("selectionBehavior") != "any":
        yield f"{at}.suggestions: more than one is recommended"


def _suggestion(suggestion: Mapping[str, Any], at: str) -> Found:
    yield from _unknown(suggestion, _SUGGESTION, at)
    yield from _texts(suggestion, ("label",), at)
    yield from _uuid(suggestion, at)
    if not isinstance(suggestion.get("isRecommended", True), bool):
        yield f"{at}.isRecommended: a boolean"
    for index, action in enumerate(suggestion.get("actions", ())):
        yield from _action(action, f"{at}.actions[{index}]")


def _action(action: Mapping[str, Any], at: str) -> Found:
    yield from _unknown(action, _ACTION, at)
    yield from _texts(action, ("type", "description"), at)
    if action.get("type") not in ("create", "update", "delete"):
        yield f"{at}.type: create, update or delete"
    resource = action.get("resource")
    if action.get("type") in ("create", "update") and not (isinstance(resource, dict) and resource.get("resourceType")):
        yield f"{at}.resource: required, a FHIR resource"
    if action.get("type") == "delete" and "resourceId" not in action and not isinstance(resource, str):
        yield f"{at}.resourceId: required to delete"


def _link(link: Mapping[str, Any], at: str) -> Found:
    yield from _texts(link, ("label", "url", "type"), at)
    if link.get("type") not in ("absolute", "smart"):
        yield f"{at}.type: absolute or smart"
    if not _absolute(link.get("url")):
        yield f"{at}.url: an absolute URL"
    if "appContext" in link and link.get("type") != "smart":
        yield f"{at}.appContext: for smart links only"


def _coding(coding: object, at: str, *, display: bool = False) -> Found:
    if not isinstance(coding, dict):
        yield f"{at}: a Coding"
        return
    yield from _unknown(coding, {"code", "system", "display"}, at)
    yield from _texts(coding, ("code", "system", *(["display"] if display else [])), at)
    if not urlsplit(str(coding.get("system", ""))).scheme:
        yield f"{at}.system: a URI"


def _extension(card: Mapping[str, Any], at: str) -> Found:
    extension = card.get("extension", {})
    if not isinstance(extension, dict) or not all(re.fullmatch(r"[a-z]+(\.[a-z0-9-]+)+", key) for key in extension):
        yield f"{at}.extension: an object with reverse-domain keys"


def _uuid(value: Mapping[str, Any], at: str) -> Found:
    if "uuid" in value and not UUID.match(str(value["uuid"])):
        yield f"{at}.uuid: a UUID"


def _texts(value: Mapping[str, Any], names: Sequence[str], at: str) -> Found:
    for name in names:
        if not isinstance(value.get(name), str) or not value[name].strip():
            yield f"{at}.{name}: required, a string"


def _unknown(value: Mapping[str, Any], known: set[str], at: str) -> Found:
    for name in sorted(value.keys() - known):
        yield f"{at}.{name}: no such element"


def _empties(value: object, at: str) -> Found:
    if value is None or value in ("", [], {}):
        yield f"{at}: null or empty"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _empties(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empties(inner, f"{at}[{index}]")


def _absolute(url: object) -> bool:
    parts = urlsplit(url if isinstance(url, str) else "")
    return parts.scheme in ("http", "https") and bool(parts.netloc)
