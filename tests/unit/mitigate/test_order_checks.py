"""Checks of orders that do not fit together stop the start, and are named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact, content_root, write_manifest
from cds_app.errors import ContentError
from cds_app.mitigate.order_checks import FILE, OrderChecks, load_order_checks
from cds_app.score.clinical.scores import NAMES
from cds_app.services.content.knowledge import Knowledge

SHIPPED = json.loads((content_root() / "models" / "order_checks" / "1.0.0" / FILE).read_text("utf-8"))


def loaded(folder: Path, document: object, knowledge: Knowledge) -> OrderChecks:
    place = folder / "models" / "order_checks" / "1.0.0"
    place.mkdir(parents=True)
    (place / FILE).write_text(json.dumps(document), "utf-8")
    write_manifest(place, {})
    return load_order_checks(
        artefact("order_checks", "1.0.0", root=folder), knowledge.ontology, knowledge.genes, scores=NAMES
    )


def one(document: Any, kind: str) -> Any:
    return next(check for check in document["checks"] if check["kind"] == kind)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda it: it["checks"].append(it["checks"][0]), "used twice"),
        (lambda it: it.update(checks=[]), "checks"),
        (lambda it: one(it, "kidney").update(drugs=["unobtainium"]), "unobtainium"),
        (lambda it: one(it, "kidney").update(drugs=["asthma"]), "no drug: asthma"),
        (lambda it: one(it, "kidney")["filtration"].reverse(), "lowest first"),
        (lambda it: one(it, "kidney").update(evidence="M", needs_review=False), "from memory"),
        (lambda it: one(it, "interaction").update(partners=["unobtainium"]), "unobtainium"),
        (lambda it: one(it, "duplicate").update(classes=["unobtainium"]), "unobtainium"),
        (lambda it: one(it, "allergy")["cross"][0].update(via="unobtainium"), "unobtainium"),
        (lambda it: one(it, "allergy").update(spare=["unobtainium"]), "unobtainium"),
        (lambda it: one(it, "state")["levels"].reverse(), "highest tier first"),
        (lambda it: one(it, "state")["levels"][0]["when"].update(unit="mg/dL"), "another unit"),
        (lambda it: one(it, "problem")["levels"][0].update(when={"condition": "boredom"}), "boredom"),
        (lambda it: one(it, "once").update(ordered_times=2, unit="mg"), "units of activity"),
        (lambda it: one(it, "state").update(kind="guess"), "kind"),
        (lambda it: one(it, "state").update(colour="red"), "colour"),
    ],
)
def test_what_does_not_resolve_is_named(
    tmp_path: Path, knowledge: Knowledge, spoil: Callable[[Any], object], said: str
) -> None:
    document = copy.deepcopy(SHIPPED)
    spoil(document)
    with pytest.raises(ContentError) as caught:
        loaded(tmp_path, document, knowledge)
    assert said in caught.value.message


def test_the_shipped_checks_load(tmp_path: Path, knowledge: Knowledge) -> None:
    assert loaded(tmp_path, SHIPPED, knowledge).checks == knowledge.order_checks.checks
