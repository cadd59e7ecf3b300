"""Whether a draft orders what the patient has already: the same drug, or another one of a class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_app.domain.facts import Medication
from cds_app.domain.sentences import sentence
from cds_app.mitigate.conditions import evaluate
from cds_app.mitigate.findings import Case, Finding, Outcome
from cds_app.mitigate.order_checks import DuplicateCheck, Overlap
from cds_app.score.chronology import is_single


def duplicate(check: DuplicateCheck, case: Case) -> Outcome:
    """The same drug first, then a class of which one is enough."""
    heads = [head for head in sorted(case.heads) if not case.is_spare(head, check.spare)]
    same = {head: rows for head in heads if (rows := _same(head, check, case))}
    if same:
        rows = _first((row for every in same.values() for row in every), case)
        yield _finding(check, case, rows, " + ".join(map(case.label, same)), of_class=False)
        return
    for concept in check.classes:
        rows = _first(_others(concept, check, case), case) if case.is_one_of([concept]) else ()
        if rows:
            yield _finding(check, case, rows, case.label(concept), of_class=True)
            return


def _finding(check: DuplicateCheck, case: Case, rows: tuple[Medication, ...], what: str, *, of_class: bool) -> Finding:
    single, drafted = is_single(rows[0]), rows[0] in case.drafts
    how = "draft" if drafted else rows[0].source
    why = sentence("duplicate", what=what, of_class=of_class, how=how, single=single)
    given = single or rows[0].source == "administration" or is_single(case.order)
    lesser = drafted or given or any(_is_meant(one, rows[0], case) for one in check.overlaps)
    return Finding(check=check, tier=check.lesser_tier if lesser else check.tier, why=why, beside=rows)


def _is_meant(overlap: Overlap, other: Medication, case: Case) -> bool:
    """Whether the two are the ones that go on beside each other for a time, and it is that time."""
    pairs = ((overlap.drugs, overlap.partners), (overlap.partners, overlap.drugs))
    named = any(case.is_one_of(mine) and not frozenset(its).isdisjoint(other.concepts) for mine, its in pairs)
    return named and bool(evaluate(overlap.when, case.view).holds)


def _same(head: str, check: DuplicateCheck, case: Case) -> tuple[Medication, ...]:
    """What else is taken or drafted of the drug and reaches as far: by mouth, some drugs stay in the bowel."""
    far = frozenset(case.situation.ontology.concepts[head].by_mouth_not)
    reach = far.intersection(case.order.concepts)
    return tuple(one for one in _others(head, check, case) if far.intersection(one.concepts) == reach)


def _others(concept: str, check: DuplicateCheck, case: Case) -> Iterator[Medication]:
    """What else is taken, or drafted; where drafts take the place of orders, no doses given, which may be theirs."""
    rows = case.others(concept, check.given_within_h)
    yield from (one for one in rows if not (case.replaced and one.source == "administration"))
    yield from (one for one in case.drafts if concept in one.concepts)


def _first(rows: Iterable[Medication], case: Case) -> tuple[Medication, ...]:
    """Each once: what goes on, then single doses, what was given and drafts; of these the newest first."""
    found = {one.ref: one for one in rows}.values()
    return tuple(sorted(found, key=lambda one: (_rank(one, case), is_single(one), -one.when.timestamp())))


def _rank(one: Medication, case: Case) -> int:
    return 2 if one in case.drafts else int(one.source == "administration")
