"""``twinline decision``: decisions of the log, shown, replayed and taken apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from cds_app.adapters.clock import SystemClock
from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.policy import Answer, answer_to
from cds_app.commands.examples import examples
from cds_app.commands.stores import open_store, with_store
from cds_app.content import content_root
from cds_app.domain.decisions import Decision, Remembered, untaken
from cds_app.errors import IntegrityError
from cds_app.services.content.service_files import load_services
from cds_app.services.logged import decision_of

if TYPE_CHECKING:
    from cds_app.explain.counterfactual import Need, Telling
    from cds_app.services.content.knowledge import Knowledge
    from cds_app.services.replay import Replayed
    from cds_app.services.why import Why

_REASONS, _TELLING = 8, 3  # shown


@click.group()
def decision() -> None:
    """Show or replay decisions of the log."""


@decision.command("list")
@with_store
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest last.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per decision and line.")
def list_decisions(limit: int, *, as_json: bool, **flags: Any) -> None:
    """List the newest decisions. A line each: number, time, service, topic, tier, shown or why not, uuid."""
    services = load_services(content_root() / "hooks")
    with open_store(flags) as (_, store):
        entries = list(store.journal())
    became = [found for one in entries if (found := one.feedback or one.untaken) is not None]
    for number, one in [(entry.number, entry.decision) for entry in entries if entry.decision is not None][-limit:]:
        said = _said(number, one, became, services)
        click.echo(json.dumps(said, sort_keys=True) if as_json else _line(said))


def _said(
    number: int, one: Decision, became: Sequence[Remembered], services: Mapping[str, ServiceDefinition]
) -> dict[str, str | int | None]:
    service = services.get(one.service)
    answer = answer_to(one, became, service.policy, SystemClock().now()) if service and one.shown else None
    return {
        "number": number,
        "at": one.at.isoformat(timespec="seconds"),
        "service": one.service,
        "topic": one.topic,
        "tier": one.tier,
        "state": _state(one, answer),
        "answer": str(answer) if answer and answer is not Answer.UNTAKEN else None,
        "uuid": one.id,
    }


def _state(one: Decision, answer: Answer | None) -> str:
    if answer is Answer.UNTAKEN:
        return answer.value
    return "shown" if one.shown else one.suppression.value


def _line(said: Mapping[str, str | int | None]) -> str:
    at, state = str(said["at"])[:16].replace("T", " "), said["state"]
    if said["answer"]:
        state = f"{state}, {said['answer']}"
    named = f"{said['service']}  {said['topic']}  tier {said['tier']}"
    return f"{said['number']:>7}  {at}  {named}  {state}  {said['uuid']}"


@decision.command("show")
@with_store
@click.argument("uuid")
def show_decision(uuid: str, **flags: Any) -> None:
    """Show a decision's card and pins, and whether the caller took it."""
    with open_store(flags) as (_, store):
        patient, one = decision_of(store, uuid)
        past = [entry.untaken or entry.feedback for entry in store.entries(patient)]
    lost = untaken([found for found in past if found is not None]).get(uuid)
    said = {
        "card": json.loads(one.card) if one.card else None,
        "pins": dict(one.pins),
        "suppression": one.suppression.value,
        "not_taken": {"at": lost.at.isoformat(timespec="seconds"), "why": lost.why} if lost else None,
    }
    click.echo(json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False))


@decision.command("replay")
@with_store
@click.argument("uuid")
def replay(uuid: str, **flags: Any) -> None:
    """Compute a decision again and compare it byte for byte. All comes from the store; status 4 if it differs."""
    from cds_app.deps import knowledge_of  # models and all, for which the other commands need not wait
    from cds_app.services.replay import replay_decision

    with open_store(flags) as (settings, store):
        found = replay_decision(knowledge_of(settings), store, uuid)
    click.echo((found.again or found.logged).card.decode() or f"suppressed: {found.logged.suppression.value}")
    if not found.same:
        raise IntegrityError(_difference(found))
    click.echo("identical, byte for byte", err=True)


@decision.command(
    "why",
    epilog=examples("twinline decision list --limit 5", "twinline decision why 6f1c2a34-8a5e-4f0e-9d0b-0f4a1f0e7c11"),
)
@with_store
@click.argument("uuid")
def why_decision(uuid: str, **flags: Any) -> None:
    """Take the estimates behind a decision apart. Tells reasons, what one more value would tell, what it would take."""
    from cds_app.deps import knowledge_of
    from cds_app.services.why import why

    with open_store(flags) as (settings, store):
        knowledge = knowledge_of(settings)
        found = why(knowledge, store, uuid)
    for one in found:
        click.echo("\n".join(lines_of(one, knowledge)))
    if not found:
        click.echo("no learned risk was estimated at this moment")


def lines_of(one: Why, knowledge: Knowledge) -> Iterator[str]:
    """Lines for people; what the model would say is not what a treatment would do."""
    yield f"{_label(one.name, knowledge)}: {100 * one.risk.probability:.1f} in 100, base {100 * one.risk.base:.1f}"
    for reason in one.reasons[:_REASONS]:
        mark = " (can be treated)" if reason.modifiable else ""
        yield f"  {reason.points:+6.2f}  {_label(reason.quantity, knowledge)}{mark}"
    for telling in one.telling[:_TELLING]:
        yield f"  {_label(telling.quantity, knowledge)} measured again: {_between(telling, knowledge)}"
    limit = f"  below {100 * one.limit:.1f} in 100"
    yield from (f"{limit}: {_needed(need, need.needed, knowledge)}" for need in one.needs if need.needed is not None)
    if never := [_label(need.quantity, knowledge) for need in one.needs if need.needed is None]:
        yield f"{limit}: by none of these alone: {', '.join(never)}"
    yield "  What the model would say with another value; not what a treatment would do."


def _between(telling: Telling, knowledge: Knowledge) -> str:
    ends = ((telling.low, telling.risk_low), (telling.high, telling.risk_high))
    return ", ".join(f"{100 * risk:.1f} at {_value(telling.quantity, value, knowledge)}" for value, risk in ends)


def _needed(need: Need, needed: float, knowledge: Knowledge) -> str:
    instead = (_value(need.quantity, value, knowledge) for value in (needed, need.now))
    return f"{_label(need.quantity, knowledge)} {' instead of '.join(instead)}"


def _value(quantity: str, value: float, knowledge: Knowledge) -> str:
    told = knowledge.ontology.quantity(quantity).told
    return f"{told.number(value)} {told.text}"


def _label(name: str, knowledge: Knowledge) -> str:
    ontology = knowledge.ontology
    return ontology.quantity(name).label if ontology.measuring(name) else knowledge.labels.get(name, name)


def _difference(found: Replayed) -> str:
    if found.again is None:
        what = "the replay gives no such card"
    else:
        what = "the replay gives the same card" if found.same_card else "the replay gives another card"
    return f"{what}; changed since: {', '.join(found.changed) or 'nothing that is pinned'}"
