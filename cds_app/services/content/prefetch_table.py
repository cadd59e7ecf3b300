"""Prefetch as a site types it in: some EHRs do not read discovery, and every key is copied by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_app.cards.definition import ServiceDefinition

_HEAD = """# Prefetch, to copy

For EHRs that do not read `GET /cds-services`: per service its path, hook, and every prefetch key with its query. This
page is made from `hooks/*/service.json` by `twinline prefetch`, and a test holds it current. Keys may be left out or
renamed: Twinline then fetches what it needs itself, and says what it could not see. *Needed* keys are answered with 412
where they can be had in neither way.
"""


def prefetch_page(services: Iterable[ServiceDefinition]) -> str:
    """The page as markdown, services that clients can call by id."""
    offered = (one for one in services if one.offered)
    parts = [_HEAD, *(_section(one) for one in sorted(offered, key=lambda one: one.id))]
    return "\n".join(parts)


def _section(service: ServiceDefinition) -> str:
    return "\n".join(_lines(service)) + "\n"


def _lines(service: ServiceDefinition) -> Iterator[str]:
    yield f"## {service.id}"
    yield ""
    yield f"Hook `{service.hook}`, `POST /cds-services/{service.id}`. {service.usage_requirements}"
    yield ""
    yield "| key | needed | query |"
    yield "|---|---|---|"
    for key, template in service.prefetch.items():
        yield f"| `{key}` | {'yes' if key in service.needs else 'no'} | `{template}` |"
